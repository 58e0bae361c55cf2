"""A NodeManager's local files without a process for each: it unpacks an archive of 15,000, and runs a chmod for each.

That is where Hadoop's native library is not, which comes with no jar: 3 ms of CPU each. ``java/LocalFiles.java`` makes
the call instead. It is compiled once a machine, where there is a compiler; without it the tests only take longer.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.hadoop.jars import VERSION, jars_dir, jars_home

_SOURCE = Path(__file__).with_name("java") / "LocalFiles.java"
_TIMEOUT_S = 600


def folder() -> Path:
    """Return where the compiled class lies, if it has been made, for the end of a class path."""
    return jars_home() / f"local-files-{VERSION}-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]}"


def settings() -> dict[str, str]:
    """Return the property by which daemons use it; {} where it has not been made."""
    return {"fs.AbstractFileSystem.file.impl": "sparkcv.LocalFiles"} if folder().is_dir() else {}


def make() -> None:
    """Compile it, unless it is there or there is no compiler; raises RuntimeError with the compiler's words."""
    compiler, target = shutil.which("javac"), folder()
    if compiler is None or target.is_dir():
        return
    jars = os.pathsep.join(map(str, jars_dir().glob("hadoop-*.jar")))
    with tempfile.TemporaryDirectory(prefix=".local-files-", dir=jars_home()) as aside:
        made = Path(aside) / "made"
        argv = [compiler, "-nowarn", "-proc:none", "--release", "11", "-cp", jars, "-d", str(made), str(_SOURCE)]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S)
        if done.returncode:
            raise RuntimeError(f"javac: {done.stderr.strip()[-500:]}")
        try:
            made.replace(target)
        except OSError:  # another test run was quicker
            if not target.is_dir():
                raise
