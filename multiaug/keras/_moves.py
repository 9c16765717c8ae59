"""What the classic generator does to a picture, as transforms of a pipeline.

Defined once: the functional helpers, `apply_transform` and the iterators all run these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..geometry import Map, affine_map, cos_sin, inverse, product
from ..spec import DataSpec
from ..statistics import in_blocks, whiten
from ..transforms import (
    Finishing,
    Frame,
    Geometric,
    Params,
    Photometric,
    Range,
    Target,
    static,
    transform,
)
from ..typing import Array, Key, NDArray, SpatialShape

GEOMETRY = ("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical")

# How a shift is drawn: (kind, numbers, whether they are fractions of the side).
Shift = tuple[str, tuple[float, ...], bool]


@transform
class ClassicMove(Geometric):
    """Rotate, shift, shear and zoom about the centre, then flip, with the classic's conventions.

    On (row, column) the backward matrix is ``R(theta) T(tx, ty) Sh(shear) Z(zx, zy)`` with ``R =
    [[cos, -sin], [sin, cos]]``, ``Sh = [[1, -sin s], [0, cos s]]`` and ``Z = diag(zx, zy)``, about
    ``((H - 1) / 2, (W - 1) / 2)``: zx and zy above 1 zoom out, positive tx moves content up.

    Args:
        rotation: theta is drawn from (-rotation, rotation), in degrees.
        tx: how the vertical shift is drawn.
        ty: the horizontal one.
        shear: degrees, as rotation.
        zoom: (lo, hi) of zx and zy.
        isotropic: zy is zx.
        flip_horizontal: with probability 1/2.
        flip_vertical: likewise.
    """

    rotation: float = static(default=0.0)
    tx: Shift = static(default=("none", (), False))
    ty: Shift = static(default=("none", (), False))
    shear: float = static(default=0.0)
    zoom: Range = static(default=(1.0, 1.0))
    isotropic: bool = static(default=False)
    flip_horizontal: bool = static(default=False)
    flip_vertical: bool = static(default=False)
    mirrors = True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``move``, float32 (8,): the numbers that `GEOMETRY` names, in its order.

        They are one array, from one call of the generator: for small pictures every array that is
        handed to and fro takes as long as some of them.
        """
        u = jax.random.uniform(key, (10,), jnp.float32)
        lo, hi = self.zoom
        zx, zy = lo + (hi - lo) * u[4], lo + (hi - lo) * u[5]
        move = {
            "theta": (2 * u[0] - 1) * self.rotation,
            "tx": _shift(self.tx, u[1], u[2], frame.shape[0]),
            "ty": _shift(self.ty, u[3], u[6], frame.shape[1]),
            "shear": (2 * u[7] - 1) * self.shear,
            "zx": zx,
            "zy": zx if self.isotropic else zy,
            "flip_horizontal": (u[8] < 0.5) & self.flip_horizontal,
            "flip_vertical": (u[9] < 0.5) & self.flip_vertical,
        }
        return {"move": jnp.stack([jnp.asarray(move[name], jnp.float32) for name in GEOMETRY])}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The map on (x, y); flips come after everything else."""
        theta, tx, ty, shear, zx, zy, horizontal, vertical = params["move"]
        cos, sin = cos_sin(theta)
        slant, rise = cos_sin(shear)
        # R Sh Z on (row, column).
        rr, rc = cos * zx, (-cos * rise - sin * slant) * zy
        cr, cc = sin * zx, (-sin * rise + cos * slant) * zy
        down, right = cos * tx - sin * ty, sin * tx + cos * ty
        across, along = 1 - 2 * horizontal, 1 - 2 * vertical
        moved = _matrix(cc, cr, right, rc, rr, down)
        zero = jnp.zeros_like(across)
        backward = product(moved, _matrix(across, zero, zero, zero, along, zero))
        return affine_map(inverse(backward), backward, shape)


def _matrix(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array) -> Array:
    zero, one = jnp.zeros_like(a), jnp.ones_like(a)
    return jnp.stack([jnp.stack(row) for row in ((a, b, c), (d, e, f), (zero, zero, one))])


def _shift(how: Shift, u: Array, v: Array, side: int) -> Array:
    kind, numbers, fraction = how
    unit = side if fraction else 1
    if kind == "range":
        return (2 * u - 1) * (numbers[0] * unit)
    if kind == "none":
        return 0 * u
    choices = jnp.array(numbers, jnp.float32) * unit
    index = jnp.minimum((u * len(numbers)).astype(jnp.int32), len(numbers) - 1)
    return jnp.where(v < 0.5, -1.0, 1.0).astype(jnp.float32) * choices[index]


@transform
class ClassicChannelShift(Photometric):
    """Add one number to all channels, and clip to the picture's own least and greatest value.

    Args:
        amount: the number is drawn from (-amount, amount).
        entries: names of the entries to touch; None for all with intensity channels.
    """

    amount: float = static(default=0.0)
    entries: Any = static(default=None)
    by_channel = False

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``channel_shift_intensity``, float32."""
        u = jax.random.uniform(key, (), jnp.float32)
        return {"channel_shift_intensity": (2 * u - 1) * self.amount}

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """``clip(v + a, min v, max v)``."""
        lo, hi = _extremes(values, target)
        return jnp.clip(values + params["channel_shift_intensity"], lo, hi)


