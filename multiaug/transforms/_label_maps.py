"""Entries made of label maps: Regions, Edges, DistanceMap and Scales."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ..typing import Array, NDArray
from ._base import Frame, transform
from ._checked import whole
from ._entry_names import entry_name, refuse_taken
from ._settings import Setting, setting
from ._stage_bases import Deriving, NewArray

Classes = Setting[tuple[int, ...], int | Sequence[int]]


def class_ids(value: Any, field_name: str) -> tuple[int, ...]:
    """Some ids of classes, each once; one by itself is such a list."""
    given = value if isinstance(value, tuple | list) else (value,)
    ids = tuple(whole(one, field_name, low=0) for one in given)
    if not ids or len(set(ids)) < len(ids):
        raise ParameterError(
            f"`{field_name}` must be one or several different ids of classes, got {value!r}."
        )
    return ids


class OfLabels(Deriving):
    """A derivation from one label map; its images are given as (n, H, W), whatever their frames."""

    entry: str

    @property
    def sources(self) -> frozenset[str]:
        """The label map."""
        return frozenset({self.entry})

    def check(self, frame: Frame) -> None:
        """The label map must be there."""
        self.out_spec(frame.spec)

    @abstractmethod
    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """What is made of the label map."""

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """The spec with the new entries, behind the one that they are made of."""
        source = self.source(spec)
        made = self.made_of(source)
        for new in made:
            if new.name not in self.replaces:
                refuse_taken(self.owner, new.name, spec)
        entries: list[EntrySpec] = []
        for entry in spec.entries.values():
            if entry.name not in self.replaces:
                entries.append(entry)
            if entry is source:
                entries += made
        return DataSpec(spec.name, entries, spec.camera, spec.description)

    def source(self, spec: DataSpec) -> EntrySpec:
        """The label map.

        Raises:
            ParameterError: there is none of the name.
        """
        entry = spec.entries.get(self.entry)
        if entry is None or entry.role != "label":
            found = "no such entry" if entry is None else f"one with role {entry.role}"
            raise ParameterError(
                f"`{self.owner}.entry` must name a label map, got {self.entry!r}, {found}. "
                f"The spec has {sorted(spec.entries)}."
            )
        return entry

    def ignored(self, spec: DataSpec, ids: Any) -> Any:
        """Bool of the shape of ids: they are the ignore value."""
        ignore = self.source(spec).groups[0].ignore
        if ignore is None:
            return np.zeros(ids.shape, bool)
        return ids == np.asarray(ignore).astype(ids.dtype)

    def images(self, spec: DataSpec, batch: Mapping[str, Any]) -> tuple[Any, tuple[int, ...]]:
        """(n, H, W) ids, and the axes that n stands for."""
        array = batch[self.entry]
        if len(self.source(spec).image_shape(array.shape[1:])) == 3:
            array = array[..., 0]
        return array.reshape(-1, *array.shape[-2:]), array.shape[:-2]

    @abstractmethod
    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """Names and arrays (n, ..) of what is made of ids (n, H, W), in JAX."""

    @abstractmethod
    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in NumPy, to the bit."""

    def derive(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Array]:
        """The new entries, where the batch holds the label map."""
        if self.entry not in batch:
            return {}
        ids, axes = self.images(spec, {self.entry: jnp.asarray(batch[self.entry])})
        made = self.of_images(spec, ids)
        return {name: array.reshape(*axes, *array.shape[1:]) for name, array in made}

    def derive_into(self, spec: DataSpec, batch: Mapping[str, NDArray], new: NewArray) -> None:
        """The same in NumPy."""
        if self.entry not in batch:
            return
        ids, axes = self.images(spec, batch)
        for name, array in self.on_host(spec, ids):
            out = new(name, (*axes, *array.shape[1:]), array.dtype)
            out[...] = array.reshape(out.shape)

    def like(self, source: EntrySpec, name: str, role: str, **settings: Any) -> EntrySpec:
        """A new entry that is there, and has frames, where the label map does."""
        return EntrySpec.of_role(name, role, optional=source.optional, time=source.time, **settings)


RegionIds = Setting[tuple[tuple[int, ...], ...], Sequence[int | Sequence[int]]]


def _regions(value: Any, field_name: str) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, tuple | list) or not value:
        raise ParameterError(
            f"`{field_name}` must be a list of lists of class ids, got {value!r}. BraTS has "
            "[[1, 2, 3], [2, 3], [3]]."
        )
    return tuple(class_ids(ids, field_name) for ids in value)


