"""Whether the driver and every executor can do with train_dir and dataset_dir what a run does."""

from collections.abc import Iterator, Sequence

from sparkcv.doctor.facts import Facts, Machine, Step
from sparkcv.doctor.finding import DRIVER, FAIL, OK, Finding, Location, quantity

__all__ = ["check"]

_SHARED = "name a storage that every host sees, such as hdfs://default/user/${USER}/run"
_ADVICE = {
    "AccessError": "grant it (hdfs dfs -chown, -chmod), or submit as its owner (kinit, or HADOOP_USER_NAME without"
    " Kerberos)",
    "MissingFileError": _SHARED,
    "DataError": _SHARED,
    "UnavailableError": "see that HADOOP_CONF_DIR is the cluster's and that its NameNode is up and out of safe mode",
    "FullError": "make room, or raise the quota (hdfs dfsadmin -setSpaceQuota)",
    "UsageError": "see that HADOOP_CONF_DIR is set and defines the name service",
}


def check(facts: Facts) -> Iterator[Finding]:
    """Show what a training job says of flags and data, then each operation in each place, and Hadoop's tokens."""
    for complaint in facts.complaints:
        yield Finding("run", DRIVER, FAIL, complaint, "see the sentence: the training job would end with it")
    if facts.dataset is not None:
        yield Finding("run", DRIVER, OK, _dataset(facts))
    for machine in (facts.driver, *facts.executors):
        yield from _steps("train_dir", machine.place, machine.files)
    for machine in (facts.driver, *facts.executors):
        yield from _steps("dataset_dir", machine.place, machine.dataset)
    if facts.uses_hdfs:
        for machine in facts.executors:
            yield from _hadoop(machine, facts)


def _dataset(facts: Facts) -> str:
    dataset = facts.dataset
    assert dataset is not None  # noqa: S101 - for mypy; the caller asked
    about = "about " if dataset.is_estimated else ""
    size = sum(shard.num_bytes for shard in dataset.shards)
    return (
        f"{dataset.name} {dataset.split}: {about}{dataset.num_records} records of {dataset.num_classes} classes,"
        f" {len(dataset.shards)} shards, {quantity(size, 'bytes')}"
    )


def _steps(check_name: str, place: Location, steps: Sequence[Step]) -> Iterator[Finding]:
    if not steps:
        return
    done = ", ".join(step.name for step in steps)
    last = steps[-1]
    if last.error:
        advice = _ADVICE.get(last.kind, _SHARED)
        yield Finding(check_name, place, FAIL, last.error, advice)
    else:
        yield Finding(check_name, place, OK, f"{done} in {{}}", amount=sum(step.seconds for step in steps), unit="s")


def _hadoop(machine: Machine, facts: Facts) -> Iterator[Finding]:
    if machine.import_error:
        return
    is_secured = facts.hadoop.get("hadoop.security.authentication", "simple") == "kerberos"
    if machine.tokens_error:
        found = f"the file of Hadoop's tokens, {machine.tokens}, cannot be read: {machine.tokens_error}"
        yield Finding("token", machine.place, FAIL, found, "submit again: YARN writes it for each container")
    elif is_secured and not machine.tokens and not facts.spark.is_one_machine:
        found = "no delegation token (HADOOP_TOKEN_FILE_LOCATION is not set), and HDFS wants one"
        advice = "kinit before spark-submit, or --principal and --keytab"
        yield Finding("token", machine.place, FAIL, found, advice)
    else:
        without = "by the driver's own login" if is_secured else "no token, none is wanted"
        token = "a file of tokens" if machine.tokens else without
        yield Finding("token", machine.place, OK, f"HDFS user {machine.user}, {token}")
