"""What else roles can do besides following a map: be covered, and be mixed with another record.

A role inherits the defaults: what is covered becomes invalid, and values of two records have no
common meaning. A role without these verbs, written elsewhere, is refused by name.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..sampling import cast, constant, library_of
from ..spec import ChannelGroup
from ..typing import Array, NDArray


class Verbs:
    """The defaults of a role of images."""

    def refuses_occlusion(self, group: ChannelGroup) -> str | None:
        """Why pixels of a group cannot be covered, with the remedy; None where they can."""
        if group.invalid is not None:
            return None
        return (
            f"a {group.role} without an invalid value has nothing for what is covered. "
            'Declare "invalid" in the spec'
        )

    def covered_value(self, group: ChannelGroup, dtype: np.dtype[Any]) -> NDArray | None:
        """What a covered value becomes, (), of the dtype; by default it becomes invalid.

        None where that is the transform's fill. What is one value for all pixels is written by
        native code.
        """
        assert group.invalid is not None
        return constant(np.nan if group.invalid == "nan" else group.invalid, dtype)

    def occlude(
        self, values: Array, covered: Array, group: ChannelGroup, fill: float | Array
    ) -> Array:
        """Values (h, w, c) with what is covered replaced by `covered_value`, or by the fill.

        Values that are no data stay no data.

        Args:
            values: of one record, in their dtype.
            covered: bool, broadcastable to the values.
            group: the channel group.
            fill: of intensity, in units of the values; broadcastable to them.
        """
        value: Any = self.covered_value(group, np.dtype(values.dtype))
        if value is None:
            value = cast(jnp.asarray(fill, jnp.float32), np.dtype(values.dtype))
        there = has_data(values, group)
        return jnp.where(covered if there is None else covered & there, value, values)

    def refuses_mixing(self, group: ChannelGroup) -> str | None:
        """Why values of two records cannot be mixed, with the remedy; None where they can."""
        return (
            f"values of role {group.role} of two records have no common meaning. Leave it out of "
            "the spec"
        )

    def mix(self, sources: Array, weights: Array, group: ChannelGroup) -> Array:
        """The weighted mean of values (S, ...) of some records, float32.

        Where one of them holds no data there are none. Roles that can be mixed use it as it is.

        Args:
            sources: in their dtype, S records.
            weights: (S,), which add up to 1.
            group: the channel group.
        """
        values = sources.astype(jnp.float32)
        absent = None
        if group.invalid == "nan":
            absent = jnp.isnan(values)
        elif group.invalid is not None:
            absent = sources == constant(group.invalid, sources.dtype)
        if absent is not None:
            values = jnp.where(absent, 0, values)
        mixed = values[0]
        for i in range(1, len(sources)):
            # One rounding for each: equal values stay what they are, and so do those of weight 1.
            mixed = blended(mixed, values[0], values[i], weights[i])
        if absent is None:
            return mixed
        mark = jnp.nan if group.invalid == "nan" else constant(group.invalid, sources.dtype)  # type: ignore[arg-type]
        return jnp.where(absent.any(0), jnp.asarray(mark).astype(jnp.float32), mixed)


def has_data(values: Any, group: ChannelGroup) -> Any:
    """Bool of the shape of values, of NumPy or JAX: they are data; None where all are.

    Args:
        values: in their dtype.
        group: the channel group.
    """
    if group.invalid is None:
        return None
    if group.invalid == "nan":
        return ~library_of(values).isnan(values)
    return values != constant(group.invalid, np.dtype(values.dtype))


def blended(sum_: Array, one: Array, other: Array, weight: Array) -> Array:
    """``sum + weight (other - one)``, each operation rounded by itself. Traceable.

    A compiler that made one operation of the product and the sum would give other bits than native
    code, and than other compilers. Between them stand limits that a weight in [0, 1] never passes.
    """
    far = other - one
    step = jnp.clip(weight * far, jnp.minimum(far, 0), jnp.maximum(far, 0))
    return sum_ + step


class Mixable:
    """Values of two records can be blended, as sums of light and shares can."""

    def refuses_mixing(self, group: ChannelGroup) -> str | None:
        """They can be mixed."""
        return None


class CoveredByZero:
    """Where something is covered there is nothing of it."""

    def refuses_occlusion(self, group: ChannelGroup) -> str | None:
        """They can be covered."""
        return None

    def covered_value(self, group: ChannelGroup, dtype: np.dtype[Any]) -> NDArray | None:
        """0."""
        return np.zeros((), dtype)
