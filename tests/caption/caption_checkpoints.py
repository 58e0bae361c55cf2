"""Checkpoints of small nets of captions with random weights, under the names of each generation of TensorFlow."""

import numpy as np

from sparkcv.caption import caption_net
from sparkcv.caption.caption_net import CaptionSpec
from sparkcv.caption.caption_tower import features_of
from sparkcv.nets.slim import tf

WORDS = ("<S>", "</S>", "a", "dog", "cat", "red", "blue", "<UNK>")
GENERATIONS = {
    "today": {},
    "first weights": {"kernel": "weights", "bias": "biases"},
    "linear": {
        "basic_lstm_cell/kernel": "BasicLSTMCell/Linear/Matrix",
        "basic_lstm_cell/bias": "BasicLSTMCell/Linear/Bias",
    },
}


def write(folder, generation="today", *, model_name="cifarnet", size=32, num_words=None):
    """Write ``folder/model.ckpt-3``, the same weights whatever the names; return its prefix."""

    def name_of(variable):
        name = variable.op.name
        for ours, theirs in GENERATIONS[generation].items():
            if name.startswith("lstm/"):
                name = name.replace(ours, theirs)
        return name

    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.Session() as session:
        features = features_of(model_name, tf.zeros([1, size, size, 3]), is_training=False)
        caption_net.trained_weights(CaptionSpec(num_words or len(WORDS), int(features.shape[-1]), 6, 5))
        for variable in tf.global_variables():
            scale = 0.1 if variable.op.name.startswith(model_name.capitalize()[:3]) else 0.8
            variable.load(rng.normal(size=variable.shape.as_list()).astype(np.float32) * scale, session)
        saver = tf.train.Saver({name_of(variable): variable for variable in tf.global_variables()})
        return saver.save(session, str(folder / "model.ckpt"), global_step=3, write_meta_graph=False)


def write_vocabulary(path, words=WORDS):
    """Write ``word_counts.txt`` in the form of im2txt's program under Python 3."""
    path.write_text("".join(f"b'{word}' {100 - index}\n" for index, word in enumerate(words)))
    return path