@transform
class Regions(OfLabels):
    """Make an entry ``<name>_regions`` (H, W, n): 1 where a pixel is of one of a region's classes.

    Regions may lie in each other, as the whole tumour, its core and what is enhanced of it do; so
    the n channels of float32 do not add up to 1. Their role is ``probability``. Pixels with the
    ignore value belong to none.

    Args:
        entry: the label map.
        regions: for each region the ids of its classes.

    Raises:
        ParameterError: the spec has no such entry; no regions, or ids that are no whole numbers.

    References:
        F. Isensee et al., nnU-Net for Brain Tumor Segmentation, 2020: region-based training.

    Example:
        >>> Regions("mask", [[1, 2, 3], [2, 3], 3]).regions
        ((1, 2, 3), (2, 3), (3,))
    """

    entry: str = setting(entry_name)
    regions: RegionIds = setting(_regions)

    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """The regions."""
        name, count = f"{self.entry}_regions", len(self.regions)
        made = self.like(source, name, "probability", channels=count, dtype="float32")
        return [made]

    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """In which regions every pixel is."""
        there = [jnp.isin(ids, jnp.asarray(r, ids.dtype)) for r in self._known(ids)]
        inside = jnp.stack(there, axis=-1) & ~self.ignored(spec, ids)[..., None]
        yield f"{self.entry}_regions", inside.astype(jnp.float32)

    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in NumPy."""
        there = [np.isin(ids, np.asarray(r, ids.dtype)) for r in self._known(ids)]
        inside = np.stack(there, axis=-1) & ~self.ignored(spec, ids)[..., None]
        yield f"{self.entry}_regions", inside.astype(np.float32)

    def _known(self, ids: Any) -> list[list[int]]:
        """The ids that the dtype can hold."""
        most = 1 if ids.dtype == bool else int(np.iinfo(ids.dtype).max)
        return [[one for one in region if one <= most] for region in self.regions]


@transform
class Edges(OfLabels):
    """Make an entry ``<name>_edges``, uint8 labels: 1 near the boundary between classes, else 0.

    A pixel is near where the square of 2 width + 1 pixels about it holds another class, so that a
    boundary is ``width`` pixels thick on each side. Pixels with the ignore value are no class, and
    stay ignored: 255.

    Args:
        entry: the label map.
        width: pixels on each side, 1 to 64.

    Raises:
        ParameterError: the spec has no such entry; a width out of range.

    References:
        PIDNet's GenerateEdge in MMSegmentation: edges that a square of ``edge_width`` dilates;
        ``width=2`` is about its 3 or 4.
    """

    entry: str = setting(entry_name)
    width: int = setting(whole, default=1, low=1)

    def __post_init__(self) -> None:
        if self.width > 64:
            raise ParameterError(f"`Edges.width` must be at most 64 pixels, got {self.width}.")

    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """The edges."""
        return [self.like(source, f"{self.entry}_edges", "label", dtype="uint8", ignore=255)]

    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """Where the greatest id of the square is not the least one."""
        ids, skip = ids.astype(jnp.int32), self.ignored(spec, ids)
        limits = np.iinfo(np.int32)
        side = (1, 2 * self.width + 1, 2 * self.width + 1)
        greatest = lax.reduce_window(
            jnp.where(skip, limits.min, ids), np.int32(limits.min), lax.max, side, (1, 1, 1), "SAME"
        )
        least = lax.reduce_window(
            jnp.where(skip, limits.max, ids), np.int32(limits.max), lax.min, side, (1, 1, 1), "SAME"
        )
        near = (greatest != least).astype(jnp.uint8)
        yield f"{self.entry}_edges", jnp.where(skip, jnp.uint8(255), near)

    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in NumPy."""
        from scipy.ndimage import maximum_filter, minimum_filter  # slow to import

        skip, limits = self.ignored(spec, ids), np.iinfo(np.int32)
        ids, side = ids.astype(np.int32), (1, 2 * self.width + 1, 2 * self.width + 1)
        greatest = maximum_filter(
            np.where(skip, limits.min, ids), side, mode="constant", cval=limits.min
        )
        least = minimum_filter(
            np.where(skip, limits.max, ids), side, mode="constant", cval=limits.max
        )
        yield f"{self.entry}_edges", np.where(skip, 255, greatest != least).astype(np.uint8)


