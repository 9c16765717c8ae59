"""Histograms and shares of labels, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...spec import ChannelGroup, DataSpec
from ...typing import NDArray

Record = dict[str, NDArray]
WIDTH, HEIGHT = 320, 120
_BINS = 48
_MOST_VALUES = 1 << 20
_MOST_LABELS = 12


class Histogram(NamedTuple):
    """Two histograms of one channel group over the same bins.

    Args:
        name: of the entry, and the role where there are several.
        before: path of an SVG.
        after: the same.
        low: value at the left edge.
        high: value at the right edge.
        text: what the figures say.
    """

    name: str
    before: str
    after: str
    low: str
    high: str
    text: str


class Share(NamedTuple):
    """How much of the pixels has a label.

    Args:
        label: the label.
        before: per cent of the pixels.
        after: the same.
    """

    label: int
    before: float
    after: float


def values_of(record: Record, name: str, spec: DataSpec, group: ChannelGroup) -> NDArray:
    """The values of a channel group that are data."""
    array = np.asarray(record[name])
    entry = spec.entries[name]
    if array.ndim > 2 + (entry.time is not None):
        array = array[..., group.channel_slice()]
    flat = array.ravel()
    found: NDArray = flat[group.are_data(flat)]
    return found


def _pairs(before: DataSpec, after: DataSpec, records: Sequence[Record]) -> Iterator[
    tuple[str, str, ChannelGroup, ChannelGroup]
]:  # fmt: skip
    for entry in before.entries.values():
        other = after.entries.get(entry.name)
        if entry.kind != "spatial" or other is None or entry.name not in records[0]:
            continue
        if [g.role for g in entry.groups] != [g.role for g in other.groups]:
            continue
        for group, changed in zip(entry.groups, other.groups, strict=True):
            several = len(entry.groups) > 1
            yield (
                entry.name, f"{entry.name} {group.role}" if several else entry.name, group, changed
            )  # fmt: skip


def histograms(
    before: DataSpec, records: Sequence[Record], after: DataSpec, made: Sequence[Record]
) -> list[Histogram]:
    """Histograms of all values that are numbers, of the records and of what was made of them."""
    found = []
    for name, shown, group, changed in _pairs(before, after, records):
        if group.role == "label" or any(name not in record for record in made):
            continue
        old = _sample([values_of(r, name, before, group) for r in records])
        new = _sample([values_of(r, name, after, changed) for r in made])
        if not old.size or not new.size:
            continue
        both = np.concatenate([old, new])
        low, high = (float(v) for v in np.percentile(both, [0.1, 99.9]))
        if not high > low:
            high = low + 1
        heights = [
            np.histogram(np.clip(v, low, high), _BINS, (low, high))[0] / v.size for v in (old, new)
        ]
        # One value that half of all have would flatten the rest.
        top = max(float(np.partition(np.concatenate(heights), -3)[-3]), 1e-9) * 1.1
        text = (
            f"mean {old.mean():.4g} before, {new.mean():.4g} after; "
            f"deviation {old.std():.4g} before, {new.std():.4g} after"
        )
        paths = [_path(h, top) for h in heights]
        found.append(Histogram(shown, paths[0], paths[1], f"{low:.4g}", f"{high:.4g}", text))
    return found


def label_shares(
    before: DataSpec, records: Sequence[Record], after: DataSpec, made: Sequence[Record]
) -> dict[str, list[Share]]:
    """The share of every label, of the records and of what was made of them."""
    found = {}
    for name, shown, group, changed in _pairs(before, after, records):
        if group.role != "label" or any(name not in record for record in made):
            continue
        counts = [
            share_of_labels([values_of(r, name, spec, g) for r in several])
            for spec, g, several in ((before, group, records), (after, changed, made))
        ]
        labels = sorted(set().union(*counts), key=lambda label: -counts[0].get(label, 0))
        found[shown] = [
            Share(label, 100 * counts[0].get(label, 0), 100 * counts[1].get(label, 0))
            for label in sorted(labels[:_MOST_LABELS])
        ]
    return found


def share_of_labels(arrays: Sequence[NDArray]) -> dict[int, float]:
    """Label -> its share of the pixels."""
    labels = np.concatenate(arrays)
    if labels.dtype.kind not in "bui" or not labels.size:
        return {}
    values, counts = np.unique(labels, return_counts=True)
    return {int(v): float(n / labels.size) for v, n in zip(values, counts, strict=True)}


def _sample(arrays: Sequence[NDArray]) -> NDArray:
    flat = np.concatenate(arrays).astype(np.float64)
    step = max(1, flat.size // _MOST_VALUES)
    sampled: NDArray = flat[::step]
    return sampled


def _path(heights: NDArray, top: float) -> str:
    """Steps of a histogram as the path of an SVG."""
    x = np.linspace(0, WIDTH, len(heights) + 1)
    y = HEIGHT * (1 - np.minimum(heights / top, 1))
    parts = [f"M0 {HEIGHT}"]
    for left, right, level in zip(x[:-1], x[1:], y, strict=True):
        parts.append(f"L{left:.1f} {level:.1f}L{right:.1f} {level:.1f}")
    return "".join(parts) + f"L{WIDTH} {HEIGHT}"
