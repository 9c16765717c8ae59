"""One line that shows what a pipeline does to the records of a source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..errors import ParameterError
from ..pipeline import Pipeline, Views, first_mixing, inspect_first, record_keys
from ..spec import DataSpec, EntrySpec
from ..store import Source
from ..typing import Key, NDArray
from ._render import Bands, record_limits, render_record
from ._sheet import contact_sheet

# Pictures are shown at about this many pixels a side.
_SIDE = 192
_MARK = np.array([255, 64, 160], np.uint8)  # of boxes and points; in no ramp of ours


def show(
    source: Source,
    pipeline: Pipeline | Views | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    indices: Sequence[int] | None = None,
    seed: int = 0,
    bands: Bands | None = None,
    check: bool = True,
) -> NDArray:
    """Draw records of a source as they are and as a pipeline makes them, boxes and points on top.

    Of entries with ``time`` the first and the last frame are shown; of `Views` every view. Images
    of different sizes, as in a folder of photographs, are shown each in its own proportions.

    Args:
        source: where records come from.
        pipeline: what is done to them, a `Pipeline` or `Views`; None shows them as they are.
        path: also write the sheet there, as PNG; an older file is replaced.
        indices: positions of the records; by default the first four.
        seed: of the augmentation: record i is augmented as in the first epoch of a `Loader`.
        bands: one or three channels to show of intensities with more than three, by name or
            number; see `render`.
        check: as in `Pipeline.batch`.

    Returns:
        The sheet, uint8 (H, W, 3).

    Raises:
        ParameterError: no source or pipeline, no such record or bands.
        RecordError: the records are not what the spec says.

    Example:
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> source = ma.open_source({"image": np.zeros((10, 8, 8, 3), np.uint8)}, spec)
        >>> sheet = ma.preview.show(source, ma.Pipeline([ma.Flip("x")], spec), seed=1)
        >>> sheet.dtype
        dtype('uint8')
    """
    if not isinstance(source, Source):
        raise ParameterError(
            f"`show.source` must be a source, got {type(source).__name__}. Open one with "
            "multiaug.open_source."
        )
    if pipeline is not None and not isinstance(pipeline, Pipeline | Views):
        raise ParameterError(
            f"`show.pipeline` must be a Pipeline, Views or None, got {type(pipeline).__name__}."
        )
    index = np.arange(min(4, len(source))) if indices is None else np.asarray(indices)
    records = read_records(source, index)
    if check:
        first = next(iter(pipeline.pipelines.values())) if isinstance(pipeline, Views) else pipeline
        one_size = len({_shapes(record) for record in records}) == 1
        batch = _stacked(records if one_size else records[:1])
        inspect_first(first, source.spec, batch, origin=repr(source))
    spec = source.spec if pipeline is None else pipeline.spec
    stages = [("as it is", spec, records)]
    if pipeline is not None:
        keys = record_keys(seed, 0, index, np.zeros(len(index), np.int64))
        stages += _augmented(pipeline, keys, records, check=check)
    drawn = [(head, panels_of(of, made, spec, records, bands)) for head, of, made in stages]
    columns = [name for _, panels in drawn for name in panels[0]]
    if not columns:
        raise ParameterError(f"`show` found no picture to draw in {source!r}.")
    return contact_sheet(
        [[p for _, panels in drawn for p in panels[row].values()] for row in range(len(index))],
        columns,
        labels=[f"record {i}" for i in index],
        groups=[(head, len(panels[0])) for head, panels in drawn],
        title=spec.name,
        path=path,
    )


_Records = list[dict[str, NDArray]]


def read_records(source: Source, index: NDArray) -> _Records:
    """The records; where a source can hold images of several sizes, each of its own."""
    if hasattr(source, "read_records"):
        found: _Records = source.read_records(index)
        return found
    return _unstacked(source.read(index))


def _stacked(records: _Records) -> dict[str, NDArray]:
    return {name: np.stack([record[name] for record in records]) for name in records[0]}


def _unstacked(batch: Mapping[str, Any]) -> _Records:
    arrays = {name: np.asarray(array) for name, array in batch.items()}
    count = len(next(iter(arrays.values())))
    return [{name: array[i] for name, array in arrays.items()} for i in range(count)]


def _shapes(record: Mapping[str, NDArray]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, array.shape) for name, array in record.items())


def _augmented(
    pipeline: Pipeline | Views, keys: Key, records: _Records, *, check: bool
) -> list[tuple[str, DataSpec, _Records]]:
    """A heading, the spec and the records of what came out; of views, of each.

    Records of several shapes need not leave the pipeline at one: each is augmented by itself, but
    where partners are mixed.
    """
    each = pipeline.pipelines.values() if isinstance(pipeline, Views) else [pipeline]
    if len({_shapes(record) for record in records}) == 1:
        done = [pipeline.batch(keys, _stacked(records), check=check)]
    elif any(first_mixing(one.transforms) is not None for one in each):
        done = [pipeline.batch(keys, records, check=check)]
    else:
        several = zip(keys, records, strict=True)
        done = [pipeline.batch(key[None], [record], check=check) for key, record in several]
    if isinstance(pipeline, Pipeline):
        return [("augmented", pipeline.out_spec, [r for one in done for r in _unstacked(one)])]
    return [
        (
            name if len(several) == 1 else f"{name} {number}",
            pipeline.pipelines[name].out_spec,
            [r for one in done for r in _unstacked(cast(Any, one)[name][number])],
        )
        for name, several in cast(Mapping[str, Sequence[Any]], done[0]).items()
        for number in range(len(several))
    ]


def panels_of(
    spec: DataSpec,
    made: _Records,
    spec_before: DataSpec,
    before: _Records,
    bands: Bands | None,
) -> list[dict[str, NDArray]]:
    """Panel name -> picture, of every record; all stages within the limits of the first."""
    records = [{n: a for n, a in record.items() if n in spec.entries} for record in made]
    # Standardised values, which are floats, have limits of their own, as what is new has.
    alike = {
        n
        for n, a in records[0].items()
        if n in before[0] and _alike(n, spec, spec_before, before[0][n], a)
    }
    entries = spec.entries.values()
    spec = DataSpec(spec.name, [e if e.name in alike else _unranged(e) for e in entries])
    firsts = [
        {n: old[n] if n in alike else a for n, a in record.items()}
        for record, old in zip(records, before, strict=True)
    ]
    limits = record_limits(spec, *firsts, bands=bands)
    found = []
    for record in records:
        panels = render_record(spec, record, limits, bands)
        for name, picture in panels.items():
            starts = {n: (f"{n} ", f"{n}[") for n in spec.entries}
            entry = next(n for n in starts if name == n or name.startswith(starts[n]))
            panels[name] = _marked(picture, spec, record, entry)
        found.append(panels)
    return found


def _alike(name: str, spec: DataSpec, before: DataSpec, old: NDArray, new: NDArray) -> bool:
    """The values of an entry still mean the same."""
    roles = [of.entries[name].role for of in (spec, before) if name in of.entries]
    return old.dtype == new.dtype and len(set(roles)) == 1


def _unranged(entry: EntrySpec) -> EntrySpec:
    """The entry without the range that its values had before they were standardised."""
    groups = tuple(replace(group, range=None) for group in entry.groups)
    return replace(entry, groups=groups)


def _marked(picture: NDArray, spec: DataSpec, record: Mapping[str, Any], name: str) -> NDArray:
    """The picture at a size for people, with the boxes and points that count its pixels."""
    height, width = picture.shape[:2]
    if max(height, width) > 2 * _SIDE:
        scale = 1 / -(-max(height, width) // (2 * _SIDE))
        step = round(1 / scale)
        large = picture[::step, ::step].copy()
    else:
        scale = max(1, _SIDE // max(height, width))
        large = picture.repeat(scale, 0).repeat(scale, 1)
    for entry in spec.entries.values():
        if entry.name in record and name == (entry.of or spec.reference(record)):
            for x0, y0, x1, y1 in _frames(entry, np.asarray(record[entry.name], np.float64)):
                _outline(large, *((v + 0.5) * scale for v in (x0, y0, x1, y1)))
    return large


def _frames(entry: EntrySpec, table: NDArray) -> NDArray:
    """x0 y0 x1 y1 of boxes, and of small squares about points; none that are absent."""
    if entry.role == "boxes":
        frames = table.copy()
        convention = entry.groups[0].convention
        if convention == "coco":
            frames[:, 2:] += frames[:, :2]
        if convention in ("coco", "pascal"):
            frames += [-0.5, -0.5, *((-0.5, -0.5) if convention == "coco" else (0.5, 0.5))]
    elif entry.role == "keypoints":
        frames = np.concatenate([table, table], axis=1)
    else:
        return np.zeros((0, 4))
    known: NDArray = frames[np.isfinite(frames).all(axis=1)]
    return known


def _outline(picture: NDArray, x0: float, y0: float, x1: float, y1: float) -> None:
    """Draw a frame two pixels wide; a point becomes a square of five."""
    height, width = picture.shape[:2]
    if x1 - x0 < 2 and y1 - y0 < 2:
        x0, y0, x1, y1 = x0 - 2, y0 - 2, x1 + 2, y1 + 2
    if x1 < 0 or y1 < 0 or x0 > width or y0 > height:
        return
    left, right = (int(np.clip(round(v), 0, width - 1)) for v in (x0, x1))
    top, bottom = (int(np.clip(round(v), 0, height - 1)) for v in (y0, y1))
    for y in (top, bottom - 1):
        picture[max(0, y) : y + 2, left : right + 1] = _MARK
    for x in (left, right - 1):
        picture[top : bottom + 1, max(0, x) : x + 2] = _MARK
