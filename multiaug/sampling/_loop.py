"""The formulation for CPUs: one record after the other, blocks of rows, padded pictures that stay.

Vectorised over records, XLA's gathers are 1.7 to 5 times slower on a CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array, SpatialShape
from ._blend import source_context
from ._exact import read_exactly
from ._finish import finish
from ._kernels import context_of, resample_band, validity
from ._lanes import ChannelBand, Part, lanes_of, padded_rim, resolve_slices, write
from ._locate import locate
from ._plan import (
    Exact,
    Grid,
    Job,
    SampleContext,
    Task,
    coordinates,
    materialize,
    prepared_record,
    sampling_grid,
)

# Coordinates of a block of rows: small enough for the second-level cache, large enough that
# starting the block's kernels costs little.
_BLOCK_PIXELS = 16 * 1024

Arrays = dict[str, Array]
Shapes = dict[str, jax.ShapeDtypeStruct]
Sizes = tuple[SpatialShape, SpatialShape]


@dataclass(frozen=True)
class _Group:
    """Jobs of the same sizes: the lanes of each border, and what only the reference can do."""

    sizes: Sizes
    jobs: tuple[Job, ...]
    lanes: tuple[tuple[str, tuple[ChannelBand, ...]], ...]
    rest: tuple[Part, ...]
    exact: bool

    def ordered(self) -> list[tuple[str, ChannelBand]]:
        """Every lane with its border, in the order of their padded pictures."""
        return [(border, lane) for border, lanes in self.lanes for lane in lanes]


class Carry(NamedTuple):
    """What goes from record to record, and from call to call: nothing is made anew.

    Args:
        padded: the padded picture of every lane, by group.
        work: one resampled picture for each that is changed afterwards.
        done: the results, name -> (N, ...); pictures that were changed as (N, h, w * c).
    """

    padded: list[list[Any]]
    work: dict[str, Any]
    done: dict[str, Any]


@dataclass(frozen=True)
class _Layout:
    """The static side of a run of the loop."""

    groups: tuple[_Group, ...]
    touched: Shapes
    direct: Shapes
    results: Shapes


def _stored(name: str, shape: jax.ShapeDtypeStruct, layout: _Layout) -> tuple[int, ...]:
    if name in layout.direct or len(shape.shape) != 3:
        return shape.shape  # type: ignore[no-any-return]
    return shape.shape[0], shape.shape[1] * shape.shape[2]


def first_carry(task: Task, arrays: Arrays, views: Any, own: Any) -> tuple[Carry, Shapes]:
    """The carry before the first call, as NumPy arrays, and the shapes of one record's results.

    Only shapes of the arguments are read.
    """
    layout = _layout(task, arrays, views, own)
    size = jax.tree.leaves(own)[0].shape[0]

    def sources(own: Any, arrays: Arrays, view: Any) -> list[list[Array]]:
        record = prepared_record(task, own, arrays)
        return [_sources(group, record, view) for group in layout.groups]

    shapes = jax.eval_shape(sources, *_first((own, arrays, views)))
    carry = Carry(
        [
            [padded_rim(lane, s) for (_, lane), s in zip(group.ordered(), found, strict=True)]
            for group, found in zip(layout.groups, shapes, strict=True)
        ],
        {n: np.zeros(s.shape, s.dtype) for n, s in layout.touched.items()},
        {n: np.zeros((size, *_stored(n, s, layout)), s.dtype) for n, s in layout.results.items()},
    )
    return carry, layout.results


def resample_in_loop(
    task: Task, arrays: Arrays, views: Any, own: Any, count: Array, carry: Carry
) -> Carry:
    """`resample` for CPUs: the first ``count`` records, into ``carry.done``."""
    layout = _layout(task, arrays, views, own)

    def step(i: Array, carry: Carry) -> Carry:
        mine, view = _take(own, i), _take(views, i)
        record = prepared_record(task, mine, _take(arrays, i))
        # What `after` changes is put down for it as one picture, everything else in its place.
        places = {n: (carry.work[n][None], jnp.int32(0)) for n in layout.touched}
        places |= {n: (carry.done[n], i) for n in layout.direct}
        padded = []
        for group, buffers in zip(layout.groups, carry.padded, strict=True):
            buffers = _fill(group, buffers, record, view)
            _sample(group, buffers, record, view, task, places)
            padded.append(buffers)
        work = {n: places[n][0][0] for n in layout.touched}
        done = carry.done | {n: places[n][0] for n in layout.direct}
        for n, value in task.after(mine, work).items():
            done[n] = lax.dynamic_update_index_in_dim(done[n], _long(value), i, 0)
        return Carry(padded, work, done)

    done: Carry = lax.fori_loop(0, count, step, carry)
    return done


def _long(value: Array) -> Array:
    """Rows of all channels: loops over three of them are too short to be vectorised."""
    return value.reshape(value.shape[0], -1) if value.ndim == 3 else value


def _take(tree: Any, i: Array) -> Any:
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, i, keepdims=False), tree)


def _first(tree: Any) -> Any:
    """The shapes of one record of a batch."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), tree)


