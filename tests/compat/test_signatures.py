"""Names, parameters, their order and defaults are stock's own, read off the package that is installed."""

import ast
import importlib.util
import inspect
from pathlib import Path

import pytest

from sparkcv.compat import TFCluster, TFNode, TFParallel, context, pipeline

STOCK = Path(importlib.util.find_spec("tensorflowonspark").origin).parent  # not imported: that loads TensorFlow
OURS = {
    "TFCluster.run": TFCluster.run,
    "TFCluster.TFCluster.train": TFCluster.TFCluster.train,
    "TFCluster.TFCluster.inference": TFCluster.TFCluster.inference,
    "TFCluster.TFCluster.shutdown": TFCluster.TFCluster.shutdown,
    "TFCluster.TFCluster.tensorboard_url": TFCluster.TFCluster.tensorboard_url,
    "TFNode.hdfs_path": TFNode.hdfs_path,
    "TFNode.start_cluster_server": TFNode.start_cluster_server,
    "TFNode.export_saved_model": TFNode.export_saved_model,
    "TFNode.release_port": TFNode.release_port,
    "TFNode.next_batch": TFNode.next_batch,
    "TFNode.batch_results": TFNode.batch_results,
    "TFNode.terminate": TFNode.terminate,
    "TFNode.DataFeed.__init__": TFNode.DataFeed.__init__,
    "TFNode.DataFeed.next_batch": TFNode.DataFeed.next_batch,
    "TFNode.DataFeed.should_stop": TFNode.DataFeed.should_stop,
    "TFNode.DataFeed.batch_results": TFNode.DataFeed.batch_results,
    "TFNode.DataFeed.terminate": TFNode.DataFeed.terminate,
    "TFSparkNode.TFNodeContext.absolute_path": context.TFNodeContext.absolute_path,
    "TFSparkNode.TFNodeContext.get_data_feed": context.TFNodeContext.get_data_feed,
    "TFSparkNode.TFNodeContext.start_cluster_server": context.TFNodeContext.start_cluster_server,
    "TFSparkNode.TFNodeContext.export_saved_model": context.TFNodeContext.export_saved_model,
    "TFSparkNode.TFNodeContext.release_port": context.TFNodeContext.release_port,
    "TFParallel.run": TFParallel.run,
    "pipeline.Namespace.__init__": pipeline.Namespace.__init__,
    "pipeline.TFEstimator.__init__": pipeline.TFEstimator.__init__,
    "pipeline.TFModel.__init__": pipeline.TFModel.__init__,
    "pipeline.TFParams.merge_args_params": pipeline.TFParams.merge_args_params,
}


def stock(name):
    """(parameter, default as source or None) of stock's function of that dotted name."""
    module, *path = name.split(".")
    node = ast.parse((STOCK / f"{module}.py").read_text())
    for part in path:
        node = next(child for child in node.body if getattr(child, "name", "") == part)
    names = [arg.arg for arg in node.args.args]
    defaults = [ast.unparse(default) for default in node.args.defaults]
    return list(zip(names, [None] * (len(names) - len(defaults)) + defaults, strict=True))


@pytest.mark.parametrize("name", OURS)
def test_a_function_takes_what_stocks_takes(name):
    ours = [
        (each.name, None if each.default is inspect.Parameter.empty else each.default)
        for each in inspect.signature(OURS[name]).parameters.values()
    ]
    theirs = stock(name)
    assert [each for each, _ in ours] == [each for each, _ in theirs]
    for (_, default), (_, text) in zip(ours, theirs, strict=True):
        if text is None:
            assert default is None
        elif text.startswith("InputMode."):
            assert default == getattr(TFCluster.InputMode, text.partition(".")[2])
        else:
            wanted = ast.literal_eval(text)
            assert (list(default) if isinstance(wanted, list) else default) == wanted


def test_every_param_of_stocks_pipeline_is_there():
    tree = ast.parse((STOCK / "pipeline.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Has"):
            ours = getattr(pipeline, node.name)
            for child in node.body:
                if isinstance(child, ast.FunctionDef) and child.name != "__init__":
                    assert callable(getattr(ours, child.name)), f"{node.name}.{child.name}"
                elif isinstance(child, ast.Assign):
                    assert hasattr(ours, child.targets[0].id)


def test_paths_are_absolute_as_in_stock(monkeypatch):
    monkeypatch.setenv("LOGNAME", "me")
    hdfs = context.TFNodeContext(defaultFS="hdfs://nn:8020", working_dir="/home/me")
    assert hdfs.absolute_path("a/b") == "hdfs://nn:8020/user/me/a/b"
    assert hdfs.absolute_path("/a/b") == "hdfs://nn:8020/a/b"
    for scheme in ("s3a", "gs", "abfss", "memory"):
        assert hdfs.absolute_path(f"{scheme}://a/b") == f"{scheme}://a/b"
    assert hdfs.absolute_path("a://b"[1:]) == "hdfs://nn:8020/user/me/://b"
    local = context.TFNodeContext(defaultFS="file://", working_dir="/home/me/here")
    assert local.absolute_path("a/b") == "file:///home/me/here/a/b"
    assert local.absolute_path("/a/b") == "file:///a/b"
    assert context.TFNodeContext(defaultFS="odd://x").absolute_path("a") == "odd://x/a"
