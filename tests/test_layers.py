"""The house's rule: imports go down only, and each heavy import has one address."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The first prefix that fits decides; a higher floor may import lower ones and its own.
FLOORS = (
    ("jobs", 5),
    ("sparkcv.driver", 4),
    ("sparkcv.compat", 4),
    ("sparkcv.cluster.topology", 1),
    ("sparkcv.cluster.memory", 1),
    ("sparkcv.cluster.messages", 1),
    ("sparkcv.cluster.spark_errors", 1),
    ("sparkcv.cluster.job_group", 1),
    ("sparkcv.cluster.seal", 1),
    ("sparkcv.cluster.stream", 1),
    ("sparkcv.cluster.ports", 1),
    ("sparkcv.cluster.listener", 1),
    ("sparkcv.cluster.forks", 1),
    ("sparkcv.cluster.node", 3),
    ("sparkcv.cluster", 4),
    ("sparkcv.feeding", 2),
    ("sparkcv.predict.scoring", 4),
    ("sparkcv.predict.publish", 4),
    ("sparkcv.serve", 4),
    ("sparkcv.inputs", 3),
    ("sparkcv.train", 3),
    ("sparkcv.evaluate", 3),
    ("sparkcv.predict", 3),
    ("sparkcv.preprocess", 2),
    ("sparkcv.nets", 2),
    ("sparkcv.storage", 1),
    ("sparkcv.records", 1),
    ("sparkcv.synthetic", 1),
    ("sparkcv.errors", 0),
    ("sparkcv.config", 0),
    ("sparkcv.logs", 0),
    ("sparkcv", 0),
)

# Who may import what takes seconds, or what must have one address.
ADDRESSES = {
    "tf_slim": ("sparkcv.nets.slim",),
    "tf_keras": ("sparkcv.nets.slim",),
    "tensorflow": (
        "sparkcv.nets",
        "sparkcv.preprocess",
        "sparkcv.inputs",
        "sparkcv.train",
        "sparkcv.evaluate",
        "sparkcv.predict.export",
        "sparkcv.predict.engines",
        "sparkcv.compat",
    ),
    "tensorflowonspark": ("sparkcv.cluster.launchers.tfos",),
    "hdfs_native": ("sparkcv.storage",),
    "fsspec": ("sparkcv.storage",),
    "pyspark": (
        "sparkcv.cluster",
        "sparkcv.compat",
        "sparkcv.driver",
        "sparkcv.feeding",
        "sparkcv.predict",
        "sparkcv.records.convert",
        "jobs",
    ),
    "pickle": (),
}


def modules() -> dict[str, pathlib.Path]:
    found = {}
    for top in ("sparkcv", "jobs"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def floor(name: str) -> int:
    return next(level for prefix, level in FLOORS if name == prefix or name.startswith(prefix + "."))


@pytest.mark.parametrize("name", modules())
def test_imports_go_down_only(name):
    for imported in imports(modules()[name]):
        if imported.split(".")[0] in ("sparkcv", "jobs"):
            assert floor(imported) <= floor(name), (
                f"{name} (floor {floor(name)}) imports {imported} (floor {floor(imported)})"
            )


@pytest.mark.parametrize("name", modules())
def test_a_heavy_import_stands_only_at_its_address(name):
    for imported in imports(modules()[name]):
        allowed = ADDRESSES.get(imported.split(".")[0])
        if allowed is not None:
            assert any(name == place or name.startswith(place + ".") for place in allowed), f"{name} imports {imported}"


@pytest.mark.parametrize("name", modules())
def test_every_module_and_public_name_says_what_it_is(name):
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{name} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}.{node.name} has no docstring"


def test_importing_the_package_loads_neither_tensorflow_nor_pyspark():
    probe = (
        "import sys, sparkcv, sparkcv.config, sparkcv.storage, sparkcv.records.shards, sparkcv.nets;"
        "import sparkcv.driver.job, sparkcv.driver.train, sparkcv.cluster.agent, jobs.train_image_classifier;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'pyspark', 'tf_slim', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_exported_list_is_sorted_and_true():
    for name, path in modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                names = ast.literal_eval(node.value)
                assert names == sorted(names), f"{name}.__all__ is not sorted"
