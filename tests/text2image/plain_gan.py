"""GAN-CLS in NumPy, in float64 and in training: the same sums as the paper's, one loop a tap of each kernel."""

import numpy as np


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def convolve(x, kernel, stride):
    """Convolve with zeros around, as TensorFlow's SAME does."""
    taps, out = kernel.shape[0], -(-x.shape[1] // stride)
    pad = max((out - 1) * stride + taps - x.shape[1], 0)
    x = np.pad(x, ((0, 0), (pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2), (0, 0)))
    total = 0.0
    for i in range(taps):
        for j in range(taps):
            total = (
                total + x[:, i : i + out * stride : stride, j : j + out * stride : stride][:, :out, :out] @ kernel[i, j]
            )
    return total


def transpose(x, kernel):
    """Undo the sides of a convolution of stride 2: each position adds its kernel to twice the side."""
    taps, side = kernel.shape[0], x.shape[1]
    whole = np.zeros((x.shape[0], 2 * side + taps - 2, 2 * side + taps - 2, kernel.shape[2]))
    for i in range(taps):
        for j in range(taps):
            whole[:, i : i + 2 * side : 2, j : j + 2 * side : 2] += x @ kernel[i, j].T
    first = (taps - 2) // 2
    return whole[:, first : first + 2 * side, first : first + 2 * side]


def normalize(x, values, scope):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    return (x - mean) / np.sqrt(variance + 1e-5) * values[f"{scope}/gamma"] + values[f"{scope}/beta"]


def linear(x, values, scope):
    return x @ values[f"{scope}/weights"] + values[f"{scope}/biases"]


def generate(values, texts, z):
    said = leaky(linear(texts, values, "generator/text"))
    net = linear(np.concatenate([z, said], 1), values, "generator/project")
    net = np.maximum(normalize(net.reshape(len(z), 4, 4, -1), values, "generator/project_norm"), 0)
    for number in (1, 2, 3):
        net = transpose(net, values[f"generator/deconv{number}/weights"])
        net = np.maximum(normalize(net, values, f"generator/deconv{number}/BatchNorm"), 0)
    return np.tanh(transpose(net, values["generator/deconv4/weights"]) + values["generator/deconv4/biases"])


def discriminate(values, images, texts):
    net = leaky(convolve(images, values["discriminator/conv0/weights"], 2) + values["discriminator/conv0/biases"])
    for number in (1, 2, 3):
        net = convolve(net, values[f"discriminator/conv{number}/weights"], 2)
        net = leaky(normalize(net, values, f"discriminator/conv{number}/BatchNorm"))
    said = leaky(linear(texts, values, "discriminator/text"))
    both = np.concatenate([net, np.broadcast_to(said[:, None, None], (len(said), 4, 4, said.shape[1]))], 3)
    both = convolve(both, values["discriminator/join/weights"], 1)
    both = leaky(normalize(both, values, "discriminator/join/BatchNorm"))
    return linear(both.reshape(len(both), -1), values, "discriminator/logit")[:, 0]


def cross_entropy(logits, target):
    chance = 1 / (1 + np.exp(-logits))
    return -target * np.log(chance) - (1 - target) * np.log(1 - chance)


def read_characters(values, texts):
    """The character CNN-RNN: three convolutions with maxima behind them, a recurrent net, the mean of its states."""
    net = (np.arange(70) == texts[:, :, None]).astype(float)
    for scope, window, step in (("conv0", 3, 3), ("conv1", 3, 3), ("conv2", 3, 2)):
        kernel = values[f"{scope}/weights"]
        places = net.shape[1] - len(kernel) + 1
        net = sum(net[:, tap : tap + places] @ kernel[tap] for tap in range(len(kernel))) + values[f"{scope}/biases"]
        net = np.maximum(net, 0)
        starts = range(0, places - window + 1, step)
        net = np.stack([net[:, start : start + window].max(1) for start in starts], 1)
    seen = net @ values["seen/weights"] + values["seen/biases"]
    assert seen.shape[1] == 8
    state, states = 0.0, []
    for place in range(8):
        state = np.maximum(seen[:, place] + (state @ values["recurrent"] if place else 0), 0)
        states.append(state)
    return np.mean(states, 0) @ values["text/weights"] + values["text/biases"]
