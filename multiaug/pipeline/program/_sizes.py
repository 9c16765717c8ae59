"""Heights and widths that a run meets: numbers, or data of a program that serves all sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ...geometry import Length, shape_leaves, shapes_of_leaves
from ...transforms import Transform
from ...typing import Array, NDArray, SpatialShape
from ._structure import Run, entry_out_size

InAndOut = tuple[SpatialShape, SpatialShape]


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True)
class Sizes:
    """(height, width) of the frames and the images of one record.

    Their sides are ints, which are static, or `Length`s, which are data.

    Args:
        frames: of the reference image, before every transform and behind the last one; they are
            in the order of the transforms when these are undone, too.
        images: name -> size as it comes into the run, and as it leaves it.
        inverse: the transforms are undone.
    """

    frames: tuple[SpatialShape, ...]
    images: Mapping[str, InAndOut]
    inverse: bool = False

    def tree_flatten(self) -> tuple[Any, Any]:
        """Lengths are leaves."""
        pairs = [size for pair in self.images.values() for size in pair]
        lengths, known = shape_leaves(*self.frames, *pairs)
        return lengths, (known, tuple(self.images), self.inverse)

    @classmethod
    def tree_unflatten(cls, static: Any, leaves: Any) -> Sizes:
        """The inverse of `tree_flatten`."""
        known, names, inverse = static
        shapes = shapes_of_leaves(leaves, known)
        count = len(shapes) - 2 * len(names)
        pairs = zip(shapes[count::2], shapes[count + 1 :: 2], strict=True)
        return cls(tuple(shapes[:count]), dict(zip(names, pairs, strict=True)), inverse)

    @property
    def source(self) -> SpatialShape:
        """The frame that the transforms begin with."""
        return self.frames[0]

    @property
    def before(self) -> SpatialShape:
        """The frame of what comes into the run."""
        return self.frames[-1 if self.inverse else 0]

    @property
    def after(self) -> SpatialShape:
        """The frame of what leaves it."""
        return self.frames[0 if self.inverse else -1]

    def of(self, name: str | None) -> InAndOut:
        """Size of an image as it comes in and as it leaves; of the frame where it is not there."""
        return self.images.get(name or "", (self.before, self.after))

    def packed(self, count: int) -> NDArray:
        """(count, n, 2) int32: the sizes, `count` times; see `unpacked`."""
        pairs = [size for pair in self.images.values() for size in pair]
        rows = np.array([*self.frames, *pairs], np.int32)
        return np.repeat(rows[np.newaxis], count, axis=0)

    def unpacked(self, rows: Array) -> Sizes:
        """These sizes with the numbers of `packed` of one record, (n, 2) int32, in their place."""
        lengths, known = shape_leaves(*((Length(row[0]), Length(row[1])) for row in rows))
        return self.tree_unflatten((known, tuple(self.images), self.inverse), lengths)


def frames_along(transforms: Sequence[Transform], shape: SpatialShape) -> tuple[SpatialShape, ...]:
    """The frames before every transform, and behind the last one."""
    frames = [shape]
    for transform in transforms:
        frames.append(transform.out_shape(frames[-1]))
    return tuple(frames)


def sizes_of(
    run: Run, transforms: Sequence[Transform], images: Mapping[str, SpatialShape]
) -> Sizes:
    """The sizes of records whose images come in at these."""
    frames = frames_along(transforms, run.frame)
    made = Sizes(frames, {}, run.inverse)
    pairs = {
        name: (size, entry_out_size(size, made.before, made.after)) for name, size in images.items()
    }
    return Sizes(frames, pairs, run.inverse)
