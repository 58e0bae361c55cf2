"""Storage: the contract on the file systems of this machine, and what only a local one can show."""

import errno
import multiprocessing
import os
import threading
import uuid
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sparkcv import storage
from sparkcv.errors import (
    AccessError,
    FileExistsAlreadyError,
    FullError,
    MissingFileError,
    StorageError,
    UnavailableError,
    UsageError,
)
from tests.contracts.storage import StorageContract


@pytest.fixture(params=["local", "file", "memory"])
def root(request, tmp_path):
    if request.param == "memory":
        url = f"memory://storage-{uuid.uuid4().hex}"
    else:
        (tmp_path / "root").mkdir()
        url = f"{'file://' if request.param == 'file' else ''}{tmp_path}/root"
    storage.make_dirs(url)
    yield url
    storage.delete(url, recursive=True)


class TestContract(StorageContract):
    """Local paths, file:// and memory://."""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("/data/x/", "/data/x"),
        ("/data/../x", "/x"),
        ("file:///data/x//", "file:///data/x"),
        ("file:///", "file:///"),
        ("file://localhost/data/x", "file://localhost/data/x"),
        ("memory://a/b/", "memory://a/b"),
        ("hdfs://default/user/me/", "hdfs://default/user/me"),
        ("hdfs:/user/me", "hdfs:///user/me"),
        ("HDFS://nn:8020/x", "hdfs://nn:8020/x"),
        ("hdfs://nn/", "hdfs://nn"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_resolving_makes_a_url_absolute_and_bare_of_slashes(given, wanted):
    assert storage.resolve(given) == wanted


def test_a_relative_path_is_resolved_against_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert storage.resolve("x/y") == f"{tmp_path}/x/y"
    assert storage.resolve("a:b") == f"{tmp_path}/a:b"
    assert storage.resolve("~/x") == "/home/me/x"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "got an empty path"),
        ("  ", "got an empty path"),
        ("hfds://nn/x", "unknown scheme 'hfds'"),
        ("/a\0b", "NUL character"),
        ("file://data/x", r"^got 'file://data/x', in which 'data' is a host, wanted a path, or file:///data/x$"),
        ("file://./x", "in which '.' is a host"),
    ],
)
def test_resolving_refuses_what_nothing_can_open(given, sentence):
    with pytest.raises(UsageError, match=sentence):
        storage.resolve(given)


def test_a_path_that_was_not_resolved_is_refused():
    with pytest.raises(StorageError, match=r"got the relative path 'x/y', wanted an absolute path"):
        storage.exists("x/y")


@pytest.mark.parametrize("root", ["file:///", "hdfs:///", "hdfs://nn", "hdfs://nn/", "memory://", "/", "s3://bucket"])
def test_a_root_is_a_folder_as_others_are(root):
    url = storage.join(root, "a", "b")
    assert url == f"{root if root.endswith('/') else root + '/'}a/b"
    assert storage.relative(url, root) == "a/b"
    assert storage.join(storage.parent(storage.join(root, "a")), "c") == storage.join(root, "c")


def test_a_root_is_listed_and_walked():
    assert "file:///etc" in [entry.url for entry in storage.list_dir("file:///")]
    name = f"root-{uuid.uuid4().hex}"
    storage.write_bytes(f"memory://{name}/f", b"1")
    assert f"memory://{name}/f" in [entry.url for entry in storage.walk("memory://")]
    storage.delete(f"memory://{name}", recursive=True)


def test_a_root_is_its_own_parent():
    assert [storage.parent(url) for url in ("/", "hdfs://nn/", "memory://")] == ["/", "hdfs://nn/", "memory://"]
    assert storage.parent("hdfs://nn/x") == "hdfs://nn/"
    assert storage.parent("/x") == "/"
    assert storage.parent("memory://a/b") == "memory://a"


def test_only_local_urls_have_a_local_path():
    assert storage.local_path("/a/b") == "/a/b"
    assert storage.local_path("file:///a/b") == "/a/b"
    assert storage.local_path("memory://a") is None
    assert storage.local_path("hdfs://nn/a") is None


