"""Checkpoints of a folder in which another program trained, such as TF-Slim: whole, and without our manifests.

They are evaluated and exported as they are. A run resumes from them only once it was told to adopt them: then each that
reads gets the manifest that it lacks, and from there on the folder is like any other run's.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from sparkcv import logs, storage
from sparkcv.errors import CheckpointError, MissingFileError
from sparkcv.rundir import checkpoint_index, checkpoint_manifest
from sparkcv.rundir import checkpoint_listing as listing
from sparkcv.rundir.checkpoint_listing import Found
from sparkcv.rundir.checkpoint_manifest import prefix_name

__all__ = ["adopt", "newest"]

_log = logs.get(__name__)


def newest(run_url: str) -> Found | None:
    """Return the newest checkpoint that reads, every byte of it, in a folder without any manifest; None without one.

    A folder with a manifest is a run's of ours, in which only what has one counts: None as well.
    """
    return next(_whole(run_url), None)


def adopt(run_url: str, fence: Callable[[], None] = lambda: None) -> Found | None:
    """Write a manifest for each checkpoint of a foreign folder that reads; return the newest. Only for its owner.

    None where it is foreign no more, or no checkpoint reads: nothing is written then.
    The newest comes first: whoever is stopped in between goes on from it. What net it is of is not said there, as
    only the graph tells. ``fence`` raises what is to be raised if the folder is another run's by now.
    """
    first = None
    for found in list(_whole(run_url)):
        files = {name: _digest(storage.join(run_url, name)) for name in found.names}
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        manifest = {
            "schema": checkpoint_manifest.SCHEMA,
            "step": found.step,
            "created": created,
            "adopted": True,
            "files": files,
        }
        fence()
        storage.write_json(f"{found.prefix_url}.json", manifest)
        _log.info("--adopt_checkpoint: %s reads, and has a manifest now", found.prefix_url)
        first = first or dataclasses.replace(found, manifest=manifest)
    return first


def _whole(run_url: str) -> Iterator[Found]:
    """Give the checkpoints of a foreign folder that read, newest first."""
    sizes = listing.sizes_in(run_url)
    steps = listing.steps_named(sizes) - listing.interrupted_in(sizes)
    if any(f"{prefix_name(step)}.json" in sizes for step in steps):
        return
    skipped: list[tuple[int, str]] = []
    for step in sorted(steps, reverse=True):
        prefix = prefix_name(step)
        try:
            index = checkpoint_index.read(storage.join(run_url, prefix))
            index.check_sizes(sizes)
            index.check_data()
        except (CheckpointError, MissingFileError) as err:
            skipped.append((step, str(err)))
            continue
        # And nothing else that begins so, such as a download cut short: a manifest that names that would be refused.
        data = [storage.basename(index.data_url(shard)) for shard in range(index.num_shards)]
        names = (*data, f"{prefix}.index")
        yield Found(step, storage.join(run_url, prefix), tuple(skipped), names=names)


def _digest(url: str) -> dict[str, int]:
    with storage.open_read(url) as source:
        return checkpoint_manifest.digest(cast(BinaryIO, source))
