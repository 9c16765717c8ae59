"""Look at the first records of a data set and say what does not fit their spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from ..errors import RecordError, warn
from ..spec import DataSpec
from ..typing import NDArray
from ._cameras import inspect_clouds
from ._depth import inspect_depth
from ._finding import Finding
from ._intrinsics import inspect_intrinsics
from ._jumps import inspect_jumps
from ._motions import inspect_extrinsics
from ._normals import inspect_directions
from ._zeros import inspect_zeros

# Records (n, ...) by entry name, absent ones left out -> what was found in them.
Inspector: TypeAlias = Callable[[DataSpec, Mapping[str, NDArray]], Iterator[Finding]]

# In the order in which their findings are told.
INSPECTORS: tuple[Inspector, ...] = (
    inspect_intrinsics,
    inspect_extrinsics,
    inspect_clouds,
    inspect_depth,
    inspect_directions,
    inspect_zeros,
    inspect_jumps,
)


def findings(spec: DataSpec, records: Mapping[str, NDArray]) -> list[Finding]:
    """Return all that does not fit in some records, which have passed `check_values`."""
    return [found for inspector in INSPECTORS for found in inspector(spec, records)]


def inspect_records(spec: DataSpec, records: Mapping[str, NDArray], *, origin: str) -> None:
    """Refuse records that cannot be what their spec says; warn of those that hardly can.

    Args:
        spec: what the values mean.
        records: NumPy arrays (n, ...) by entry name that have passed `check_values`. A few
            records are enough: a wrong unit or convention is in all of them.
        origin: where the records come from, for the message, such as ``"train.zarr"``.

    Raises:
        RecordError: with every finding that is wrong.

    Warns:
        MultiaugWarning: once for each finding that may be meant so.
    """
    found = findings(spec, records)
    wrong = [one for one in found if one.wrong]
    if wrong:
        lines = "".join(f"\n  {one}" for one in wrong)
        raise RecordError(f"{origin} does not fit the spec {spec.name!r}:{lines}")
    for one in found:
        warn(f"{origin}, {one}")