def test_a_symbolic_link_that_leads_back_ends_the_walk_with_a_sentence(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    with pytest.raises(StorageError, match=r"the symbolic link .*loop' leads back to"):
        list(storage.walk(str(tmp_path)))


def test_a_symbolic_link_to_another_folder_is_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_bytes(b"1")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "elsewhere")
    assert [entry.url for entry in storage.walk(str(tmp_path / "tree"))] == [f"{tmp_path}/tree/link/x"]


def test_deleting_a_link_to_a_folder_leaves_the_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    storage.delete(str(tmp_path / "link"), recursive=True)
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere/x").exists()


def test_a_new_file_is_never_written_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsAlreadyError, match=r"link': a file is in the way"):
        storage.write_new(str(tmp_path / "link"), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    assert storage.is_link(str(tmp_path / "link"))
    assert not storage.is_link(str(tmp_path))


def test_a_new_file_is_written_once_also_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)  # what a file system without them answers
    storage.write_new(str(tmp_path / "new"), b"first")
    with pytest.raises(FileExistsAlreadyError):
        storage.write_new(str(tmp_path / "new"), b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("new", b"first")]


class FailingFileSystem(MemoryFileSystem):
    """A file system that answers every question and every opening with one error."""

    protocol = "sparkcvfail"
    error: Exception = OSError()

    def info(self, path, **kwargs):
        raise self.error

    def _open(self, path, mode="rb", **kwargs):
        raise self.error


@pytest.fixture
def failing():
    fsspec.register_implementation("sparkcvfail", FailingFileSystem, clobber=True)
    return FailingFileSystem


@pytest.mark.parametrize(
    ("error", "translated", "sentence"),
    [
        (
            PermissionError(13, "Permission denied"),
            AccessError,
            r"cannot look at 'sparkcvfail://x': permission denied$",
        ),
        (PermissionError(), AccessError, r"cannot look at 'sparkcvfail://x': permission denied$"),
        (
            PermissionError("The AWS Access Key Id you provided does not exist in our records."),  # as s3fs raises it
            AccessError,
            r"'sparkcvfail://x': permission denied \(The AWS Access Key Id you provided does not exist in our .*\)$",
        ),
        (OSError(111, "Connection refused"), StorageError, r"cannot look at 'sparkcvfail://x': Connection refused"),
        (OSError(111, "Connection refused"), UnavailableError, r"cannot look at 'sparkcvfail://x': Connection refused"),
        (TimeoutError("no answer"), UnavailableError, r"cannot look at 'sparkcvfail://x': no answer"),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            FullError,
            r"cannot look at 'sparkcvfail://x': Disk quota exceeded",
        ),
        (RuntimeError("name node is in safe mode"), StorageError, r"RuntimeError: name node is in safe mode"),
    ],
)
def test_a_store_that_does_not_answer_is_an_error_and_never_a_missing_file(failing, error, translated, sentence):
    failing.error = error
    with pytest.raises(translated, match=sentence) as caught:
        storage.exists("sparkcvfail://x")
    assert caught.value.__cause__ is error


def test_a_folder_that_refuses_is_not_writable(failing):
    failing.error = PermissionError("no")
    with pytest.raises(AccessError, match=r"cannot write 'sparkcvfail://x/.probe-.*permission denied"):
        storage.check_writable("sparkcvfail://x")


def test_a_full_device_is_told_with_its_name():
    with pytest.raises(StorageError, match=r"'/dev/full': No space left on device"):
        storage.append_bytes("/dev/full", b"x")
    with pytest.raises(FullError):
        storage.append_bytes("/dev/full", b"x")


def test_a_proc_file_that_refuses_is_not_taken_for_missing():
    with pytest.raises(StorageError, match="/proc"):
        storage.write_bytes("/proc/sparkcv-probe/x", b"x")


def test_a_file_system_without_its_package_says_which_is_missing():
    fsspec.register_implementation("sparkcvtest", "sparkcv_no_such_package.Fs", errtxt="install sparkcv-no-such")
    with pytest.raises(StorageError, match=r"needs a package that is missing .*install sparkcv-no-such"):
        storage.exists("sparkcvtest://bucket/x")


