"""What runs on whole batches when everything else is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from ...errors import ParameterError
from ...spec import DataSpec
from ...transforms import Container, Finishing, Transform
from ._structure import gains_intrinsics, leaves


def split(
    transforms: Sequence[Transform],
) -> tuple[tuple[Transform, ...], tuple[Finishing, ...]]:
    """The transforms of single records, and those of whole batches behind them.

    Raises:
        ParameterError: one of the latter inside a container, or before one of the former.
    """
    count = len(transforms)
    while count and isinstance(transforms[count - 1], Finishing):
        count -= 1
    for transform in transforms[:count]:
        inside = leaves([transform]) if isinstance(transform, Container) else [transform]
        early = next((leaf for leaf in inside if isinstance(leaf, Finishing)), None)
        if early is not None:
            raise ParameterError(
                f"`{early.owner}` must stand last in a pipeline, outside containers: it works on "
                "whole batches of finished records. Move it to the end."
            )
    last = tuple(t for t in transforms[count:] if isinstance(t, Finishing))
    return tuple(transforms[:count]), last


def untouched(spec: DataSpec, batch: Mapping[str, Any]) -> bool:
    """Without transforms of single records the entries are themselves: nothing is derived."""
    entries = [spec.entries[name] for name in batch]
    return all(entry.kind == "spatial" and not entry.validity for entry in entries) and (
        not gains_intrinsics(spec.camera)
    )


def finish(
    transforms: Sequence[Finishing], spec: DataSpec, batch: Mapping[str, Any]
) -> dict[str, Any]:
    """A batch after the transforms."""
    done = dict(batch)
    for transform in transforms:
        done |= transform.finish(spec, done)
    return {name: jnp.asarray(array) for name, array in done.items()}


def unfinish(
    transforms: Sequence[Finishing],
    spec: DataSpec,
    record: Mapping[str, Any],
    *,
    batched: bool,
    skip: Collection[str],
) -> dict[str, Any]:
    """A record or a batch before the transforms; entries in ``skip`` are of another kind."""
    done = dict(record)
    for transform in reversed(transforms):
        held = {n: a if batched else a[None] for n, a in done.items() if n not in skip}
        found = transform.unfinish(spec, held)
        done |= {n: a if batched else a[0] for n, a in found.items()}
    return done
