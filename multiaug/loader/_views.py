"""What a `Loader` makes of records: by a pipeline, or by several views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._arguments import instance
from ..checks import Finding
from ..errors import ParameterError
from ..pipeline import Pipeline, Views, first_mixing, inspect_batch
from ..spec import DataSpec
from ..typing import Key

Maker = Pipeline | Views

MAKER_KIND = instance(
    (Pipeline, Views),
    "a Pipeline or Views",
    "Make one with multiaug.Pipeline(transforms, spec).",
)

# Between the names of a view, its number and an entry while they are one name.
_BETWEEN = "\x1f"


def check_names(maker: Maker | None) -> None:
    """Refuse views whose names are those of what a loader adds to its batches."""
    for name in ("index", "copy"):
        if isinstance(maker, Views) and name in maker.views:
            raise ParameterError(
                f"`Loader.pipeline` must be views of other names than {name!r}, which a batch has "
                "already. Give the view another name."
            )


def pipelines_of(maker: Maker | None) -> list[tuple[Pipeline, int]]:
    """The pipelines that run on every record, and how often each."""
    if maker is None:
        return []
    return list(maker.views.values()) if isinstance(maker, Views) else [(maker, 1)]


def mixes(maker: Maker | None) -> bool:
    """Whether what a record becomes depends on others."""
    return any(first_mixing(one.transforms) is not None for one, _ in pipelines_of(maker))


def inspect_for(
    maker: Maker | None, spec: DataSpec, batch: Mapping[str, Any], *, origin: str
) -> list[Finding]:
    """`inspect_batch` of all pipelines."""
    found: list[Finding] = []
    pipelines: list[Pipeline | None] = [one for one, _ in pipelines_of(maker)]
    for pipeline in pipelines or [None]:
        new = inspect_batch(pipeline, spec, batch, origin=origin)
        found += [finding for finding in new if finding not in found]
    return found


def made_flat(
    maker: Maker,
    keys: Key,
    batch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    out: Mapping[str, Any] | None,
    *,
    check: bool,
) -> dict[str, Any]:
    """What comes out of a batch, by one name for each array."""
    if not isinstance(maker, Views):
        return maker.batch(keys, batch, out=out, check=check)
    views = maker.batch(keys, batch, out=None if out is None else nested(maker, out), check=check)
    return {
        _BETWEEN.join((name, str(k), entry)): array
        for name, several in views.items()
        for k, view in enumerate(several)
        for entry, array in view.items()
    }


def nested(maker: Maker | None, flat: Mapping[str, Any]) -> dict[str, Any]:
    """The same as `Views.batch` returns it; what belongs to no view stays beside the views."""
    if not isinstance(maker, Views):
        return dict(flat)
    made: dict[str, Any] = {n: [{} for _ in range(count)] for n, count in maker.counts.items()}
    for name, array in flat.items():
        view, found, rest = name.partition(_BETWEEN)
        if found:
            k, _, entry = rest.partition(_BETWEEN)
            made[view][int(k)][entry] = array
        else:
            made[name] = array
    return made


def on_arrays(function: Callable[[Any], Any], batch: Any) -> Any:
    """A batch, or views of one, with a function of its arrays in their place."""
    if isinstance(batch, Mapping):
        return {name: on_arrays(function, part) for name, part in batch.items()}
    if isinstance(batch, list):
        return [on_arrays(function, part) for part in batch]
    return function(batch)


def refuse_views(maker: Maker | None, framework: str) -> None:
    """Refuse views where batches must be flat.

    Raises:
        ParameterError: there are views.
    """
    if isinstance(maker, Views):
        raise ParameterError(
            f"A {framework} dataset must be of a Loader with a Pipeline, got one with Views, whose "
            "batches are lists of batches. Loop over the Loader itself."
        )
