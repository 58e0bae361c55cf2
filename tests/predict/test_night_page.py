"""A night's page: what it shows of any night, and what a real browser makes of it."""

import dataclasses

import numpy as np
import pytest

from sparkcv.evaluate.metrics import Metrics, Tally
from sparkcv.evaluate.report import render
from sparkcv.predict import drift
from sparkcv.predict.night import BINS, Executor, NightFacts, ScoreSample
from sparkcv.predict.night_page import Night, page
from sparkcv.predict.report import ScoreReport
from tests.fixtures.browser import HOSTILE

NAMES = ["red", "green", "blue"]


def report(num_predictions=300, rejects=(("truncated", 2), ("empty", 1)), **changes):
    run = {"run_id": "ab" * 12, "model_name": "colors", "started": "2026-01-02T03:00:00+00:00"}
    return ScoreReport(
        num_predictions, dict(rejects), 20.0, "/in", "/model", "cd" * 32, "/out", "/out", run=run, **changes
    )


@pytest.fixture
def night(picture):
    """A night of 300 pictures with a night before it, some rejects and known labels."""
    tally = Tally(3, 2)
    tally.pairs.update({(0, 0): 100, (1, 1): 90, (1, 0): 10, (2, 2): 100})
    tally.num_top_k = 295
    facts = NightFacts(
        {"red": 110, "green": 90, "blue": 100},
        tuple(range(BINS)),
        (Executor("a:1", 100, 20.0), Executor("b:2", 203, 19.0)),
        (("red/slow.jpg", 812.0),),
        {name: [ScoreSample(f"{name}/{at}.jpg", 0, f"0.9{at}") for at in range(3)] for name in NAMES},
        {
            "truncated": [ScoreSample("bad/half.jpg", 0, "truncated: 12 of 40 rows")],
            "empty": [ScoreSample("bad/none.jpg", 0, "empty: 0 bytes")],
        },
        dict(tally.pairs),
        295,
        5,
    )
    thumbnails = {f"{name}/{at}.jpg": picture(name) for name in NAMES for at in range(3)}
    thumbnails["bad/half.jpg"] = picture("red")
    found = drift.compare(facts.labels, [{"red": 100, "green": 100, "blue": 100}] * 2)
    return Night("2026-01-02", report(), facts, found, Metrics.of(tally, NAMES), thumbnails)


def test_the_page_says_what_the_night_was(night):
    text = render(page(night))
    assert "<h1><bdi>2026-01-02: 303 pictures by colors</bdi></h1>" in text
    assert f"PSI = sum over labels of (p - q) ln(p / q) = {night.drift.psi:.4f}" in text
    assert "the 2 nights before" in text
    for said in ("Accuracy 96.7 %", "5 pictures of a label that the model does not have", "0.95 to 1.00", "812", "a:1"):
        assert said in text
    assert text.count('<img src="data:image/jpeg;base64,') == 10
    assert "bad/none.jpg" in text, "a reject without a picture is listed"


def test_a_first_night_without_rejects_and_pictures_is_a_page(night):
    facts = dataclasses.replace(night.facts, samples={}, rejects={}, executors=(), slowest=(), num_unknown=0)
    text = render(page(Night("2026-01-02", report(rejects=()), facts)))
    for said in (
        "There is no night before this one",
        "None: every picture has a prediction.",
        "No pictures were asked",
    ):
        assert said in text
    assert "Against what is known" not in text


def test_a_night_without_a_prediction_shows_why_it_is_not_published(night):
    facts = NightFacts({}, (0,) * BINS, rejects=night.facts.rejects)
    text = render(
        page(Night("2026-01-02", report(0), facts, thumbnails=night.thumbnails, failure="3 of 3 were rejected"))
    )
    assert text.index("Not published") < text.index("3 of 3 were rejected") < text.index("By reason")
    assert "truncated: 12 of 40 rows" in text
    assert "Labels</h2>" not in text


def test_names_from_data_stay_text_in_a_browser(night, browse):
    labels = dict.fromkeys(HOSTILE, 3)
    some = [ScoreSample(name, 0, name) for name in HOSTILE]
    facts = NightFacts(
        labels, (1,) * BINS, (Executor(HOSTILE[0], 1, 0.0),), ((HOSTILE[1], 1.0),),
        dict.fromkeys(HOSTILE, some), dict.fromkeys(HOSTILE, some),
    )  # fmt: skip
    hostile = Night(
        HOSTILE[0],
        report(24, rejects=[(name, 1) for name in HOSTILE], events=tuple(HOSTILE)),
        facts,
        drift.compare(labels, [labels]),
        thumbnails=dict.fromkeys(HOSTILE, next(iter(night.thumbnails.values()))),
        failure=HOSTILE[0],
    )
    visit = browse(render(page(hostile)))
    assert visit.console == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []
    assert "<title>owned" not in visit.dom


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 400])
def test_a_person_sees_pictures_and_nothing_runs_out_of_the_page(night, tab, tmp_path, dark, width):
    path = tmp_path / "page.html"
    path.write_text(render(page(night)))
    tab.open(path.as_uri(), width=width, dark=dark)
    assert tab.run("[...document.images].length") == 10
    assert tab.run("[...document.images].every(one => one.naturalWidth > 0)")
    assert tab.run("document.documentElement.scrollWidth") <= width
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    brightness = np.mean([int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(",")])
    assert bool(brightness < 80) is dark
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []
