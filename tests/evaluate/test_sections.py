"""What the evaluation's page says, also where there is little, nothing or very much to say."""

import dataclasses
import json

import numpy as np

from sparkcv.evaluate import sections
from sparkcv.evaluate.curves import Curves, parse
from sparkcv.evaluate.history import HistoryRow
from sparkcv.evaluate.metrics import Metrics, Tally
from sparkcv.evaluate.report import Charts, Fold, Gallery, Heat, Paragraph, SideBySide, Table, render
from sparkcv.evaluate.sections import page
from sparkcv.inputs.quarantine import RejectedRecord


def blocks_of(section, kind):
    flat = []
    for block in section.blocks:
        flat += block.blocks if isinstance(block, SideBySide | Fold) else [block]
    return [block for block in flat if isinstance(block, kind)]


def texts(section):
    return " ".join(block.text for block in blocks_of(section, Paragraph))


def names(count):
    return [f"class {i}" for i in range(count)]


def test_the_headline_has_the_numbers_that_one_remembers(outcome_of):
    outcome = outcome_of(names(8))
    facts = {fact.label: fact.value for fact in sections.headline(outcome)}
    assert facts["accuracy"] == f"{100 * outcome.metrics.accuracy:.1f} %"
    assert facts["examples"] == "200"
    assert facts["rejected"] == "0"
    assert facts["step"] == "1,200"


def test_recall_at_5_of_five_classes_is_said_to_mean_nothing(outcome_of):
    notes = {fact.label: fact.note for fact in sections.headline(outcome_of(names(5)))}
    assert notes["recall@5"] == "always 100 % with 5 classes"


def test_a_part_of_a_split_is_said_to_be_one(outcome_of):
    notes = {fact.label: fact.note for fact in sections.headline(outcome_of(names(8), num_records=900))}
    assert notes["examples"] == "200 of 900 records"


def test_absent_curves_are_said_to_be_absent():
    section = sections.training(Curves())
    assert "holds no metrics.jsonl" in texts(section)
    assert not blocks_of(section, Charts)


def test_what_the_runs_evaluator_found_is_drawn_and_said():
    rows = {
        step: HistoryRow(step, acc, 1.0, acc, 0.5, 10, 0, 1.0, "id") for step, acc in ((10, 0.5), (20, 0.75), (30, 0.7))
    }
    section = sections.training(Curves(), rows)
    (charts,) = blocks_of(section, Charts)
    assert [chart.title for chart in charts.charts] == ["Accuracy while training"]
    said = "the evaluator's newest accuracy was 70.0 % at step 30, the best 75.0 % at step 20"
    assert said in texts(section)
    assert "Accuracy while training" not in texts(sections.training(Curves()))
    rows[30] = dataclasses.replace(rows[30], data="of another split")
    assert "the evaluator's newest accuracy was 70.0 % at step 30, the best 70.0 %" in texts(
        sections.training(Curves(), rows)
    )


def test_restarts_are_drawn_and_said():
    section = sections.training(parse([f'{{"step": {s}, "loss": 1.0}}' for s in (1, 2, 3, 2, 3)] + ["broken"]))
    (charts,) = blocks_of(section, Charts)
    assert [chart.title for chart in charts.charts] == ["Loss"]  # no learning rate was logged
    assert ("mark", "restart") in charts.charts[0].legend()
    assert "went back to a checkpoint once, to go on from step 2" in texts(section)
    assert "1 line of metrics.jsonl could not be read" in texts(section)


def test_fifty_classes_are_a_heat_map_and_fifty_one_are_pairs(outcome_of):
    few = sections.confusion(outcome_of(names(50)).metrics)
    many = sections.confusion(outcome_of(names(51)).metrics)
    assert len(blocks_of(few, Heat)) == 1
    assert not blocks_of(many, Heat)
    assert len(blocks_of(many, Table)[0].rows) > len(blocks_of(few, Table)[0].rows)


def test_many_classes_are_folded_worst_open(outcome_of):
    section = sections.classes(outcome_of(names(120)).metrics)
    opened, fold = section.blocks
    assert (len(opened.rows), fold.summary) == (50, "The other 70 classes")
    shares = [row[1].share for row in opened.rows if row[1].share is not None]
    assert shares == sorted(shares)


def test_every_class_is_in_the_table_also_one_without_examples(outcome_of):
    section = sections.classes(outcome_of(names(40), num_examples=3).metrics)
    rows = section.blocks[0].rows
    assert len(rows) == 40
    assert rows[-1][1].text == "–"


def test_mistakes_show_truth_answer_score_and_file(hostile_outcome):
    section = sections.mistakes(hostile_outcome)
    (gallery,) = blocks_of(section, Gallery)
    assert len(gallery.pictures) == 9
    assert gallery.pictures[0].title.endswith(" 90.0 %")
    assert [label for label, _ in gallery.pictures[0].lines] == ["true", "file"]


def test_no_mistakes_to_show_are_explained(outcome_of):
    assert "None were asked for" in texts(sections.mistakes(outcome_of(names(8))))


def test_without_a_wrong_answer_there_are_no_mistakes_also_where_scores_are_not_finite(outcome_of):
    tally = Tally(3)
    tally.update(np.array([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [np.nan, 0.0, 0.0]]), np.array([0, 1, 2]))
    outcome = dataclasses.replace(outcome_of(names(3)), metrics=Metrics.of(tally, names(3)), mistakes=())
    assert texts(sections.mistakes(outcome)) == "There are none."


def test_rejects_are_counted_by_reason_and_listed(outcome_of):
    rejects = [RejectedRecord("/data/a", i, "truncated") for i in range(3)] + [RejectedRecord("/data/b", 0, "cut", 40)]
    section = sections.rejects(outcome_of(names(8), rejects=rejects, reasons={"truncated": 3, "cut": 40}))
    by_reason, listed = blocks_of(section, Table)
    assert by_reason.rows == [["cut", 40], ["truncated", 3]]
    assert len(listed.rows) == 4


def test_no_rejects_are_said_to_be_none(outcome_of):
    assert "None: every record of the split" in texts(sections.rejects(outcome_of(names(8))))
    part = sections.rejects(outcome_of(names(8), num_records=900))
    assert texts(part) == "None: every record that was looked at could be read."


def test_the_page_of_a_thousand_classes_stays_a_page(outcome_of):
    text = render(page(outcome_of(names(1000), num_examples=5000), Curves()))
    assert len(text) < 600_000


def test_the_json_form_is_json_and_holds_every_metric(hostile_outcome):
    form = json.loads(json.dumps(hostile_outcome.to_dict(), allow_nan=False))
    assert form["num_examples"] == 200
    assert form["recall_5"] == hostile_outcome.metrics.recall_at_k
    assert sum(count for _, _, count in form["confusion"]) == 200
    assert len(form["per_class"]) == 8
    assert form["num_rejected"] == 4
    assert form["rejected"][1]["records"] == 3
    assert "thumbnail" not in form["worst_mistakes"][0]
    assert form["is_partial"] is False
