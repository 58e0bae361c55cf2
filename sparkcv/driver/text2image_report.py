"""The page of an evaluation of made pictures: the judge's numbers, pictures with captions, and the run's curves."""

from collections.abc import Sequence

from sparkcv.evaluate import report
from sparkcv.evaluate.curves import Curves
from sparkcv.evaluate.plots import Line, line_chart

__all__ = ["write_page"]

_TITLES = {
    "real_loss": "Loss of real pictures",
    "wrong_loss": "Loss of pictures of another caption",
    "fake_loss": "Loss of made pictures",
    "generator_loss": "Loss of the generator",
}


def write_page(url: str, said: str, pictures: Sequence[tuple[str, str]], curves: Curves) -> None:
    """Write one self-contained page; ``pictures`` are PNG files of this machine, each with its caption."""
    shown = []
    for name, caption in pictures:
        with open(name, "rb") as file:
            shown.append(report.Figure(file.read(), caption, caption, media_type="image/png"))
    sections = [
        report.Section("What the classifier says", [report.Code(said)]),
        report.Section("Made pictures", [report.Gallery(shown)], intro="Each with the caption that it was made of."),
        report.Section("Training", [_charts(curves)]),
    ]
    report.write_report(url, report.ReportPage("Pictures from captions", sections))


def _charts(curves: Curves) -> report.Block:
    charts = []
    for name, title in _TITLES.items():
        points = [(float(point.step), point.recorded.get(name)) for point in curves.points]
        chart = line_chart(title, [Line("as logged", points, "smooth")], x_label="step", y_label="loss", from_zero=True)
        charts += [chart] if chart is not None else []
    return report.Charts(charts) if charts else report.Paragraph("The run's folder holds no curves.")
