"""Peak memory of style transfer by optimization on a large picture, within a limit: ``python bench/style_memory.py``.

A drawn picture of 3000 x 2000 pixels, a VGG-19 of random weights, one iteration by Adam, in tiles as ``--memory_mb``
(4096) wants them: two looks at the whole picture, some ten minutes of CPU time. Prints the peak of the resident memory
of the process that makes the picture; the exit code is 0 if it is within the limit.
"""

import argparse
import pathlib
import resource
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.gallery_sheet import scene  # noqa: E402
from bench.style_gallery_inputs import strokes, weights  # noqa: E402
from sparkcv import config as configs  # noqa: E402
from sparkcv.driver import style_transfer  # noqa: E402


def main() -> int:
    """Make the picture and print what it took; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=3000)
    parser.add_argument("--height", type=int, default=2000)
    parser.add_argument("--memory_mb", type=int, default=4096)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sparkcv-memory-") as folder:
        work = pathlib.Path(folder)
        scene(600).resize((flags.width, flags.height)).save(work / "content.png")
        strokes(512).save(work / "style.png")
        config = configs.StyleTransferConfig(
            content=str(work / "content.png"),
            styles=(str(work / "style.png"),),
            network=weights(None, work).path,
            output=str(work / "made.png"),
            iterations=1,
            style_scales=(512 / flags.width,),
            memory_mb=flags.memory_mb,
        )
        begin_s = time.monotonic()
        made = style_transfer.run(None, style_transfer.prepare(config))
        print(made)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_mb, cpu_s = used.ru_maxrss * 1024 / 1e6, used.ru_utime + used.ru_stime
    print(
        f"{flags.width}x{flags.height} pixels, {time.monotonic() - begin_s:.0f} s, {cpu_s:.0f} s of CPU,"
        f" {peak_mb:.0f} MB at most of --memory_mb {flags.memory_mb}"
    )
    return 0 if peak_mb <= flags.memory_mb else 1


if __name__ == "__main__":
    sys.exit(main())
