"""Run the ratio benches, ``bench/rNN_*.py``, one after the other, and write ``bench/RESULTS.md``: ``make bench``.

Those that install other projects' servers and engines are run by their own commands, or by ``--only``.
"""

import argparse
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

import photographs

from sparkcv.driver.versions import versions

HERE = pathlib.Path(__file__).resolve().parent
_INSTALLING = ("r12_serving.py", "r19_peers.py")
HEAD = """# Ratios, each of two things run alternately in one call

Written by `make bench`. A goal is on the ratio of rates; above 1 the first is faster. Median, least and greatest of the
rounds; beside it the same ratio per CPU-second of all processes involved, which other load on the machine moves less.
[docs/measured.md](../docs/measured.md#ratios) says what each is.

| what | goal | rate ratio | ratio per CPU-second | rates |
|--|--|--|--|--|
"""


def main() -> int:
    """Run them all; one that fails is told, and the exit code is 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    photographs.add_flag(parser)
    parser.add_argument("--only", default="", help="run only the files whose name holds this, and write nothing")
    flags = parser.parse_args()
    words = ["--photographs", str(flags.photographs)] if flags.photographs else []
    rows, failed = [], []
    for path in benches(flags.only):
        done = subprocess.run([sys.executable, str(path), *words], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            failed.append(path.name)
        rows += [line for line in done.stdout.splitlines() if line.startswith("|")]
    print(HEAD + "\n".join(rows))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    if not flags.only:
        (HERE / "RESULTS.md").write_text(HEAD + "\n".join(rows) + "\n\n" + about(bool(flags.photographs)))
    return 0


def benches(only: str = "") -> list[pathlib.Path]:
    """Return the files to run: not ``rNN_side.py``, which a bench starts as one of its two sides."""
    found = [path for path in sorted(HERE.glob("r[0-9][0-9]_*.py")) if not path.stem.endswith("_side")]
    return [path for path in found if (only in path.name if only else path.name not in _INSTALLING)]


def about(has_photographs: bool) -> str:
    """Say on which machine, with which versions, on which pictures."""
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    pictures = "real photographs (`make bench PHOTOGRAPHS=DIR`)" if has_photographs else "drawn pictures (`make bench`)"
    return (
        f"{datetime.datetime.now(datetime.UTC).date()}, {os.cpu_count()} cores of {model[1] if model else 'unknown'},"
        f" {platform.platform()}; {found}; {pictures}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