class CachingFileSystem(MemoryFileSystem):
    """A file system that keeps its listings, as clients of object stores do."""

    protocol = "sparkcvcaching"

    def ls(self, path, detail=True, **kwargs):
        found = self._ls_from_cache(path)
        if found is None:
            found = self.dircache[path] = super().ls(path, detail=True, **kwargs)
        return found if detail else [entry["name"] for entry in found]

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.rpartition("://")[2].strip("/")


def test_what_another_process_writes_is_listed_also_where_the_client_would_keep_listings():
    fsspec.register_implementation("sparkcvcaching", CachingFileSystem, clobber=True)
    url = f"sparkcvcaching://listed-{uuid.uuid4().hex}"
    storage.write_bytes(f"{url}/run.lock.1", b"1")
    assert [entry.name for entry in storage.list_dir(url)] == ["run.lock.1"]
    CachingFileSystem(skip_instance_cache=True).pipe_file(f"{url}/run.lock.2", b"2")
    assert [entry.name for entry in storage.list_dir(url)] == ["run.lock.1", "run.lock.2"]
    storage.delete(url, recursive=True)


class StumblingFileSystem(MemoryFileSystem):
    """A file system that once does not answer the question for a file."""

    protocol = "sparkcvstumbling"
    exists = fsspec.AbstractFileSystem.exists
    error: Exception | None = None

    def info(self, path, **kwargs):
        error, self.error = self.error, None
        if error is not None:
            raise error
        return super().info(path, **kwargs)


def test_what_is_there_stays_when_the_store_does_not_answer_before_an_append():
    fsspec.register_implementation("sparkcvstumbling", StumblingFileSystem, clobber=True)
    url = f"sparkcvstumbling://logs-{uuid.uuid4().hex}/log"
    storage.append_bytes(url, b"one ")
    fs, _ = storage.clients.open_fs(url)
    fs.error = TimeoutError("slow down")
    with pytest.raises(UnavailableError, match="slow down"):
        storage.append_bytes(url, b"two ")
    storage.append_bytes(url, b"three")
    assert storage.read_bytes(url) == b"one three"
    storage.delete(url)


class MarkedFileSystem(MemoryFileSystem):
    """A file system with markers of folders, which it lists as folders of the same name, as gcsfs, or as files."""

    protocol = "sparkcvmarked"
    mv = fsspec.AbstractFileSystem.mv
    markers: ClassVar[set[str]] = set()
    kind = "file"

    def ls(self, path, detail=True, **kwargs):
        name = path.rstrip("/") + "/"
        own = {"name": name if self.kind == "file" else name[:-1], "type": self.kind, "size": 0}
        found = [own] * (name in self.markers) + super().ls(path, detail=True, **kwargs)
        return found if detail else [entry["name"] for entry in found]

    def rm_file(self, path):
        if path in self.markers:
            self.markers.remove(path)
        else:
            super().rm_file(path)


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_folders_that_list_their_own_marker_are_moved_and_deleted(kind, monkeypatch):
    monkeypatch.setattr(MarkedFileSystem, "kind", kind)
    fsspec.register_implementation("sparkcvmarked", MarkedFileSystem, clobber=True)
    root = f"sparkcvmarked://marked-{uuid.uuid4().hex}"
    storage.write_bytes(f"{root}/one/x", b"1")
    storage.write_bytes(f"{root}/one/below/y", b"2")
    below = storage.clients.open_fs(root)[1]
    MarkedFileSystem.markers = {f"{below}/one/", f"{below}/one/below/", f"{below}/two/"}
    storage.rename(f"{root}/one", f"{root}/two")
    assert [(entry.name, entry.is_dir) for entry in storage.list_dir(root)] == [("two", True)]
    assert [storage.read_bytes(entry.url) for entry in storage.walk(f"{root}/two")] == [b"2", b"1"]
    storage.delete(f"{root}/two", recursive=True)
    assert not storage.exists(f"{root}/two")
    assert MarkedFileSystem.markers == set()
    storage.delete(root, recursive=True)


class ContestedFileSystem(MemoryFileSystem):
    """A file system on which somebody else deletes each file just before us."""

    protocol = "sparkcvcontested"

    def rm_file(self, path):
        super().rm_file(path)
        raise FileNotFoundError(path)

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.rpartition("://")[2].strip("/")


