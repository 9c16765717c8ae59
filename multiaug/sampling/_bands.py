"""Bands as both backends see them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..typing import NDArray
from ._axis import FILLED
from ._dtype import constant, is_float
from ._plan import Band, Job

# One part of an array: its job, and a band of it.
Part = tuple[Job, Band]


def is_plain(band: Band) -> bool:
    """Nothing can be invalid."""
    known = band.invalid is None and band.fill is not None and band.encode is None
    return known and band.max_jump is None


def rim_value(band: Band, dtype: np.dtype[Any]) -> NDArray:
    """(C,) what stands beyond the picture; NaN where nothing does."""
    if band.border not in FILLED or band.fill is None:
        return np.full((count_of(band),), np.nan if is_float(dtype) else 0, dtype)
    fill = np.stack([constant(value, dtype) for value in band.fill])
    return np.broadcast_to(fill, (count_of(band),))


def resolve_slices(job: Job, channels: int) -> Job:
    """The job with bands whose slices have both ends."""
    bands = [replace(b, channels=slice(*b.channels.indices(channels)[:2])) for b in job.bands]
    return replace(job, bands=tuple(bands))


def count_of(band: Band) -> int:
    """Channels of a band whose slice has been settled."""
    return int(band.channels.stop) - int(band.channels.start)
