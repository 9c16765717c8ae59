"""CutMix and Mosaic: put a record together of pieces of several records of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..sampling import library_of
from ..spec import DataSpec
from ..typing import Array, Key, NDArray, SpatialShape
from ._affine import uniform, uniform_index, unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import number, pair, probability
from ._copypaste import check_instances, counted_on
from ._entry_names import entry_name
from ._mixup import beta, kept_names, partners_of
from ._rectangles import boxes_of_rectangles, in_rectangles
from ._settings import Ranged, Setting, setting
from ._stage_bases import Mixing


@transform
class CutMix(Mixing):
    """Put a rectangle of a partner into every record, at the same place.

    The rectangle has sides ``sqrt(1 - w)`` of the frame's, w from Beta(a, a), and its centre is
    even over the frame; what reaches over the frame is cut off. All images show the partner in
    it: classes, depth and normals are taken from one record or the other, never blended. Scalars
    of a floating dtype, such as targets and one-hot classes, are blended by the shares of area.
    Entries that follow a camera are refused where the spec knows cameras: a pasted piece would be
    seen through another's. Class ids, tables and cameras must be named in ``keep``, or are refused.

    The partner is drawn as that of `MixUp`.

    Args:
        alpha: of the symmetric Beta distribution, in [0.05, 100]; 1 is the uniform distribution.
        keep: entries that stay those of the record itself.
        p: the probability that a pipeline runs it, for each record.

    Raises:
        ParameterError: alpha out of range; an entry that cannot be mixed and is not in ``keep``.

    References:
        S. Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
        Features, ICCV 2019. torchvision's CutMix has one rectangle for the whole batch.
    """

    alpha: float = setting(number, default=1.0, low=0.05, high=100)
    keep: Setting[tuple[str, ...], str | Sequence[str] | None] = setting(kept_names, default=())
    p: float = static(default=1.0, kw_only=True)
    pastes = True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``partner``, from U[0, 1), ``edges``, (4,) as of `Erase`, and ``weight``.

        ``weight`` is the share of the frame that stays the record's own.
        """
        partner, u, along, down = unit_uniform(key, 4)
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        side = jnp.sqrt(1 - beta(u, self.alpha))
        x0, x1 = _cut(along, side, width)
        y0, y1 = _cut(down, side, height)
        share = (x1 - x0) * (y1 - y0) / (width * height)
        edges = jnp.stack([x0, y0, x1, y1]) - 0.5
        return {"partner": partner, "edges": edges, "weight": 1 - share}

    def partners(self, params: Params, size: int) -> Array:
        """How many records further, counted around the end of the batch."""
        return partners_of(params["partner"], size)

    def weights(self, params: Params) -> Array:
        """The shares of the frame."""
        own = params["weight"]
        both: Array = library_of(own).stack([own, 1 - own], axis=-1)
        return both

    def piece_at(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """1 in the rectangle."""
        return in_rectangles(params["edges"][None], x, y).astype(np.int32)

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """The rectangle."""
        boxes = boxes_of_rectangles(params["edges"][:, None], x, y)
        return np.insert(boxes, 1, 1, axis=1)


def _cut(place: Array, share: Array, side: Array) -> tuple[Array, Array]:
    """The first pixel of a piece of a side, and the one behind it, float32, from U[0, 1)."""
    length = jnp.round(share * side)
    first = jnp.floor(place * side) - jnp.floor(length / 2)
    return jnp.clip(first, 0, side), jnp.clip(first + length, 0, side)


@transform
class Mosaic(Mixing):
    """Put every record together of four: of itself and three partners.

    The frame is cut in four at a random pixel; each piece shows another record at the same place,
    and which of them the record itself keeps is random. Rules are those of `CutMix`. The partners
    are drawn independently of each other, as that of `MixUp`.

    Tables of boxes get the boxes of all four records, cut to their pieces, the record's own first;
    with them go the scalars that the spec says are ``of`` them, such as classes. Boxes of which a
    piece shows too little are left out. Rows that are not there come last. The spec must declare
    the ``capacity`` of the table; of more boxes than that the first ones stay in traced code.

    Args:
        center: (lo, hi) of where the frame is cut, as fractions of its width and of its height.
        keep: entries that stay those of the record itself.
        min_visible: in [0, 1], the least share of the area of a box that its piece shows; boxes of
            which nothing is shown are left out in any case.
        instances: a label map with ids of instances: those of each partner are counted on, so that
            no two instances share one. 0, and its ignore value, are none.
        p: the probability that a pipeline runs it, for each record.

    Raises:
        ParameterError: a range that is ill-formed; an entry that cannot be mixed and is not in
            ``keep``; no such label map.
        RecordError: more boxes than the capacity, or ids that do not fit into the dtype, in eager
            calls.

    References:
        A. Bochkovskiy et al., YOLOv4: Optimal Speed and Accuracy of Object Detection, 2020. YOLO's
        mosaic moves the four images to one corner each; here pieces stay where they are.
    """

    center: Ranged = setting(pair, default=(0.25, 0.75), low=0, high=1, unit="frames")
    keep: Setting[tuple[str, ...], str | Sequence[str] | None] = setting(kept_names, default=())
    min_visible: float = setting(probability, default=0.1)
    instances: Setting[str | None, str | None] = setting(entry_name, default=None)
    p: float = static(default=1.0, kw_only=True)
    pastes = True

    def check(self, frame: Frame) -> None:
        """The map of instances must be there."""
        super().check(frame)
        check_instances(self, self.instances, frame)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``partner``, (3,) from U[0, 1), ``cut``, (2,) x and y, and ``first``, int32.

        ``first`` is the piece at the top left: 0 is the record's own, the others follow row by
        row. ``share``, (4,), is the part of the frame that each of the four records has.
        """
        x, y, first, *partner = unit_uniform(key, 6)
        height, width = (jnp.asarray(side, jnp.float32) for side in frame.shape)
        x = jnp.round(uniform(x, self.center) * width)
        y = jnp.round(uniform(y, self.center) * height)
        turned = uniform_index(first, 4)
        areas = jnp.stack([x * y, (width - x) * y, x * (height - y), (width - x) * (height - y)])
        owners = (jnp.arange(4, dtype=jnp.int32) + turned) % 4
        share = jnp.zeros(4).at[owners].set(areas / (width * height))
        cut = jnp.stack([x, y]) - 0.5
        return {"partner": jnp.stack(partner), "cut": cut, "first": turned, "share": share}

    def partners(self, params: Params, size: int) -> Array:
        """(N, 3): how many records further, counted around the end of the batch."""
        u = params["partner"]
        found = [partners_of(u[:, k], size) for k in range(3)]
        three: Array = library_of(u).stack(found, axis=-1)
        return three

    def weights(self, params: Params) -> Array:
        """The shares of the frame."""
        share: Array = params["share"]
        return share

    def piece_at(self, params: Params, x: Array, y: Array, shape: SpatialShape) -> Array:
        """Counted from the top left on, row by row."""
        right, below = x >= params["cut"][0], y >= params["cut"][1]
        found: Array = (right.astype(np.int32) + 2 * below.astype(np.int32) + params["first"]) % 4
        return found

    def windows(self, params: Params, shape: SpatialShape) -> Array:
        """The four pieces."""
        lib = library_of(params["cut"])
        x, y = (params["cut"][:, k, None].astype(np.float32) for k in (0, 1))
        piece = (np.arange(4, dtype=np.int32)[None, :] - params["first"][:, None]) % 4
        right, below = piece % 2 > 0, piece > 1
        first, width, height = (np.float32(v - 0.5) for v in (0, shape[1], shape[0]))
        edges = (
            lib.where(right, x, first),
            lib.where(below, y, first),
            lib.where(right, width, x),
            lib.where(below, height, y),
        )
        windows: Array = lib.stack(edges, axis=-1)
        return windows

    def pasted(self, name: str, own: Any, other: Any, spec: DataSpec) -> Any:
        """Ids are counted on from the largest one of the records before."""
        if name != self.instances:
            return other
        return counted_on(self.owner, name, own, other, spec)

    def boxes(self, params: Params, x: NDArray, y: NDArray, shape: SpatialShape) -> NDArray:
        """Three pieces of each record: all but its own."""
        cut = params["cut"]
        middle = np.stack([np.searchsorted(x, cut[:, 0]), np.searchsorted(y, cut[:, 1])], axis=-1)
        zero, ends = np.zeros(len(cut), int), np.array([len(x), len(y)])
        found = []
        for piece in range(4):
            right, below = piece % 2, piece // 2
            owner = (piece + params["first"]) % 4
            columns = (middle[:, 0], zero + ends[0]) if right else (zero, middle[:, 0])
            rows = (middle[:, 1], zero + ends[1]) if below else (zero, middle[:, 1])
            found.append(np.stack([np.arange(len(cut)), owner, *rows, *columns], axis=-1))
        boxes = np.concatenate(found)
        return boxes[boxes[:, 1] > 0].astype(np.int32)
