"""3 x 3 convolutions with a quarter of the multiplications, and their gradient: Winograd's F(4 x 4, 3 x 3).

Lavin and Gray 2015, https://arxiv.org/abs/1509.09308: tiles of 6 x 6 values and a kernel are transformed, multiplied
point by point (a product of matrices over the channels for each of 36 points), and transformed back to 4 x 4 values.
The results differ from those of a direct convolution by some 1e-5 of the largest. With few channels the transformations
cost more than the multiplications saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkcv.light_tensorflow import tf

__all__ = ["LEAST_CHANNELS", "convolve", "transformed"]

LEAST_CHANNELS = 128
_SIXTH, _TWELFTH, _24TH = 1 / 6, 1 / 12, 1 / 24
_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-_SIXTH, -_SIXTH, -_SIXTH],
        [-_SIXTH, _SIXTH, -_SIXTH],
        [_24TH, _TWELFTH, _SIXTH],
        [_24TH, -_TWELFTH, _SIXTH],
        [0, 0, 1],
    ]
)


def transformed(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a kernel ``[3, 3, in, out]`` as :func:`convolve` takes it, float32 ``[36, in, out]``."""
    made = np.einsum("ai,bj,ijck->abck", _KERNEL, _KERNEL, kernel, optimize=True)
    return made.reshape(36, *kernel.shape[2:]).astype(np.float32)


def convolve(images: Any, kernel: Any) -> Any:
    """Return the convolution, stride 1, padded to the same size, of float32 ``[1, height, width, in]``.

    ``kernel`` is a tensor of what :func:`transformed` gives; its gradient is not computed.
    """

    @tf.custom_gradient
    def run(values: Any) -> tuple[Any, Any]:
        height, width = (tf.shape(values)[axis] for axis in (1, 2))
        return _forward(values, kernel, height, width), lambda slope: _backward(slope, kernel, height, width)

    made = run(images)
    made.set_shape([*images.shape[:3], kernel.shape[2]])
    return made


def _forward(values: Any, kernel: Any, height: Any, width: Any) -> Any:
    rows, columns = (height + 3) // 4, (width + 3) // 4
    padded = tf.pad(values, [[0, 0], [1, 4 * rows + 3 - height], [1, 4 * columns + 3 - width], [0, 0]])
    padded = tf.reshape(padded, [rows + 1, 4, columns + 1, 4, kernel.shape[1]])
    points: list[Any] = []
    for line in _into([padded[:-1, at] for at in range(4)] + [padded[1:, at] for at in range(2)]):
        points += _into([line[:, :-1, at] for at in range(4)] + [line[:, 1:, at] for at in range(2)])
    products = tf.matmul(tf.reshape(tf.stack(points), [36, rows * columns, kernel.shape[1]]), kernel)
    products = tf.unstack(tf.reshape(products, [36, rows, columns, kernel.shape[2]]))
    across = [_out_of(products[6 * at : 6 * at + 6]) for at in range(6)]
    lines = [tf.stack(_out_of([line[at] for line in across]), axis=1) for at in range(4)]  # [rows, 4, columns, out]
    return tf.reshape(tf.stack(lines, axis=3), [1, 4 * rows, 4 * columns, kernel.shape[2]])[:, :height, :width]


def _backward(slope: Any, kernel: Any, height: Any, width: Any) -> Any:
    """Return the gradient by the values: each step of :func:`_forward` transposed, last first."""
    rows, columns = (height + 3) // 4, (width + 3) // 4
    padded = tf.pad(slope, [[0, 0], [0, 4 * rows - height], [0, 4 * columns - width], [0, 0]])
    padded = tf.reshape(padded, [rows, 4, columns, 4, kernel.shape[2]])
    points: list[Any] = []
    for line in _out_of_transposed([padded[:, at] for at in range(4)]):
        points += _out_of_transposed([line[:, :, at] for at in range(4)])
    products = tf.matmul(tf.reshape(tf.stack(points), [36, rows * columns, kernel.shape[2]]), kernel, transpose_b=True)
    products = tf.unstack(tf.reshape(products, [36, rows, columns, kernel.shape[1]]))
    lines = []
    for at in range(6):
        sixth = _into_transposed(products[6 * at : 6 * at + 6])
        lines.append(tf.stack(_overlapped(sixth, [[0, 0], [0, 1], [0, 0]], [[0, 0], [1, 0], [0, 0]]), axis=2))
    lines = _into_transposed(lines)
    whole = _overlapped(lines, [[0, 1]] + [[0, 0]] * 3, [[1, 0]] + [[0, 0]] * 3)
    made = tf.reshape(tf.stack(whole, axis=1), [1, 4 * (rows + 1), 4 * (columns + 1), kernel.shape[1]])
    return made[:, 1 : height + 1, 1 : width + 1]


def _overlapped(six: list[Any], behind: Any, before: Any) -> list[Any]:
    """Return the four lines of each tile: the last two of six are the first two of the next tile."""
    return [
        tf.pad(line, behind) + tf.pad(six[at + 4], before) if at < 2 else tf.pad(line, behind)
        for at, line in enumerate(six[:4])
    ]


def _into(lines: list[Any]) -> list[Any]:
    """Transform six lines of a tile into six points."""
    first, second, third, fourth, fifth, sixth = lines
    even, odd = fifth - 4.0 * third, fourth - 4.0 * second
    outer, inner = fifth - third, 2.0 * (fourth - second)
    return [
        even - third + 4.0 * first,
        even + odd,
        even - odd,
        outer + inner,
        outer - inner,
        sixth - 5.0 * fourth + 4.0 * second,
    ]


def _into_transposed(points: list[Any]) -> list[Any]:
    first, plus, minus, twice, negative, last = points
    near, near_odd = plus + minus, plus - minus
    far, far_odd = twice + negative, 2.0 * (twice - negative)
    return [
        4.0 * first,
        4.0 * (last - near_odd) - far_odd,
        -5.0 * first - 4.0 * near - far,
        near_odd + far_odd - 5.0 * last,
        first + near + far,
        last,
    ]


def _out_of(points: list[Any]) -> list[Any]:
    """Transform six points into four lines."""
    first, plus, minus, twice, negative, last = points
    near, near_odd = plus + minus, plus - minus
    far, far_odd = twice + negative, twice - negative
    return [first + near + far, near_odd + 2.0 * far_odd, near + 4.0 * far, near_odd + 8.0 * far_odd + last]


def _out_of_transposed(lines: list[Any]) -> list[Any]:
    first, second, third, fourth = lines
    near, near_odd = first + third, second + fourth
    far, far_odd = first + 4.0 * third, 2.0 * second + 8.0 * fourth
    return [first, near + near_odd, near - near_odd, far + far_odd, far - far_odd, fourth]
