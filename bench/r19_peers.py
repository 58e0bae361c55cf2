"""R19: pictures per CPU-second of the whole scoring job / Daft and Ray Data, start to Parquet, same graph and engine.

Command, about 15 minutes on 2 cores with nothing else to do::

    python bench/r19_peers.py

4,000 drawn pictures of 75 px (``--count``, ``--size``; ``--photographs`` takes real ones), Inception v3 of random
weights, two cores, float32, the engine of ``--engine`` on every side. Ours writes all that a night has: reconciled ids,
rejects, both reports; a peer writes id, class and score. Each peer has an environment of its own, made below
.venv/peers at the first run, and is written as its documentation says of batch inference: one worker that holds the
net, of ``--threads`` threads, batches of 32. Turns are taken; CPU seconds are those of all processes.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import photographs as photographs_of
import r17_scoring
import scoring_inputs
import side_by_side
import watched
from side_by_side import Sample

_HERE = pathlib.Path(__file__).resolve().parent
_PEERS_DIR = pathlib.Path(sys.prefix) / "peers"
_NETS = ["openvino==2026.4.1", "tensorflow-cpu>=2.21,<2.22", "pillow"]
_PACKAGES = {"daft": ["daft==0.7.26", *_NETS], "ray": ["ray[data]==2.60.0", *_NETS]}


def main() -> int:
    """Compare with each peer, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs_of.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--net", default="inception_v3")
    parser.add_argument("--size", type=int, default=75)
    parser.add_argument("--engine", choices=("openvino", "tf"), default="openvino")
    parser.add_argument("--threads", type=int, default=2, help="of a peer's net")
    parser.add_argument("--peers", default="daft,ray")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sparkcv-r19-") as folder:
        work = pathlib.Path(folder)
        model = scoring_inputs.model(work, flags.net, flags.size)
        pictures = write_pictures(work / "pictures", flags)

        def ours() -> Sample:
            with tempfile.TemporaryDirectory(dir=work) as out:
                words = [f"--input={pictures}", f"--model_dir={model}", "--top_k=1", f"--engine={flags.engine}"]
                return sample("ours", r17_scoring.run(scoring_inputs.ROOT, words, pathlib.Path(out)))

        def theirs(peer: str) -> Sample:
            with tempfile.TemporaryDirectory(dir=work) as out:
                words = [pictures, f"{model}/frozen_inference_graph.pb", str(flags.size), flags.engine]
                words += [str(flags.threads), f"{out}/scores"]
                command = [python_of(peer), str(_HERE / f"scoring_peers/{peer}_peer.py"), *words]
                env = {"PYTHONPATH": str(_HERE / "scoring_peers"), "TF_CPP_MIN_LOG_LEVEL": "3"}
                env |= {"DAFT_ANALYTICS_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
                done = sample(peer, watched.run(command, work, {**os.environ, **env}))
                check(pathlib.Path(out, "scores"), flags.count)
            return done

        def sample(name: str, cost: watched.Cost) -> Sample:
            print(f"{name}: {cost}", file=sys.stderr, flush=True)
            return Sample(flags.count, cost.wall_s, cost.cpu_s)

        for peer in flags.peers.split(","):
            python_of(peer)  # the making of its environment is no part of a round
            name = f"R19 whole job of {flags.count} pictures at {flags.size} px, ours / {peer}, {flags.engine}"
            ratio = side_by_side.compare(
                name, ">= 1.1 a CPU-second", ours, lambda peer=peer: theirs(peer), unit="images/s", rounds=flags.rounds
            )
            print(ratio.row(), flush=True)
    return 0


def write_pictures(folder: pathlib.Path, flags: argparse.Namespace) -> str:
    """Write so many pictures as are wanted, drawn or the photographs again and again; returns the folder."""
    if flags.photographs is None:
        return scoring_inputs.pictures(folder, flags.count, flags.size)
    found = sorted(path for path in flags.photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    folder.mkdir(parents=True)
    for index in range(flags.count):
        shutil.copyfile(found[index % len(found)], folder / f"{index:06d}.jpg")
    return str(folder)


def python_of(peer: str) -> str:
    """Return the Python of a peer's environment, which is made once."""
    folder = _PEERS_DIR / peer
    if not (folder / "done").exists():
        if not (folder / "bin/python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *_PACKAGES[peer]], check=True)
        (folder / "done").touch()
    return str(folder / "bin/python")


def check(folder: pathlib.Path, count: int) -> None:
    """End the bench if a peer's Parquet has not a row for each picture: its time would be of less work."""
    import pyarrow.dataset

    found = pyarrow.dataset.dataset(folder, format="parquet").to_table(columns=["id"]).column("id").to_pylist()
    if len(found) != count or len(set(found)) != count:
        raise SystemExit(f"{folder} has {len(found)} rows of {len(set(found))} pictures, wanted {count}")


if __name__ == "__main__":
    sys.exit(main())
