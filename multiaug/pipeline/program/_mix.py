"""A mix of the records of a batch, by the rules of their roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ParameterError
from ...roles import SPATIAL_ROLES, Verbs
from ...sampling import cast
from ...spec import DataSpec, EntrySpec
from ...transforms import Mixing, Transform
from ...typing import Array, SpatialShape
from ._geometry import steps_of
from ._pointwise import beside_mark
from ._spec_after import BEFORE
from ._structure import groups_of


def refuse_unmixable(mixing: Mixing, spec: DataSpec, dtypes: Mapping[str, Any]) -> None:
    """Refuse entries whose values cannot be mixed, unless they stay those of the record.

    Args:
        mixing: the transform.
        spec: of the records where it stands.
        dtypes: of the entries that are known to be there.

    Raises:
        ParameterError: naming the entry and the remedies.
    """
    for name, dtype in dtypes.items():
        if stays(mixing, spec, name):
            continue
        reason = _reason(spec.entries[name], dtype)
        if reason is not None:
            raise ParameterError(
                f"`{mixing.owner}` cannot mix the entry {name!r}: {reason}. Or leave the entry "
                f"that of the record itself: {mixing.owner}(keep=[{name!r}])."
            )


def stays(mixing: Mixing, spec: DataSpec, name: str) -> bool:
    """An entry is not mixed: it was named, or its shares of classes are mixed in its place."""
    return name in mixing.keep or f"{name}_onehot" in spec.entries or name.endswith(BEFORE)


def _reason(entry: EntrySpec, dtype: Any) -> str | None:
    """Why an entry cannot be mixed, with the remedy."""
    if entry.kind == "value":
        if np.issubdtype(dtype, np.floating) or str(dtype) == "bfloat16":
            return None
        return (
            f"a scalar of dtype {dtype} may be a class, and a mean of class ids is another class. "
            f"Put OneHot({entry.name!r}, classes) before it, which makes shares of classes"
        )
    if entry.kind != "spatial":
        return (
            f"{entry.role} of two records have no common meaning. Leave the entry out of the spec"
        )
    for group in groups_of(entry, np.dtype(dtype)):
        role = SPATIAL_ROLES[group.role]
        if not isinstance(role, Verbs):
            return f"the role {group.role} does not say how it is mixed (see roles.Verbs)"
        reason = role.refuses_mixing(group)
        if reason is not None:
            return reason
    return None


def mix(
    spec: DataSpec,
    frame: SpatialShape,
    transforms: Sequence[Transform],
    drawn: Any,
    batch: Mapping[str, Array],
) -> dict[str, Array]:
    """What changes of a batch. Pure and traceable.

    Args:
        spec: of the records where the stage stands.
        frame: (H, W) of the reference image.
        transforms: of the stage.
        drawn: their params, leading N.
        batch: the entries, leading N, images as (N, h, w, c) or (N, T, h, w, c); with what was
            derived of them.
    """
    size = len(next(iter(batch.values())))
    mixings: list[Mixing] = []

    def one(drawn: Any) -> Any:
        steps = [step for step, _ in steps_of(transforms, drawn, frame)]
        mixings[:] = [step.transform for step in steps]  # type: ignore[misc]
        return [(step.params, jnp.asarray(step.on is None or step.on)) for step in steps]

    changed: dict[str, Array] = {}
    settings = jax.vmap(one)(drawn)
    for mixing, (params, on) in zip(mixings, settings, strict=True):
        partners = mixing.partners(params, size)
        weights = mixing.weights(params)
        alone = jnp.array([[1, 0]], jnp.float32)
        weights = jnp.where(on[:, None], weights, alone)
        held = {**batch, **changed}
        for name, entry in spec.entries.items():
            if name not in held or stays(mixing, spec, name):
                continue
            changed[name] = _mixed(entry, held[name], partners, weights)
            valid = f"{name}_valid"
            if valid in held:
                both = held[valid] & held[valid][partners]
                took = (weights[:, 1] > 0).reshape(-1, *[1] * (both.ndim - 1))
                changed[valid] = jnp.where(took, both, held[valid])
    return changed


def _mixed(entry: EntrySpec, array: Array, partners: Array, weights: Array) -> Array:
    sources = jnp.stack([array, array[partners]], axis=1)
    if entry.kind == "value":
        values = sources.astype(jnp.float32)
        share = weights[:, 1].reshape(-1, *[1] * (array.ndim - 1))
        mixed = values[:, 0] + share * (values[:, 1] - values[:, 0])
        return mixed.astype(array.dtype)
    parts = []
    for group in groups_of(entry, array.dtype):
        role = SPATIAL_ROLES[group.role]
        assert isinstance(role, Verbs)
        part = sources[..., group.channel_slice()]
        blend = partial(role.mix, group=group)
        mixed = cast(jax.vmap(blend)(part, weights), np.dtype(array.dtype))
        if group.invalid is not None and group.invalid != "nan":
            # A mean that falls on the number of those without data is still a value.
            dtype = np.dtype(array.dtype)
            absent = (part == group.invalid).any(1)
            fell = (mixed == jnp.asarray(group.invalid, dtype)) & ~absent
            mixed = jnp.where(fell, beside_mark(group, (dtype, dtype)), mixed)
        took = (weights[:, 1] > 0).reshape(-1, *[1] * (mixed.ndim - 1))
        parts.append(jnp.where(took, mixed, part[:, 0]))
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
