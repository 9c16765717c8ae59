"""Noise: a number of its own for every pixel and channel."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..typing import Key
from ._affine import uniform
from ._base import Frame, Params, Target, static, transform
from ._checked import flag, names, number
from ._operations import Noise, Operation
from ._photometric import Clipping, levels
from ._settings import EntryNames, Range, Ranged, setting


def _deviations(value: Any, field_name: str, *, low: float) -> Range:
    """A range of standard deviations; one number is the largest."""
    single = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    given = (0.0, number(value, field_name, low=low)) if single else value
    return levels(given, field_name, low=low)


@transform
class GaussianNoise(Clipping):
    """Add independent normal noise to every pixel and channel.

    Args:
        std: range of the standard deviation, as a fraction of the value range; a number v
            means (0, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is negative, not finite, or lo > hi.
    """

    std: Ranged = setting(_deviations, default=0.05, low=0, unit="ranges")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    footprint = "noise"

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``std``, float32, and ``seed``, (2,) uint32, which fixes the noise."""
        words = jax.random.bits(key, (3,), jnp.uint32)
        # The upper 24 bits are all that float32 can tell apart.
        u = (words[2] >> 8).astype(jnp.float32) * 2.0**-24
        return {"std": uniform(u, self.std), "seed": words[:2]}

    def _change(self, params: Params, target: Target) -> Operation:
        """``v + std (hi - lo) n``, n from N(0, 1).

        Seeded by the record, the entry's name and the group's first channel.
        """
        # The name, not its place in the record: other entries must not change the noise.
        stream = zlib.crc32(f"{target.name}/{target.start}".encode())
        return Noise(params["seed"], stream, params["std"] * target.extent)
