import pytest

from sparkcv.predict.rows import count_rows, find_input, list_parts, load, read_ids, read_rows, split

COUNT = 2500  # more than two row groups of the list


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    for index in range(COUNT):
        path = folder / f"dir {index % 3}" / f"ü{index:04d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(str(index).encode())
    return folder


@pytest.fixture
def parts(tree, tmp_path):
    return list_parts(find_input(str(tree)), str(tmp_path / "lists")).parts


def test_the_list_holds_every_file_once(tree, parts):
    assert count_rows(parts) == COUNT
    wanted = sorted(str(path.relative_to(tree)) for path in tree.rglob("*.jpg"))
    assert sorted(name for part in parts for name in read_ids(part)) == wanted


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_pieces_give_the_same_ids_and_pictures(tree, parts, count):
    rows = [row for piece in split(parts, count) for part in piece for row in read_rows(part)]
    assert [row.id for row in rows] == [name for part in parts for name in read_ids(part)]
    for row in rows[:: COUNT // 50]:
        assert load(row) == (tree / row.id).read_bytes()


def test_the_list_is_frozen(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(b"x")
    (part,) = list_parts(find_input(str(tmp_path / "in")), str(tmp_path / "lists")).parts
    (tmp_path / "in" / "a.jpg").unlink()
    (tmp_path / "in" / "c.jpg").write_bytes(b"x")
    rows = list(read_rows(part))
    assert [row.id for row in rows] == ["a.jpg", "b.jpg"]
    assert load(rows[0]) == "missing: the file is not there"
    assert load(rows[1]) == b"x"


def test_pictures_are_dealt_out_by_their_bytes_as_listed(tmp_path):
    for folder, count, size in (("a", 48, 10), ("b", 16, 1 << 20)):
        (tmp_path / "in" / folder).mkdir(parents=True)
        for index in range(count):
            (tmp_path / "in" / folder / f"{index:02d}.jpg").write_bytes(bytes(size))
    parts = list_parts(find_input(str(tmp_path / "in")), str(tmp_path / "lists")).parts
    assert [(part.start, part.stop, part.row_bytes) for part in parts] == [
        *((start, start + 16, 10) for start in (0, 16, 32)),
        (48, 64, 1 << 20),
    ]
    few, many = split(parts, 2)
    assert (count_rows(few), count_rows(many)) == (52, 12)
    assert [row.id for part in few + many for row in read_rows(part)] == [
        row.id for part in parts for row in read_rows(part)
    ]
