"""Entries made of maps of instances: RelabelInstances and BoxesFromMasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, RecordError
from ..spec import DataSpec, EntrySpec
from ..typing import Array, NDArray
from ._base import transform
from ._checked import whole
from ._entry_names import entry_name
from ._label_maps import OfLabels
from ._settings import setting


@transform
class RelabelInstances(OfLabels):
    """Number the instances of a map anew, 1, 2, .., in the order of their ids; 0 stays 0.

    A crop or an occlusion takes instances away, and leaves gaps between the ids. The ignore value
    stays. What else counts instances, such as a table of boxes, is not changed.

    Args:
        entry: the label map whose values are ids of instances; it gets the new ones.

    Raises:
        ParameterError: the spec has no such entry.
    """

    entry: str = setting(entry_name)

    @property
    def replaces(self) -> frozenset[str]:
        """The label map."""
        return frozenset({self.entry})

    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """The label map, as it was."""
        return [replace(source)]

    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """Of every image."""
        kept = self._kept(spec, ids)

        def one(ids: Array, kept: Array) -> Array:
            found, first = sorted_ids(ids, kept)
            rank = jnp.cumsum(first.astype(jnp.int32))[jnp.searchsorted(found, ids.ravel())]
            return jnp.where(kept, ids, rank.reshape(ids.shape).astype(ids.dtype))

        yield self.entry, jax.lax.map(lambda both: one(*both), (ids, kept))

    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in NumPy."""
        kept, done = self._kept(spec, ids), ids.copy()
        for image, keeps, new in zip(ids, kept, done, strict=True):
            found = np.unique(image[~keeps])
            new[~keeps] = np.searchsorted(found, image[~keeps]).astype(ids.dtype) + 1
        yield self.entry, done

    def _kept(self, spec: DataSpec, ids: Any) -> Any:
        """What is no instance."""
        return (ids == np.zeros((), ids.dtype)) | self.ignored(spec, ids)


def sorted_ids(ids: Array, kept: Array) -> tuple[Array, Array]:
    """The ids of an image in order, and bool: they are the first of an instance."""
    order = jnp.argsort(ids.ravel())
    found, others = ids.ravel()[order], kept.ravel()[order]
    fresh = jnp.concatenate([jnp.ones(1, bool), found[1:] != found[:-1]])
    return found, fresh & ~others


@transform
class BoxesFromMasks(OfLabels):
    """Make a table ``<name>_boxes`` (capacity, 4) of the boxes of instances, in the order of ids.

    Float32 edges x0 y0 x1 y1 on the pixel-area scale, where pixel 0 reaches from -0.5 to 0.5; rows
    behind the last instance are NaN. 0 and the ignore value are no instances. Of more instances
    than ``capacity`` the first ones have boxes; where values are checked, they are refused.

    Args:
        entry: the label map whose values are ids of instances.
        capacity: rows of the table.

    Raises:
        ParameterError: the spec has no such entry, or the entry has frames.

    References:
        torchvision's masks_to_boxes, whose boxes reach from the first to the last pixel.
    """

    entry: str = setting(entry_name)
    capacity: int = setting(whole, low=1)

    def made_of(self, source: EntrySpec) -> list[EntrySpec]:
        """The table."""
        if source.time is not None:
            raise ParameterError(
                f"`BoxesFromMasks.entry` must name a label map without frames, got {self.entry!r}, "
                "which has them: tables have no axis of time."
            )
        made = EntrySpec.of_role(
            f"{self.entry}_boxes",
            "boxes",
            dtype="float32",
            of=self.entry,
            optional=source.optional,
            capacity=self.capacity,
            box_convention="edges",
        )
        return [made]

    def of_images(self, spec: DataSpec, ids: Array) -> Iterator[tuple[str, Array]]:
        """Of every image."""
        kept = (ids == np.zeros((), ids.dtype)) | self.ignored(spec, ids)
        rows, columns = (jnp.arange(size, dtype=jnp.float32) for size in ids.shape[1:])
        places = [jnp.broadcast_to(columns[None, :], ids.shape[1:]).ravel()]
        places.append(jnp.broadcast_to(rows[:, None], ids.shape[1:]).ravel())

        def one(ids: Array, kept: Array) -> Array:
            found, first = sorted_ids(ids, kept)
            rank = jnp.cumsum(first.astype(jnp.int32))[jnp.searchsorted(found, ids.ravel())]
            row = jnp.where(kept.ravel() | (rank > self.capacity), 0, rank)
            rows_and_none = self.capacity + 1
            low = [jax.ops.segment_min(p, row, rows_and_none)[1:] - 0.5 for p in places]
            high = [jax.ops.segment_max(p, row, rows_and_none)[1:] + 0.5 for p in places]
            boxes = jnp.stack([*low, *high], axis=-1)
            return jnp.where(jnp.isfinite(boxes).all(axis=-1, keepdims=True), boxes, jnp.nan)

        yield f"{self.entry}_boxes", jax.lax.map(lambda both: one(*both), (ids, kept))

    def on_host(self, spec: DataSpec, ids: NDArray) -> Iterator[tuple[str, NDArray]]:
        """The same in NumPy."""
        kept = (ids == np.zeros((), ids.dtype)) | self.ignored(spec, ids)
        done = np.full((len(ids), self.capacity, 4), np.nan, np.float32)
        for image, keeps, boxes in zip(ids, kept, done, strict=True):
            y, x = np.nonzero(~keeps)
            found, row = np.unique(image[~keeps], return_inverse=True)
            edges = np.full((len(found), 4), np.inf, np.float32)
            edges[:, 2:] = -np.inf
            for k, place in enumerate((x, y)):
                np.minimum.at(edges[:, k], row, place - np.float32(0.5))
                np.maximum.at(edges[:, 2 + k], row, place + np.float32(0.5))
            boxes[: len(found)] = edges[: self.capacity]
        yield f"{self.entry}_boxes", done

    def check_values(self, spec: DataSpec, batch: Mapping[str, Any]) -> None:
        """There must be a row for every instance."""
        array = batch.get(self.entry)
        if array is None or isinstance(array, jax.core.Tracer):
            return
        ids, _ = self.images(spec, {self.entry: np.asarray(array)})
        kept = (ids == np.zeros((), ids.dtype)) | self.ignored(spec, ids)
        for i, (image, keeps) in enumerate(zip(ids, kept, strict=True)):
            count = len(np.unique(image[~keeps]))
            if count > self.capacity:
                raise RecordError(
                    f"`BoxesFromMasks` of {self.entry!r} must find at most {self.capacity} "
                    f"instances, its capacity, got {count} in record {i}. Raise the capacity."
                )
