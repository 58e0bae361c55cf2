"""An API server that speaks HTTP: enough of Kubernetes for Spark's own client, and for faults that a test puts in.

Real are the paths, verbs, status codes, watches (WebSocket and plain), selectors, server-side apply, owners and dry
runs. Who asks is known by the port: each login has one. What they may do, Roles and RoleBindings say.
"""

import base64
import contextlib
import copy
import hashlib
import http.server
import json
import re
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kubernetes.client import Client
from tests.kubernetes.controllers import Controllers
from tests.kubernetes.store import KINDS, ApiError, Store, matches, runs

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?/?"
)
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SUBJECTS = {"user": ("User", "ann"), "account": ("ServiceAccount", "sparkcv")}
Rule = tuple[str, str]  # verb, resource


class Api:
    """The server; it is a control plane as ``real.ControlPlane`` is one, with the same objects for faults.

    Attributes:
        client: who may do everything.
        master: the URL for a user, who is ``ann``.
        pod_master: the URL for pods.
    """

    is_real = False
    kubelet_port = 0  # logs are handed over within the process
    pod_environment: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.store = Store()
        self.is_silent = threading.Event()
        self.seen: set[tuple[str, str, str]] = set()  # who, verb, resource
        self.closing = threading.Event()
        self._kubelet: Any = None
        self._servers = [_server(self, who) for who in ("admin", *_SUBJECTS)]
        admin, self.master, self.pod_master = (f"http://127.0.0.1:{one.server_address[1]}" for one in self._servers)
        self.client = Client(admin)
        for name in ("default", "vision"):
            self.create("namespaces", "", {"metadata": {"name": name}}, dry_run=False)
        self._controllers = Controllers(self.store)

    def close(self) -> None:
        """Stop serving; watches end."""
        self.closing.set()
        self.is_silent.clear()
        self._controllers.close()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def properties(self, who: str) -> dict[str, str]:
        """Spark's properties for ``admin``, ``user``, or the ``account`` of a driver."""
        return {"spark.master": f"k8s://{ {'admin': self.client.url, 'user': self.master}.get(who, self.pod_master) }"}

    def environment(self, folder: Path) -> dict[str, str]:
        """What a user's shell holds for it."""
        return {"KUBECONFIG": str(folder / "no-kubeconfig")}

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Answer nothing meanwhile; connections are taken."""
        self.is_silent.set()
        yield
        self.is_silent.clear()

    def used(self, who: str) -> set[Rule]:
        """Verbs and resources that ``user`` or ``account`` has asked for."""
        return {(verb, what) for one, verb, what in self.seen if one == who}

    def in_pod(self, mounts: Mapping[str, str], words: Sequence[str]) -> list[str]:
        """The command that runs ``words`` as a pod's process."""
        return list(words)

    def join(self, kubelet: Any) -> None:
        """Ask this kubelet for the logs of pods."""
        self._kubelet = kubelet

    def log_of(self, pod: str, *, follow: bool) -> Iterator[str]:
        return self._kubelet.log_of(pod, follow=follow)

    def may(self, who: str, verb: str, resource: str, namespace: str) -> bool:
        """Whether RBAC lets it: by the Roles that are bound to who asks."""
        if who == "admin":
            return True
        roles = {
            binding["roleRef"]["name"]
            for binding in self.store.find("rolebindings", namespace)
            for one in binding["subjects"]
            if (one["kind"], one["name"]) == _SUBJECTS[who]
        }
        return any(
            verb in rule["verbs"] and resource in rule["resources"]
            for role in self.store.find("roles", namespace)
            if role["metadata"]["name"] in roles
            for rule in role["rules"]
        )

    def check(self, who: str, verb: str, resource: str, namespace: str, group: str) -> None:
        """Raise what an API server would answer before it does anything."""
        if resource.startswith("selfsubject"):
            return
        self.seen.add((who, verb, resource))
        if not self.may(who, verb, resource, namespace):
            user = "system:serviceaccount:vision:sparkcv" if who == "account" else "ann"
            raise ApiError(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}"'
                f' in the namespace "{namespace}"',
            )

    def create(self, resource: str, namespace: str, body: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        """Admit an object."""
        if namespace and not self.store.find("namespaces", fields=f"metadata.name={namespace}"):
            raise ApiError(404, "NotFound", f'namespaces "{namespace}" not found')
        if resource == "pods":
            self._admit(namespace, body)
        made = self.store.create(resource, namespace, body, dry_run=dry_run)
        if resource == "namespaces":
            self.store.create("serviceaccounts", body["metadata"]["name"], {"metadata": {"name": "default"}})
        return made

    def _admit(self, namespace: str, body: dict[str, Any]) -> None:
        name = body["metadata"].get("name", "")
        if len(name) > 253 or any(len(value or "") > 63 for value in body["metadata"].get("labels", {}).values()):
            raise ApiError(422, "Invalid", f'Pod "{name}" is invalid: must be no more than 63 characters')
        account = body["spec"].get("serviceAccountName") or "default"
        if not self.store.find("serviceaccounts", namespace, fields=f"metadata.name={account}"):
            raise ApiError(
                403,
                "Forbidden",
                f'pods "{name}" is forbidden: error looking up service account {namespace}/'
                f'{account}: serviceaccount "{account}" not found',
            )
        used = len([one for one in self.store.find("pods", namespace) if runs(one)])
        for quota in self.store.find("resourcequotas", namespace):
            most = int(quota["spec"]["hard"]["pods"])
            if used >= most:
                raise ApiError(
                    403,
                    "Forbidden",
                    f'pods "{name}" is forbidden: exceeded quota: {quota["metadata"]["name"]}, requested: pods=1,'
                    f" used: pods={used}, limited: pods={most}",
                )


def _server(api: Api, who: str) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api, "who": who}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), name="tests-k8s-api", daemon=True).start()
    return server


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api
    who: str

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *words: Any) -> None:
        pass

    def _answer(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"null") if size else None
        while self.api.is_silent.is_set() and not self.api.closing.wait(0.1):
            pass
        with contextlib.suppress(OSError):
            try:
                found = _PATH.fullmatch(url.path)
                if url.path == "/version":
                    self._send(200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"})
                elif found is None:
                    raise ApiError(404, "NotFound", f"the server could not find {url.path}")
                else:
                    self._do(found, query, body)
            except ApiError as err:
                self._send(err.code, err.body())

    def _do(self, found: re.Match[str], query: dict[str, str], body: Any) -> None:
        api, store = self.api, self.api.store
        namespace, resource, name = found["namespace"] or "", found["resource"], found["name"] or ""
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        is_watch = query.get("watch") in ("true", "1")
        if is_watch and not name and fields.startswith("metadata.name="):
            name = ""
        verb = {
            "GET": "watch" if is_watch else "get" if name else "list",
            "POST": "create",
            "PUT": "update",
            "PATCH": "patch",
            "DELETE": "delete" if name else "deletecollection",
        }[self.command]
        target = f"{resource}/{found['sub']}" if found["sub"] else resource
        api.check(self.who, verb, target, namespace, found["group"] or "")
        if verb == "watch":
            self._watch(resource, namespace, labels, fields, int(query.get("resourceVersion") or store.version))
        elif found["sub"] == "log":
            self._log(namespace, name, follow=query.get("follow") == "true")
        elif verb == "get":
            self._send(200, store.get(resource, namespace, name))
        elif verb == "list":
            version, kind = KINDS.get(resource, ("v1", resource))
            with store.changed:
                items = store.find(resource, namespace, labels, fields)
                meta = {"resourceVersion": str(store.version)}
            self._send(200, {"apiVersion": version, "kind": f"{kind}List", "metadata": meta, "items": items})
        elif verb == "create" and resource == "selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            what = "/".join(filter(None, [asked["resource"], asked.get("subresource")]))
            allowed = api.may(self.who, asked["verb"], what, asked["namespace"])
            self._send(201, body | {"status": {"allowed": allowed}})
        elif verb == "create":
            self._send(201, api.create(resource, namespace, body, dry_run="dryRun" in query))
        elif verb == "update":
            is_status = found["sub"] == "status"
            self._send(200, store.change(resource, namespace, name, lambda one: _kept(one, body, is_status)))
        elif verb == "patch":
            self._patch(resource, namespace, name, body)
        elif verb == "delete":
            options = body or {}
            grace = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
            uid = options.get("preconditions", {}).get("uid")
            if uid and uid != store.get(resource, namespace, name)["metadata"]["uid"]:
                raise ApiError(409, "Conflict", f"the UID in the precondition ({uid}) is another one")
            self._send(200, store.delete(resource, namespace, name, None if grace is None else int(grace)))
        else:
            grace = (body or {}).get("gracePeriodSeconds")
            for one in store.find(resource, namespace, labels, fields):
                with contextlib.suppress(ApiError):
                    store.delete(resource, namespace, one["metadata"]["name"], grace)
            self._send(200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}})

    def _log(self, namespace: str, name: str, *, follow: bool) -> None:
        """Send what a pod has said, and says until it ends."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Connection", "close")
        self.end_headers()
        self.api.store.get("pods", namespace, name)
        for text in self.api.log_of(name, follow=follow):
            self.wfile.write(text.encode())
            self.wfile.flush()

    def _patch(self, resource: str, namespace: str, name: str, body: Any) -> None:
        is_apply = "apply-patch" in self.headers["Content-Type"]
        try:
            self.api.store.get(resource, namespace, name)
        except ApiError:
            if not is_apply:
                raise
            group = "" if resource != "networkpolicies" else "networking.k8s.io"
            self.api.check(self.who, "create", resource, namespace, group)  # as the real one does: it is both
            self._send(201, self.api.create(resource, namespace, body, dry_run=False))
            return
        how: Callable[[dict[str, Any]], dict[str, Any]] = lambda one: _merged(one, body)  # noqa: E731
        if isinstance(body, list):
            how = lambda one: _json_patched(one, body)  # noqa: E731
        self._send(200, self.api.store.change(resource, namespace, name, how))

    def _send(self, code: int, body: dict[str, Any]) -> None:
        self._send_text(json.dumps(body), code, "application/json")

    def _send_text(self, text: str, code: int = 200, kind: str = "text/plain") -> None:
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, resource: str, namespace: str, labels: str, fields: str, since: int) -> None:
        is_socket = self.headers.get("Upgrade", "").lower() == "websocket"
        self.close_connection = True
        if is_socket:
            key = self.headers["Sec-WebSocket-Key"].encode() + _WEBSOCKET
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key).digest()).decode())  # noqa: S324
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
        self.wfile.flush()
        gone = threading.Event()
        if is_socket:
            threading.Thread(target=self._read_frames, args=(gone,), name="tests-k8s-watch", daemon=True).start()

        def is_open() -> bool:
            return not gone.is_set() and not self.api.closing.is_set()

        for event in self.api.store.watch(resource, namespace, labels, fields, since, is_open):
            while self.api.is_silent.is_set() and is_open():
                self.api.closing.wait(0.1)
            if event and is_socket:
                self._frame(1, json.dumps(event).encode())
            elif event:
                self.wfile.write(json.dumps(event).encode() + b"\n")
        with contextlib.suppress(OSError):
            if is_socket:
                self._frame(8, struct.pack(">H", 1000))
            self.connection.shutdown(socket.SHUT_RDWR)

    def _frame(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes([0x80 | kind, size]) if size < 126 else bytes([0x80 | kind, 126]) + struct.pack(">H", size)
        if size > 0xFFFF:
            head = bytes([0x80 | kind, 127]) + struct.pack(">Q", size)
        self.wfile.write(head + data)
        self.wfile.flush()

    def _read_frames(self, gone: threading.Event) -> None:
        """Read what the client sends until it hangs up or closes; answer pings."""
        with contextlib.suppress(OSError, ValueError):
            while head := self.rfile.read(2):
                kind, size = head[0] & 15, head[1] & 127
                if size == 126:
                    size = struct.unpack(">H", self.rfile.read(2))[0]
                mask = self.rfile.read(4)
                data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(size)))
                if kind == 8:
                    break
                if kind == 9:
                    self._frame(10, data)
        gone.set()


def _kept(one: dict[str, Any], body: dict[str, Any], is_status: bool) -> dict[str, Any]:
    """What becomes of an object that is written back: its status is written by itself, and only over what was read."""
    if (
        body["metadata"].get("resourceVersion", one["metadata"]["resourceVersion"])
        != one["metadata"]["resourceVersion"]
    ):
        raise ApiError(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
    changed = {**one, "status": body.get("status", {})} if is_status else {**body, "status": one.get("status", {})}
    changed["metadata"] = {**one["metadata"], **body["metadata"]}
    return copy.deepcopy(changed)


def _merged(one: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(one, dict):
        return patch
    changed = dict(one)
    for key, value in patch.items():
        if value is None:
            changed.pop(key, None)
        else:
            changed[key] = _merged(changed.get(key, {} if isinstance(value, dict) else None), value)
    return changed


def _json_patched(one: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    for step in steps:
        *path, last = [word.replace("~1", "/").replace("~0", "~") for word in step["path"].split("/")[1:]]
        target: Any = one
        for word in path:
            target = target[int(word)] if isinstance(target, list) else target.setdefault(word, {})
        if isinstance(target, list):
            target.insert(len(target) if last == "-" else int(last), step["value"])
        elif step["op"] == "remove":
            target.pop(last, None)
        else:
            target[last] = step["value"]
    return one


__all__ = ["Api", "matches"]
