"""A checkout whose package needs little, so that its archive is built in seconds by the real build_zip.sh."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Checkout:
    """A copy of the script and the package in ``folder``, with dependencies of its own."""

    def __init__(self, folder: Path, dependencies: Iterable[str], source: Path = ROOT):
        self.folder, self.dependencies = folder, tuple(dependencies)
        self.sparkcv_zip = folder / "dist" / "sparkcv.zip"
        self.python_zip = folder / "dist" / "Python.zip"
        shutil.copytree(source / "sparkcv", folder / "sparkcv", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(source / "build_zip.sh", folder)
        listed = ", ".join(f"'{dependency}'" for dependency in self.dependencies)
        (folder / "pyproject.toml").write_text(f"[project]\nname = 'sparkcv'\ndependencies = [{listed}]\n")

    def build(self, *words: str, before: Iterable[str] = (), **env: str) -> subprocess.CompletedProcess[str]:
        """Run ``build_zip.sh`` with ``words``, by the command ``before`` it and from another folder."""
        command = [*before, str(self.folder / "build_zip.sh"), *words]
        env = {**os.environ, "PYTHON": sys.executable, **env}
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd="/", timeout=300, check=False)

    def names(self) -> list[str]:
        with zipfile.ZipFile(self.python_zip) as archive:
            return archive.namelist()
