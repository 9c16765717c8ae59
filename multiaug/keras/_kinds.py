"""What the arguments of the classic's functions and classes may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._arguments import NUMBERS, PATH, SEED, TEXT, TEXTS, Kind, instance, one_of, optional, whole
from ..spec import SPEC_KIND


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float | np.integer | np.floating)
    return real and not isinstance(value, bool) and abs(value) < 1e30


def _is_dtype(value: Any) -> bool:
    return value is None or (
        isinstance(value, str | type | np.dtype) and np.dtype(value).kind in "biuf"
    )


NUMBER = Kind("a finite number", _is_number)
ARRAY = Kind(
    "an array, one element for each record",
    lambda value: not isinstance(value, str | bytes | Mapping) and np.ndim(np.asarray(value)) > 0,
)
IMAGE = Kind(
    "an image, an array of numbers of rank 3",
    lambda value: NUMBERS.accepts(value) and np.ndim(value) == 3,
    "Take one image out of a batch.",
)
PAIR = Kind(
    "two numbers (lo, hi)",
    lambda value: (
        (isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1))
        and len(value) == 2
        and all(map(_is_number, value))
    ),
)
SIZE = Kind(
    "(height, width) in whole pixels",
    lambda value: (
        isinstance(value, list | tuple) and len(value) == 2 and all(map(whole(1).accepts, value))
    ),
)
SHAPE = Kind(
    "the shape of an image, three whole numbers",
    lambda value: (
        isinstance(value, list | tuple) and len(value) == 3 and all(map(whole(1).accepts, value))
    ),
)
DTYPE = Kind("a dtype of numbers, such as 'float32'", _is_dtype)
# The classic takes 0 and 1 for switches, as anything that is true or false.
SWITCH = instance((bool, np.bool_, int, np.integer), "True or False")
AXIS = whole(-3, 2)
# NumPy's global generator, from which these functions draw, takes no others.
GLOBAL_SEED = optional(whole(0, 2**32 - 1))

AXES = {"row_axis": AXIS, "col_axis": AXIS, "channel_axis": AXIS}
FILL = {"cval": NUMBER}

ITERATION = {
    "batch_size": whole(1),
    "shuffle": SWITCH,
    "seed": optional(SEED),
    "save_to_dir": optional(PATH),
    "save_prefix": TEXT,
    "save_format": TEXT,
    "dtype": DTYPE,
    "copies": whole(1),
}

FILES = ITERATION | {
    "target_size": SIZE,
    "color_mode": TEXT,
    "classes": optional(TEXTS),
    "interpolation": TEXT,
    "keep_aspect_ratio": SWITCH,
}

GENERATOR = {
    "featurewise_center": SWITCH,
    "samplewise_center": SWITCH,
    "featurewise_std_normalization": SWITCH,
    "samplewise_std_normalization": SWITCH,
    "zca_whitening": SWITCH,
    "zca_epsilon": NUMBER,
    "rotation_range": NUMBER,
    "shear_range": NUMBER,
    "channel_shift_range": NUMBER,
    "cval": NUMBER,
    "horizontal_flip": SWITCH,
    "vertical_flip": SWITCH,
    "rescale": optional(NUMBER),
    "preprocessing_function": optional(Kind("a function of an image", callable)),
    "validation_split": NUMBER,
    "dtype": DTYPE,
    "spec": optional(SPEC_KIND),
    "isotropic_zoom": SWITCH,
    "zca_solver": one_of("auto", "primal", "dual", "lowrank"),
    "zca_eps_mode": one_of("keras", "covariance"),
}
