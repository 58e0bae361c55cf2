"""The export program, run as role ``exporter:0``: from a checkpoint to a model folder that was loaded and has scored.

Everything is built and checked in the process's own scratch folder; the last step publishes the folder as a whole.
"""

import dataclasses
import datetime
import os
from typing import Any

from google.protobuf import text_format

from sparkcv.nets import slim  # noqa: F401  (first: whoever imports TensorFlow without it has pandas come along)

# isort: split
from sparkcv import logs, storage
from sparkcv.config import ExportConfig
from sparkcv.predict import evaluation
from sparkcv.predict import manifest as manifests
from sparkcv.predict.export import graphs, proof
from sparkcv.predict.export.target import publish_model
from sparkcv.predict.export.task import ExportTask
from sparkcv.predict.manifest import ModelManifest
from sparkcv.records import labels
from sparkcv.roles import NodeContext
from sparkcv.train import imported

__all__ = ["main", "write_model"]

_log = logs.get(__name__)


def main(ctx: NodeContext) -> dict[str, Any]:
    """Export as ``ctx.params`` (an :class:`ExportTask`) says; return ``digest``, ``step``, ``files`` and ``proof``.

    Raises:
        CheckpointError: the checkpoint is damaged, of another net, or of another number of classes than labels.txt.
        ModelError: what was written does not load, or its two forms disagree.
        FileExistsAlreadyError: the model folder is there.
    """
    task = ExportTask.from_params(ctx.params)
    ctx.report({"doing": "reading the checkpoint"})
    prefix = imported.fetch(task.found, ctx.scratch_dir, task.config.model_name)
    folder = os.path.join(ctx.scratch_dir, "model")
    os.makedirs(folder)
    ctx.report({"doing": "writing the graphs"})
    frozen = graphs.freeze(task, prefix)
    write_model(task, frozen, folder)
    ctx.report({"doing": "scoring one picture with both forms"})
    difference = proof.prove(folder)
    _log.info("frozen graph and SavedModel agree to %.1e on one picture", difference)
    ctx.report({"doing": "publishing"})
    manifest = manifests.read_manifest(folder)
    publish_model(folder, str(task.config.model_dir), may_replace=task.may_replace)
    if task.config.write_text_graphdef:
        storage.write_text(task.config.output_file, text_format.MessageToString(frozen.graph))
    elif task.config.output_file:
        storage.publish(os.path.join(folder, manifests.FROZEN_GRAPH), task.config.output_file)
    return {"digest": manifest.digest, "step": manifest.step, "proof": difference}


def write_model(task: ExportTask, frozen: graphs.Frozen, folder: str) -> None:
    """Write all files of a model into the local ``folder``, ``model.json`` last."""
    config: ExportConfig = task.config
    graphs.write_saved_model(task, frozen.graph, os.path.join(folder, manifests.SAVED_MODEL))
    storage.write_bytes(
        os.path.join(folder, manifests.FROZEN_GRAPH), frozen.graph.SerializeToString(deterministic=True)
    )
    storage.write_text(os.path.join(folder, manifests.LABELS), labels.format_labels(task.labels))
    statistics = graphs.normalization_of(task).statistics
    if statistics is not None:
        statistics.write(os.path.join(folder, manifests.STATISTICS))
    manifest = ModelManifest(
        model_name=config.model_name,
        image_size=task.image_size,
        num_classes=len(task.labels),
        preprocessing=task.preprocessing,
        use_grayscale=config.use_grayscale,
        labels_offset=config.labels_offset,
        batch_size=config.batch_size,
        step=task.found.step,
        run=task.found.prefix_url,
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        inputs=graphs.describe_inputs(task),
        outputs=graphs.describe_outputs(task, frozen),
        files=manifests.describe_files(folder),
    )
    proof.write_scored_picture(folder, manifest)
    if task.evaluation is not None:
        storage.write_json(os.path.join(folder, evaluation.FILE_NAME), dict(task.evaluation))
    manifest = dataclasses.replace(manifest, files=manifests.describe_files(folder))
    storage.write_bytes(os.path.join(folder, manifests.FILE_NAME), manifest.to_bytes())
