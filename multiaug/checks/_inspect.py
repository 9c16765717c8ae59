"""Look at the first records of a data set and say what does not fit their spec."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from ..errors import RecordError, warn
from ..spec import DataSpec
from ..typing import NDArray
from ._boxes import inspect_tables
from ._cameras import inspect_clouds
from ._depth import inspect_depth
from ._finding import Finding
from ._intrinsics import inspect_intrinsics
from ._jumps import inspect_jumps
from ._motions import inspect_extrinsics
from ._normals import inspect_directions
from ._projection import first_images
from ._unmapped import unmapped_values
from ._values import inspect_values
from ._zeros import inspect_zeros

# A wrong unit or convention is in all records, so a few of them tell.
_RECORDS = 8
_BYTES = 32 << 20


# Records (n, ...) by entry name, absent ones left out -> what was found in them.
Inspector: TypeAlias = Callable[[DataSpec, Mapping[str, NDArray]], Iterator[Finding]]

# In the order in which their findings are told.
INSPECTORS: tuple[Inspector, ...] = (
    inspect_values,
    unmapped_values,
    inspect_tables,
    inspect_intrinsics,
    inspect_extrinsics,
    inspect_clouds,
    inspect_depth,
    inspect_directions,
    inspect_zeros,
    inspect_jumps,
)


def findings(
    spec: DataSpec, records: Mapping[str, NDArray], *, ranges_used: Collection[str] | None = None
) -> list[Finding]:
    """Return all that does not fit in some records, which have passed `check_values`.

    Args:
        spec: what the values mean.
        records: NumPy arrays (n, ...) by entry name.
        ranges_used: entries with whose range something is computed. Of the others only a range
            that was declared, and is far off, is said. None: nobody knows, so all is said.
    """
    spec, records = spec.of_images(), first_images(spec, records)
    found = [one for inspector in INSPECTORS for one in inspector(spec, records)]
    if ranges_used is None:
        return [replace(one, wrong=False) if one.of_range else one for one in found]
    kept = []
    for one in found:
        if not one.of_range or one.entry in ranges_used:
            kept.append(one)
        elif one.wrong and any(group.range for group in spec.entries[one.entry].groups):
            kept.append(replace(one, wrong=False))
    return kept


def refuse_wrong(
    spec: DataSpec, found: Sequence[Finding], *, origin: str, advice: str = ""
) -> None:
    """Raise RecordError with every finding that is wrong, if any is, and advice below."""
    wrong = [one for one in found if one.wrong]
    if wrong:
        lines = "".join(f"\n  {one}" for one in wrong)
        raise RecordError(f"{origin} does not fit the spec {spec.name!r}:{lines}{advice}")


def say(found: Sequence[Finding], *, origin: str) -> None:
    """Warn, once for each finding that may be meant so."""
    for one in found:
        if not one.wrong:
            warn(f"{origin}, {one}")


def inspect_records(
    spec: DataSpec,
    records: Mapping[str, NDArray],
    *,
    origin: str,
    ranges_used: Collection[str] | None = None,
) -> None:
    """Refuse records that cannot be what their spec says; warn of those that hardly can.

    Args:
        spec: what the values mean.
        records: NumPy arrays (n, ...) by entry name that have passed `check_values`. A few
            records are enough: a wrong unit or convention is in all of them.
        origin: where the records come from, for the message, such as ``"train.zarr"``.
        ranges_used: as in `findings`.

    Raises:
        RecordError: with every finding that is wrong.

    Warns:
        MultiaugWarning: once for each finding that may be meant so.
    """
    found = findings(spec, records, ranges_used=ranges_used)
    refuse_wrong(spec, found, origin=origin)
    say(found, origin=origin)


def handful(nbytes: int) -> int:
    """How many records of so many bytes are looked at."""
    return max(1, min(_RECORDS, _BYTES // max(1, nbytes)))


def first_of(batch: Mapping[str, Any]) -> dict[str, NDArray]:
    """The first few records of a batch, as NumPy arrays."""
    count = handful(sum(a.nbytes // max(1, len(a)) for a in batch.values()))
    return {name: np.asarray(array[:count]) for name, array in batch.items()}
