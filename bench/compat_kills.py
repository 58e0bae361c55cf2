"""The same kill at the same program, on TensorFlowOnSpark and on ours: what the program's user hears, and when.

Command (each case up to its bound; about 25 minutes for all)::

    python bench/compat_kills.py --package tensorflowonspark --package sparkcv.compat --bound_s 120

``bench/compat_program.py``, a ps and two workers of 100 steps of 0.1 s. Once worker 1 has taken some steps, a SIGKILL:
of the process in which a worker's, or the ps's, function runs, or of the Java process of worker 1's executor, on which
in InputMode.SPARK a feeding task runs too. Told: seconds until the driver says that something failed. The end
is the driver's: its exit code, or that it still hung at the bound. Work: how many of the 2 workers came to their end.
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import psutil

PROGRAM = str(pathlib.Path(__file__).with_name("compat_program.py"))
CASES = [(mode, victim) for mode in ("tensorflow", "spark") for victim in ("worker-1", "ps-0", "executor")]
FAILURE = re.compile(r"killed|lost|gone|error|exception|failed|exiting", re.IGNORECASE)
STEPS, STEPS_BEFORE = 100, 10
START_S = 420


def main() -> int:
    """Run the cases, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", action="append", required=True)
    parser.add_argument("--bound_s", type=float, default=120.0)
    parser.add_argument("--only", default="", help="cases whose name, such as spark/ps-0, holds this")
    flags = parser.parse_args()
    print("| mode / killed | package | told after | end | work |\n|--|--|--|--|--|", flush=True)
    for mode, victim in CASES:
        for package in flags.package:
            if flags.only in f"{mode}/{victim}":
                print(f"| {mode} / {victim} | {package} | {case(package, mode, victim, flags.bound_s)} |", flush=True)
    return 0


def case(package: str, mode: str, victim: str, bound_s: float) -> str:
    """Run the program, kill, and wait for its end; returns the row's last three cells."""
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder, log = pathlib.Path(name, "run"), pathlib.Path(name, "log")
        command = [sys.executable, PROGRAM, f"--package={package}", f"--mode={mode}", f"--folder={folder}"]
        with log.open("wb") as sink:
            driver = subprocess.Popen([*command, f"--steps={STEPS}"], stdout=sink, stderr=sink, start_new_session=True)
        family: set[psutil.Process] = set()
        try:
            if not wait(lambda: steps(folder, "worker-1") >= STEPS_BEFORE, driver, START_S):
                return f"- | it did not start: {last_line(log)} | -"
            before = log.stat().st_size
            kill(folder, victim)
            began_s, told_s = time.monotonic(), None
            is_over = False
            while not is_over:
                end_s = time.monotonic() - began_s
                is_over = driver.poll() is not None or end_s >= bound_s  # before its words are read: it may end by them
                family |= relatives(driver.pid)
                if told_s is None and FAILURE.search(own_words(log, before)):
                    told_s = end_s
                time.sleep(0.1)
            told = "never" if told_s is None else f"{told_s:.1f} s"
            end = (
                f"hung at {bound_s:.0f} s"
                if driver.poll() is None
                else f"exit code {driver.returncode} at {end_s:.0f} s"
            )
            print(own_words(log, before)[-3000:], file=sys.stderr, flush=True)
            return f"{told} | {end} | {len(list(folder.glob('done-worker-*')))} of 2"
        finally:
            family |= relatives(driver.pid)
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()


def kill(folder: pathlib.Path, victim: str) -> None:
    """SIGKILL the process that runs a node's function, or the Java that it is below of."""
    node = "worker-1" if victim == "executor" else victim
    process = psutil.Process(int((folder / f"pids-{node}").read_text().split()[-1]))
    if victim == "executor":
        process = next(one for one in process.parents() if one.name() == "java")
    process.kill()


def steps(folder: pathlib.Path, node: str) -> int:
    """How many steps a worker has taken."""
    path = folder / f"step-{node}"
    return int(path.read_text() or 0) if path.exists() else 0


def wait(ready, driver, bound_s: float) -> bool:
    """Whether it came to be, in time and before the driver's end."""
    give_up_s = time.monotonic() + bound_s
    while not ready():
        if driver.poll() is not None or time.monotonic() > give_up_s:
            return False
        time.sleep(0.05)
    return True


def own_words(log: pathlib.Path, since: int) -> str:
    """Return what was said behind the first ``since`` bytes, without what TensorFlow chats."""
    lines = log.read_bytes()[since:].decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if "cuda" not in line.lower() and "absl" not in line)


def last_line(log: pathlib.Path) -> str:
    """Return the last line that was said."""
    return (own_words(log, 0).strip().splitlines() or [""])[-1]


def relatives(pid: int) -> set[psutil.Process]:
    """Return a process and all below it; they are remembered, as a killed parent loses its children."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return {process, *process.children(recursive=True)}
    return set()


if __name__ == "__main__":
    sys.exit(main())
