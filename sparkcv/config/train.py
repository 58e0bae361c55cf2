"""The flags of training: every one of TF-Slim's ``train_image_classifier.py``, then those that a cluster needs.

Names, defaults and meaning of the first kind are those of tensorflow/models, research/slim.
"""

import dataclasses

from sparkcv.config import pictures, spark_flags, tables
from sparkcv.config.augment import Augmentations, text_of_table
from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.config.normalization import OWN, normalization_flag, statistics_flag
from sparkcv.config.number_lists import BALANCED, check_weights, numbers_in, parse_scales
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

OPTIMIZERS = ("adadelta", "adagrad", "adam", "ftrl", "momentum", "rmsprop", "sgd")
DECAYS = ("fixed", "exponential", "polynomial", "cosine")
LOSSES = ("softmax", "focal")
WIRE_DTYPES = ("float32", "bfloat16")
FILES, PRELOADED = "files", "preloaded"
STOCK_LAUNCHER = "tensorflowonspark"
LAUNCHERS = ("barrier", STOCK_LAUNCHER)

_RUN, _LOSS, _OPT, _LR = "run", "loss", "optimizer", "learning rate"
_DATA, _TUNE, _CLUSTER, _CARE = "dataset and net", "fine-tuning", "cluster", "care"
_EVAL, _EXPORT = "evaluation while training", "export"


