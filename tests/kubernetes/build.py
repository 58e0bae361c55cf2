"""Build the control plane of a real Kubernetes once: ``python -m tests.kubernetes.build`` (``make kubernetes``).

No registry of this project's serves ``kube-apiserver`` as a program, but its source is a Go module like any other. The
programs and go's own download and build caches stay on the machine, the programs in ``$XDG_CACHE_HOME/sparkcv``.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# A version that the module proxy has whole, with its 31 staging modules; Go 1.24 is enough for it.
VERSION = "1.34.4"
PROGRAMS = {
    # Of the version that Kubernetes asks for. Debian 12's 3.4.23 is too old: without RequestWatchProgress, of 3.4.31,
    # the API refuses each watch of Spark's client that begins with what is there (sendInitialEvents).
    "etcd": "go.etcd.io/etcd/server/v3",
    **{
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    },
}


def folder() -> Path:
    """Return where the programs of this version are or would be."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sparkcv" / f"kubernetes-{VERSION}"


def missing() -> list[str]:
    """Return the programs that a real control plane wants and this machine does not have."""
    return [name for name in PROGRAMS if not (folder() / name).is_file()]


def _module(go: str, work: Path) -> None:
    """Write a go.mod that wants Kubernetes, with the modules that its own go.mod takes from its source tree."""
    told = subprocess.run(
        [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"], cwd=work, capture_output=True, check=True
    )
    edit = json.loads(
        subprocess.run(
            [go, "mod", "edit", "-json", json.loads(told.stdout)["GoMod"]], capture_output=True, check=True
        ).stdout
    )
    staged = [one["Old"]["Path"] for one in edit["Replace"] if one["New"]["Path"].startswith("./staging/")]
    library = "0." + VERSION.partition(".")[2]  # k8s.io/api v0.34.4 belongs to Kubernetes v1.34.4
    (work / "go.mod").write_text(
        f"module controlplane\n\ngo {edit['Go']}\n\nrequire k8s.io/kubernetes v{VERSION}\n\n"
        + "".join(f"replace {name} => {name} v{library}\n" for name in staged)
    )


def build() -> Path:
    """Build what is missing and return the folder; raises SystemExit without ``go``, or if a build fails."""
    absent = missing()
    if not absent:
        return folder()
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        raise SystemExit("go is not installed: it builds kube-apiserver, kube-controller-manager and kube-scheduler")
    folder().mkdir(parents=True, exist_ok=True)
    major, minor = VERSION.split(".")[:2]
    told = "k8s.io/component-base/version"
    flags = f"-s -w -X {told}.gitVersion=v{VERSION} -X {told}.gitMajor={major} -X {told}.gitMinor={minor}"
    with tempfile.TemporaryDirectory(dir=folder()) as scratch:
        work = Path(scratch)
        (work / "go.mod").write_text("module controlplane\n")
        _module(go, work)
        for name in absent:
            print(f"building {name} of Kubernetes {VERSION}", flush=True)
            command = [go, "build", "-p", "2", "-mod=mod", "-trimpath", "-ldflags", flags, "-o", str(work / name)]
            done = subprocess.run([*command, PROGRAMS[name]], cwd=work, env={**os.environ, "CGO_ENABLED": "0"})
            if done.returncode:
                raise SystemExit(f"go could not build {name}: its words are above")
            (work / name).rename(folder() / name)  # whole or not there: another run may look at the same time
    return folder()


if __name__ == "__main__":
    print(build())
    sys.exit(0)
