"""The training job of job.py whose links are cut while the file that ``LINKS`` names holds their names.

``data``: of ps:0 and worker:1 to each other; ``control``: of all roles to the driver. What is cut is what is there at
that moment: a new generation has links of its own, as on other hosts.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.driver.job import run_main
from tests.faults.links import LinkedLauncher

_POLL_S = 0.05


@contextlib.contextmanager
def obeyed(launcher: LinkedLauncher, orders: Path) -> Iterator[None]:
    """Cut and mend as the file says, while the block runs."""
    over = threading.Event()

    def obey():
        cut: set[str] = set()
        while not over.wait(_POLL_S):
            wanted = set(orders.read_text().split())
            for name in wanted - cut:
                launcher.cut(list(getattr(launcher, name)))
            for name in cut - wanted:
                launcher.mend(list(getattr(launcher, name)))
            cut = wanted

    thread = threading.Thread(target=obey)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def work(config: TrainConfig) -> train.TrainReport:
    plan = train.prepare(config)
    between = (0, config.num_ps + 1)
    with (
        LinkedLauncher(config.num_roles, [os.getcwd()], between=between) as launcher,
        obeyed(launcher, Path(os.environ["LINKS"])),
    ):
        return train.run_on(launcher, plan)


if __name__ == "__main__":
    sys.exit(run_main(TrainConfig, "train", work))
