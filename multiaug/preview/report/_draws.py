"""What transforms make of records: several draws of one record, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from ...errors import MultiaugError
from ...pipeline import Pipeline, first_mixing, record_keys
from ...spec import DataSpec
from ...transforms import Transform, always
from ...typing import NDArray
from .._render import record_limits, render_record

Record = dict[str, NDArray]
_MOST_BYTES = 96 << 20  # of the records of one batch


@dataclass(frozen=True)
class Draws:
    """Several results of one record.

    Args:
        pipeline: what made them.
        records: the results.
        texts: what was drawn for each, for people; "" where nobody can say.
        change: how much each differs from the record as it is, in its images, from 0 to 1.
        outside: the share of the image that shows what was not in the record; NaN where that
            cannot be known.
    """

    pipeline: Pipeline
    records: list[Record]
    texts: list[str]
    change: NDArray
    outside: NDArray = field(default_factory=lambda: np.zeros(0))

    def chosen(self) -> list[tuple[str, int]]:
        """The draws that change the images least, middling and most."""
        order = np.argsort(self.change, kind="stable")
        places = sorted({0, len(order) // 2, len(order) - 1})
        names = {0: "least", len(order) // 2: "middle", len(order) - 1: "greatest"}
        return [(names[place], int(order[place])) for place in places]


def alone(transform: Transform, spec: DataSpec) -> Pipeline:
    """A pipeline of one transform, which always runs."""
    return Pipeline([always(transform)], spec)


def with_validity(pipeline: Pipeline) -> tuple[Pipeline, str | None]:
    """The pipeline that also says which pixels of its first image come from the record."""
    spec = pipeline.spec
    name = next(
        (
            entry.name
            for entry in spec.entries.values()
            if entry.kind == "spatial"
            and entry.groups[0].role == "intensity"
            and not entry.optional
        ),
        None,
    )
    if name is None or f"{name}_valid" in pipeline.out_spec.entries:
        return pipeline, None
    entries = [replace(e, validity=True) if e.name == name else e for e in spec.entries.values()]
    try:
        made = Pipeline(
            pipeline.transforms, DataSpec(spec.name, entries, spec.camera, spec.description)
        )
    except MultiaugError:
        return pipeline, None
    return made, f"{name}_valid"


def draw(
    pipeline: Pipeline,
    records: Sequence[Record],
    index: Sequence[int],
    *,
    seed: int,
    count: int,
    check: bool,
) -> Draws:
    """Augment the first of some records several times; others are its partners in mixes.

    Args:
        pipeline: what is done.
        records: the first is shown.
        index: their positions in the source, for their keys.
        seed: of the keys: draw c is copy c of the record in the first epoch of a `Loader`.
        count: how many draws.
        check: as in `Pipeline.batch`.
    """
    first = records[0]
    size = max(1, sum(array.nbytes for array in first.values()))
    count = max(3, min(count, _MOST_BYTES // size))
    mixing = first_mixing(pipeline.transforms) is not None
    several = list(records) if mixing and _alike(records) else [first]
    places = np.tile(np.arange(len(several)), count)
    keys = record_keys(
        seed, 0, np.asarray(index)[places], np.repeat(np.arange(count), len(several))
    )
    made, valid = with_validity(pipeline)
    batch = {name: np.stack([several[i][name] for i in places]) for name in first}
    out = {name: np.asarray(array) for name, array in made.batch(keys, batch, check=check).items()}
    own = np.flatnonzero(places == 0)
    kept = {name: array for name, array in out.items() if name != valid}
    results = [{name: array[i] for name, array in kept.items()} for i in own]
    outside = np.full(len(own), np.nan)
    if valid is not None and valid in out:
        known = float(np.mean(_known(first, made, valid)))
        shares = out[valid][own].reshape(len(own), -1).mean(axis=1)
        outside = np.maximum(0.0, 1 - shares / max(known, 1e-6))
    return Draws(
        pipeline,
        results,
        [_drawn(pipeline, keys[int(i)], first) for i in own],
        np.array([change_between(pipeline, first, record) for record in results]),
        outside,
    )


def _known(record: Record, pipeline: Pipeline, valid: str) -> NDArray:
    """Which pixels of the image have data to begin with."""
    entry = pipeline.spec.entries[valid.removesuffix("_valid")]
    return entry.groups[0].are_data(record[entry.name])


def _alike(records: Sequence[Record]) -> bool:
    return len({tuple(array.shape for array in record.values()) for record in records}) == 1


def change_between(pipeline: Pipeline, before: Record, after: Record) -> float:
    """Mean difference of the images of a record, as they are drawn, from 0 to 1.

    Images of another size are compared at the same places of the frame; so a resize alone is a
    small change, and a crop a large one.
    """
    shared = [n for n in before if n in after and n in pipeline.out_spec.entries]
    spec, out = (
        DataSpec(of.name, [of.entries[name] for name in shared if name in of.entries])
        for of in (pipeline.spec, pipeline.out_spec)
    )
    old = {name: before[name] for name in shared}
    limits = record_limits(spec, old)
    first = render_record(spec, old, limits)
    second = render_record(out, {name: after[name] for name in shared}, limits)
    found = [
        float(np.mean(np.abs(panel.astype(np.float32) - _at_places(second[name], panel)))) / 255
        for name, panel in first.items()
        if name in second
    ]
    return float(np.mean(found)) if found else 0.0


def _at_places(image: NDArray, like: NDArray) -> NDArray:
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
        for n, m in zip(like.shape[:2], image.shape[:2], strict=True)
    )
    return image[np.ix_(rows, columns)].astype(np.float32)


def _drawn(pipeline: Pipeline, key: Any, record: Record) -> str:
    """What a record of this key draws, in a few words."""
    reference = pipeline.spec.reference(record)
    if reference is None:
        return ""
    height, width = pipeline.spec.entries[reference].image_shape(record[reference].shape)[:2]
    try:
        params = pipeline.sample(key, (height, width), record=record)
    except MultiaugError:
        return ""
    return ", ".join(_words(jax.tree.map(np.asarray, params.values)))


def _words(values: Any, name: str = "") -> list[str]:
    if isinstance(values, Mapping):
        return [word for key, value in values.items() for word in _words(value, str(key))]
    if isinstance(values, tuple | list):
        return [word for value in values for word in _words(value, name)]
    array = np.asarray(values)
    if array.dtype == bool and array.ndim == 0:
        return [] if bool(array) else ["not run"]
    if array.size > 6 or array.dtype.kind not in "iuf":
        return []
    return [f"{name} {' '.join(f'{value:.3g}' for value in array.ravel())}".strip()]
