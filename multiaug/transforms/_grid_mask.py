"""GridMask: cover the squares of a grid."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..sampling import library_of
from ..typing import Array, Key, NDArray, SpatialShape
from ._affine import angles, uniform, uniform_index, unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import flag, names, pair
from ._covering import Fill, fill_of, lengths, mask_name, seed_of
from ._settings import EntryNames, Range, Ranged, Setting, setting
from ._stage_bases import Occluding

# Positions are counted in steps of 1/256 pixel, phases of the grid in 2^-32 of its period: integers
# that wrap, which are the same on every machine.
_STEPS = 256
_FAR = np.float32(1 << 22)


def _both(value: Any, field_name: str, *, low: float, high: float) -> Range:
    both = value if isinstance(value, tuple | list) else (value, value)
    return pair(both, field_name, low=low, high=high)


@transform
class GridMask(Occluding):
    """Cover the squares of a grid, in the same places of every entry.

    The grid has squares at a distance d from each other, with sides r d; it is turned by an angle
    and shifted at random. A position (x, y) is covered where ``frac(u) < r`` and ``frac(v) < r``,
    ``u = (x cos a - y sin a) / d + s`` and ``v = (x sin a + y cos a) / d + t``, s and t from
    U[0, 1). What a covered pixel becomes is said by its role, as of `Erase`; no data stay no data.

    Args:
        unit: (lo, hi) of d: pixels where they are ints, fractions of the frame's shorter side
            where they are floats; at least 2 pixels.
        ratio: (lo, hi) of r in (0, 1); a number is both.
        degrees: (lo, hi) of the angle a, counter-clockwise as seen; a number v means (-v, v).
        lines: cover what is between the squares in their place.
        fill: what covered intensity becomes: a number in units of its range, ``"mean"`` or
            ``"noise"``; see `Erase`.
        entries: entries to cover; None for all.
        mask: the name of a new entry with what was covered; see `Erase`.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: ill-formed ranges, units larger than the frame, or a covered entry that has
            no value for what is covered.

    Example:
        >>> GridMask((0.1, 0.3), ratio=0.4).ratio
        (0.4, 0.4)

    References:
        P. Chen et al., GridMask Data Augmentation, 2020, whose r is the share of a period that is
        kept. albumentations has the squares as GridDropout, and the lines as GridMask, with a
        number of periods along the shorter side in the place of ``unit``.
    """

    unit: Ranged = setting(lengths, default=(1 / 7, 1 / 3), low=2, unit="pixels or frames")
    ratio: Ranged = setting(_both, default=0.5, low=0.01, high=0.99, unit="periods")
    degrees: Ranged = setting(angles, default=0.0, low=-180, high=180, unit="degrees")
    lines: bool = setting(flag, default=False)
    fill: Fill = setting(fill_of, default=0.0, unit="range")
    entries: EntryNames = setting(names, default=None)
    mask: Setting[str | None, str | None] = setting(mask_name, default=None)
    p: float = static(default=1.0, kw_only=True)

    def check(self, frame: Frame) -> None:
        """The period must fit into the frame."""
        super().check(frame)
        longest, shorter = self.unit[1], min(frame.shape)
        if isinstance(longest, int) and longest > shorter:
            raise ParameterError(
                f"`GridMask.unit` must be at most the shorter side of the frame, {shorter} pixels, "
                f"got {longest}. Give fractions of it, as floats, for images of any size."
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``phase``, (2, 3), and ``level``, (), uint32; ``seed`` where the fill is noise.

        A row of ``phase`` is how far u, or v, goes in a step of x and of y, and where it begins.
        """
        unit, ratio, angle, s, t = unit_uniform(key, 5)
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        lo, hi = self.unit
        if isinstance(hi, int):
            period = (lo + uniform_index(unit, int(hi - lo) + 1)).astype(jnp.float32)
        else:
            period = jnp.maximum(uniform(unit, self.unit) * jnp.minimum(height, width), 2)
        turn = jnp.deg2rad(uniform(angle, self.degrees))
        # At most 2^23 for each step: float32 holds it to the last digit.
        per_step = np.float32(2**32 / _STEPS) / period
        # Rows go down: a turn as seen has the other sign.
        along, across = (
            jnp.round(f(turn) * per_step).astype(jnp.int32).astype(jnp.uint32)
            for f in (jnp.cos, jnp.sin)
        )
        starts = [_share(value) for value in (s, t)]
        phase = jnp.stack(
            [jnp.stack([along, -across, starts[0]]), jnp.stack([across, along, starts[1]])]
        )
        return {
            "phase": phase,
            "level": _share(uniform(ratio, self.ratio)),
            **seed_of(self.fill, key),
        }

    def covers(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Whether positions lie in a square, or between them."""
        phase, level = params["phase"], params["level"]
        x, y = _steps(x), _steps(y)
        u, v = (x * phase[k, 0] + y * phase[k, 1] + phase[k, 2] for k in range(2))
        inside: Array = (u < level) & (v < level)
        return ~inside if self.lines else inside

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """The same of the pixels of an image, as runs of pixels where the grid is turned."""
        phase, level = params["phase"], params["level"][:, None]
        columns, rows = _steps(x)[None], _steps(y)[None]
        if not phase[:, 0, 1].any():  # the axes stay apart
            u = columns * phase[:, 0, :1] + phase[:, 0, 2:] < level
            v = rows * phase[:, 1, 1:2] + phase[:, 1, 2:] < level
            return _bars(u, v) if self.lines else _products(_runs(v), _runs(u))
        first = columns[:, None] * phase[:, 0, 0, None, None]
        second = columns[:, None] * phase[:, 1, 0, None, None]
        first = first + (rows * phase[:, 0, 1:2] + phase[:, 0, 2:])[..., None]
        second = second + (rows * phase[:, 1, 1:2] + phase[:, 1, 2:])[..., None]
        inside = (first < level[..., None]) & (second < level[..., None])
        inside = ~inside if self.lines else inside
        runs = _runs(inside.reshape(-1, len(x)))
        record, row = np.divmod(runs[:, 0], len(y))
        found = np.column_stack([record, row, row + 1, runs[:, 1:]])
        return found.astype(np.int32)


def _share(u: Array) -> Array:
    """A share in [0, 1) of a period, uint32."""
    return (u * np.float32(1 << 24)).astype(jnp.uint32) << np.uint32(8)


def _steps(positions: Any) -> Any:
    """Positions in steps, uint32, which wrap; of NumPy or of JAX."""
    lib = library_of(positions)
    near = lib.clip(lib.nan_to_num(positions), -_FAR, _FAR)
    return lib.floor(near * np.float32(_STEPS) + np.float32(0.5)).astype(np.int32).astype(np.uint32)


def _runs(inside: NDArray) -> NDArray:
    """(n, 3): the row, and where True begins and ends in it, of bools (rows, k)."""
    edges = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, begin = np.nonzero(edges == 1)
    return np.column_stack([row, begin, np.nonzero(edges == -1)[1]])


def _products(rows: NDArray, columns: NDArray) -> NDArray:
    """Boxes of every run of rows with every run of columns of the same record."""
    pairs = np.nonzero(rows[:, None, 0] == columns[None, :, 0])
    return np.column_stack([rows[pairs[0]], columns[pairs[1], 1:]]).astype(np.int32)


def _bars(u: NDArray, v: NDArray) -> NDArray:
    """Boxes of all rows and of all columns that are outside."""
    across, down = _runs(~v), _runs(~u)
    whole = [np.tile([0, n], (len(k), 1)) for n, k in ((u.shape[1], across), (v.shape[1], down))]
    bars = np.column_stack([across, whole[0]])
    columns = np.column_stack([down[:, :1], whole[1], down[:, 1:]])
    return np.concatenate([bars, columns]).astype(np.int32)
