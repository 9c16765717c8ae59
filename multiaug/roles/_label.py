"""The role `label`: class ids of pixels."""

from __future__ import annotations

import jax.numpy as jnp

from ..sampling import Band, NativeRules, SampleContext
from ..spec import BORDERS, ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of


class Label:
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
            for left, right in group.mirror_pairs:
                swapped = jnp.where(ids == left, jnp.asarray(right).astype(ids.dtype), swapped)
                swapped = jnp.where(ids == right, jnp.asarray(left).astype(ids.dtype), swapped)
            return jnp.where(context.view.mirrored, swapped, ids)

        if not group.mirror_pairs:
            return band_of(group)
        pairs = tuple((int(left), int(right)) for left, right in group.mirror_pairs)
        native = NativeRules(move="mirror-pairs", mirrored=_mirrored, pairs=pairs)
        return band_of(group, move=swap, native=native)


def _mirrored(view: RecordGeometry) -> Array:
    return view.mirrored
