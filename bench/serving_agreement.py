"""Whether the service, the scoring job and plain TensorFlow say the same of the same photographs, by each engine.

Command (a few minutes on 2 cores)::

    python bench/serving_agreement.py --data DIR --work_dir /tmp/agreement

DIR is that of ``bench/real_weights.py``, whose trained MobileNet v1 is exported. Plain TensorFlow is the exported
SavedModel in a process that imports nothing of sparkcv. Prints a table; exit code 0 only if every photograph has the
same best label in each way and no score of its five best differs by more than 1e-5.
"""

import argparse
import http.client
import json
import pathlib
import re
import subprocess
import sys
import time

import pyarrow.parquet as pq
import real_weights as weights_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENGINES = ("tf", "openvino")
MOST = 1e-5
TOP_K = 5
Scores = dict[str, list[tuple[str, float]]]
"""Of each photograph the best labels with their scores, best first."""

PLAIN = """
import json, pathlib, sys
import tensorflow as tf
net = tf.saved_model.load(sys.argv[1] + "/saved_model").signatures["serving_default"]
labels = [line.partition(":")[2] for line in pathlib.Path(sys.argv[1], "labels.txt").read_text().splitlines()]
found = {}
for path in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    scores = net(encoded=tf.constant([path.read_bytes()]))["probabilities"].numpy()[0]
    found[path.name] = [(labels[index], float(scores[index])) for index in (-scores).argsort()[:int(sys.argv[3])]]
print(json.dumps(found))
"""


def main() -> int:
    """Score the photographs in each way and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--work_dir", required=True, type=pathlib.Path)
    flags = parser.parse_args()
    work = flags.work_dir.resolve()
    work.mkdir(parents=True)
    weights_of.unpack(flags.data, work)
    photographs, model = work / "imagenet", export(work)
    wanted = plain_tensorflow(model, photographs)
    print(
        "| way | engine | photographs | same best label | greatest difference of a score |\n|--|--|--|--|--|",
        flush=True,
    )
    is_met = len(wanted) > 0
    for engine in ENGINES:
        for what, ask in (("scoring job", by_job), ("service", by_service)):
            same, most = compare(wanted, ask(model, photographs, engine, work))
            is_met &= same == len(wanted) and most <= MOST
            print(f"| {what} | {engine} | {len(wanted)} | {same} | {most:.1e} |", flush=True)
    return 0 if is_met else 1


def export(work: pathlib.Path) -> pathlib.Path:
    """Export the trained MobileNet v1 and return its folder."""
    net = "mobilenet_v1"
    weights_of.write_dataset(work / "imagenet", work / "mobilenet" / "imagenet_labels.txt", work / "data")
    files = ",".join(str(work / "mobilenet" / name) for name in weights_of.NETS[net][0])
    exported = {"dataset_dir": work / "data", "model_name": net, "preprocessing_name": "inception_square"}
    weights_of.job("export_inference_graph.py", checkpoint_path=files, model_dir=work / "model", **exported)
    return work / "model"


def plain_tensorflow(model: pathlib.Path, photographs: pathlib.Path) -> Scores:
    """Score by the SavedModel, one photograph after the other."""
    words = [sys.executable, "-c", PLAIN, str(model), str(photographs), str(TOP_K)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, cwd=photographs)
    found: Scores = json.loads(done.stdout)
    return found


def by_job(model: pathlib.Path, photographs: pathlib.Path, engine: str, work: pathlib.Path) -> Scores:
    """Score by the nightly job."""
    folder = work / f"scores-{engine}"
    weights_of.job(
        "batch_inference.py",
        input=photographs,
        model_dir=model,
        output_dir=folder,
        date=weights_of.DATE,
        engine=engine,
        top_k=TOP_K,
    )
    rows = pq.read_table(folder / f"dt={weights_of.DATE}", partitioning=None).to_pylist()
    return {row["id"]: [(one["label"], one["score"]) for one in row["top_k"]] for row in rows}


def by_service(model: pathlib.Path, photographs: pathlib.Path, engine: str, work: pathlib.Path) -> Scores:
    """Score by uploads to a service of its own."""
    words = [sys.executable, str(ROOT / "jobs/serve.py"), f"--models_dir={model}", f"--engine={engine}", "--port=0"]
    with (
        (work / f"service-{engine}.log").open("wb+") as log,
        subprocess.Popen(words, stdout=log, stderr=log) as process,
    ):
        try:
            connection = connect(process, pathlib.Path(log.name))
            return {path.name: upload(connection, path.read_bytes()) for path in sorted(photographs.iterdir())}
        finally:
            process.terminate()


def connect(process: "subprocess.Popen[bytes]", log: pathlib.Path) -> http.client.HTTPConnection:
    """Return a connection to the service, once its model is ready; its log names the port."""
    while process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/ serves", log.read_text(errors="replace")):
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
            connection.request("GET", "/v2/health/ready")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return connection
        time.sleep(0.2)
    raise SystemExit(f"the service ended with {process.returncode}: {log.read_text(errors='replace')[-500:]}")


def upload(connection: http.client.HTTPConnection, picture: bytes) -> list[tuple[str, float]]:
    """Return what the service says of a picture."""
    connection.request("POST", f"/classify?top_k={TOP_K}", picture, {"Content-Type": "image/jpeg"})
    answer = connection.getresponse()
    value = json.loads(answer.read())
    if answer.status != 200:
        raise SystemExit(f"the service answered {answer.status}: {value}")
    return [(one["label"], one["score"]) for one in value["results"][0]["predictions"]]


def compare(wanted: Scores, got: Scores) -> tuple[int, float]:
    """Return how many photographs have the same best label, and how far any score is from that of its label."""
    same = sum(got[name][0][0] == best[0][0] for name, best in wanted.items())
    most = 0.0
    for name, best in wanted.items():
        scores = dict(got[name])
        # Where a label is not among the other's five, what stands in its place there must be within the limit.
        pairs = [(score, scores.get(label, got[name][place][1])) for place, (label, score) in enumerate(best)]
        most = max([most, *(abs(one - other) for one, other in pairs)])
    return same, most


if __name__ == "__main__":
    sys.exit(main())
