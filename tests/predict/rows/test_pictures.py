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
