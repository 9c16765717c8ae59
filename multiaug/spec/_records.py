"""Does a record have the structure that its spec declares: names, ranks, shapes, dtypes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from .._arguments import FLAG, RECORD, checked
from ..errors import RecordError
from ..typing import SpatialShape
from ._mistakes import listed, suggest
from ._model import EntrySpec
from ._spec import SPEC_KIND, DataSpec
from ._traits import role_generation


class _Described(NamedTuple):
    """What is looked at of an array."""

    shape: tuple[int, ...]
    dtype: Any
    narrowed: bool
    """JAX, which has it, holds no 64 bits: int64 came to it as int32."""


@checked(spec=SPEC_KIND, record=RECORD, batch=FLAG, dtypes=FLAG, partial=FLAG)
def check_structure(
    spec: DataSpec,
    record: Mapping[str, Any],
    *,
    batch: bool,
    frame: SpatialShape | None = None,
    dtypes: bool = True,
    partial: bool = False,
) -> SpatialShape:
    """Refuse a record whose arrays are not the ones that the spec declares.

    Only ``.shape`` and ``.dtype`` are looked at, so tracers and `jax.ShapeDtypeStruct` will do.
    Pictures are (H, W, C), or (H, W) where the spec says one channel, with a leading T where it
    says ``time``; tables of points are (K, columns), and K may be 0. Pictures of different sizes
    must cover the same field of view: their proportions agree to within one pixel.

    Args:
        spec: what the record should hold.
        record: arrays by entry name.
        batch: every array has a leading axis of records, of the same length.
        frame: (H, W) of the reference picture, for records that need not hold it.
        dtypes: check dtypes too.
        partial: entries may be missing even when the spec does not call them optional.

    Returns:
        (H, W) of the reference picture.

    Raises:
        RecordError: with everything that is wrong, each with entry, found and expected.
    """
    described = {
        name: _Described(tuple(array.shape), array.dtype, hasattr(array, "aval"))
        if hasattr(array, "shape") and hasattr(array, "dtype")
        else type(array)
        for name, array in record.items()
    }
    kinds = tuple(described.items())
    return _checked(spec, kinds, batch, frame, dtypes, partial, role_generation())


# A training loop asks the same for every batch.
@lru_cache(maxsize=256)
def _checked(
    spec: DataSpec,
    described: tuple[tuple[str, _Described | type], ...],
    batch: bool,
    frame: SpatialShape | None,
    dtypes: bool,
    partial: bool,
    generation: int,
) -> SpatialShape:
    record = dict(described)
    mistakes = list(_names(spec, record, partial))
    shapes: dict[str, tuple[int, ...]] = {}
    lengths: dict[str, int] = {}
    for name, array in record.items():
        if name not in spec.entries:
            continue
        entry = spec.entries[name]
        if not isinstance(array, _Described):
            kind = array.__name__
            mistakes.append(f"{name}: found a Python {kind}, expected an array")
            continue
        found = list(_array(entry, array, batch, dtypes))
        mistakes += found
        if not found:
            shapes[name] = entry.image_shape(array.shape[batch:])
            if batch:
                lengths[name] = array.shape[0]
    if frame is None:
        mistakes += _channels_first(spec, shapes, batch)
    mistakes += _batch_length(lengths)
    mistakes += _rows(spec, shapes)
    sizes = {n: s[:2] for n, s in shapes.items() if spec.entries[n].kind == "spatial"}
    reference, size = _reference(spec, sizes, frame)
    if size is not None:
        mistakes += _frames(sizes, reference, (size[0], size[1]), frame)
    elif not mistakes:
        mistakes.append("found no picture, expected at least one, or a frame (H, W) to refer to")
    if mistakes or size is None:
        raise RecordError(_message(spec, batch, mistakes))
    return size[0], size[1]


def _names(spec: DataSpec, record: Collection[str], partial: bool) -> Iterator[str]:
    for name, entry in spec.entries.items():
        if name not in record and not (partial or entry.optional):
            remedy = 'add it, or declare it "optional": true'
            yield f"{name}: found nothing, expected {_shape_text(entry, False)}; {remedy}"
    for name in record:
        if name not in spec.entries:
            hint = suggest(name, spec.entries)
            declared = listed(spec.entries)
            yield (
                f"{name}: found an entry that the spec does not declare, expected only "
                f"{declared}{hint or '; drop it, or declare it in the spec'}"
            )


def _array(entry: EntrySpec, array: _Described, batch: bool, dtypes: bool) -> Iterator[str]:
    """What is wrong with one array by itself."""
    yield from _shape(entry, array.shape, batch)
    name = getattr(array.dtype, "name", str(array.dtype))
    wide = _WIDE.get(name) if array.narrowed else None
    if dtypes and name not in entry.dtypes and wide not in entry.dtypes:
        remedy = "convert it first"
        if entry.role == "depth" and name.startswith("float"):
            remedy = "multiply metres by 1000 before rounding them to integers"
        yield f"{entry.name}: found dtype {name}, expected {listed(entry.dtypes)}; {remedy}"


# What JAX makes of these dtypes is the other one, unless `jax_enable_x64` is set.
_WIDE = {"int32": "int64", "float32": "float64"}


def _shape(entry: EntrySpec, shape: tuple[int, ...], batch: bool) -> Iterator[str]:
    text = _shape_text(entry, batch)
    if batch and not shape:
        yield f"{entry.name}: found shape (), expected {text}"
    elif entry.kind != "value" and not _matches(entry, shape[batch:]):
        yield f"{entry.name}: found shape {shape}, expected {text}{_remedy(entry, shape, batch)}"
    elif entry.time is not None and shape[batch] == 0:
        yield f"{entry.name}: found shape {shape}, expected at least one frame"
    elif entry.kind == "spatial" and 0 in entry.image_shape(shape[batch:])[:2]:
        yield f"{entry.name}: found shape {shape}, expected at least one pixel"


def _matches(entry: EntrySpec, shape: tuple[int, ...]) -> bool:
    """Rank, channels, columns or the exact shape are right."""
    count = entry.channels
    if entry.kind == "matrix":
        return shape == entry.groups[0].traits.shape
    if entry.kind == "points":
        rows = entry.groups[0].capacity
        return len(shape) == 2 and count in (None, shape[1]) and rows in (None, shape[0])
    if entry.time is not None:
        if not shape or entry.time not in ("any", shape[0]):
            return False
        shape = shape[1:]
    if len(shape) == 2:
        return count == 1
    return len(shape) == 3 and (shape[2] > 0 if count is None else shape[2] == count)


def _remedy(entry: EntrySpec, shape: tuple[int, ...], batch: bool) -> str:
    """The mistake that was probably made."""
    own = shape[batch:]
    if entry.time is not None:
        remedy = _remedy_of_frames(entry, own)
        if remedy:
            return remedy
    if not batch and _matches(entry, shape[1:]):
        text = "; it looks like a batch, but one record is expected here"
        if entry.kind == "spatial" and entry.time is None:
            text += '. If its first axis counts frames, declare "time": true in the spec'
        return text
    if batch and _matches(entry, shape):
        if entry.kind == "spatial" and entry.channels is None:
            return (
                '; add a last axis of channels, as array[..., None], or declare "channels": 1 in '
                "the spec. If it is one record, add a leading axis of length 1"
            )
        return "; it looks like one record: add a leading axis of length 1"
    channels, rows = entry.channels, entry.groups[0].capacity
    if entry.kind == "points" and len(own) == 2 and rows is not None and own[0] > rows:
        return f'; it has more rows than "capacity" in the spec says: raise it to {own[0]} or more'
    if entry.kind == "spatial":
        if batch and entry.time is None and len(own) > 3 and _matches(entry, own[1:]):
            return '; if its second axis counts frames, declare "time": true in the spec'
        own = entry.image_shape(own)
        if len(own) == 3 and own[0] == channels:
            return "; channels go last"
        if len(own) == 2 and channels is None:
            return '; add a last axis, or declare "channels": 1'
    return ""


def _remedy_of_frames(entry: EntrySpec, shape: tuple[int, ...]) -> str:
    """What to do with a record's array that has not the frames which the spec declares."""
    still = replace(entry, time=None)
    if _matches(still, shape):
        text = '; it has no axis of frames: add one in front, or leave "time" out of the spec'
        if entry.channels is None:
            text += (
                ". If it is that of channels which it lacks, add a last axis of channels, as "
                'array[..., None], or declare "channels": 1'
            )
        return text
    if isinstance(entry.time, int) and _matches(still, shape[1:]):
        return f'; it has {shape[0]} frames: declare "time": true for any number of them'
    return ""


