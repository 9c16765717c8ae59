"""An alteration of one record: entries change, and no pixel moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ...errors import ParameterError
from ...spec import DataSpec
from ...transforms import (
    Altering,
    Container,
    ForEntries,
    Geometric,
    Step,
    Transform,
    check_children,
    words_at,
)
from ...typing import Array
from ._structure import leaves


def alter(
    spec: DataSpec, steps: Sequence[Step], record: Mapping[str, Array], *, back: bool
) -> dict[str, Array]:
    """What changes of one record.

    Frames of entries with time are altered one by one, each beside the entries without; noise
    differs from frame to frame, and what has no time is as the first frame makes it.

    Args:
        spec: of the records where the stage stands.
        steps: altering transforms with what they drew.
        record: entries, images as (h, w, c) or (T, h, w, c).
        back: undo the steps instead.

    Raises:
        ParameterError: a step that cannot be undone.
    """
    timed = {name: len(array) for name, array in record.items() if _has_time(spec, name)}
    still = {name: array for name, array in record.items() if name not in timed}
    first = {**still, **{name: record[name][0] for name in timed}}
    changed = _altered(spec, steps, first, back=back)
    found = {name: array for name, array in changed.items() if name not in timed}
    for count in sorted(set(timed.values())):
        clip = {name: record[name] for name, frames in timed.items() if frames == count}

        def one(time: Array, frames: dict[str, Array]) -> dict[str, Array]:
            these = [step._replace(params=_at_time(step.params, time)) for step in steps]
            made = _altered(spec, these, {**still, **frames}, back=back)
            return {name: array for name, array in made.items() if name in timed}

        found |= jax.vmap(one)(jnp.arange(count, dtype=jnp.uint32), clip)
    return found


def _has_time(spec: DataSpec, name: str) -> bool:
    entry = spec.entries.get(name) or spec.entries.get(name.removesuffix("_valid"))
    return entry is not None and entry.kind == "spatial" and entry.time is not None


def _at_time(params: Any, time: Array) -> Any:
    """What was drawn, with the words of noise of one frame."""
    if not isinstance(params, Mapping) or "seed" not in params:
        return params
    return {**params, "seed": words_at(params["seed"], time)}


def _altered(
    spec: DataSpec, steps: Sequence[Step], record: Mapping[str, Array], *, back: bool
) -> dict[str, Array]:
    """What changes of one record without time."""
    specs = [spec]
    for step in steps:
        assert isinstance(step.transform, Altering)
        specs.append(step.transform.out_spec(specs[-1]))
    changed: dict[str, Array] = {}
    order = range(len(steps))
    for i in reversed(order) if back else order:
        transform, params, on = steps[i]
        assert isinstance(transform, Altering)
        held = {**record, **changed}
        new = (transform.restore if back else transform.alter)(params, specs[i], held)
        if new is None:
            raise ParameterError(
                f"`{transform.owner}` cannot be inverted: what its values were is lost. Leave "
                "its entries out of the call."
            )
        changed |= new if on is None else {n: jnp.where(on, a, held[n]) for n, a in new.items()}
    return changed


def _nested(transform: Transform) -> Iterator[Transform]:
    """A transform, and all that is inside of it."""
    yield transform
    for child in transform.children if isinstance(transform, Container) else ():
        yield from _nested(child)


def check_order(transforms: Sequence[Transform], spec: DataSpec) -> None:
    """Refuse transforms where they cannot stand.

    Those are maps behind what has taken points off the rays of their pixels, and stages of their
    own inside of containers.

    Raises:
        ParameterError: naming both transforms.
    """
    for transform in transforms:
        if isinstance(transform, ForEntries):
            check_children(transform)
        for inside in transform.children if isinstance(transform, Container) else ():
            if any(isinstance(one, ForEntries) for one in _nested(inside)):
                raise ParameterError(
                    f"`ForEntries` must stand outside of {transform.owner}: it is a stage of its "
                    "own. Move it out; its children may run by chance (`p`)."
                )
    camera = spec.camera
    if camera.frame == "world" or camera.policy == "none":
        return
    before: Altering | None = None
    for leaf in leaves(transforms):
        if before is not None and isinstance(leaf, Geometric):
            raise ParameterError(
                f"`{before.owner}` moves points in the camera's frame off the rays of their "
                f"pixels, and {leaf.owner} behind it would read them on these rays. Put "
                f"{before.owner} behind all geometric transforms."
            )
        if isinstance(leaf, Altering) and leaf.leaves_camera:
            before = leaf
