"""`Pipeline.batch` of a list of records, whose images may be of different sizes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import RECORD, check_argument
from ..checks import refuse_behind
from ..errors import RecordError
from ..spec import EntrySpec, check_structure
from ..typing import Key, Record, SpatialShape
from ._programs import check_before
from ._tables import filled_up
from .backends._dispatch import is_traced
from .backends._mixed import run_mixed
from .buffers._indexed import in_native_order
from .buffers._wide import concatenated
from .checks._inspect import inspect_first, kind_of
from .checks._values import on_host
from .program._draws import key_data, on_cpu
from .program._fitted import finish
from .program._mix import first_mixing
from .program._overrides import in_order
from .program._structure import Run, check_frames, out_shape
from .program._ties import follow

if TYPE_CHECKING:
    from ._pipeline import Pipeline


def batch_of_records(
    pipeline: Pipeline,
    keys: Key,
    records: Sequence[Mapping[str, Any]],
    *,
    out: Mapping[str, Any] | None,
    check: bool,
) -> Record:
    """See `Pipeline.batch`; every record gets what `Pipeline.__call__` makes of it.

    Raises:
        RecordError: a record is not what the spec declares, or the results are not of one shape.
    """
    if not records:
        raise RecordError(
            "`Pipeline.batch.batch` must hold at least one record, got an empty list."
        )
    if len(records) != len(keys):
        raise RecordError(
            f"`Pipeline.batch.batch` must hold a record for each of the {len(keys)} keys, got "
            f"{len(records)}."
        )
    given: list[Mapping[str, Any]] = []
    frames: list[SpatialShape] = []
    for record in records:
        check_argument("Pipeline.batch.batch", record, RECORD)
        given.append(filled_up(pipeline.spec, in_native_order(record), batched=False))
        frames.append(check_structure(pipeline.spec, given[-1], batch=False))
    _check_alike(pipeline, given, frames)
    check_before(pipeline.traits, pipeline.spec, given[0], batched=False, check=False)
    for record in given if check else ():
        refuse_behind(pipeline.spec, on_host(record), batch=False)
    if check and kind_of(given[0]) not in pipeline.inspected:
        first = {n: np.asarray(a)[None] for n, a in given[0].items()}
        inspect_first(pipeline, pipeline.spec, first, origin="the first record")
    done = None
    traits = pipeline.traits
    if on_cpu() and traits.one_run and not traits.reads and not is_traced(given, traits.settings):
        done = _in_native_code(pipeline, keys, given, frames, out, check=check)
    if done is not None:
        return done
    if len({_kind(record) for record in given}) == 1:
        return pipeline.batch(keys, _stacked(given), out=out, check=check)
    return _by_size(pipeline, keys, given, frames, check=check)


def _check_alike(
    pipeline: Pipeline, records: Sequence[Mapping[str, Any]], frames: Sequence[SpatialShape]
) -> None:
    """Refuse records whose results would not be of one shape."""
    for record in records:
        if record.keys() != records[0].keys():
            raise RecordError(
                "The records of a batch must hold the same entries, got "
                f"{sorted(records[0])} and {sorted(record)}."
            )
    for frame in dict.fromkeys(frames):
        check_frames(pipeline.transforms, pipeline.spec, frame)
    after = {frame: out_shape(pipeline.transforms, frame) for frame in frames}
    sizes = list(dict.fromkeys(after.values()))
    if len(sizes) > 1:
        one, other = (next(f for f in frames if after[f] == size) for size in sizes[:2])
        raise RecordError(
            f"Images of {_size(one)} and {_size(other)} leave the pipeline at {_size(sizes[0])} "
            f"and {_size(sizes[1])}, and a batch has one size. Add a transform that brings them "
            "to one, such as RandomResizedCrop, Resize or Crop(size, pad=True); or call the "
            "pipeline with one record at a time."
        )
    for name in records[0]:
        entry = pipeline.spec.entries[name]
        kinds = list(dict.fromkeys(_kind_but_sides(entry, record[name]) for record in records))
        if len(kinds) > 1:
            raise RecordError(
                f"{name}: found records of {kinds[0]} and {kinds[1]}, and a batch has one kind. "
                "Convert them to one dtype and to the same channels first."
            )
        rows = {len(record[name]) for record in records if entry.kind == "points"}
        if len(rows) > 1:
            raise RecordError(
                f"{name}: found records of {min(rows)} and {max(rows)} rows, and a batch has one "
                'number. Declare "capacity", the most rows that a record has, in the spec: tables '
                "are filled up to it."
            )


def _kind_but_sides(entry: EntrySpec, array: Any) -> str:
    """The dtype and the shape of an entry, but for height and width, and the rows of a table."""
    shape = list(map(str, np.shape(array)))
    if entry.kind == "spatial":
        at = 0 if entry.time is None else 1
        shape[at : at + 2] = ["H", "W"]
    elif entry.kind == "points":
        shape[0] = "K"
    return f"{array.dtype} ({', '.join(shape)})"


def _kind(record: Mapping[str, Any]) -> Hashable:
    """Equal for records that can be stacked."""
    return tuple((name, np.shape(array), array.dtype) for name, array in record.items())


def _size(shape: SpatialShape) -> str:
    return f"{shape[0]} x {shape[1]}"


def _stacked(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.stack([np.asarray(r[name]) for r in records]) for name in records[0]}


def _in_native_code(
    pipeline: Pipeline,
    keys: Key,
    records: Sequence[Mapping[str, Any]],
    frames: Sequence[SpatialShape],
    out: Mapping[str, Any] | None,
    *,
    check: bool,
) -> Record | None:
    spec, traits = pipeline.spec, pipeline.traits
    scalars = {n for n in records[0] if spec.entries[n].kind == "value"}
    moved = [
        {n: np.require(a, requirements=["C", "A"]) for n, a in r.items() if n not in scalars}
        for r in records
    ]
    runs = [Run(spec, frame, given_scale=traits.given_scale(frame)) for frame in frames]
    out = None if traits.finishing else out
    done = run_mixed(runs, traits, np.asarray(key_data(keys)), moved, out, check=check)
    if done is None:
        return None
    if traits.finishing:
        done = finish(traits.finishing, spec, done)
    done |= follow(
        spec, done, _stacked([{n: r[n] for n in scalars} for r in records]), batched=True
    )
    return {name: done[name] for name in in_order(spec, tuple(done))}


def _by_size(
    pipeline: Pipeline,
    keys: Key,
    records: Sequence[Mapping[str, Any]],
    frames: Sequence[SpatialShape],
    *,
    check: bool,
) -> Record:
    """One batch for every size, and the results in the order of the records."""
    groups: dict[Any, list[int]] = {}
    for number, record in enumerate(records):
        groups.setdefault(_kind(record), []).append(number)
    batches = [(some, _stacked([records[i] for i in some])) for some in groups.values()]
    mixing = first_mixing(pipeline.transforms)
    if mixing is not None:
        mixed = pipeline.programs.run_of_sizes(frames, key_data(keys), batches, check=check)
        if mixed is None:
            raise RecordError(
                f"`{mixing.owner}` mixes the records of a batch, and these are of different sizes. "
                "Bring them to one size before it, as RandomResizedCrop, Resize or Crop do."
            )
        return mixed
    parts = [pipeline.batch(keys[np.array(some)], batch, check=check) for some, batch in batches]
    for name, array in parts[0].items():
        other = next(
            (part[name] for part in parts if part[name].shape[1:] != array.shape[1:]), None
        )
        if other is not None:
            raise RecordError(
                f"{name}: comes out as {array.shape[1:]} and as {other.shape[1:]}, and a batch has "
                "one shape: the image is of another share of its record's frame from record to "
                "record. Bring it to the size of the reference image first."
            )
    back = np.argsort([i for some in groups.values() for i in some], kind="stable")
    return {name: concatenated([part[name] for part in parts])[back] for name in parts[0]}
