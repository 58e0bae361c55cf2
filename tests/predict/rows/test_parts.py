import pytest

from sparkcv.predict.rows import InputPart, count_rows, num_pieces, split


def parts(*counts):
    return [InputPart("records", f"/s{index}", f"s{index}", 0, count, 0) for index, count in enumerate(counts)]


def rows_of(pieces):
    return [(part.url, row) for piece in pieces for part in piece for row in range(part.start, part.stop)]


@pytest.mark.parametrize("counts", [(), (1,), (10,), (3, 0, 4, 1), (1000, 1), (7, 7, 7)])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 40])
def test_pieces_hold_every_row_once_in_order_and_are_equal_to_one_row(counts, count):
    pieces = split(parts(*counts), count)
    assert len(pieces) == count
    assert rows_of(pieces) == rows_of([parts(*counts)])
    sizes = [count_rows(piece) for piece in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert all(part.num_rows for piece in pieces for part in piece)


def test_a_part_of_a_part_is_split_inside_itself():
    part = InputPart("table", "/t", "t", 10, 16, 5, row_group=2, data_column="path", id_column="path", base="/b")
    first, second = split([part], 2)
    assert [(p.start, p.stop, p.row_group, p.base) for p in first + second] == [(10, 13, 2, "/b"), (13, 16, 2, "/b")]


def test_a_folder_of_large_pictures_is_dealt_to_many_pieces():
    small = [InputPart("pictures", "/l", "", start, start + 16, 0, row_bytes=20_000) for start in range(0, 320, 16)]
    large = [InputPart("pictures", "/l", "", start, start + 16, 0, row_bytes=8 << 20) for start in range(320, 352, 16)]
    pieces = split(small + large, 8)
    assert rows_of(pieces) == rows_of([small + large])
    costs = [sum(part.num_rows * ((256 << 10) + part.row_bytes) for part in piece) for piece in pieces]
    assert max(costs) < 1.2 * sum(costs) / 8
    assert [count_rows(piece) for piece in pieces[3:]] == [5, 6, 5, 5, 5]
    assert all(len(piece) <= 2 for piece in pieces)  # what lies side by side is one part, read with one opening


def test_a_row_that_costs_more_than_a_piece_leaves_pieces_empty():
    one, many = InputPart("table", "/t", "", 0, 1, 0, row_bytes=1 << 30), InputPart("records", "/s", "", 0, 9, 0)
    pieces = split([one, many], 4)
    assert [count_rows(piece) for piece in pieces] == [1, 0, 0, 9]


def test_a_part_goes_through_json():
    part = InputPart("pictures", "/päth\udcff", "n", 1, None, 3)
    assert InputPart.from_json(part.to_json()) == part


@pytest.mark.parametrize(
    ("num_rows", "slots", "batch", "wanted"),
    [(1, 4, 32, 1), (33, 4, 32, 2), (10_000, 4, 32, 16), (10**8, 100, 32, 48829), (0, 4, 32, 1)],
)
def test_there_are_a_few_pieces_a_slot_none_below_a_batch_none_very_long(num_rows, slots, batch, wanted):
    assert num_pieces(num_rows, slots, batch) == wanted
