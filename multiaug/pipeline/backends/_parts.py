"""Batches on CPUs: parts of a fixed size, one thread per core, results put into one buffer.

A part holds as many records as are cheap to hold and dear enough to start. Its size depends on
the record alone, so a pipeline compiles once for batches of every size, and a record gets the
same bits in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from ...sampling import Carry
from ...transforms import Transform
from ...typing import Array, NDArray
from ..buffers._outputs import ALIGNMENT, Layout, Results, Target, empty, sharing_devices
from ..program._params import RecordParams
from ..program._plan import carry_of, run_batch
from ..program._structure import Run
from ..program._traits import PipelineTraits
from ._blocks import BLOCK, LRUCache, cut, kind_of, part_length, program_key, some_of, whole_block
from ._threads import in_threads


def run_in_parts(
    run: Run,
    traits: PipelineTraits,
    params: RecordParams,
    batch: Mapping[str, Any],
    flat: Set[str],
    out: Mapping[str, Any] | None,
    look: Callable[[Mapping[str, NDArray]], None] | None,
) -> Results:
    """Apply params to a batch on the local CPU devices.

    Args:
        run: the static side.
        traits: the pipeline's.
        params: what its transforms drew, leading N.
        batch: the entries, leading N; pictures with an axis of channels.
        flat: pictures whose axis of channels is to be dropped.
        out: results of an earlier call, whose memory may be used.
        look: called with the entries of every part, while they are at hand.

    Raises:
        RecordError: ``out`` is not what the call returns.
    """
    devices = jax.local_devices()
    size = len(params.key)
    shares = len(sharing_devices(size))
    held = {name: np.asarray(array) for name, array in batch.items()}
    length = part_length(held)
    parts = [
        part
        for i, device in enumerate(devices[:shares])
        for part in _parts_of(params, held, i * size // shares, size // shares, length, device)
    ]
    jobs = _programs(run, traits, parts)
    target = Target(Layout(jobs[0][0].results, size, flat, devices[:shares]), out)
    # Threads that met a new program together would each compile it.
    fresh = {program: part for program, part in reversed(jobs) if not program.compiled}
    rest = [job for job in jobs if job[1] not in fresh.values()]

    def work(program: _Program, part: Part) -> None:
        if look is not None:
            look(part.batch)
        program.call(run, traits.moving, part, target)

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
        block = whole_block(params, begin, end)
        if block is not params or only is not None:
            block = jax.device_put(block, only)
        for span in cut(begin, end, length):
            records = {name: array[span] for name, array in batch.items()}
            count = span.stop - span.start
            yield Part(block, records, span.start, span.start - begin, count, length, only)


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


_PROGRAMS: LRUCache[_Program] = LRUCache()


def _programs(
    run: Run, traits: PipelineTraits, parts: Sequence[Part]
) -> list[tuple[_Program, Part]]:
    """Every part with the program that runs it; there is one for every device."""
    key = program_key(run, traits, kind_of(parts[0].params), parts[0].batch)
    found = {}
    for part in parts:
        if part.device not in found:
            found[part.device] = _PROGRAMS.get(
                (key, part.device), partial(_Program, run, traits.moving, part)
            )
    return [(found[part.device], part) for part in parts]
