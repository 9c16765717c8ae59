"""CopyPaste: put instances of a partner of the batch into every record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, RecordError
from ..sampling import library_of
from ..spec import ChannelGroup, DataSpec
from ..typing import Array, Key, SpatialShape
from ._affine import unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import probability
from ._entry_names import entry_name
from ._mixup import kept_names, partners_of
from ._random import hashed, keyed, keyed_on_host
from ._settings import Setting, setting
from ._stage_bases import Mixing


@transform
class CopyPaste(Mixing):
    """Put instances of a partner over every record, at their own places.

    A label map says which pixels are which instance: 0, and its ignore value, are none. Each
    instance of the partner is put over the record with a probability, independently of the
    others, with all images: classes, depth and normals are taken from one record or the other,
    never blended. Where a depth map is named, an instance is only seen where it is in front:
    where it has a depth, and the record a greater one or none. Ids of pasted instances are counted
    on from the largest id of the record, so that no two instances share one.

    Scalars stay those of the record. Entries that follow a camera are refused where the spec knows
    cameras: a pasted instance would be seen through another's; so are tables and cameras, unless
    they are named in ``keep``. A depth map in ``keep`` is still compared.

    The partner is drawn as that of `MixUp`.

    Args:
        instances: the label map with the ids of instances, of an integer dtype that has room for
            the ids of two records.
        probability: that an instance is pasted.
        depth: the depth map that says what is in front; None: pasted instances are.
        keep: entries that stay those of the record itself.
        p: the probability that a pipeline runs it, for each record.

    Raises:
        ParameterError: entries that the spec does not have, or of another role; an entry that
            cannot be mixed and is not in ``keep``.
        RecordError: ids of both records do not fit into the dtype, in eager calls; in traced code
            those that do not become the largest one.

    References:
        G. Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method for Instance
        Segmentation, CVPR 2021, who resize and crop both records first: put `RandomResizedCrop`
        before it. They blur the edges of what is pasted; here they stay sharp.
    """

    instances: str = setting(entry_name)
    probability: float = setting(probability, default=0.5)
    depth: Setting[str | None, str | None] = setting(entry_name, default=None)
    keep: Setting[tuple[str, ...], str | Sequence[str] | None] = setting(kept_names, default=())
    p: float = static(default=1.0, kw_only=True)
    pastes = True
    keeps_scalars = True

    def check(self, frame: Frame) -> None:
        """The maps must be there, and ids need room."""
        super().check(frame)
        check_instances(self, self.instances, frame)
        depth = None if self.depth is None else frame.spec.entries.get(self.depth)
        if self.depth is not None and (depth is None or depth.role != "depth"):
            raise ParameterError(
                f"`CopyPaste.depth` must name an entry with role depth, got {self.depth!r}. "
                f"The spec has {sorted(frame.spec.entries)}."
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``partner``, from U[0, 1), and ``seed``, (2,) uint32: which instances are pasted."""
        (partner,) = unit_uniform(key, 1)
        seed = jax.random.bits(jax.random.fold_in(key, 1), (2,), jnp.uint32)
        return {"partner": partner, "seed": seed}

    def partners(self, params: Params, size: int) -> Array:
        """How many records further, counted around the end of the batch."""
        return partners_of(params["partner"], size)

    def weights(self, params: Params) -> Array:
        """Scalars stay those of the record."""
        own = params["partner"]
        lib = library_of(own)
        both: Array = lib.stack([lib.ones_like(own), lib.zeros_like(own)], axis=-1)
        return both

    def pieces(
        self,
        params: Params,
        spec: DataSpec,
        own: Mapping[str, Any],
        other: Mapping[str, Any],
        size: SpatialShape,
    ) -> Array:
        """1 where an instance of the partner is seen, of one record; see `Mixing.pieces`."""
        ids = _plane(other[self.instances])
        lib = library_of(ids)
        there = ids > 0
        ignore = spec.entries[self.instances].groups[0].ignore
        if ignore is not None:
            there = there & (ids != np.asarray(ignore).astype(ids.dtype))
        there = there & self._chosen(params, ids)
        if self.depth is not None:
            group = spec.entries[self.depth].groups[0]
            planes = (own[self.depth], other[self.depth])
            near = [nearest(_plane(d), (ids.shape[0], ids.shape[1])) for d in planes]
            valid = [_has_depth(lib, d, group) for d in near]
            there = there & valid[1] & (~valid[0] | (near[1] < near[0]))
        found: Array = nearest(there, size).astype(np.int32)
        return found

    def pasted(self, name: str, own: Any, other: Any, spec: DataSpec) -> Any:
        """Ids are counted on from the largest one of the record."""
        if name != self.instances:
            return other
        return counted_on(self.owner, name, own, other, spec)

    def _chosen(self, params: Params, ids: Any) -> Any:
        """Which ids are pasted: a hash of the id and the record's seed, below the probability."""
        share = np.uint32(round(self.probability * 2**24))
        if isinstance(ids, np.ndarray):
            words = keyed_on_host(params["seed"], 0)
            table = hashed(np.arange(max(int(ids.max()), 0) + 1, dtype=np.uint32), *words)
            return ((table >> np.uint32(8)) < share)[np.maximum(ids, 0)]
        words = hashed(jnp.maximum(ids, 0).astype(jnp.uint32), *keyed(params["seed"], 0))
        return (words >> np.uint32(8)) < share


