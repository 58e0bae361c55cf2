"""Trained MobileNets from uint8 TensorFlow Lite files, through evaluation, export and scoring: the top-1 of each job.

Command (about 6 minutes on 2 idle cores)::

    python bench/real_weights.py --data DIR --work_dir /tmp/real_weights

DIR holds ``mobilenet-tflite.tar`` with the quantized MobileNets of github.com/google-coral/test_data and their
``imagenet_labels.txt``, and ``imagenet-200.tar`` with photographs named ``<synset>_<name>.JPEG``, as
github.com/EliSchwartz/imagenet-sample-images has them, one a class. Prints a table; exit code 0 only if each job gives
at least the top-1 that is wanted of its net.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tarfile

import pyarrow.parquet as pq

from sparkcv.records import example, labels, tfrecord

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATE = "2026-01-01"
NAME, SPLIT = "photographs", "validation"
# The net, its files, and the least top-1 of each job.
NETS = {
    "mobilenet_v1": (
        ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "mobilenet_quant_v1_224_head_layers.tflite"),
        0.89,
    ),
    "mobilenet_v2": (("mobilenet_v2_1.0_224_quant.tflite",), 0.88),
}


def main() -> int:
    """Run the jobs for each net and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--work_dir", required=True, type=pathlib.Path)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    flags = parser.parse_args()
    work = flags.work_dir.resolve()
    work.mkdir(parents=True)
    unpack(flags.data, work)
    models, photographs = work / "mobilenet", work / "imagenet"
    wanted = write_dataset(photographs, models / "imagenet_labels.txt", work / "data")
    print("| net | job | top-1 | wanted |\n|--|--|--|--|", flush=True)
    is_met = True
    for net in flags.nets:
        files, least = NETS[net]
        weights = ",".join(str(models / name) for name in files)
        for what, accuracy in jobs(net, weights, work, photographs, wanted):
            is_met &= accuracy >= least
            print(f"| `{net}` | {what} | {accuracy:.3f} | {least} |", flush=True)
    return 0 if is_met else 1


def unpack(data: pathlib.Path, work: pathlib.Path) -> None:
    """Unpack the nets and the photographs, as ``mobilenet`` and ``imagenet``."""
    for name in ("mobilenet-tflite.tar", "imagenet-200.tar"):
        with tarfile.open(data / name) as archive:
            archive.extractall(work, filter="data")


def write_dataset(photographs: pathlib.Path, names: pathlib.Path, folder: pathlib.Path) -> dict[str, str]:
    """Write the photographs as one shard with all 1001 classes; return the class of each by its file's name."""
    classes = names.read_text(encoding="utf-8").splitlines()
    class_of = {plain(synonym): index for index, line in enumerate(classes) for synonym in line.split(",")}
    # A name that two classes have is the later one's: photographs of the first would be counted as mistakes.
    wanted, records = {}, []
    for path in sorted(photographs.iterdir()):
        label = class_of[plain(path.stem.partition("_")[2])]
        wanted[path.name] = classes[label]
        picture = example.ImageExample(path.read_bytes(), "jpeg", label, classes[label], 0, 0, path.name)
        records.append(tfrecord.frame(example.encode(picture)))
    folder.mkdir()
    (folder / f"{NAME}_{SPLIT}-00000-of-00001.tfrecord").write_bytes(b"".join(records))
    labels.write_labels(str(folder), classes)
    return wanted


def plain(name: str) -> str:
    """Return a name without what differs between file names and labels."""
    return re.sub("[^a-z0-9]", "", name.lower())


def jobs(
    net: str, weights: str, work: pathlib.Path, photographs: pathlib.Path, wanted: dict[str, str]
) -> list[tuple[str, float]]:
    """Evaluate the weights, evaluate the model that was exported of them, and score with it; return each's top-1."""
    data = {"dataset_dir": work / "data", "dataset_name": NAME, "dataset_split_name": SPLIT, "batch_size": 20}
    data |= {"preprocessing_name": "inception_square"}  # squares of photographs, as the nets were published with
    model, exported = work / net, {"dataset_dir": work / "data", "model_name": net}
    exported |= {"preprocessing_name": "inception_square"}
    found = evaluate(work / f"{net}-eval", checkpoint_path=weights, model_name=net, **data)
    job("export_inference_graph.py", checkpoint_path=weights, model_dir=model, **exported)
    again = evaluate(work / f"{net}-exported", checkpoint_path=model, model_name=net, **data)
    job("batch_inference.py", input=photographs, model_dir=model, output_dir=work / f"{net}-scores", date=DATE)
    rows = pq.read_table(work / f"{net}-scores" / f"dt={DATE}", partitioning=None).to_pylist()
    right = sum(wanted[row["id"]] == row["label"] for row in rows)
    return [
        ("evaluate", found),
        ("export, evaluated again from its frozen graph", again),
        ("score", right / len(wanted)),
    ]


def evaluate(folder: pathlib.Path, **flags: object) -> float:
    """Run one evaluation and return its accuracy."""
    job("eval_image_classifier.py", eval_dir=folder, cluster_size=1, **flags)
    (result,) = folder.glob("eval-*.json")
    return float(json.loads(result.read_text(encoding="utf-8"))["accuracy"])


def job(name: str, **flags: object) -> None:
    """Run one job as a user would."""
    words = [f"--{key}={value}" for key, value in flags.items()]
    subprocess.run([sys.executable, str(ROOT / "jobs" / name), *words], check=True, cwd=ROOT, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
