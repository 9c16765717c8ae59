"""What is in a source, as far as a sample of its records tells."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..store import read_records

_BINS = 12
_MOST_LABELS = 256
# Chunks much larger or smaller than these make a loader read slowly.
_SMALL, _LARGE = 64_000, 64_000_000


def inspect_entries(source: Any, count: int) -> dict[str, Any]:
    """Shapes, dtypes, ranges, labels and missing data of every entry.

    Args:
        source: the records.
        count: how many of them are looked at, spread over the source.
    """
    index = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).round().astype(int))
    records = read_records(source, index)
    entries = {name: _entry(source.spec.entries[name], records) for name in records[0]}
    return {
        "records": len(source),
        "looked_at": len(records),
        "kind": type(source).__name__,
        "spec": source.spec.name,
        "entries": entries,
        "findings": _findings(source, records),
    }


def _entry(entry: Any, records: list[dict[str, Any]]) -> dict[str, Any]:
    arrays = [np.asarray(record[entry.name]) for record in records]
    shapes = Counter(array.shape for array in arrays)
    return {
        "shapes": [list(shape) for shape, _ in shapes.most_common(4)],
        "several_shapes": len(shapes) > 1,
        "dtype": arrays[0].dtype.name,
        "groups": [_group(entry, group, arrays) for group in entry.groups],
    }


def _group(entry: Any, group: Any, arrays: list[Any]) -> dict[str, Any]:
    axis = entry.kind == "spatial" and arrays[0].ndim > 2 + (entry.time is not None)
    part = [array[..., group.channel_slice()] if axis else array for array in arrays]
    values = np.concatenate([array.ravel() for array in part])
    sound = group.are_data(values)
    known = values[sound]
    found: dict[str, Any] = {
        "role": group.role,
        "channels": list(group.names) or group.count,
        "invalid_share": float(1 - sound.mean()) if len(values) else 0.0,
    }
    if group.role == "label" and known.dtype.kind in "bui":
        labels, counts = np.unique(known, return_counts=True)
        order = np.argsort(-counts)[:_MOST_LABELS]
        found["labels"] = {int(labels[i]): int(counts[i]) for i in order}
        found["ignore"] = group.ignore
    elif len(known):
        low, high = float(known.min()), float(known.max())
        heights = np.histogram(known.astype(np.float64), _BINS, (low, max(high, low + 1e-12)))[0]
        found |= {
            "min": low,
            "max": high,
            "mean": float(known.mean(dtype=np.float64)),
            "std": float(known.std(dtype=np.float64)),
            "range": list(group.range) if group.range else None,
            "histogram": heights.tolist(),
        }
    return found


def _findings(source: Any, records: list[dict[str, Any]]) -> list[str]:
    """What does not fit the spec, in the words of the checks."""
    from multiaug.checks import findings

    one_size = len({tuple(a.shape for a in record.values()) for record in records}) == 1
    shown = records if one_size else records[:1]
    batch = {name: np.stack([record[name] for record in shown]) for name in shown[0]}
    with warnings.catch_warnings(record=True):
        found = findings(source.spec, batch)
    return [str(one) for one in found]


def inspect_storage(source: Any, *, deep: bool) -> dict[str, Any]:
    """Damage, and whether the data lie so that a loader reads them fast.

    Args:
        source: the records.
        deep: decode all of them; else only see whether all that should be there is.
    """
    result: dict[str, Any] = {"damage": None, "deep": deep}
    if hasattr(source, "check"):
        try:
            source.check(deep=deep)
        except (OSError, ValueError) as error:
            result["damage"] = str(error)
    structure: Mapping[str, Any] = getattr(source, "structure", {})
    record_bytes = sum(one.nbytes for one in structure.values())
    chunk = int(getattr(source, "chunk", 1))
    result |= {"record_bytes": record_bytes, "chunk": chunk}
    result["advice"] = _advice(type(source).__name__, chunk, record_bytes, len(source))
    return result


def _advice(kind: str, chunk: int, record_bytes: int, count: int) -> str:
    if kind not in ("ZarrSource", "OmeSource"):
        if kind in ("ArraySource", "NpySource"):
            return "Uncompressed arrays: records are read as they are, nothing to do."
        return (
            "One file for each record: they are decoded in every epoch. "
            "`multiaug convert` writes them once as a store that is read faster."
        )
    size = chunk * record_bytes
    if size > _LARGE:
        fewer = max(1, _LARGE // 4 // max(1, record_bytes))
        return f"Chunks are large ({size / 1e6:.0f} MB): `multiaug convert --chunk {fewer}`."
    if size < _SMALL and count > chunk:
        more = min(count, -(-_SMALL * 16 // max(1, record_bytes)))
        return f"Chunks are small ({size / 1e3:.0f} kB): `multiaug convert --chunk {more}`."
    return f"Chunks of {chunk} records ({size / 1e6:.2g} MB) suit a loader."
