"""A mix of the records of a batch, by the rules of their roles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ParameterError
from ...roles import SPATIAL_ROLES, Verbs, blended
from ...sampling import cast, constant, library_of
from ...spec import ChannelGroup, DataSpec, EntrySpec
from ...transforms import Mixing, Transform
from ...typing import Array, SpatialShape
from ._geometry import steps_of
from ._join import joined, joins, why_not_joined
from ._occlude import pixel_centres
from ._pointwise import beside_mark
from ._refusals import reason_of_roles, refuse_entries
from ._spec_after import BEFORE
from ._structure import groups_of, leaves


def first_mixing(transforms: Sequence[Transform]) -> Mixing | None:
    """The first of some transforms, or in one of them, that mixes records of a batch."""
    return next((leaf for leaf in leaves(transforms) if isinstance(leaf, Mixing)), None)


def refuse_unmixable(mixing: Mixing, spec: DataSpec, dtypes: Mapping[str, Any]) -> None:
    """Refuse entries whose values cannot be mixed, unless they stay those of the record.

    Args:
        mixing: the transform.
        spec: of the records where it stands.
        dtypes: of the entries that are known to be there.

    Raises:
        ParameterError: naming the entry and the remedies.
    """
    _refuse_rows_apart(mixing, spec, dtypes)
    reasons = {
        name: _reason(mixing, spec, spec.entries[name], dtype)
        for name, dtype in dtypes.items()
        if not stays(mixing, spec, name)
    }

    def remedy(name: str) -> str:
        return f"leave the entry that of the record itself: {mixing.owner}(keep=[{name!r}])."

    refuse_entries(mixing.owner, "mix", reasons, remedy)


def stays(mixing: Mixing, spec: DataSpec, name: str) -> bool:
    """An entry is not mixed: it was named, or its shares of classes are mixed in its place."""
    if name in mixing.keep or name.endswith(BEFORE):
        return True
    if joins(mixing, spec, name):
        return False
    entry = spec.entries[name]
    if entry.kind == "value" and _is_table(spec, entry.of) and entry.of in mixing.keep:
        return True
    if mixing.keeps_scalars and spec.entries[name].kind == "value":
        return True
    pasted = mixing.pastes and spec.entries[name].kind == "spatial"
    return f"{name}_onehot" in spec.entries and not pasted


def _reason(mixing: Mixing, spec: DataSpec, entry: EntrySpec, dtype: Any) -> str | None:
    """Why an entry cannot be mixed, with the remedy."""
    if entry.kind == "spatial":
        if mixing.pastes:
            return _reason_of_camera(spec, entry)
        return reason_of_roles(entry, dtype, _refuses_mixing, "how it is mixed")
    if joins(mixing, spec, entry.name):
        return None
    if entry.kind != "value":
        return _reason_of_table(mixing, entry)
    if _is_table(spec, entry.of):
        return (
            f"its rows describe those of {entry.of!r}, and stay or go with them. Leave both out of "
            "the spec"
        )
    if np.issubdtype(dtype, np.floating) or str(dtype) == "bfloat16":
        return None
    return (
        f"a scalar of dtype {dtype} may be a class, and a mean of class ids is another class. "
        f"Put OneHot({entry.name!r}, classes) before it, which makes shares of classes"
    )


def _reason_of_table(mixing: Mixing, entry: EntrySpec) -> str:
    """Why a table or a camera cannot be mixed."""
    if type(mixing).windows is not Mixing.windows:
        return str(why_not_joined(entry))
    reason = f"{entry.role} of two records have no common meaning. Leave the entry out of the spec"
    if entry.role == "boxes" and mixing.pastes:
        reason += "; BoxesFromMasks behind it makes boxes of a map of instances"
    return reason


def _refuse_rows_apart(mixing: Mixing, spec: DataSpec, names: Collection[str]) -> None:
    """Refuse to keep the labels of rows that are replaced by those of other records."""
    for name in names:
        entry = spec.entries[name]
        of = entry.of or ""
        described = entry.kind == "value" and of in names and joins(mixing, spec, of)
        if name in mixing.keep and described:
            raise ParameterError(
                f"`{mixing.owner}.keep` must not hold {name!r} without {of!r}: its rows "
                f"describe those of {of!r}, which come of several records. Name both, or none."
            )


def _is_table(spec: DataSpec, name: str | None) -> bool:
    entry = spec.entries.get(name or "")
    return entry is not None and entry.kind == "points"


def _reason_of_camera(spec: DataSpec, entry: EntrySpec) -> str | None:
    """Why pieces of two records cannot be one image: each follows its own camera."""
    cameras = [e.name for e in spec.entries.values() if e.role in ("intrinsics", "extrinsics")]
    known = cameras or spec.camera.has_default
    if spec.camera.policy == "none" or not known:
        return None
    if not any(group.traits.needs_camera for group in entry.groups):
        return None
    return (
        "its values follow the camera of their record, and those of a piece the camera of another "
        f"({', '.join(cameras) or 'the default camera, moved'}). Leave the entry out of the spec"
    )


def _refuses_mixing(role: Verbs, group: ChannelGroup) -> str | None:
    return role.refuses_mixing(group)


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
        steps = steps_of(transforms, drawn)
        mixings[:] = [step.transform for step in steps]  # type: ignore[misc]
        return [(step.params, jnp.asarray(step.on is None or step.on)) for step in steps]

    changed: dict[str, Array] = {}
    settings = jax.vmap(one)(drawn)
    for mixing, (params, on) in zip(mixings, settings, strict=True):
        partners, weights = several(mixing, mixing.partners(params, size)), mixing.weights(params)
        alone = jnp.eye(1, weights.shape[1], dtype=jnp.float32)
        weights = jnp.where(on[:, None], weights, alone)
        names = [n for n in spec.entries if n in batch and not stays(mixing, spec, n)]
        before = {**batch, **changed}
        for name in names:
            entry, held = spec.entries[name], {**batch, **changed}
            valid = f"{name}_valid"
            if joins(mixing, spec, name):
                if entry.kind == "points":  # what describes its rows goes with it
                    rows, _ = joined(mixing, spec, name, frame, params, partners, on, before)
                    changed |= rows
            elif entry.kind == "value":
                changed[name] = _mixed_scalars(held[name], partners, weights)
            elif mixing.pastes:
                shape = entry.image_shape(held[name].shape[1:])
                place = partial(_pieces, mixing, spec, (shape[0], shape[1]), frame)
                others = {n: a[partners[:, 0]] for n, a in before.items()}
                piece = jax.vmap(place)(params, before, others)
                piece = jnp.where(on[:, None, None], piece, 0)
                show = partial(shown, mixing, spec, name)
                paste = partial(_pasted, partners=partners, piece=piece)
                at = 0 if entry.time is None else 1
                changed[name] = _by_frame(partial(paste, show=jax.vmap(show)), held[name], at)
                if valid in held:
                    marks = partial(paste, show=lambda _, others: others)
                    changed[valid] = _by_frame(marks, held[valid], at)
            else:
                changed[name] = _mixed(entry, held[name], partners[:, 0], weights)
                if valid in held:
                    both = held[valid] & held[valid][partners[:, 0]]
                    took = (weights[:, 1] > 0).reshape(-1, *[1] * (both.ndim - 1))
                    changed[valid] = jnp.where(took, both, held[valid])
    return changed


def several(mixing: Mixing, partners: Any) -> Any:
    """(N, S), of NumPy or of JAX.

    Raises:
        ParameterError: several partners, where values are blended.
    """
    found = partners[:, None] if partners.ndim == 1 else partners
    if found.shape[1] > 1 and not mixing.pastes:
        raise ParameterError(
            f"`{mixing.owner}.partners` must be one for each record, (N,), got {found.shape}: "
            "values of two records are blended. Set pastes = True for pieces of several."
        )
    return found


def _pieces(
    mixing: Mixing,
    spec: DataSpec,
    size: SpatialShape,
    frame: SpatialShape,
    params: Any,
    own: dict[str, Array],
    other: dict[str, Array],
) -> Array:
    """(h, w) int32: whose piece the pixels of an image of some size lie in, of one record."""
    found = mixing.pieces(params, spec, own, other, size)
    if found is not None:
        return found
    x, y = (jnp.asarray(v) for v in pixel_centres(size, frame))
    return mixing.piece_at(params, x[None, :], y[:, None], frame)


def shown(mixing: Mixing, spec: DataSpec, name: str, own: Any, others: Sequence[Any]) -> list[Any]:
    """What the pieces of its partners show of an entry of one record; see `Mixing.pasted`."""
    found: list[Any] = []
    for other in others:
        made = mixing.pasted(name, own, other, spec)
        if made is not other and len(others) > 1:
            own = library_of(own).concatenate([own, made])
        found.append(made)
    return found


def _by_frame(paste: Callable[[Array], Array], array: Array, at: int) -> Array:
    """A function of images (N, ...), or of every frame of (N, T, ...) where ``at`` is 1."""
    return jax.vmap(paste, in_axes=1, out_axes=1)(array) if at else paste(array)


def _pasted(array: Array, partners: Array, piece: Array, show: Callable[..., Array]) -> Array:
    found = array
    piece = piece.reshape(piece.shape + (1,) * (array.ndim - piece.ndim))
    others = [array[partners[:, k]] for k in range(partners.shape[1])]
    for k, values in enumerate(show(array, others)):
        found = jnp.where(piece == k + 1, values, found)
    return found


def _mixed_scalars(array: Array, partners: Array, weights: Array) -> Array:
    values = array.astype(jnp.float32)
    mixed = values
    for k in range(partners.shape[1]):
        share = weights[:, k + 1].reshape(-1, *[1] * (array.ndim - 1))
        more = blended(mixed, values, values[partners[:, k]], share)
        mixed = jnp.where(share > 0, more, mixed)
    return mixed.astype(array.dtype)


def _mixed(entry: EntrySpec, array: Array, partners: Array, weights: Array) -> Array:
    sources = jnp.stack([array, array[partners]], axis=1)
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
            mark = constant(group.invalid, dtype)
            fell = (mixed == mark) & ~(part == mark).any(1)
            mixed = jnp.where(fell, beside_mark(group, (dtype, dtype)), mixed)
        took = (weights[:, 1] > 0).reshape(-1, *[1] * (mixed.ndim - 1))
        parts.append(jnp.where(took, mixed, part[:, 0]))
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
