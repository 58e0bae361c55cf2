"""What the checks judge: the run that is wanted, and what was gathered of Spark, the driver and the executors.

Everything here is plain data that travels as JSON, so a check is a function of it and is tested without a cluster.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from sparkcv.config import TrainConfig
from sparkcv.doctor.finding import DRIVER, Location
from sparkcv.records.shards import Dataset

__all__ = ["ExecutorPod", "Facts", "Kubernetes", "Login", "Machine", "Silent", "Spark", "Step"]


@dataclasses.dataclass(frozen=True)
class Spark:
    """The application as Spark's driver knows it.

    Attributes:
        master: such as ``yarn`` or ``local-cluster[3,1,1024]``.
        conf: its properties; those that hold secrets are not among them.
        slots_now: tasks that can run at once.
        slots_most: the same once all that was asked for is there; None: open.
        executors_asked: how many executors it was submitted with; None: open.
        executors: host of each executor that is there now, by its name.
        limits_mb: YARN's smallest and largest container in MB, as far as this client knows; 0: not known.
    """

    master: str = "yarn"
    conf: Mapping[str, str] = dataclasses.field(default_factory=dict)
    slots_now: int = 0
    slots_most: int | None = None
    executors_asked: int | None = None
    executors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    limits_mb: tuple[int, int] = (0, 0)

    @property
    def is_yarn(self) -> bool:
        """Whether YARN gives the containers, and kills those that take more than their memory."""
        return self.master == "yarn"

    @property
    def is_kubernetes(self) -> bool:
        """Whether executors are pods of Kubernetes."""
        return self.master.startswith("k8s")

    @property
    def has_containers(self) -> bool:
        """Whether a cluster manager bounds the memory of an executor with all its processes."""
        return self.is_yarn or self.is_kubernetes

    @property
    def is_one_machine(self) -> bool:
        """Whether all executors are processes of the driver's machine and user, with whatever login it has."""
        return self.master.startswith("local")

    @property
    def slots_per_executor(self) -> int:
        """Tasks that one executor runs at once."""
        return max(1, self.slots_now // max(1, len(self.executors)))

    def is_on(self, key: str, default: str = "false") -> bool:
        """Return whether a property is true."""
        return self.conf.get(key, default).strip().lower() == "true"


@dataclasses.dataclass(frozen=True)
class Step:
    """One operation on storage; ``kind`` is the class of its error."""

    name: str
    seconds: float
    error: str = ""
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the driver or an executor said of itself; None and empty stand for what was not asked or is not there.

    Attributes:
        place: who it is.
        python: version of the interpreter.
        executable: its path.
        versions: version by name of the packages that are installed; ``sparkcv`` is among them.
        source: digest of sparkcv's source, equal where the code is equal.
        archive: why the unpacked Python archive does not fit here; "" if it does or there is none.
        import_error: why sparkcv cannot be imported there; nothing else is known then.
        clock_s: how far the clock is ahead of the driver's.
        clock_error_s: by how much that may be wrong, half the way there and back.
        driver_error: why the driver cannot be reached.
        bind_error: why it cannot listen on the address that others reach it by.
        peer: whom it connected to.
        peer_error: why that failed.
        scratch: folder for the roles' files.
        scratch_disk: where its disk is mounted.
        scratch_free: bytes that are free there; ``scratch_error`` why it cannot be written to.
        shm_free: bytes that are free in /dev/shm; None without one.
        memory_free: bytes of memory that can be had, the bounds of a control group included.
        address_space: the bound (RLIMIT_AS) on a process's address space.
        files: what was done in train_dir's folder.
        dataset: what was read of the dataset.
        user: whom HDFS takes this process for.
        hadoop_conf: the folder of Hadoop's configuration.
        tokens: the file of Hadoop's delegation tokens; ``tokens_error`` why it cannot be read.
        gpus: addresses of the GPUs that Spark gave to the task.
        gpu_devices: GPU devices of the machine.
        role_error: why a role's process could not start and load TensorFlow.
        role_seconds: how long that took; None if it was not tried.
        role_memory: its resident bytes then.
    """

    place: Location = DRIVER
    python: str = ""
    executable: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    source: str = ""
    archive: str = ""
    import_error: str = ""
    clock_s: float | None = None
    clock_error_s: float = 0.0
    driver_error: str = ""
    bind_error: str = ""
    peer: str = ""
    peer_error: str = ""
    scratch: str = ""
    scratch_disk: str = ""
    scratch_free: int | None = None
    scratch_error: str = ""
    shm_free: int | None = None
    memory_free: int | None = None
    address_space: int | None = None
    files: tuple[Step, ...] = ()
    dataset: tuple[Step, ...] = ()
    user: str = ""
    hadoop_conf: str = ""
    tokens: str = ""
    tokens_error: str = ""
    gpus: tuple[str, ...] = ()
    gpu_devices: int = 0
    role_error: str = ""
    role_seconds: float | None = None
    role_memory: int | None = None

    @classmethod
    def of(cls, place: Location, values: Mapping[str, Any]) -> "Machine":
        """Make a Machine of the JSON object that ``probe`` gathered."""
        steps = {key: tuple(Step(**step) for step in values.get(key, ())) for key in ("files", "dataset")}
        return cls(**{**values, **steps, "gpus": tuple(values.get("gpus", ())), "place": place})


@dataclasses.dataclass(frozen=True)
class Silent:
    """An executor that did not answer, and why, as far as Spark knows; place is the application's if unknown.

    Attributes:
        is_own: whether the reason is of its own, and not another's failure.
    """

    place: Location
    why: str
    is_own: bool = True


@dataclasses.dataclass(frozen=True)
class Login:
    """Who the driver is to HDFS and YARN; "" and None stand for what is not there. Times are seconds since 1970.

    Attributes:
        now_s: when that was so.
        yarn_user: whose application it is.
        token_owner, token_issuer, token_renewer, token_ends_s: of the delegation token for HDFS.
        is_renewed: whether new tokens come for as long as the run lives.
        ticket_principal, ticket_ends_s: of the Kerberos ticket.
        realm: in which one logs in; "" without Kerberos.
        kdc: where that realm's KDC is.
        skew_s: how far this clock is ahead of the KDC's.
        protections: what the NameNode asks of the traffic, in SASL's words.
        keytab_error: why the keytab that was named cannot serve.
    """

    now_s: float = 0.0
    yarn_user: str = ""
    token_owner: str = ""
    token_issuer: str = ""
    token_renewer: str = ""
    token_ends_s: float | None = None
    is_renewed: bool = False
    ticket_principal: str = ""
    ticket_ends_s: float | None = None
    realm: str = ""
    kdc: str = ""
    skew_s: float | None = None
    protections: tuple[str, ...] = ()
    keytab_error: str = ""


@dataclasses.dataclass(frozen=True)
class ExecutorPod:
    """The pod of an executor.

    Attributes:
        executor: the executor's number.
        name: of the pod, and its node.
        image: what its container runs.
        has_login: whether it gets a token for the API.
        spool_limits: bytes of each emptyDir that is a local folder of Spark's; 0: no limit.
        is_spool_memory: whether one of those lies in memory.
        claims: names of its PersistentVolumeClaims.
        waits_for: what keeps it from starting; "" if nothing does.
    """

    executor: str
    name: str = ""
    image: str = ""
    has_login: bool = False
    spool_limits: tuple[int, ...] = ()
    is_spool_memory: bool = False
    claims: tuple[str, ...] = ()
    waits_for: str = ""


@dataclasses.dataclass(frozen=True)
class Kubernetes:
    """What the API said; only ``url``, ``driver_host`` and ``error`` where it did not answer.

    Attributes:
        driver_host: by which address executors reach the driver.
        seconds: that an answer took, in the mean.
        denied: verbs and resources that a driver uses and may not.
        refusal: why a further executor would not be let in; "" if it would be.
    """

    url: str
    namespace: str = ""
    driver_host: str = ""
    seconds: float = 0.0
    denied: tuple[str, ...] = ()
    refusal: str = ""
    pods: tuple[ExecutorPod, ...] = ()
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that the checks judge.

    Attributes:
        config: the run, with the number of its roles settled and full URLs.
        dataset: its split, if a dataset was named and is whole.
        hadoop: Hadoop's configuration, empty where no path of the run is on HDFS.
        uses_hdfs: whether a path of the run is.
        complaints: what a training job says before it asks Spark for anything.
        login: who the driver is to HDFS and YARN; None where that was not asked.
        kubernetes: what its API said; None on another master.
    """

    config: TrainConfig
    spark: Spark
    driver: Machine
    executors: tuple[Machine, ...] = ()
    silent: tuple[Silent, ...] = ()
    dataset: Dataset | None = None
    hadoop: Mapping[str, str] = dataclasses.field(default_factory=dict)
    uses_hdfs: bool = False
    complaints: tuple[str, ...] = ()
    login: Login | None = None
    kubernetes: Kubernetes | None = None

    @property
    def num_roles(self) -> int:
        """Processes of the run: ps and workers."""
        return self.config.num_roles

    @property
    def roles_each(self) -> int:
        """Roles that one executor gets at most if Spark spreads them evenly, as it does.

        An executor never holds more than it has slots, however many others are still to come.
        """
        there = len(self.spark.executors)
        even = math.ceil(self.num_roles / (there or self.spark.executors_asked or self.num_roles))
        return max(1, min(even, self.spark.slots_per_executor) if there else even)
