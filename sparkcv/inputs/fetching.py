"""One shard from storage to this machine's disk, and again if what arrived is not what is stored.

A file system such as HDFS keeps several replicas of a block, on hosts that stop and on disks that rot: the next fetch
may come from another. Only what stays wrong is taken as it is.
"""

from __future__ import annotations

import dataclasses
import threading

import google_crc32c

from sparkcv import logs, storage
from sparkcv.errors import AccessError, FullError, MissingFileError, StorageError, UnavailableError
from sparkcv.inputs.quarantine import RejectedRecord
from sparkcv.inputs.validate import RecordCheck, Validated, validate_shard
from sparkcv.records import compression
from sparkcv.records.assignment import Assignment

__all__ = ["Fetcher"]

_BLOCK_BYTES = 1 << 20
_FIRST_PAUSE_S = 0.5  # doubled from one failed fetch to the next
_FINAL = (AccessError, FullError, MissingFileError, UnavailableError)  # no other replica answers these better
_log = logs.get(__name__)


class Fetcher:
    """Fetches and validates shards; safe to call from any thread.

    It takes ``check`` (of each record, see validate.py), ``attempts`` (fetches of one shard at most, each time) and
    ``ended`` (set it, and no pause goes on).
    """

    def __init__(self, check: RecordCheck, attempts: int, ended: threading.Event) -> None:
        self._check, self._attempts, self._ended = check, attempts, ended
        self._known: dict[str, str] = {}  # CRC by URL of shards that stayed wrong: a later epoch need not try again

    def bring(self, assignment: Assignment, path: str, dropped: frozenset[int]) -> Validated:
        """Bring an assignment's usable records to the local file ``path``; see ``validate_shard`` for ``dropped``.

        Without a manifest, and so without a CRC of the shard, the records' own CRCs tell whether it arrived whole.
        A compressed shard is expanded; offsets are those in its content.
        Raises StorageError that names the shard if it cannot be read, and ShardError if it is a bomb.
        """
        url, wanted = assignment.shard.url, assignment.shard.crc32c
        attempt = 0
        while True:
            attempt += 1
            is_last = attempt >= self._attempts or self._ended.is_set()
            try:
                storage.fetch(url, path)
            except _FINAL:
                raise
            except StorageError as err:
                if is_last:
                    raise type(err)(f"{err} (tried {attempt} times)") from err
                _log.warning("trying again: %s", err)
                self._ended.wait(_FIRST_PAUSE_S * 2 ** (attempt - 1))
                continue
            got = _crc32c(path)
            is_trusted = got in (wanted, self._known.get(url))
            if wanted is None or is_trusted or is_last:
                num_bytes, is_whole = compression.expand(path, url)
                validated = validate_shard(path, assignment, self._check, dropped)
                if not is_whole:
                    cut = RejectedRecord(url, num_bytes, compression.BREAKS_OFF, 0)
                    validated = dataclasses.replace(validated, rejects=[*validated.rejects, cut], is_damaged=True)
                if is_trusted or is_last or not validated.is_damaged:
                    break
            _log.warning("%s arrived with CRC %s, wanted %s: fetching it again", url, got, wanted or "whole records")
        if validated.is_damaged or wanted not in (None, got):
            self._known[url] = got
        return validated


def _crc32c(path: str) -> str:
    checksum = google_crc32c.Checksum()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            checksum.update(block)
    return str(checksum.digest().hex())
