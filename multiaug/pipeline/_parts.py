"""Batches on CPUs: parts of a fixed size, one thread per core, results put into one buffer.

A part holds as many records as are cheap to hold and dear enough to start. Its size depends on
the record alone, so a pipeline compiles once for batches of every size, and a record gets the
same bits in all of them.
"""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..errors import RecordError
from ..sampling import Carry
from ..transforms import Transform
from ..typing import Array, NDArray
from ._params import RecordParams
from ._run import Run, carry_of, run_batch

# Params are drawn, and travel, in blocks of this many records: a multiple of every part.
BLOCK = 32
_LARGEST_PART = 16
# Starting a part, and handing the interpreter from thread to thread, costs as much as warping a
# small picture. A record above the limit is a part: several would leave the cache one by one.
_SMALL_RECORD = 512 * 1024
_PART_BYTES = 5 * 1024 * 1024
_ALIGNMENT = 64  # what XLA asks of memory that it is to use in place
_AXIS = "records"

Results = dict[str, Any]


def run_in_parts(
    run: Run,
    transforms: tuple[Transform, ...],
    params: RecordParams,
    batch: Mapping[str, Any],
    flat: Set[str],
    out: Mapping[str, Any] | None,
    look: Callable[[Mapping[str, NDArray]], None] | None,
) -> Results:
    """Apply params to a batch on the local CPU devices.

    Args:
        run: the static side.
        transforms: the pipeline's.
        params: what they drew, leading N.
        batch: the entries, leading N; pictures with an axis of channels.
        flat: pictures whose axis of channels is to be dropped.
        out: results of an earlier call, whose memory may be used.
        look: called with the entries of every part, while they are at hand.

    Raises:
        RecordError: ``out`` is not what the call returns.
    """
    devices = jax.local_devices()
    size = len(params.key)
    # A result that cannot be divided equally stays on the first device.
    shares = len(devices) if size % len(devices) == 0 else 1
    held = {name: np.asarray(array) for name, array in batch.items()}
    length = _part_length(held)
    parts = [
        part
        for i, device in enumerate(devices[:shares])
        for part in _cut(params, held, i * size // shares, size // shares, length, device)
    ]
    jobs = _programs(run, transforms, parts)
    shapes = {
        name: jax.ShapeDtypeStruct((size, *s.shape[: -1 if name in flat else None]), s.dtype)
        for name, s in jobs[0][0].results.items()
    }
    target = _Target(shapes, devices[:shares], out)
    # Threads that met a new program together would each compile it.
    fresh = {program: part for program, part in reversed(jobs) if not program.compiled}
    rest = [job for job in jobs if job[1] not in fresh.values()]

    def work(program: _Program, part: _Part) -> None:
        if look is not None:
            look(part.batch)
        program.call(run, transforms, part, target)

    for program, part in fresh.items():
        work(program, part)
    _in_threads([partial(work, program, part) for program, part in rest])
    return target.arrays()


@partial(jax.jit, static_argnames=("run",), donate_argnames=("carry",))
def _run_part(
    transforms: tuple[Transform, ...],
    params: RecordParams,
    span: Array,
    batch: dict[str, Array],
    carry: Carry,
    *,
    run: Run,
) -> Carry:
    """Records ``span[0] ..`` of a block of params with a part of a batch; ``span[1]`` of them."""
    length = jax.tree.leaves(batch)[0].shape[0]
    own = jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, span[0], length), params)
    done = run_batch(run, transforms, own, batch, "loop", (span[1], carry))
    assert isinstance(done, Carry)
    return done


@dataclass(frozen=True, eq=False)
class _Part:
    """Some neighbouring records of a batch.

    Args:
        params: the block of params that theirs are in.
        batch: their entries, leading N.
        start: of the part in the whole batch.
        first: of the part in the block of params.
        count: how many they are.
        length: how many the program has room for.
        device: where they run; None for the only one.
    """

    params: RecordParams
    batch: dict[str, NDArray]
    start: int
    first: int
    count: int
    length: int
    device: jax.Device | None


