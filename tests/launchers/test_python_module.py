"""A module that is started as a process: with this one's packages, apart from its process group."""

import os
import subprocess
import sys

from sparkcv.launchers.python_module import start_module

SHOW = """
import json, os, sys
import only_here
print(json.dumps([sys.argv[1:], os.getsid(0) == os.getpid(), os.environ["ONE"], "HOME" in os.environ]))
"""


def test_it_imports_what_this_process_imports_and_nothing_of_the_working_folder(tmp_path, monkeypatch):
    packages, folder = tmp_path / "packages", tmp_path / "folder"
    packages.mkdir()
    folder.mkdir()
    (packages / "shown.py").write_text(SHOW)
    (packages / "only_here.py").write_text("")
    (folder / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    env = {name: value for name, value in os.environ.items() if name != "HOME"} | {"ONE": "1"}
    with start_module("shown", ["--word", "a b"], env, stdout=subprocess.PIPE, text=True, cwd=folder) as child:
        assert child.stdout.read().strip() == '[["--word", "a b"], true, "1", false]'
    assert child.returncode == 0
