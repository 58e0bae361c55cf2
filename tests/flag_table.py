"""The table of flags in docs/training.md, as the dataclass has them; ``python -m tests.flag_table`` writes it."""

import dataclasses
import pathlib

from sparkcv.config import TrainConfig
from tests.test_config import SLIM_TRAIN_DEFAULTS

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "training.md"
BEGIN, END = "<!-- flags: written by python -m tests.flag_table -->\n", "<!-- end of flags -->\n"


def table() -> str:
    """Every flag with its default, what it may be, and what it does, by the groups of ``--help``."""
    groups: dict[str, list[str]] = {}
    for field in dataclasses.fields(TrainConfig):
        facts = field.metadata
        allowed = ", ".join(f"`{choice}`" for choice in facts["choices"] or ()) or str(facts["range"] or "")
        default = "" if field.default is None else "`''`" if field.default == "" else f"`{field.default}`"
        what = facts["help"].replace("|", "\\|")
        is_slims = field.name in SLIM_TRAIN_DEFAULTS or field.name == "num_ps_tasks"  # slim's, with another default
        name = f"`--{field.name}`" + ("" if is_slims else " *ours*")
        groups.setdefault(facts["group"], []).append(f"| {name} | {default} | {allowed} | {what} |")
    parts = []
    for name, rows in groups.items():
        head = f"### {name[0].upper()}{name[1:]}\n\n| flag | default | wanted | what it is |\n|--|--|--|--|\n"
        parts.append(head + "\n".join(rows) + "\n\n")
    return "".join(parts)


def with_table(page: str) -> str:
    """Return the page with the table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