class _Program:
    """A pipeline compiled for parts of one shape, with the memory of the threads that run it.

    Args:
        run: the static side.
        transforms: the pipeline's; of another pipeline, their settings may differ in arrays.
        part: any part of the shape.
    """

    def __init__(self, run: Run, transforms: tuple[Transform, ...], part: _Part) -> None:
        params, batch = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((part.length, *leaf.shape[1:]), leaf.dtype),
            (part.params, part.batch),
        )
        self._first, self.results = carry_of(run, transforms, params, batch)
        self.compiled = False
        self._idle: list[tuple[Carry, dict[str, NDArray]]] = []

    def release(self) -> None:
        """Give back the memory that no thread is using."""
        self._idle.clear()

    def call(
        self, run: Run, transforms: tuple[Transform, ...], part: _Part, target: _Target
    ) -> None:
        """Run a part and copy the wanted records into their place."""
        try:
            carry, staged = self._idle.pop()
        except IndexError:
            carry, staged = jax.tree.map(np.copy, self._first), {}
        batch = {
            name: _in_place(array, name, part.length, staged) for name, array in part.batch.items()
        }
        span = np.array([part.first, part.count], np.int32)
        with nullcontext() if part.device is None else jax.default_device(part.device):
            carry = _run_part(transforms, part.params, span, batch, carry, run=run)
        target.put(jax.block_until_ready(carry).done, part)
        self.compiled = True
        self._idle.append((carry, staged))


