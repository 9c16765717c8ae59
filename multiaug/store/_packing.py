"""What attributes say of stored numbers: scale, offset and marks of no data, by the CF conventions.

References:
    NetCDF Climate and Forecast Metadata Conventions 1.11, sections 2.5 and 8.1; xarray, "Scaling
    and type conversions", for how the attributes are written to zarr.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RecordError, StoreError, warn
from ..typing import NDArray

if TYPE_CHECKING:
    import zarr

    from ..spec import ChannelGroup, EntrySpec

_DIMENSIONS = "_ARRAY_DIMENSIONS"


@dataclass(frozen=True)
class Packing:
    """How stored numbers become the values of an entry: ``scale * stored + offset``.

    Args:
        name: of the entry, for errors.
        stored: dtype of the numbers as they are read, after ``_Unsigned``.
        dtype: of the values.
        scale: factor; 1 for none.
        offset: summand; 0 for none.
        missing: stored numbers that mean no data.
        low: stored numbers below it mean no data; None for no limit.
        high: stored numbers above it mean no data.
        groups: of the entry: which channels, and what marks no data there.
    """

    name: str
    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    scale: float
    offset: float
    missing: tuple[float, ...]
    low: float | None
    high: float | None
    groups: tuple[ChannelGroup, ...]

    def unpack(self, stored: NDArray, out: NDArray, rows: NDArray, where: str) -> None:
        """Write the values of stored numbers.

        Args:
            stored: (n, ...) as it was read.
            out: (n, ...) of ``dtype``.
            rows: (n,) positions of the records, for errors.
            where: the store, for errors.

        Raises:
            RecordError: no data, where the spec declares nothing that marks it.
        """
        numbers = stored.view(self.stored)
        if self.scale != 1 or self.offset != 0:
            out[...] = numbers * np.float64(self.scale) + np.float64(self.offset)
        else:
            out[...] = numbers
        lost = self._lost(numbers)
        if lost is None:
            return
        for group in self.groups:
            at = ... if len(self.groups) == 1 else (..., group.channel_slice())
            part = lost[at]
            if not part.any():
                continue
            mark = _mark(group, self.dtype)
            if mark is None:
                self._refuse(numbers[at], part, rows, where)
            else:
                out[at][part] = mark

    def _lost(self, numbers: NDArray) -> NDArray | None:
        lost: NDArray | None = None
        conditions = [numbers == number for number in self.missing]
        if self.low is not None:
            conditions.append(numbers < self.low)
        if self.high is not None:
            conditions.append(numbers > self.high)
        for condition in conditions:
            lost = condition if lost is None else lost | condition
        return lost

    def _refuse(self, numbers: NDArray, lost: NDArray, rows: NDArray, where: str) -> None:
        first = np.unravel_index(int(np.argmax(lost)), lost.shape)
        mark = '"nan"' if self.dtype.kind == "f" else f"{numbers[first]}"
        raise RecordError(
            f"{where}: record {rows[first[0]]} of {self.name!r} holds {numbers[first]}, which the "
            "array's attributes (_FillValue, missing_value, valid_range) call no data, and the "
            f'spec declares nothing for it. Declare "invalid": {mark} (of labels "ignore").'
        )


def packing_of(array: zarr.Array[Any], entry: EntrySpec, where: str) -> Packing | None:
    """What the attributes of an array ask for; None where the numbers are the values.

    Raises:
        StoreError: an attribute is not what the conventions say.
        RecordError: values that the entry cannot hold.
    """
    if np.dtype(array.dtype).kind not in "iuf":
        return None
    attributes = dict(array.attrs)
    fill = array.fill_value
    # Where xarray keeps _FillValue in that version; 0 is what zarr puts there by itself.
    mark = array.metadata.zarr_format == 2 and _DIMENSIONS in attributes and fill is not None
    also = (float(fill),) if mark and float(fill) != 0 else ()
    return attributes_packing(
        attributes, np.dtype(array.dtype), entry, f"{where}/{entry.name}", also=also
    )


def attributes_packing(
    attributes: Mapping[str, Any],
    dtype: np.dtype[Any],
    entry: EntrySpec,
    called: str,
    *,
    also: tuple[float, ...] = (),
) -> Packing | None:
    """What attributes ask for; None where the numbers are the values.

    Args:
        attributes: of the array.
        dtype: of the stored numbers.
        entry: what the array is.
        called: the array, for errors.
        also: further stored numbers that mean no data.

    Raises:
        StoreError: an attribute is not what the conventions say.
        RecordError: values that the entry cannot hold.
    """
    raw = stored = dtype.newbyteorder("=")
    if stored.kind not in "iuf":
        return None
    _check_units(attributes, entry, called)
    if str(attributes.get("_Unsigned", "")).lower() == "true" and stored.kind == "i":
        stored = np.dtype(f"u{stored.itemsize}")
    scale = _number(attributes, "scale_factor", called, 1.0)
    offset = _number(attributes, "add_offset", called, 0.0)
    missing = [
        *_numbers(attributes, "_FillValue", called, stored),
        *_numbers(attributes, "missing_value", called, stored),
        *also,
    ]
    low, high = _limits(attributes, called, stored, scale, offset)
    target = _dtype(entry, stored, scale, offset, called)
    if target == stored:
        scale, offset = 1.0, 0.0
    kept = dict.fromkeys(number for number in missing if not math.isnan(number))
    if target == stored and low is high is None and all(_is_mark(entry, n, target) for n in kept):
        if stored == raw:
            return None
        kept = {}
    return Packing(
        entry.name, stored, target, scale, offset, tuple(kept), low, high, tuple(entry.groups)
    )


def _dtype(
    entry: EntrySpec, stored: np.dtype[Any], scale: float, offset: float, where: str
) -> np.dtype[Any]:
    """Of the values: the declared one, else float32 where numbers are packed."""
    if scale == 1 and offset == 0:
        return stored
    declared = None if entry.dtype in (None, "bfloat16") else np.dtype(entry.dtype)
    text = f"scale_factor {scale:g} and add_offset {offset:g}"
    if declared is not None and declared.kind in "iu":
        warn(
            f"{where}: the numbers are packed ({text}), and the spec declares {declared.name}, so "
            "they are read as they are stored. Declare float32 for the values that they stand for."
        )
        return stored
    found = declared or np.dtype(np.float32)
    if found.name not in entry.dtypes:
        raise RecordError(
            f"{where}: the numbers are packed ({text}), but values of {entry.role} cannot be "
            f"{found.name}. Remove the attributes, or declare another role."
        )
    return found


def _is_mark(entry: EntrySpec, number: float, dtype: np.dtype[Any]) -> bool:
    return all(_mark(group, dtype) == number for group in entry.groups)


def _mark(group: ChannelGroup, dtype: np.dtype[Any]) -> float | None:
    """What marks no data in a group's values: its invalid value, or the label that is ignored."""
    invalid = group.for_dtype(dtype.name).invalid
    if invalid is None:
        return group.ignore
    return math.nan if invalid == "nan" else float(invalid)


