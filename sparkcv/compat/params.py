"""The parameters of the pipeline's estimator and model, as Spark ML has them: one small class each."""

from typing import Any

from pyspark.ml.param.shared import Param, Params, TypeConverters

from sparkcv.compat.TFCluster import InputMode
from sparkcv.errors import UsageError

__all__ = [
    "HasBatchSize",
    "HasClusterSize",
    "HasEpochs",
    "HasExportDir",
    "HasGraceSecs",
    "HasInputMapping",
    "HasInputMode",
    "HasMasterNode",
    "HasModelDir",
    "HasNumPS",
    "HasOutputMapping",
    "HasProtocol",
    "HasReaders",
    "HasSignatureDefKey",
    "HasSteps",
    "HasTFRecordDir",
    "HasTagSet",
    "HasTensorboard",
    "TFTypeConverters",
]


class TFTypeConverters:
    """Converters that Spark lacks."""

    @staticmethod
    def toDict(value: Any) -> dict[str, str]:
        """Return ``value`` if it is a dict; raise TypeError otherwise, as Spark's own converters do."""
        if not isinstance(value, dict):
            raise TypeError(f"expected a dict, got a {type(value).__name__}: {value!r}")
        return value


def _mixin(cls_name: str, *params: tuple[str, str, str, Any]) -> Any:
    """Return a class with a Param, setter and getter for each (name, name in setX and getX, doc, converter)."""
    members: dict[str, Any] = {"__doc__": f"Mix-in of {', '.join(name for name, *_ in params)}."}
    for name, spoken, doc, converter in params:
        members[name] = Param(Params._dummy(), name, doc, typeConverter=converter)

        def set_it(self: Any, value: Any, name: str = name) -> Any:
            return self._set(**{name: value})

        def get_it(self: Any, name: str = name) -> Any:
            return self.getOrDefault(getattr(self, name))

        members[f"set{spoken}"], members[f"get{spoken}"] = set_it, get_it
    return type(cls_name, (Params,), members)


_int, _text, _bool, _dict = (
    TypeConverters.toInt,
    TypeConverters.toString,
    TypeConverters.toBoolean,
    TFTypeConverters.toDict,
)
HasBatchSize = _mixin("HasBatchSize", ("batch_size", "BatchSize", "rows in a batch", _int))
HasClusterSize = _mixin("HasClusterSize", ("cluster_size", "ClusterSize", "nodes in the cluster", _int))
HasEpochs = _mixin("HasEpochs", ("epochs", "Epochs", "times that all rows are fed", _int))
HasGraceSecs = _mixin("HasGraceSecs", ("grace_secs", "GraceSecs", "not needed: a node's end is waited for", _int))
HasInputMapping = _mixin("HasInputMapping", ("input_mapping", "InputMapping", "column -> input tensor", _dict))
HasMasterNode = _mixin("HasMasterNode", ("master_node", "MasterNode", "what the chief is called", _text))
HasModelDir = _mixin("HasModelDir", ("model_dir", "ModelDir", "where checkpoints are", _text))
HasNumPS = _mixin(
    "HasNumPS",
    ("num_ps", "NumPS", "ps in the cluster", _int),
    ("driver_ps_nodes", "DriverPSNodes", "whether the ps run on the driver's host", _bool),
)
HasOutputMapping = _mixin("HasOutputMapping", ("output_mapping", "OutputMapping", "output tensor -> column", _dict))
HasProtocol = _mixin("HasProtocol", ("protocol", "Protocol", "of TensorFlow between the nodes", _text))
HasReaders = _mixin("HasReaders", ("readers", "Readers", "threads that read", _int))
HasSteps = _mixin("HasSteps", ("steps", "Steps", "most steps to train", _int))
HasTensorboard = _mixin("HasTensorboard", ("tensorboard", "Tensorboard", "whether to start TensorBoard", _bool))
HasTFRecordDir = _mixin("HasTFRecordDir", ("tfrecord_dir", "TFRecordDir", "for rows as TFRecords", _text))
HasExportDir = _mixin("HasExportDir", ("export_dir", "ExportDir", "where the SavedModel is", _text))
HasTagSet = _mixin("HasTagSet", ("tag_set", "TagSet", "tags in the SavedModel, with commas", _text))
HasSignatureDefKey = _mixin(
    "HasSignatureDefKey", ("signature_def_key", "SignatureDefKey", "signature in the SavedModel", _text)
)
_AnyInputMode: Any = _mixin("_AnyInputMode", ("input_mode", "InputMode", "1: Spark feeds the rows", _int))


class HasInputMode(_AnyInputMode):
    """Mix-in of input_mode, which must be InputMode.SPARK."""

    def setInputMode(self, value: int) -> Any:
        """Raise UsageError for InputMode.TENSORFLOW: the rows of a DataFrame come from Spark."""
        if value == InputMode.TENSORFLOW:
            raise UsageError("an estimator feeds a DataFrame's rows: input_mode must be InputMode.SPARK")
        return self._set(input_mode=value)
