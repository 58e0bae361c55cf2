"""Charts as geometry: ticks that are round, lines inside the frame, and data that would break a careless scale."""

import re

import pytest

from sparkcv.evaluate.plots import MAX_POINTS, Line, heat_map, line_chart, log_ticks, nice_ticks, number, thin


def chart(points, **kwargs):
    return line_chart("Loss", [Line("loss", points)], x_label="step", y_label="loss", **kwargs)


def pixels(drawn):
    return [
        (float(x), float(y)) for path in drawn.paths for x, y in re.findall(r"([\d.e+-]+),([\d.e+-]+)", path.data)
    ] + [dot for path in drawn.paths for dot in path.dots]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (95, 205, [100, 150, 200]), (3, 3, [3])],
)
def test_ticks_are_round_numbers_inside(low, high, wanted):
    assert nice_ticks(low, high) == pytest.approx(wanted)


def test_logarithmic_ticks_are_powers_of_ten_where_they_are_enough():
    assert log_ticks(0.5, 2000) == pytest.approx([1, 10, 100, 1000])
    assert log_ticks(1.5, 25) == pytest.approx([2, 5, 10, 20])
    assert len(log_ticks(1e-30, 1e30)) <= 10


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.045, "0.045"), (1500, "1500"), (12000, "12k"), (3.5e6, "3.5M"), (1e-5, "1e-05"), (1e30, "1e+30")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_every_point_is_inside_the_frame():
    drawn = chart([(0, 5.0), (10, 0.1), (20, -3.0)])
    assert all(drawn.left <= x <= drawn.right and drawn.top <= y <= drawn.bottom for x, y in pixels(drawn))


def test_a_chart_without_a_value_is_not_drawn():
    assert chart([]) is None
    assert chart([(1, None), (2, None)]) is None


@pytest.mark.parametrize("y", [0.0, 5.0, -2.0, 1e-300, 1e300])
def test_one_value_is_drawn_as_a_dot(y):
    drawn = chart([(7, y)])
    assert drawn.paths[0].data == ""
    assert len(drawn.paths[0].dots) == 1
    assert drawn.x_ticks
    assert drawn.y_ticks


def test_a_constant_line_is_drawn_inside():
    drawn = chart([(1, 0.01), (500, 0.01)], from_zero=True)
    assert all(drawn.top <= y <= drawn.bottom for _, y in pixels(drawn))


def test_a_gap_breaks_the_line_and_leaves_a_lone_point_as_a_dot():
    drawn = chart([(1, 1.0), (2, 2.0), (3, None), (4, 3.0), (5, None), (6, 1.0), (7, 1.0)])
    assert drawn.paths[0].data.count("M") == 2
    assert len(drawn.paths[0].dots) == 1


def test_values_over_many_magnitudes_get_a_logarithmic_axis():
    assert chart([(1, 1e6), (2, 0.1)]).y_label == "loss (logarithmic)"
    assert chart([(1, 1e6), (2, 0.0)]).y_label == "loss"


def test_a_long_run_is_thinned_and_keeps_its_extremes():
    points = [(i, 1.0) for i in range(100_000)]
    points[54_321] = (54_321, 99.0)
    points[77_777] = (77_777, -99.0)
    kept = thin(points)
    assert len(kept) <= MAX_POINTS + 2
    assert points[54_321] in kept
    assert points[77_777] in kept
    assert kept == sorted(kept)


def test_thinning_gaps_keeps_a_gap():
    assert thin([(i, None) for i in range(2000)])[0] == (0, None)


def test_the_legend_names_each_kind_of_line_once_and_the_marks():
    lines = [
        Line("undone", [(1, 1.0), (2, 1.0)], "undone"),
        Line("undone", [(3, 1.0), (4, 1.0)], "undone"),
        Line("smoothed", [(1, 1.0), (9, 2.0)], "smooth"),
    ]
    drawn = line_chart("Loss", lines, x_label="step", y_label="loss", marks=[(2, "here"), (99, "out")], mark_name="M")
    assert drawn.legend() == [("smooth", "smoothed"), ("undone", "undone"), ("mark", "M")]
    assert [mark.text for mark in drawn.marks] == ["here"]


def test_the_description_says_the_range_in_words():
    assert chart([(0, 2.0), (12000, 0.5)]).description == (
        "Loss: loss from step 0 to 12k, between 0.5 and 2, 0.5 at the end"
    )


def test_a_heat_map_holds_counts_and_shares_of_rows():
    heat = heat_map("c", ["a", "b"], {(0, 0): 3, (0, 1): 1, (1, -1): 2}, row_title="true", column_title="predicted")
    assert [[cell.count for cell in row] for row in heat.rows] == [[3, 1], [0, 0]]
    assert [cell.share for cell in heat.rows[0]] == [0.75, 0.25]
    assert heat.totals == (4, 2)
    assert heat.rows[0][1].shade == 0.5
    assert heat.rows[0][0].is_diagonal


def test_a_heat_map_of_nothing_has_no_division_by_zero():
    heat = heat_map("c", ["a"], {}, row_title="true", column_title="predicted")
    assert heat.rows[0][0].share == 0
