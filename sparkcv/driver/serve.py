"""The HTTP service as a job: checks first, then serving until SIGTERM, and exit code 0 when all is answered."""

import asyncio
import contextlib
import dataclasses
import importlib.util
import logging
import os
import ssl
import stat
import sys
import tempfile

from sparkcv import container, logs, storage
from sparkcv.config import ServeConfig
from sparkcv.config.pictures import parse_background
from sparkcv.errors import AccessError, ClusterError, MissingFileError, UsageError
from sparkcv.predict.engines.choice import choose_engine
from sparkcv.serve.repository import VersionPolicy, find_models, parse_labels

_EXTRA = ("uvicorn", "starlette", "python_multipart", "prometheus_client", "httptools")
_MIN_KEY = 16
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class ServePlan:
    """A service that can start: its flags, the full URL of its models, and its keys."""

    config: ServeConfig
    models_dir: str
    policy: VersionPolicy
    api_key: str = dataclasses.field(repr=False, default="")
    admin_key: str = dataclasses.field(repr=False, default="")

    def session(self) -> None:
        """Return None: no Spark is needed."""


class _AccessHandler(logging.StreamHandler):
    """Writes the access log, and says once what keeps it from that: not by a traceback for each request."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell why a line was lost: the reader of standard output is gone, or the disk is full."""
        if not self._is_told:
            self._is_told = True
            _log.error("lines of the access log are lost, standard output fails: %s", sys.exc_info()[1])


def prepare(config: ServeConfig) -> ServePlan:
    """Check everything that can be checked before a port is taken.

    Raises:
        UsageError: a package of the extra ``serve`` is not installed, or a flag can never work.
        MissingFileError: there is no folder of models, or none in it.
        StorageError: its storage does not answer, or a key file cannot be read.
    """
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed here; wanted: pip install 'sparkcv[serve]'")
    models_dir = storage.resolve(str(config.models_dir))
    choose_engine(config.engine)
    policy = VersionPolicy.parse(config.version_policy)
    parse_labels(config.labels)
    found = find_models(models_dir)
    if not found.urls:
        for name, why in found.unreadable.items():
            raise AccessError(f"--models_dir: the folder of model {name!r} cannot be read: {why}")
        raise MissingFileError(
            f"--models_dir: no exported model in {models_dir!r}, wanted NAME/VERSION/ with model.json, which"
            " `sparkcv export` writes, what exportcaptions or trainstyle's --export_dir wrote, or one such folder"
        )
    if config.tls_cert_file is not None and config.tls_key_file is not None:
        _check_tls(config.tls_cert_file, config.tls_key_file)
    keys = [_key(getattr(config, name), name) for name in ("api_key_file", "admin_key_file")]
    # With a key for inference alone they are off.
    if config.host not in ("127.0.0.1", "localhost", "::1") and not any(keys):
        _log.warning("admin calls are open to whoever reaches %s; --admin_key_file closes them", config.host)
    return ServePlan(config, models_dir, policy, *keys)


def run(spark: None, plan: ServePlan) -> str:
    """Serve until SIGTERM or Ctrl-C; return a line that says so.

    Raises:
        ClusterError: the port is taken.
    """
    del spark
    logs.setup("serve")
    access = logging.getLogger("sparkcv.serve.access")
    access.handlers[:], access.propagate = [_AccessHandler(sys.stdout)], False
    with tempfile.TemporaryDirectory(prefix="sparkcv-serve-") as folder:
        return asyncio.run(_serve(plan, folder))


