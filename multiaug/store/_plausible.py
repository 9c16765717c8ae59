"""What `check(deep=True)` asks beyond damage: are the records what the spec says?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..checks import handful, inspect_records
from ..spec import check_values

if TYPE_CHECKING:
    from ._source import ChunkedSource


def inspect_source(source: ChunkedSource) -> None:
    """Look at a few records, spread evenly over a source.

    Raises:
        RecordError: values that the spec does not allow, or that cannot be what it says.

    Warns:
        MultiaugWarning: once for each finding that may be meant so.
    """
    count = min(len(source), handful(sum(s.nbytes for s in source.structure.values())))
    records = source.read(np.linspace(0, len(source) - 1, count).astype(np.int64))
    check_values(source.spec, records, batch=True)
    inspect_records(source.spec, records, origin=repr(source))
