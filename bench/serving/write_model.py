"""Export a net of random weights and 1001 classes as FOLDER/models/net: ``python write_model.py FOLDER NET SIZE``."""

import os
import sys

from sparkcv.config import ExportConfig
from sparkcv.driver import export
from sparkcv.programs.export import main
from sparkcv.roles import NodeContext, Role
from tests.predict.checkpoints import write_labels, write_run

folder, net, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
run = write_run(f"{folder}/trained", model_name=net, size=size, num_classes=1001)
labels = write_labels(f"{folder}/labels", tuple(f"class {index}" for index in range(1001)))
os.makedirs(f"{folder}/models")
config = ExportConfig(
    checkpoint_path=run, dataset_dir=labels, model_dir=f"{folder}/models/net", model_name=net, image_size=size
)
os.makedirs(f"{folder}/scratch")
params = export.prepare(config).task.to_params()
main(NodeContext(Role("exporter", 0), {}, params, f"{folder}/scratch", lambda status: None, lambda: False))
