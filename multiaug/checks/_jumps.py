"""Is `max_jump` in the units of the depths that it is compared with?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..spec import DataSpec
from ..typing import NDArray
from ._finding import Finding
from ._projection import channels_of, is_invalid

_FEWEST = 64
_SLOPE = 0.02  # of the depth: a larger step between neighbours is an edge
_FACTOR = 3  # a limit just above the largest depth may be a coarse one
_SURELY = 0.9  # the share of neighbours that makes a rule


def inspect_jumps(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """A limit that no step reaches, or that nearly all exceed, is of another unit."""
    for name, array in records.items():
        for group in spec.entries[name].groups:
            if group.max_jump is None or group.role not in ("depth", "position"):
                continue
            part = channels_of(array, group, batch=True).astype(np.float64)
            z = np.where(is_invalid(part, group), np.nan, part[..., -1])
            message = _message(z, group.max_jump)
            if message:
                yield Finding(name, message, False)


def _message(z: NDArray, limit: float) -> str:
    """The finding, "" for none; of depths (n, H, W) that are NaN where there is none."""
    if np.isfinite(z).sum() < _FEWEST:
        return ""
    largest = float(np.nanmax(z))
    if largest <= limit / _FACTOR:
        return (
            f'found depths up to {largest:.4g}, which "max_jump": {limit:g} never tells apart; '
            "expected a limit in the units of the values; one of the two may be in millimetres, "
            "the other in metres"
        )
    steps = np.abs(np.diff(z, axis=-1))
    steps = steps[steps > 0]
    # Steps between level surfaces are what a limit is for; a slope has far smaller ones.
    slopes = len(steps) >= _FEWEST and np.median(steps) < _SLOPE * np.nanmedian(z)
    if slopes and np.mean(steps > limit) >= _SURELY:
        return (
            f"found steps of {np.median(steps):.4g} (median) between neighbours, nearly all beyond "
            f'"max_jump": {limit:g}, so that nothing would be blended; expected a limit in the '
            "units of the values; one of the two may be in metres, the other in millimetres"
        )
    return ""
