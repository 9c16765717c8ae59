"""Heights and widths that are data: one compiled program then serves images of all sizes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ..typing import Array, SpatialShape


class Length:
    """A number of pixels that is not known while a program is traced.

    It behaves as the traced int32 number that it holds: sums, differences and products with
    integers are lengths again, everything else is an array. What Python has to know it for
    (``if``, ``min``, ``round``, `math`) fails with an error of JAX, and such a transform is
    compiled for each size.

    Args:
        value: () int32, or with a leading axis of records outside of `vmap`.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __jax_array__(self) -> Array:
        return jnp.asarray(self.value)

    def __repr__(self) -> str:
        """What it holds."""
        return f"Length({self.value!r})"

    def _with(self, other: Any) -> tuple[Array, Any]:
        """Both sides of an operation; a float32 number of pixels beside what is no integer."""
        if isinstance(other, Length):
            return self.value, other.value
        if isinstance(other, int) or jnp.issubdtype(jnp.result_type(other), jnp.integer):
            return self.value, other
        return self.value.astype(jnp.float32), other

    def __add__(self, other: Any) -> Any:
        one, two = self._with(other)
        return _as_length(one + two, other)

    def __sub__(self, other: Any) -> Any:
        one, two = self._with(other)
        return _as_length(one - two, other)

    def __rsub__(self, other: Any) -> Any:
        one, two = self._with(other)
        return _as_length(two - one, other)

    def __mul__(self, other: Any) -> Any:
        one, two = self._with(other)
        return _as_length(one * two, other)

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: Any) -> Any:
        one, two = self._with(other)
        return _as_length(one // two, other)

    def __truediv__(self, other: Any) -> Any:
        one, two = self._with(other)
        return one / two

    def __rtruediv__(self, other: Any) -> Any:
        one, two = self._with(other)
        return two / one

    def __mod__(self, other: Any) -> Any:
        one, two = self._with(other)
        return _as_length(one % two, other)

    def __pow__(self, other: Any) -> Any:
        one, two = self._with(other)
        return one**two

    def __neg__(self) -> Any:
        return -self.value

    def __abs__(self) -> Any:
        return abs(self.value)

    def __lt__(self, other: Any) -> Any:
        one, two = self._with(other)
        return one < two

    def __le__(self, other: Any) -> Any:
        one, two = self._with(other)
        return one <= two

    def __gt__(self, other: Any) -> Any:
        one, two = self._with(other)
        return one > two

    def __ge__(self, other: Any) -> Any:
        one, two = self._with(other)
        return one >= two

    def __eq__(self, other: object) -> Any:
        one, two = self._with(other)
        return one == two

    def __ne__(self, other: object) -> Any:
        one, two = self._with(other)
        return one != two

    __hash__ = None  # type: ignore[assignment]


def _as_length(found: Array, other: Any) -> Any:
    """Of lengths and integers one is made again; of anything else, an array."""
    return Length(found) if isinstance(other, int | Length) else found


def shortest(shape: Any) -> Any:
    """The shorter side, an int or float32; ``min(shape)`` would have to know the sizes."""
    height, width = shape
    if isinstance(height, Length) or isinstance(width, Length):
        return jnp.minimum(jnp.asarray(height, jnp.float32), jnp.asarray(width, jnp.float32))
    return min(height, width)


def shape_leaves(
    *shapes: Any,
) -> tuple[tuple[Any, ...], tuple[tuple[int | None, ...], ...]]:
    """Shapes as leaves of a pytree and its static part: numbers are static, `Length`s are data."""
    values = tuple(side.value for shape in shapes for side in shape if isinstance(side, Length))
    known = tuple(
        tuple(None if isinstance(side, Length) else side for side in shape) for shape in shapes
    )
    return values, known


def shapes_of_leaves(
    values: tuple[Any, ...], known: tuple[tuple[int | None, ...], ...]
) -> list[SpatialShape]:
    """The inverse of `shape_leaves`."""
    rest = iter(values)
    return [
        tuple(Length(next(rest)) if side is None else side for side in shape)  # type: ignore[misc]
        for shape in known
    ]
