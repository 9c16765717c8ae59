"""FilterBoxes: rows of boxes that became too small are taken away, with what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec, absent_row
from ..typing import Array, NDArray
from ._base import Frame, transform
from ._checked import number, probability
from ._entry_names import entry_name
from ._mixup import kept_names
from ._settings import Setting, setting
from ._stage_bases import Deriving, NewArray

# What the engine says of every row, beside the table.
_VALID, _VISIBLE = "_valid", "_visible"


@transform
class FilterBoxes(Deriving):
    """Take away boxes that a crop or a zoom left too small, and the labels that belong to them.

    A row that is taken away is one that is not there: NaN, of labels -1, or the largest number of
    unsigned ones; ``<name>_valid`` is False and ``<name>_visible`` 0. The others keep their rows,
    so that tables stay in step, and their values, of 64 bits, too. A row stays where both sides are
    at least ``min_size``, the area is at least ``min_area``, and the share of it that is still
    visible, by all that came before, at least ``min_visible``.

    Args:
        entry: the table of boxes.
        labels: tables of one row for each box, such as classes; ``of`` in the spec names the boxes.
        min_size: of width and height, in pixels.
        min_area: in pixels.
        min_visible: in [0, 1], of the area that the box had.

    Raises:
        ParameterError: the spec has no such table, or one of its boxes that is not named.

    References:
        torchvision's SanitizeBoundingBoxes(min_size, min_area); min_area, min_width, min_height and
        min_visibility of albumentations' BboxParams. Both shorten tables, where rows stay here.

    Example:
        >>> FilterBoxes("boxes", ["classes"], min_visible=0.1).labels
        ('classes',)
    """

    entry: str = setting(entry_name, default="boxes")
    labels: Setting[tuple[str, ...], str | Sequence[str] | None] = setting(kept_names, default=())
    min_size: float = setting(number, default=1.0, low=0, high=1e9, unit="pixels")
    min_area: float = setting(number, default=0.0, low=0, high=1e18, unit="pixels")
    min_visible: float = setting(probability, default=0.0, low=0, high=1)

    @property
    def sources(self) -> frozenset[str]:
        """The boxes, what is known of their rows, and the labels."""
        return self.replaces

    @property
    def replaces(self) -> frozenset[str]:
        """The same."""
        known = {f"{self.entry}{suffix}" for suffix in ("", _VALID, _VISIBLE)}
        return frozenset({*known, *self.labels, *(f"{name}{_VALID}" for name in self.labels)})

    @property
    def moves_rows_of(self) -> frozenset[str]:
        """The labels."""
        return frozenset(self.labels)

    def check(self, frame: Frame) -> None:
        """The tables must be there, and all that describe the boxes must be named."""
        self.out_spec(frame.spec)

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """The spec as it was.

        Raises:
            ParameterError: a table is missing, of another role, of integers, or not named.
        """
        boxes = spec.entries.get(self.entry)
        if boxes is None or boxes.role != "boxes":
            found = "no such entry" if boxes is None else f"one with role {boxes.role}"
            raise ParameterError(
                f"`FilterBoxes.entry` must name a table of boxes, got {self.entry!r}, {found}. The "
                f"spec has {sorted(spec.entries)}."
            )
        if boxes.dtype is not None and np.dtype(boxes.dtype).kind in "iu":
            raise ParameterError(
                f"`FilterBoxes.entry` must name boxes of floats, which can be NaN, got "
                f"{self.entry!r} of {boxes.dtype}. Declare float32."
            )
        described = {n for n, e in spec.entries.items() if e.kind == "value" and e.of == self.entry}
        for name in self.labels:
            if name not in described:
                raise ParameterError(
                    f"`FilterBoxes.labels` must name scalars of the boxes {self.entry!r}, got "
                    f'{name!r}. Say "of": "{self.entry}" in the spec; it has {sorted(described)}.'
                )
        missing = sorted(described - {*self.labels})
        if missing:
            raise ParameterError(
                f"`FilterBoxes.labels` must name all that describes the rows of {self.entry!r}, or "
                f"boxes would go and their labels stay: {missing} too."
            )
        return spec

    def derive(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Array]:
        """The tables, where the batch holds the boxes."""
        return self._filtered(jnp, spec, {n: jnp.asarray(a) for n, a in batch.items()})

    def derive_into(self, spec: DataSpec, batch: Mapping[str, NDArray], new: NewArray) -> None:
        """The same in NumPy."""
        for name, array in self._filtered(np, spec, batch).items():
            new(name, array.shape, array.dtype)[...] = array

    def _filtered(self, lib: Any, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        boxes = batch.get(self.entry)
        if boxes is None:
            return {}
        stays = self._stays(lib, spec.entries[self.entry], boxes)
        visible = batch.get(f"{self.entry}{_VISIBLE}")
        if visible is not None:
            stays = stays & (visible >= np.asarray(self.min_visible, visible.dtype))
        done = {name: _without(lib, batch[name], stays) for name in self.labels if name in batch}
        done[self.entry] = _without(lib, boxes, stays)
        if visible is not None:
            done[f"{self.entry}{_VISIBLE}"] = lib.where(stays, visible, np.zeros((), visible.dtype))
        for name in (self.entry, *self.labels):
            if f"{name}{_VALID}" in batch:
                done[f"{name}{_VALID}"] = batch[f"{name}{_VALID}"] & stays
        return done

    def _stays(self, lib: Any, entry: EntrySpec, boxes: Any) -> Any:
        """(N, K) bool. NaN is no box."""
        convention = entry.groups[0].convention
        sides = boxes[..., 2:] if convention == "coco" else boxes[..., 2:] - boxes[..., :2]
        if convention == "pascal":  # its edges are pixels of the box
            sides = sides + np.ones((), boxes.dtype)
        size, area = (np.asarray(x, boxes.dtype) for x in (self.min_size, self.min_area))
        big = (sides[..., 0] >= size) & (sides[..., 1] >= size)
        return big & (sides[..., 0] * sides[..., 1] >= area) & lib.isfinite(boxes).all(-1)


def _without(lib: Any, rows: Any, stays: Any) -> Any:
    """Rows of a table, those that go as if they had never been there."""
    stays = stays.reshape(stays.shape + (1,) * (rows.ndim - stays.ndim))
    return lib.where(stays, rows, np.asarray(absent_row(rows.dtype), rows.dtype))
