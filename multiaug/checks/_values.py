"""Values and units: ranges of intensities, labels that mean something else, angles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..typing import NDArray
from ._finding import Finding

# Pixels of a record that are looked at.
_PIXELS = 1 << 16
# A share of pixels that is more than a few highlights or dead pixels.
_MANY = 0.01
# So many masks of no class but the background are no accident.
_SEVERAL = 4
# Largest values that people's images have: bytes, 10, 12 and 14 bits, reflectance, 16 bits.
_WHITES = (255, 1023, 4095, 10000, 16383, 65535)


def inspect_values(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """What is said of the values of pictures."""
    for name, entry in spec.entries.items():
        if entry.kind != "spatial" or name not in records:
            continue
        for group in entry.groups:
            values = _thinned(records[name], group, len(entry.groups) == 1)
            group = group.for_dtype(records[name].dtype.name)
            if group.role == "intensity":
                yield from _intensity(entry, group, values)
            elif group.role == "label":
                yield from _labels(entry, group, values)
            elif group.role == "orientation":
                yield from _angles(entry, group, values)


def _thinned(array: NDArray, group: ChannelGroup, single: bool) -> NDArray:
    """The channels of a group (n, h, w[, c]), in every direction every so many pixels."""
    step = max(1, math.isqrt(array.shape[1] * array.shape[2] // _PIXELS))
    thin: NDArray = array[:, ::step, ::step]
    return thin if single else thin[..., group.channel_slice()]


def _known(group: ChannelGroup, values: NDArray) -> NDArray:
    """The finite, valid ones, as float64 in one row."""
    flat = values.astype(np.float64).ravel()
    known = np.isfinite(flat)
    if group.invalid not in (None, "nan"):
        # As the array's own dtype has it: float32 knows no -9999.1.
        known &= (values != values.dtype.type(group.invalid)).ravel()
    return flat[known]


def _intensity(entry: EntrySpec, group: ChannelGroup, values: NDArray) -> Iterator[Finding]:
    known = _known(group, values)
    if not known.size or known.min() == known.max() == 0:
        return  # black, or nothing at all
    if values.dtype.kind in "iu":
        yield from _integers(entry, group, values.dtype, known)
    elif values.dtype.kind != "b":
        yield from _floats(entry, group, known)


def _floats(entry: EntrySpec, group: ChannelGroup, known: NDArray) -> Iterator[Finding]:
    lo, hi = group.range or (0.0, 1.0)
    scaled = (known - lo) / (hi - lo)
    # Many pixels of masks and digits are plain black, whatever the range is.
    telling = scaled[known != 0]
    declared = "its declared range" if group.range else "the range of floats without a declared one"
    found = f"found values from {known.min():.4g} to {known.max():.4g}"
    expected = f"expected about {lo:g} to {hi:g}, {declared}"
    if not telling.size:
        return
    if np.mean((telling > 2) | (telling < -1)) > _MANY:
        yield Finding(entry.name, f"{found}, {expected}. {_remedy(known)}", True, of_range=True)
    elif np.mean((telling > 1.25) | (telling < -0.25)) > _MANY:
        yield Finding(entry.name, f"{found}, {expected}. {_remedy(known)}", False, of_range=True)
    elif hi - lo >= 100 and known.min() >= 0 and 0.05 < known.max() <= 1 and _fractions(known):
        text = 'Leave out "range" if 1 is white, or multiply the values by what white is.'
        yield Finding(entry.name, f"{found}, {expected}. {text}", True, of_range=True)


def _integers(
    entry: EntrySpec, group: ChannelGroup, dtype: np.dtype[np.generic], known: NDArray
) -> Iterator[Finding]:
    info = np.iinfo(dtype)  # type: ignore[type-var]
    lo, hi = group.range or (float(info.min), float(info.max))
    top = known.max()
    found = f"found values from {known.min():g} to {top:g}"
    if group.range is not None:
        if np.mean((known - lo) / (hi - lo) > 2) > _MANY:
            text = f'expected about {lo:g} to {hi:g}, its declared range. Correct "range".'
            yield Finding(entry.name, f"{found}, {text}", True, of_range=True)
        return
    text = f"black and white are {lo:g} and {hi:g}, the ends of {dtype.name}"
    if top <= 1 and known.min() >= 0:
        remedy = 'Declare "range": [0, 1], or the role label if these are classes.'
        yield Finding(entry.name, f"{found}, but {text}. {remedy}", False, of_range=True)
    elif dtype.itemsize > 1 and top - known.min() <= (hi - lo) / 8:
        yield Finding(entry.name, f"{found}, but {text}. {_remedy(known)}", False, of_range=True)


def _remedy(known: NDArray) -> str:
    """How to say what the values probably are."""
    least, top = float(known.min()), float(known.max())
    mean, std = float(known.mean()), float(known.std())
    if -1.01 <= least < 0 and top <= 1.01:
        return 'Declare "range": [-1, 1].'
    if least < 0 and _fractions(known) and abs(mean) < 0.75 and 0.5 < std < 1.5:
        return (
            "These look standardised: do that last, with Normalize or Standardize in the "
            f'pipeline, or declare "range": [{math.floor(least)}, {math.ceil(top)}].'
        )
    if least < 0:
        return f'Declare "range", such as [{math.floor(least)}, {math.ceil(top)}].'
    if 20 < top <= 100 and _fractions(known):
        return 'Declare "range": [0, 100] if these are percentages, or divide them by 100.'
    if top > 255 and _fractions(known):
        return f'Declare "range", such as [{math.floor(least)}, {math.ceil(top)}].'
    white = next((white for white in _WHITES if top <= white), math.ceil(top))
    return f'Declare "range": [0, {white}], or divide the values by {white}.'


def _fractions(known: NDArray) -> bool:
    return bool((known != np.rint(known)).any())


def _labels(entry: EntrySpec, group: ChannelGroup, values: NDArray) -> Iterator[Finding]:
    if values.dtype.kind == "b":
        return
    labels, counts = np.unique(values, return_counts=True)
    shares = dict(zip(labels.tolist(), (counts / counts.sum()).tolist(), strict=True))
    ids, ignore = list(shares), group.ignore
    if ignore is None:
        yield from _undeclared_ignore(entry, ids)
    elif ids in ([0, ignore], [ignore, 0]):
        # One record may show nothing but background and pixels that nobody knows.
        several = sum(bool((one == ignore).any()) for one in values) >= _SEVERAL
        yield Finding(
            entry.name,
            f'found no labels but 0 and {ignore}, and {ignore} is "ignore": losses skip it, and '
            f"the corners of rotated masks become it. If {ignore} is the object, declare "
            f'"values": {{"{ignore}": 1}}, or leave out "ignore".',
            wrong=several,
        )
    elif 0.75 < shares.get(ignore, 0) < 1:
        yield Finding(
            entry.name,
            f'found {shares[ignore]:.0%} of the pixels to be {ignore}, which is "ignore": losses '
            'skip it. If it is a class, such as the background, leave out "ignore".',
            wrong=False,
        )


def _undeclared_ignore(entry: EntrySpec, ids: list[int]) -> Iterator[Finding]:
    """A label that means "not annotated" to everybody else."""
    rest = [label for label in ids if label not in (-1, 255)]
    far = len(rest) > 1 and max(rest) < 200 and 255 in ids
    mark = -1 if ids[0] == -1 else 255 if far else None
    if mark is not None and rest:
        yield Finding(
            entry.name,
            f"found the label {mark} beside {min(rest)} to {max(rest)}. If it means that nothing "
            f'is known, declare "ignore": {mark}; otherwise what comes in from outside the picture '
            "is the label 0.",
            wrong=False,
        )


def _angles(entry: EntrySpec, group: ChannelGroup, values: NDArray) -> Iterator[Finding]:
    known = _known(group, values)
    if known.size < 2 or values.dtype.kind in "iub":
        return
    largest, turn = float(np.abs(known).max()), math.tau * group.period / 360
    found = f"found angles from {known.min():.4g} to {known.max():.4g}"
    if group.unit == "degrees" and turn / 4 < largest <= turn * 1.001 and _fractions(known):
        text = f'{found}, expected degrees. If these are radians, declare "unit": "radians".'
        yield Finding(entry.name, text, wrong=False)
    elif group.unit == "radians" and largest > 3 * math.tau:
        text = f'{found}, expected radians. If these are degrees, declare "unit": "degrees".'
        yield Finding(entry.name, text, wrong=True)
