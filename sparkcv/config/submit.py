"""The options of ``sparkcv submit``: where a job runs, on how much, and with which Python."""

import dataclasses
import re
from collections.abc import Mapping

from sparkcv.config.flags import choose, flag
from sparkcv.errors import UsageError

MODES = ("client", "cluster")
NO_ARCHIVE = "none"

_WHERE, _SIZE, _PYTHON, _LOGIN, _MORE, _KUBERNETES = (
    "where",
    "how much",
    "the nodes' Python",
    "Kerberos",
    "more",
    "Kubernetes",
)
_MASTER = re.compile(
    r"yarn|k8s://(https?://)?[^\s/]+(/\S*)?|spark://[^\s/]+|local(\[[^\]]+\])?"
    r"|local-cluster\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]"
)
_MASTERS = "yarn, k8s://https://HOST:PORT, spark://HOST:PORT, local-cluster[EXECUTORS,CORES,MB] or local[THREADS]"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # Kubernetes': a DNS label
_LONGEST = 63
_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")  # a DNS name
_LONGEST_ACCOUNT = 253
_LONGEST_PREFIX = 47  # Spark adds the executor's number to it
_SIZE_TEXT = re.compile(r"([1-9]\d*)([kmgt]?)b?", re.IGNORECASE)
_PROPERTY = re.compile(r"spark\.[^\s=]+=.*", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class SubmitConfig:
    """Write the spark-submit command of a job, print it, run it, and end with its exit code.

    The options below stand before the job's name, the job's own flags behind it. The job's flags are checked before
    anything is built, uploaded or submitted.
    """

    master: str | None = flag(
        None,
        "yarn, k8s://https://HOST:PORT, spark://HOST:PORT, local-cluster[EXECUTORS,CORES,MB] or local[THREADS]",
        group=_WHERE,
    )
    deploy_mode: str | None = flag(
        None,
        "where the driver runs; not set: cluster on YARN and Kubernetes, client elsewhere",
        group=_WHERE,
        choices=MODES,
    )
    queue: str | None = flag(None, "YARN's queue; not set: the user's default", group=_WHERE)
    context: str | None = flag(None, "kubeconfig's context; not set: its current one", group=_KUBERNETES)
    namespace: str | None = flag(None, "Kubernetes' namespace; not set: default", group=_KUBERNETES)
    image: str | None = flag(None, "image of driver and executors, as docker/Dockerfile makes it", group=_KUBERNETES)
    service_account: str | None = flag(
        None, "the driver's, as conf/kubernetes/rbac.yaml makes it; not set: sparkcv", group=_KUBERNETES
    )
    num_executors: int | None = flag(None, "executors; not set: counted from the job's roles", group=_SIZE)
    executor_memory: str | None = flag(
        None, "an executor's Java heap, TensorFlow's memory comes beside it; not set: 1g", group=_SIZE
    )
    driver_memory: str | None = flag(None, "the driver's Java heap; not set: 1g on YARN", group=_SIZE)
    archive: str | None = flag(
        None,
        "Python.zip, here or at a URL; none: the nodes have the packages; not set: dist/Python.zip",
        group=_PYTHON,
    )
    archive_dir: str | None = flag(
        None,
        "folder to which it is uploaded, once, by its digest; not set: hdfs:///user/$USER/.sparkcv",
        group=_PYTHON,
    )
    principal: str | None = flag(None, "log in as this one, by --keytab", group=_LOGIN)
    keytab: str | None = flag(None, "the keytab of --principal, on this machine", group=_LOGIN)
    conf: str | None = flag(None, "a Spark property as NAME=VALUE, which beats ours; may be repeated", group=_MORE)
    properties_file: str | None = flag(None, "file of Spark properties, which beat ours", group=_MORE)
    dry_run: bool = flag(False, "print the command, and do nothing", group=_MORE)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        if not self.master:
            raise UsageError("--master is missing: wanted it before the job's name, such as --master yarn")
        if self.num_executors is not None and self.num_executors < 1:
            raise UsageError(f"--num_executors: got {self.num_executors}, wanted at least 1")
        if not _MASTER.fullmatch(self.master):
            raise UsageError(f"--master: got {self.master!r}, wanted {_MASTERS}")
        if self.deploy_mode is not None:
            choose(self.deploy_mode, MODES, "--deploy_mode")
        if self.deploy_mode == "cluster" and not self.has_pythons:
            raise UsageError(
                f"--deploy_mode cluster with --master {self.master}: Spark starts a Python driver inside of YARN and"
                " Kubernetes only; wanted client"
            )
        for name in ("queue", "archive", "archive_dir", "principal", "keytab"):
            if getattr(self, name) is not None and not self.is_yarn:
                raise UsageError(f"--{name} with --master {self.master}: it means something on YARN only")
        for name in ("context", "namespace", "image", "service_account"):
            if getattr(self, name) is not None and not self.is_kubernetes:
                raise UsageError(f"--{name} with --master {self.master}: it means something on Kubernetes only")
        if self.num_executors is not None and self.is_local:
            raise UsageError(
                f"--num_executors with --master {self.master}: the master itself says how many tasks run; wanted"
                " another master, or it unset"
            )
        if self.executor_memory is not None and self.is_local and not self.master.startswith("local-cluster"):
            raise UsageError(
                f"--executor_memory with --master {self.master}: there is no executor beside the driver; wanted"
                " --driver_memory"
            )
        for name in ("executor_memory", "driver_memory"):
            if (text := getattr(self, name)) is not None:
                megabytes(text, f"--{name}")
        if (self.principal is None) != (self.keytab is None):
            raise UsageError(f"got --{'keytab' if self.keytab else 'principal'} alone, wanted --principal and --keytab")
        self._check_properties()
        if self.is_kubernetes:
            check_names(
                {f"--{name}": getattr(self, name) for name in ("namespace", "service_account")}
                | {f"--conf {name}": value for name, value in self.properties.items()}
            )
        if self.service_account is not None and not self.is_cluster_mode:
            raise UsageError(
                "--service_account with --deploy_mode client: the driver runs here, with this machine's own login;"
                " wanted it with cluster only"
            )

    @property
    def is_yarn(self) -> bool:
        """Whether the master is YARN."""
        return self.master == "yarn"

    @property
    def is_kubernetes(self) -> bool:
        """Whether the master is Kubernetes."""
        return self.master is not None and self.master.startswith("k8s://")

    @property
    def is_standalone(self) -> bool:
        """Whether the master is Spark's own."""
        return self.master is not None and self.master.startswith("spark://")

    @property
    def is_local(self) -> bool:
        """Whether the master is this machine, whose size stands in its name."""
        return self.master is not None and self.master.startswith("local")

    @property
    def has_pythons(self) -> bool:
        """Whether the master starts Python drivers, and gives each executor a container of its own."""
        return self.is_yarn or self.is_kubernetes

    @property
    def is_cluster_mode(self) -> bool:
        """Whether the driver runs inside of the cluster."""
        return self.has_pythons and self.deploy_mode != "client"

    @property
    def properties(self) -> dict[str, str]:
        """What ``--conf`` gave, by name."""
        return dict(line.split("=", 1) for line in (self.conf or "").split("\n") if line)

    def says(self, name: str) -> bool:
        """Return whether an option of its own, which beats a file, says what this property of Spark says."""
        return name in _OPTIONS and getattr(self, _OPTIONS[name]) is not None

    def check_mode(self, properties: Mapping[str, str], what: str) -> None:
        """Refuse properties of Spark's that would have the driver run elsewhere: spark-submit is told by an option."""
        used = "cluster" if self.is_cluster_mode else "client"
        if (mode := properties.get(DEPLOY_MODE, used)) != used and self.deploy_mode is None:
            raise UsageError(f"{what}: got {DEPLOY_MODE}={mode}, wanted --deploy_mode {mode}")

    def _check_properties(self) -> None:
        for line in (self.conf or "").split("\n"):
            if line and not _PROPERTY.fullmatch(line):
                raise UsageError(f"--conf: got {line!r}, wanted NAME=VALUE with a name that begins with spark.")
        self.check_mode(self.properties, "--conf")
        for name, option in _OPTIONS.items():
            if (there := self.properties.get(name)) is not None and (here := getattr(self, option)) is not None:
                raise UsageError(f"got --{option} {here} and --conf {name}={there}, wanted one of them")


DEPLOY_MODE = "spark.submit.deployMode"
# Spark's properties that an option of ours says, too.
_OPTIONS = {
    "spark.master": "master",
    DEPLOY_MODE: "deploy_mode",
    "spark.yarn.queue": "queue",
    "spark.executor.instances": "num_executors",
    "spark.executor.memory": "executor_memory",
    "spark.driver.memory": "driver_memory",
    "spark.kerberos.principal": "principal",
    "spark.kerberos.keytab": "keytab",
    "spark.kubernetes.context": "context",
    "spark.kubernetes.namespace": "namespace",
    "spark.kubernetes.container.image": "image",
    "spark.kubernetes.authenticate.driver.serviceAccountName": "service_account",
}
_NAMES = (
    "spark.kubernetes.namespace",
    "spark.kubernetes.driver.pod.name",
    "spark.kubernetes.executor.podNamePrefix",
    "spark.kubernetes.driver.resourceNamePrefix",
    "spark.kubernetes.authenticate.driver.serviceAccountName",
    "spark.kubernetes.authenticate.executor.serviceAccountName",
)


def check_names(names: Mapping[str, str | None]) -> None:
    """Refuse names that Kubernetes would refuse, one after the other and late; raises UsageError.

    ``names`` are what they are called in the sentence, which ends with the option or with Spark's property.
    """
    for what, text in names.items():
        kind = what.rpartition(" ")[2]
        if text is None or not (kind.startswith("--") or kind in _NAMES):
            continue
        is_account = kind == "--service_account" or kind.endswith(".serviceAccountName")
        longest = _LONGEST_PREFIX if kind.endswith("Prefix") else _LONGEST_ACCOUNT if is_account else _LONGEST
        if len(text) > longest or not (_ACCOUNT if is_account else _NAME).fullmatch(text):
            raise UsageError(
                f"{what}: got {text!r} ({len(text)} characters), wanted at most {longest} of a-z, 0-9 and -, such as"
                " sparkcv-night"
            )


def megabytes(text: str, what: str) -> int:
    """Return MB of a size as Spark writes it, such as ``2g``; raises UsageError, which begins with ``what``."""
    found = _SIZE_TEXT.fullmatch(text)
    if found is None:
        raise UsageError(f"{what}: got {text!r}, wanted a size such as 2g or 1536m")
    return max(1, int(int(found[1]) * {"k": 2**-10, "": 1, "m": 1, "g": 2**10, "t": 2**20}[found[2].lower()]))
