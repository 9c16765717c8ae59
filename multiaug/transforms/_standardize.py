"""Subtract the mean of a data set, divide by its standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..errors import NotFittedError, ParameterError, warn
from ..statistics import GroupStatistics, Statistics
from ..typing import Array, NDArray
from ._base import (
    Frame,
    Params,
    Photometric,
    Target,
    derived,
    static,
    transform,
)
from ._checked import (
    choice,
    flag,
    names,
    number,
    set_fields,
)
from ._fitted import check_channels, check_frame, check_statistics, wanted_groups
from ._operations import Operation, ScaleShift
from ._settings import EntryNames, Range, setting


@transform
class Standardize(Photometric):
    """``(r v - r mean) / (r std + epsilon)`` with the moments of a data set; float32.

    Args:
        statistics: from `multiaug.fit` with `multiaug.Moments`.
        center: ``channel``: mean and std of each channel, as Keras has it; ``pixel``: of each
            pixel, on frames of the fitted size.
        scale: divide by the std; False only subtracts the mean.
        epsilon: added to the std, in rescaled units.
        rescale: r, a number that values are multiplied by first, such as 1 / 255.
        entries: entries to touch; None for all that were fitted.
        p: the probability that a pipeline runs it.

    Raises:
        NotFittedError: no moments of an entry, or of its channels alone where ``center`` asks for
            pixels.
        ParameterError: settings out of range.
    """

    statistics: Statistics = setting(check_statistics)
    center: Literal["channel", "pixel"] = setting(
        choice, default="channel", options=("channel", "pixel"), was="centre"
    )
    scale: bool = setting(flag, default=True)
    epsilon: float = setting(number, default=1e-6, low=0)
    rescale: float = setting(number, default=1.0)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    arrays: Any = derived(default=None)
    by_channel = True
    keeps_dtype = False

    def __post_init__(self) -> None:
        if self.arrays is not None:
            return  # rebuilt by JAX
        if self.rescale == 0:
            raise ParameterError("`Standardize.rescale` must not be 0, got 0.")
        set_fields(self, arrays=self._build())

    def _build(self) -> dict[str, dict[str, Any]]:
        built = {}
        groups = wanted_groups(self.statistics, self.entries, "moments", "Standardize")
        for group in groups.values():
            if group.role != "intensity":
                continue
            moments = group.moments
            if self.center == "pixel":
                if moments.statistic.by_channel:
                    raise NotFittedError(
                        f"`Standardize.center='pixel'` must have moments of pixels, and those of "
                        f"{group.entry!r} are of channels. Fit multiaug.Moments(per='pixel'), or "
                        "take center='channel'."
                    )
                mean, std = moments.mean(), moments.std()
            else:
                mean = moments.channel_mean()[None, None]
                std = moments.channel_std()[None, None]
            # A pixel that was never valid has no mean: 0 leaves it as it is.
            if self.scale:
                _say_constant(group, std)
            mean, std = np.nan_to_num(mean), np.nan_to_num(std, nan=1.0)
            spread = std * abs(self.rescale) + self.epsilon if self.scale else np.ones_like(std)
            # A constant pixel is 0 after centring, whatever it is divided by.
            spread = np.where(spread > 0, spread, 1.0)
            built[f"{group.entry}:{group.start}"] = {
                "mean": mean.astype(np.float32),
                "scale": (self.rescale / spread).astype(np.float32),
            }
        return built

    def check(self, frame: Frame) -> None:
        """The frame and the channels must be those that were fitted."""
        groups = wanted_groups(self.statistics, self.entries, "moments", "Standardize")
        held = {k: g for k, g in groups.items() if g.role == "intensity"}
        check_frame(held, frame, "Standardize", by_pixel=self.center == "pixel")

    def touches(self, name: str) -> bool:
        """True when the entry was fitted, and is wanted."""
        return any(key.rpartition(":")[0] == name for key in self.arrays)

    def out_range(self, given: Range) -> Range:
        """Standardised values count in units of one: black and white are 0 and 1."""
        return 0.0, 1.0

    def sample(self, key: Any, frame: Frame) -> Params:
        """Nothing is drawn."""
        return {}

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """Standardise; by pixel only pictures of the fitted size."""
        fitted = self.arrays[f"{target.name}:{target.start}"]["mean"].shape[:2]
        if self.center == "pixel" and fitted != values.shape[:2]:
            raise ParameterError(
                f"`Standardize` was fitted on {fitted[0]} x {fitted[1]} pixels of {target.name!r}, "
                f"got {values.shape[0]} x {values.shape[1]}. Resize or crop to the fitted size "
                "before it, or take center='channel'."
            )
        return super().apply(params, values, target)

    def operations(self, params: Params, target: Target) -> Sequence[Operation]:
        """``(r v - r mean) / (r std + epsilon)``."""
        held = self.arrays[f"{target.name}:{target.start}"]
        check_channels(held["mean"].shape[-1], target.channels, target.name, "Standardize")
        return [ScaleShift(held["scale"], origin=held["mean"])]


def _say_constant(group: GroupStatistics, std: NDArray) -> None:
    """Warn of channels that were the same everywhere: what differs later becomes huge."""
    for channel in np.flatnonzero((std == 0).all(axis=(0, 1))):
        name = group.names[channel] if group.names else int(channel)
        value = float(group.moments.channel_mean()[channel])
        warn(
            f"Standardize: channel {name!r} of {group.entry!r} is {value:g} everywhere in the "
            "records that were fitted, so its standard deviation is 0: it becomes 0, and any other "
            "value later is divided by epsilon. Leave the channel out of the spec, or fit more "
            "records."
        )
