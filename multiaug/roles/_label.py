"""The role `label`: class ids of pixels."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..sampling import Band, NativeRules, SampleContext
from ..spec import BORDERS, ChannelGroup, RoleTraits, register_role
from ..typing import Array, NDArray
from ._base import RecordGeometry, band_of
from ._verbs import Verbs


class Label(Verbs):
    """Copied, never blended; under a mirror, ids of left and right parts swap."""

    traits = register_role(
        RoleTraits(
            "label",
            kind="spatial",
            channels=1,
            dtype_kinds="bui",
            interpolations=("nearest", "majority"),
            borders=BORDERS,
            default_fill="ignore",
            settings=frozenset({"ignore", "mirror_pairs", "values"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Nearest or majority, and the swap of mirror pairs."""

        def swap(ids: Array, context: SampleContext) -> Array:
            swapped = ids
            for pair in group.mirror_pairs:
                left, right = (jnp.asarray(label).astype(ids.dtype) for label in pair)
                swapped = jnp.where(ids == left, right, swapped)
                swapped = jnp.where(ids == right, left, swapped)
            return jnp.where(context.view.mirrored, swapped, ids)

        if not group.mirror_pairs:
            return band_of(group)
        pairs = tuple((int(left), int(right)) for left, right in group.mirror_pairs)
        native = NativeRules(move="mirror-pairs", mirrored=_mirrored, pairs=pairs)
        return band_of(group, move=swap, native=native)

    def refuses_occlusion(self, group: ChannelGroup) -> str | None:
        """Without an ignore value nothing says that a pixel shows no class."""
        if group.ignore is not None:
            return None
        return (
            "labels without an ignore value have nothing for what is covered. Declare "
            '"ignore" in the spec'
        )

    def covered_value(self, group: ChannelGroup, dtype: np.dtype[Any]) -> NDArray | None:
        """The ignore value."""
        assert group.ignore is not None
        return np.asarray(group.ignore).astype(dtype)

    def refuses_mixing(self, group: ChannelGroup) -> str | None:
        """A mean of class ids is another class."""
        return (
            "a mean of class ids is the id of another class. Put "
            "OneHot(entry, classes) before it, which makes shares of classes"
        )


def _mirrored(view: RecordGeometry) -> Array:
    return view.mirrored
