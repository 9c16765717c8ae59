"""Mixes of eager batches on CPUs: blended, or pasted, in NumPy and C."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from ...errors import RecordError
from ...spec import EntrySpec
from ...transforms import Mixing, Step
from ...typing import NDArray
from ..buffers._working import WorkingBatch
from ..program._join import joined, joins, rows_of
from ..program._mix import several, shown, stays
from ..program._occlude import pixel_centres
from ..program._pointwise import beside_mark
from ..program._stages import Stage
from ..program._steps import steps_of_batch
from ..program._structure import groups_of
from ._blend import blend_records
from ._host import sizes_in, with_channels


def mix_on_host(stage: Stage, drawn: Any, batch: WorkingBatch) -> None:
    """Mix the records of a batch with their partners.

    Args:
        stage: the mixes.
        drawn: what the batch drew, leading N.
        batch: the entries.
    """
    for step in steps_of_batch(stage.transforms, drawn):
        mixing = step.transform
        assert isinstance(mixing, Mixing)
        size = len(next(iter(batch.arrays.values())))
        partners = several(mixing, np.asarray(mixing.partners(step.params, size)))
        weights = np.asarray(mixing.weights(step.params))[:, 1:]
        on = np.ones(size, bool) if step.on is None else np.asarray(step.on)
        weights = np.where(on[:, None], weights, np.float32(0))
        images = {n: batch.read(n) for n in sizes_in(stage.spec, batch.arrays)}
        for name, entry in stage.spec.entries.items():
            if name not in batch.arrays or stays(mixing, stage.spec, name):
                continue
            if joins(mixing, stage.spec, name):
                if entry.kind == "points":  # what describes its rows goes with it
                    _join(name, stage, step, batch, partners, on)
            elif entry.kind == "value":
                _mix_scalars(name, batch, partners, weights)
            elif type(mixing).pieces is not Mixing.pieces:
                _paste_pieces(name, stage, step, batch, images, partners[:, 0], on)
            elif mixing.pastes:
                array = batch.arrays[name]
                places = pixel_centres((array.shape[1], array.shape[2]), stage.frame)
                boxes = mixing.boxes(step.params, *places, stage.frame)
                boxes = boxes[on[boxes[:, 0]]]
                _paste(name, batch, partners, boxes, partial(shown, mixing, stage.spec, name))
            else:
                _blend(entry, batch, partners[:, 0], weights[:, 0])


def _mix_scalars(name: str, batch: WorkingBatch, partners: NDArray, weights: NDArray) -> None:
    given = batch.read(name)
    values = given.astype(np.float32)
    mixed = values
    for k in range(partners.shape[1]):
        share = weights[:, k].reshape(-1, *[1] * (given.ndim - 1))
        step = share * (values[partners[:, k]] - values)
        mixed = np.where(share > 0, mixed + step, mixed)
    # As in JAX: shares of classes need no more than 32 bits.
    dtype = np.float32 if given.dtype == np.float64 else given.dtype
    batch.new(name, given.shape, dtype)[...] = mixed


def _join(
    name: str, stage: Stage, step: Step, batch: WorkingBatch, partners: NDArray, on: NDArray
) -> None:
    """A table with the rows of several records, and what describes them."""
    mixing, spec = step.transform, stage.spec
    assert isinstance(mixing, Mixing)
    images = {n: a for n, a in batch.arrays.items() if n in spec.entries}
    tables = (name, f"{name}_visible", f"{name}_valid", *rows_of(spec, name))
    held = {**images, **{n: batch.read(n) for n in tables if n in batch.arrays}}
    done, counts = joined(mixing, spec, name, stage.frame, step.params, partners, on, held)
    room = held[name].shape[1]
    for record in np.flatnonzero(counts > room).tolist():
        raise RecordError(
            f"`{mixing.owner}` of {name!r} must find at most {room} rows in the pieces of a "
            f'record, its "capacity", got {counts[record]} in record {record} of the batch. Raise '
            f"the capacity in the spec: {1 + partners.shape[1]} times the most rows of a record "
            "are always enough."
        )
    for each, array in done.items():
        batch.new(each, array.shape, array.dtype)[...] = array


def _paste(
    name: str,
    batch: WorkingBatch,
    partners: NDArray,
    boxes: NDArray,
    show: Callable[[NDArray, Sequence[NDArray]], list[NDArray]],
) -> None:
    """Rectangles of partners.

    Args:
        name: of the entry.
        batch: the entries.
        partners: (N, S).
        boxes: as of `Mixing.boxes`.
        show: what the partners of a record show.
    """
    for each in (name, f"{name}_valid"):
        if each in batch.arrays:
            given = batch.read(each)
            out = batch.new(each, given.shape, given.dtype)
            out[...] = given
            values: dict[int, list[NDArray]] = {}
            for record, piece, y0, y1, x0, x1 in boxes.tolist():
                if record not in values:
                    others = [given[k] for k in partners[record]]
                    values[record] = show(given[record], others) if each == name else others
                out[record, y0:y1, x0:x1] = values[record][piece - 1][y0:y1, x0:x1]


def _paste_pieces(
    name: str,
    stage: Stage,
    step: Step,
    batch: WorkingBatch,
    images: Mapping[str, NDArray],
    partners: NDArray,
    on: NDArray,
) -> None:
    """Pieces that depend on what the records hold.

    Args:
        name: of the entry.
        stage: the mixes.
        step: one of them.
        batch: the entries.
        images: as they were before the step.
        partners: (N,).
        on: (N,) whether the step runs.
    """
    mixing, given, spec = step.transform, images[name], stage.spec
    assert isinstance(mixing, Mixing)
    valid = f"{name}_valid"
    out = batch.new(name, given.shape, given.dtype)
    out[...] = given
    flags = batch.read(valid) if valid in batch.arrays else None
    shown = None if flags is None else flags.copy()
    for i in np.flatnonzero(on):
        own, other = ({n: a[k] for n, a in images.items()} for k in (i, partners[i]))
        params = jax.tree.map(lambda leaf, i=i: leaf[i], step.params)
        piece: Any = mixing.pieces(params, spec, own, other, (given.shape[1], given.shape[2]))
        where = piece == 1
        values = mixing.pasted(name, own[name], other[name], spec)
        np.copyto(out[i], values, where=where.reshape(where.shape + (1,) * (given.ndim - 3)))
        if flags is not None and shown is not None:
            np.copyto(shown[i], flags[partners[i]], where=where)
    if shown is not None:
        batch.new(valid, shown.shape, shown.dtype)[...] = shown


def _blend(entry: EntrySpec, batch: WorkingBatch, partners: NDArray, weights: NDArray) -> None:
    given = batch.read(entry.name)
    out = batch.new(entry.name, given.shape, given.dtype)
    given, out = with_channels(given), with_channels(out)
    groups = groups_of(entry, given.dtype)
    for group in groups:
        channels = slice(None) if len(groups) == 1 else group.channel_slice()
        beside = 0.0
        if isinstance(group.invalid, float | int):
            beside = float(beside_mark(group, (given.dtype, given.dtype)))
        blend_records(
            given[..., channels], out[..., channels], partners, weights, group.invalid, beside
        )
    valid = f"{entry.name}_valid"
    if valid in batch.arrays:
        before = batch.read(valid)
        both = before & before[partners]
        after = batch.new(valid, before.shape, before.dtype)
        after[...] = np.where((weights > 0).reshape(-1, 1, 1), both, before)
