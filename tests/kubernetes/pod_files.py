"""What a pod finds in its volumes and variables, as files and folders of this machine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kubernetes.client import Client
from tests.kubernetes.store import ApiError


def mounts_of(pod: dict[str, Any], folder: Path, claims: Path) -> dict[str, str]:
    """Make the folders of a pod's volumes, in ``folder`` and ``claims``; return them by where it mounts them."""
    container = pod["spec"]["containers"][0]
    volumes = {one["name"]: one for one in pod["spec"].get("volumes", [])}
    found = {}
    for mount in container.get("volumeMounts", []):
        volume = volumes[mount["name"]]
        if "hostPath" in volume:
            found[mount["mountPath"]] = volume["hostPath"]["path"]
            continue
        where = folder / "volumes" / mount["name"]
        if "persistentVolumeClaim" in volume:  # it outlives pods
            where = claims / volume["persistentVolumeClaim"]["claimName"]
        where.mkdir(parents=True, exist_ok=True)
        if mount["mountPath"] != "/dev/shm":
            found[mount["mountPath"]] = str(where)
    return found


def write(client: Client, pod: dict[str, Any], mounts: Mapping[str, str]) -> None:
    """Write the ConfigMaps, and the login of the pod's service account, that its volumes are made of."""
    given = pod["spec"]["containers"][0].get("volumeMounts", [])
    places = {one["name"]: mounts.get(one["mountPath"], "") for one in given}
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes", []):
        several = volume.get("projected", {}).get("sources", [])
        for source in [volume, *several] if volume["name"] in places else []:
            if "configMap" in source:
                held = client.get("configmaps", namespace, source["configMap"]["name"])
                paths = {one["key"]: one["path"] for one in source["configMap"].get("items", [])}
                for file, text in (held.get("data") or {}).items():
                    if not paths or file in paths:
                        path = Path(places[volume["name"]], paths.get(file, file))
                        path.write_text(local(text, mounts))
            if "serviceAccountToken" in source:
                token = client.token(namespace, pod["spec"]["serviceAccountName"])
                Path(places[volume["name"]], source["serviceAccountToken"]["path"]).write_text(token)
            for item in source.get("downwardAPI", {}).get("items", []):
                text = value({"valueFrom": item}, pod)
                Path(places[volume["name"]], item["path"]).write_text(text)


def value(one: dict[str, Any], pod: dict[str, Any]) -> str:
    """A variable of a container."""
    source = one.get("valueFrom")
    if source is None:
        return str(one.get("value") or "")
    if "fieldRef" in source:
        found: Any = pod
        for word in source["fieldRef"]["fieldPath"].split("."):
            found = found[word]
        return str(found)
    raise ApiError(400, "BadRequest", f"the tests' kubelet does not know {sorted(source)}")


def expanded(word: str, env: Mapping[str, str]) -> str:
    """A word with the variables that it names as ``$(NAME)``."""
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), word)


def local(text: str, mounts: Mapping[str, str]) -> str:
    """A text whose paths of mounts are those of this machine."""
    for path in sorted(mounts, key=len, reverse=True):
        text = re.sub(rf"(?:(?<![\w./-])|(?<=://)){re.escape(path)}(?![\w-])", mounts[path], text)
    return text
