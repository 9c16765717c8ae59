"""The first records that a pipeline, or a pass with or without one, meets: are they plausible?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from ...checks import Finding, findings, first_of, refuse_wrong, say
from ...errors import RecordError
from ...spec import DataSpec, check_structure, check_values
from ...transforms import Occluding, Photometric
from ..program._structure import leaves

if TYPE_CHECKING:
    from .._pipeline import Pipeline


_ADVICE = "\nIf the records are meant to be so, pass check=False."


def kind_of(record: Mapping[str, Any]) -> Hashable:
    """Equal for records that need to be inspected only once: of the same entries and dtypes."""
    return tuple((name, array.dtype) for name, array in record.items())


def inspect_batch(
    pipeline: Pipeline | None, spec: DataSpec, batch: Mapping[str, Any], *, origin: str
) -> list[Finding]:
    """Refuse a batch that cannot be what its spec says; return what is to be said of it.

    A pipeline that is given does not look at records like these again.

    Args:
        pipeline: what will be done to the records; None for nothing.
        spec: what they are, for the want of a pipeline.
        batch: entry name -> array (N, ...).
        origin: where they come from, for messages.

    Raises:
        RecordError: with every finding that is wrong.
    """
    spec = spec if pipeline is None else pipeline.spec
    few = first_of(batch)
    try:
        check_structure(spec, few, batch=True)
        check_values(spec, few, batch=True)
    except RecordError:
        return []  # the pipeline, or a pass by its own rules, refuses them in its own words
    used = () if pipeline is None else pipeline.ranges_used
    found = findings(spec, few, ranges_used=used)
    refuse_wrong(spec, found, origin=origin, advice=_ADVICE)
    if pipeline is not None:
        pipeline.inspected.add(kind_of(batch))
    return found


def inspect_first(
    pipeline: Pipeline | None, spec: DataSpec, batch: Mapping[str, Any], *, origin: str
) -> None:
    """`inspect_batch`, and say what is to be said.

    Raises:
        RecordError: with every finding that is wrong.

    Warns:
        MultiaugWarning: once for each finding that may be meant so.
    """
    say(inspect_batch(pipeline, spec, batch, origin=origin), origin=origin)


def ranges_used(pipeline: Pipeline) -> frozenset[str]:
    """Entries with whose declared range of values some transform computes."""
    return frozenset(name for name in pipeline.spec.entries if _uses_range(pipeline, name))


def _uses_range(pipeline: Pipeline, name: str) -> bool:
    given = (0.0, 1.0)
    for transform in leaves(pipeline.transforms):
        if isinstance(transform, Occluding) and transform.touches(name):
            return True  # black and white are what it covers with
        if isinstance(transform, Photometric) and transform.touches(name):
            if transform.uses_range:
                return True
            if transform.out_range(given) is not given:
                return False  # those behind it count in units of its own
    return False