def test_what_another_deletes_at_the_same_moment_is_deleted():
    fsspec.register_implementation("sparkcvcontested", ContestedFileSystem, clobber=True)
    url = f"sparkcvcontested://deleted-{uuid.uuid4().hex}"
    for name in "abc":
        storage.write_bytes(f"memory://{url.rpartition('/')[2]}/{name}", b"1")
    storage.delete(f"{url}/a")
    storage.delete(url, recursive=True)
    assert not storage.exists(url)


def test_names_that_are_not_utf8_are_written_too(tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")  # as archives of old systems have them
    storage.write_bytes(str(tmp_path / "from" / name), b"1")
    storage.write_new(str(tmp_path / "from" / f"{name}2"), b"22")
    assert storage.fetch_dir(str(tmp_path / "from"), tmp_path / "to") == 3
    storage.publish_dir(tmp_path / "to", str(tmp_path / "published"))
    assert sorted(os.listdir(os.fsencode(tmp_path / "published"))) == [b"caf\xe9.jpg", b"caf\xe9.jpg2"]


def test_a_folder_behind_a_link_that_leads_nowhere_is_said_to_be_that(tmp_path):
    (tmp_path / "disk").symlink_to(tmp_path / "not mounted")
    for name in ("disk", "disk/run"):
        with pytest.raises(StorageError, match=r"disk' is a symbolic link to '.*not mounted', which is not there"):
            storage.check_writable(str(tmp_path / name))


def test_json_with_a_number_too_long_to_read_is_refused_by_name(tmp_path):
    (tmp_path / "long.json").write_text("1" * 5000)
    with pytest.raises(StorageError, match=r"long.json' is not JSON"):
        storage.read_json(str(tmp_path / "long.json"))


def test_pipes_are_passed_over_for_reading_one_may_never_end(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "file").write_bytes(b"")
    assert [entry.name for entry in storage.list_dir(str(tmp_path))] == ["file"]


def test_a_forked_child_makes_its_own_client(tmp_path):
    url = str(tmp_path / "f")
    storage.write_bytes(url, b"parent")
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_client_of, args=(url, sender))
    child.start()
    assert receiver.poll(60)
    assert receiver.recv() == (os.getpid(), True)
    child.join(timeout=300)
    assert child.exitcode == 0


def _client_of(url, sender):
    from sparkcv.storage.clients import _clients

    inherited = {id(client) for client in _clients.values()}
    storage.read_bytes(url)
    mine = [client for (pid, _), client in _clients.items() if pid == os.getpid()]
    sender.send((os.getppid(), len(mine) == 1 and id(mine[0]) not in inherited))


def test_a_folder_is_fetched_with_all_below_it_and_an_empty_one_is_made(tmp_path):
    url = f"memory://fetched-{uuid.uuid4().hex}"
    storage.write_bytes(f"{url}/a", b"1")
    storage.write_bytes(f"{url}/b/c/d", b"22")
    assert storage.fetch_dir(f"{url}/", tmp_path / "got") == 3
    assert (tmp_path / "got/a").read_bytes() == b"1"
    assert (tmp_path / "got/b/c/d").read_bytes() == b"22"
    (tmp_path / "empty").mkdir()
    assert storage.fetch_dir(str(tmp_path / "empty"), tmp_path / "none") == 0
    assert (tmp_path / "none").is_dir()
    with pytest.raises(MissingFileError, match="nowhere"):
        storage.fetch_dir(f"{url}/nowhere", tmp_path / "other")


def test_fetch_into_a_folder_that_is_not_there_says_so(tmp_path):
    (tmp_path / "f").write_bytes(b"1")
    with pytest.raises(MissingFileError, match="nowhere"):
        storage.fetch(str(tmp_path / "f"), tmp_path / "nowhere/f")


def test_a_folder_that_is_made_while_it_is_looked_for_is_missing_or_there_and_never_a_file(tmp_path):
    for number in range(300):
        path = tmp_path / str(number)
        maker = threading.Thread(target=path.mkdir)
        maker.start()
        found = None
        while found is None:
            try:
                found = storage.list_dir(str(path))
            except MissingFileError:
                continue
        assert found == []
        maker.join()
