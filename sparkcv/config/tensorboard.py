"""The flags of TensorBoard on a run's folder."""

import dataclasses

from sparkcv.config.flags import Flags, flag


@dataclasses.dataclass(frozen=True)
class TensorBoardConfig(Flags):
    """Serve TensorBoard on the folder of a run, or of several runs, on any storage, live while they go on."""

    logdir: str = flag(None, "folder of a run or of several, any storage URL", group="what", required=True)
    host: str = flag("127.0.0.1", "interface to listen on", group="where")
    port: int = flag(6006, "port; 0: any free one", group="where", least=0, most=65535)
    reload_interval_s: int = flag(5, "seconds between two looks for new steps", group="what", least=1)
