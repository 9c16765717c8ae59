"""Settings of the classic generator: what they may be, and what they become."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._arguments import NUMBERS, Kind, check_argument
from ..errors import ParameterError, warn
from ..transforms import Range
from ..typing import NDArray
from ._kinds import PAIR
from ._moves import Shift

BORDERS = {
    "constant": "constant-hard",
    "nearest": "edge",
    "reflect": "reflect",
    "wrap": "wrap-classic",
    # SciPy's other names, which the classic handed on.
    "mirror": "mirror",
    "grid-constant": "constant",
    "grid-mirror": "reflect",
    "grid-wrap": "wrap",
}
METHODS = {0: "nearest", 1: "linear", 3: "spline3"}
FORMATS = ("channels_last", "channels_first")


class InterpolationError(ParameterError, RuntimeError):
    """A fill mode or an interpolation order that there is not; SciPy has a RuntimeError here."""


def border_of(fill_mode: Any) -> str:
    """The border that a ``fill_mode`` stands for.

    Raises:
        InterpolationError: there is no such mode.
    """
    if not isinstance(fill_mode, str) or fill_mode not in BORDERS:
        raise InterpolationError(
            f"`fill_mode` must be one of {', '.join(BORDERS)}, got {fill_mode!r}: boundary mode "
            "not supported."
        )
    return BORDERS[fill_mode]


def method_of(order: Any) -> str:
    """The interpolation that an order stands for.

    Raises:
        InterpolationError: another order than 0, 1 and 3.
    """
    if not isinstance(order, int | np.integer) or order not in METHODS:
        raise InterpolationError(
            f"`interpolation_order` must be 0 (nearest), 1 (linear) or 3 (spline), got {order!r}: "
            "spline order not supported."
        )
    return METHODS[int(order)]


def data_format_of(data_format: str | None) -> str:
    """The data format; None is that of Keras, where the program uses it, or channels_last.

    Raises:
        ParameterError: neither channels_last nor channels_first.
    """
    if data_format is None:
        keras = sys.modules.get("keras")
        config = getattr(keras, "config", None)
        return str(config.image_data_format()) if config is not None else "channels_last"
    if not isinstance(data_format, str) or data_format not in FORMATS:
        raise ParameterError(
            '`data_format` should be `"channels_last"` (channel after row and column) or '
            '`"channels_first"` (channel before row and column). '
            f"Received: {data_format}"
        )
    return data_format


def warn_of_layout(shape: tuple[int, ...], data_format: str, owner: str) -> None:
    """Say that images look as if they were in the other layout than the one they are read in.

    The classic warns of every number of channels but 1, 3 and 4; here any number is welcome, and
    only images that make sense in the other layout alone are worth a word.

    Args:
        shape: (N, ...) of the images.
        data_format: the layout that they are read in.
        owner: who reads them.
    """
    last = data_format == "channels_last"
    channels, other = (shape[3], shape[1]) if last else (shape[1], shape[3])
    # The second axis is a side in either layout: "channels" of its size are the other side.
    usual, side = (1, 3, 4), shape[2]
    if channels not in usual and other in usual and other < side <= 2 * channels:
        named = ("channels_last", "channels_first")
        warn(
            f'{owner} is set to use the data format convention "{data_format}" (channels on axis '
            f"{3 if last else 1}), and was passed images of shape {shape}: {channels} channels. "
            f'They look like "{named[last]}": pass data_format="{named[last]}" to '
            "ImageDataGenerator if they are.",
            UserWarning,
        )


def zoom_of(zoom_range: Any) -> list[float]:
    """[lo, hi]; a number z is [1 - z, 1 + z].

    Raises:
        ParameterError: neither a number nor a pair of them.
    """
    if _is_number(zoom_range):
        return [1 - zoom_range, 1 + zoom_range]
    pair = isinstance(zoom_range, Sequence | np.ndarray) and len(zoom_range) == 2
    if pair and all(_is_number(value) for value in zoom_range):
        return [zoom_range[0], zoom_range[1]]
    raise ParameterError(
        f"`zoom_range` should be a float or a tuple or list of two floats. Received: {zoom_range}"
    )


def pair_of(value: Any, name: str) -> Range:
    """A pair of numbers.

    Raises:
        ParameterError: it is none.
    """
    if not PAIR.accepts(value):
        raise ParameterError(f"`{name}` should be tuple or list of two floats. Received: {value}")
    return float(value[0]), float(value[1])


def split_of(validation_split: float) -> float:
    """The share that is for validation.

    Raises:
        ParameterError: not strictly between 0 and 1, nor 0.
    """
    if validation_split and not 0 < validation_split < 1:
        raise ParameterError(
            f"`validation_split` must be strictly between 0 and 1.  Received: {validation_split}"
        )
    return validation_split


def shift_of(value: Any, name: str) -> Shift:
    """How a shift is drawn.

    A float is a range, in fractions of the side below 1 and in pixels from 1 on; an int n draws
    a whole number from the open interval (-n, n); a list, one of its elements with a random sign.

    Raises:
        ParameterError: neither a number nor a list of them.
    """
    kind = Kind(
        "a number or a list of numbers",
        lambda value: value is None or (NUMBERS.accepts(value) and np.ndim(value) < 2),
    )
    check_argument(name, value, kind)
    if value is None or (np.ndim(value) == 0 and not value):
        return "none", (), False
    single = np.ndim(value) == 0
    numbers: NDArray = np.atleast_1d(np.asarray(value))
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iuf":
        raise ParameterError(f"`{name}` must be a number or a list of numbers, got {value!r}.")
    if not np.isfinite(numbers).all():
        raise ParameterError(f"`{name}` must be finite, got {value!r}.")
    fraction = bool(numbers.max() < 1)
    if not single:
        return "choice", tuple(float(v) for v in numbers), fraction
    if numbers.dtype.kind != "f":
        if numbers[0] < 0:
            raise ParameterError(f"`{name}` must not be negative, got {value!r}.")
        return "choice", tuple(float(v) for v in range(int(numbers[0]))), False
    return "range", (float(numbers[0]),), fraction


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int | np.number) and not isinstance(value, bool)


def implied(
    zca: bool, center: bool, std: bool, sample_center: bool, sample_std: bool
) -> tuple[bool, bool, bool]:
    """Featurewise centre and std, samplewise centre, after what the others imply; warns of it."""
    if zca and not center:
        center = True
        _warn("`zca_whitening`, which overrides setting of `featurewise_center`.")
    if zca and std:
        std = False
        _warn("`zca_whitening` which overrides setting of `featurewise_std_normalization`.")
    if std and not center:
        center = True
        _warn("`featurewise_std_normalization`, which overrides setting of `featurewise_center`.")
    if sample_std and not sample_center:
        sample_center = True
        _warn("`samplewise_std_normalization`, which overrides setting of `samplewise_center`.")
    return center, std, sample_center


def _warn(what: str) -> None:
    warn(f"This ImageDataGenerator specifies {what}", UserWarning)
