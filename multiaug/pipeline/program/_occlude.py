"""An occlusion of one record: all entries are covered in the same place, by their roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ParameterError
from ...roles import SPATIAL_ROLES, TABLE_ROLES, Verbs
from ...sampling import constant
from ...spec import ChannelGroup, DataSpec, EntrySpec
from ...transforms import Occluding, Step
from ...typing import Array, SpatialShape
from ._pointwise import beside_mark, value_range
from ._spec_after import BEFORE
from ._structure import groups_of


def refuse_uncoverable(
    occluding: Occluding, spec: DataSpec, dtypes: Mapping[str, np.dtype[Any]]
) -> None:
    """Refuse what has nothing for covered pixels.

    Args:
        occluding: the transform.
        spec: of the records where it stands.
        dtypes: of the entries that are known to be there.

    Raises:
        ParameterError: naming the entry and the remedies.
    """
    for name, dtype in dtypes.items():
        entry = spec.entries[name]
        if entry.kind != "spatial" or not occluding.touches(name):
            continue
        for group in groups_of(entry, dtype):
            role = SPATIAL_ROLES[group.role]
            reason = (
                role.refuses_occlusion(group)
                if isinstance(role, Verbs)
                else f"the role {group.role} does not say what is covered (see roles.Verbs)"
            )
            if reason is not None:
                others = [n for n in dtypes if n != name and spec.entries[n].kind == "spatial"]
                raise ParameterError(
                    f"`{occluding.owner}` cannot cover the entry {name!r}: {reason}. Or name the "
                    f"entries to cover: {occluding.owner}(entries={others})."
                )


def occlude(
    spec: DataSpec, frame: SpatialShape, steps: Sequence[Step], record: Mapping[str, Array]
) -> dict[str, Array]:
    """What changes of one record.

    Args:
        spec: of the records where the stage stands.
        frame: (H, W) of the reference image.
        steps: occluding transforms with what they drew.
        record: entries, images as (h, w, c) or (T, h, w, c); with what was derived of them.
    """
    changed: dict[str, Array] = {}
    for step in steps:
        assert isinstance(step.transform, Occluding)
        for name, entry in spec.entries.items():
            if name not in record or name.endswith(BEFORE) or not step.transform.touches(name):
                continue
            held = {**record, **changed}
            if entry.kind == "spatial":
                changed |= _cover_image(entry, step, held, frame)
            elif entry.kind == "points":
                changed |= _cover_rows(spec, entry, step, held, frame)
    return changed


def _cover_image(
    entry: EntrySpec, step: Step, record: Mapping[str, Array], frame: SpatialShape
) -> dict[str, Array]:
    array = record[entry.name]
    size = (array.shape[-3], array.shape[-2])
    covered = covered_pixels([step], entry.name, size, frame)

    def cover(image: Array) -> Array:
        parts = []
        for group in groups_of(entry, array.dtype):
            role = SPATIAL_ROLES[group.role]
            assert isinstance(role, Verbs)
            part, fill = image[..., group.channel_slice()], _fill(step, group, array.dtype)
            parts.append(role.occlude(part, covered[..., None], group, fill))
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)

    changed = {entry.name: cover(array) if array.ndim == 3 else jax.vmap(cover)(array)}
    valid = f"{entry.name}_valid"
    if valid in record:
        changed[valid] = record[valid] & jnp.broadcast_to(~covered, record[valid].shape)
    return changed


def _fill(step: Step, group: ChannelGroup, dtype: np.dtype[Any]) -> float:
    """What covered intensity becomes: a value, which is never the number of those without data."""
    assert isinstance(step.transform, Occluding)
    lo, hi = value_range(group, np.dtype(dtype))
    fill = lo + step.transform.fill * (hi - lo)
    if isinstance(group.invalid, float | int):
        mark = float(constant(group.invalid, np.dtype(dtype)))
        if float(constant(fill, np.dtype(dtype))) == mark:
            return float(beside_mark(group, (np.dtype(dtype), np.dtype(dtype))))
    return fill


def covered_pixels(
    steps: Sequence[Step], name: str, size: SpatialShape, frame: SpatialShape
) -> Array:
    """(h, w) bool: pixels of an entry of some size whose centre a step covers."""
    x, y = (jnp.arange(n, dtype=jnp.float32) for n in size[::-1])
    covered = jnp.zeros(size, bool)
    for step in steps:
        assert isinstance(step.transform, Occluding)
        if step.transform.touches(name):
            covered |= _covered(step, x[None, :], y[:, None], size, frame)
    return covered


def _covered(step: Step, x: Array, y: Array, size: SpatialShape, frame: SpatialShape) -> Array:
    """Whether positions in pixels of an image of some size are covered."""
    assert isinstance(step.transform, Occluding)
    x = (x + 0.5) * (frame[1] / size[1]) - 0.5
    y = (y + 0.5) * (frame[0] / size[0]) - 0.5
    covered = step.transform.covers(step.params, x, y, frame)
    return covered if step.on is None else covered & step.on


def _cover_rows(
    spec: DataSpec,
    entry: EntrySpec,
    step: Step,
    record: Mapping[str, Array],
    frame: SpatialShape,
) -> dict[str, Array]:
    """Rows whose centre is covered are not visible: False, or a share of 0."""
    centres = getattr(TABLE_ROLES[entry.role], "centres", None)
    name = f"{entry.name}_visible"
    if centres is None or name not in record:
        return {}
    image = record.get(entry.of or spec.reference() or "")
    size = frame if image is None else (image.shape[-3], image.shape[-2])
    x, y = centres(record[entry.name], entry.groups[0])
    covered = _covered(step, x.astype(jnp.float32), y.astype(jnp.float32), size, frame)
    return {name: jnp.where(covered, jnp.zeros((), record[name].dtype), record[name])}