def _channels_first(
    spec: DataSpec, shapes: Mapping[str, tuple[int, ...]], batch: bool
) -> Iterator[str]:
    """Pictures that would be strips of a few rows with very many channels.

    Such as (3, 224, 224), which is a picture of three channels everywhere else. Where the spec says
    how many channels there are, of it or of a picture of the same rows and columns, it is believed.
    """
    pictures = {n: s for n, s in shapes.items() if spec.entries[n].kind == "spatial"}
    sure = {s[:2] for n, s in pictures.items() if spec.entries[n].channels is not None}
    for name, shape in pictures.items():
        entry = spec.entries[name]
        if entry.channels is not None or shape[:2] in sure:
            continue
        height, width, channels = shape
        axis = int(batch) + (entry.time is not None)
        if height <= _FEW_ROWS and min(width, channels) >= max(_MANY, 4 * height):
            yield (
                f"{name}: found {height} x {width} pixels with {channels} channels, expected "
                f"{_shape_text(entry, batch)}; channels go last, as np.moveaxis(array, {axis}"
                f', -1) puts them. If they do, declare "channels": {channels} in the spec'
            )


# Rows of a picture, and channels, that look as if they were each other.
_FEW_ROWS, _MANY = 16, 32


def _shape_text(entry: EntrySpec, batch: bool) -> str:
    traits = entry.groups[0].traits
    lead = "N, " if batch else ""
    if entry.time is not None:
        lead += "T, " if entry.time == "any" else f"{entry.time}, "
    if entry.kind == "matrix":
        return f"({lead}{', '.join(map(str, traits.shape or ()))})"
    if entry.kind == "value":
        return f"({lead}...)" if batch else "an array"
    count = "C" if entry.channels is None else entry.channels
    capacity = entry.groups[0].capacity
    if entry.kind == "points":
        return f"({lead}{'K' if capacity is None else capacity}, {count})"
    plain = f" or ({lead}H, W)" if count == 1 else ""
    return f"({lead}H, W, {count}){plain}"


