"""Memory of results: aligned for XLA, recycled from an earlier call, shared by devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..errors import RecordError
from ..typing import Array, NDArray

ALIGNMENT = 64  # what XLA asks of memory that it is to use in place
AXIS = "records"

Results = dict[str, Any]


class Target:
    """The results of a whole batch, as memory that parts are copied into.

    Args:
        results: name -> shape and dtype of one record's.
        size: how many records.
        flat: results that lose their last axis, which is one of channels.
        devices: which hold an equal share of it each.
        out: arrays whose memory may be used.
    """

    def __init__(
        self,
        results: Mapping[str, jax.ShapeDtypeStruct],
        size: int,
        flat: Set[str],
        devices: Sequence[jax.Device],
        out: Mapping[str, Any] | None,
    ) -> None:
        shapes = {
            name: ((size, *(s.shape[:-1] if name in flat else s.shape)), s.dtype)
            for name, s in results.items()
        }
        self._devices = devices
        self._recycled = {} if out is None else _reclaimed(out, shapes, devices)
        if self._recycled:
            self.memory = {name: view_of(array) for name, array in self._recycled.items()}
        else:
            self.memory = {name: empty(*shape) for name, shape in shapes.items()}

    def put(self, done: Mapping[str, Array], start: int, count: int) -> None:
        """Copy the first records of a part into their place."""
        for name, array in done.items():
            place = self.memory[name][start : start + count]
            place[...] = view_of(array)[:count].reshape(place.shape)

    def arrays(self) -> Results:
        """The results; nothing may be put from now on."""
        if len(self._devices) == 1:
            return self._recycled or jax.device_put(self.memory)
        mesh = Mesh(np.array(self._devices), (AXIS,))
        sharding = NamedSharding(mesh, PartitionSpec(AXIS))
        return {n: jax.device_put(m, sharding) for n, m in self.memory.items()}


def sharing_devices(size: int) -> list[jax.Device]:
    """The local devices; a result that cannot be divided equally stays on the first one."""
    devices: list[jax.Device] = jax.local_devices()
    return devices if size % len(devices) == 0 else devices[:1]


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Memory that XLA can use as it is."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw: NDArray = np.empty(size + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size].view(dtype).reshape(shape)  # type: ignore[no-any-return]


@partial(jax.jit, donate_argnums=0)
def _take_over(arrays: dict[str, Array]) -> dict[str, Array]:
    return arrays


def _reclaimed(
    out: Mapping[str, Any],
    shapes: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]],
    devices: Sequence[jax.Device],
) -> dict[str, Array]:
    """New arrays on the memory of old ones, once nobody reads those any more.

    Donating waits for computations that still use the old arrays, and invalidates them. Memory
    that is not XLA's own is copied, once: what comes back is.
    """
    for name, (shape, dtype) in shapes.items():
        found: Any = out.get(name)
        same = isinstance(found, jax.Array) and not found.is_deleted()
        if not same or (found.shape, found.dtype) != (shape, dtype):
            raise RecordError(
                f"`out` must be what an earlier call returned for a batch like this one: {name!r} "
                f"must be a jax.Array {dtype} {shape}, got {_describe(found)}. "
                "Leave `out` away for the first batch and for a shorter last one."
            )
    if len(devices) > 1:
        return {}  # each device holds a part of its own
    return jax.block_until_ready(_take_over({n: out[n] for n in shapes}))  # type: ignore[no-any-return]


def _describe(found: Any) -> str:
    if not hasattr(found, "dtype"):
        return repr(found)
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

    __array_interface__: dict[str, Any]
