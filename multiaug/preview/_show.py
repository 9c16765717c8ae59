"""One line that shows what a pipeline does to the records of a source."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..errors import ParameterError
from ..pipeline import Pipeline, Views, first_mixing, inspect_first, record_keys
from ..spec import DataSpec
from ..store import Source, read_records
from ..typing import Key, NDArray
from ._marks import draw_tables, entry_of
from ._render import Bands, record_limits, render_record
from ._sheet import contact_sheet

# Pictures are shown at about this many pixels a side.
_SIDE = 192


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
    alike = alike_entries(spec, records[0], spec_before, before[0])
    spec = without_ranges(spec, alike)
    firsts = [
        {n: old[n] if n in alike else a for n, a in record.items()}
        for record, old in zip(records, before, strict=True)
    ]
    limits = record_limits(spec, *firsts, bands=bands)
    found = []
    for record in records:
        panels = render_record(spec, record, limits, bands)
        for name, picture in panels.items():
            panels[name] = _marked(picture, spec, record, entry_of(name, spec).name)
        found.append(panels)
    return found


def alike_entries(
    spec: DataSpec, made: Mapping[str, Any], spec_before: DataSpec, before: Mapping[str, Any]
) -> set[str]:
    """Entries whose values still mean what they meant, so that the limits of before show both.

    Standardised values, which are floats, have limits of their own, as what is new has.
    """
    return {
        name
        for name in made.keys() & before.keys() & spec.entries.keys() & spec_before.entries.keys()
        if made[name].dtype == before[name].dtype
        and spec.entries[name].role == spec_before.entries[name].role
    }


def without_ranges(spec: DataSpec, alike: Collection[str]) -> DataSpec:
    """The spec without the ranges that values had before they were standardised."""
    entries = [
        entry
        if entry.name in alike
        else replace(entry, groups=tuple(replace(group, range=None) for group in entry.groups))
        for entry in spec.entries.values()
    ]
    return DataSpec(spec.name, entries)


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
    draw_tables(large, spec, record, name, scale)
    return large
