"""The control plane of a real Kubernetes, of one test session: etcd, kube-apiserver, controllers and scheduler.

TLS by a certificate authority of its own, people by certificates, drivers by the tokens of their service account, RBAC
by the real authorizer. Pods find it as ``https://kubernetes.default.svc``, with the login that is mounted into each, as
in any cluster; for that each is a mount namespace of its own, which only root may make.
"""

import contextlib
import http.server
import json
import os
import secrets
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.contracts.free_ports import free_port
from tests.hadoop.daemons import Daemon, Warden
from tests.kubernetes import build
from tests.kubernetes.certificates import Authority, write_key
from tests.kubernetes.client import Client
from tests.kubernetes.store import ApiError

_NAMES = ("kubernetes.default.svc", "kubernetes.default", "localhost")
_LOGIN = "/var/run/secrets/kubernetes.io/serviceaccount"
# $1: the folder of its login, or "" for none; $2: its /etc/hosts.
_IN_POD = """\
mount -t tmpfs -o mode=755 none /run && mkdir -p /run/secrets/kubernetes.io
[ -z "$1" ] || ln -s "$1" /run/secrets/kubernetes.io/serviceaccount
mount --bind "$2" /etc/hosts
shift 2
exec "$@"
"""
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts:vision", "people"]}, {"level": "None"}],
}
_STRICTEST = {"pod-security.kubernetes.io/enforce": "restricted"}  # what a careful cluster asks of pods
_USERS = {"user": "ann", "account": "system:serviceaccount:vision:sparkcv"}


def unavailable() -> str:
    """Why this machine cannot have one; "" if it can."""
    if absent := build.missing():
        return f"no real Kubernetes: `make kubernetes` builds it once ({', '.join(absent)})"
    if os.geteuid() != 0:
        return "no real Kubernetes: only root may give pods a mount namespace"
    return ""