def _layout(task: Task, arrays: Arrays, views: Any, own: Any) -> _Layout:
    frames = (views.warp.in_shape, views.warp.out_shape)
    given: Shapes = jax.eval_shape(partial(prepared_record, task), *_first((own, arrays)))
    jobs = [resolve_slices(job, given[job.name].shape[-1]) for job in task.jobs]
    dtypes = {name: np.dtype(shape.dtype) for name, shape in given.items()}
    sampled = {}
    for job in jobs:
        shape = (*job.size_out, int(job.bands[-1].channels.stop))
        sampled[job.name] = jax.ShapeDtypeStruct(shape, dtypes[job.name])
        if job.validity:
            sampled[f"{job.name}_valid"] = jax.ShapeDtypeStruct(job.size_out, np.bool_)
    touched = {n: s for n, s in sampled.items() if n in task.touched}
    direct = {n: s for n, s in sampled.items() if n not in task.touched}
    results = direct | jax.eval_shape(task.after, _first(own), touched)
    return _Layout(tuple(_groups(jobs, dtypes, task, frames)), touched, direct, results)


def _groups(
    jobs: Sequence[Job], dtypes: Mapping[str, Any], task: Task, frames: Sizes
) -> list[_Group]:
    by_sizes: dict[Sizes, list[Job]] = {}
    for job in jobs:
        by_sizes.setdefault((job.size_in, job.size_out), []).append(job)
    groups = []
    for sizes, members in by_sizes.items():
        exact = task.exact != "" and sizes == frames
        lanes, rest = ([], []) if exact else lanes_of(members, dtypes, task.low)
        by_border: dict[str, list[ChannelBand]] = {}
        for lane in lanes:
            by_border.setdefault(lane.parts[0][1].border, []).append(lane)
        ordered = tuple((border, tuple(found)) for border, found in by_border.items())
        groups.append(_Group(sizes, tuple(members), ordered, tuple(rest), exact))
    return groups


def _sources(group: _Group, record: Arrays, view: Any) -> list[Array]:
    sites = {job.name: _source_context(job, record[job.name].dtype, view) for job in group.jobs}
    return [lane.source(record, sites) for _, lane in group.ordered()]


def _fill(group: _Group, buffers: list[Array], record: Arrays, view: Any) -> list[Array]:
    """The padded pictures of a record."""
    sources = _sources(group, record, view)
    return [
        write(buffer, source, border)
        for buffer, source, (border, _) in zip(buffers, sources, group.ordered(), strict=True)
    ]


def _sample(
    group: _Group,
    buffers: list[Array],
    record: Arrays,
    view: Any,
    task: Task,
    places: dict[str, tuple[Array, Array]],
) -> None:
    """Write the results of a group's jobs into their places."""
    if group.exact:
        for job in group.jobs:
            _copy(job, record, view, task.exact, places)
    if group.lanes:
        targets = {job.name: places[job.name] for job in group.jobs}
        places.update(_sample_rows(group, buffers, record, view, targets))
    odd = [job for job in group.jobs if job.validity or any(j is job for j, _ in group.rest)]
    if not odd:
        return
    wanted = any(band.needs_jacobian for _, band in group.rest)
    grid = sampling_grid(view.warp, *group.sizes, jacobian=wanted)
    for job, band in group.rest:
        image = record[job.name][..., band.channels]
        context = context_of(job, grid, image.dtype, view)
        values = resample_band(image, band, job, grid, task.low, context)
        places[job.name] = _put(places[job.name], values, 0, band.channels.start)
    for job in odd:
        if job.validity:
            name = f"{job.name}_valid"
            context = context_of(job, grid, record[job.name].dtype, view)
            places[name] = _put(
                places[name], validity(record[job.name], job, grid, context), 0, None
            )


