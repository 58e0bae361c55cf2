"""The published transformer nets on their published pictures: ``python -m bench.style_published --data DIR``.

DIR holds ``ckpts/udnie`` and ``ckpts/scream``, dumps of two checkpoints of the program of
https://github.com/lengstrom/fast-style-transfer as https://github.com/reiinakano/fast-style-transfer-deeplearnjs has
them, and ``pictures/`` with ``stata.jpg``, ``stata_udnie.jpg``, ``chicago.jpg`` and ``chicago_the_scream.jpg``. The
weights are for research only and no part of the project. With ``--output DIR`` the pictures made are kept, to be looked
at. The exit code is 0 if both reach their peak signal-to-noise ratio.
"""

import argparse
import pathlib
import sys
import time

import numpy as np
from PIL import Image

from sparkcv.nets.slim import tf
from sparkcv.style import transformer_net, transformer_weights
from sparkcv.style.strips import StripNet

# Checkpoint, content, what was published of both, and the least ratio in dB: JPEG's loss is in it. The pictures were
# published by another version of the program, and one of them cropped.
CASES = (("udnie", "stata", "stata_udnie", 32.0), ("scream", "chicago", "chicago_the_scream", 29.0))


def main() -> int:
    """Stylize as published, with mirrored edges and in strips; print a row each; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args()
    is_reached = True
    for style, content, result, least in CASES:
        published = transformer_weights.load(str(args.data / "ckpts" / style))
        picture, wanted = (_read(args.data / "pictures" / f"{name}.jpg") for name in (content, result))
        for padding in ("same", "reflect"):
            weights = published.padded(padding)
            started_s = time.perf_counter()
            whole = _whole(weights, picture)
            whole_s = time.perf_counter() - started_s
            net = StripNet(weights, 0, strip_pixels=1 << 16)
            strips = net.stylize(picture)
            net.close()
            made = np.clip(whole, 0, 255).astype(np.uint8)
            ratio, row = max(
                (_psnr(made[at : at + len(wanted)], wanted), at) for at in range(len(made) - len(wanted) + 1)
            )
            said = f"{result:<20} {padding:<8} {ratio:5.2f} dB from row {row}, strips differ by"
            print(f"{said} {np.abs(strips - whole).max():.4f} of 255 at most, {whole_s:.1f} s")
            if padding == "same":
                is_reached = is_reached and ratio >= least
            if args.output:
                args.output.mkdir(parents=True, exist_ok=True)
                Image.fromarray(made).save(args.output / f"{result}_{padding}.png")
    return 0 if is_reached else 1


def _whole(weights, picture):
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = tf.constant(picture[None], tf.float32)
        return session.run(transformer_net.stylize(pixels, weights.spec, transformer_net.constants(weights.arrays)))[0]


def _read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def _psnr(got, wanted):
    return 10 * np.log10(255.0**2 / np.square(got.astype(float) - wanted).mean())


if __name__ == "__main__":
    sys.exit(main())
