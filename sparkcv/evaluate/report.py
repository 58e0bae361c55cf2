"""One self-contained HTML page out of sections of blocks: what a run leaves behind for a person to open.

The page needs no network and runs no script, and its Content-Security-Policy makes the browser hold that: styles
are inline, pictures are data URLs. Every text is data until the template says otherwise, so it is HTML-escaped;
control characters, which could hide or reorder text (a newline, U+202E), are shown as escapes, and names are
isolated, so that a right-to-left one does not turn its neighbours round.

A job builds a `ReportPage` from the blocks below and calls `write_report`; the evaluation's own sections are made in
`sparkcv.evaluate.sections`, and another job can put its sections before or after them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, ClassVar, Literal

import jinja2
from markupsafe import Markup, escape

from sparkcv import logs, storage
from sparkcv.evaluate.plots import HeatMap, LineChart

MAX_TEXT = 2_000
"""Characters of one piece of text that are shown; a 4 kB file name must not become the page."""


@dataclass(frozen=True)
class Fact:
    """A number to remember: ``value`` is drawn large over its ``label``, ``note`` small below."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """A table cell with a bar: ``share`` in [0, 1] is its length, None draws none."""

    text: str
    share: float | None


Cell = str | int | float | Bar
"""Numbers are set right and with thousands separated, texts left."""


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more; ``tone`` "warning" sets it off as something to look at."""

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: Literal["plain", "warning"] = "plain"


@dataclass(frozen=True)
class FactTable:
    """A row of numbers to remember."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[Fact]


@dataclass(frozen=True)
class Table:
    """Rows under headers; the first cell of a row is its header. ``caption`` says what one row is."""

    kind: ClassVar[str] = "table"
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Charts:
    """Line charts side by side, with the names of their lines below when there are several."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[LineChart]


@dataclass(frozen=True)
class Heat:
    """A heat map as an HTML table, readable up to about 50 names."""

    kind: ClassVar[str] = "heat"
    heat: HeatMap


@dataclass(frozen=True)
class Figure:
    """A picture of a gallery: its file's bytes, what it shows in words, a title, and lines (label, text) below."""

    data: bytes
    alt: str
    title: str = ""
    lines: Sequence[tuple[str, str]] = ()
    media_type: str = "image/jpeg"


@dataclass(frozen=True)
class Gallery:
    """Pictures in a grid, as thumbnails or large; a line that is longer than its picture is wide is cut or wrapped."""

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[Figure]
    is_large: bool = False
    is_wrapped: bool = False


@dataclass(frozen=True)
class Code:
    """Text in a fixed font with its own line breaks, such as a configuration."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Fold:
    """Blocks that are shut until the reader opens them; ``summary`` says what is inside."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class SideBySide:
    """Blocks side by side where the page is wide enough, else one below the other."""

    kind: ClassVar[str] = "columns"
    blocks: Sequence[Block]


Block = Paragraph | FactTable | Table | Charts | Heat | Gallery | Code | Fold | SideBySide


@dataclass(frozen=True)
class Section:
    """A titled part of the page; ``intro`` is one muted sentence under the title."""

    title: str
    blocks: Sequence[Block]
    intro: str = ""


@dataclass(frozen=True)
class ReportPage:
    """A whole page: a title, a line under it, its headline numbers, and its sections in order."""

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    facts: Sequence[Fact] = ()
    footer: str = ""


def visible(text: str) -> str:
    r"""Return ``text`` with invisible characters escaped: a newline becomes ``\n``, U+202E ``\u202e``.

    Lone surrogates (bytes of a file name that are no UTF-8) are escaped too, since no UTF-8 page can hold them;
    text past `MAX_TEXT` characters is cut with an ellipsis.
    """
    return logs.clean(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")


def _finalize(value: Any) -> Any:
    # Markup is what the template itself made; everything else is data.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _percent(share: float) -> str:
    return f"{100 * share:.4g}"


def _data_url(picture: Figure) -> Markup:
    # Markup, since the page's other texts are cut when they are long; its % escapes what is put in.
    return Markup("data:%s;base64,%s") % (picture.media_type, base64.b64encode(picture.data).decode("ascii"))


def _whole(text: str) -> Markup:
    # For our own long texts (a line's path): escaped as all, but not cut at MAX_TEXT.
    return escape(text)


def _grouped(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _source(name: str) -> str:
    return resources.files("sparkcv.evaluate").joinpath("templates", name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        # Read through importlib: the package may live inside a zip file that spark-submit ships.
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, data_url=_data_url, grouped=_grouped, whole=_whole)
    environment.tests["bar"] = lambda cell: isinstance(cell, Bar)
    return environment


def render(report: ReportPage) -> str:
    """Return the HTML page of ``report``; the same report gives the same text."""
    page = _environment().get_template("report.html")
    return page.render(report=report, css=Markup(_source("report.css")))  # noqa: S704 - our own file, no data


def write_report(url: str, report: ReportPage) -> None:
    """Write the page of ``report`` to the storage URL ``url``, whole or not at all. Raise StorageError."""
    storage.write_bytes(url, render(report).encode("utf-8"))
