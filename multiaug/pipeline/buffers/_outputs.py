"""Memory of results: aligned for XLA, recycled from an earlier call, shared by devices."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence, Set
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..._arguments import shown
from ...errors import RecordError
from ...typing import Array, NDArray
from ._freed import FREED, LARGE

ALIGNMENT = 64  # what XLA asks of memory that it is to use in place
AXIS = "records"

Results = dict[str, Any]
Kind = tuple[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""The name of a result, its shape and its dtype."""


LATER = object()
"""In the place of a result of ``out``: its memory is for a later stage; here is other memory."""

# Results of so few bytes are cheaper to clear in JAX than to hand over to it.
_SMALL = 1 << 20
# What clears them is compiled for batches that come this often: not for every size of image.
_OFTEN = 3


class Layout:
    """What the results of batches of one size are.

    Args:
        results: name -> shape and dtype of one record's.
        size: how many records.
        flat: results that lose their last axis, which is one of channels.
        devices: which hold an equal share of it each.
        single: the only record has no leading axis.
    """

    def __init__(
        self,
        results: Mapping[str, jax.ShapeDtypeStruct],
        size: int,
        flat: Set[str],
        devices: Sequence[jax.Device],
        *,
        single: bool = False,
    ) -> None:
        self.shapes = {
            name: ((size, *(s.shape[:-1] if name in flat else s.shape)), np.dtype(s.dtype))
            for name, s in results.items()
        }
        self.devices = tuple(devices)
        self.record_bytes = {
            name: math.prod(shape[1:]) * dtype.itemsize
            for name, (shape, dtype) in self.shapes.items()
        }
        if single:
            self.shapes = {n: (shape[1:], dtype) for n, (shape, dtype) in self.shapes.items()}
        small = size * sum(self.record_bytes.values()) <= _SMALL and len(devices) == 1
        self._cleared = _cleared(tuple(self.shapes.items())) if small else None

    def arrays(self, out: Mapping[str, Any] | None) -> dict[str, Array]:
        """Arrays of JAX that nobody else has seen, to be written to; none: take other memory."""
        if out is not None:
            return _reclaimed(out, self)
        return {} if self._cleared is None else self._cleared()


class _Cleared:
    """Results of zeros, which JAX makes.

    Args:
        shapes: of the results.
    """

    def __init__(self, shapes: Sequence[Kind]) -> None:
        self._met = 0
        self._make = jax.jit(lambda: {n: jnp.zeros(*shape) for n, shape in shapes})

    def __call__(self) -> dict[str, Array]:
        """New ones; none where they have been asked for a few times only."""
        self._met += 1
        if self._met <= _OFTEN:
            return {}
        # Waited for: it would be cleared once more after somebody wrote to it.
        return {n: a.block_until_ready() for n, a in self._make().items()}


@lru_cache(64)
def _cleared(shapes: tuple[Kind, ...]) -> _Cleared:
    """One for all that makes such results: of images of many sizes, too."""
    return _Cleared(shapes)


class Target:
    """The results of one batch, as memory that is written to.

    Args:
        layout: what they are.
        out: arrays whose memory may be used.
    """

    def __init__(self, layout: Layout, out: Mapping[str, Any] | None) -> None:
        self._layout = layout
        self._arrays = layout.arrays(out)
        self._memory = {n: empty(*k) for n, k in layout.shapes.items() if n not in self._arrays}
        self._views = dict(self._memory)
        self._places = {n: a.unsafe_buffer_pointer() for n, a in self._arrays.items()}
        self._places |= {n: address_of(a) for n, a in self._memory.items()}

    def at(self, start: int) -> dict[str, int]:
        """Name -> address of the results of a record and of those behind it."""
        if start == 0:
            return self._places
        each = self._layout.record_bytes
        return {name: place + start * each[name] for name, place in self._places.items()}

    def view(self, name: str) -> NDArray:
        """The whole of a result, to be written to."""
        found = self._views.get(name)
        if found is None:
            found = self._views[name] = view_of(self._arrays[name])
        return found

    def put(self, done: Mapping[str, Array], start: int, count: int) -> None:
        """Copy the first records of a part into their place."""
        for name, array in done.items():
            place = self.view(name)[start : start + count]
            place[...] = view_of(array)[:count].reshape(place.shape)

    def arrays(self) -> Results:
        """The results; nothing may be put from now on."""
        if not self._memory:
            return self._arrays
        return {**self._arrays, **on_devices(self._memory, self._layout.devices)}


