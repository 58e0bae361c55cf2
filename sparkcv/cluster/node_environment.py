"""The environment variables that a node process is started with."""

import os
from collections.abc import Sequence

from sparkcv import storage
from sparkcv.nets import onednn
from sparkcv.roles import Role

__all__ = ["ALLOCATOR", "devices", "environment"]

# What Spark and this agent hold to prove who they are is no business of a user's program.
_KEPT_BACK = (
    "PYTHON_WORKER_FACTORY_SECRET",
    "PYTHON_WORKER_FACTORY_PORT",
    "PYSPARK_GATEWAY_SECRET",
    "PYSPARK_GATEWAY_PORT",
    "_SPARK_AUTH_SECRET",
)
_UNLESS_SET = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # its warnings tell of every queue that is closed in good order
    "PYTHONWARNINGS": "ignore",  # deprecations inside of TensorFlow and TF-Slim
}
_ALWAYS = {
    "TF_GRPC_REUSE_PORT": "true",  # else TensorFlow refuses the port that the agent holds for it
    "PYTHONUNBUFFERED": "1",  # lines come live
    "PYTHONFAULTHANDLER": "1",  # a crash shows its stack
}

# glibc gives each thread that allocates an arena of its own, keeps what it frees there, and gives large blocks back to
# the system, whose pages are zeroed for the next step anew, which costs a worker memory and CPU time. A
# glibc that does not know one of these, or another C library, ignores it.
ALLOCATOR = {
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{name}={value}"
        for name, value in {"arena_max": 2, "mmap_threshold": 4 << 20, "trim_threshold": 1 << 30, "hugetlb": 1}.items()
    )
}
_OF_OUR_NETS = {"TF_USE_LEGACY_KERAS": "1"}  # TF-Slim's layers are Keras 2


def environment(temporary_dir: str, *, is_ours: bool) -> dict[str, str]:
    """Return this process's environment for a node process, without what is secret; ``is_ours``: its program is."""
    kept = {name: value for name, value in os.environ.items() if name not in _KEPT_BACK}
    # A program may go to another working folder: there, relative paths to an archive's libraries, to Hadoop's
    # configuration and to its tokens would lead nowhere.
    hadoop = storage.hadoop_environment()
    if libraries := kept.get("LD_LIBRARY_PATH"):
        absolute = (os.path.abspath(entry) for entry in libraries.split(os.pathsep) if entry)
        kept["LD_LIBRARY_PATH"] = os.pathsep.join(absolute)
    nets = _OF_OUR_NETS if is_ours else {}  # a function of the user's is to find Keras as TensorFlow has it
    unless_set = _UNLESS_SET | ALLOCATOR | onednn.ENVIRONMENT if is_ours else _UNLESS_SET
    return unless_set | kept | hadoop | _ALWAYS | nets | {"TMPDIR": temporary_dir}


def devices(role: Role, gpus: Sequence[str]) -> dict[str, str]:
    """Return what tells CUDA which GPUs this role may see; {} leaves that to the agent's own environment.

    A ps computes nothing on a GPU, but TensorFlow would take the memory of all that it sees.
    """
    if role.job == "ps":
        return {"CUDA_VISIBLE_DEVICES": ""}
    if not gpus:
        # Spark gives no GPUs out (spark.task.resource.gpu.amount is not set): on a cluster without its discovery
        # scripts, the host's GPUs, or those that YARN or the user's environment left visible, are all that there is.
        return {}
    # Discovery scripts number devices as nvidia-smi does, by bus; CUDA itself would put the fastest first.
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
