"""What a pipeline draws, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax

from ..typing import Array, SpatialShape


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecordParams:
    """All that one record, or a batch of them, drew: with the record it fixes the result.

    A pytree: ``jax.tree.map(np.asarray, params)`` turns its leaves into NumPy arrays, which
    `Pipeline.apply` and `Pipeline.invert` take as well.

    Args:
        values: one mapping per transform, name -> array; containers nest.
        key: uint32 words of the record's key; (..., words). A leading axis makes a batch.
        in_shape: (height, width) of the reference frame before the pipeline.
        out_shape: (height, width) after it.
    """

    values: tuple[Any, ...]
    key: Array
    in_shape: SpatialShape = field(metadata={"static": True})
    out_shape: SpatialShape = field(metadata={"static": True})

    @property
    def batched(self) -> bool:
        """True when the params are those of a batch."""
        return self.key.ndim > 1
