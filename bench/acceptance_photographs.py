"""A folder of photographs, one a class, through every job at Inception v3's own size: as many rows out as files in.

Command (about 5 minutes on 2 cores for 200 photographs named ``<synset>_<name>.JPEG``)::

    python bench/acceptance_photographs.py --photographs /data/imagenet --work_dir /tmp/photographs

Converts them by a CSV of labels, trains 10 steps at 299 px by 1 ps and 2 workers, exports, scores, reads the Parquet
back. It measures nothing: one picture a class teaches no net. Exit code 0 only if every file is exactly one row.
"""

import argparse
import csv
import pathlib
import subprocess
import sys

import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATE = "2026-01-01"


def main() -> int:
    """Run the jobs and compare the ids."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", required=True, type=pathlib.Path)
    parser.add_argument("--work_dir", required=True, type=pathlib.Path)
    flags = parser.parse_args()
    photographs, work = flags.photographs.resolve(), flags.work_dir.resolve()
    work.mkdir(parents=True)
    names = sorted(path.name for path in photographs.iterdir())
    with (work / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([str(photographs / name), name.partition("_")[2].rpartition(".")[0]] for name in names)
    data, run, model = work / "data", work / "run", work / "model"
    job("convert_images.py", labels_csv=work / "labels.csv", dataset_dir=data, dataset_name="photographs")
    job(
        "train_image_classifier.py",
        dataset_dir=data,
        dataset_name="photographs",
        train_dir=run,
        model_name="inception_v3",
        batch_size=8,
        max_number_of_steps=10,
        num_ps_tasks=1,
        cluster_size=3,
    )
    job("export_inference_graph.py", checkpoint_path=run, dataset_dir=data, dataset_name="photographs", model_dir=model)
    job("batch_inference.py", input=photographs, model_dir=model, output_dir=work / "scores", date=DATE)
    table = pq.read_table(work / "scores" / f"dt={DATE}", partitioning=None, columns=["id"])
    ids = sorted(table["id"].to_pylist())
    print(f"{len(names)} photographs, {len(ids)} rows, {'the same ids' if ids == names else 'NOT the same ids'}")
    return 0 if ids == names else 1


def job(name: str, **flags: object) -> None:
    """Run one job as a user would."""
    words = [f"--{key}={value}" for key, value in flags.items()]
    subprocess.run([sys.executable, str(ROOT / "jobs" / name), *words], check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
