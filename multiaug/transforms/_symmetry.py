"""Rot90, Transpose and D4: the exact symmetries of a square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import Map, affine_map, linear, product, rotation
from ..typing import Array, Key, SpatialShape
from ._affine import uniform_index, unit_uniform
from ._base import Frame, Geometric, Params, static, transform
from ._checked import plain, probability
from ._settings import Setting, setting


def _need_square(owner: str, shape: SpatialShape, remedy: str) -> None:
    if shape[0] != shape[1]:
        raise ParameterError(
            f"`{owner}` needs a square frame where it stands, got {shape[0]} x {shape[1]}. {remedy}"
        )


def _quarter_turns(value: Any, field_name: str) -> tuple[int, ...]:
    given = plain(value)
    turns = [plain(t) for t in (given if isinstance(given, tuple | list) else (given,))]
    good = [isinstance(t, int) and not isinstance(t, bool) for t in turns]
    if not turns or not all(good):
        raise ParameterError(f"`{field_name}` must be whole numbers, got {value!r}.")
    return tuple(t % 4 for t in turns)


@transform
class Rot90(Geometric):
    """Turn the picture by quarter turns; an exact copy.

    Args:
        turns: quarter turns to draw from, counter-clockwise as seen, each as likely as the
            others; an int is a fixed turn. Odd ones alone turn an oblong frame, that of every
            record; odd and even ones together need a square frame, because the results of a
            pipeline have one size.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: no turns, or not whole numbers.
    """

    turns: Setting[tuple[int, ...], int | Sequence[int]] = setting(
        _quarter_turns, default=(0, 1, 2, 3), unit="quarter turns"
    )
    p: float = static(default=1.0, kw_only=True)

    def check(self, frame: Frame) -> None:
        """Odd and even turns together need a square."""
        if len({t % 2 for t in self.turns}) == 2:
            _need_square(
                "Rot90",
                frame.shape,
                "Crop or pad to a square first; or use turns=(0, 2), which keep the frame, or "
                "(1, 3), which turn that of every record.",
            )

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """Height and width change places after an odd turn."""
        return (shape[1], shape[0]) if self.turns[0] % 2 else shape

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``turns``, int32."""
        (u,) = unit_uniform(key, 1)
        index = uniform_index(u, len(self.turns))
        return {"turns": jnp.array(self.turns, jnp.int32)[index]}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The turn; its cosines are exact."""
        degrees = params["turns"].astype(jnp.float32) * 90
        return affine_map(rotation(degrees), rotation(-degrees), shape, self.out_shape(shape))


@transform
class Transpose(Geometric):
    """Swap x and y with probability p; an exact copy.

    Args:
        p: probability in [0, 1]; below 1 the frame must be square.

    Raises:
        ParameterError: p outside [0, 1].
    """

    p: float = setting(probability, default=0.5, low=0, high=1)
    mirrors = True

    def check(self, frame: Frame) -> None:
        """A random transpose needs a square."""
        if 0 < self.p < 1:
            _need_square(
                "Transpose",
                frame.shape,
                "Crop or pad to a square first, or use p=1, which turns the frame of every record.",
            )

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """Height and width change places when p is 1."""
        return (shape[1], shape[0]) if self.p == 1 else shape

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``on``, bool."""
        return {"on": jax.random.bernoulli(key, self.p)}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """The transpose, or the identity."""
        matrix = _swap(params["on"])
        return affine_map(matrix, matrix, shape, self.out_shape(shape))


def _swap(on: Array) -> Array:
    one = on.astype(jnp.float32)
    return linear(1 - one, one, one, 1 - one)


@transform
class D4(Geometric):
    """One of the eight symmetries of the square, each as likely as the others; an exact copy.

    The frame must be square.

    Args:
        p: the probability that a pipeline runs it.
    """

    p: float = static(default=1.0, kw_only=True)
    mirrors = True

    def check(self, frame: Frame) -> None:
        """The symmetries of a rectangle are fewer."""
        _need_square(
            "D4",
            frame.shape,
            "Crop or pad to a square first; or use Flip and Rot90((0, 2)), the symmetries of a "
            "rectangle.",
        )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``turns``, int32 in 0..3, and ``transpose``, bool."""
        (u,) = unit_uniform(key, 1)
        element = uniform_index(u, 8)
        return {"turns": element % 4, "transpose": element >= 4}

    def map(self, params: Params, shape: SpatialShape) -> Map:
        """A transpose or not, then the quarter turns."""
        swap = _swap(params["transpose"])
        degrees = params["turns"].astype(jnp.float32) * 90
        forward = product(rotation(degrees), swap)
        return affine_map(forward, product(swap, rotation(-degrees)), shape)
