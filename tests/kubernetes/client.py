"""A login with a Kubernetes API over HTTP, for the tests and their kubelet: the real one, or the tests' own."""

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from tests.kubernetes.store import KINDS, ApiError

_TIMEOUT_S = 30.0
_WATCH_S = 60  # then the server ends it, and it is begun anew
_TRIES = 20


class Client:
    """Who may do what, the API says; ``namespace`` is "" for what is in none."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None):
        self.url, self._tls = url, tls

    def get(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        return self.call("GET", _path(resource, namespace, name))

    def find(self, resource: str, namespace: str = "", labels: str = "", fields: str = "") -> list[dict[str, Any]]:
        query = {"labelSelector": labels, "fieldSelector": fields}
        query = {name: value for name, value in query.items() if value}
        found = self.call("GET", f"{_path(resource, namespace)}?{urllib.parse.urlencode(query)}")
        return list(found.get("items") or [])

    def create(self, resource: str, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        version, kind = KINDS[resource]
        return self.call("POST", _path(resource, namespace), {"apiVersion": version, "kind": kind, **body})

    def token(self, namespace: str, account: str) -> str:
        """A login of a service account's, for an hour."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        made = self.call("POST", _path("serviceaccounts", namespace, f"{account}/token"), asked)
        return str(made["status"]["token"])

    def change(
        self,
        resource: str,
        namespace: str,
        name: str,
        how: Callable[[dict[str, Any]], None],
        sub: str = "",
    ) -> dict[str, Any]:
        """Have ``how`` change the object, or its status (``sub``), once more where somebody else did meanwhile."""
        for _ in range(_TRIES):
            changed = self.get(resource, namespace, name)
            how(changed)
            try:
                return self.call("PUT", _path(resource, namespace, f"{name}/{sub}" if sub else name), changed)
            except ApiError as err:
                if err.code != 409:
                    raise
        raise ApiError(409, "Conflict", f"{resource} {name} changes faster than it can be written")

    def delete(
        self, resource: str, namespace: str, name: str, grace_s: int | None = None, uid: str | None = None
    ) -> None:
        """Delete it, if it is (still) there and the one with this ``uid``."""
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self.call("DELETE", _path(resource, namespace, name), options)
        except ApiError as err:
            if err.code not in (404, 409):
                raise

    def follow(self, resource: str) -> Iterator[dict[str, dict[str, Any]]]:
        """Yield all objects by uid, then again with each change, until the server ends it; raises OSError, ApiError."""
        listed = self.call("GET", _path(resource, ""))
        found = {one["metadata"]["uid"]: one for one in listed.get("items") or []}
        yield found
        version = listed["metadata"]["resourceVersion"]
        query = f"watch=true&resourceVersion={version}&timeoutSeconds={_WATCH_S}"
        with self._open("GET", f"{_path(resource, '')}?{query}", None, 2 * _WATCH_S) as answer:
            for line in answer:
                event = json.loads(line)
                if event["type"] == "ERROR":  # too old a version
                    return
                one = event["object"]
                found[one["metadata"]["uid"]] = one
                if event["type"] == "DELETED":
                    del found[one["metadata"]["uid"]]
                yield found

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send one request and return its JSON; raises ApiError, or OSError where there is no answer."""
        with self._open(method, path, body, _TIMEOUT_S) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def _open(self, method: str, path: str, body: Any, timeout_s: float) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=timeout_s, context=self._tls)
        except urllib.error.HTTPError as err:
            with err:
                text = err.read()
            try:
                told = json.loads(text)
            except ValueError:
                told = {"reason": "", "message": text.decode(errors="replace")}
            raise ApiError(err.code, told.get("reason", ""), told.get("message", "")) from None
        except http.client.HTTPException as err:
            raise ConnectionError(str(err)) from err


def _path(resource: str, namespace: str, name: str = "") -> str:
    version = KINDS[resource][0]
    root = "/api" if version == "v1" else "/apis"
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}/{version}{where}/{resource}" + (f"/{name}" if name else "")
