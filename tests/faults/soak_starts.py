"""The long forms of roles that cannot run: no memory, no port, no executor, and a program that always leaves."""

import contextlib
import re
import subprocess
import sys
import time

from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import supervise
from sparkcv.errors import SparkcvError
from sparkcv.roles import roles
from tests.contracts.free_ports import free_ports
from tests.contracts.local_launcher import LocalLauncher
from tests.faults import oracles
from tests.faults.running import ROOT
from tests.faults.soak_bench import Bench, Fault
from tests.hadoop import hadoop
from tests.yarn.roles import ONE_ATTEMPT, assert_nothing_is_left, driver_log, submit_roles

_NUM_PORTS = 6
# Takes every port that it gets, as others on the host may do, and leaves it again after a moment.
_PASSER_BY = """
import random, socket, sys, time
low, high = int(sys.argv[1]), int(sys.argv[2])
print("begins", flush=True)
while True:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", random.randint(low, high)))
            sock.listen()
        except OSError:
            continue
        time.sleep(random.uniform(0, 0.3))
"""


def hogs(bench: Bench) -> None:
    """T7: a worker takes 1.5 x its container, on a real YARN: told with the setting to raise, tried twice at most."""
    with hadoop(yarn=True) as cluster:
        while not bench.is_over:
            bench.num_runs += 1
            memory = {"spark.executor.memory": "512m", "spark.executor.memoryOverhead": "512m"}
            words = ("--megabytes", "1536", "--max_generations", "5")
            done = submit_roles(cluster, "hog", *words, conf=ONE_ATTEMPT | memory)
            assert done.exit_code == 1, done.diagnostics
            said = done.diagnostics
            assert re.match(r"role_job\.py: worker:1 was killed with its container on .* of 1\.0 GB used", said), said
            assert re.search(r"--conf spark\.executor\.memoryOverhead=\d+m \(it was 512m\)", said), said
            assert driver_log(done).count("starting all roles anew") == 1, "the same size was tried again"
            assert_nothing_is_left(done)
            bench.add(Fault())
            bench.add(Fault())  # in each of its two generations


def too_few(bench: Bench) -> None:
    """T12: 5 executors asked for, 3 granted, by a real YARN: it ends saying 5 and 3 (noticed: what it waited)."""
    with hadoop(yarn=True) as cluster:
        while not bench.is_over:
            bench.num_runs += 1
            conf = ONE_ATTEMPT | {"spark.executor.memoryOverhead": "5g"}  # of 20 GB in all
            done = submit_roles(cluster, "sit", "--num_workers", "4", num_executors=5, conf=conf)
            assert done.exit_code == 1, done.diagnostics
            told = re.match(
                r"role_job\.py: 5 roles need 5 task slots at once, but only 3 were there after (\d+) s, of 5 asked for",
                done.diagnostics,
            )
            assert told, done.diagnostics
            bench.add(Fault(noticed_s=float(told[1])))
            assert_nothing_is_left(done)


def ports(bench: Bench) -> None:
    """T10: roles started while others take and leave ports of their range: they run, or ports and owner are told."""
    num_refused = 0
    while not bench.is_over:
        bench.num_runs += 1
        among, said = free_ports(_NUM_PORTS), ""
        launcher = LocalLauncher(3, [str(ROOT)])
        with _passer_by(among) as pid:
            try:
                supervise(launcher, RunSpec("tests.faults.stepping:two", roles(1, 2), {}, ports=among))
            except SparkcvError as err:
                said = str(err)
        if said:
            num_refused += 1
            assert f"no port of --port_range {among} is free" in said, said
            assert f"by process {pid} (" in said, said
        for _ in range(3):
            bench.add(Fault())
        bench.note = f"of {bench.num_runs} runs of three roles, {num_refused} were told of a used-up range"


@contextlib.contextmanager
def _passer_by(among):
    command = [sys.executable, "-c", _PASSER_BY, str(among.low), str(among.high)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "begins\n"
            yield process.pid
        finally:
            process.kill()


def leavers(bench: Bench) -> None:
    """T13: workers leave with exit code 1 at step 10, always: the budget ends it, and the first error comes last."""
    while not bench.is_over:
        with bench.run(program="tests.faults.quitter:main") as run:
            start_s = time.monotonic()
            ended = run.end()
        assert ended.code == 1, ended.said
        assert re.match(r"train: worker:\d ended with exit code 1", ended.sentence), ended.said
        assert "it was not started again after 5 restarts in an hour" in ended.sentence
        report = ended.said[ended.said.index(ended.sentence) :]
        assert "life 0 leaves" in report
        assert not re.search(r"life [1-9] leaves", report)
        oracles.check_told_truly(run, ended, num_workers=2)
        oracles.check_nothing_left(run)
        bench.add(Fault())
        bench.note = f"the last of them ended {time.monotonic() - start_s:.0f} s after its start"


CASES = {"T7": hogs, "T10": ports, "T12": too_few, "T13": leavers}
