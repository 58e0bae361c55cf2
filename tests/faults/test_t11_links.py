"""T11: a link that is cut for a while, between a ps and a worker or between all and the driver, costs nothing.

Not here: cuts that last (the soak has those), and cuts below TCP, such as of a cable, which answer nothing at all: the
proxies still accept what connects.
"""

import threading

import pytest

from sparkcv import config as configs
from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.train import checkpoint
from tests.faults.links import LinkedLauncher
from tests.faults.running import FLAGS, HANG_S, ROOT
from tests.hadoop import wait_until

pytestmark = pytest.mark.tensorflow


def test_links_that_are_cut_for_a_while_cost_no_restart(flags, caplog):
    caplog.set_level("INFO", "sparkcv")
    words = {**FLAGS, **flags, "max_number_of_steps": 400}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "train"))
    url, reports, told = plan.config.train_dir, [], caplog.records

    def wait_for(check, what):
        wait_until(lambda: check() or not running.is_alive(), what, HANG_S)
        assert running.is_alive(), caplog.text

    def wait_for_saves_above(step):
        wait_for(lambda: checkpoint.newest_step(url) > step, f"a save above {step}")
        return checkpoint.newest_step(url)

    with LinkedLauncher(3, [str(ROOT)], between=(0, 2)) as launcher:
        running = threading.Thread(target=lambda: reports.append(train.train_on(launcher, plan)))
        running.start()
        try:
            wait_for(lambda: {"worker:1"} & {one.role for one in told if "first step" in one.getMessage()}, "its step")
            launcher.cut(launcher.data)
            step = wait_for_saves_above(checkpoint.newest_step(url) + 50)
            launcher.cut(launcher.control)
            launcher.mend(launcher.data)
            wait_for_saves_above(step + 50)
        finally:
            launcher.mend(launcher.data + launcher.control)
            running.join()
    (report,) = reports
    assert 400 <= report.step <= 402
    assert storage.read_json(storage.join(url, "status.json"))["restarts"] == 0
