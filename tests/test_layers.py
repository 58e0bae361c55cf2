"""The house's rules: imports between rooms go down only, a name means one thing, a heavy import has one address.

Each rule is a function of a tree of files, so that it can be shown to fail on a small wrong one.
"""

import ast
import collections
import functools
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# From the ground up: a room imports itself and the rooms above it in this list, never those below it.
ROOMS = (
    "errors",
    "logs",
    "imports",
    "light_tensorflow",
    "container",
    "synthetic",
    "scenes",
    "figures",
    "config",
    "roles",
    "archive",
    "storage",
    "records",
    "preprocess",
    "nets",
    "inputs",
    "spark",
    "convert",
    "channel",
    "tokens",
    "launchers",
    "diagnosis",
    "cluster",
    "rundir",
    "train",
    "evaluate",
    "predict",
    "style",
    "caption",
    "text2image",
    "feeding",
    "compat",
    "doctor",
    "programs",
    "serve",
    "driver",
    "submit",
)

# Who may import what takes seconds, or what must have one address: rooms, and three files where it is one file's.
ADDRESSES = {
    "tf_slim": ("sparkcv.nets.slim",),
    "tf_keras": ("sparkcv.nets.slim",),
    "tensorflow": (
        "sparkcv.light_tensorflow",
        "sparkcv.nets",
        "sparkcv.preprocess",
        "sparkcv.inputs",
        "sparkcv.train",
        "sparkcv.evaluate",
        "sparkcv.predict.export",
        "sparkcv.predict.engines",
        "sparkcv.style",
        "sparkcv.caption",
        "sparkcv.text2image",
        "sparkcv.compat",
        "sparkcv.programs",
    ),
    "nncf": ("sparkcv.predict.engines",),
    "openvino": ("sparkcv.predict.engines",),
    "sacrebleu": ("sparkcv.caption",),
    "pycocoevalcap": ("sparkcv.caption",),
    "deltalake": ("sparkcv.predict.tables",),
    "tensorflowonspark": ("sparkcv.launchers",),
    "hdfs_native": ("sparkcv.storage",),
    "fsspec": ("sparkcv.storage",),
    "pyspark": (
        "sparkcv.spark",
        "sparkcv.launchers",
        "sparkcv.cluster",
        "sparkcv.tokens",
        "sparkcv.doctor",
        "sparkcv.compat",
        "sparkcv.convert",
        "sparkcv.driver",
        "sparkcv.feeding",
        "sparkcv.predict",
        "jobs",
    ),
    "pickle": (),
}

# Stock's own names, which its programs import.
STOCK = ("sparkcv.compat",)


