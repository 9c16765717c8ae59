"""Scalars whose rows describe those of keypoints, and change places with them under a mirror."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...roles import mirrored_order
from ...spec import DataSpec


@lru_cache(maxsize=64)
def tied_tables(spec: DataSpec) -> dict[str, tuple[str, ...]]:
    """Keypoints whose rows a mirror reorders -> the scalars that belong to their rows."""
    found: dict[str, tuple[str, ...]] = {}
    for name, entry in spec.entries.items():
        table = spec.entries.get(entry.of or "")
        if entry.kind == "value" and table is not None and table.groups[0].mirror_pairs:
            found[table.name] = (*found.get(table.name, ()), name)
    return found


def follow(
    spec: DataSpec, done: Mapping[str, Any], values: Mapping[str, Any], *, batched: bool
) -> dict[str, Any]:
    """The scalars, with the rows of records that were mirrored in the order of their keypoints.

    Args:
        spec: what the entries are.
        done: results, with ``<name>_mirrored`` of tied keypoints.
        values: the scalars of the batch or the record.
        batched: there is a leading N.
    """
    moved = dict(values)
    for table, names in tied_tables(spec).items():
        if table not in done:
            continue
        flag = done[f"{table}_mirrored"]
        pairs = spec.entries[table].groups[0].mirror_pairs
        order = mirrored_order(done[table].shape[batched], pairs) if done[table].size else None
        for name in names:
            if name in values and order is not None:
                moved[name] = _reordered(values[name], flag, order, batched)
    return moved


def _reordered(value: Any, flag: Any, order: Any, batched: bool) -> Any:
    traced = isinstance(flag, jax.core.Tracer) or isinstance(value, jax.Array)
    # With NumPy: JAX would cut 64-bit ids down.
    lib: Any = jnp if traced else np
    value, flag = lib.asarray(value), lib.asarray(flag)
    swapped = value[:, order] if batched else value[order]
    return lib.where(flag.reshape(flag.shape + (1,) * (value.ndim - flag.ndim)), swapped, value)
