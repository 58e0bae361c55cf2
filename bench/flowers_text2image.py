"""Pictures of flowers from captions, made of class names alone: GAN-CLS on Oxford's 17 flowers, at 64 pixels.

Command (about 20 minutes on 2 idle cores)::

    python bench/flowers_text2image.py --data DIR --work_dir /tmp/flowers_text2image

DIR holds ``flowers17.tar``, as for ``flowers_captions.py``, whose division and captions these are. Writes
``WORK_DIR/pictures/grid.png``, a line of eight made pictures for each of the 17 flowers: to be looked at, as no number
says how well. The training's samples and curves are under ``WORK_DIR/run``.
"""

import argparse
import pathlib
import sys

from flowers_captions import FLOWERS, TEMPLATES, convert, job

SIZE, NUM_PICTURES = 64, 8


def main() -> int:
    """Run the jobs, and print where the grid is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--work_dir", required=True, type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--filters", type=int, default=24)
    flags = parser.parse_args()
    work = flags.work_dir.resolve()
    work.mkdir(parents=True)
    convert(flags.data, work, resize_short_side=80)
    (work / "asked.txt").write_text("".join(f"{TEMPLATES[0].format(flower)}\n" for flower in FLOWERS))
    job(
        "train_text2image.py",
        dataset_dir=work / "data",
        train_dir=work / "run",
        train_image_size=SIZE,
        gf=flags.filters,
        df=flags.filters,
        text_units=128,
        word_size=64,
        batch_size=32,
        real_target=0.9,
        augment="flip_left_right=0.5,crop=0.8:1,slim=false",
        learning_rate=2e-4,
        moving_average_decay=0.999,
        max_number_of_steps=flags.steps,
        num_ps_tasks=0,
        cluster_size=1,
        save_summaries_secs=120,
    )
    job(
        "generate_pictures.py",
        checkpoint_path=work / "run",
        captions_file=work / "asked.txt",
        num_pictures=NUM_PICTURES,
        columns=NUM_PICTURES,
        output_dir=work / "pictures",
    )
    print(f"pictures of {len(FLOWERS)} flowers: {work / 'pictures' / 'grid.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
