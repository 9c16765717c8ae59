"""The spec of what a pipeline makes of records, for the stores that it is written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import ParameterError, RecordError
from ..pipeline import Pipeline
from ..spec import DataSpec, check_structure
from ..store import Structure
from ..transforms import Container, Finishing, Photometric, Transform


def spec_of_results(
    spec: DataSpec,
    pipeline: Pipeline | None,
    before: Mapping[str, Structure],
    after: Mapping[str, Structure],
    owner: str,
) -> DataSpec:
    """The spec that the results follow, so that what is written can be opened.

    Entries whose dtype a pipeline changes are declared with the new one. Where values count in
    other units afterwards (standardised, whitened) the declared range goes, as it says nothing of
    them.

    Args:
        spec: of the records, or of the pipeline.
        pipeline: None leaves the records as they are.
        before: entry name -> shape and dtype of one record.
        after: the same of one result.
        owner: the function that writes, for errors.

    Raises:
        ParameterError: results that no spec describes, such as rows of principal components.
    """
    if pipeline is None:
        return spec
    document = spec.to_dict()
    changing = list(_changing(pipeline.transforms))
    names = [transform.owner for transform in changing]
    for name, entry in document["entries"].items():
        if name not in after:
            continue
        found = after[name]
        if spec.entries[name].kind == "spatial" and found.ndim < 2:
            raise ParameterError(
                f"`{owner}` writes pictures, but {', '.join(names)} makes rows of {name!r}: "
                f"{found.shape}. Write those with multiaug.write_zarr and a spec of your own."
            )
        if name in before and before[name].dtype != found.dtype:
            entry["dtype"] = found.dtype.name
            _forget_range(entry)
        elif any(not t.keeps_dtype and t.touches(name) for t in changing):
            _forget_range(entry)
    kept = {n: e for n, e in document["entries"].items() if n in after or e.get("optional")}
    results = DataSpec.from_dict({**document, "entries": kept}, "the results of the pipeline")
    declared = {n: Structure((1, *s.shape), s.dtype) for n, s in after.items() if n in kept}
    try:
        check_structure(results, declared, batch=True)
    except RecordError as error:
        raise ParameterError(
            f"`{owner}`: the results of the pipeline do not follow its spec, so nobody could open "
            f"them: {error}"
        ) from error
    return results


def _changing(transforms: Iterable[Transform]) -> Iterator[Finishing | Photometric]:
    """Transforms that change values, those inside others too."""
    for transform in transforms:
        if isinstance(transform, Container):
            yield from _changing(transform.children)
        elif isinstance(transform, Finishing | Photometric):
            yield transform


def _forget_range(entry: dict[str, Any]) -> None:
    """The range of the values before says nothing of those after."""
    channels = entry.get("channels")
    groups = channels if isinstance(channels, list) else []
    parts = [entry, *(group for group in groups if isinstance(group, dict))]
    for part in parts:
        part.pop("range", None)
