"""The page: complete, escaped, alone in the world, and opened in a real browser."""

import html.parser
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

from sparkcv import storage
from sparkcv.evaluate import report
from sparkcv.evaluate.curves import Curves, parse
from sparkcv.evaluate.plots import Line, heat_map, line_chart
from sparkcv.evaluate.report import (
    Bar,
    Charts,
    Code,
    Fact,
    FactTable,
    Figure,
    Fold,
    Gallery,
    Heat,
    Paragraph,
    ReportPage,
    Section,
    SideBySide,
    Table,
)
from sparkcv.evaluate.sections import page

VOID = {"meta", "link", "img", "line", "circle", "path", "br"}
ELEMENTS = """
    html head title style body header main footer section div h1 h2 p dl dt dd bdi table caption thead tbody tr th td
    figure figcaption svg g text i span ul li strong pre details summary
"""
ALLOWED = VOID | set(ELEMENTS.split())


class Page(html.parser.HTMLParser):
    """What a browser would find: elements, attributes, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without its start"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def words(self):
        return " ".join("".join(self.text).split())


def every_block():
    chart = line_chart(
        "Loss <b>", [Line("a <b>", [(1, 2.0), (9, 1.0)])], x_label="step <b>", y_label="loss <b>", marks=[(3, "m <b>")]
    )
    heat = heat_map("c <b>", ["x <b>", "y"], {(0, 1): 2}, row_title="true <b>", column_title="predicted <b>")
    return [
        Paragraph("text <b>"),
        Paragraph("look <b>", "warning"),
        FactTable([Fact("label <b>", "1 <b>", "note <b>")]),
        Table("caption <b>", ["head <b>", "n"], [["cell <b>", 1234567], [Bar("half <b>", 0.5), Bar("none", None)]]),
        Charts([chart]),
        Heat(heat),
        Gallery([Figure(b"\xff\xd8\xff", "alt <b>", "title <b>", [("l <b>", "t <b>")]), Figure(b"", "gone")]),
        Code("line 1 <b>\n  line 2"),
        Fold("more <b>", [Paragraph("inner <b>"), Fold("deeper", [Code("x")])]),
        SideBySide([Paragraph("left"), Table("t", ["h"], [])]),
    ]


def test_every_kind_of_block_is_drawn_and_escaped():
    found = Page(
        report.render(ReportPage("T <b>", [Section("S <b>", every_block(), "I <b>")], "sub <b>", footer="F <b>"))
    )
    assert set(found.tags) <= ALLOWED
    assert "b" not in found.tags
    words = found.words()
    for text in ("T <b>", "S <b>", "inner <b>", "1,234,567", "half <b>", "line 1 <b>", "deeper", "no picture"):
        assert text in words


def test_a_report_without_anything_is_a_page_too():
    assert "Nothing" in Page(report.render(ReportPage("Nothing", []))).words()


def test_names_from_data_stay_data(hostile_outcome):
    text = report.render(page(hostile_outcome, Curves()))
    found = Page(text)
    assert set(found.tags) <= ALLOWED
    assert not [a for a in found.attributes if a[1].startswith("on")]
    assert {value for _, name, value in found.attributes if name in ("src", "href")} == {"data:,"}
    words = found.words()
    assert "<script>document.title='owned'</script>" in words
    assert "{{ 7 * 7 }}{% raw %}" in words
    assert "=cmd()|' /C calc'!A0" in words
    assert r"a\nb\x1b[31mred\x00" in words
    assert r"surrogate \udcff name" in words
    assert "\u202e" not in text
    assert r"קטן \u202eגדול" in words


def test_names_are_isolated_so_that_their_direction_stays_theirs(hostile_outcome):
    found = Page(report.render(page(hostile_outcome, Curves())))
    assert found.tags.count("bdi") > 40


def test_the_page_forbids_scripts_and_network_and_holds_itself_to_it(hostile_outcome):
    text = report.render(page(hostile_outcome, Curves()))
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    assert "<script" not in text
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"@import|url\(|https?:", style)


def test_a_name_of_ten_thousand_characters_is_cut():
    text = report.render(ReportPage("x" * 10_000, []))
    assert "x" * (report.MAX_TEXT - 1) + "…" in text
    assert "x" * report.MAX_TEXT not in text


def test_the_page_can_be_read_without_eyes(hostile_outcome):
    curve = parse(['{"step": 1, "loss": 2, "learning_rate": 0.1}', '{"step": 9, "loss": 1, "learning_rate": 0.1}'])
    text = report.render(page(hostile_outcome, curve))
    found = Page(text)
    assert ("html", "lang", "en") in found.attributes
    assert all('alt="' in image for image in re.findall("<img[^>]*>", text))
    assert found.tags.count("table") == found.tags.count("caption")
    assert all("scope=" in header for header in re.findall("<th[ >][^>]*", text))
    labels = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")]
    assert labels[0] == "Loss: loss from step 1 to 9, between 1 and 2, 1 at the end"
    assert found.tags.count("h1") == 1


def test_the_same_report_gives_the_same_bytes(hostile_outcome):
    assert report.render(page(hostile_outcome, Curves())) == report.render(page(hostile_outcome, Curves()))


@pytest.mark.parametrize("scheme", ["local", "memory"])
def test_a_report_is_written_to_any_storage(tmp_path, scheme):
    url = str(tmp_path / "report.html") if scheme == "local" else "memory://report-test/report.html"
    report.write_report(url, ReportPage("Ünï ✓ 猫", [Section("S", [Paragraph("\udcff")])]))
    text = storage.read_text(url)
    assert "Ünï ✓ 猫" in text
    assert r"\udcff" in text


def test_the_page_is_made_from_a_package_in_a_zip_too(tmp_path):
    package = pathlib.Path(report.__file__).parents[1]
    with zipfile.ZipFile(tmp_path / "sparkcv.zip", "w") as archive:
        for path in package.rglob("*"):
            if path.suffix in (".py", ".html", ".css"):
                archive.write(path, path.relative_to(package.parent))
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from sparkcv.evaluate import report;"
        "assert report.__file__.startswith(sys.argv[1]), report.__file__;"
        "print(report.render(report.ReportPage('From a zip', [])))"
    )
    command = [sys.executable, "-c", probe, str(tmp_path / "sparkcv.zip")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False)
    assert "<h1><bdi>From a zip</bdi></h1>" in done.stdout, done.stderr


def test_making_a_page_loads_neither_tensorflow_nor_spark_nor_a_plotting_library():
    probe = (
        "import sys, sparkcv.evaluate.sections, sparkcv.driver.evaluate;"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'pyspark', 'matplotlib'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_long_run_keeps_its_whole_line():
    points = [(i, float(i % 7)) for i in range(400)]
    chart = line_chart("Loss", [Line("loss", points)], x_label="step", y_label="loss")
    text = report.render(ReportPage("T", [Section("S", [Charts([chart])])]))
    assert len(chart.paths[0].data) > report.MAX_TEXT
    assert f'd="{chart.paths[0].data}"' in text


def test_a_real_browser_opens_the_page_without_a_script_a_request_or_a_complaint(browse, hostile_outcome):
    lines = [f'{{"step": {s}, "loss": {9 - s / 900}, "learning_rate": 0.1}}' for s in [*range(500), 450, 460]]
    visit = browse(report.render(page(hostile_outcome, parse(lines))))
    assert "<title>&lt;script&gt;document.title='owned'&lt;/script&gt;" in visit.dom
    assert visit.dom.count("<svg") == 2
    assert visit.console == []
    assert visit.requests == []
    assert visit.screenshot.startswith(b"\x89PNG")


def test_the_browser_would_have_told_of_a_script_and_a_request(browse, hostile_outcome):
    text = report.render(page(hostile_outcome, Curves()))
    smuggled = '<img src="http://report.invalid/x.png"><script>document.title = "owned"</script></body>'
    guarded = browse(text.replace("</body>", smuggled))
    assert "<title>owned" not in guarded.dom
    assert guarded.requests == []
    assert len([line for line in guarded.console if "Content Security Policy" in line]) == 2
    unguarded = browse(re.sub("<meta http-equiv[^>]*>", "", text.replace("</body>", smuggled)))
    assert "<title>owned" in unguarded.dom
    assert unguarded.requests == ["http://report.invalid/x.png"]


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_sentences_below_a_picture_are_read_whole_where_they_are_wrapped(tab, tmp_path, is_wrapped):
    lines = [("people", "two large white rings right of a small white triangle")]
    gallery = Gallery([Figure(b"", "gone", "", lines)], is_wrapped=is_wrapped)
    (tmp_path / "page.html").write_text(report.render(ReportPage("x", [Section("y", [gallery])])))
    tab.open((tmp_path / "page.html").as_uri())
    line = "document.querySelector('.line')"
    assert tab.run(f"{line}.scrollWidth <= {line}.clientWidth") is is_wrapped
