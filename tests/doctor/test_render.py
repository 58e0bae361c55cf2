"""The report for people: folded rows, lines that fit, colours only where asked, one last sentence."""

import pytest

from sparkcv.doctor import checks
from sparkcv.doctor.finding import (
    APPLICATION,
    DRIVER,
    FAIL,
    OK,
    WARNING,
    DoctorReport,
    Finding,
    Location,
    quantity,
    sentence,
)
from sparkcv.doctor.fold import fold
from sparkcv.doctor.render import sentence as last_word
from sparkcv.doctor.render import table
from tests.doctor.cases import facts


def on(name, host="h", status=OK, found="well", **more):
    return Finding("disk", Location(name, host, True), status, found, **more)


def test_executors_of_which_the_same_is_to_be_said_share_a_row():
    findings = [on(str(number), f"host-{number}") for number in range(300) if number != 7]
    findings.append(on("7", "host-7", FAIL, "full", advice="make room"))
    rows = fold(findings)
    assert [(row.where, row.status) for row in rows] == [
        ("executors 0-6, 8-299 on 299 hosts", OK),
        ("executor 7 on host-7", FAIL),
    ]


def test_amounts_of_one_row_become_a_range():
    (row,) = fold(on(str(at), found="{} free", amount=at * 1e9, unit="bytes") for at in (73, 71, 72))
    assert row.found == "71.0 GB to 73.0 GB free"
    assert row.where == "executors 71-73"
    (row,) = fold(on(str(at), found="{} free", amount=5e9, unit="bytes") for at in (1, 3))
    assert row.found == "5.0 GB free"
    assert row.where == "executors 1, 3"


def test_the_driver_and_the_executors_never_share_a_row_and_a_check_stands_together():
    findings = [
        Finding("a", DRIVER, OK, "x"),
        Finding("b", DRIVER, OK, "x"),
        Finding("a", Location("1", "h", True), OK, "x"),
    ]
    assert [(row.check, row.where) for row in fold(findings)] == [
        ("a", "driver"),
        ("a", "executor 1 on h"),
        ("b", "driver"),
    ]


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (73.2e9, "bytes", "73.2 GB"),
        (512e6, "bytes", "512 MB"),
        (3e5, "bytes", "0.3 MB"),
        (0.0042, "s", "4 ms"),
        (2.5, "s", "2.5 s"),
        (400, "s", "7 min"),
    ],
)
def test_quantities_are_said_as_a_person_would(amount, unit, text):
    assert quantity(amount, unit) == text


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_no_line_is_longer_than_the_terminal_and_no_colour_is_in_a_file(columns):
    text = table(DoctorReport(tuple(checks.judge(facts(executor={"scratch_free": 1}), checks.ALL))), columns)
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in lines)
    assert [line for line in lines if line.startswith("disk") and "executors 1, 3" in line]
    assert [line for line in lines if "-> lower --spool_bytes" in line]


def test_a_terminal_sees_the_statuses_in_colour():
    report = DoctorReport((on("1"), on("2", status=WARNING), on("3", status=FAIL)))
    text = table(report, colour=True)
    assert all(code in text for code in ("\x1b[32mok", "\x1b[33mwarning", "\x1b[1;31mFAIL"))


def test_text_from_elsewhere_cannot_forge_a_row():
    text = table(DoctorReport((on("1", "evil\nhost", FAIL, "no\nrow \x1b[32mok", advice="a\rb"),)))
    assert len(text.splitlines()) == 4
    assert "\x1b" not in text


def test_the_last_sentence_says_whether_training_can_start_and_what_to_do_first():
    assert last_word(DoctorReport((on("1"),))) == "training can start, with no warnings"
    assert (
        last_word(DoctorReport((on("1", status=WARNING), on("2", status=WARNING))))
        == "training can start, with 1 warning"
    )
    report = DoctorReport(
        (on("1", status=FAIL, found="full", advice="make room"), Finding("x", APPLICATION, FAIL, "y", "z"))
    )
    assert not report.is_ok
    assert last_word(report) == (
        "training would fail (disk, executor 1 on h): full; make room, and 1 more (no warnings)"
    )
    assert sentence(report.findings[0]) == "executor 1 on h: full; make room"
