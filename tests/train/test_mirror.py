"""The mirror: what grew arrives once and in order, whatever the storage refuses in between."""

import logging
import threading

from sparkcv import storage
from sparkcv.train.mirror import Mirror


class Grown:
    """A local file, its copy, and the mirror between them."""

    def __init__(self, folder):
        self.local, self.url = folder / "local", str(folder / "far" / "copy")
        self.mirror = Mirror()

    def write(self, data):
        with self.local.open("ab") as file:
            file.write(data)

    def close(self):
        self.mirror.grow()
        self.mirror.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "sparkcv-mirror"]

    def stored(self):
        return storage.read_bytes(self.url)


def test_what_grew_is_appended_once_behind_what_was_there(tmp_path):
    grown = Grown(tmp_path)
    storage.write_bytes(grown.url, b"before ")
    grown.mirror.add(str(grown.local), grown.url)
    for piece in (b"ab", b"", b"cd", b"ef"):
        grown.write(piece)
        grown.mirror.grow()
    grown.close()
    grown.mirror.close()
    assert grown.stored() == b"before abcdef"


def test_only_what_was_there_when_it_was_told_is_copied(tmp_path):
    grown = Grown(tmp_path)
    grown.mirror.add(str(grown.local), grown.url)
    grown.write(b"whole\n")
    grown.mirror.grow()
    grown.write(b"ha")
    grown.mirror.close()
    assert grown.stored() == b"whole\n"


def test_nothing_is_made_for_a_file_that_is_not_there(tmp_path):
    grown = Grown(tmp_path)
    grown.mirror.add(str(grown.local), grown.url)
    grown.close()
    assert not storage.exists(grown.url)


def test_a_refused_append_goes_on_at_the_byte_where_the_stored_file_ends(tmp_path, caplog):
    told = threading.Event()
    logger = logging.getLogger("sparkcv.train.mirror")
    handler = logging.Handler()
    handler.emit = lambda record: told.set()
    logger.addHandler(handler)
    grown = Grown(tmp_path)
    try:
        grown.mirror.add(str(grown.local), grown.url)
        (tmp_path / "far").write_text("a file in the way")
        grown.write(b"0123456789")
        grown.mirror.grow()
        assert told.wait(10)
        (tmp_path / "far").unlink()
        storage.write_bytes(grown.url, b"0123")  # as if the append had broken off
        grown.write(b"abc")
        grown.mirror.grow()
    finally:
        grown.close()
        logger.removeHandler(handler)
    assert grown.stored() == b"0123456789abc"
    grown.mirror.check()


def test_what_never_arrives_is_told_at_the_end_not_raised(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "sparkcv")
    grown = Grown(tmp_path)
    (tmp_path / "far").write_text("a file in the way")
    grown.mirror.add(str(grown.local), grown.url)
    grown.write(b"x")
    grown.close()
    assert "the run's record is behind" in caplog.text
