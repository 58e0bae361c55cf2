"""Which parameter server holds which variable: largest first by bytes, slots beside their variable, parts if need be.

Round robin, which slim and ``replica_device_setter`` use, puts up to 4 times the mean number of bytes of Inception
v3 on one of 8 parameter servers, and that one sets the speed. Here the largest variable goes first, each to the
server that has the least bytes so far. Where a variable is larger than a server's share, as VGG's first fully
connected layer is with two servers and Inception's last one with 16, it is cut into parts. In a checkpoint the parts
are one tensor with the variable's name, so it does not matter how many servers wrote it.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow.compat.v1 as tf

__all__ = ["PsPlan", "Size", "TOLERANCE", "custom_getter", "imbalance", "place", "plan", "whole_name", "whole_shape"]

TOLERANCE = 1.01  # the largest load over the mean one with which nobody waits for one server alone
_LEAST_PART_BYTES = 256 << 10  # as in tf.min_max_variable_partitioner: below it a message's own costs count for more


@dataclass(frozen=True)
class Size:
    """Shape and bytes of a variable: ``num_bytes`` of itself, ``slot_bytes`` of what lies beside it on its server."""

    shape: tuple[int, ...]
    num_bytes: int
    slot_bytes: int = 0

    def parts(self, count: int) -> list["Size"]:
        """Cut along the longest axis as TensorFlow does: the first parts are one longer where it is not even."""
        axis = self.axis
        length = self.shape[axis]
        found = []
        for index in range(count):
            own = length // count + (index < length % count)
            shape = (*self.shape[:axis], own, *self.shape[axis + 1 :])
            found.append(Size(shape, self.num_bytes // length * own, self.slot_bytes // length * own))
        return found

    @property
    def axis(self) -> int:
        """The first of the longest axes, along which it is cut."""
        return self.shape.index(max(self.shape))

    def most_parts(self, most: int) -> int:
        """Return into how many parts it can be cut: at most so many, and none of fewer than 256 KiB."""
        return min(most, max(self.shape, default=1), max(1, self.num_bytes // _LEAST_PART_BYTES))


@dataclass(frozen=True)
class PsPlan:
    """Server of each variable, or of each of its parts (``NAME/part_0``), and the number of parts of those cut."""

    places: Mapping[str, int]
    parts: Mapping[str, int]
    loads: tuple[int, ...]


def place(num_bytes: Mapping[str, int], num_ps: int) -> dict[str, int]:
    """Spread named variables over ``num_ps`` servers: name to server index, largest first, to the least loaded.

    Depends on names and sizes only, so every worker finds the same places.
    """
    laden = [(0, index) for index in range(num_ps)]
    places = {}
    for name in sorted(num_bytes, key=lambda name: (-num_bytes[name], name)):
        load, index = heapq.heappop(laden)
        places[name] = index
        heapq.heappush(laden, (load + num_bytes[name], index))
    return places


def imbalance(loads: Iterable[int]) -> float:
    """Return the largest of the loads over their mean; 1 where there is nothing to carry."""
    values = list(loads)
    return max(values) * len(values) / total if (total := sum(values)) else 1.0


def plan(sizes: Mapping[str, Size], num_ps: int) -> PsPlan:
    """Place variables on ``num_ps`` servers, and cut as few as it takes, the largest first.

    Nothing is cut where whole variables spread evenly enough, to within ``TOLERANCE``. What is cut has a part for each
    server, or some more if that is not even enough. Where nothing is, as with nets of a few MB, whose parts would be
    too small, the most even way is taken.
    """
    best = _placed(sizes, {}, num_ps)
    for times in (1, 2, 4):
        if imbalance(best.loads) <= TOLERANCE:
            break
        best = min(best, _cut(sizes, num_ps, times * num_ps), key=lambda found: max(found.loads))
    return best


def _cut(sizes: Mapping[str, Size], num_ps: int, most: int) -> PsPlan:
    """Cut one variable more until they are even, the largest first, each into ``most`` parts if it has so much."""
    best = _placed(sizes, {}, num_ps)
    parts: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name].num_bytes, name)):
        count = sizes[name].most_parts(most)
        if imbalance(best.loads) <= TOLERANCE or count < 2:
            break
        parts[name] = count
        found = _placed(sizes, parts, num_ps)
        if max(found.loads) < max(best.loads):
            best = found
    return best


def _placed(sizes: Mapping[str, Size], parts: Mapping[str, int], num_ps: int) -> PsPlan:
    num_bytes = {}
    for name, size in sizes.items():
        pieces = {name: size}
        if name in parts:
            pieces = {f"{name}/part_{index}": part for index, part in enumerate(size.parts(parts[name]))}
        num_bytes.update({piece: part.num_bytes + part.slot_bytes for piece, part in pieces.items()})
    places = place(num_bytes, num_ps)
    loads = [0] * num_ps
    for piece, index in places.items():
        loads[index] += num_bytes[piece]
    return PsPlan(places, dict(parts), tuple(loads))


def custom_getter(placement: PsPlan) -> Callable[..., Any]:
    """Return a ``custom_getter`` of a variable scope that makes variables in the parts that ``placement`` has."""

    def get(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        count = placement.parts.get(name)
        if count is not None:
            kwargs["partitioner"] = lambda shape, dtype: _counts(tuple(shape.as_list()), count)
        return getter(name, *args, **kwargs)

    return get


def _counts(shape: tuple[int, ...], count: int) -> list[int]:
    counts = [1] * len(shape)
    counts[Size(shape, 0).axis] = count
    return counts


def whole_name(variable: Any) -> str:
    """Return the name that a variable, or the whole of which it is a part, has in a checkpoint."""
    whole = _slice_of(variable)
    return str(whole.full_name if whole is not None else variable.op.name)


def whole_shape(variable: Any) -> list[int]:
    """Return the shape that a variable, or the whole of which it is a part, has in a checkpoint."""
    whole = _slice_of(variable)
    return list(whole.full_shape) if whole is not None else variable.shape.as_list()


def _slice_of(variable: tf.Variable) -> Any:
    """Return TensorFlow's note of the part that a variable is; it has no public name."""
    return getattr(variable, "_save_slice_info", None)
