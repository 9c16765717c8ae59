"""Pictures with neighbours that are alike, as real ones have."""

import numpy as np


def pictures(n, height=6, width=5, channels=3, dtype="uint8", seed=0, noise=0.6):
    """(n, height, width, channels): smooth noise about 120, of any dtype."""
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((n, height, width, channels))
    for axis in (1, 2):
        field = field + np.roll(field, 1, axis)
    # The smallest variances are those of this noise: a condition of some thousands.
    field = field + noise * rng.standard_normal(field.shape)
    field = field @ (0.7 + 0.3 * np.eye(channels))
    values = 120 + 15 * field
    kind = np.dtype(dtype).kind
    if dtype == "bool":
        return values > 120
    if dtype in ("uint16", "int16"):
        values = values * 250 - (0 if dtype == "uint16" else 30000)
    if dtype == "int8":
        values = values - 120
    if kind in "iu":
        info = np.iinfo(dtype)
        return np.clip(np.rint(values), info.min, info.max).astype(dtype)
    return values.astype(dtype)


def rows(records):
    """float64 (n, d)."""
    return np.asarray(records).reshape(len(records), -1).astype(np.float64)


def covariance(records):
    """float64 (d, d), by two passes."""
    centred = rows(records) - rows(records).mean(0)
    return centred.T @ centred / len(records)
