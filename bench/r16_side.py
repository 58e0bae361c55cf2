"""One side of R16: a ps and a worker of one checkout train Inception v3 by hand on one host; prints the sample.

CPU seconds are of the two processes, between the worker's reports of the first and the last step that count; what they
take to import, to build and for their first steps is left out. Memory is the worker's highest resident one.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
from typing import Any

import psutil

_FIRST = 4  # steps: memory is allocated, kernels chosen


def main() -> None:
    """Train, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkout", required=True)
    for name in ("size", "batch", "steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    flags = parser.parse_args()
    sys.path[:0] = [f"{flags.checkout}/bench", flags.checkout]
    from by_hand import ByHand
    from hosted import params

    with tempfile.TemporaryDirectory() as name:
        words: dict[str, Any] = {
            "model_name": "inception_v3",
            "train_image_size": flags.size,
            "batch_size": flags.batch,
            "num_intra_op_threads": 2,
            "max_number_of_steps": flags.steps + 2 * _FIRST,
            "log_every_n_steps": 1000,
            "save_summaries_secs": 3600,
        }
        told = params(pathlib.Path(name), **words)
        with ByHand(told, pathlib.Path(name)) as hand:
            watched = [psutil.Process(hand.processes[role].pid) for role in ("ps:0", "worker:0")]

            def measure(status: dict[str, Any]) -> tuple[int, float, float]:
                times = [one.cpu_times() for one in watched]
                return status["own_steps"], time.monotonic(), sum(one.user + one.system for one in times)

            first = last = None
            losses: list[float] = []
            while first is None or last is None or last[0] < first[0] + flags.steps:
                role, status = hand.said.get(timeout=1200)
                if role != "worker:0" or status.get("own_steps", 0) < _FIRST:
                    continue
                last = measure(status)
                first = first or last
                losses.append(status["loss"])
            peak = _peak_bytes(watched[1].pid)
    steps = last[0] - first[0]
    sample = {"items": steps * flags.batch, "wall_s": last[1] - first[1], "cpu_s": last[2] - first[2]}
    print(json.dumps({**sample, "peak_bytes": peak, "loss": losses[-1]}), flush=True)


def _peak_bytes(pid: int) -> int:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) * 1024


if __name__ == "__main__":
    main()