def _copy(
    job: Job, record: Arrays, view: Any, exact: Exact, places: dict[str, tuple[Array, Array]]
) -> None:
    """Whole-pixel maps: the values of the pixels, moved where the role moves them."""
    image = record[job.name]
    context = None
    if any(band.move is not None or band.encode is not None for band in job.bands):
        grid = sampling_grid(view.warp, job.size_in, job.size_out, jacobian=True)
        context = context_of(job, grid, image.dtype, view)
    for band in job.bands:
        part = image[..., band.channels]
        reading = read_exactly(part, band, view.warp, job.size_out, exact, context)
        if band.move is not None and band.method not in {"nearest", "majority"}:
            reading = reading._replace(values=jnp.asarray(reading.values).astype(jnp.float32))
        values = finish(reading, image, band, context)
        places[job.name] = _put(places[job.name], values, 0, band.channels.start)


def _put(
    place: tuple[Array, Array], values: Array, row: Array | int, channel: int | None
) -> tuple[Array, Array]:
    buffer, i = place
    start = (i, row, 0) if channel is None else (i, row, 0, channel)
    return lax.dynamic_update_slice(buffer, values[None], start), i


def _sample_rows(
    group: _Group,
    buffers: list[Array],
    record: Arrays,
    view: Any,
    targets: dict[str, tuple[Array, Array]],
) -> dict[str, tuple[Array, Array]]:
    """Run the lanes over blocks of output rows."""
    height, width = group.sizes[1]
    blocks = -(-height * width // _BLOCK_PIXELS)
    rows = -(-height // blocks)
    index = {name: i for name, (_, i) in targets.items()}

    def block(first: Array, outputs: Arrays) -> Arrays:
        outputs = dict(outputs)
        for (job, band), values in _read(group, buffers, record, view, first, rows):
            place = (outputs[job.name], index[job.name])
            outputs[job.name] = _put(place, values, first, band.channels.start)[0]
        return outputs

    outputs = {name: buffer for name, (buffer, _) in targets.items()}
    if blocks == 1:
        outputs = block(jnp.int32(0), outputs)
    else:
        # The last block begins where it still fits: some rows are made twice, alike.
        outputs = lax.fori_loop(
            0,
            -(-height // rows),
            lambda b, done: block(jnp.minimum(b * rows, height - rows), done),
            outputs,
        )
    return {name: (outputs[name], index[name]) for name in targets}


def _read(
    group: _Group, buffers: list[Array], record: Arrays, view: Any, first: Array, rows: int
) -> list[tuple[Part, Array]]:
    """What the lanes give for a block of rows."""
    parts = [part for _, lane in group.ordered() for part in lane.parts]
    borders = [border for border, _ in group.lanes]
    placed = any(band.decode is not None or band.move is not None for _, band in parts)
    slopes = any(band.needs_jacobian for _, band in parts)

    def where(numbers: Array) -> tuple[Any, ...]:
        x, y, jacobian = coordinates(view.warp, *group.sizes, numbers + first.astype(jnp.float32))
        grid, resized = Grid(x, y, None), view.warp.resized
        located = [locate(grid, group.sizes[0], b, resized=resized) for b in borders]
        return located, (x, y) if placed else None, jacobian if slopes else None

    located, position, jacobian = materialize(where, jnp.arange(rows, dtype=jnp.float32))
    result = []
    remaining = list(buffers)
    for (_, lanes), at in zip(group.lanes, located, strict=True):
        for lane in lanes:
            for part, reading in zip(lane.parts, lane.read(remaining.pop(0), at), strict=True):
                job, band = part
                image = record[job.name]
                if position is None or (band.decode is None and band.move is None):
                    result.append((part, finish(reading, image, band)))
                    continue
                grid = Grid(position[0], position[1], jacobian)
                context = context_of(job, grid, image.dtype, view, first)
                result.append((part, finish(reading, image, band, context, (at, grid))))
    return result


def _source_context(job: Job, dtype: Any, view: Any) -> SampleContext:
    blank = Grid(jnp.zeros((1, 1)), jnp.zeros((1, 1)), None)
    return source_context(context_of(job, blank, dtype, view), job.size_in)
