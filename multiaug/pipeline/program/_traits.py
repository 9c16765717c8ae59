"""What a pipeline's transforms are, found out once, when it is built."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from ...transforms import Transform
from ...typing import SpatialShape
from ._fitted import split
from ._reads import names_read
from ._stages import is_one_run
from ._structure import given_scale, is_dense, is_projective, leaves


class PipelineTraits:
    """Of the transforms of a pipeline; their settings may be tracers.

    Args:
        transforms: all of them.

    Attributes:
        all: the transforms.
        moving: the transforms of single records.
        finishing: those of whole batches behind them.
        projective: some map may have perspective.
        dense: some transform displaces pixels by a field.
        one_run: they are a single run of warps and values; see `program._stages`.
        leaves: the transforms of single records and batches that are no containers.
        reads: some draw looks at the record.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.all = tuple(transforms)
        self.moving, self.finishing = split(transforms)
        self.projective = is_projective(self.moving)
        self.dense = is_dense(self.moving)
        self.one_run = is_one_run(self.moving)
        self.leaves = tuple(leaves(self.moving))
        self.reads = any(names_read(transform) for transform in self.moving)
        self._scales: dict[SpatialShape, float] = {}

    def given_scale(self, shape: SpatialShape) -> float:
        """See `given_scale`, of frames of this shape."""
        if shape not in self._scales:
            self._scales[shape] = given_scale(self.moving, shape)
        return self._scales[shape]

    @cached_property
    def settings(self) -> list[Any]:
        """Those that are arrays."""
        return jax.tree.leaves(self.moving)

    @cached_property
    def traced(self) -> bool:
        """Some setting is a tracer: the pipeline was handed to a user's own jit."""
        return any(isinstance(leaf, jax.core.Tracer) for leaf in self.settings)

    @cached_property
    def program(self) -> Hashed:
        """Equal for transforms that the same compiled functions can run."""
        kinds = tuple((np.shape(leaf), leaf.dtype) for leaf in self.settings)
        return Hashed((jax.tree.structure(self.moving), kinds))


class Hashed:
    """A value whose hash is computed once, and which is first compared by identity.

    Args:
        value: hashable.
    """

    def __init__(self, value: Hashable) -> None:
        self._value, self._hash = value, hash(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hashed):
            return NotImplemented
        return self is other or (self._hash == other._hash and self._value == other._value)
