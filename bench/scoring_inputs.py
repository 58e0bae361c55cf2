"""What the benches of scoring work on: an exported net of random weights, and drawn pictures of its size as JPEG."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # what writes the checkpoint is the tests'

from sparkcv import synthetic  # noqa: E402

_DRAWN = 200


def pictures(folder: pathlib.Path, count: int, size: int) -> str:
    """Write ``count`` files, 200 pictures again and again; returns the folder."""
    folder.mkdir(parents=True)
    drawn = [synthetic.encode(synthetic.draw(index % 8, index, size), "jpeg") for index in range(min(_DRAWN, count))]
    for index in range(count):
        (folder / f"{index:06d}.jpg").write_bytes(drawn[index % len(drawn)])
    return str(folder)


def model(folder: pathlib.Path, net: str, size: int) -> str:
    """Export ``net`` for pictures of ``size`` pixels; returns the model's folder."""
    from sparkcv.config import ExportConfig
    from sparkcv.driver import export
    from sparkcv.predict.export import graphs
    from sparkcv.programs.export import write_model
    from tests.predict.checkpoints import write_labels, write_run

    made = str(folder / "model")
    config = ExportConfig(
        checkpoint_path=write_run(folder / "run", model_name=net, size=size),
        dataset_dir=write_labels(folder / "dataset"),
        model_dir=made,
        model_name=net,
        image_size=size,
    )
    task = export.prepare(config).task
    os.makedirs(made)
    write_model(task, graphs.freeze(task, task.found.prefix_url), made)
    return made
