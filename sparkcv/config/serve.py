"""The flags of the HTTP service."""

import dataclasses

from sparkcv.config.engines import engine_flag
from sparkcv.config.flags import Flags, flag
from sparkcv.config.pictures import parse_background
from sparkcv.errors import UsageError

_WHAT, _WHERE, _SPEED, _CARE = "what", "where", "speed", "care"


@dataclasses.dataclass(frozen=True)
class ServeConfig(Flags):
    """Serve exported models over HTTP: a page, multipart uploads, TensorFlow Serving's REST and Open Inference v2."""

    models_dir: str = flag(
        None, "folder of models NAME/VERSION/, or one exported model; any storage URL", group=_WHAT, required=True
    )
    version_policy: str = flag(
        "latest", "versions that are loaded: latest, latest:N, all, or numbers such as 3,4", group=_WHAT
    )
    labels: str = flag(
        "",
        "names of versions, MODEL:LABEL=VERSION[@SHARE] with commas; SHARE is that of requests without a version",
        group=_WHAT,
    )
    poll_s: float = flag(30.0, "seconds between looks for new versions; 0: by admin calls only", group=_WHAT, least=0)
    host: str = flag("127.0.0.1", "interface to listen on", group=_WHERE)
    port: int = flag(8500, "port; 0: any free one", group=_WHERE, least=0, most=65535)
    tls_cert_file: str | None = flag(None, "PEM file of the certificate chain; not set: no TLS", group=_WHERE)
    tls_key_file: str | None = flag(None, "PEM file of the certificate's key", group=_WHERE)
    api_key_file: str | None = flag(None, "file with the key that inference wants; not set: none", group=_CARE)
    admin_key_file: str | None = flag(None, "file with the key that admin calls want; not set: none", group=_CARE)
    engine: str = engine_flag(_SPEED)
    max_batch_size: int = flag(32, "pictures scored together", group=_SPEED, least=1, most=1024)
    max_delay_ms: float = flag(2.0, "how long a picture waits for others", group=_SPEED, least=0)
    num_threads: int = flag(0, "threads of a model's process; 0: one a core", group=_SPEED, least=0)
    max_queue: int = flag(256, "pictures on their way, over which requests get 429", group=_CARE, least=1)
    max_pictures: int = flag(64, "pictures of one request", group=_CARE, least=1)
    max_body_bytes: int = flag(10_000_000, "bytes of one request", group=_CARE, least=1)
    max_pixels: int = flag(2**26, "pixels above which a picture is not decoded", group=_CARE, least=1)
    max_stylized_pixels: int = flag(
        2**22, "pixels above which a style net refuses a picture; a million take seconds", group=_CARE, least=1
    )
    max_connections: int = flag(256, "connections at one time, over which they get 503", group=_CARE, least=1)
    header_timeout_s: float = flag(10.0, "seconds for a request's head", group=_CARE, least=0.1)
    upload_timeout_s: float = flag(30.0, "seconds for a request's body", group=_CARE, least=0.1)
    timeout_s: float = flag(30.0, "seconds after which nobody waits for an answer", group=_CARE, least=0.1)
    drain_s: float = flag(30.0, "seconds that accepted requests have after SIGTERM", group=_CARE, least=0)
    background: str = flag("ffffff", "RRGGBB, the colour that transparent pixels stand on", group=_WHAT)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        parse_background(self.background)
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise UsageError("--tls_cert_file and --tls_key_file go together, only one of them is given")
