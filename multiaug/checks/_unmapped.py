"""Records that hold what their spec's `values` would have mapped, had a source read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..spec import DataSpec
from ..typing import NDArray
from ._finding import Finding


def unmapped_values(spec: DataSpec, records: Mapping[str, NDArray]) -> Iterator[Finding]:
    """Yield a finding for every entry with stored values that are no labels of its map."""
    for name, entry in spec.entries.items():
        for group in entry.groups:
            if name not in records or not group.values:
                continue
            alone = len(entry.groups) == 1
            part = records[name] if alone else records[name][..., group.channel_slice()]
            labels = {label for _, label in group.values}
            for stored, label in group.values:
                # The ignored label may be there because it was filled in later.
                if stored not in labels and stored != group.ignore and (part == stored).any():
                    yield Finding(
                        name,
                        f"found {stored}, for which `values` of the spec has {label}: sources map "
                        "what they read, and these records come from none. Open the data with "
                        "multiaug.open_source, or store the labels themselves.",
                        wrong=True,
                    )
                    break
