"""Warp pictures by a dense flow, and the small geometry that comes with it: grids, affine maps, composed flows.

Backward: the flow of an output pixel says where in the *input* its value comes from, so each output pixel has one
value and none is left empty. Everything here is differentiable, in the picture and in the flow
(spatial transformer networks, https://arxiv.org/abs/1506.02025, section 3.3).

A flow is ``[batch, height, width, 2]``, in pixels, ``x`` (to the right) before ``y`` (downwards), as in Middlebury's
.flo files and in most papers. ``tfa.image.dense_image_warp`` has them the other way round and subtracts the flow.
Coordinates are those of pixel centres: (0, 0) is the middle of the upper left pixel.
"""

from typing import Any

from sparkcv.errors import UsageError, nearest
from sparkcv.nets.slim import tf

__all__ = ["BORDERS", "affine_flow", "backward_warp", "compose", "grid", "inside", "resize_flow", "sample"]

BORDERS = ("zeros", "border", "reflect")


def backward_warp(images: Any, flow: Any, border: str = "zeros") -> Any:
    """Return ``output[b, y, x] = images[b, y + flow[b, y, x, 1], x + flow[b, y, x, 0]]``, bilinear between pixels.

    ``images`` are floats ``[batch, height, width, channels]``, and so is the result; ``flow`` is float32 or float64
    ``[batch, height, width, 2]``. ``border`` is what lies outside: see :func:`sample`. A flow of whole numbers moves
    pixels exactly; where it is NaN, so is the result.

    Raise UsageError for a shape, a dtype or a border that does not fit.
    """
    _check_images(images, "backward_warp")
    _check_flow(flow, "backward_warp")
    for axis, name in enumerate(("batch", "height", "width")):
        if not images.shape.dims[axis].is_compatible_with(flow.shape.dims[axis]):
            raise UsageError(
                f"backward_warp: got images of shape {_shape(images)} and a flow of shape {_shape(flow)}; wanted the"
                f" same {name}"
            )
    return sample(images, _points(flow) + flow, border)


def sample(images: Any, points: Any, border: str = "zeros") -> Any:
    """Return the values of ``images`` at ``points``, bilinear between the four pixels around each.

    ``images`` are floats ``[batch, height, width, channels]``; ``points`` are float32 or float64
    ``[batch, rows, columns, 2]``, pixels in the order ``x``, ``y``. The result is ``[batch, rows, columns, channels]``
    of the images' dtype.

    ``border``: ``zeros`` has nothing but zeros around the picture; ``border`` continues its outermost pixels;
    ``reflect`` mirrors it at their centres (``d c b [a b c d] c b a``, as ``numpy.pad`` does), again and again.

    Raise UsageError for a shape, a dtype or a border that does not fit.
    """
    _check_images(images, "sample")
    _check_flow(points, "sample", "points")
    if not images.shape.dims[0].is_compatible_with(points.shape.dims[0]):
        raise UsageError(
            f"sample: got images of shape {_shape(images)} and points of shape {_shape(points)}; wanted the same batch"
        )
    if border not in BORDERS:
        hint = nearest(str(border), BORDERS, shown="{!r}")
        raise UsageError(f"unknown border {border!r}{hint} (there are: {', '.join(BORDERS)})")
    shape = tf.shape(images)
    (left, right, right_share), (top, bottom, bottom_share) = (
        _neighbours(points[..., axis], shape[2 - axis], border) for axis in (0, 1)
    )
    result = None
    for y, y_share in ((top, 1 - bottom_share), (bottom, bottom_share)):
        for x, x_share in ((left, 1 - right_share), (right, right_share)):
            weight = tf.cast(y_share * x_share, images.dtype)[..., tf.newaxis]
            value = weight * _pixels(images, x, y, border)
            result = value if result is None else result + value
    return result


def grid(height: Any, width: Any, dtype: Any = tf.float32) -> Any:
    """Return the coordinates of each pixel, ``[height, width, 2]``, ``x`` before ``y``, from 0."""
    x, y = tf.meshgrid(tf.range(width), tf.range(height))
    return tf.cast(tf.stack([x, y], axis=-1), dtype)


def inside(flow: Any) -> Any:
    """Return 1 where a flow points into the picture, else 0: the flow's dtype, ``[batch, height, width, 1]``.

    The outermost pixel centres are inside. It tells values that came from the picture from those of the border, such
    as for a loss that should not count the latter.
    """
    _check_flow(flow, "inside")
    points = _points(flow) + flow
    last = tf.cast(tf.shape(flow)[2:0:-1] - 1, flow.dtype)
    is_inside = tf.reduce_all((points >= 0) & (points <= last), axis=-1, keepdims=True)
    return tf.cast(is_inside, flow.dtype)