@transform
class ClassicBrightness(Photometric):
    """Multiply by a factor, and clip to the range that the picture is in.

    The range is (0, 1) for pictures that do not go beyond it, (0, 255) for those that do not go
    beyond that, and else from the least value, or 0, to the greatest.

    Args:
        factor: (lo, hi) that the factor is drawn from.
        entries: names of the entries to touch; None for all with intensity channels.
    """

    factor: Range = static(default=(1.0, 1.0))
    entries: Any = static(default=None)
    by_channel = False

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``brightness``, float32."""
        lo, hi = self.factor
        return {"brightness": lo + (hi - lo) * jax.random.uniform(key, (), jnp.float32)}

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """``clip(v b, lo, hi)``."""
        lo, hi = _extremes(values, target)
        top = jnp.where(hi <= 1, 1.0, jnp.where(hi <= 255, 255.0, hi)).astype(jnp.float32)
        return jnp.clip(values * params["brightness"], jnp.minimum(lo, 0), top)


def _extremes(values: Array, target: Target) -> tuple[Array, Array]:
    if target.valid is None:
        return values.min(), values.max()
    valid = jnp.broadcast_to(target.valid, values.shape)
    return jnp.where(valid, values, jnp.inf).min(), jnp.where(valid, values, -jnp.inf).max()


@transform
class ClassicStandardize(Photometric):
    """Rescale, subtract and divide by the picture's own mean and std, then by the data set's.

    Args:
        rescale: a factor.
        samplewise_center: subtract the mean of the picture, over all pixels and channels.
        samplewise_std: divide by its standard deviation + 1e-6.
        mean: of the data set, after what comes before; broadcast to (H, W, C). None is 0.
        std: of the data set; divided by std + 1e-6. None leaves it out.
        entries: names of the entries to touch; None for all with intensity channels.
    """

    rescale: float = static(default=1.0)
    samplewise_center: bool = static(default=False)
    samplewise_std: bool = static(default=False)
    mean: Any = None
    std: Any = None
    entries: Any = static(default=None)
    by_channel = True
    keeps_dtype = False

    def out_range(self, given: Range) -> Range:
        """Standardised values count in units of one."""
        return 0.0, 1.0

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """The five steps, in the classic's order."""
        values = values * np.float32(self.rescale)
        if self.samplewise_center:
            values = values - target.mean(values)
        if self.samplewise_std:
            centred = values - target.mean(values)
            values = values / (jnp.sqrt(target.mean(centred * centred)) + np.float32(1e-6))
        if self.mean is not None:
            values = values - _channels(self.mean, values, target)
        if self.std is not None:
            values = values / (_channels(self.std, values, target) + np.float32(1e-6))
        return values


@transform
class ClassicMatrix(Finishing):
    """Multiply flattened pictures by a matrix that a user has assigned.

    Args:
        matrix: (d, d), on flattened pictures.
        entry: name of the entry.
        channels_first: pictures are flattened as (C, H, W).
    """

    matrix: Any = None
    entry: str = static(default="image")
    channels_first: bool = static(default=False)

    def finish(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        """``x W`` of every picture."""
        array = jnp.asarray(batch[self.entry])
        array = jnp.moveaxis(array, -1, 1) if self.channels_first else array
        matrix = jnp.asarray(self.matrix, jnp.float32)
        operator = {"matrix": matrix, "mean": jnp.zeros(len(matrix), jnp.float32)}
        rows = in_blocks(whiten, operator, array.reshape(len(array), -1))
        done = rows.reshape(array.shape)
        return {self.entry: jnp.moveaxis(done, 1, -1) if self.channels_first else done}

    def unfinish(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Not offered: the matrix need not have an inverse."""
        raise ParameterError("`zca_whitening_matrix` that was assigned cannot be inverted.")


def _channels(given: Any, values: Array, target: Target) -> Array:
    """What belongs to the channels of a group, against (h, w, c)."""
    held = jnp.asarray(given, jnp.float32)
    if held.ndim and held.shape[-1] > 1:
        held = held[..., target.start : target.start + values.shape[-1]]
    return held.reshape((1,) * (3 - held.ndim) + held.shape)


def move_of(given: Mapping[str, Any]) -> NDArray:
    """Given parameters in the place of drawn ones; what is not given does nothing."""
    still = {"zx": 1, "zy": 1}
    values = {n: still.get(n, 0) if given.get(n) is None else given[n] for n in GEOMETRY}
    flips = {n: bool(values[n]) for n in ("flip_horizontal", "flip_vertical")}
    return np.array(list((values | flips).values()), np.float32)
