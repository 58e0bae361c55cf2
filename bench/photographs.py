"""The shards that input benches read: real photographs if a folder of them is given, else large drawn pictures."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

from sparkcv import synthetic

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUM_RECORDS, NUM_SHARDS = 2000, 20


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Let the user name the folder."""
    parser.add_argument(
        "--photographs",
        type=pathlib.Path,
        default=os.environ.get("PHOTOGRAPHS") or None,
        help="folder of JPEG files, in any depth (PHOTOGRAPHS in the environment); not set: drawn pictures of 500 px",
    )


def shards(photographs: pathlib.Path | None, work: pathlib.Path) -> tuple[pathlib.Path, str]:
    """Convert 2,000 records, each file as often as that takes, into 20 shards; returns the folder and what they are."""
    pictures, data = work / "pictures", work / "data"
    if photographs is None:
        synthetic.write_pictures(pictures, NUM_RECORDS // len(synthetic.CLASSES), 0, size=500)
        what = "drawn pictures of 500 px"
    else:
        found = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
        if not found:
            sys.exit(f"--photographs {photographs}: got no .jpg or .jpeg file in it, wanted at least one")
        for index in range(NUM_RECORDS):
            folder = pictures / f"class{index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(found[index % len(found)], folder / f"{index:05d}.jpg")
        what = f"{len(found)} photographs, each {NUM_RECORDS // len(found)} times"
    words = ["--images_dir", str(pictures), "--dataset_dir", str(data), "--dataset_name", "photographs"]
    words += ["--num_shards", str(NUM_SHARDS)]
    subprocess.run([sys.executable, str(ROOT / "jobs/convert_images.py"), *words], check=True, stdout=sys.stderr)
    shutil.rmtree(pictures)
    num_bytes = sum(path.stat().st_size for path in data.glob("*.tfrecord"))
    return data, f"{what}; {num_bytes / 1e6:.0f} MB in {NUM_SHARDS} shards"
