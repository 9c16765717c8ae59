"""Which channels are red, green and blue: those that the spec names so."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..spec import DataSpec
from ..typing import Array
from ._base import Frame, Photometric, Target

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey image: ITU-R BT.601, as in Pillow and OpenCV."""

_NAMES = (("r", "red"), ("g", "green"), ("b", "blue"))


def places(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Where red, green and blue are among names of channels; None where one is missing."""
    lower = [name.lower() for name in names]
    found = [[i for i, name in enumerate(lower) if name in known] for known in _NAMES]
    if any(len(each) != 1 for each in found):
        return None
    (r,), (g,), (b,) = found
    return r, g, b


def rgb_of(target: Target) -> tuple[int, int, int] | None:
    """Where red, green and blue are in a channel group; None where it has no colours."""
    return places(target.names)


def check_rgb(transform: Photometric, frame: Frame) -> None:
    """Refuse a spec that names no channels red, green and blue among those that are touched.

    Raises:
        ParameterError: no group has them, or an entry that the transform names has none.
    """
    wanted = transform.entries or [n for n in frame.spec.entries if transform.touches(n)]
    missing = missing_colours(frame.spec, wanted, every=transform.entries is not None)
    if missing is not None:
        raise ParameterError(f"`{transform.owner}` must find {missing}")


def missing_colours(spec: DataSpec, names: Sequence[str], *, every: bool = False) -> str | None:
    """What is expected of entries without colours, what was found, and the remedy; or None.

    Args:
        spec: of the records.
        names: of the entries that are to be changed.
        every: each of them must have colours, where one of them is enough otherwise.
    """
    without = [name for name in names if not _has_colours(spec, name)]
    if not (without if every else len(without) == len(names)):
        return None
    found = {name: _names(spec, name) for name in without}
    return (
        f"channels that the spec names r, g and b (or red, green and blue), got {_shown(found)}. "
        'Declare their order in the spec, such as "channels": ["r", "g", "b"].'
    )


def _has_colours(spec: DataSpec, name: str) -> bool:
    groups = spec.entries[name].groups
    return any(g.role == "intensity" and places(g.names) is not None for g in groups)


def _names(spec: DataSpec, name: str) -> list[str] | None:
    groups = [g for g in spec.entries[name].groups if g.role == "intensity"]
    return [channel for group in groups for channel in group.names] if groups else None


def _shown(found: dict[str, list[str] | None]) -> str:
    intensity = {name: channels for name, channels in found.items() if channels is not None}
    texts = [
        f"{name!r} with " + (f"channels {', '.join(channels)}" if channels else "unnamed channels")
        for name, channels in intensity.items()
    ]
    return "; ".join(texts) or "no entry with intensity channels"


def spread(target: Target, numbers: Sequence[float] | Array) -> Array:
    """(1, 1, c): numbers of red, green and blue at their places, and 0 elsewhere."""
    at = rgb_of(target)
    assert at is not None
    channels = len(target.names)
    found: Array = (
        jnp.zeros(channels, jnp.float32).at[np.array(at)].set(jnp.asarray(numbers, jnp.float32))
    )
    return found.reshape(1, 1, -1)


def flags_of(target: Target) -> Array:
    """(1, 1, c): 1 for red, green and blue, and 0 elsewhere."""
    return spread(target, (1.0, 1.0, 1.0))
