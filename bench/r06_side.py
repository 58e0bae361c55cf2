"""One side of R6: the scoring job in steady state, or a bare loop round the same engine; prints the sample.

The job: one Spark session scores the folder ``--few``, which starts and loads everything, again ``--few``, and
``--many``; the sample is the difference of the last two, so that what a run costs whatever its size is left out.
The loop: read, decode, score, rank, and one Parquet file, in one process of one thread.
"""

import argparse
import pathlib
import sys
import tempfile
import time
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from side_by_side import Watch


def main() -> None:
    """Measure, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--how", choices=("job", "loop"), required=True)
    for name in ("model_dir", "few", "many", "engine"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--executors", type=int, default=0)
    flags = parser.parse_args()
    (job if flags.how == "job" else loop)(flags)


def job(flags: argparse.Namespace) -> None:
    """Run the job three times in one session, and tell the difference of the last two."""
    from sparkcv.config import ScoreConfig
    from sparkcv.driver import score
    from sparkcv.driver.stage_session import stage_size
    from sparkcv.spark.session import SessionSpec, open_session

    def used() -> tuple[float, float]:
        mine = psutil.Process()
        all_of_us = [mine, *mine.children(recursive=True)]
        return time.perf_counter(), sum(t.user + t.system for t in (one.cpu_times() for one in all_of_us))

    session = SessionSpec("bench", *stage_size(flags.executors or None))
    with tempfile.TemporaryDirectory() as out, open_session(session) as spark:
        spent = []
        for number, folder in enumerate((flags.few, flags.few, flags.many)):
            words: dict[str, Any] = {"input": folder, "model_dir": flags.model_dir, "output_dir": out, "top_k": 1}
            plan = score.prepare(ScoreConfig(**words, engine=flags.engine, date=f"2026-01-0{number + 1}"))
            before = used()
            score.run(spark, plan)
            spent.append(tuple(after - was for after, was in zip(used(), before, strict=True)))
    watch = Watch()
    watch.wall_s, watch.cpu_s = (many - few for few, many in zip(*spent[1:], strict=True))
    watch.tell(_count(flags.many) - _count(flags.few))


def loop(flags: argparse.Namespace) -> None:
    """Score the pictures as whoever has no job would, loading left out."""
    from sparkcv.predict import Predictor

    paths = sorted(pathlib.Path(flags.many).iterdir())
    with Predictor(flags.model_dir, flags.engine, num_threads=1) as predictor, tempfile.TemporaryDirectory() as out:
        decoder, engine, names = predictor.preparer._decoder, predictor.net, np.array(predictor.names)
        engine.probabilities(np.stack(decoder.decode([(paths[0].read_bytes(), 1)] * 32)))
        with Watch() as watch:
            ids: list[str] = []
            scores = []
            for at in range(0, len(paths), 32):
                part = paths[at : at + 32]
                scores.append(engine.probabilities(np.stack(decoder.decode([(path.read_bytes(), 1) for path in part]))))
                ids += [path.name for path in part]
            table = np.concatenate(scores)
            best = table.argmax(axis=1)
            columns = {"id": ids, "label": names[best], "score": table[np.arange(len(best)), best]}
            pq.write_table(pa.table(columns), f"{out}/scores.parquet")
        watch.tell(len(paths))


def _count(folder: str) -> int:
    return len(list(pathlib.Path(folder).iterdir()))


if __name__ == "__main__":
    sys.exit(main())
