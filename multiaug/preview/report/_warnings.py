"""What a person would stop at who looked at many results, in figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...typing import NDArray
from ._draws import Draws, Record
from ._figures import share_of_labels, values_of

_OUTSIDE = 0.5  # of the image
_SATURATED = 0.1  # of the values, beyond what was before
_HARDLY = 0.5 / 255  # of the range, on average
_LEAST_SHARE = 1e-3  # of the pixels: less of a class than that may vanish


def warnings_of(title: str, draws: Draws, before: Record) -> Iterator[str]:
    """One sentence for each thing that is conspicuous in several results of a record.

    Args:
        title: of what was drawn.
        draws: the results.
        before: the record as it was.
    """
    count = len(draws.records)
    gone = np.nan_to_num(draws.outside) > _OUTSIDE
    if gone.any():
        yield (
            f"{title}: mostly out of view in {int(gone.sum())} of {count} draws: up to "
            f"{np.nanmax(draws.outside):.0%} of the image was not in the record."
        )
    still = draws.change < _HARDLY
    if still.sum() * 2 > count:
        yield (
            f"{title}: the image hardly changes in {int(still.sum())} of {count} draws, by "
            f"{float(np.median(draws.change)):.2%} of the range in the middle one."
        )
    yield from _vanished(title, draws, before)
    yield from _saturated(title, draws, before)


def _vanished(title: str, draws: Draws, before: Record) -> Iterator[str]:
    spec, out = draws.pipeline.spec, draws.pipeline.out_spec
    for entry in spec.entries.values():
        other = out.entries.get(entry.name)
        if [g.role for g in entry.groups] != ["label"] or other is None:
            continue
        if [g.role for g in other.groups] != ["label"] or entry.name not in before:
            continue
        group = entry.groups[0]
        shares = share_of_labels([values_of(before, entry.name, spec, group)])
        found = [
            share_of_labels([values_of(record, entry.name, out, other.groups[0])])
            for record in draws.records
            if entry.name in record
        ]
        for label, share in shares.items():
            lost = sum(label not in after for after in found)
            if label != group.ignore and share >= _LEAST_SHARE and lost:
                yield (
                    f"{title}: label {label} of {entry.name} vanishes in {lost} of {len(found)} "
                    f"draws; it has {share:.1%} of the pixels before."
                )


def _saturated(title: str, draws: Draws, before: Record) -> Iterator[str]:
    spec, out = draws.pipeline.spec, draws.pipeline.out_spec
    for entry in spec.entries.values():
        other = out.entries.get(entry.name)
        if entry.name not in before or other is None or entry.kind != "spatial":
            continue
        if [g.role for g in entry.groups] != [g.role for g in other.groups]:
            continue
        for group, changed in zip(entry.groups, other.groups, strict=True):
            dtype = np.asarray(before[entry.name]).dtype
            bounds = group.range or _bounds(dtype)
            same = dtype == np.asarray(draws.records[0][entry.name]).dtype
            if group.role != "intensity" or bounds is None or not same:
                continue
            old = _at_ends(values_of(before, entry.name, spec, group), bounds)
            new = np.array(
                [_inside_ends(draws, i, entry.name, changed, bounds)
                 for i in range(len(draws.records))]
            )  # fmt: skip
            bad = new - old > _SATURATED
            if bad.any():
                yield (
                    f"{title}: {entry.name} is saturated in {int(bad.sum())} of {len(bad)} draws: "
                    f"up to {new.max():.0%} of the values are at an end of the range, "
                    f"{old:.0%} before."
                )


def _inside_ends(draws: Draws, place: int, name: str, group: object, bounds: Sequence[float]) -> (
    float
):  # fmt: skip
    """The share at the ends of the range, of what came from the record."""
    values = values_of(draws.records[place], name, draws.pipeline.out_spec, group)  # type: ignore[arg-type]
    share = _at_ends(values, bounds)
    outside = float(draws.outside[place]) if len(draws.outside) else 0.0
    # What comes in from outside is black as a rule, and no sign of saturation.
    return max(0.0, share - (outside if np.isfinite(outside) else 0.0))


def _at_ends(values: NDArray, bounds: Sequence[float]) -> float:
    if not values.size:
        return 0.0
    return float(np.mean((values <= bounds[0]) | (values >= bounds[1])))


def _bounds(dtype: np.dtype) -> tuple[float, float] | None:
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    return (0.0, 1.0) if dtype.kind == "f" else None
