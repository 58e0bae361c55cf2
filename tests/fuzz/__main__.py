"""Fuzz for as long as told: what ``make fuzz MINUTES=10`` runs.

``python -m tests.fuzz --minutes 10`` takes a seed from the clock and prints how many inputs each target read;
``--target gnt --seed 5 --number 17`` reads one input again. Exit code 1 at the first that is not read as it should be.
"""

import argparse
import sys
import time

from tests.fuzz.running import FoundError, run
from tests.fuzz.targets import TARGETS

_ROUND = 200


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--target", choices=TARGETS, help="this one alone")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--number", type=int, default=None, help="this input alone")
    flags = parser.parse_args()
    seed = time.time_ns() if flags.seed is None else flags.seed
    names = [flags.target] if flags.target else list(TARGETS)
    done, end_s = 0, time.monotonic() + 60 * flags.minutes
    try:
        if flags.number is not None:
            run(names[0], seed, range(flags.number, flags.number + 1))
        while flags.number is None and time.monotonic() < end_s:
            for name in names:
                run(name, seed, range(done, done + _ROUND))
            done += _ROUND
    except FoundError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    each = 1 if flags.number is not None else done
    sys.stdout.write(f"seed {seed}: {each} inputs each of {', '.join(names)}, all read as they should be\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
