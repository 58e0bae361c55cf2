"""Examples by protobuf's runtime / by the hand-written wire format of commit b04bd4b, which it replaced. Goal: no loss.

Command (about 3 minutes on 2 cores)::

    python bench/example_codec.py

One labelled picture of 112 kB, a usual photograph, and one of 3 kB, a thumbnail; written from and read to the same
``ImageExample`` in a new process each time. The old code is taken from this checkout's history by ``git show``. What
either side writes is compared with the other's before anything is counted.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import types

import side_by_side

from sparkcv.records import example

HERE = pathlib.Path(__file__).resolve()
BEFORE = "b04bd4b"
SIZES = {"112 kB": 112_000, "3 kB": 3_000}


def before() -> types.ModuleType:
    """Return example.py of the commit, on its own wire.py."""
    for name in ("wire", "example"):
        module = types.ModuleType(f"before_{name}")
        sys.modules[module.__name__] = module
        command = ["git", "show", f"{BEFORE}:sparkcv/records/{name}.py"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=HERE.parent)
        text = done.stdout.replace("sparkcv.records.wire", "before_wire")
        exec(compile(text, f"{BEFORE}:{name}.py", "exec"), module.__dict__)  # noqa: S102 - this project's own code
    return module


def side(how: str, what: str, size: int, count: int) -> None:
    """Write or read so many Examples, and tell how long it took."""
    codecs = {"before": before(), "now": example}
    encoded = random.Random(1).randbytes(size)
    pictures = {
        name: codec.ImageExample(encoded, "jpeg", 3, "tulip", 375, 500, "tulip/1.jpg") for name, codec in codecs.items()
    }
    data = example.encode(pictures["now"])
    assert data == codecs["before"].encode(pictures["before"])
    assert all(codec.decode(data) == pictures[name] for name, codec in codecs.items())
    run, argument = (codecs[how].encode, pictures[how]) if what == "encode" else (codecs[how].decode, data)
    with side_by_side.Watch() as watch:
        for _ in range(count):
            run(argument)
    watch.tell(count)


def main() -> int:
    """Compare each, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--how", choices=["now", "before"], help="run one side")
    parser.add_argument("--what", choices=["encode", "parse"])
    parser.add_argument("--size", type=int)
    flags = parser.parse_args()
    if flags.how:
        side(flags.how, flags.what, flags.size, flags.count)
        return 0
    for what in ("encode", "parse"):
        for label, size in SIZES.items():
            words = [str(HERE), f"--what={what}", f"--size={size}", f"--count={flags.count}"]
            ratio = side_by_side.compare(
                f"{what} an Example of {label}, protobuf / by hand",
                ">= 1",
                lambda words=words: side_by_side.run([*words, "--how=now"], {}),
                lambda words=words: side_by_side.run([*words, "--how=before"], {}),
                unit="Examples/s",
                rounds=flags.rounds,
            )
            print(ratio.row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
