"""Spark ML's estimator and model over a user's function: ``fit`` trains on a cluster, ``transform`` asks a SavedModel.

``transform`` runs one TensorFlow in each of Spark's Python workers, so a model has to fit into their memory.
"""

import argparse
import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

from pyspark import SparkContext
from pyspark.ml import Estimator, Model
from pyspark.ml.param.shared import Params
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from sparkcv import storage
from sparkcv.compat import TFCluster
from sparkcv.compat.params import (
    HasBatchSize,
    HasClusterSize,
    HasEpochs,
    HasExportDir,
    HasGraceSecs,
    HasInputMapping,
    HasInputMode,
    HasMasterNode,
    HasModelDir,
    HasNumPS,
    HasOutputMapping,
    HasProtocol,
    HasReaders,
    HasSignatureDefKey,
    HasSteps,
    HasTagSet,
    HasTensorboard,
    HasTFRecordDir,
    TFTypeConverters,
)
from sparkcv.compat.saved_model import SavedModelPlan, columns_of, predict
from sparkcv.errors import UsageError
from sparkcv.spark.python_daemon import imported_first

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
    "Namespace",
    "TFEstimator",
    "TFModel",
    "TFParams",
    "TFTypeConverters",
]


class Namespace:
    """Arguments by attribute, from a dict, an argparse.Namespace or another one; or an argv list, kept as ``argv``.

    Iterating gives the names, or the items of the list.
    """

    argv: list[str] | None = None

    def __init__(self, d: Any):
        """Raise UsageError for anything else."""
        if isinstance(d, list):
            self.argv = d
        elif isinstance(d, dict):
            self.__dict__.update(d)
        elif isinstance(d, argparse.Namespace | Namespace):
            self.__dict__.update(vars(d))
        else:
            raise UsageError(f"arguments are a list, a dict or a Namespace, not a {type(d).__name__}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.argv or list(vars(self)))

    def __repr__(self) -> str:
        if self.argv:
            return repr(self.argv)
        return f"Namespace({', '.join(f'{name}={value!r}' for name, value in sorted(vars(self).items()))})"

    def __eq__(self, other: object) -> bool:
        if self.argv:
            return self.argv == (other.argv if isinstance(other, Namespace) else other)
        return isinstance(other, Namespace | argparse.Namespace) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class TFParams(Params):
    """Mix-in of a program's own arguments beside Spark's parameters."""

    args: Any = None

    def merge_args_params(self) -> Any:
        """Return a copy of the arguments, with every parameter as an attribute."""
        merged = copy.copy(self.args)
        for param in self.params:
            setattr(merged, param.name, self.getOrDefault(param.name))
        return merged


class TFEstimator(
    Estimator,
    TFParams,
    HasInputMapping,
    HasClusterSize,
    HasNumPS,
    HasInputMode,
    HasMasterNode,
    HasProtocol,
    HasGraceSecs,
    HasTensorboard,
    HasModelDir,
    HasExportDir,
    HasTFRecordDir,
    HasBatchSize,
    HasEpochs,
    HasReaders,
    HasSteps,
):
    """Trains by ``train_fn(args, ctx)`` on a cluster that is fed the DataFrame's mapped columns, sorted by name."""

    def __init__(
        self,
        train_fn: Callable[[Any, Any], Any],
        tf_args: Any,
        export_fn: Callable[[Any], Any] | None = None,
    ):
        """Raise UsageError for an ``export_fn``, which is of TensorFlow 1, before hours of training."""
        super().__init__()
        if export_fn is not None:
            raise UsageError("export_fn is of TensorFlow 1: let train_fn export the model, by model.export()")
        self.train_fn, self.export_fn = train_fn, export_fn
        self.args = Namespace(tf_args)
        self._setDefault(
            input_mapping={},
            cluster_size=1,
            num_ps=0,
            driver_ps_nodes=False,
            input_mode=TFCluster.InputMode.SPARK,
            master_node="chief",
            protocol="grpc",
            tensorboard=False,
            model_dir=None,
            export_dir=None,
            tfrecord_dir=None,
            batch_size=100,
            epochs=1,
            readers=1,
            steps=1000,
            grace_secs=30,
        )

    def _fit(self, dataset: DataFrame) -> "TFModel":
        args = self.merge_args_params()
        if not args.input_mapping:
            raise UsageError("fit() needs input_mapping (column -> tensor): without it rows of no column would be fed")
        rows = dataset.select(sorted(args.input_mapping)).rdd  # first: a column that is not there is told by this
        sc = SparkContext.getOrCreate()
        cluster = TFCluster.run(
            sc,
            self.train_fn,
            self.args.argv or args,
            args.cluster_size,
            args.num_ps,
            args.tensorboard,
            TFCluster.InputMode.SPARK,
            master_node=args.master_node,
            driver_ps_nodes=args.driver_ps_nodes,
        )
        try:
            cluster.train(rows, args.epochs)
            cluster.shutdown(grace_secs=args.grace_secs)
        except BaseException as err:  # Ctrl-C, too
            cluster.abort(f"fit() failed: {str(err).partition(chr(10))[0]}")  # nobody else could end it
            raise
        return self._copyValues(TFModel(self.args))


class TFModel(
    Model,
    TFParams,
    HasInputMapping,
    HasOutputMapping,
    HasBatchSize,
    HasModelDir,
    HasExportDir,
    HasSignatureDefKey,
    HasTagSet,
):
    """Asks the SavedModel at ``export_dir``; its columns are those of ``output_mapping``, sorted by tensor."""

    def __init__(self, tf_args: Any):
        super().__init__()
        self.args = Namespace(tf_args)
        self._setDefault(
            input_mapping={},
            output_mapping={},
            batch_size=100,
            model_dir=None,
            export_dir=None,
            signature_def_key=None,
            tag_set=None,
        )

    def _transform(self, dataset: DataFrame) -> DataFrame:
        args = self.merge_args_params()
        if not args.export_dir:
            raise UsageError("transform() needs export_dir, where the SavedModel is")
        inputs, outputs = sorted(args.input_mapping.items()), sorted(args.output_mapping.items())
        if not inputs or not outputs:
            raise UsageError("transform() needs input_mapping (column -> tensor) and output_mapping (tensor -> column)")
        plan = SavedModelPlan(
            export_dir=storage.resolve(args.export_dir).rstrip("/"),
            tag_set=args.tag_set or "",
            signature=args.signature_def_key or "serving_default",
            inputs=tuple(tensor for _, tensor in inputs),
            outputs=tuple(tensor for tensor, _ in outputs),
            batch_size=args.batch_size,
            argv=tuple(self.args.argv or ()),
        )
        spark = SparkSession.builder.getOrCreate()
        # A worker imports TensorFlow in seconds, and again after each task that failed.
        with imported_first(spark, "tensorflow"):
            # What the model says of its outputs is the schema, also where there is no row to guess it from.
            kinds = spark.sparkContext.parallelize([plan], 1).map(columns_of).first()
            fields = [
                f"`{column}` {'array<' * rank}{kind}{'>' * rank}"
                for (_, column), (kind, rank) in zip(outputs, kinds, strict=True)
            ]
            rows = dataset.select([column for column, _ in inputs]).rdd.mapPartitions(functools.partial(predict, plan))
            return spark.createDataFrame(rows, StructType.fromDDL(", ".join(fields)))