class ControlPlane:
    """A context manager; see ``api.Api`` for what it has.

    The login ``ann`` is a person's, in the group ``people``; ``admin`` may do everything.
    """

    is_real = True

    def __init__(self, root: Path):
        self.root = root
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> "ControlPlane":
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of it."""
        self._closing.close()

    def _start(self) -> None:
        self.root.mkdir(parents=True)
        self._warden = self._closing.enter_context(Warden(self.root))
        self._authority = Authority(self.root)
        # An address of its own, as the port is Kubernetes' own: several may run on one machine.
        self.address = f"127.{64 + secrets.randbelow(190)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
        self.master = f"https://{self.address}:443"
        self.pod_master = "https://kubernetes.default.svc"
        self._logins = {
            "admin": self._authority.issue("admin", group="system:masters"),
            "user": self._authority.issue("ann", group="people"),
        }
        tls = ssl.create_default_context(cafile=self._authority.ca)
        tls.load_cert_chain(*self._logins["admin"])
        self.client = Client(self.master, tls)
        for name in self._logins:
            (self.root / f"{name}.kubeconfig").write_text(json.dumps(self._kubeconfig(name)))
        hosts = Path("/etc/hosts").read_text() + f"\n{self.address} {' '.join(_NAMES[:2])}\n"
        (self.root / "hosts").write_text(hosts)
        self.pod_environment = {"KUBERNETES_SERVICE_HOST": self.address, "KUBERNETES_SERVICE_PORT": "443"}
        self._serve_logs()
        etcd = f"http://127.0.0.1:{free_port()}"
        peer = f"http://127.0.0.1:{free_port()}"
        self._daemon(
            "etcd",
            data_dir=self.root / "etcd",
            listen_client_urls=etcd,
            advertise_client_urls=etcd,
            listen_peer_urls=peer,
            initial_advertise_peer_urls=peer,
            initial_cluster=f"default={peer}",
            unsafe_no_fsync="true",
        )
        self._api = self._daemon("kube-apiserver", **self._api_flags(etcd))
        self._api.wait(self._is_ready, "it is ready")
        kubeconfig = self.root / "admin.kubeconfig"
        self._daemon("kube-scheduler", kubeconfig=kubeconfig, leader_elect="false", secure_port=0)
        self._daemon(
            "kube-controller-manager",
            kubeconfig=kubeconfig,
            leader_elect="false",
            secure_port=0,
            root_ca_file=self._authority.ca,
            service_account_private_key_file=self.root / "accounts.key",
        )
        self.client.create("namespaces", "", {"metadata": {"name": "vision", "labels": _STRICTEST}})
        self._api.wait(lambda: self._has_account("vision"), "the controllers have made a service account")

    def _api_flags(self, etcd: str) -> dict[str, Any]:
        server = self._authority.issue("kube-apiserver", hosts=(self.address, *_NAMES))
        (self.root / "audit.json").write_text(json.dumps(_AUDIT))
        key = write_key(self.root / "accounts.key")
        return {
            "etcd_servers": etcd,
            "bind_address": self.address,
            "secure_port": 443,
            "advertise_address": "192.0.2.1",  # loopback is refused; nobody is told of it
            "endpoint_reconciler_type": "none",
            "service_cluster_ip_range": "10.96.0.0/16",
            "authorization_mode": "RBAC",
            "client_ca_file": self._authority.ca,
            "tls_cert_file": server[0],
            "tls_private_key_file": server[1],
            "service_account_issuer": "https://kubernetes.default.svc",
            "service_account_key_file": key,
            "service_account_signing_key_file": key,
            "kubelet_certificate_authority": self._authority.ca,
            "kubelet_client_certificate": self._logins["admin"][0],
            "kubelet_client_key": self._logins["admin"][1],
            "kubelet_preferred_address_types": "InternalIP",
            "audit_policy_file": self.root / "audit.json",
            "audit_log_path": self.root / "audit.log",
        }

    def _daemon(self, name: str, **flags: Any) -> Daemon:
        argv = [str(build.folder() / name)]
        argv += [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
        made = Daemon(name, self._warden, argv, {"PATH": os.environ["PATH"]}, self.root / f"{name}.log", "")
        made.start()
        return made

    def _is_ready(self) -> bool:
        try:
            return bool(self.client.find("namespaces", fields="metadata.name=default"))
        except ApiError:  # it answers before it knows its own users
            return False

    def _has_account(self, namespace: str) -> bool:
        return bool(self.client.find("serviceaccounts", namespace, fields="metadata.name=default"))

    def _kubeconfig(self, name: str) -> dict[str, Any]:
        certificate, key = map(str, self._logins[name])
        server = {"server": self.master, "certificate-authority": str(self._authority.ca)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": server}],
            "users": [{"name": name, "user": {"client-certificate": certificate, "client-key": key}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name}}],
        }

    def properties(self, who: str) -> dict[str, str]:
        """Spark's properties for ``admin``, ``user``, or the ``account`` of a driver."""
        found = {"spark.master": f"k8s://{self.master}"}
        given = {"caCertFile": str(self._authority.ca)}
        if who == "account":
            given["oauthToken"] = self.client.token("vision", "sparkcv")
        else:
            given["clientCertFile"], given["clientKeyFile"] = map(str, self._logins[who])
        for prefix in ("spark.kubernetes.authenticate", "spark.kubernetes.authenticate.submission"):
            found |= {f"{prefix}.{name}": value for name, value in given.items()}
        return found

    def environment(self, folder: Path) -> dict[str, str]:
        """What a user's shell holds for it."""
        return {"KUBECONFIG": str(self.root / "user.kubeconfig")}

    def kubectl(self, *words: str, who: str = "admin") -> str:
        """Run kubectl and return what it says; raises AssertionError with it if it fails."""
        command = [str(build.folder() / "kubectl"), f"--kubeconfig={self.root / who}.kubeconfig", *words]
        env = {"HOME": str(self.root), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Stop the API's process: its port takes connections, and nobody answers."""
        self._api.pause()
        try:
            yield
        finally:
            self._api.resume()

    def used(self, who: str) -> set[tuple[str, str]]:
        """Verbs and resources that ``user`` or ``account`` has asked for, by the API's audit log."""
        found = set()
        for line in (self.root / "audit.log").read_text().splitlines():
            event = json.loads(line)
            target = event.get("objectRef", {})
            if event["user"]["username"] != _USERS[who] or target.get("namespace") != "vision":
                continue
            resource = "/".join(filter(None, [target["resource"], target.get("subresource")]))
            found.add((event["verb"], resource))
            if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
                found.add(("create", resource))  # it was authorized for this as well
        return found

    def in_pod(self, mounts: Mapping[str, str], words: Sequence[str]) -> list[str]:
        """The command that runs ``words`` as a pod's process."""
        script = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _IN_POD, "sh"]
        return [*script, mounts.get(_LOGIN, ""), str(self.root / "hosts"), *words]

    def join(self, kubelet: Any) -> None:
        """Ask this kubelet for the logs of pods."""
        self._kubelet = kubelet

    def _serve_logs(self) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*self._authority.issue("kubelet", hosts=("127.0.0.1",)))
        tls.load_verify_locations(self._authority.ca)
        tls.verify_mode = ssl.CERT_REQUIRED  # the API's certificate
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Logs", (_Logs,), {"plane": self}))
        server.daemon_threads = True
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.kubelet_port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.1,), name="tests-kubelet-logs", daemon=True).start()
        self._closing.callback(server.server_close)
        self._closing.callback(server.shutdown)

    def log_of(self, pod: str, *, follow: bool) -> Iterator[str]:
        """What the kubelet has of a pod's log."""
        yield from self._kubelet.log_of(pod, follow=follow)


class _Logs(http.server.BaseHTTPRequestHandler):
    """A kubelet's ``/containerLogs/NAMESPACE/POD/CONTAINER``."""

    plane: ControlPlane

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        _, kind, _, pod, _ = path.split("/")
        assert kind == "containerLogs", path
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        with contextlib.suppress(OSError):
            for text in self.plane.log_of(pod, follow="follow=true" in query):
                self.wfile.write(text.encode())
                self.wfile.flush()

    def log_message(self, *words: Any) -> None:
        pass
