"""What the parity tests share: drawn parameters, and how far a picture is from the reference."""

from __future__ import annotations

import itertools
import os

import numpy as np

from tests.reference import classic

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
ORDERS = (0, 1, 3)
MODES = ("constant", "nearest", "reflect", "wrap")
SHAPES = ((24, 24), (20, 33))
CHANNELS = (1, 3, 4, 6)
FORMATS = ("channels_last", "channels_first")
# Float32 places pixels to about 1e-5; there SciPy's modes jump from one value to another.
JUMP = 1e-4


def cases():
    """(order, mode, shape, channels, format, how many): by day each order with each mode, and of
    the rest each value in turn; by night all of them."""
    pairs = list(itertools.product(ORDERS, MODES))
    rest = list(itertools.product(SHAPES, CHANNELS, FORMATS))
    if NIGHTLY:
        return [(*pair, *other, 32) for pair in pairs for other in rest]
    return [(*pair, *rest[(5 * i) % len(rest)], 42) for i, pair in enumerate(pairs)]


def parameters(rng, shape, shifts=True):
    """A random dictionary; some keys are missing, as users leave them out.

    Channel shifts are in all of a case or in none: each is a program of its own to compile.
    """
    drawn = {
        "theta": rng.uniform(-180, 180),
        "tx": rng.uniform(-0.4, 0.4) * shape[0],
        "ty": rng.uniform(-0.4, 0.4) * shape[1],
        "shear": rng.uniform(-40, 40),
        "zx": rng.uniform(0.5, 1.6),
        "zy": rng.uniform(0.5, 1.6),
        "flip_horizontal": bool(rng.integers(2)),
        "flip_vertical": bool(rng.integers(2)),
    }
    given = {name: value for name, value in drawn.items() if rng.random() < 0.8}
    return given | ({"channel_shift_intensity": rng.uniform(-40, 40)} if shifts else {})


def smooth_places(shape, given, order, mode):
    """(H, W) of the result: where the reference does not jump within float32's reach."""
    affine = {k: given[k] for k in classic.AFFINE if k in given}
    places = classic.positions(shape, affine)
    fine = np.ones(shape, bool)
    for axis, side in enumerate(shape):
        at = places[..., axis]
        if mode == "constant":
            fine &= (np.abs(at) > JUMP) & (np.abs(at - (side - 1)) > JUMP)
        if mode == "wrap":
            fine &= np.abs(at / (side - 1) - np.rint(at / (side - 1))) * (side - 1) > JUMP
        if order == 0:
            fine &= np.abs(at - np.floor(at) - 0.5) > JUMP
    if given.get("flip_horizontal"):
        fine = fine[:, ::-1]
    return fine[::-1] if given.get("flip_vertical") else fine