async def _serve(plan: ServePlan, folder: str) -> str:
    from sparkcv.serve.catalog import Catalog, CatalogSpec
    from sparkcv.serve.guard import GuardSpec
    from sparkcv.serve.http.app import make_app
    from sparkcv.serve.http.server import GracefulServer, listening_socket, server_config
    from sparkcv.serve.metrics import ServiceMetrics
    from sparkcv.serve.model_process import WorkerOrder
    from sparkcv.serve.service import Service, ServiceLimits

    config = plan.config
    order = WorkerOrder(
        model_url="",
        cache_dir=os.path.join(folder, "models"),
        digest="",
        engine=config.engine,
        num_threads=config.num_threads or container.cores(),
        max_batch_size=config.max_batch_size,
        max_delay_s=config.max_delay_ms / 1000,
        max_pixels=config.max_pixels,
        max_stylized_pixels=config.max_stylized_pixels,
        background=parse_background(config.background),
    )
    spec = CatalogSpec(
        plan.models_dir, plan.policy, parse_labels(config.labels), order, config.max_pictures, config.drain_s
    )
    catalog = Catalog(spec)
    service = Service(catalog, ServiceLimits(config.max_queue, config.timeout_s), ServiceMetrics())
    guard = GuardSpec(config.max_body_bytes, config.upload_timeout_s, plan.api_key, plan.admin_key)
    tls = None
    if config.tls_cert_file is not None and config.tls_key_file is not None:
        tls = (config.tls_cert_file, config.tls_key_file)
    try:
        listener = listening_socket(config.host, config.port)
    except OSError as err:
        raise ClusterError(f"--host {config.host} --port {config.port}: cannot listen there: {err.strerror}") from err

    def begin_end() -> None:
        service.is_draining = True
        _log.info("told to end: answering %d pictures that are on their way", service.num_running)

    server = GracefulServer(
        server_config(
            make_app(service, guard),
            header_timeout_s=config.header_timeout_s,
            body_timeout_s=config.upload_timeout_s,
            max_connections=config.max_connections,
            drain_s=config.drain_s,
            tls=tls,
        ),
        begin_end,
    )
    port = listener.getsockname()[1]
    looking = asyncio.create_task(_look(catalog, config.poll_s))
    host = f"[{config.host}]" if ":" in config.host else config.host
    _log.info("http%s://%s:%d/ serves the models of %s; Ctrl-C ends it", "s" * bool(tls), host, port, plan.models_dir)
    sys.stdout.flush()
    try:
        await server.serve([listener])
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        await catalog.close()
        listener.close()
    if server.num_dropped:
        return f"stopped serving {plan.models_dir}; {server.num_dropped} requests were not answered in --drain_s"
    return f"stopped serving {plan.models_dir}; every accepted request was answered"


async def _look(catalog: "object", poll_s: float) -> None:
    while True:
        await catalog.refresh()  # type: ignore[attr-defined]
        if not poll_s:
            return
        await asyncio.sleep(poll_s)


def _check_tls(cert_file: str, key_file: str) -> None:
    is_asked = False

    def password() -> str:  # else OpenSSL asks whoever sits at the terminal, and waits
        nonlocal is_asked
        is_asked = True
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file, password)
    except ssl.SSLError as err:
        if is_asked:
            raise UsageError(f"--tls_key_file {key_file}: it wants a passphrase, wanted a key without one") from err
        raise UsageError(f"--tls_cert_file {cert_file} --tls_key_file {key_file}: no certificate with its key") from err
    except OSError as err:
        raise MissingFileError(f"--tls_cert_file {cert_file} --tls_key_file {key_file}: {err.strerror}") from err


def _key(path: str | None, name: str) -> str:
    """Return the key of a file, which only its owner may read; "" without a file."""
    if path is None:
        return ""
    try:
        with open(path, encoding="utf-8") as source:
            mode, key = os.fstat(source.fileno()).st_mode, source.read(4096).strip()
    except FileNotFoundError as err:
        raise MissingFileError(f"--{name}: no file at {path!r}") from err
    except (OSError, UnicodeDecodeError) as err:
        raise AccessError(f"--{name}: {path!r} cannot be read: {err}") from err
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"--{name}: others may read {path!r}; wanted a file of mode 600")
    if len(key) < _MIN_KEY or not key.isascii() or any(character.isspace() for character in key):
        raise UsageError(f"--{name}: {path!r} has no key of at least {_MIN_KEY} visible ASCII characters on one line")
    return key
