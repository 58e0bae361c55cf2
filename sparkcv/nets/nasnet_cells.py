"""The cells of NASNet-A and PNASNet-5, as tables, and how one is built."""

from typing import Any, NamedTuple

from sparkcv.nets.slim import slim, tf

__all__ = ["Cell", "NASNET_NORMAL", "NASNET_REDUCTION", "PNASNET", "add_cell", "drop_path"]


class Cell(NamedTuple):
    """Five pairs of (state, operation): states 0 and 1 are the cell's inputs, and pair i makes state 2 + i.

    An operation is the kernel of a twice stacked separable convolution, ``max`` or ``avg`` for a 3x3 pool, or empty
    for the state as it is. ``unused`` are the states that the cell's output is made of.
    """

    pairs: tuple[tuple[tuple[int, str], tuple[int, str]], ...]
    unused: tuple[int, ...]


NASNET_NORMAL = Cell(
    (
        ((0, "5x5"), (1, "3x3")),
        ((1, "5x5"), (1, "3x3")),
        ((0, "avg"), (1, "")),
        ((1, "avg"), (1, "avg")),
        ((0, "3x3"), (0, "")),
    ),
    (1, 2, 3, 4, 5, 6),
)
NASNET_REDUCTION = Cell(
    (
        ((0, "5x5"), (1, "7x7")),
        ((0, "max"), (1, "7x7")),
        ((0, "avg"), (1, "5x5")),
        ((3, ""), (2, "avg")),
        ((2, "3x3"), (0, "max")),
    ),
    (3, 4, 5, 6),
)
PNASNET = Cell(
    (
        ((1, "5x5"), (1, "max")),
        ((0, "7x7"), (0, "max")),
        ((0, "5x5"), (0, "3x3")),
        ((4, "3x3"), (0, "max")),
        ((1, "3x3"), (0, "")),
    ),
    (2, 3, 4, 5, 6),
)


def add_cell(net: Any, before: Any, scope: str, cell: Cell, filters: int, stride: int, keep: Any) -> Any:
    """Add a cell on ``net`` and on what was ``before`` it (None at the start); return ``[batch, h, w, channels]``.

    ``keep`` is the probability, a scalar tensor, that a path of the cell is kept; None leaves nothing out.
    """
    with tf.variable_scope(scope):
        before = _fit(before, net, filters)
        states = [_normalised(tf.nn.relu(net), filters, "1x1", "beginning_bn"), before]
        for index, pair in enumerate(cell.pairs):
            with tf.variable_scope(f"comb_iter_{index}"):
                terms = []
                for side, (state, operation) in zip(("left", "right"), pair, strict=True):
                    # Only the cell's inputs still have their full size.
                    with tf.variable_scope(side):
                        step = stride if state < 2 else 1
                        terms.append(_operate(states[state], operation, filters, step, keep))
                with tf.variable_scope("combine"):
                    states.append(terms[0] + terms[1])
        with tf.variable_scope("cell_output"):
            return tf.concat(_same_size(states, cell.unused), 3)


def _fit(before: Any, net: Any, filters: int) -> Any:
    """Bring the output of the cell before the last one to the size of the last one's, and to ``filters``."""
    if before is None:
        return net
    if before.shape[2] != net.shape[2]:
        return _halve(tf.nn.relu(before), filters)
    if before.shape[3] != filters:
        return _normalised(tf.nn.relu(before), filters, "prev_1x1", "prev_bn")
    return before


def _same_size(states: list[Any], unused: tuple[int, ...]) -> list[Any]:
    """Return the states, each in the size of the last one."""
    last, found = states[-1], []
    for index in unused:
        state = states[index]
        if state.shape[2] != last.shape[2] or state.shape[3] != last.shape[3]:
            with tf.variable_scope(f"reduction_{index}"):
                filters = int(last.shape[3])
                if state.shape[2] != last.shape[2]:
                    state = _halve(state, filters)
                else:
                    state = _normalised(state, filters, "path_conv", "path_bn")
        found.append(state)
    return found


def _operate(net: Any, operation: str, filters: int, stride: int, keep: Any) -> Any:
    if not operation:
        if stride == 1 and net.shape[3] == filters:
            return net
        return _normalised(tf.nn.relu(net), filters, "1x1", "bn_1", stride)
    if operation in ("max", "avg"):
        pool = slim.max_pool2d if operation == "max" else slim.avg_pool2d
        net = pool(net, 3, stride=stride, padding="SAME")
        if net.shape[3] != filters:
            net = _normalised(net, filters, "1x1", "bn_1")
    else:
        net = _separable(net, operation, filters, stride)
    return net if keep is None else drop_path(net, keep)


def _separable(net: Any, kernel: str, filters: int, stride: int) -> Any:
    """Add relu, separable convolution and normalisation, twice."""
    size = int(kernel.split("x")[0])
    for number in (1, 2):
        scope = f"separable_{kernel}_{number}"
        net = tf.nn.relu(net)
        net = slim.separable_conv2d(net, filters, size, depth_multiplier=1, stride=stride, scope=scope)
        net = slim.batch_norm(net, scope=f"bn_sep_{kernel}_{number}")
        stride = 1
    return net


def _normalised(net: Any, filters: int, convolution: str, norm: str, stride: int = 1) -> Any:
    return slim.batch_norm(slim.conv2d(net, filters, 1, stride=stride, scope=convolution), scope=norm)


def _halve(net: Any, filters: int) -> Any:
    """Halve height and width: half of the filters see the even rows and columns, the others the odd ones."""
    shifted = tf.pad(net, [[0, 0], [0, 1], [0, 1], [0, 0]])[:, 1:, 1:, :]
    first = slim.conv2d(_every_other(net), filters // 2, 1, scope="path1_conv")
    second = slim.conv2d(_every_other(shifted), filters - filters // 2, 1, scope="path2_conv")
    return slim.batch_norm(tf.concat([first, second], 3), scope="final_path_bn")


def _every_other(net: Any) -> Any:
    return tf.nn.avg_pool2d(net, [1, 1, 1, 1], [1, 2, 2, 1], "VALID")


def drop_path(net: Any, keep: Any) -> Any:
    """Zero this path of some pictures at random, and scale up the others'."""
    kept = tf.floor(keep + tf.random.uniform([tf.shape(net)[0], 1, 1, 1]))
    return net * (1 / keep) * kept
