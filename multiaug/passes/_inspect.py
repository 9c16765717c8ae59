"""A look at the first records of a source, before a pass over all of them begins."""

from __future__ import annotations

import numpy as np

from ..checks import handful
from ..pipeline import Pipeline, inspect_first
from ..store import Source, chunked


def inspect_source(source: Source, pipeline: Pipeline | None) -> None:
    """Refuse a source whose first records cannot be what the spec says; warn where they hardly can.

    Args:
        source: the records.
        pipeline: what will be done to them, or None.

    Raises:
        RecordError: with every finding that is wrong.

    Warns:
        MultiaugWarning: once for each finding that may be meant so.
    """
    count = handful(sum(s.nbytes for s in chunked(source).structure.values()))
    first = source.read(np.arange(min(count, len(source))))
    inspect_first(pipeline, source.spec, first, origin=repr(source))
