"""What a step of a map is; classes of your own can be steps, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from ..errors import ParameterError
from ..typing import Array

Jacobian = tuple[Array, Array, Array, Array]  # d(x', y')/d(x, y), row by row

Positions = tuple[Array, Array]


class Segment(Protocol):
    """One step of a map, on centred positions in pixels of the reference frame.

    A class of your own is a pytree (`jax.tree_util.register_dataclass`) with these members.
    Positions come as arrays of one shape, or as a row and a column that broadcast. Entries are
    sampled at the positions that `pull` gives; keypoints and boxes go through `push`.
    """

    @property
    def dense(self) -> bool:
        """True: it displaces pixels by a field. Only a `Projective` segment is not dense."""

    def pull(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Output position to input position, with the Jacobian of that step.

        `with_jacobian` finds the Jacobian of a function of positions.
        """

    def push(self, x: Array, y: Array) -> tuple[Array, Array, Jacobian]:
        """Input position to output position, with the Jacobian of that step."""

    def inverted(self) -> Segment:
        """The segment that undoes this one."""

    def gated(self, on: Array) -> Segment:
        """This segment where the bool scalar ``on`` is True, the identity where not."""


def with_jacobian(
    function: Callable[[Array, Array], Positions], x: Array, y: Array
) -> tuple[Array, Array, Jacobian]:
    """A function of positions, pixel by pixel, and its Jacobian: what `Segment.pull` returns.

    Args:
        function: (x, y), arrays of one shape -> the new x and y.
        x: positions; they broadcast with y.
        y: likewise.

    Example:
        >>> import jax.numpy as jnp
        >>> x = jnp.float32(2)
        >>> u, v, (a, b, c, d) = with_jacobian(lambda x, y: (x * y, y), x, x)
        >>> float(u), float(a), float(b)
        (4.0, 2.0, 2.0)
    """
    x, y = jnp.broadcast_arrays(x, y)
    one, zero = jnp.ones_like(x), jnp.zeros_like(x)
    (u, v), (a, c) = jax.jvp(function, (x, y), (one, zero))
    _, (b, d) = jax.jvp(function, (x, y), (zero, one))
    return u, v, (a, b, c, d)


def check_segment(segment: Any) -> None:
    """Refuse a step of a map that no sampler would know how to follow."""
    owner = type(segment).__name__
    for name in ("pull", "push", "inverted", "gated"):
        if not callable(getattr(segment, name, None)):
            raise ParameterError(
                f"The segment `{owner}` must have the method `{name}` to be part of a map; see "
                "`multiaug.geometry.Segment`."
            )
    dense = getattr(segment, "dense", None)
    if dense is not True:
        raise ParameterError(
            f"`{owner}.dense` must be True, got {dense!r}: only a `Projective` segment has a "
            "matrix that cameras could follow. Return one, or say dense = True."
        )
    if jax.tree_util.all_leaves([segment]):
        raise ParameterError(
            f"The segment `{owner}` must be a pytree, so that it goes through jit and vmap. "
            "Decorate the dataclass with jax.tree_util.register_dataclass."
        )
