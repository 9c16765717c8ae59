"""Colour tables of our own: a perceptual ramp, a hue circle and colours for labels."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..typing import NDArray

INVALID = np.array([34, 34, 38], np.uint8)
"""The colour of pixels without data: dark and neutral, unlike any colour of the ramp."""

IGNORE = np.array([128, 128, 128], np.uint8)
"""The colour of the label that losses skip."""

BACKGROUND = np.array([0, 0, 0], np.uint8)
"""The colour of label 0."""

# From far to near in a depth picture: lightness rises evenly, hue from violet to warm yellow.
_RAMP = ("2e1a5e", "3c4b9c", "2b80a8", "3caf93", "98d06a", "ffee9e")

_LABELS = """
4e79a7 f28e2b 59a14f e15759 b07aa1 76b7b2 edc948 9c755f ff9da7 2f4b7c
86bc4e d45087 00a6a6 a05195 c9b458 5d6d7e f7b6d2 1b7837 a6cee3 7f3b08
"""

# Oklab: equal steps look equal, which they do not in RGB. B. Ottosson, "A perceptual color space
# for image processing", 2020.
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def colour_ramp(values: NDArray) -> NDArray:
    """Map numbers in [0, 1] to colours whose lightness rises evenly.

    Args:
        values: any shape (...); clipped to [0, 1], NaN gets the colour of invalid pixels.

    Returns:
        uint8 (..., 3).
    """
    known = np.isfinite(values)
    steps = np.where(known, np.clip(values, 0, 1), 0) * 255
    return np.where(known[..., None], _ramp_table()[np.rint(steps).astype(np.intp)], INVALID)


def label_colours(labels: NDArray, ignore: int | None = None) -> NDArray:
    """Give every label its colour: 0 is black, and no two labels of a byte look the same.

    Args:
        labels: integers or bools of any shape (...).
        ignore: the label shown in gray.

    Returns:
        uint8 (..., 3).
    """
    ids, places = np.unique(np.asarray(labels).astype(np.int64), return_inverse=True)
    colours = _colours_of(ids)[places.reshape(np.shape(labels))]
    return colours if ignore is None else np.where((labels == ignore)[..., None], IGNORE, colours)


def _colours_of(ids: NDArray) -> NDArray:
    """Colours (n, 3) of labels (n,)."""
    table = np.stack([BACKGROUND, *(_from_hex(text) for text in _LABELS.split())])
    # Hues a golden angle apart: however many there are, neighbouring labels are far apart.
    angle = ids * (np.pi * (3 - np.sqrt(5)))
    lightness = 0.45 + 0.45 * ((ids * 0.7548776662) % 1)
    chroma = 0.06 + 0.10 * ((ids * 0.5698402910) % 1)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    known = (ids >= 0) & (ids < len(table))
    found: NDArray = to_uint8(_from_oklab(lab))
    found[known] = table[ids[known]]
    return found


def hue_circle(turn: NDArray, saturation: NDArray) -> NDArray:
    """Colour an angle, so that a full turn comes back to the same colour.

    Args:
        turn: the angle as a fraction of its period, any shape (...); NaN is invalid.
        saturation: 0 for white to 1 for the pure hue, same shape.

    Returns:
        uint8 (..., 3).
    """
    known = np.isfinite(turn) & np.isfinite(saturation)
    angle = 2 * np.pi * np.where(known, turn, 0)[..., None]
    pure = 0.5 + 0.45 * np.cos(angle - 2 * np.pi * np.arange(3) / 3)
    weight = np.where(known, np.clip(saturation, 0, 1), 0)[..., None]
    return np.where(known[..., None], to_uint8(1 - weight * (1 - pure)), INVALID)


def to_uint8(values: NDArray) -> NDArray:
    """Round values in [0, 1] to 0..255, clipping what is outside."""
    rounded: NDArray = np.rint(np.clip(values, 0, 1) * 255)
    return rounded.astype(np.uint8)


@cache
def _ramp_table() -> NDArray:
    """256 colours (256, 3) between the anchors, straight lines in Oklab."""
    anchors = np.stack([_to_oklab(_from_hex(text) / 255.0) for text in _RAMP])
    # Anchors are placed by their lightness, so that it is linear along the ramp.
    lightness = anchors[:, 0]
    places = np.linspace(lightness[0], lightness[-1], 256)
    lab = np.stack([np.interp(places, lightness, anchors[:, i]) for i in range(3)], axis=-1)
    return to_uint8(_from_oklab(lab))


def _to_oklab(rgb: NDArray) -> NDArray:
    linear: NDArray = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab: NDArray = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def _from_oklab(lab: NDArray) -> NDArray:
    lms: NDArray = (lab @ np.linalg.inv(_TO_LAB).T) ** 3
    linear = np.clip(lms @ np.linalg.inv(_TO_LMS).T, 0, 1)
    rgb: NDArray = np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return rgb


def _from_hex(text: str) -> NDArray:
    return np.frombuffer(bytes.fromhex(text), np.uint8)
