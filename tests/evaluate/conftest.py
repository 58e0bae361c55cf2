"""What the tests of evaluation share: TensorFlow, made-up outcomes with hostile names, and a real browser."""

import dataclasses
import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest

from sparkcv.evaluate.metrics import Metrics, Tally
from sparkcv.evaluate.outcome import Outcome
from sparkcv.evaluate.part import Mistake
from sparkcv.inputs.quarantine import Reject

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "a\nb\x1b[31mred\x00",
    "=cmd()|' /C calc'!A0",
    "קטן \u202eגדול",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{2}$ & <b>bold</b>",
    "surrogate \udcff name",
]


@pytest.fixture(scope="session")
def tf():
    """TensorFlow, imported before the check of a test's environment variables looks at them."""
    import tensorflow

    return tensorflow


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome; the page is opened in a real browser or the test says that it was not."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium on the PATH: the page was not opened in a browser (apt-get install chromium)")


@dataclasses.dataclass(frozen=True)
class Visit:
    """What a browser made of a page: its DOM, its complaints, the page's own network requests, and its picture."""

    dom: str
    console: list[str]
    requests: list[str]
    screenshot: bytes


@pytest.fixture
def browse(chromium, tmp_path):
    """Opens HTML text from a file in a headless browser that can reach no network; returns the `Visit`."""
    numbers = itertools.count()

    def visit(text):
        folder = tmp_path / f"visit-{next(numbers)}"
        folder.mkdir()
        (folder / "page.html").write_text(text, "utf-8")
        command = [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            # What the browser itself wants from the network must not leave this machine either.
            "--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--window-size=1200,1600",
            f"--log-net-log={folder / 'net.json'}", f"--screenshot={folder / 'shot.png'}", "--dump-dom",
            (folder / "page.html").as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        events = json.loads((folder / "net.json").read_text())["events"]
        asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
        return Visit(
            dom=done.stdout,
            console=[line for line in done.stderr.splitlines() if "CONSOLE" in line],
            # "not an origin": the browser's own errands (updates, time), which no page started.
            requests=sorted({params["url"] for params in asked if params["initiator"] != "not an origin"}),
            screenshot=(folder / "shot.png").read_bytes(),
        )

    return visit


def make_outcome(names=HOSTILE, *, seed=0, num_examples=200, mistakes=(), rejects=(), reasons=None, **changes):
    """An outcome whose every text is hostile."""
    random = np.random.default_rng(seed)
    tally = Tally(len(names))
    labels = random.integers(0, len(names), num_examples)
    scores = random.normal(size=(num_examples, len(names)))
    scores[np.arange(num_examples), labels] += 1.5
    tally.update(scores, labels)
    values = {
        "run_name": HOSTILE[0],
        "model_name": HOSTILE[1],
        "step": 1200,
        "checkpoint": "/runs/" + HOSTILE[0] + "/model.ckpt-1200",
        "uses_moving_averages": True,
        "dataset_name": HOSTILE[6],
        "split": "test",
        "dataset_dir": "/data/" + HOSTILE[4],
        "num_records": num_examples + sum((reasons or {}).values()),
        "is_estimated": False,
        "metrics": Metrics.of(tally, names),
        "mistakes": tuple(mistakes),
        "rejected": tuple(rejects),
        "reasons": reasons or {},
        "num_evaluators": 2,
        "seconds": 12.5,
        "image_size": 80,
        "config": {"model_name": HOSTILE[0], "train_dir": None},
        "versions": {"sparkcv": "0.1.0", "tensorflow": HOSTILE[1]},
    }
    return Outcome(**{**values, **changes})


@pytest.fixture
def hostile_outcome():
    """An outcome with mistakes and rejects, all of whose names come from a hostile dataset."""
    mistakes = [
        Mistake(true=i % 8, predicted=(i + 1) % 8, score=0.9 - i / 100, true_score=0.05, where=HOSTILE[i % 8])
        for i in range(9)
    ]
    rejects = [Reject("/data/" + HOSTILE[0], 17, HOSTILE[2]), Reject("/data/x", 99, HOSTILE[1], 3)]
    return make_outcome(mistakes=mistakes, rejects=rejects, reasons={HOSTILE[2]: 1, HOSTILE[1]: 3})


@pytest.fixture
def outcome_of():
    """The function that makes outcomes."""
    return make_outcome
