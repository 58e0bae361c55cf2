"""Requests to the Kubernetes API by the client that Spark brings, with the same login, certificates and context.

Java's client reads kubeconfig, its plugins for logins, and a pod's service account; what it sends and gets is JSON.
"""

import contextlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sparkcv.errors import ClusterError, UsageError

__all__ = ["ApiError", "DRIVER", "KubernetesClient", "SUBMISSION", "connect", "make", "namespace_of", "url_of"]

DRIVER, SUBMISSION = "Driver", "Submission"  # Spark's words for who asks: each has logins of its own
_TIMEOUT_MS = 10_000
_LOGIN_S = 50.0  # of a plugin that kubeconfig names, which Java waits for as long as it takes
_BUSY, _PAUSES_S = (429, 502, 503, 504), (1.0, 2.0)
_LOGINS = {DRIVER: "spark.kubernetes.authenticate", SUBMISSION: "spark.kubernetes.authenticate.submission"}
_OF_POD = "spark.kubernetes.authenticate.driver.mounted"
_CA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
_SILENT = ("TimeoutException", "timed out", "timeout period")
_AWAY = "cannot be reached"
_PARSERS = ("org.snakeyaml.", "com.fasterxml.jackson.", "tools.jackson.")


class ApiError(ClusterError):
    """The Kubernetes API refused, or could not be reached; ``code`` is HTTP's, 0 if there was no answer."""

    def __init__(self, message: str, code: int = 0):
        super().__init__(message)
        self.code = code


