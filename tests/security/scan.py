"""Finds, in Python source, every way to run what came as data (FAULTS S1, S17): by the syntax tree, not by words."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Each reads objects whose loading runs code, or builds code.
MODULES = {"_pickle", "cPickle", "cloudpickle", "code", "dill", "jsonpickle", "marshal", "pickle", "shelve", "yaml"}
BUILTINS = {"__import__", "compile", "eval", "exec"}
METHODS = {
    "marshal.load": "runs nothing, but makes code objects",
    "marshal.loads": "runs nothing, but makes code objects",
    "mktemp": "a temporary name that somebody else may take first",
    "os.popen": "a shell",
    "os.system": "a shell",
    "pickleFile": "pickles from storage",
    "read_pickle": "pickles from storage",
}
KEYWORDS = {"allow_pickle", "enable_unsafe_deserialization", "safe_mode", "shell"}
HARMLESS = {"safe_mode": True}  # of the others it is False


def findings(source: str) -> Iterator[str]:
    """``line: what`` of each thing that must not be there."""
    for node in ast.walk(ast.parse(source)):
        for what in _of(node):
            yield f"{getattr(node, 'lineno', 0)}: {what}"


def findings_in(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        for found in findings(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(folder.parent)}:{found}"


def _of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        names = []
    yield from (f"imports {name}" for name in names if MODULES & set(name.split(".")))
    if isinstance(node, ast.Name | ast.Attribute):
        dotted = ast.unparse(node)
        last = dotted.rpartition(".")[2]
        if dotted in BUILTINS or dotted in {f"builtins.{name}" for name in BUILTINS}:
            yield f"uses {dotted}"
        elif dotted in METHODS or (last in METHODS and isinstance(node, ast.Attribute)):
            yield f"uses {dotted}: {METHODS.get(dotted) or METHODS[last]}"
    if isinstance(node, ast.keyword) and node.arg in KEYWORDS:
        wanted = HARMLESS.get(node.arg, False)
        if not (isinstance(node.value, ast.Constant) and node.value.value is wanted):
            yield f"passes {node.arg}={ast.unparse(node.value)}"
