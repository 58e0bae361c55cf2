"""The flags of TensorBoard on a run's folder."""

import dataclasses

from sparkcv.config import checks
from sparkcv.config.flags import flag


@dataclasses.dataclass(frozen=True)
class TensorBoardConfig:
    """Serve TensorBoard on the folder of a run, or of several runs, on any storage, live while they go on."""

    logdir: str | None = flag(None, "folder of a run or of several, any storage URL", group="what")
    host: str = flag("127.0.0.1", "interface to listen on", group="where")
    port: int = flag(6006, "port; 0: any free one", group="where")
    reload_interval_s: int = flag(5, "seconds between two looks for new steps", group="what")

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        checks.given(self, ("logdir",))
        checks.at_least(self, 0, ("port",))
        checks.at_least(self, 1, ("reload_interval_s",))