def _part_length(batch: Mapping[str, NDArray]) -> int:
    one = sum(array.nbytes // max(1, len(array)) for array in batch.values())
    if one > _SMALL_RECORD:
        return 1
    fitting = min(_LARGEST_PART, _PART_BYTES // max(1, one))
    return 1 << (fitting.bit_length() - 1)


def _cut(
    params: RecordParams,
    batch: Mapping[str, NDArray],
    start: int,
    size: int,
    length: int,
    device: jax.Device,
) -> Iterator[_Part]:
    """The parts of a device's share of a batch, enough for all cores."""
    only = device if jax.local_device_count() > 1 else None
    for begin in range(start, start + size, BLOCK):
        end = min(begin + BLOCK, start + size)
        block = _block(params, begin, end)
        if block is not params or only is not None:
            block = jax.device_put(block, only)
        count = max(-(-(end - begin) // length), min(worker_count(), end - begin))
        step = -(-(end - begin) // count)
        for first in range(begin, end, step):
            last = min(first + step, end)
            records = {name: array[first:last] for name, array in batch.items()}
            yield _Part(block, records, first, first - begin, last - first, length, only)


def _block(params: RecordParams, begin: int, end: int) -> RecordParams:
    """Params of records begin .. end; the last one is repeated up to a whole block."""
    if end - begin == len(params.key) == BLOCK:
        return params
    index = np.minimum(np.arange(begin, begin + BLOCK), end - 1)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], params)  # type: ignore[no-any-return]


def _in_place(array: NDArray, name: str, length: int, staged: dict[str, NDArray]) -> NDArray:
    """The records of a part where XLA can read them: as they are, or in memory of the thread.

    Rows beyond the given records hold what was there before: nothing is computed of them.
    """
    aligned = array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0
    if aligned and len(array) == length:
        return array
    if name not in staged:
        staged[name] = _empty((length, *array.shape[1:]), array.dtype)
        staged[name][...] = 0
    staged[name][: len(array)] = array
    return staged[name]


# The programs that ran last. The latest keep their memory too, some pictures for each core.
_PROGRAMS: OrderedDict[Any, _Program] = OrderedDict()
_KEPT, _KEPT_WITH_MEMORY = 64, 3


def _programs(
    run: Run, transforms: tuple[Transform, ...], parts: Sequence[_Part]
) -> list[tuple[_Program, _Part]]:
    """Every part with the program that runs it; there is one for every device."""
    leaves, structure = jax.tree.flatten((transforms, parts[0].params))
    records = tuple((n, a.shape[1:], a.dtype) for n, a in parts[0].batch.items())
    key = (run, structure, records, *((np.shape(leaf), leaf.dtype) for leaf in leaves))
    found = {}
    for part in parts:
        if part.device not in found:
            found[part.device] = _program((*key, part.device), run, transforms, part)
    return [(found[part.device], part) for part in parts]


def _program(key: Any, run: Run, transforms: tuple[Transform, ...], part: _Part) -> _Program:
    program = _PROGRAMS.pop(key, None) or _Program(run, transforms, part)
    _PROGRAMS[key] = program
    while len(_PROGRAMS) > _KEPT:
        _PROGRAMS.popitem(last=False)
    for older in list(_PROGRAMS.values())[:-_KEPT_WITH_MEMORY]:
        older.release()
    return program


class _Target:
    """The results of a whole batch, as memory that parts are copied into.

    Args:
        shapes: name -> shape and dtype of the whole.
        devices: which hold an equal share of it each.
        out: arrays whose memory may be used.
    """

    def __init__(
        self,
        shapes: Mapping[str, jax.ShapeDtypeStruct],
        devices: Sequence[jax.Device],
        out: Mapping[str, Any] | None,
    ) -> None:
        self._devices = devices
        self._recycled = {} if out is None else _reclaimed(out, shapes, devices)
        self._memory = {
            name: _view_of(self._recycled[name])
            if name in self._recycled
            else _empty(shape.shape, shape.dtype)
            for name, shape in shapes.items()
        }

    def put(self, done: Mapping[str, Array], part: _Part) -> None:
        """Copy the wanted records of a part into their place."""
        for name, memory in self._memory.items():
            place = memory[part.start : part.start + part.count]
            place[...] = _view_of(done[name])[: part.count].reshape(place.shape)

    def arrays(self) -> Results:
        """The results; nothing may be put from now on."""
        if len(self._devices) == 1:
            return self._recycled or jax.device_put(self._memory)
        mesh = Mesh(np.array(self._devices), (_AXIS,))
        sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
        return {n: jax.device_put(m, sharding) for n, m in self._memory.items()}


def _empty(shape: tuple[int, ...], dtype: Any) -> NDArray:
    """Memory that XLA can use as it is."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw: NDArray = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % _ALIGNMENT
    return raw[offset : offset + size].view(dtype).reshape(shape)  # type: ignore[no-any-return]


@partial(jax.jit, donate_argnums=0)
def _take_over(arrays: dict[str, Array]) -> dict[str, Array]:
    return arrays


def _reclaimed(
    out: Mapping[str, Any],
    shapes: Mapping[str, jax.ShapeDtypeStruct],
    devices: Sequence[jax.Device],
) -> dict[str, Array]:
    """New arrays on the memory of old ones, once nobody reads those any more.

    Donating waits for computations that still use the old arrays, and invalidates them. Memory
    that is not XLA's own is copied, once: what comes back is.
    """
    for name, shape in shapes.items():
        found: Any = out.get(name)
        same = isinstance(found, jax.Array) and not found.is_deleted()
        if not same or (found.shape, found.dtype) != (shape.shape, shape.dtype):
            raise RecordError(
                f"`out` must be what an earlier call returned for a batch like this one: {name!r} "
                f"must be a jax.Array {shape.dtype} {shape.shape}, got {_describe(found)}. "
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


def _view_of(array: Array) -> NDArray:
    """The memory of a computed array, to write to while nobody else has seen it.

    Not `np.asarray`: an array that NumPy looks at cannot be donated.
    """
    if not array.nbytes:
        return np.empty(array.shape, array.dtype)
    pointer = array.unsafe_buffer_pointer()
    raw: NDArray = np.ctypeslib.as_array((ctypes.c_uint8 * array.nbytes).from_address(pointer))
    return raw.view(array.dtype).reshape(array.shape)


def worker_count() -> int:
    """How many threads share a batch: one for every core that the process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads do not survive a fork: every process has its own."""
    return ThreadPoolExecutor(worker_count(), thread_name_prefix="multiaug")


def _in_threads(jobs: list[Any]) -> None:
    """Run all jobs, this thread helping; after an error no new ones begin, and it is raised."""
    pending = iter(jobs)

    def work() -> None:
        try:
            for job in pending:
                job()
        except BaseException:
            list(pending)  # nothing is left for the others
            raise

    helpers = min(worker_count(), len(jobs)) - 1
    others = [_pool(os.getpid()).submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        errors = [other.exception() for other in others]
    for error in errors:
        if error is not None:
            raise error
