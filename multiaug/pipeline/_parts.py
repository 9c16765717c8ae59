"""Batches on CPUs: parts of a fixed size, one thread per core, results put into one buffer.

A part holds as many records as are cheap to hold and dear enough to start. Its size depends on
the record alone, so a pipeline compiles once for batches of every size, and a record gets the
same bits in all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..sampling import Carry
from ..transforms import Transform
from ..typing import Array, NDArray
from ._params import RecordParams
from ._run import Run, carry_of, run_batch
from ._target import ALIGNMENT, Results, Target, empty
from ._threads import in_threads, worker_count

# Params are drawn, and travel, in blocks of this many records: a multiple of every part.
BLOCK = 32
_LARGEST_PART = 16
# Starting a part, and handing the interpreter from thread to thread, costs as much as warping a
# small picture. A record above the limit is a part: several would leave the cache one by one.
_SMALL_RECORD = 512 * 1024
_PART_BYTES = 5 * 1024 * 1024


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
    length = part_length(held)
    parts = [
        part
        for i, device in enumerate(devices[:shares])
        for part in _parts_of(params, held, i * size // shares, size // shares, length, device)
    ]
    jobs = _programs(run, transforms, parts)
    shapes = {
        name: jax.ShapeDtypeStruct((size, *s.shape[: -1 if name in flat else None]), s.dtype)
        for name, s in jobs[0][0].results.items()
    }
    target = Target(shapes, devices[:shares], out)
    # Threads that met a new program together would each compile it.
    fresh = {program: part for program, part in reversed(jobs) if not program.compiled}
    rest = [job for job in jobs if job[1] not in fresh.values()]

    def work(program: _Program, part: Part) -> None:
        if look is not None:
            look(part.batch)
        program.call(run, transforms, part, target)

    for program, part in fresh.items():
        work(program, part)
    in_threads([partial(work, program, part) for program, part in rest])
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
    own = some_of(params, span[0], length)
    done = run_batch(run, transforms, own, batch, "loop", (span[1], carry))
    assert isinstance(done, Carry)
    return done


def some_of(tree: Any, first: Array, length: int) -> Any:
    """Records from ``first`` on of a block; beyond its end, the last one. Traceable."""
    index = jnp.minimum(first + jnp.arange(length), BLOCK - 1)
    return jax.tree.map(lambda leaf: leaf[index], tree)


@dataclass(frozen=True, eq=False)
class Part:
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

    def __init__(self, run: Run, transforms: tuple[Transform, ...], part: Part) -> None:
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

    def call(self, run: Run, transforms: tuple[Transform, ...], part: Part, target: Target) -> None:
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
        target.put(jax.block_until_ready(carry).done, part.start, part.count)
        self.compiled = True
        self._idle.append((carry, staged))


def part_length(batch: Mapping[str, NDArray]) -> int:
    one = sum(array.nbytes // max(1, len(array)) for array in batch.values())
    if one > _SMALL_RECORD:
        return 1
    fitting = min(_LARGEST_PART, _PART_BYTES // max(1, one))
    return 1 << (fitting.bit_length() - 1)


def _parts_of(
    params: RecordParams,
    batch: Mapping[str, NDArray],
    start: int,
    size: int,
    length: int,
    device: jax.Device,
) -> Iterator[Part]:
    """The parts of a device's share of a batch, enough for all cores."""
    only = device if jax.local_device_count() > 1 else None
    for begin in range(start, start + size, BLOCK):
        end = min(begin + BLOCK, start + size)
        block = _block(params, begin, end)
        if block is not params or only is not None:
            block = jax.device_put(block, only)
        for span in cut(begin, end, length):
            records = {name: array[span] for name, array in batch.items()}
            count = span.stop - span.start
            yield Part(block, records, span.start, span.start - begin, count, length, only)


def cut(begin: int, end: int, length: int) -> list[slice]:
    """Parts of at most ``length`` records, alike and enough for all threads."""
    size = end - begin
    count = max(-(-size // length), min(worker_count(), size))
    step = -(-size // count)
    return [slice(first, min(first + step, end)) for first in range(begin, end, step)]


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
    aligned = array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0
    if aligned and len(array) == length:
        return array
    if name not in staged:
        staged[name] = empty((length, *array.shape[1:]), array.dtype)
        staged[name][...] = 0
    staged[name][: len(array)] = array
    return staged[name]


# The programs that ran last. The latest keep their memory too, some pictures for each core.
_PROGRAMS: OrderedDict[Any, _Program] = OrderedDict()
_KEPT, _KEPT_WITH_MEMORY = 64, 3


def _programs(
    run: Run, transforms: tuple[Transform, ...], parts: Sequence[Part]
) -> list[tuple[_Program, Part]]:
    """Every part with the program that runs it; there is one for every device."""
    key = program_key(run, transforms, parts[0].params, parts[0].batch)
    found = {}
    for part in parts:
        if part.device not in found:
            found[part.device] = _program((*key, part.device), run, transforms, part)
    return [(found[part.device], part) for part in parts]


def program_key(
    run: Run, transforms: tuple[Transform, ...], params: RecordParams, batch: Mapping[str, NDArray]
) -> Any:
    """Equal for what the same compiled functions can run, whatever the size of the batch."""
    records = tuple((n, a.shape[1:], a.dtype) for n, a in batch.items())
    settings, pipeline = jax.tree.flatten(transforms)
    drawn, structure = jax.tree.flatten(params)
    kinds = (
        *((np.shape(leaf), leaf.dtype) for leaf in settings),
        *((np.shape(leaf)[1:], leaf.dtype) for leaf in drawn),
    )
    return run, records, pipeline, structure, kinds


def _program(key: Any, run: Run, transforms: tuple[Transform, ...], part: Part) -> _Program:
    program = _PROGRAMS.pop(key, None) or _Program(run, transforms, part)
    _PROGRAMS[key] = program
    while len(_PROGRAMS) > _KEPT:
        _PROGRAMS.popitem(last=False)
    for older in list(_PROGRAMS.values())[:-_KEPT_WITH_MEMORY]:
        older.release()
    return program