def modules(root: pathlib.Path = ROOT) -> dict[str, pathlib.Path]:
    """Return every module below ``root``, by its dotted name."""
    found = {}
    for top in ("sparkcv", "jobs"):
        for path in sorted((root / top).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()  # once: each test has one of them


def room(name: str) -> str:
    """Return the room of a dotted name: ``sparkcv.x.y`` lies in ``x``; all of ``jobs`` is one room."""
    words = name.split(".")
    return words[1] if words[0] == "sparkcv" and len(words) > 1 else words[0]


def tree(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: pathlib.Path) -> frozenset[str]:
    return _imports(path.read_text(encoding="utf-8"))


@functools.cache  # by the text: three rules and a test of each file ask
def _imports(text: str) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.add(f"relative:{node.module or ''}")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def ours(path: pathlib.Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in ("sparkcv", "jobs")}


def arrows_up(root: pathlib.Path, rooms: tuple[str, ...]) -> list[str]:
    """Return each import of a room that stands no lower than the importing one; relative imports hide where they go."""
    order = {name: level for level, name in enumerate(rooms)} | {"sparkcv": 0, "cli": len(rooms), "jobs": len(rooms)}
    found = []
    for name, path in modules(root).items():
        here = room(name)
        if here == "sparkcv":  # the package itself: errors and version
            continue
        if here not in order:
            found.append(f"{name} stands in no room of the list")
            continue
        for imported in sorted(imports(path)):
            if imported.startswith("relative:"):
                found.append(f"{name} imports {imported}")
            elif imported.split(".")[0] in ("sparkcv", "jobs"):
                there = room(imported)
                if there != here and there in order and order[there] >= order[here]:
                    found.append(f"{name} imports {imported}")
    return found


def circles(root: pathlib.Path) -> list[str]:
    """Return the rooms that reach themselves again through others, found without any list."""
    reach: dict[str, set[str]] = collections.defaultdict(set)
    for name, path in modules(root).items():
        reach[room(name)] |= {room(imported) for imported in ours(path)} - {room(name), "sparkcv"}
    for middle in list(reach):
        for start in list(reach):
            if middle in reach[start]:
                reach[start] |= reach[middle]
    return sorted(name for name in reach if name in reach[name])


def doubles(root: pathlib.Path) -> list[str]:
    """Return the public classes whose name stands in two rooms."""
    places: dict[str, set[str]] = collections.defaultdict(set)
    for name, path in modules(root).items():
        if name.startswith(STOCK):
            continue
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(room(name))
    return [f"{name} in {', '.join(sorted(where))}" for name, where in sorted(places.items()) if len(where) > 1]


def test_imports_go_down_only():
    assert arrows_up(ROOT, ROOMS) == []


def test_no_rooms_import_each_other_in_a_circle():
    assert circles(ROOT) == []


def test_a_public_class_name_stands_in_one_room():
    assert doubles(ROOT) == []


def test_every_room_of_the_list_is_there():
    found = {room(name) for name in MODULES} - {"sparkcv", "jobs", "cli"}
    assert found == set(ROOMS)


@pytest.fixture
def wrong(tmp_path):
    """A function that writes a small tree of files, ``{"sparkcv/a/x.py": "import ..."}``, and returns its folder."""

    def write(files: dict[str, str]) -> pathlib.Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    "line",
    [
        "from sparkcv.high.y import f",
        "from sparkcv import high",
        "import sparkcv.high.y",
        "def f():\n    from sparkcv.high import y",
        "import jobs.train",
        "from ..high import y",
    ],
)
def test_an_arrow_up_is_found(wrong, line):
    root = wrong({"sparkcv/low/x.py": line, "sparkcv/high/y.py": "from sparkcv.low import x\n"})
    (found,) = arrows_up(root, ("low", "high"))
    assert found.startswith("sparkcv.low.x imports ")


def test_a_room_that_the_list_lacks_is_found(wrong):
    assert arrows_up(wrong({"sparkcv/attic/x.py": ""}), ("low",)) == ["sparkcv.attic.x stands in no room of the list"]


def test_a_circle_of_three_rooms_is_found(wrong):
    files = {"sparkcv/a/x.py": "import sparkcv.b.x", "sparkcv/b/x.py": "import sparkcv.c.x", "sparkcv/d/x.py": ""}
    root = wrong({**files, "sparkcv/c/x.py": "def f():\n    from sparkcv import a\n"})
    assert circles(root) == ["a", "b", "c"]


def test_a_class_name_that_stands_in_two_rooms_is_found(wrong):
    files = {"sparkcv/a/x.py": "class Plan: ...\nclass _Own: ...\n", "sparkcv/b/x.py": "class Plan: ...\n"}
    root = wrong({**files, "sparkcv/b/y.py": "class _Own: ...\n", "sparkcv/compat/x.py": "class Plan: ...\n"})
    assert doubles(root) == ["Plan in a, b"]


@pytest.mark.parametrize("name", MODULES)
def test_a_heavy_import_stands_only_at_its_address(name):
    for imported in imports(MODULES[name]):
        allowed = ADDRESSES.get(imported.split(".")[0])
        if allowed is not None:
            assert any(name == place or name.startswith(place + ".") for place in allowed), f"{name} imports {imported}"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_and_public_name_says_what_it_is(name):
    parsed = tree(MODULES[name])
    assert ast.get_docstring(parsed), f"{name} has no docstring"
    for node in parsed.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}.{node.name} has no docstring"


def test_importing_the_package_loads_neither_tensorflow_nor_pyspark():
    probe = (
        "import sys, sparkcv, sparkcv.config, sparkcv.storage, sparkcv.records.shards, sparkcv.nets;"
        "import sparkcv.driver.jobs, sparkcv.driver.train, sparkcv.cluster.agent, jobs.train_image_classifier;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'pyspark', 'tf_slim', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_exported_list_is_sorted_and_true():
    for name, path in modules().items():
        for node in tree(path).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names = ast.literal_eval(node.value)
                assert names == sorted(names), f"{name}.__all__ is not sorted"