class KubernetesClient:
    """One namespace of one Kubernetes.

    Attributes:
        namespace: the one that Spark's properties name.
        url: the API's.
    """

    def __init__(self, java_client: Any, namespace: str):
        self.java = java_client
        self.namespace = namespace
        self.url = str(java_client.getMasterUrl()).rstrip("/")

    def get(self, path: str) -> dict[str, Any]:
        """Return the object at ``path`` below the namespace, such as ``pods/a`` or ``pods?labelSelector=...``.

        Raises ApiError.
        """
        return self.call("GET", f"{self._core}/{path}")

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object at ``path`` below the namespace; raises ApiError."""
        return self.call("POST", f"{self._core}/{path}", body)

    def delete(self, path: str) -> None:
        """Delete what is at ``path`` below the namespace, and what it owns; fine if it is gone. Raises ApiError."""
        try:
            self.call("DELETE", f"{self._core}/{path}")
        except ApiError as err:
            if err.code != 404:
                raise

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request and return its JSON; raises ApiError with the server's sentence, or the network's.

        A server that is too busy, or starts, is asked twice more, as is one that is not reached at once: the network of
        a new pod may take seconds.
        """
        for pause_s in _PAUSES_S:
            try:
                return self._call(method, path, body)
            except ApiError as err:
                if err.code not in _BUSY and _AWAY not in str(err):
                    raise
            time.sleep(pause_s)
        return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        from py4j.protocol import Py4JError

        try:
            text = self.java.raw(path, method, None if body is None else json.dumps(body))
        except Py4JError as err:
            raise _translated(err, self.url) from err
        if not text:
            raise ApiError(f"{self.url} has no {path}", 404)
        found: dict[str, Any] = json.loads(text)
        return found

    def read_pod(self, path: str) -> dict[str, Any]:
        """Return the pod of a YAML file, such as a template; raises UsageError if there is none."""
        from py4j.protocol import Py4JError

        try:
            pod = self.java.pods().load(path).item()
            found: dict[str, Any] = json.loads(self.java.getKubernetesSerialization().asJson(pod))
        except (Py4JError, ValueError) as err:
            raise UsageError(f"the pod template {path} cannot be read: wanted a file with one Pod as YAML") from err
        return found

    def copy_log(self, pod: str, container: str, output: Any, since_s: int | None = None) -> None:
        """Copy a container's log, or its last ``since_s`` seconds, to a Java stream until it ends; raises Py4JError."""
        found = self.java.pods().inNamespace(self.namespace).withName(pod).inContainer(container)
        reader = (found if since_s is None else found.sinceSeconds(since_s)).watchLog().getOutput()
        reader.transferTo(output)

    def close(self) -> None:
        """Close its connections."""
        self.java.close()

    @property
    def _core(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"


@contextlib.contextmanager
def connect(jvm: Any, conf: Any, who: str = DRIVER) -> Iterator[KubernetesClient]:
    """Give a client as Spark would make it of ``conf``, a Java SparkConf; nothing is asked yet.

    It waits 10 s for an answer. Raises UsageError for a context that is not there.
    """
    client = make(jvm, conf, who)
    try:
        yield client
    finally:
        client.close()


def make(jvm: Any, conf: Any, who: str = DRIVER, login_s: float = _LOGIN_S) -> KubernetesClient:
    """Return a client that the caller closes; see :func:`connect`. A login plugin that does not end is given up."""
    late = f"kubeconfig's login plugin has not answered within {login_s:.0f} s: log in anew, see {_kubeconfig()}"
    return _within(login_s, lambda: _make(jvm, conf, who), late)


def _within(seconds: float, call: Callable[[], KubernetesClient], late: str) -> KubernetesClient:
    """Return what ``call`` returns, and raise what it raises; raise ApiError if it has not ended by then."""
    done: queue.SimpleQueue[KubernetesClient | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(call())
        except BaseException as err:  # noqa: BLE001 - it travels to who waits
            done.put(err)

    threading.Thread(target=run, name="sparkcv-kubernetes-login", daemon=True).start()
    try:
        found = done.get(timeout=seconds)
    except queue.Empty:
        raise ApiError(late) from None
    if isinstance(found, BaseException):
        raise found
    return found


def _make(jvm: Any, conf: Any, who: str) -> KubernetesClient:
    from py4j.protocol import Py4JError

    _check_context(jvm, conf)
    given = {entry._1(): entry._2() for entry in conf.getAll()}
    in_pod = given.get("spark.kubernetes.submitInDriver") == "true" and who == DRIVER
    login = _OF_POD if in_pod else _LOGINS[who]
    master = url_of(given.get("spark.master", ""))
    if in_pod:
        master = given.get("spark.kubernetes.driver.master", "https://kubernetes.default.svc")
    k8s, fabric8 = jvm.org.apache.spark.deploy.k8s, jvm.io.fabric8.kubernetes.client
    namespace = namespace_of(given)
    types = getattr(getattr(k8s, "SparkKubernetesClientFactory$ClientType$"), "MODULE$")
    some = jvm.scala.Option.apply
    ca = some(jvm.java.io.File(_CA)) if in_pod and os.path.exists(_CA) else jvm.scala.Option.empty()
    try:
        made = k8s.SparkKubernetesClientFactory.createKubernetesClient(
            master, some(namespace), login, getattr(types, who)(), conf, ca
        )
        config = fabric8.ConfigBuilder(made.getConfiguration())
        config = config.withRequestRetryBackoffLimit(0).withRequestTimeout(_TIMEOUT_MS)
        own = fabric8.KubernetesClientBuilder().withConfig(config.withConnectionTimeout(_TIMEOUT_MS).build()).build()
        made.close()
    except Py4JError as err:
        raise _translated(err, master) from err
    return KubernetesClient(own, namespace)


def url_of(master: str) -> str:
    """Return the API's URL of a master: without a scheme Spark takes https, and Java's client would take http."""
    place = master.removeprefix("k8s://")
    return place if "://" in place or not place else f"https://{place}"


def namespace_of(conf: Mapping[str, str]) -> str:
    """Return the namespace that Spark works in by its properties."""
    return conf.get("spark.kubernetes.namespace", "default")


def _check_context(jvm: Any, conf: Any) -> None:
    """Refuse a context that kubeconfig does not have: the client would take another one without a word."""
    wanted = conf.get("spark.kubernetes.context", "")
    if not wanted:
        return
    from py4j.protocol import Py4JError

    try:
        config = jvm.io.fabric8.kubernetes.client.Config.autoConfigure(None)
    except Py4JError as err:
        raise _translated(err, conf.get("spark.master", "")) from err
    names = sorted(str(one.getName()) for one in config.getContexts())
    if wanted not in names:
        place = _kubeconfig()
        there = f"one of {', '.join(names)}" if names else "a kubeconfig with it, as there is no context at all"
        raise UsageError(f"spark.kubernetes.context: got {wanted!r}, which {place} does not have; wanted {there}")


def _kubeconfig() -> str:
    return os.environ.get("KUBECONFIG", "~/.kube/config")


def _translated(err: Exception, url: str) -> ApiError:
    java = getattr(err, "java_exception", None)
    if java is None:
        return ApiError(f"Spark's Java process did not answer: {err}")
    code, message, causes = 0, "", []
    while java is not None:
        if str(java.getClass().getName()).startswith(_PARSERS):
            words = " ".join(str(java.getMessage()).split())
            return ApiError(f"{_kubeconfig()} cannot be read: {words}; wanted a kubeconfig as YAML")
        name = str(java.getClass().getSimpleName())
        if name == "KubernetesClientException" and not code:
            code, status = max(0, int(java.getCode())), java.getStatus()  # -1: there was no answer
            message = str(status.getMessage()) if status is not None and status.getMessage() else ""
        causes.append(f"{name}: {java.getMessage()}")
        java = java.getCause()
    if code == 401:
        return ApiError(f"the Kubernetes API at {url} does not know who asks (401): log in anew, see kubeconfig", code)
    if code:
        return ApiError(f"the Kubernetes API at {url} refused ({code}): {message or causes[0]}", code)
    if any(word in cause for cause in causes for word in _SILENT):
        return ApiError(f"the Kubernetes API at {url} has not answered within {_TIMEOUT_MS // 1000} s")
    last = " ".join(causes[-1].partition(": ")[2].split())
    if any("SSL" in cause or "Cert" in cause for cause in causes):
        return ApiError(
            f"the Kubernetes API at {url} has a certificate that is not trusted here: {last}; see kubeconfig's"
            " certificate-authority, or spark.kubernetes.authenticate.caCertFile"
        )
    return ApiError(f"the Kubernetes API at {url} {_AWAY}: {last}; see --master, or kubeconfig's server")
