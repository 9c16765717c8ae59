"""Labels for what data sets store in their place: 255 for 1, say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RecordError
from ..typing import NDArray

if TYPE_CHECKING:
    from ..spec import ChannelGroup, DataSpec


class ValueMaps:
    """The maps that a spec's ``values`` declare, which every source applies to what it reads.

    Args:
        spec: what the entries are, as the user declares it.
    """

    def __init__(self, spec: DataSpec) -> None:
        mapped = {n: [g for g in e.groups if g.values] for n, e in spec.entries.items()}
        self._groups = {name: groups for name, groups in mapped.items() if groups}
        self._alone = {name for name, entry in spec.entries.items() if len(entry.groups) == 1}

    def __contains__(self, name: str) -> bool:
        return name in self._groups

    @property
    def identity(self) -> tuple[str, ...]:
        """For fingerprints; nothing where nothing is mapped."""
        return tuple(
            f"values {name} {group.start} {group.values}"
            for name, groups in self._groups.items()
            for group in groups
        )

    def apply(self, arrays: Mapping[str, NDArray], rows: slice = slice(None)) -> None:
        """Map some records (n, ...) by entry name, in place."""
        for name in self._groups.keys() & arrays.keys():
            array = arrays[name][rows]
            for group in self._groups[name]:
                # An array of one group may lack the axis of channels.
                alone = name in self._alone
                _map(name, array if alone else array[..., group.channel_slice()], group)


def _map(name: str, part: NDArray, group: ChannelGroup) -> None:
    # All places are found before any is written to: a map may exchange two values.
    places = [(part == stored, label) for stored, label in group.values]
    for found, label in places:
        if found.any():
            low, high = (0, 1) if part.dtype == bool else _ends(part)
            if not low <= label <= high:
                raise RecordError(
                    f"{name!r} is {part.dtype}, which cannot hold the label {label} of its "
                    "`values`. Store a wider dtype, or map to smaller labels."
                )
            np.copyto(part, np.asarray(label, part.dtype), where=found)


def _ends(part: NDArray) -> tuple[int, int]:
    info = np.iinfo(part.dtype)
    return int(info.min), int(info.max)
