"""The flags of starting a run again: which run, where, and what is elsewhere by now. All else is in its run.json."""

import dataclasses

from sparkcv.config.flags import Flags, flag

_RUN, _MOVED = "run", "what is elsewhere by now"


@dataclasses.dataclass(frozen=True)
class ReproduceConfig(Flags):
    """Start a training run again from its run.json, in a new folder, and say what differs."""

    run: str = flag(
        None,
        "folder of the run to start again; its URL may stand first, without --run",
        group=_RUN,
        required=True,
        first=True,
    )
    train_dir: str = flag(None, "new folder of checkpoints and events, any storage URL", group=_RUN, required=True)
    max_number_of_steps: int | None = flag(
        None, "global step at which to stop; not set: the run's own", group=_RUN, least=1
    )
    export_dir: str | None = flag(None, "folder for a model of the last checkpoint; not set: none", group=_RUN)
    dry_run: bool = flag(False, "say what differs, and start nothing", group=_RUN)
    dataset_dir: str | None = flag(None, "folder of its shards; not set: where they were", group=_MOVED)
    checkpoint_path: str | None = flag(None, "checkpoint that it started from; not set: where that was", group=_MOVED)
