"""Parameters drawn from NumPy's global generator, number by number as the classic draws them."""

# ruff: noqa: NPY002

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._settings import shift_of

if TYPE_CHECKING:
    from .image_data_generator import ImageDataGenerator


def draw_parameters(generator: ImageDataGenerator, img_shape: tuple[int, ...]) -> dict[str, Any]:
    """What `ImageDataGenerator.get_random_transform` returns, from where the global seed stands."""
    g = generator
    rows, columns = img_shape[g.row_axis - 1], img_shape[g.col_axis - 1]
    theta = _within(g.rotation_range)
    tx, ty = _shift(g.height_shift_range, rows), _shift(g.width_shift_range, columns)
    shear = _within(g.shear_range)
    zx, zy = 1, 1
    if tuple(g.zoom_range) != (1, 1):
        zx, zy = np.random.uniform(g.zoom_range[0], g.zoom_range[1], 2)
        zy = zx if g.isotropic_zoom else zy
    horizontal = (np.random.random() < 0.5) * g.horizontal_flip
    vertical = (np.random.random() < 0.5) * g.vertical_flip
    shift = _within(g.channel_shift_range) if g.channel_shift_range != 0 else None
    brightness = None
    if g.brightness_range is not None:
        brightness = np.random.uniform(*g.brightness_range)
    return {
        "theta": theta,
        "tx": tx,
        "ty": ty,
        "shear": shear,
        "zx": zx,
        "zy": zy,
        "flip_horizontal": horizontal,
        "flip_vertical": vertical,
        "channel_shift_intensity": shift,
        "brightness": brightness,
    }


def _within(limit: float) -> Any:
    return np.random.uniform(-limit, limit) if limit else 0


def _shift(value: Any, side: int) -> Any:
    kind, numbers, fraction = shift_of(value, "shift")
    if kind == "none":
        return 0
    unit = side if fraction else 1
    if kind == "range":
        return np.random.uniform(-numbers[0], numbers[0]) * unit
    chosen = np.random.choice(int(value) if np.ndim(value) == 0 else value)
    return chosen * np.random.choice([-1, 1]) * unit