def check_instances(mixing: Mixing, instances: str | None, frame: Frame) -> None:
    """Refuse a name of no label map, or of one that stays that of the record itself."""
    entry = frame.spec.entries.get(instances or "")
    if instances is not None and (entry is None or entry.role != "label"):
        raise ParameterError(
            f"`{mixing.owner}.instances` must name an entry with role label, got {instances!r}. "
            f"The spec has {sorted(frame.spec.entries)}."
        )
    if instances in mixing.keep:
        raise ParameterError(
            f"`{mixing.owner}.keep` must not hold the instances, {instances!r}: they would "
            "not be those that the images show."
        )


def counted_on(owner: str, name: str, own: Any, other: Any, spec: DataSpec) -> Any:
    """The ids of another record, counted on from the largest one of a record.

    0 and the ignore value are no ids, and stay; no id becomes the ignore value.

    Args:
        owner: the transform, for errors.
        name: of the label map.
        own: the ids of the record, of NumPy or of JAX.
        other: those of the other one.
        spec: of the records.

    Raises:
        RecordError: they do not fit into the dtype, in eager calls.
    """
    ignore, lib = spec.entries[name].groups[0].ignore, library_of(own)
    most = np.iinfo(own.dtype).max - int(ignore is not None)  # room to step over the ignore value
    top, more = (_largest(lib, ids, ignore) for ids in (own, other))
    if lib is np and int(top) + int(more) > most:
        raise RecordError(
            f"`{owner}` of {name!r} must find ids of its records that fit into {own.dtype}, got "
            f"{int(top)} and {int(more)}. Convert them to int32."
        )
    # What an eager call refuses stays within the dtype in traced code.
    ids = lib.minimum(other, (most - top).astype(own.dtype)) + top.astype(own.dtype)
    there = other > 0
    if ignore is not None:
        mark = np.asarray(ignore).astype(own.dtype)
        there = there & (other != mark)
        ids = ids + ((ids >= mark) & (top < mark)).astype(own.dtype)
    return lib.where(there, ids, other)


def _largest(lib: Any, ids: Any, ignore: int | None) -> Any:
    """The largest id; 0 of none."""
    if ignore is not None:
        ids = lib.where(ids == np.asarray(ignore).astype(ids.dtype), 0, ids)
    return lib.maximum(ids.max(), 0)


def _plane(array: Any) -> Any:
    """(h, w), of an image with an axis of channels or without."""
    return array[..., 0] if array.ndim == 3 else array


def nearest(image: Any, size: SpatialShape) -> Any:
    """An image (H, W) at another size, by the pixel that the centre of each pixel lies in."""
    if image.shape == tuple(size):
        return image
    rows, columns = (
        ((2 * np.arange(n) + 1) * whole) // (2 * n)
        for n, whole in zip(size, image.shape, strict=True)
    )
    return image[rows][:, columns]


def _has_depth(lib: Any, depth: Any, group: ChannelGroup) -> Any:
    if group.invalid is None:
        return lib.ones(depth.shape, bool)
    if group.invalid == "nan":
        return ~lib.isnan(depth)
    return depth != np.asarray(group.invalid).astype(depth.dtype)
