"""The role `probability`: for every pixel, the share of each class; one-hot labels, soft labels."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..sampling import Band, SampleContext
from ..spec import BORDERS, ChannelGroup, RoleTraits, register_role
from ..typing import Array
from ._base import RecordGeometry, band_of
from ._verbs import CoveredByZero, Mixable, Verbs


class Probability(Mixable, CoveredByZero, Verbs):
    """Blended, and left alone by photometry; under a mirror, channels of left and right swap."""

    traits = register_role(
        RoleTraits(
            "probability",
            kind="spatial",
            dtype_kinds="f",
            interpolations=("linear", "nearest"),
            borders=BORDERS,
            settings=frozenset({"mirror_pairs"}),
        )
    )

    def band(self, group: ChannelGroup, view: RecordGeometry) -> Band:
        """Linear or nearest, and the swap of mirror pairs."""

        def swap(shares: Array, context: SampleContext) -> Array:
            order = np.arange(shares.shape[-1])
            for left, right in group.mirror_pairs:
                if max(left, right) >= len(order):
                    raise ParameterError(
                        f"`mirror_pairs` of a probability must be pairs of its {len(order)} "
                        f"channels, got [{left}, {right}]. Channels are counted from 0."
                    )
                order[left], order[right] = right, left
            return jnp.where(context.view.mirrored, shares[..., order], shares)

        return band_of(group, move=swap if group.mirror_pairs else None)
