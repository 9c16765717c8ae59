"""ChannelShuffle: put the channels of an image in a random order."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp

from ..typing import Array, Key
from ._affine import unit_uniform
from ._base import Frame, Params, Photometric, Target, static, transform
from ._checked import names
from ._photometric import refuse_open_channels
from ._ranks import ranks
from ._settings import EntryNames, setting


@transform
class ChannelShuffle(Photometric):
    """Put the channels of every group of intensity channels in a random order.

    All orders are as likely, the one that was there among them. Pixels without data move with
    their channel. Channels of other roles stay where they are.

    Args:
        entries: entries to touch; None for all with intensity channels. Their channel counts must
            be declared.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a channel count is not declared.

    References:
        The ChannelShuffle of albumentations, and torchvision's RandomChannelPermutation.
    """

    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True

    def check(self, frame: Frame) -> None:
        """Every channel count must be known before drawing."""
        super().check(frame)
        refuse_open_channels(self, frame)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (C,) int32: of every channel, the one that it shows, in its group."""
        drawn = {}
        for name, entry in frame.spec.entries.items():
            intensity = any(group.role == "intensity" for group in entry.groups)
            if not intensity or not self.touches(name) or entry.channels is None:
                continue
            u = jnp.stack(
                unit_uniform(jax.random.fold_in(key, zlib.crc32(name.encode())), entry.channels)
            )
            drawn[name] = jnp.concatenate([ranks(u[g.channel_slice()]) for g in entry.groups])
        return drawn

    def rearranged(self, params: Params, values: Array, target: Target) -> Array:
        """Channels in the order that was drawn."""
        return values[..., self._order(params, values, target)]

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Channels in the order that was drawn."""
        return self.rearranged(params, values, target)

    def invert(self, params: Params, values: Array, target: Target) -> Array:
        """Channels in their places."""
        return values[..., jnp.argsort(self._order(params, values, target))]

    def _order(self, params: Params, values: Array, target: Target) -> Array:
        order: Array = params[target.name][target.start : target.start + values.shape[-1]]
        return order
