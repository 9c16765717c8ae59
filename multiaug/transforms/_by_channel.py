"""Amounts that are drawn once for a record, or anew for every channel or channel group."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, warn
from ..spec import EntrySpec
from ..typing import Array, Key
from ._affine import log_uniform, uniform, unit_uniform
from ._base import Frame, Params, Target
from ._checked import fractions, pair, symmetric
from ._photometric import MOST, Clipping
from ._settings import Range

PER = ("record", "group", "channel")


def about_zero(value: Any, field_name: str, **limits: float) -> Range:
    """A range of amounts a that stand for factors 1 + a; warns of what looks like factors."""
    amounts = symmetric(value, field_name)
    remedy = "A factor f is the amount f - 1: write 0.3 for 30 percent, or for factors to 1.3."
    fractions(amounts, field_name, most=MOST, remedy=remedy)
    lo, hi = pair(amounts, field_name, **limits)
    if 0 < lo < 1 < hi:
        warn(
            f"`{field_name}` is {amounts}, which looks like factors about 1; expected amounts "
            f"about 0: ({lo - 1:g}, {hi - 1:g})."
        )
    return amounts


def number_from(u: Array, limits: Range, distribution: str, middle: float) -> Array:
    """Numbers from U[0, 1).

    Args:
        u: these.
        limits: of the numbers.
        distribution: "uniform", "log-uniform", or "balanced": below and above the middle equally
            often, and uniform on either side; uniform where the middle is not inside.
        middle: the number that changes nothing.
    """
    lo, hi = limits
    if distribution == "log-uniform":
        return log_uniform(u, limits)
    if distribution == "uniform" or not lo < middle < hi:
        return uniform(u, limits)
    below, above = lo + (middle - lo) * 2 * u, middle + (hi - middle) * (2 * u - 1)
    return jnp.where(u < 0.5, below, above)


class ByChannel(Clipping):
    """A transform with one drawn amount, which may differ from channel to channel."""

    per: str
    p_per_channel: float

    @property
    def shares_amounts(self) -> bool:
        """One amount is drawn for all that is touched."""
        return self.per == "record" and self.p_per_channel == 1

    def check(self, frame: Frame) -> None:
        """Channel counts must be known before drawing, where channels draw by themselves."""
        super().check(frame)
        if self.shares_amounts or (self.per == "group" and self.p_per_channel == 1):
            return
        for name, entry in self._entries(frame):
            if entry.channels is None:
                raise ParameterError(
                    f"`{self.owner}` must know how many channels {name!r} has, to draw for each, "
                    "got a spec that leaves it open. Declare `channels` in the spec, or leave "
                    '`per="record"` and `p_per_channel=1`.'
                )

    def _entries(self, frame: Frame) -> Iterator[tuple[str, EntrySpec]]:
        for name, entry in frame.spec.entries.items():
            if self.touches(name) and any(group.role == "intensity" for group in entry.groups):
                yield name, entry

    def draw(
        self, key: Key, frame: Frame, name: str, number: Callable[[Array], Array], neutral: float
    ) -> Params:
        """Draw one amount under its name, or entry -> (C,) float32.

        Args:
            key: of the transform.
            frame: it stands in.
            name: of the amount.
            number: U[0, 1) -> amounts.
            neutral: the amount of channels that do not change.
        """
        (u,) = unit_uniform(key, 1)
        if self.shares_amounts:
            return {name: number(u)}
        drawn = {}
        for entry_name, entry in self._entries(frame):
            k = jax.random.fold_in(key, zlib.crc32(entry_name.encode()))
            numbers, coins = jax.random.uniform(k, (2, entry.channels or 1), jnp.float32)
            starts = [group.start for group in entry.groups for _ in range(group.count or 1)]
            if self.per == "record":
                amounts = jnp.broadcast_to(number(u), numbers.shape)
            else:
                amounts = number(numbers if self.per == "channel" else numbers[np.array(starts)])
            drawn[entry_name] = jnp.where(coins < self.p_per_channel, amounts, neutral)
        return drawn

    def drawn(self, params: Params, target: Target, name: str) -> Array:
        """The amount of a channel group: (), or (1, 1, c)."""
        if self.shares_amounts:
            shared: Array = params[name]
            return shared
        amounts: Array = params[target.name]
        if amounts.shape[0] > 1:
            end = None if target.channels is None else target.start + target.channels
            amounts = amounts[target.start : end]
        return amounts.reshape(1, 1, -1)

    def draw_rows(
        self, key: Key, frame: Frame, count: int, rows: Callable[[Array], Array]
    ) -> Params:
        """Draw several numbers: entry name -> (k + 1, C), or ``all`` -> (k + 1, 1), float32.

        Args:
            key: of the transform.
            frame: it stands in.
            count: how many numbers from U[0, 1) those of a channel are made of.
            rows: (count, n) of these -> (k, n) numbers.

        Returns:
            They end with a row that is 1 for channels that change, and 0 for others.
        """
        shared = rows(jax.random.uniform(key, (count, 1), jnp.float32))
        if self.shares_amounts:
            return {"all": jnp.concatenate([shared, jnp.ones((1, 1), jnp.float32)])}
        drawn = {}
        for entry_name, entry in self._entries(frame):
            k = jax.random.fold_in(key, zlib.crc32(entry_name.encode()))
            u = jax.random.uniform(k, (count + 1, entry.channels or 1), jnp.float32)
            starts = [group.start for group in entry.groups for _ in range(group.count or 1)]
            if self.per == "record":
                numbers = jnp.broadcast_to(shared, (shared.shape[0], u.shape[1]))
            else:
                numbers = rows(u[:count] if self.per == "channel" else u[:count, np.array(starts)])
            on = (u[count:] < self.p_per_channel).astype(jnp.float32)
            drawn[entry_name] = jnp.concatenate([numbers, on])
        return drawn

    def drawn_rows(self, params: Params, target: Target) -> Array:
        """What `draw_rows` drew for the channels of a group: (k + 1, c), or (k + 1, 1)."""
        if self.shares_amounts:
            shared: Array = params["all"]
            return shared
        rows: Array = params[target.name]
        if rows.shape[1] > 1:
            end = None if target.channels is None else target.start + target.channels
            rows = rows[:, target.start : end]
        return rows
