"""Zeros that stand for no data, in entries that do not say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..spec import DataSpec
from ..typing import NDArray
from ._finding import Finding
from ._projection import channels_of

_SHARE = 0.01  # of the pixels: fewer may be what was measured
_FEWEST = 32


def inspect_zeros(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """No sensor sees itself: points and depths of 0 are holes, and would be blended with the rest.

    Where the camera is known the sampling on its rays leaves them out by itself.
    """
    known = spec.camera.has_default or any(spec.entries[n].role == "intrinsics" for n in records)
    if known and spec.camera.policy != "none":
        return
    for name, array in records.items():
        for group in spec.entries[name].groups:
            if group.role not in ("position", "depth") or group.invalid == 0:
                continue
            part = channels_of(array, group, batch=True)
            zero, valid = (part == 0).all(-1), np.isfinite(part.astype(np.float32)).all(-1)
            share = float(zero.sum() / max(1, valid.sum()))
            if zero.sum() >= _FEWEST and _SHARE <= share < 1:
                what = "points (0, 0, 0)" if group.role == "position" else "depths of 0"
                yield Finding(
                    name,
                    f"found {share:.0%} {what}, which usually stand for no data, but would be "
                    'blended with what is beside them; expected NaN, or "invalid": 0 in the spec; '
                    "declare it",
                    False,
                )
