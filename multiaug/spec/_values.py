"""Are the values of a record ones that its spec allows: finite numbers, usable cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .._arguments import FLAG, RECORD, checked, shown
from ..errors import RecordError
from ..typing import NDArray
from ._dtypes import ALL_DTYPES
from ._model import ChannelGroup, EntrySpec
from ._spec import SPEC_KIND, DataSpec

# Relative to the largest number of a matrix: below it, float32 cannot tell it from zero.
_TINY = 1e-6
# How far the last row of extrinsics may be from 0 0 0 1 after a round trip through float16.
_LAST_ROW = 1e-3


@checked(spec=SPEC_KIND, record=RECORD, batch=FLAG)
def check_values(spec: DataSpec, record: Mapping[str, Any], *, batch: bool) -> None:
    """Refuse values that the spec gives no meaning to, before they spread through a batch.

    Pictures of a floating dtype must be finite, except that NaN stands for "no data" where the
    spec says ``"invalid": "nan"``. Keypoints, boxes and 3-D points may be NaN (absent) but not
    infinite. Intrinsics must be upper triangular with a positive diagonal, extrinsics
    invertible with the last row 0 0 0 1.

    Args:
        spec: what the values mean.
        record: arrays by entry name that have passed `check_structure`; NumPy, or anything
            that `numpy.asarray` takes. Entries that are absent are skipped.
        batch: the arrays have a leading axis of records.

    Raises:
        RecordError: with the first bad position of every entry that has one.
    """
    mistakes: list[str] = []
    for name, entry in spec.entries.items():
        if name in record and entry.kind != "value":
            array = np.asarray(record[name])
            if array.dtype.name not in ALL_DTYPES:
                mistakes.append(f"{name}: found {shown(record[name])}, expected an array")
            elif ALL_DTYPES[array.dtype.name].kind == "f":
                mistakes += _entry(entry, array, batch)
    if mistakes:
        subject = "The batch holds" if batch else "The record holds"
        lines = "".join(f"\n  {mistake}" for mistake in mistakes)
        raise RecordError(f"{subject} values that the spec {spec.name!r} does not allow:{lines}")


def _entry(entry: EntrySpec, array: NDArray, batch: bool) -> Iterator[str]:
    if entry.kind == "spatial":
        yield from _picture(entry, array, batch)
    elif entry.kind == "points":
        if not _all_finite(array):
            yield from _report(entry, array, np.isinf(array), batch, "numbers, or NaN for absent")
    elif not _all_finite(array):
        yield from _report(entry, array, ~np.isfinite(array), batch, "finite numbers")
    elif entry.role == "intrinsics" and _surely_usable(array):
        return
    elif entry.role in _MATRICES:
        yield from _matrix(entry, array, batch)


def _all_finite(array: NDArray) -> bool:
    """One pass without a temporary: a sum is finite only if every term is.

    The sum of finite numbers may overflow; the caller then looks closer and finds nothing.
    """
    # float16 and bfloat16 are summed in float32, in which they hardly ever overflow.
    dtype = np.float32 if array.dtype.itemsize < 4 else array.dtype
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(array, axis=None, dtype=dtype)))


def is_sound(entry: EntrySpec, array: NDArray) -> bool:
    """No value of some pictures is one that the spec gives no meaning to; quick.

    Args:
        entry: what the values mean.
        array: (..., C), or (H, W) where the only channel has no axis of its own.
    """
    if ALL_DTYPES[array.dtype.name].kind != "f" or _all_finite(array):
        return True
    parts = [array] if len(entry.groups) == 1 else _parts(entry, array)
    return all(
        _no_infinity(part) if group.invalid == "nan" else _all_finite(part)
        for group, part in zip(entry.groups, parts, strict=True)
    )


def _parts(entry: EntrySpec, array: NDArray) -> list[NDArray]:
    return [array[..., group.channel_slice()] for group in entry.groups]


def _no_infinity(array: NDArray) -> bool:
    """NaN left out, the largest and the smallest number tell."""
    with np.errstate(all="ignore"):
        ends = np.fmax.reduce(array, axis=None), np.fmin.reduce(array, axis=None)
    return not np.isinf(np.asarray(ends, np.float32)).any()


def _picture(entry: EntrySpec, array: NDArray, batch: bool) -> Iterator[str]:
    if is_sound(entry, array):
        return
    # (H, W): the only channel has no axis of its own.
    flat = len(entry.image_shape(array.shape[batch:])) == 2
    for group in entry.groups:
        part = array[..., np.newaxis] if flat else array[..., group.channel_slice()]
        yield from _group(entry, group, part, batch)


def _group(entry: EntrySpec, group: ChannelGroup, part: NDArray, batch: bool) -> Iterator[str]:
    nan_is_fine = group.invalid == "nan"
    for channel in range(part.shape[-1]):
        plane = part[..., channel]  # channels one by one: long inner loops, small temporaries
        bad = np.isinf(plane) if nan_is_fine else ~np.isfinite(plane)
        if bad.any():
            name = group.names[channel] if group.names else group.start + channel
            yield from _report(entry, plane, bad, batch, _picture_rule(group), channel=name)
            return


def _picture_rule(group: ChannelGroup) -> str:
    if group.invalid == "nan":
        return "finite numbers, or NaN for no data"
    if group.invalid is not None:
        return f"finite numbers, with {group.invalid:g} for no data"
    if group.traits.may_be_invalid:
        return 'finite numbers; declare "invalid": "nan" if NaN means no data'
    return "finite numbers"


def _report(
    entry: EntrySpec,
    array: NDArray,
    bad: NDArray,
    batch: bool,
    rule: str,
    channel: str | int | None = None,
) -> Iterator[str]:
    """The first bad position, in words."""
    if not bad.any():
        return
    where = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    value = float(array[where])
    places = [f"record {where[0]}"] if batch else []
    axes = ["y", "x"] if entry.kind == "spatial" else ["row", "column"]
    axes = axes if entry.time is None else ["frame", *axes]
    places += [f"{axis} {i}" for axis, i in zip(axes, where[batch:], strict=True)]
    if channel is not None:
        places.append(f"channel {channel}")
    yield f"{entry.name}: found {value} at {', '.join(places)}, expected {rule}"


def _matrix(entry: EntrySpec, array: NDArray, batch: bool) -> Iterator[str]:
    matrices = np.asarray(array, np.float64)
    matrices = matrices if batch else matrices[np.newaxis]
    for rule, is_bad in _MATRICES[entry.role].items():
        bad = is_bad(matrices)
        if bad.any():
            index = int(np.argmax(bad))
            place = f" at record {index}" if batch else ""
            shown = np.array2string(matrices[index], precision=6, separator=", ")
            yield f"{entry.name}: found {' '.join(shown.split())}{place}, expected {rule}"
            return


def _surely_usable(k: NDArray) -> bool:
    """Every rule of intrinsics holds, by tests that are stricter and take a fifth of the time."""
    flat = k.reshape(-1, 9)
    limit = _TINY * max(flat.max(), -flat.min())
    return bool(flat[:, ::4].min() > limit) and not flat[:, [3, 6, 7]].any()


def _scale(matrices: NDArray) -> NDArray:
    """The largest number of each matrix."""
    largest: NDArray = np.abs(matrices).max(axis=(1, 2))
    return largest


def _lower_triangle(k: NDArray) -> NDArray:
    below = np.stack([k[:, 1, 0], k[:, 2, 0], k[:, 2, 1]], axis=-1)
    bad: NDArray = np.abs(below).max(axis=-1) > _TINY * _scale(k)
    return bad


def _diagonal(k: NDArray) -> NDArray:
    smallest = np.diagonal(k, axis1=1, axis2=2).min(axis=-1)
    bad: NDArray = smallest <= _TINY * _scale(k)
    return bad


def _last_row(t: NDArray) -> NDArray:
    bad: NDArray = np.abs(t[:, 3] - (0.0, 0.0, 0.0, 1.0)).max(axis=-1) > _LAST_ROW
    return bad


def _singular(t: NDArray) -> NDArray:
    turn = t[:, :3, :3]
    bad: NDArray = np.abs(np.linalg.det(turn)) <= _TINY * _scale(turn) ** 3
    return bad


_MATRICES: dict[str, dict[str, Callable[[NDArray], NDArray]]] = {
    "intrinsics": {
        "an upper triangular matrix, as fx s cx / 0 fy cy / 0 0 1 in pixels": _lower_triangle,
        "focal lengths and last element above 0: fx s cx / 0 fy cy / 0 0 1": _diagonal,
    },
    "extrinsics": {
        "a 4 x 4 world-to-camera matrix with the last row 0 0 0 1": _last_row,
        "an invertible world-to-camera matrix": _singular,
    },
}
