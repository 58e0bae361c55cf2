"""R8: pictures to records, MB per CPU-second / what TF-Slim's build scripts do; / a copy of the bytes.

Command (about 3 minutes on 2 cores)::

    python bench/r08_convert.py --photographs /data/imagenet

One process takes each picture five times and writes one shard: for ours it is what a Spark task of the conversion does,
without Spark, whose start and scheduling do not grow with the pictures. Goals are on the ratio per CPU-second.
"""

import argparse
import dataclasses
import pathlib
import shutil
import sys
import tempfile

import photographs
import side_by_side

from sparkcv import synthetic

SIDE = str(pathlib.Path(__file__).with_name("r08_side.py"))
_NUM_DRAWN = 200


def main() -> int:
    """Compare, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        pictures = gathered(flags.photographs, pathlib.Path(work))

        def side(how: str) -> side_by_side.Sample:
            sample = side_by_side.run([SIDE, f"--how={how}", f"--pictures={pictures}"], {})
            return dataclasses.replace(sample, items=round(sample.items / 1e6))

        for name, goal, other in (
            ("R8 conversion / TF-Slim's build script", ">= 10", "slim"),
            ("R8 conversion / a copy of the bytes", ">= 0.5", "copy"),
        ):
            ratio = side_by_side.compare(
                name, goal, lambda: side("ours"), lambda other=other: side(other), unit="MB/s", rounds=flags.rounds
            )
            print(ratio.row(), flush=True)
    return 0


def gathered(photographs_dir: pathlib.Path | None, work: pathlib.Path) -> pathlib.Path:
    """Return one folder of JPEG files: the photographs, or drawn pictures."""
    drawn, flat = work / "drawn", work / "flat"
    if photographs_dir is None:
        synthetic.write_pictures(drawn, _NUM_DRAWN // len(synthetic.CLASSES), 0, size=500)
    flat.mkdir()
    found = sorted(path for path in (photographs_dir or drawn).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for index, path in enumerate(found):
        shutil.copy(path, flat / f"{index:05d}.jpg")
    return flat


if __name__ == "__main__":
    sys.exit(main())
