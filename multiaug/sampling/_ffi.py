"""The sampler as a custom call of XLA, for batches in the middle of somebody's compiled program.

What `Bound` tells the library about a batch are structures full of addresses. A compiled program
has none yet: here `Bound.point` is told addresses that no memory has, a range of its own for every
buffer. The structures are then packed into one image, and each address becomes an entry of a
list: where it stands, and which byte of which buffer it is. `ffi.c` fills them in at every call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .._native import library
from ..typing import Array, NDArray
from ._bound import Bound, Geometry
from ._compiled import Compiled
from ._custom_call import TARGET
from ._pointwise import PointwiseProgram

_ALIGNMENT = 64
# No address of a process is as large; buffers are smaller than the distance between two of them.
_FAR, _APART = 1 << 60, 1 << 48
_IMAGE = -1


class _Buffer:
    """An array of a compiled program, in the place of one that has an address."""

    def __init__(self, number: int, shape: Sequence[int] = ()) -> None:
        self.place, self.shape = _FAR + number * _APART, tuple(shape)

    def block_until_ready(self) -> _Buffer:
        """As an array of JAX has it; there is nothing to wait for."""
        return self

    def unsafe_buffer_pointer(self) -> int:
        """As an array of JAX has it."""
        return self.place


def call_in_program(
    kernel: Compiled,
    pictures: Mapping[str, Array],
    geometry: Geometry,
    pointwise_programs: Mapping[str, Sequence[PointwiseProgram]],
    results: Mapping[str, jax.ShapeDtypeStruct],
    helpers: int,
    blocks: int,
) -> dict[str, Array]:
    """Sample a batch inside a traced program. For CPUs, and where the target is registered.

    Args:
        kernel: what is sampled.
        pictures: name -> (N, H, W, C).
        geometry: of the N records.
        pointwise_programs: name -> what is done to its channels once they are sampled.
        results: name -> shape (N, h, w, C) and dtype of what comes out.
        helpers: how many further threads may work.
        blocks: how many pieces a record is cut into for threads to share.
    """
    leaves, structure = jax.tree.flatten((geometry, dict(pointwise_programs)))
    arguments = [*pictures.values(), *leaves]
    buffers = [_Buffer(i, a.shape) for i, a in enumerate(arguments)]
    outs = {n: _Buffer(len(arguments) + i).place for i, n in enumerate(results)}
    size = len(next(iter(pictures.values())))
    record_bytes = {
        n: int(np.prod(shape.shape[1:])) * np.dtype(shape.dtype).itemsize
        for n, shape in results.items()
    }
    bound = kernel.bound(size, record_bytes, None, blocks, pointwise_programs)
    sources = {n: buffer.place for n, buffer in zip(pictures, buffers, strict=False)}
    placed, changes = jax.tree.unflatten(structure, buffers[len(pictures) :])
    bound.point(sources, {}, outs, placed, changes)
    image, pointers = _packed(bound, kernel)
    held = library()
    assert held is not None
    call = jax.ffi.ffi_call(TARGET, list(results.values()))
    done = call(
        *arguments,
        abi=np.int64(held.multiaug_abi()),
        helpers=np.int64(helpers),
        image=image,
        pointers=pointers,
    )
    return dict(zip(results, done, strict=True))


@dataclass(frozen=True)
class _Memory:
    """What a structure may point to: an array or a structure, and its place in the image."""

    what: Any
    address: int
    size: int
    place: int


def _packed(bound: Bound, kernel: Compiled) -> tuple[NDArray, NDArray]:
    """The image of what a batch is told, and its pointers (n, 3): place, buffer, offset."""
    memories: list[_Memory] = []
    end = 0
    for what in (bound.description(), *bound.memory(), *kernel.constants):
        is_array = isinstance(what, np.ndarray)
        size = what.nbytes if is_array else ctypes.sizeof(what)
        address = what.ctypes.data if is_array else ctypes.addressof(what)
        memories.append(_Memory(what, address, size, end))
        # One more byte: what is empty has a place of its own, too.
        end += -(-(size + 1) // _ALIGNMENT) * _ALIGNMENT
    image: NDArray = np.zeros(end, np.uint8)
    pointers: list[tuple[int, int, int]] = []
    for memory in memories:
        copied = image[memory.place : memory.place + memory.size]
        copied[:] = np.frombuffer(ctypes.string_at(memory.address, memory.size), np.uint8)
        if not isinstance(memory.what, np.ndarray):
            for offset, address in _addresses(memory.what):
                place = memory.place + offset
                image[place : place + ctypes.sizeof(ctypes.c_void_p)] = 0
                pointers.append((place, *_target_of(address, memories)))
    return image.view(np.int64), np.array(pointers, np.int64).reshape(-1)


def _addresses(what: Any, start: int = 0) -> Iterator[tuple[int, int]]:
    """(offset, address) of all pointers of a structure, or of an array of them, but null ones."""
    if isinstance(what, ctypes.Array):
        for i, each in enumerate(what):
            yield from _addresses(each, start + i * ctypes.sizeof(what._type_))
        return
    for name, kind, *_ in what._fields_:
        offset = start + getattr(type(what), name).offset
        if kind is ctypes.c_void_p:
            address = getattr(what, name)
            if address:
                yield offset, address
        elif issubclass(kind, ctypes.Structure):
            yield from _addresses(getattr(what, name), offset)


def _target_of(address: int, memories: Sequence[_Memory]) -> tuple[int, int]:
    """Which buffer an address is in, or the image; and which byte of it."""
    if address >= _FAR:
        return divmod(address - _FAR, _APART)
    for memory in memories:
        if memory.address <= address < memory.address + max(1, memory.size):
            return _IMAGE, memory.place + address - memory.address
    raise AssertionError("a structure points to memory that is not packed with it")
