"""No code from data: none of our source can run what it reads, and a pickle sent to a run's ports runs nothing (S1)."""

from pathlib import Path

import pytest

from tests.security import scan

ROOT = Path(__file__).parents[2]

BAD = [
    "import pickle",
    "import os, marshal",
    "marshal.loads(data)",
    "from pickle import loads",
    "from pyspark import cloudpickle",
    "from pyspark.cloudpickle import dumps",
    "import yaml",
    "import shelve as s",
    "eval('1')",
    "exec(data)",
    "run = eval",
    "builtins.exec(data)",
    "compile(data, 'x', 'exec')",
    "__import__(name)",
    "numpy.load(file, allow_pickle=True)",
    "numpy.load(file, allow_pickle=flag)",
    "subprocess.run(line, shell=True)",
    "os.system(line)",
    "os.popen(line)",
    "tempfile.mktemp()",
    "from_pandas.read_pickle(url)",
    "spark.sparkContext.pickleFile(url)",
    "keras.models.load_model(url, safe_mode=False)",
]
GOOD = [
    "import json",
    "re.compile(pattern)",
    "session.run(fetches)",
    "numpy.load(file, allow_pickle=False)",
    "subprocess.run([command], shell=False)",
    "tempfile.mkdtemp()",
    "evaluate(x)",
    "'import pickle'",
]
ALLOWED = {
    # The archive's builder compiles the source files that it packs, and writes what comes out; it loads none of it.
    ("sparkcv/archive/bytecode.py", "imports marshal"),
    ("sparkcv/archive/bytecode.py", "uses compile"),
    # A user's function as Spark carries it: from the driver's own Spark, in a task's data, to that task's child.
    ("sparkcv/compat/closure.py", "imports pyspark.cloudpickle"),
    ("sparkcv/launchers/detached_task.py", "imports pyspark.cloudpickle"),
}


@pytest.mark.parametrize("source", BAD)
def test_the_scan_finds_it(source):
    assert list(scan.findings(source))


@pytest.mark.parametrize("source", GOOD)
def test_the_scan_lets_pass_what_is_harmless(source):
    assert list(scan.findings(source)) == []


@pytest.mark.parametrize("folder", ["sparkcv", "jobs"])
def test_nothing_of_ours_can_run_what_it_reads(folder):
    assert len(list((ROOT / folder).rglob("*.py"))) > 5
    found = [line.split(":", 2) for line in scan.findings_in(ROOT / folder)]
    assert [(path, line, what) for path, line, what in found if (path, what.strip()) not in ALLOWED] == []