def affine_flow(matrices: Any, height: int, width: int) -> Any:
    """Return the flow ``[batch, height, width, 2]`` of affine maps from output pixels to input pixels.

    ``matrices`` are floats ``[batch, 2, 3]``: the input's ``(x, y)`` is ``matrix @ (x, y, 1)``. The identity gives a
    flow of 0. Raise UsageError for another shape.
    """
    if matrices.shape.rank != 3 or matrices.shape.as_list()[1:] != [2, 3] or not matrices.dtype.is_floating:
        raise UsageError(f"affine_flow: got {matrices.dtype.name}{_shape(matrices)}, wanted floats of [batch, 2, 3]")
    points = grid(height, width, matrices.dtype)
    flat = tf.reshape(points, [-1, 2])
    homogeneous = tf.concat([flat, tf.ones_like(flat[:, :1])], axis=1)
    moved = tf.einsum("bij,pj->bpi", matrices, homogeneous)
    return tf.reshape(moved, [-1, height, width, 2]) - points


def compose(first: Any, second: Any, border: str = "border") -> Any:
    """Return the flow that warps as ``first`` and then ``second`` do: ``second + backward_warp(first, second)``.

    ``backward_warp(backward_warp(images, first), second)`` interpolates twice and so blurs; warping once by the
    composed flow does not. ``border`` is what ``first`` is outside the picture.
    """
    _check_flow(first, "compose")
    return second + backward_warp(first, second, border)


def resize_flow(flow: Any, height: int, width: int) -> Any:
    """Return a flow for pictures of another size, float32: bilinear, and its pixels scaled to the new ones.

    A flow of 3 pixels to the right in a picture of width 10 is one of 6 pixels in the same picture of width 20.
    """
    _check_flow(flow, "resize_flow")
    if height < 1 or width < 1:
        raise UsageError(f"resize_flow: got {height} x {width}, wanted at least one pixel each way")
    scale = tf.cast([width, height], tf.float32) / tf.cast(tf.shape(flow)[2:0:-1], tf.float32)
    resized = tf.image.resize_bilinear(flow, [height, width], half_pixel_centers=True)
    return resized * scale


def _points(flow: Any) -> Any:
    shape = tf.shape(flow)
    return grid(shape[1], shape[2], flow.dtype)


def _neighbours(where: Any, length: Any, border: str) -> tuple[Any, Any, Any]:
    """Return the pixels left and right of coordinates (int32), and what the right one counts for."""
    last = tf.cast(length - 1, where.dtype)
    if border == "border":
        where = tf.clip_by_value(where, tf.zeros_like(last), last)
    elif border == "reflect":
        period = tf.maximum(2 * last, tf.ones_like(last))  # a single pixel has no period, and is all there is
        where = tf.math.floormod(where, period)
        where = tf.minimum(tf.minimum(where, period - where), last)
    # One beyond the edges is zeros as far as anything further is; a number that int32 does not hold is undefined.
    left = tf.cast(tf.clip_by_value(tf.floor(where), -tf.ones_like(last) - 1, last + 1), tf.int32)
    return left, left + 1, where - tf.stop_gradient(tf.floor(where))


def _pixels(images: Any, x: Any, y: Any, border: str) -> Any:
    shape = tf.shape(images)
    near_x, near_y = tf.clip_by_value(x, 0, shape[2] - 1), tf.clip_by_value(y, 0, shape[1] - 1)
    values = tf.gather_nd(images, tf.stack([near_y, near_x], axis=-1), batch_dims=1)
    if border != "zeros":
        return values
    is_inside = tf.equal(x, near_x) & tf.equal(y, near_y)
    return tf.where_v2(is_inside[..., tf.newaxis], values, tf.zeros_like(values))


def _check_images(images: Any, where: str) -> None:
    if images.shape.rank != 4 or not images.dtype.is_floating:
        raise UsageError(
            f"{where}: got images of {images.dtype.name}{_shape(images)}, wanted floats of [batch, height, width,"
            " channels]"
        )


def _check_flow(flow: Any, where: str, what: str = "a flow") -> None:
    is_shaped = flow.shape.rank == 4 and flow.shape.as_list()[3] == 2
    if not is_shaped or flow.dtype not in (tf.float32, tf.float64):
        raise UsageError(
            f"{where}: got {what} of {flow.dtype.name}{_shape(flow)}, wanted float32 or float64 of [batch, height,"
            " width, 2]"
        )


def _shape(tensor: Any) -> str:
    return str(tensor.shape.as_list()) if tensor.shape.rank is not None else " of unknown rank"
