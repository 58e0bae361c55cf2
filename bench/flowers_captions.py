"""Captions that name the flower, from class names alone: Oxford's 17 flowers behind a frozen, trained MobileNet.

Command (about 4 minutes on 2 idle cores)::

    python bench/flowers_captions.py --data DIR --work_dir /tmp/flowers_captions

DIR holds ``flowers17.tar`` (``flowers17/image_0001..1360.jpg``, 80 of a class in turn) and ``mobilenet-tflite.tar``
with the quantized MobileNets of github.com/google-coral/test_data. Three captions are made of each class's name; 60
pictures of a class are trained on, 20 are held out. Prints how many of those have the name in their best caption; exit
code 0 only from 0.7 on.
"""

import argparse
import pathlib
import subprocess
import sys
import tarfile

import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATE, LEAST, PER_CLASS, TRAINED = "2026-01-01", 0.7, 80, 60
FLOWERS = (
    "daffodil", "snowdrop", "lily of the valley", "bluebell", "crocus", "iris", "tigerlily", "tulip", "fritillary",
    "sunflower", "daisy", "coltsfoot", "dandelion", "cowslip", "buttercup", "windflower", "pansy",
)  # fmt: skip
TEMPLATES = ("a photograph of a {}", "a {} in bloom", "this flower is a {}")
WEIGHTS, NET, SIZE = "mobilenet_v1_0.25_128_quant.tflite", "mobilenet_v1_025", 128


def main() -> int:
    """Run the jobs and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--work_dir", required=True, type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=1500)
    flags = parser.parse_args()
    work = flags.work_dir.resolve()
    work.mkdir(parents=True)
    held_out = convert(flags.data, work, resize_short_side=160)
    with tarfile.open(flags.data / "mobilenet-tflite.tar") as archive:
        archive.extractall(work, filter="data")
    (work / "held_out.txt").write_text("".join(f"{path}\n" for path, _ in held_out))
    job(
        "train_captions.py",
        dataset_dir=work / "data",
        train_dir=work / "run",
        model_name=NET,
        checkpoint_path=work / "mobilenet" / WEIGHTS,
        train_image_size=SIZE,
        batch_size=32,
        embedding_size=128,
        num_lstm_units=128,
        optimizer="adam",
        opt_epsilon=1e-8,
        learning_rate=0.002,
        max_number_of_steps=flags.steps,
        cluster_size=1,
        num_ps_tasks=0,
    )
    job(
        "score_captions.py",
        input=work / "held_out.txt",
        checkpoint_path=work / "run",
        output_dir=work / "captions",
        date=DATE,
    )
    rows = pq.read_table(work / "captions" / f"dt={DATE}", partitioning=None).to_pylist()
    best = {pathlib.Path(row["id"]).name: row["captions"][0]["text"] for row in rows}
    right = sum(flower in best[path.name] for path, flower in held_out)
    share = right / len(held_out)
    print(f"{right} of {len(held_out)} held-out pictures are named by their best caption: {share:.3f}, wanted {LEAST}")
    for path, flower in held_out[:: len(held_out) // 10]:
        print(f"  {path.name} ({flower}): {best[path.name]}")
    return 0 if share >= LEAST else 1


def convert(data: pathlib.Path, work: pathlib.Path, resize_short_side: int) -> list[tuple[pathlib.Path, str]]:
    """Write the flowers with captions as shards to ``work/data``; return those held out, each with its name."""
    with tarfile.open(data / "flowers17.tar") as archive:
        archive.extractall(work, filter="data")
    trained, held_out = divide(work / "flowers17")
    lines = [f"{path.name},{one.format(flower)}" for path, flower in trained for one in TEMPLATES]
    (work / "captions.csv").write_text("\n".join(["path,caption", *lines]) + "\n")
    job(
        "convert_captions.py",
        captions_file=work / "captions.csv",
        images_dir=work / "flowers17",
        dataset_dir=work / "data",
        resize_short_side=resize_short_side,
    )
    return held_out


def divide(folder: pathlib.Path) -> tuple[list[tuple[pathlib.Path, str]], list[tuple[pathlib.Path, str]]]:
    """Return the pictures that are trained on and those held out, each with its flower."""
    trained, held_out = [], []
    for number in range(len(FLOWERS) * PER_CLASS):
        kind = trained if number % PER_CLASS < TRAINED else held_out
        kind.append((folder / f"image_{number + 1:04d}.jpg", FLOWERS[number // PER_CLASS]))
    return trained, held_out


def job(name: str, **flags: object) -> None:
    """Run one job as a user would."""
    words = [f"--{key}={value}" for key, value in flags.items()]
    subprocess.run([sys.executable, str(ROOT / "jobs" / name), *words], check=True, cwd=ROOT, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