@transform
class DistanceMap(OfLabels):
    """Make an entry ``<name>_distance`` (H, W, n): pixels to the boundary of each class.

    Euclidean, in float32: outside of a class the distance to its nearest pixel, inside minus that
    to the nearest pixel of another class; 0 nowhere, and the first pixels on both sides of a
    boundary are 1 and -1. A class that fills an image, or is not in it, is as far as the diagonal
    of the image is long. Pixels with the ignore value are of no class. The role is ``probability``:
    values are blended by geometry behind it, which does not scale them, so put it last.

    Args:
        entry: the label map.
        classes: ids of those that get a channel each.

    Raises:
        ParameterError: the spec has no such entry; ids that are no whole numbers.

    References:
        scipy.ndimage.distance_transform_edt; H. Kervadec et al., Boundary loss, MIDL 2019.
        P. Felzenszwalb and D. Huttenlocher, Distance Transforms of Sampled Functions, 2012: rows
        behind columns.
    """

    entry: str = setting(entry_name)
    classes: Classes = setting(class_ids)

    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """The distances."""
        name, count = f"{self.entry}_distance", len(self.classes)
        made = self.like(source, name, "probability", channels=count, dtype="float32")
        return [made]

    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """From outside and from inside."""
        ignored = self.ignored(spec, ids)
        ids = ids.astype(jnp.int32)
        inside = jnp.stack([(ids == c) & ~ignored for c in self.classes], axis=1)
        most = np.float32(math.hypot(*ids.shape[1:]))

        def one(there: Array) -> Array:
            out, back = _distances(there), _distances(~there)
            return jnp.clip(jnp.where(there, -back, out), -most, most)

        done = lax.map(one, inside.reshape(-1, *ids.shape[1:]))
        yield f"{self.entry}_distance", jnp.moveaxis(done.reshape(inside.shape), 1, -1)

    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in SciPy."""
        from scipy.ndimage import distance_transform_edt  # slow to import

        ignored = self.ignored(spec, ids)
        done = np.empty((*ids.shape, len(self.classes)), np.float32)
        most = np.float32(math.hypot(*ids.shape[1:]))
        for i, image in enumerate(ids):
            for k, one in enumerate(self.classes):
                there = (image == one) & ~ignored[i]
                if there.all() or not there.any():
                    done[i, ..., k] = -most if there.any() else most
                    continue
                out, back = distance_transform_edt(~there), distance_transform_edt(there)
                done[i, ..., k] = np.where(there, -back, out)
        yield f"{self.entry}_distance", done


def _distances(there: Array) -> Array:
    """(H, W) float32: from every pixel to the nearest one that is there; inf where none is."""
    height, width = there.shape
    rows = jnp.arange(height, dtype=jnp.float32)
    far = jnp.float32(4 * (height + width))
    last = lax.cummax(jnp.where(there, rows[:, None], -far), axis=0)
    following = lax.cummin(jnp.where(there, rows[:, None], 2 * far), axis=0, reverse=True)
    along = jnp.minimum(rows[:, None] - last, following - rows[:, None])
    columns = jnp.arange(width, dtype=jnp.float32)
    between = (columns[:, None] - columns[None, :]) ** 2
    nearest = lax.map(lambda row: (row[None, :] ** 2 + between).min(axis=1), along)
    return jnp.where(there.any(), jnp.sqrt(nearest), jnp.inf)


@transform
class Scales(OfLabels):
    """Make label maps ``<name>_<s>`` of lower resolution: of every stride s one, by nearest.

    A map of (H, W) becomes one of (round(H / s), round(W / s)), whose pixels are the ones that lie
    in the middles of theirs (behind the middle, where that is between two). For losses of several
    scales, and deep supervision.

    Args:
        entry: the label map.
        strides: whole numbers from 2 on.

    Raises:
        ParameterError: the spec has no such entry; strides below 2.

    References:
        ESANet has labels at 1/8, 1/16 and 1/32; nnU-Net's deep supervision at 1/2, 1/4 ...;
        PyTorch's ``nearest-exact`` takes the same pixels.
    """

    entry: str = setting(entry_name)
    strides: Classes = setting(class_ids, default=(2, 4, 8))

    def __post_init__(self) -> None:
        if min(self.strides) < 2:
            raise ParameterError(f"`Scales.strides` must be 2 or more, got {self.strides!r}.")

    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """One for every stride."""
        return [replace(source, name=f"{self.entry}_{s}", validity=False) for s in self.strides]

    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """One for every stride."""
        yield from self._picked(ids)

    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in NumPy."""
        yield from self._picked(ids)

    def _picked(self, ids: Any) -> Iterator[tuple[str, Any]]:
        for stride in self.strides:
            rows, columns = (_middles(size, stride) for size in ids.shape[1:])
            yield f"{self.entry}_{stride}", ids[:, rows][:, :, columns]


def _middles(size: int, stride: int) -> NDArray:
    """Which pixels lie in the middles of those of a lower resolution."""
    count = max(1, round(size / stride))
    places: NDArray = ((2 * np.arange(count) + 1) * size) // (2 * count)
    return places
