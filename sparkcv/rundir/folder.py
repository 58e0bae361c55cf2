"""What a run's folder holds, for who is about to resume, report, evaluate or export the run."""

from __future__ import annotations

import dataclasses
import functools

from sparkcv import logs
from sparkcv.errors import StorageError
from sparkcv.rundir import checkpoint, lease, restart
from sparkcv.rundir.description import RunDescription
from sparkcv.rundir.lease_file import Holder
from sparkcv.rundir.status import RunStatus

__all__ = ["RunFolder"]

_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A run's folder as it was found: each part is read when it is first asked for, and not again."""

    url: str

    @classmethod
    def inspect(cls, url: str) -> RunFolder:
        """Return what the folder at ``url`` holds now; nothing is written, and it need not be there."""
        return cls(url)

    @functools.cached_property
    def description(self) -> RunDescription | None:
        """What its run.json says, None without one; raises CheckpointError if that is damaged."""
        return RunDescription.read(self.url)

    @functools.cached_property
    def newest(self) -> checkpoint.Found | None:
        """The newest valid checkpoint, every byte of it read; None for a run that has not saved one yet.

        Raises CheckpointError for a run whose checkpoints are all damaged or gone.
        """
        found = checkpoint.newest_valid(self.url)
        if found is None:
            restart.refuse_lost(self.url)
        return found

    @functools.cached_property
    def status(self) -> RunStatus:
        """What its status.json says; raises StorageError if it does not read."""
        return RunStatus.read(self.url)

    @property
    def is_finished(self) -> bool:
        """Whether its status.json says that the run was a success; one that does not read says nothing."""
        try:
            return self.status.is_finished
        except StorageError as err:
            _log.warning("the status of %s does not read: %s", self.url, err)
            return False

    @functools.cached_property
    def holder(self) -> Holder | None:
        """Who held it last, None if nobody did; raises LeaseError if a run is seen at once to hold it."""
        return lease.refuse_if_held(self.url)
