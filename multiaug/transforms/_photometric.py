"""A first set of intensity transforms. They touch intensity channels only.

All are computed in float32. Integer entries come back rounded half up and clipped to their
dtype, once, after the last one; float entries are clipped only by those with ``clip=True``.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import ParameterError, warn
from ..spec import ALL_DTYPES, ChannelGroup, EntrySpec
from ..typing import Array, Key
from ._affine import uniform, unit_uniform
from ._base import (
    Frame,
    Params,
    Photometric,
    Target,
    static,
    transform,
)
from ._checked import (
    flag,
    fractions,
    names,
    number,
    plain,
    symmetric,
)
from ._operations import Clip, Operation, ScaleShift
from ._settings import EntryNames, Range, Ranged, Setting, setting

# Some times the range from black to white means nothing, so a larger number counts levels.
MOST = 4.0
LEVELS = "1 is all of the value range, from black to white: write 30 levels of 255 as 30 / 255."


Numbers = Setting[tuple[float, ...], float | Sequence[float]]


def levels(value: Any, field_name: str, **limits: float) -> Range:
    """A range of amounts, as fractions of the range of values."""
    amounts = symmetric(value, field_name, **limits)
    fractions(amounts, field_name, most=MOST, remedy=LEVELS)
    return amounts


class Clipping(Photometric):
    """A transform that clips floats to the value range on request; then it has no inverse."""

    clip: bool

    @property
    def uses_range(self) -> bool:
        """True: amounts are fractions of the range."""
        return True

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """The change, then a clip where asked."""
        change = self._change(params, target)
        return [change, Clip(*target.range)] if self.clip else [change]

    @abstractmethod
    def _change(self, params: Params, target: Target) -> Operation:
        """The change itself."""


@transform
class Brightness(Clipping):
    """Add one number to all channels: ``v + a (hi - lo)``, a from U(lo, hi).

    Args:
        amount: range of a, as a fraction of the value range; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite or lo > hi.
    """

    amount: Ranged = setting(levels, default=0.2, unit="ranges")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``amount``, float32."""
        (u,) = unit_uniform(key, 1)
        return {"amount": uniform(u, self.amount)}

    def _change(self, params: Params, target: Target) -> Operation:
        """``v + a (hi - lo)``."""
        return ScaleShift(shift=params["amount"] * target.extent)


def refuse_open_channels(transform: Photometric, frame: Frame) -> None:
    """Refuse specs that leave open how many channels an entry has that a transform draws for.

    Raises:
        ParameterError: naming the entry.
    """
    for name, entry in frame.spec.entries.items():
        intensity = any(group.role == "intensity" for group in entry.groups)
        if intensity and transform.touches(name) and entry.channels is None:
            raise ParameterError(
                f"`{transform.owner}` must know how many channels {name!r} has, "
                "got a spec that leaves it open. Declare `channels` in the spec."
            )


@transform
class ChannelShift(Clipping):
    """Add a number of its own to every channel: ``v_c + a_c (hi - lo)``.

    Args:
        amount: range of each a_c, as a fraction of the value range; a number v means (-v, v).
        clip: clip floats to the value range.
        entries: entries to touch; None for all with intensity channels. Their channel counts
            must be declared.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: the range is not finite or lo > hi; a channel count is not declared.
    """

    amount: Ranged = setting(levels, default=0.1, unit="ranges")
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True

    def check(self, frame: Frame) -> None:
        """Every channel count must be known before drawing."""
        super().check(frame)
        refuse_open_channels(self, frame)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw entry name -> (C,) float32; channels of other roles draw and are not used."""
        drawn = {}
        for name, entry in frame.spec.entries.items():
            intensity = any(group.role == "intensity" for group in entry.groups)
            if intensity and self.touches(name) and entry.channels is not None:
                k = jax.random.fold_in(key, zlib.crc32(name.encode()))
                u = jax.random.uniform(k, (entry.channels,), jnp.float32)
                drawn[name] = uniform(u, self.amount)
        return drawn

    def _change(self, params: Params, target: Target) -> Operation:
        """``v_c + a_c (hi - lo)``."""
        end = None if target.channels is None else target.start + target.channels
        amount: Array = params[target.name][target.start : end]
        return ScaleShift(shift=(amount * target.extent).reshape(1, 1, -1))


def _numbers(value: Any, field_name: str, **limits: float) -> tuple[float, ...]:
    value = plain(value)
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return tuple(number(v, field_name, **limits) for v in values)


@transform
class Normalize(Photometric):
    """Scale values to [0, 1] by their range, then standardise: ``(u - mean) / std``; float32.

    Args:
        mean: one number, or one per channel of each group it touches; in units of the range: 0
            is black and 1 is white, as torchvision has it, whatever the dtype.
        std: the same, positive.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: not finite, or a std that is not positive.
    """

    mean: Numbers = setting(_numbers, default=0.0, unit="ranges")
    std: Numbers = setting(_numbers, default=1.0, low=1e-12, unit="ranges")
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    keeps_dtype = False

    def check(self, frame: Frame) -> None:
        """Lists must be as long as the groups they are for."""
        super().check(frame)
        for name, entry in frame.spec.entries.items():
            for group in entry.groups:
                if group.role != "intensity" or not self.touches(name):
                    continue
                for field_name, given in (("mean", self.mean), ("std", self.std)):
                    if len(given) not in {1, group.count or len(given)}:
                        raise ParameterError(
                            f"`Normalize.{field_name}` must have 1 or {group.count} numbers for "
                            f"entry {name!r}, got {len(given)}."
                        )
                self._say_of_levels(name, entry, group)

    def _say_of_levels(self, name: str, entry: EntrySpec, group: ChannelGroup) -> None:
        """Say so of a mean in levels where the spec says that the range is another one.

        It is no error: a mean far outside of the range is a shift like any other.
        """
        white = max(abs(mean) for mean in self.mean)
        integer = all(ALL_DTYPES[dtype].kind in "ui" for dtype in entry.dtypes)
        lo, hi = group.range or ((0.0, ALL_DTYPES[entry.dtypes[0]].hi) if integer else (0.0, 1.0))
        if white > MOST and (lo, hi) != (0.0, 1.0):
            warn(
                f"`Normalize.mean` is in units of the range of {name!r}, where {lo:g} is 0 "
                f"and {hi:g} is 1, got {self.mean}. If that is in levels, divide mean and std by "
                f"{hi - lo:g}" + (f", after {lo:g} is taken off the mean." if lo else ".")
            )

    @property
    def uses_range(self) -> bool:
        """True: values are first scaled to [0, 1] by it."""
        return True

    def out_range(self, given: Range) -> Range:
        """Standardised values count in units of one: black and white are 0 and 1."""
        return 0.0, 1.0

    def sample(self, key: Key, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """``((v - lo) / (hi - lo) - mean) / std``."""
        low, extent = target.range[0], target.extent
        return [ScaleShift(1 / (extent * _row(self.std)), origin=low + extent * _row(self.mean))]


def _row(values: tuple[float, ...]) -> Array:
    return jnp.array(values, jnp.float32).reshape(1, 1, -1)
