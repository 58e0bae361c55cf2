"""R15: captions per CPU-second, a batch of pictures searched together / one picture at a time as im2txt searches.

Command, some minutes on 2 cores: ``python bench/r15_captions.py``

Show and Tell at its published sizes, 12,000 words, embedding and LSTM of 512, weights at random: no caption ends before
its 20 words, on either side. Beams of 3. "The search" begins at what the encoder gives; "with the encoder" is Inception
v3 on 299 px as well, which costs each side the same. One picture at a time is im2txt's caption_generator.py by our own
hand, with its beams of Python objects and its softmax of all words fetched each step; it sorts by NumPy and takes the
three best words, where the published file looks at all words but those three, some 12,000 a beam, and takes far longer.
"""

import argparse
import contextlib
import functools
import heapq
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from side_by_side import Sample, compare

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WORDS, BEAMS, MAX_WORDS, BATCH, ROUNDS = 12_000, 3, 20, 32, 4


def main() -> int:
    """Compare the two sides by turns, and print a row of the table for each of both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--side", choices=("batched", "single"), help=argparse.SUPPRESS)
    parser.add_argument("--encoder", default="", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.side:
        print(json.dumps(measure(flags.side, flags.encoder)))
        return 0
    for encoder, what, goal in (("", "the search", ">= 4"), ("inception_v3", "with the encoder", "-")):
        sides = (functools.partial(_run, side, encoder) for side in ("batched", "single"))
        name = f"R15 captions, {what}, batches of {BATCH} / one picture at a time"
        print(compare(name, goal, *sides, unit="captions/s", rounds=flags.rounds).row(), flush=True)
    return 0


def _run(side: str, encoder: str) -> Sample:
    words = [sys.executable, __file__, f"--side={side}", f"--encoder={encoder}"]
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} failed: {done.stderr[-2000:]}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def measure(side: str, encoder: str) -> dict[str, float]:
    """Caption a batch by one side; the first time is not counted."""
    from sparkcv.caption.beam_search import BeamRules
    from sparkcv.caption.captioner import Captioner

    name, size = (encoder, 299) if encoder else ("cifarnet", 32)
    with tempfile.TemporaryDirectory() as folder:
        prefix = random_net(folder, name, size)
        captioner = Captioner(
            prefix, prefix, model_name=name, num_words=WORDS, image_size=size, preprocessing_name="inception"
        )
    images = list(np.random.default_rng(0).uniform(-1, 1, (BATCH, size, size, 3)).astype(np.float32))
    search = functools.partial(captioner.captions, rules=BeamRules(0, 1, BEAMS, MAX_WORDS))
    work = search if side == "batched" else OneByOne(captioner).captions
    with contextlib.closing(captioner):
        work(images[:BATCH] if side == "batched" else images[:2])
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        found = work(images)
        wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    assert len(found) == BATCH
    return {"items": BATCH, "wall_s": wall_s, "cpu_s": cpu_s}


def random_net(folder: str, model_name: str, size: int) -> str:
    """Write a checkpoint of random weights; return its prefix."""
    from sparkcv.caption import caption_net
    from sparkcv.caption.caption_net import CaptionSpec
    from sparkcv.caption.caption_tower import features_of
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        features = features_of(model_name, tf.zeros([1, size, size, 3]), is_training=False)
        caption_net.trained_weights(CaptionSpec(WORDS, int(features.shape[-1])))
        session.run(tf.global_variables_initializer())
        prefix: str = tf.train.Saver().save(session, os.path.join(folder, "model.ckpt"), write_meta_graph=False)
        return prefix


class OneByOne:
    """im2txt's way: each picture alone, each step's softmax of all words fetched, beams as Python objects."""

    def __init__(self, captioner: Any) -> None:
        from sparkcv.caption import caption_net
        from sparkcv.nets.slim import tf

        self._net = captioner
        with captioner._graph.as_default():
            cells, output = tf.split(captioner._state, 2, axis=1)
            cells, output = caption_net.next_state(captioner._weights, captioner._words, (cells, output))
            self._softmax = tf.nn.softmax(caption_net.word_scores(captioner._weights, output))
            self._state = tf.concat([cells, output], 1)

    def captions(self, images: list[Any]) -> list[list[tuple[float, list[int]]]]:
        """Return the best captions of each picture: score and words."""
        return [self._search(image) for image in images]

    def _search(self, image: Any) -> list[tuple[float, list[int]]]:
        net = self._net
        (state,) = net._session.run(net._first, {net._images: image[None]})
        partial: list[tuple[float, list[int], Any]] = [(0.0, [0], state)]
        complete: list[tuple[float, list[int]]] = []
        for _ in range(MAX_WORDS - 1):
            feed = {net._words: [words[-1] for _, words, _ in partial], net._state: [state for *_, state in partial]}
            softmax, states = net._session.run([self._softmax, self._state], feed)
            grown: list[tuple[float, list[int], Any]] = []
            for index, (score, words, _) in enumerate(partial):
                for word in np.argsort(softmax[index])[-BEAMS:][::-1]:
                    probability = softmax[index][word]
                    if probability < 1e-12:
                        continue
                    longer = (score + math.log(probability), [*words, int(word)])
                    if word == 1:
                        complete = heapq.nlargest(BEAMS, [*complete, longer])
                    else:
                        grown.append((*longer, states[index]))
            partial = heapq.nlargest(BEAMS, grown, key=lambda beam: beam[0])
            if not partial:
                break
        return sorted(complete or [beam[:2] for beam in partial], reverse=True)


if __name__ == "__main__":
    sys.exit(main())