@dataclasses.dataclass(frozen=True)
class TrainConfig(Flags):
    """Train an image classifier on Spark executors: one Spark task a role, ps and workers, worker 0 is the chief."""

    dataset_dir: str | None = flag(None, "folder of the TFRecord shards, any storage URL", group=_DATA)
    train_dir: str = flag("/tmp/tfmodel/", "folder of checkpoints and events, any storage URL", group=_RUN)
    max_number_of_steps: int | None = flag(
        None, "global step at which to stop; not set: until stopped", group=_RUN, least=1
    )
    log_every_n_steps: int = flag(10, "steps between two logged losses", group=_RUN, least=1)
    save_summaries_secs: int = flag(600, "seconds between two summaries", group=_RUN, least=1)
    save_interval_secs: int = flag(600, "seconds between two checkpoints", group=_RUN, least=1)
    master: str = flag("", "accepted, unused: Spark places the roles, and each worker has its own session", group=_RUN)
    task: int = flag(0, "accepted, unused: each Spark task gets its own index", group=_RUN)
    seed: int = flag(0, "seed of shard order, shuffling and initial weights", group=_RUN, least=0, most=MOST_SEED)

    dataset_name: str = flag("imagenet", "name in the shards' file names", group=_DATA)
    dataset_split_name: str = flag("train", "split in the shards' file names", group=_DATA)
    dataset_table: str | None = tables.dataset_table(_DATA)
    dataset_query: str | None = tables.dataset_query(_DATA)
    image_column: str = tables.image_column(_DATA)
    label_column: str = tables.label_column(_DATA)
    name_column: str | None = tables.name_column(_DATA)
    validation_fraction: float | None = flag(
        None, "share of every class of a table that becomes the split 'validation'", group=_DATA, above=0, below=1
    )
    labels_offset: int = flag(
        0, "subtracted from every label (1 drops ImageNet's background class)", group=_DATA, least=0
    )
    model_name: str = flag("inception_v3", "the net to train", group=_DATA)
    preprocessing_name: str | None = flag(None, "preprocessing; not set: the net's own", group=_DATA)
    batch_size: int = flag(32, "examples a step, on each worker and clone", group=_DATA, least=1)
    train_image_size: int | None = flag(
        None, "side of the square input in pixels; not set: the net's own", group=_DATA, least=1
    )
    min_crop_area: float | None = flag(
        None, "smallest share of a picture that a random crop keeps; not set: slim's 0.05", group=_DATA, share=True
    )
    augment: str | None = flag(
        None,
        "augmentations beside the preprocessing's own, drawn anew for each picture: NAME=LOW:HIGH or NAME=CHANCE, with"
        " commas; in a recipe the table [augment]; slim=false: without the preprocessing's own",
        group=_DATA,
        table=text_of_table,
    )
    normalization: str = normalization_flag(_DATA, OWN)
    statistics: str | None = statistics_flag(_DATA, "those of the split, beside its shards")
    use_grayscale: bool = flag(False, "convert pictures to grey", group=_DATA)
    jpeg_arithmetic: str = pictures.jpeg_arithmetic(_DATA)
    exif_orientation: bool = pictures.exif_orientation(_DATA)
    image_feature: str = pictures.image_feature(_DATA)
    label_feature: str = pictures.label_feature(_DATA)
    input_mode: str = flag(
        FILES,
        "read the shards anew in each epoch, or once: preloaded holds decoded pictures of a small dataset in memory",
        group=_DATA,
        choices=(FILES, PRELOADED),
    )
    cache: bool = flag(False, "short for --input_mode preloaded", group=_DATA)
    cache_bytes: int = flag(
        2**30, "memory of a worker that preloaded pictures may take, decoded; more is refused", group=_DATA, least=1
    )
    num_readers: int = flag(4, "shards read at the same time", group=_DATA, least=1)
    num_fetchers: int = flag(
        4, "shards fetched from storage at the same time, ahead of their readers", group=_DATA, least=1
    )
    num_preprocessing_threads: int = flag(4, "threads that decode and augment", group=_DATA, least=1)

    loss: str = flag(
        "softmax",
        "cross entropy of the softmax, or focal loss, which counts easy examples less",
        group=_LOSS,
        choices=LOSSES,
    )
    focal_alpha: float = flag(0.25, "factor of focal loss, one for all classes", group=_LOSS, above=0)
    focal_gamma: float = flag(
        2.0, "power by which focal loss counts easy examples less; 0: none is", group=_LOSS, least=0
    )
    class_weights: str | None = flag(
        None,
        "weight of each class's examples: a comma-separated list in the order of the labels, a file of it, or"
        f" {BALANCED!r}: the inverse of the class's share of the records",
        group=_LOSS,
    )

    weight_decay: float = flag(0.00004, "L2 weight on the net's weights", group=_OPT, least=0)
    optimizer: str = flag("rmsprop", "update rule", group=_OPT, choices=OPTIMIZERS)
    adadelta_rho: float = flag(0.95, "decay of adadelta", group=_OPT, share=True)
    adagrad_initial_accumulator_value: float = flag(0.1, "start of adagrad's accumulators", group=_OPT, above=0)
    adam_beta1: float = flag(0.9, "decay of adam's first moment", group=_OPT, least=0, below=1)
    adam_beta2: float = flag(0.999, "decay of adam's second moment", group=_OPT, least=0, below=1)
    opt_epsilon: float = flag(1.0, "epsilon of adadelta, adam and rmsprop", group=_OPT, least=0)
    ftrl_learning_rate_power: float = flag(-0.5, "power of ftrl's learning rate", group=_OPT, most=0)
    ftrl_initial_accumulator_value: float = flag(0.1, "start of ftrl's accumulators", group=_OPT, least=0)
    ftrl_l1: float = flag(0.0, "L1 strength of ftrl", group=_OPT, least=0)
    ftrl_l2: float = flag(0.0, "L2 strength of ftrl", group=_OPT, least=0)
    momentum: float = flag(0.9, "momentum of the momentum optimizer", group=_OPT, share=True)
    rmsprop_momentum: float = flag(0.9, "momentum of rmsprop", group=_OPT, share=True)
    rmsprop_decay: float = flag(0.9, "decay of rmsprop", group=_OPT, share=True)
    quantize_delay: int = flag(-1, "only -1: quantized training needs tf.contrib, gone since TensorFlow 2", group=_OPT)
    label_smoothing: float = flag(0.0, "weight moved from the true label to all", group=_OPT, share=True)
    moving_average_decay: float | None = flag(
        None, "decay of the weights' moving averages; not set: none", group=_OPT, share=True
    )
    sync_replicas: bool = flag(False, "workers step together instead of each on its own", group=_OPT)
    replicas_to_aggregate: int = flag(
        1, "gradients collected before an update, with --sync_replicas", group=_OPT, least=1
    )
    clip_gradient_norm: float | None = flag(
        None, "largest norm of all gradients together, to which they are scaled down; not set: any", group=_OPT, above=0
    )
    batch_norm_decay: float | None = flag(
        None,
        "decay of batch norm's averages; not set: the net's own, 0.9997 for Inception: short runs want 0.9",
        group=_OPT,
        share=True,
    )

    learning_rate_decay_type: str = flag("exponential", "how the learning rate falls", group=_LR, choices=DECAYS)
    learning_rate: float = flag(0.01, "initial learning rate", group=_LR, above=0)
    end_learning_rate: float = flag(0.0001, "lowest learning rate of polynomial and cosine decay", group=_LR, least=0)
    learning_rate_decay_factor: float = flag(0.94, "factor of exponential decay", group=_LR, above=0)
    num_epochs_per_decay: float = flag(2.0, "epochs after which the learning rate decays", group=_LR, above=0)
    warmup_epochs: float = flag(
        0.0, "epochs in which the learning rate rises from 0 in a line; 0: none", group=_LR, least=0
    )
    learning_rate_scales: str | None = flag(
        None,
        "SCOPE=FACTOR,...: the learning rate of the variables under a scope, as a factor of the others'; the longest"
        " scope wins",
        group=_LR,
    )

    checkpoint_path: str | None = flag(
        None,
        "weights to start from: a checkpoint's folder or prefix, a frozen graph, a SavedModel's folder, or the uint8"
        " .tflite files of a net, comma-separated",
        group=_TUNE,
    )
    checkpoint_exclude_scopes: str | None = flag(None, "comma-separated scopes not to restore", group=_TUNE)
    trainable_scopes: str | None = flag(None, "comma-separated scopes to train; not set: all", group=_TUNE)
    freeze_batch_norm: bool = flag(
        False, "batch normalisation keeps its statistics, and uses them in training too", group=_TUNE
    )
    ignore_missing_vars: bool = flag(False, "variables missing in the checkpoint keep their first values", group=_TUNE)
    ignore_missing_scopes: bool = flag(
        False, "scopes to exclude or to train that match no variable are warned of, not refused", group=_TUNE
    )

    cluster_size: int | None = flag(
        None, "roles in all, ps, workers and evaluator; not set: the executors submitted", group=_CLUSTER, least=1
    )
    num_ps_tasks: int | None = flag(
        None,
        "parameter servers; 0: one worker keeps the parameters itself; not set: by the size of the net where several"
        " roles are to share it, else 0",
        group=_CLUSTER,
        least=0,
    )
    wire_dtype: str = flag(
        "float32",
        "type in which weights and gradients travel between workers and ps: bfloat16 halves the bytes, the ps keep"
        " float32 weights all the same",
        group=_CLUSTER,
        choices=WIRE_DTYPES,
    )
    worker_replicas: int = flag(1, "workers, where --cluster_size is not given", group=_CLUSTER, least=1)
    num_clones: int = flag(1, "towers in each worker, one a GPU", group=_CLUSTER, least=1)
    clone_on_cpu: bool = flag(False, "put the towers on the CPU", group=_CLUSTER)
    num_gpus: int | None = flag(
        None,
        "GPUs of each worker, a tower on each; 0: the CPU only; not set: --num_clones decides",
        group=_CLUSTER,
        least=0,
    )
    num_intra_op_threads: int = spark_flags.num_intra_op_threads(_CLUSTER, "workers")
    executor_memory_mb: int = spark_flags.executor_memory_mb(_CLUSTER)
    start_timeout_s: float = flag(120.0, "seconds in which all roles must have started", group=_CLUSTER, above=0)
    port_range: str | None = spark_flags.port_range(_CLUSTER)

    launcher: str = flag(
        "barrier",
        "what starts the roles: a barrier stage of Spark, or a stock TFCluster of tensorflowonspark",
        group=_CLUSTER,
        choices=LAUNCHERS,
    )

    num_evaluators: int = flag(
        0,
        "1: a role of its own evaluates every new checkpoint; the run does not need it to succeed",
        group=_EVAL,
        least=0,
        most=1,
    )
    eval_split_name: str = flag("validation", "split that it evaluates", group=_EVAL)
    eval_max_images: int | None = flag(
        None, "images of the split that it evaluates, always the same first ones; not set: all", group=_EVAL, least=1
    )
    eval_num_threads: int = flag(1, "threads that it computes with, on the CPU", group=_EVAL, least=1)
    eval_last_s: float = flag(
        120.0, "seconds that it has for the last checkpoint when training is done", group=_EVAL, above=0
    )
    early_stopping_evaluations: int | None = flag(
        None,
        "evaluations in a row without a better accuracy after which the run ends, as a success; not set: never",
        group=_EVAL,
        least=1,
    )
    keep_best: bool = flag(
        False, "keep the checkpoint of the best accuracy, whatever --keep_checkpoints says", group=_EVAL
    )

    export_dir: str | None = flag(
        None, "folder for a model of the last checkpoint; without one that scores the run is no success", group=_EXPORT
    )

    restart: bool = flag(
        False,
        "start at step 0 also where a run was: what it left is moved to TRAIN_DIR/before-restart-<UTC time>/",
        group=_CARE,
    )
    adopt_checkpoint: bool = flag(
        False,
        "resume in a folder that TF-Slim trained, which has no manifests: they are written for the checkpoints that"
        " read",
        group=_CARE,
    )
    save_interval_steps: int | None = flag(
        None, "steps between two checkpoints, beside --save_interval_secs", group=_CARE, least=1
    )
    keep_checkpoints: int = flag(5, "newest checkpoints that are kept", group=_CARE, least=1)
    max_missed_saves: int = flag(
        2, "failed saves in a row, such as for want of disk space, through which a run goes on", group=_CARE, least=0
    )
    max_restarts: int = flag(
        5,
        "restarts in place of crashed or stalled roles within an hour, after which the run ends",
        group=_CARE,
        least=0,
    )
    standby: bool = flag(
        True,
        "keep a process with TensorFlow imported beside each role, from which it starts again in place at once; idle,"
        " with 40 MB of its own and 160 MB that it shares with the role",
        group=_CARE,
    )
    max_generations: int = flag(
        5, "new launches of all roles, after a lost executor or host, within an hour", group=_CARE, least=0
    )
    stall_timeout_s: float = flag(
        40.0,
        "seconds, and 10 times a role's median step, without a step that count as a stall; 0: never",
        group=_CARE,
        least=0,
    )
    bad_record_budget: float = flag(0.001, "share of bad records that ends the run", group=_CARE, share=True)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
    spool_bytes: int = flag(4 * 2**30, "local disk that a worker may use for shards", group=_CARE, least=1)

    @property
    def label_is(self) -> str:
        """What an output of the net stands for: "class", or "word"."""
        return "class"

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        PortRange.parse(self.port_range)
        if self.launcher == STOCK_LAUNCHER and self.port_range:
            raise UsageError(
                f"--port_range {self.port_range} with --launcher {STOCK_LAUNCHER}: got both, but it listens on ports of"
                " its own choice; wanted one of them"
            )
        if self.quantize_delay != -1:
            raise UsageError(
                f"--quantize_delay {self.quantize_delay}: quantized training needs tf.contrib.quantize, which"
                " TensorFlow 2 does not have; wanted -1"
            )
        if self.cache:
            object.__setattr__(self, "input_mode", PRELOADED)
        elif self.input_mode == FILES and self.cache_bytes != type(self).__dataclass_fields__["cache_bytes"].default:
            raise UsageError(f"--cache_bytes {self.cache_bytes} without --cache: got a limit of nothing, wanted both")
        if self.adopt_checkpoint and self.restart:
            raise UsageError("--adopt_checkpoint with --restart: got both, which resume and begin anew; wanted one")
        self._check_augment()
        self._check_ways()
        self._settle_gpus()
        self._check_roles()

    def _check_augment(self) -> None:
        """Refuse ranges that cannot be drawn from, and keep the text in its one form."""
        augmentations = Augmentations.parse(self.augment)
        object.__setattr__(self, "augment", str(augmentations) or None)
        if self.min_crop_area is not None and not augmentations.slim:
            raise UsageError(
                f"--min_crop_area {self.min_crop_area:g} with --augment slim=false: it is of the preprocessing's own"
                " crop, which that leaves out; wanted crop=LOW:HIGH, or one of them"
            )

    def _check_ways(self) -> None:
        """Refuse flags of the loss, the optimizer and the evaluator that cannot work, or have no effect."""
        for name in ("focal_alpha", "focal_gamma"):
            value = getattr(self, name)
            if self.loss != "focal" and value != type(self).__dataclass_fields__[name].default:
                raise UsageError(f"--{name} {value:g} with --loss {self.loss}: it has no effect; wanted --loss focal")
        if self.class_weights == "":
            raise UsageError(f"--class_weights: got nothing, wanted a list of numbers, a file or {BALANCED!r}")
        weights = numbers_in(self.class_weights or "")
        if weights is not None:
            check_weights(weights)
        parse_scales(self.learning_rate_scales)
        if self.learning_rate_decay_type == "cosine" and self.end_learning_rate > self.learning_rate:
            raise UsageError(
                f"--end_learning_rate {self.end_learning_rate:g}: got more than --learning_rate {self.learning_rate:g},"
                " from which cosine decay falls to it"
            )
        self._check_ftrl()
        for name in ("early_stopping_evaluations", "keep_best"):
            if getattr(self, name) and not self.num_evaluators:
                raise UsageError(f"--{name} without an evaluator: wanted --num_evaluators 1, which finds the accuracy")

    def _check_ftrl(self) -> None:
        """Refuse a learning rate that becomes 0: ftrl divides by it, and all that it trains becomes NaN, then 0."""
        if self.optimizer != "ftrl":
            return
        wanted = "by which ftrl divides: all weights would become NaN, then 0; wanted"
        if self.warmup_epochs:
            raise UsageError(
                f"--warmup_epochs {self.warmup_epochs:g} with --optimizer ftrl: the rate is 0 at step 0, {wanted}"
                " another optimizer, or no warm-up"
            )
        if self.learning_rate_decay_type in ("polynomial", "cosine") and not self.end_learning_rate:
            raise UsageError(
                f"--end_learning_rate 0 with --optimizer ftrl: the rate of {self.learning_rate_decay_type} decay"
                f" becomes 0, {wanted} another optimizer, or a rate above 0"
            )

    def _settle_gpus(self) -> None:
        """Translate ``num_gpus`` into slim's own two flags, which is what all else reads."""
        if self.num_gpus is None:
            return
        if self.num_gpus == 0:
            object.__setattr__(self, "clone_on_cpu", True)
        elif self.clone_on_cpu:
            raise UsageError(f"--num_gpus {self.num_gpus} with --clone_on_cpu: got both, wanted one of them")
        elif self.num_clones not in (1, self.num_gpus):
            raise UsageError(
                f"--num_clones {self.num_clones} is not --num_gpus {self.num_gpus}; wanted a tower on each GPU"
            )
        else:
            object.__setattr__(self, "num_clones", self.num_gpus)

    def _check_roles(self) -> None:
        if self.wire_dtype != "float32" and self.num_ps_tasks == 0:
            raise UsageError(
                f"--wire_dtype {self.wire_dtype}: got no parameter server, but without a ps nothing travels; wanted"
                " --num_ps_tasks of at least 1"
            )
        if self.cluster_size is None:
            return
        workers = self.num_workers
        others = f"--num_ps_tasks {self.num_ps}"
        if self.num_evaluators:
            others += f" and --num_evaluators {self.num_evaluators}"
        if workers < 1:
            raise UsageError(
                f"{others} {'leave' if self.num_evaluators else 'leaves'} no worker in --cluster_size"
                f" {self.cluster_size}; wanted at least one role more than {'these' if self.num_evaluators else 'ps'}"
            )
        if workers > 1 and self.num_ps_tasks == 0:  # one that is not set yet follows from the net's size
            raise UsageError(
                f"--cluster_size {self.cluster_size} with --num_ps_tasks 0 gives {workers} workers and nothing that"
                " they share; wanted at least one ps"
            )
        if self.num_ps_tasks is not None and self.worker_replicas not in (1, workers):
            raise UsageError(
                f"--worker_replicas {self.worker_replicas} is not --cluster_size {self.cluster_size} less {others}"
            )

    @property
    def num_ps(self) -> int:
        """Parameter servers; 0 as long as their number is neither given nor settled."""
        return self.num_ps_tasks or 0

    @property
    def num_workers(self) -> int:
        """Workers in all, the chief among them."""
        if self.cluster_size is None:
            return self.worker_replicas
        return self.cluster_size - self.num_ps - self.num_evaluators

    @property
    def num_gpu_towers(self) -> int:
        """Towers in each worker that want a GPU of their own; one tower alone takes what there is."""
        if self.clone_on_cpu:
            return 0
        return self.num_gpus or (self.num_clones if self.num_clones > 1 else 0)

    @property
    def num_roles(self) -> int:
        """Processes in all, a Spark task each: ps, workers, evaluator."""
        return self.num_ps + self.num_workers + self.num_evaluators
