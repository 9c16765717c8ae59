"""An occlusion of one record: all entries are covered in the same place, by their roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...roles import SPATIAL_ROLES, TABLE_ROLES, Verbs
from ...sampling import library_of
from ...spec import ChannelGroup, DataSpec, EntrySpec
from ...transforms import Occluding, Step
from ...typing import Array, NDArray, SpatialShape
from ._fills import fill_values
from ._refusals import reason_of_roles, refuse_entries
from ._spec_after import BEFORE
from ._structure import groups_of

# No position of a pixel is as large.
_FAR = 1e9


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
    images = [name for name in dtypes if spec.entries[name].kind == "spatial"]
    reasons = {
        name: reason_of_roles(
            spec.entries[name], dtypes[name], _refuses_occlusion, "what is covered"
        )
        for name in images
        if occluding.covers_entry(spec.entries[name])
    }

    def remedy(name: str) -> str:
        others = [other for other in images if other != name]
        return f"name the entries to cover: {occluding.owner}(entries={others})."

    refuse_entries(occluding.owner, "cover", reasons, remedy)


def _refuses_occlusion(role: Verbs, group: ChannelGroup) -> str | None:
    return role.refuses_occlusion(group)


def is_covered(step: Step, spec: DataSpec, name: str) -> bool:
    """A step may cover something of an entry."""
    assert isinstance(step.transform, Occluding)
    return not name.endswith(BEFORE) and step.transform.covers_entry(spec.entries[name])


def occlude(
    spec: DataSpec, frame: SpatialShape, steps: Sequence[Step], record: Mapping[str, Array]
) -> dict[str, Array]:
    """What changes of one record. Pure and traceable.

    Args:
        spec: of the records where the stage stands.
        frame: (H, W) of the reference image.
        steps: occluding transforms with what they drew.
        record: entries, images as (h, w, c) or (T, h, w, c); with what was derived of them.
    """
    changed: dict[str, Array] = {}
    for step in steps:
        assert isinstance(step.transform, Occluding)
        mask = step.transform.mask
        if mask is not None:
            covered = _covered(step, frame, frame)
            changed[mask] = changed[mask] | covered if mask in changed else covered
        for name, entry in spec.entries.items():
            if name not in record or not is_covered(step, spec, name):
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
    covered = _covered(step, (array.shape[-3], array.shape[-2]), frame)

    def cover(image: Array) -> Array:
        parts = []
        for group in groups_of(entry, np.dtype(array.dtype)):
            part = image[..., group.channel_slice()]
            role = SPATIAL_ROLES[group.role]
            assert isinstance(role, Verbs)
            fill = fill_values(step, entry.name, group, part)
            dropped = dropped_channels(step, entry.name, group.start, part.shape[-1])
            where = covered[..., None]
            where = where if dropped is None else where & dropped.reshape(1, 1, -1)
            parts.append(role.occlude(part, where, group, fill))
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)

    changed = {entry.name: cover(array) if array.ndim == 3 else jax.vmap(cover)(array)}
    valid = f"{entry.name}_valid"
    if valid in record:
        gone = _wholly(step, entry.name, covered)
        changed[valid] = record[valid] & jnp.broadcast_to(~gone, record[valid].shape)
    return changed


def dropped_channels(step: Step, name: str, start: int, count: int | None) -> Any:
    """See `Occluding.dropped`."""
    assert isinstance(step.transform, Occluding)
    return step.transform.dropped(step.params, name, start, count)


def _wholly(step: Step, name: str, covered: Array) -> Array:
    """Where all channels of an entry are covered."""
    dropped = dropped_channels(step, name, 0, None)
    return covered if dropped is None else covered & dropped.all()


def covered_pixels(
    steps: Sequence[Step], name: str, size: SpatialShape, frame: SpatialShape
) -> Array:
    """(h, w) bool: pixels of an entry of some size whose centre a step covers, in all channels."""
    covered = jnp.zeros(size, bool)
    for step in steps:
        assert isinstance(step.transform, Occluding)
        if step.transform.touches(name):
            covered |= _wholly(step, name, _covered(step, size, frame))
    return covered


def _covered(step: Step, size: SpatialShape, frame: SpatialShape) -> Array:
    assert isinstance(step.transform, Occluding)
    x, y = (jnp.asarray(v) for v in pixel_centres(size, frame))
    covered = step.transform.covers(step.params, x[None, :], y[:, None], frame)
    return covered if step.on is None else covered & step.on


def pixel_centres(size: SpatialShape, frame: SpatialShape) -> tuple[NDArray, NDArray]:
    """(w,) and (h,) float32: where columns and rows of an image of some size lie in the frame.

    They are constants of what is compiled: all ways to run a stage have the same bits.
    """
    y, x = (
        (np.arange(count, dtype=np.float32) + np.float32(0.5)) * np.float32(whole / count)
        - np.float32(0.5)
        for count, whole in zip(size, frame, strict=True)
    )
    return x, y


def centres_of_rows(
    spec: DataSpec, entry: EntrySpec, sizes: Mapping[str, SpatialShape], table: Any
) -> tuple[Any, Any] | None:
    """X and y of the rows of a table in pixels of the frame; None where it is no table of places.

    Args:
        spec: of the records.
        entry: the table.
        sizes: (h, w) of the images, and of the frame under the name "".
        table: (..., columns), of NumPy or of JAX.
    """
    centres = getattr(TABLE_ROLES[entry.role], "centres", None)
    if centres is None:
        return None
    lib, frame = library_of(table), sizes[""]
    size = sizes.get(entry.of or spec.reference() or "", frame)
    x, y = (v.astype(np.float32) for v in centres(table, entry.groups[0]))
    # Between the product and the difference stand limits: no compiler makes one operation of both.
    scaled = (
        (v + np.float32(0.5)) * np.float32(whole / count)
        for v, count, whole in ((x, size[1], frame[1]), (y, size[0], frame[0]))
    )
    x, y = (lib.clip(v, np.float32(-_FAR), np.float32(_FAR)) - np.float32(0.5) for v in scaled)
    return x, y


def _cover_rows(
    spec: DataSpec, entry: EntrySpec, step: Step, record: Mapping[str, Array], frame: SpatialShape
) -> dict[str, Array]:
    """Rows whose centre is covered are not visible: False, or a share of 0."""
    name = f"{entry.name}_visible"
    if name not in record:
        return {}
    sizes = {
        n: (record[n].shape[-3], record[n].shape[-2])
        for n, other in spec.entries.items()
        if other.kind == "spatial" and n in record
    }
    places = centres_of_rows(spec, entry, {**sizes, "": frame}, record[entry.name])
    if places is None:
        return {}
    assert isinstance(step.transform, Occluding)
    covered = step.transform.covers(step.params, *places, frame)
    covered = covered if step.on is None else covered & step.on
    covered = _wholly(step, entry.name, covered)
    return {name: jnp.where(covered, jnp.zeros((), record[name].dtype), record[name])}
