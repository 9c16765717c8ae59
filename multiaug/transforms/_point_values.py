"""What alterations of clouds and depths share: channels of a role, and what is valid of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import jax.numpy as jnp
import numpy as np

from ..sampling import is_float
from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..typing import Array

Named = Mapping[str, Array]


def groups_of_role(
    spec: DataSpec, record: Named, role: str, entries: tuple[str, ...] | None = None
) -> Iterator[tuple[EntrySpec, ChannelGroup, Array]]:
    """Entry, group and values (.., c) of the channel groups of a role that a record holds."""
    for name, entry in spec.entries.items():
        if name not in record or (entries is not None and name not in entries):
            continue
        for group in entry.groups:
            if group.role == role:
                array = record[name]
                part = group.channel_slice() if entry.kind == "spatial" else slice(None)
                yield entry, group.for_dtype(np.dtype(array.dtype).name), array[..., part]


def is_valid(values: Array, group: ChannelGroup) -> Array:
    """(.., 1) bool: where there are data; a pixel is valid as a whole."""
    valid = jnp.ones((*values.shape[:-1], 1), bool)
    if is_float(values.dtype):
        valid = jnp.isfinite(values).all(-1, keepdims=True)
    if isinstance(group.invalid, int | float):
        mark = jnp.asarray(group.invalid).astype(values.dtype)
        valid &= (values != mark).any(-1, keepdims=True)
    return valid


def mark_of(group: ChannelGroup) -> float | None:
    """The value of pixels without data; None where the entry has none."""
    if group.invalid == "nan" or group.traits.kind == "points":
        return float("nan")
    return None if group.invalid is None else float(group.invalid)


def with_values(record: Named, entry: EntrySpec, group: ChannelGroup, values: Array) -> Array:
    """An entry with new values in the channels of a group, in its own dtype."""
    array = record[entry.name]
    values = values.astype(array.dtype)
    if entry.kind != "spatial" or len(entry.groups) == 1:
        return values
    return array.at[..., group.channel_slice()].set(values)