def on_devices(memory: Mapping[str, NDArray], devices: Sequence[jax.Device]) -> Results:
    """Arrays of JAX on memory from `empty`, which each of some devices holds an equal share of."""
    if len(devices) == 1:
        return jax.device_put(dict(memory))  # type: ignore[no-any-return]
    mesh = Mesh(np.array(devices), (AXIS,))
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return {n: jax.device_put(m, sharding) for n, m in memory.items()}


def sharing_devices(size: int) -> list[jax.Device]:
    """The local devices; a result that cannot be divided equally stays on the first one."""
    devices: list[jax.Device] = jax.local_devices()
    return devices if size % len(devices) == 0 else devices[:1]


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Memory that XLA can use as it is."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = size + ALIGNMENT
    raw: NDArray = FREED.take(room) if size >= LARGE else np.empty(room, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size].view(dtype).reshape(shape)  # type: ignore[no-any-return]


@partial(jax.jit, donate_argnums=0)
def _take_over(arrays: list[Array]) -> list[Array]:
    return arrays


def _reclaimed(out: Mapping[str, Any], layout: Layout) -> dict[str, Array]:
    """New arrays on the memory of old ones, once nobody reads those any more.

    Donating waits for computations that still use the old arrays, and invalidates them. Memory
    that is not XLA's own is copied, once: what comes back is.
    """
    names = [name for name in layout.shapes if out.get(name) is not LATER]
    for name in names:
        check_out(name, out.get(name), layout.shapes[name])
    if len(layout.devices) > 1:
        return {}  # each device holds a part of its own
    taken = _take_over([out[name] for name in names])
    return {n: a.block_until_ready() for n, a in zip(names, taken, strict=True)}


def reclaimed(name: str, found: Any, kind: tuple[tuple[int, ...], np.dtype[Any]]) -> Array | None:
    """A new array on the memory of an old one; None where each device holds a part of its own.

    Args:
        name: of the entry.
        found: the old array.
        kind: the shape and dtype that it must have.

    Raises:
        RecordError: it is something else.
    """
    check_out(name, found, kind)
    if len(found.devices()) > 1:
        return None
    taken: Array = _take_over([found])[0].block_until_ready()
    return taken


def check_out(name: str, found: Any, kind: tuple[tuple[int, ...], np.dtype[Any]]) -> None:
    """Refuse an old result that is not of a shape and dtype, or is gone; see `reclaimed`."""
    shape, dtype = kind
    same = isinstance(found, jax.Array) and not found.is_deleted()
    if not same or found.shape != shape or found.dtype != dtype:
        raise RecordError(
            f"`out` must be what an earlier call returned for a batch like this one: {name!r} "
            f"must be a jax.Array {dtype} {shape}, got {_describe(found)}. "
            "Leave `out` away for the first batch and for a shorter last one."
        )


def address_of(array: NDArray) -> int:
    """Of the first number of a contiguous array."""
    if array.flags.writeable and array.size and array.dtype.isbuiltin == 1:
        # A fourth of the time of the other, which any type has.
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


def _describe(found: Any) -> str:
    if not isinstance(found, jax.Array):
        return shown(found)
    spent = isinstance(found, jax.Array) and found.is_deleted()
    return f"{'deleted ' if spent else ''}{type(found).__name__} {found.dtype} {found.shape}"


def view_of(array: Array) -> NDArray:
    """The memory of a computed array, to write to while nobody else has seen it.

    Not `np.asarray`: an array that NumPy looks at cannot be donated.
    """
    shape, dtype = array.shape, array.dtype
    if not array.size:
        return np.empty(shape, dtype)
    place = _Place()
    place.owner = array  # its memory lives as long as somebody looks at it
    place.__array_interface__ = {
        "data": (array.unsafe_buffer_pointer(), False),
        "shape": shape,
        "typestr": dtype.str,
        "version": 3,
    }
    view: NDArray = np.asarray(place)
    # Types that NumPy does not know, such as bfloat16, are bytes to it.
    return view if view.dtype == dtype else view.view(dtype)


class _Place:
    """Something at an address, for NumPy."""

    owner: Array
    __array_interface__: dict[str, Any]
