"""What every file system must do behind sparkcv.storage: subclass with a ``root`` fixture, an empty folder's URL."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkcv import storage
from sparkcv.errors import AccessError, FileExistsAlreadyError, MissingFileError, StorageError

ODD_NAMES = ("a b", "ü", "100%41", "a#b", "a?b", "a::b", "[1]", "*", "x" * 200, "-", "tab\there", "‮rtl")


def names_below(url: str) -> list[str]:
    return [entry.url.removeprefix(url + "/") for entry in storage.walk(url)]


class StorageContract:
    """Tests of one file system; ``root`` is the URL of a folder that only this test uses."""

    forbidden_names: tuple[str, ...] = ()  # what the store itself never holds, such as HDFS a colon

    # ---- reading back

    def test_what_is_written_is_read_back(self, root):
        url = storage.join(root, "a", "b.bin")
        storage.write_bytes(url, b"\0\xff\r\n")
        assert storage.read_bytes(url) == b"\0\xff\r\n"
        assert storage.size(url) == 4

    def test_ranges_are_half_open(self, root):
        url = storage.join(root, "r")
        storage.write_bytes(url, b"0123456789")
        assert storage.read_bytes(url, 2, 5) == b"234"
        assert storage.read_bytes(url, 7) == b"789"
        assert storage.read_bytes(url, 0, 0) == b""
        assert storage.read_bytes(url, 8, 99) == b"89"

    def test_text_and_json_go_through_utf8(self, root):
        storage.write_text(storage.join(root, "t"), "schön\n")
        assert storage.read_text(storage.join(root, "t")) == "schön\n"
        storage.write_json(storage.join(root, "j"), {"b": 1, "a": ["ü"]})
        assert storage.read_json(storage.join(root, "j")) == {"a": ["ü"], "b": 1}

    def test_equal_json_values_are_equal_bytes(self, root):
        storage.write_json(storage.join(root, "1"), {"a": 1, "b": 2})
        storage.write_json(storage.join(root, "2"), {"b": 2, "a": 1})
        assert storage.read_bytes(storage.join(root, "1")) == storage.read_bytes(storage.join(root, "2"))

    def test_bad_text_and_json_are_refused_by_name(self, root):
        url = storage.join(root, "bad")
        storage.write_bytes(url, b'{"a"\xff')
        with pytest.raises(StorageError, match=r"bad.*byte 4 is 0xff"):
            storage.read_text(url)
        storage.write_bytes(url, b'{"a"')
        with pytest.raises(StorageError, match=r"bad.*is not JSON.*line 1"):
            storage.read_json(url)
        storage.write_bytes(url, b"[" * 100_000)
        with pytest.raises(StorageError, match=r"bad.*is not JSON"):
            storage.read_json(url)

    def test_a_stream_reads_seeks_and_iterates(self, root):
        url = storage.join(root, "s")
        storage.write_bytes(url, b"one\ntwo\nthree")
        with storage.open_read(url) as stream:
            assert list(stream) == [b"one\n", b"two\n", b"three"]
            stream.seek(4)
            assert stream.read(3) == b"two"
            assert stream.read() == b"\nthree"

    def test_two_readers_of_one_file_have_their_own_positions(self, root):
        url = storage.join(root, "s")
        storage.write_bytes(url, b"0123456789")
        with storage.open_read(url) as first, storage.open_read(url) as second:
            assert first.read(5) == b"01234"
            assert second.read(2) == b"01"
            assert first.read() == b"56789"

    def test_fetch_copies_to_this_machine(self, root, tmp_path):
        data = bytes(range(256)) * 9000
        storage.write_bytes(storage.join(root, "big"), data)
        assert storage.fetch(storage.join(root, "big"), tmp_path / "copy") == len(data)
        assert (tmp_path / "copy").read_bytes() == data
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]

    def test_fetch_of_a_missing_file_leaves_nothing(self, root, tmp_path):
        target = tmp_path / "fetched"
        target.mkdir()
        with pytest.raises(MissingFileError, match="nothing"):
            storage.fetch(storage.join(root, "nothing"), target / "copy")
        assert list(target.iterdir()) == []

    # ---- listing

    def test_a_listing_is_sorted_and_knows_sizes(self, root):
        storage.write_bytes(storage.join(root, "b"), b"12")
        storage.write_bytes(storage.join(root, "a"), b"1")
        storage.write_bytes(storage.join(root, "c/x"), b"123")
        entries = storage.list_dir(root)
        assert [(entry.name, entry.size, entry.is_dir) for entry in entries] == [
            ("a", 1, False), ("b", 2, False), ("c", 0, True),
        ]  # fmt: skip
        assert [entry.url for entry in entries] == [storage.join(root, name) for name in "abc"]

    def test_walk_goes_depth_first_in_order(self, root):
        for name in ("b/2", "a", "b/1/x", "c"):
            storage.write_bytes(storage.join(root, name), b"")
        assert names_below(root) == ["a", "b/1/x", "b/2", "c"]

    def test_walk_streams(self, root):
        storage.write_bytes(storage.join(root, "a"), b"")
        storage.write_bytes(storage.join(root, "b/c"), b"")
        walking = storage.walk(root)
        assert next(walking).name == "a"
        storage.delete(storage.join(root, "b"), recursive=True)
        with pytest.raises(MissingFileError):
            next(walking)

    def test_an_empty_folder_lists_nothing(self, root):
        storage.make_dirs(storage.join(root, "empty"))
        assert storage.list_dir(storage.join(root, "empty")) == []
        assert storage.is_dir(storage.join(root, "empty"))

    def test_listing_what_is_missing_or_a_file_says_so(self, root):
        with pytest.raises(MissingFileError, match="gone"):
            storage.list_dir(storage.join(root, "gone"))
        storage.write_bytes(storage.join(root, "file"), b"")
        with pytest.raises(StorageError, match=r"cannot list .*file': it is a file, a folder was wanted"):
            storage.list_dir(storage.join(root, "file"))

    def test_existence_tells_files_folders_and_nothing_apart(self, root):
        storage.write_bytes(storage.join(root, "d/f"), b"")
        found = {name: storage.exists(storage.join(root, name)) for name in ("d", "d/f", "e", "d/f/g")}
        assert found == {"d": True, "d/f": True, "e": False, "d/f/g": False}
        assert storage.is_dir(storage.join(root, "d"))
        assert not storage.is_dir(storage.join(root, "d/f"))
        assert not storage.is_dir(storage.join(root, "e"))

    def test_the_size_of_a_folder_or_of_nothing_is_refused(self, root):
        storage.make_dirs(storage.join(root, "d"))
        with pytest.raises(StorageError, match=r"is a folder, a file was wanted"):
            storage.size(storage.join(root, "d"))
        with pytest.raises(MissingFileError, match="gone"):
            storage.size(storage.join(root, "gone"))

    @pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
    def test_odd_names_are_only_names(self, root, name):
        url = storage.join(root, name, name)
        if name in self.forbidden_names:
            with pytest.raises(StorageError, match=r"a name that this file system does not allow"):
                storage.write_bytes(url, b"odd")
            assert names_below(root) == []
            return
        storage.write_bytes(url, b"odd")
        assert names_below(root) == [f"{name}/{name}"]
        assert storage.read_bytes(next(storage.walk(root)).url) == b"odd"
        storage.rename(storage.join(root, name), storage.join(root, "plain"))
        assert names_below(root) == [f"plain/{name}"]
        storage.delete(storage.join(root, "plain"), recursive=True)
        assert not storage.exists(storage.join(root, "plain"))

    def test_a_name_may_be_as_long_as_names_are(self, root):
        url = storage.join(root, "ü" * 127)
        storage.write_bytes(url, b"long")
        storage.write_bytes(url, b"longer")
        assert storage.read_bytes(url) == b"longer"
        assert names_below(root) == ["ü" * 127]

    def test_deleting_an_odd_name_deletes_only_that(self, root):
        for name in ("*", "abc", "[a]", "a"):
            storage.write_bytes(storage.join(root, "files", name), b"")
            storage.write_bytes(storage.join(root, "dirs", name, "x"), b"")
        storage.delete(storage.join(root, "files", "*"))
        storage.delete(storage.join(root, "dirs", "*"), recursive=True)
        storage.delete(storage.join(root, "dirs", "[a]"), recursive=True)
        assert names_below(root) == ["dirs/a/x", "dirs/abc/x", "files/[a]", "files/a", "files/abc"]

    # ---- writing

    def test_a_second_write_replaces_the_first(self, root):
        url = storage.join(root, "f")
        storage.write_bytes(url, b"long old content")
        storage.write_bytes(url, b"new")
        assert storage.read_bytes(url) == b"new"
        assert names_below(root) == ["f"]

    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(self, root):
        url = storage.join(root, "f")
        storage.write_bytes(url, b"old")
        with contextlib.suppress(RuntimeError), storage.open_write(url) as sink:
            sink.write(b"x" * (3 << 20))
            raise RuntimeError("halfway")
        assert storage.read_bytes(url) == b"old"
        assert names_below(root) == ["f"]

    def test_nothing_stands_under_the_name_before_the_end(self, root):
        url = storage.join(root, "f")
        with storage.open_write(url) as sink:
            sink.write(b"half")
            sink.flush()
            assert not storage.exists(url)
        assert storage.read_bytes(url) == b"half"

    def test_a_reader_sees_the_old_file_or_the_new(self, root):
        url = storage.join(root, "f")
        storage.write_bytes(url, b"a" * 70_000)
        seen, stop = set(), threading.Event()

        def read() -> None:
            while not stop.is_set():
                seen.add(storage.read_bytes(url))

        reader = threading.Thread(target=read)
        reader.start()
        for letter in (b"b", b"c", b"d", b"e"):
            storage.write_bytes(url, letter * 70_000)
        stop.set()
        reader.join(timeout=300)
        assert not reader.is_alive()
        assert {data[:1] * 70_000 for data in seen} == seen

    def test_writing_over_a_folder_is_refused_and_leaves_it(self, root):
        storage.write_bytes(storage.join(root, "d/f"), b"1")
        with pytest.raises(StorageError, match=r"it is a folder, a file was wanted"):
            storage.write_bytes(storage.join(root, "d"), b"2")
        assert names_below(root) == ["d/f"]

    def test_writing_below_a_file_is_refused(self, root):
        storage.write_bytes(storage.join(root, "f"), b"1")
        with pytest.raises(StorageError, match="f"):
            storage.write_bytes(storage.join(root, "f/g"), b"2")

    def test_a_new_file_is_written_once_and_what_is_there_stays(self, root):
        url = storage.join(root, "d/new")
        storage.write_new(url, b"first")
        with pytest.raises(FileExistsAlreadyError, match=r"cannot make .*new': a file is in the way"):
            storage.write_new(url, b"second")
        assert storage.read_bytes(url) == b"first"
        storage.make_dirs(storage.join(root, "folder"))
        with pytest.raises(StorageError, match="folder"):
            storage.write_new(storage.join(root, "folder"), b"third")
        assert names_below(root) == ["d/new"]
        storage.delete(url)
        storage.write_new(url, b"fourth")
        assert storage.read_bytes(url) == b"fourth"

    def test_of_many_who_write_a_new_file_at_once_one_succeeds(self, root):
        for number in range(5):
            url, start = storage.join(root, f"new-{number}"), threading.Barrier(8)

            def write(index: int, url: str = url, start: threading.Barrier = start) -> bool:
                start.wait()
                try:
                    storage.write_new(url, b"%d" % index)
                except FileExistsAlreadyError:
                    return False
                return True

            with ThreadPoolExecutor(8) as pool:
                (winner,) = [index for index, won in enumerate(pool.map(write, range(8))) if won]
            assert storage.read_bytes(url) == b"%d" % winner
        assert len(storage.list_dir(root)) == 5

    def test_appending_adds_and_makes_the_file(self, root):
        url = storage.join(root, "logs/l")
        storage.append_bytes(url, b"one\n")
        storage.append_bytes(url, b"two\n")
        assert storage.read_bytes(url) == b"one\ntwo\n"

    def test_publish_copies_a_local_file(self, root, tmp_path):
        (tmp_path / "local").write_bytes(b"x" * 3_000_000)
        storage.publish(tmp_path / "local", storage.join(root, "there/file"))
        assert storage.size(storage.join(root, "there/file")) == 3_000_000
        with pytest.raises(MissingFileError, match="absent"):
            storage.publish(tmp_path / "absent", storage.join(root, "other"))
        assert names_below(root) == ["there/file"]

    def test_publish_dir_copies_a_whole_folder(self, root, tmp_path):
        (tmp_path / "m/sub").mkdir(parents=True)
        (tmp_path / "m/a").write_bytes(b"1")
        (tmp_path / "m/sub/b").write_bytes(b"2")
        storage.publish_dir(tmp_path / "m", storage.join(root, "model"))
        assert names_below(root) == ["model/a", "model/sub/b"]

    def test_publish_dir_refuses_what_is_there_unless_told(self, root, tmp_path):
        (tmp_path / "m").mkdir()
        (tmp_path / "m/new").write_bytes(b"1")
        url = storage.join(root, "model")
        storage.write_bytes(storage.join(url, "old"), b"0")
        with pytest.raises(FileExistsAlreadyError, match=r"model.*is there already"):
            storage.publish_dir(tmp_path / "m", url)
        assert names_below(root) == ["model/old"]
        storage.publish_dir(tmp_path / "m", url, overwrite=True)
        assert names_below(root) == ["model/new"]

    def test_a_failed_publish_dir_leaves_nothing(self, root, tmp_path):
        (tmp_path / "m").mkdir()
        (tmp_path / "m/a").write_bytes(b"1")
        (tmp_path / "m/b").symlink_to(tmp_path / "dangling")
        with pytest.raises(MissingFileError):
            storage.publish_dir(tmp_path / "m", storage.join(root, "model"))
        assert storage.list_dir(root) == []

    # ---- renaming and deleting

    def test_rename_moves_files_and_folders(self, root):
        storage.write_bytes(storage.join(root, "a/x"), b"1")
        storage.rename(storage.join(root, "a/x"), storage.join(root, "a/y"))
        storage.rename(storage.join(root, "a"), storage.join(root, "deep/er/b"))
        assert names_below(root) == ["deep/er/b/y"]

    def test_rename_keeps_what_is_there_unless_told(self, root):
        storage.write_bytes(storage.join(root, "a"), b"new")
        storage.write_bytes(storage.join(root, "b"), b"old")
        with pytest.raises(FileExistsAlreadyError, match=r"b.*is there already"):
            storage.rename(storage.join(root, "a"), storage.join(root, "b"))
        assert storage.read_bytes(storage.join(root, "b")) == b"old"
        storage.rename(storage.join(root, "a"), storage.join(root, "b"), overwrite=True)
        assert storage.read_bytes(storage.join(root, "b")) == b"new"
        assert names_below(root) == ["b"]

    def test_rename_replaces_a_folder_and_never_moves_into_it(self, root):
        storage.write_bytes(storage.join(root, "new/x"), b"1")
        storage.write_bytes(storage.join(root, "old/y"), b"2")
        with pytest.raises(FileExistsAlreadyError):
            storage.rename(storage.join(root, "new"), storage.join(root, "old"))
        storage.rename(storage.join(root, "new"), storage.join(root, "old"), overwrite=True)
        assert names_below(root) == ["old/x"]

    def test_swap_gives_a_folder_the_name_of_another_which_is_kept_aside(self, root):
        storage.write_bytes(storage.join(root, "new/x"), b"1")
        storage.write_bytes(storage.join(root, "day/y"), b"2")
        storage.make_dirs(storage.join(root, "old"))
        storage.swap(storage.join(root, "new"), storage.join(root, "day"), storage.join(root, "old/day"))
        assert names_below(root) == ["day/x", "old/day/y"]

    def test_swap_without_a_new_folder_leaves_the_old_one_where_it_is(self, root):
        storage.write_bytes(storage.join(root, "day/y"), b"2")
        storage.make_dirs(storage.join(root, "old"))
        with pytest.raises(StorageError):
            storage.swap(storage.join(root, "none"), storage.join(root, "day"), storage.join(root, "old/day"))
        assert names_below(root) == ["day/y"]

    def test_rename_of_nothing_says_so(self, root):
        with pytest.raises(MissingFileError, match="gone"):
            storage.rename(storage.join(root, "gone"), storage.join(root, "b"))

    def test_delete_is_content_with_nothing(self, root):
        storage.delete(storage.join(root, "gone"))
        storage.delete(storage.join(root, "gone"), recursive=True)

    def test_delete_takes_a_full_folder_only_when_told(self, root):
        storage.write_bytes(storage.join(root, "d/e/f"), b"1")
        with pytest.raises(StorageError, match="d"):
            storage.delete(storage.join(root, "d"))
        assert names_below(root) == ["d/e/f"]
        storage.delete(storage.join(root, "d"), recursive=True)
        assert not storage.exists(storage.join(root, "d"))

    def test_delete_takes_an_empty_folder_and_a_file(self, root):
        storage.make_dirs(storage.join(root, "d"))
        storage.make_dirs(storage.join(root, "d"))
        storage.write_bytes(storage.join(root, "f"), b"")
        storage.delete(storage.join(root, "d"))
        storage.delete(storage.join(root, "f"))
        assert not storage.exists(storage.join(root, "d"))
        assert not storage.exists(storage.join(root, "f"))

    def test_a_writable_folder_is_made_and_left_empty(self, root):
        storage.check_writable(storage.join(root, "new/run"))
        assert storage.list_dir(storage.join(root, "new/run")) == []

    def test_a_file_where_a_folder_is_wanted_is_not_writable(self, root):
        storage.write_bytes(storage.join(root, "f"), b"")
        with pytest.raises(StorageError, match="f"):
            storage.check_writable(storage.join(root, "f"))

    # ---- names

    @pytest.mark.parametrize("name", ["../x", "..", "a/../../x", "/etc/passwd", "", ".", "a\0b", "a/.."])
    def test_a_name_from_data_never_leaves_its_folder(self, root, name):
        with pytest.raises(AccessError, match="wanted one that stays inside"):
            storage.join(root, name)

    def test_parent_and_basename_undo_join(self, root):
        url = storage.join(root, "a/b")
        assert storage.basename(url) == "b"
        assert storage.parent(url) == storage.join(root, "a")
        assert storage.resolve(url + "/") == url

    def test_json_values_survive(self, root):
        value = {"n": None, "deep": [[1.5, {"x": True}]]}
        storage.write_json(storage.join(root, "j"), value)
        assert json.loads(storage.read_text(storage.join(root, "j"))) == value
