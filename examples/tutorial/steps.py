"""The seven steps of the tutorial, each as its readers know it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from multiaug.keras import ImageDataGenerator

Arrays = np.ndarray[Any, Any]
Step = Callable[[Arrays, Arrays, str], Arrays]


def nine(datagen: ImageDataGenerator, x: Arrays, y: Arrays, **settings: Any) -> Arrays:
    """The first batch; without shuffling it shows the same nine pictures every time."""
    for x_batch, _y_batch in datagen.flow(x, y, batch_size=9, shuffle=False, seed=0, **settings):
        return x_batch
    raise AssertionError


def raw(x: Arrays, y: Arrays, layout: str) -> Arrays:
    return x[:9]


def standardised(x: Arrays, y: Arrays, layout: str) -> Arrays:
    datagen = ImageDataGenerator(
        featurewise_center=True, featurewise_std_normalization=True, data_format=layout
    )
    datagen.fit(x)
    return nine(datagen, x, y)


def whitened(x: Arrays, y: Arrays, layout: str) -> Arrays:
    # Some directions of digits hardly vary; a larger epsilon keeps their noise small.
    datagen = ImageDataGenerator(
        featurewise_center=True, zca_whitening=True, zca_epsilon=300.0, data_format=layout
    )
    datagen.fit(x)
    return nine(datagen, x, y)


def rotated(x: Arrays, y: Arrays, layout: str) -> Arrays:
    return nine(ImageDataGenerator(rotation_range=90, data_format=layout), x, y)


def shifted(x: Arrays, y: Arrays, layout: str) -> Arrays:
    shift = 0.2
    datagen = ImageDataGenerator(
        width_shift_range=shift, height_shift_range=shift, data_format=layout
    )
    return nine(datagen, x, y)


def flipped(x: Arrays, y: Arrays, layout: str) -> Arrays:
    datagen = ImageDataGenerator(horizontal_flip=True, vertical_flip=True, data_format=layout)
    return nine(datagen, x, y)


def saved(x: Arrays, y: Arrays, layout: str, folder: Path) -> Arrays:
    """The last step of the tutorial: pictures as files."""
    return nine(
        ImageDataGenerator(rotation_range=20, data_format=layout),
        x,
        y,
        save_to_dir=folder,
        save_prefix="aug",
        save_format="png",
    )


STEPS: dict[str, Step] = {
    "raw": raw,
    "standardised": standardised,
    "ZCA": whitened,
    "rotated to 90": rotated,
    "shifted by 0.2": shifted,
    "flipped": flipped,
}
