"""R18: the wall time of the tests that another checkout has, here / there, one suite after the other.

Goal against b04bd4b: <= 0.65. Command (an hour on 2 cores, with nothing else running)::

    git worktree add ../before b04bd4b && make -C ../before setup
    python bench/suite_time.py --before ../before

The checkout before runs its whole ``make test``; this one the same tests by its own ``make test``: of each function as
many calls as there, those of the same parameters first; one that was renamed is the one of the most alike name.
``--rest_too`` runs this checkout's other tests afterwards, untimed, so that its whole suite has run in the end.
"""

import argparse
import collections
import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence

import psutil
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHOSEN = "SPARKCV_BENCH_TESTS"  # a file with the node ids that are run
ALIKE = 0.6  # of difflib's 0 to 1
GOAL = 0.65


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the chosen tests, in the pytest that this file starts and is a plugin of."""
    chosen = set(json.loads(pathlib.Path(os.environ[CHOSEN]).read_text()))
    items[:] = [item for item in items if item.nodeid in chosen]


def node_ids(checkout: pathlib.Path) -> list[str]:
    """Return the node ids of a checkout's tests."""
    command = [checkout / ".venv/bin/python", "-m", "pytest", "--collect-only", "-q"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def counterparts(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return those of ``now`` that are the tests of ``before``."""
    theirs, ours = _by_function(before), _by_function(now)
    new = [name for name in ours if name not in theirs]
    chosen = []
    for name, calls in theirs.items():
        alike = [name] if name in ours else difflib.get_close_matches(name, new, 1, ALIKE)
        if not alike:
            print(f"no test of today is like {name} ({len(calls)} calls)", file=sys.stderr)
            continue
        same = sorted(ours[alike[0]].items(), key=lambda call: call[0] not in calls)
        chosen += [node_id for _, node_ids in same for node_id in node_ids][: sum(map(len, calls.values()))]
    return list(dict.fromkeys(chosen))


def _by_function(found: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Return node ids by name of the function, and by its parameters: files may have moved."""
    functions: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for node_id in found:
        name, _, parameters = node_id.partition("::")[2].partition("[")
        functions[name][parameters].append(node_id)
    return functions


def suite(checkout: pathlib.Path, chosen: Sequence[str] | None, log: pathlib.Path) -> tuple[float, float]:
    """Run a checkout's tests and return seconds, and CPU-seconds of the machine."""
    env, command = dict(os.environ), ["make", "test"]
    if chosen is not None:
        (ids := log.with_suffix(".json")).write_text(json.dumps(chosen))
        env |= {CHOSEN: str(ids), "PYTEST_ADDOPTS": "-p bench.suite_time"}
    start_s, start_cpu_s = time.monotonic(), _busy_s()
    with log.open("wb") as out:
        done = subprocess.run(command, cwd=checkout, env=env, stdout=out, stderr=out, check=False)
    seconds, cpu_s = time.monotonic() - start_s, _busy_s() - start_cpu_s
    last = log.read_text(errors="replace").splitlines()[-1:]
    print(f"{checkout}: exit code {done.returncode}, {seconds:.0f} s, {cpu_s:.0f} CPU-s: {last}", file=sys.stderr)
    return seconds, cpu_s


def _busy_s() -> float:
    """Return the seconds that the machine's cores were busy: daemons and killed processes are in no one's times."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system


def main() -> None:
    """Run both suites and print the row of the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=pathlib.Path, required=True, help="a checkout with its .venv")
    parser.add_argument("--rest_too", action="store_true", help="run the other tests of this checkout, too")
    args = parser.parse_args()
    before = args.before.resolve()
    theirs, ours = node_ids(before), node_ids(ROOT)
    chosen = counterparts(theirs, ours)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sparkcv-suite-"))
    print(f"{len(theirs)} tests before, {len(chosen)} of {len(ours)} now; logs are in {folder}", file=sys.stderr)
    now_s, now_cpu_s = suite(ROOT, chosen, folder / "now.log")
    if args.rest_too:
        suite(ROOT, sorted(set(ours) - set(chosen)), folder / "rest.log")
    then_s, then_cpu_s = suite(before, None, folder / "before.log")
    print(f"| R18 | <= {GOAL} | {now_s / then_s:.2f} | {now_cpu_s / then_cpu_s:.2f} | {now_s:.0f} / {then_s:.0f} s |")


if __name__ == "__main__":
    main()