def _batch_length(lengths: dict[str, int]) -> list[str]:
    if 0 in lengths.values():
        names = listed((n for n, length in lengths.items() if length == 0), "and")
        return [f"{names}: found 0 records, expected at least one"]
    if len(set(lengths.values())) > 1:
        counts = listed((f"{length} ({name})" for name, length in lengths.items()), "and")
        return [f"found batches of {counts} records, expected one length for all entries"]
    return []


def _rows(spec: DataSpec, shapes: dict[str, tuple[int, ...]]) -> Iterator[str]:
    """Scalars that have not one row for each row of their table."""
    for name, shape in shapes.items():
        entry = spec.entries[name]
        if entry.kind == "value" and entry.of in shapes and shape[:1] != shapes[entry.of][:1]:
            rows = shapes[entry.of][0]
            yield f"{name}: found shape {shape}, expected ({rows}, ...): one row each of {entry.of}"


def _reference(
    spec: DataSpec, sizes: dict[str, tuple[int, ...]], frame: SpatialShape | None
) -> tuple[str | None, tuple[int, ...] | None]:
    """The entry that all sizes refer to and its size; no name when it is not in the record."""
    if frame is None:
        name = spec.reference(sizes)
        return name, None if name is None else sizes[name]
    name = spec.reference()
    return (name if name in sizes else None), frame


def _frames(
    sizes: dict[str, tuple[int, ...]],
    reference: str | None,
    size: SpatialShape,
    frame: SpatialShape | None,
) -> Iterator[str]:
    """Pictures that do not show what the reference shows."""
    height, width = size
    for name, (h, w) in sizes.items():
        if name == reference:
            if (h, w) != size:
                yield f"{name}: found {h} x {w} pixels, expected the frame {height} x {width}"
        elif abs(w * height - h * width) > max(height, width):
            against = "the frame" if frame is not None else reference
            yield (
                f"{name}: found {h} x {w} pixels, expected the proportions of {against} "
                f"({height} x {width}): all pictures of a record show the same field of view"
            )


def _message(spec: DataSpec, batch: bool, mistakes: list[str]) -> str:
    subject = "The batch" if batch else "The record"
    lines = "".join(f"\n  {mistake}" for mistake in mistakes)
    return f"{subject} is not what the spec {spec.name!r} declares:{lines}"