def _limits(
    attributes: Mapping[str, Any], where: str, stored: np.dtype[Any], scale: float, offset: float
) -> tuple[float | None, float | None]:
    """Smallest and largest valid number, as it is stored."""
    pair = _numbers(attributes, "valid_range", where, stored)
    if pair and len(pair) != 2:
        raise StoreError(f"{where}: the attribute valid_range must be two numbers, got {pair}.")
    low = pair[:1] or _numbers(attributes, "valid_min", where, stored)
    high = pair[1:] or _numbers(attributes, "valid_max", where, stored)
    limits = [low[0] if low else None, high[0] if high else None]
    if stored.kind in "iu" and any(n is not None and n != int(n) for n in limits):
        # Fractions are of the values and not of what is stored.
        limits = [None if n is None else (n - offset) / scale for n in limits]
        if scale < 0:
            limits.reverse()
    return limits[0], limits[1]


def _number(attributes: Mapping[str, Any], key: str, where: str, default: float) -> float:
    found = _numbers(attributes, key, where, np.dtype(np.float64)) or [default]
    number = found[0]
    if len(found) > 1 or not math.isfinite(number) or (key == "scale_factor" and number == 0):
        raise StoreError(
            f"{where}: the attribute {key} must be one finite number, got {attributes[key]!r}. "
            "Unpack the values and write them anew."
        )
    return number


def _numbers(
    attributes: Mapping[str, Any], key: str, where: str, dtype: np.dtype[Any]
) -> list[float]:
    """The numbers of an attribute; xarray writes those of zarr version 3 as base64."""
    value = attributes.get(key)
    if value is None:
        return []
    try:
        if isinstance(value, str):
            try:
                return [float(value)]
            except ValueError:
                content = base64.b64decode(value, validate=True)
                return [struct.unpack("<d", content)[0]]
        return [float(number) for number in np.atleast_1d(np.asarray(value))]
    except (ValueError, TypeError, struct.error) as error:
        raise StoreError(
            f"{where}: the attribute {key} must be a number, got {value!r}. Correct or remove it."
        ) from error


def _check_units(attributes: Mapping[str, Any], entry: EntrySpec, where: str) -> None:
    """Angles say what they are counted in; the spec must say the same."""
    found = str(attributes.get("units", "")).lower().rstrip("s")
    said = {"degree": "degrees", "deg": "degrees", "radian": "radians", "rad": "radians"}.get(found)
    for group in entry.groups:
        if group.role == "orientation" and said is not None and said != group.unit:
            raise RecordError(
                f"{where}: the attribute units is {attributes['units']!r}, but the spec declares "
                f'{group.unit}. Declare "unit": "{said}".'
            )
