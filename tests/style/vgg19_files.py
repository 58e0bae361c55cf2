"""Weights of a VGG-19, random and as narrow as asked, in the forms that MatConvNet, TF-Slim and NumPy write."""

import numpy as np
import scipy.io

from sparkcv.style.vgg19_weights import ENTRIES

NARROW = (4, 6, 8, 8, 8)
MEAN = np.array([123.68, 116.779, 103.939])


def random_weights(widths=NARROW, seed=0, scale=1.0):
    """Return ``{name: (kernel [3, 3, in, out], bias [out])}``, whose layers keep the size of values."""
    rng, channels, found = np.random.default_rng(seed), 3, {}
    for name in ENTRIES:
        if name.startswith("conv"):
            width = widths[int(name[4]) - 1]
            kernel = rng.standard_normal((3, 3, channels, width), np.float32) * np.float32(np.sqrt(2 / 9 / channels))
            found[name] = kernel * np.float32(scale), rng.standard_normal(width).astype("f4") * np.float32(0.1)
            channels = width
    return found


def _struct(**fields):
    made = np.empty((1, 1), dtype=[(name, object) for name in fields])
    made[0, 0] = tuple(fields.values())
    return made


def _cell(*values):
    made = np.empty((1, len(values)), dtype=object)
    made[0] = values
    return made


def write_mat(path, weights, *, old=False, rename=(), num_layers=36):
    """Write MatConvNet's file: kernels ``[width, height, in, out]``; ``rename`` gives layers another name."""
    layers = np.empty((1, num_layers), dtype=object)
    for index, name in enumerate(ENTRIES[:num_layers]):
        told, kind = dict(rename).get(name, name), name[:4]
        if name in weights:
            kernel, bias = weights[name]
            pair = _cell(kernel.transpose(1, 0, 2, 3), bias.reshape(1, -1))
            fields = {"weights": pair, "pad": 1, "type": kind, "name": told}
            order = ("weights", "pad", "type", "name") if old else ("name", "type", "weights", "pad")
            layers[0, index] = _struct(**{field: fields[field] for field in order})
        else:
            layers[0, index] = _struct(type=kind, name=told)
    if old:
        average = np.broadcast_to(MEAN, (224, 224, 3)) + np.linspace(-1, 1, 224)[:, None, None]
        more = {"normalization": _struct(averageImage=average, keepAspect=1)}
    else:
        normalization = _struct(
            imageSize=np.array([[224.0, 224, 3]]), border=np.zeros((1, 2)), averageImage=MEAN.reshape(1, 1, 3)
        )
        more = {"meta": _struct(normalization=normalization)}
    scipy.io.savemat(path, {"layers": layers, **more})
    return str(path)


def write_npz(path, weights):
    """Write an ``.npz`` with a mean pixel."""
    arrays = {
        f"{name}/{kind}": array
        for name, pair in weights.items()
        for kind, array in zip(("weights", "biases"), pair, strict=True)
    }
    np.savez(path, mean_pixel=MEAN, **arrays)
    return str(path)


def write_checkpoint(prefix, weights):
    """Write a checkpoint with slim's names."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as session:
        for name, (kernel, bias) in weights.items():
            scope = f"vgg_19/{name.partition('_')[0]}/{name}"
            tf.get_variable(f"{scope}/weights", initializer=kernel)
            tf.get_variable(f"{scope}/biases", initializer=bias)
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(prefix), write_meta_graph=False)
