"""Whether one compiled program serves images of all sizes, or each size needs its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ...geometry import Length
from ...spec import DataSpec
from ...transforms import ForEntries, Frame, Geometric, Transform
from ._structure import leaves

# What Python and NumPy raise where they have to know a number that is data.
NEEDS_A_NUMBER = (TypeError, ValueError, jax.errors.JAXTypeError, AttributeError)


def reason_of_sizes(transforms: Sequence[Transform], spec: DataSpec) -> str | None:
    """Why draws and maps have to be compiled for each size of image; None where one serves all."""
    # Between the children of the last ones the frame may change.
    for one in (*leaves(transforms), *(t for t in transforms if isinstance(t, ForEntries))):
        if one.reads:
            return f"`{one.owner}` reads the record when it draws"
        settings, structure = jax.tree.flatten(one)
        kinds = tuple((jnp.shape(s), jnp.result_type(s)) for s in settings)
        reason = _reason(structure, kinds, spec)
        if reason is not None:
            return reason
    return None


@lru_cache(maxsize=1024)
def _reason(structure: Any, kinds: tuple[Any, ...], spec: DataSpec) -> str | None:
    owner: list[str] = []

    def tried(settings: list[Any], height: Any, width: Any) -> Any:
        leaf = jax.tree.unflatten(structure, settings)
        owner.append(leaf.owner)
        shape = (Length(height), Length(width))
        params = leaf.sample(jax.random.key(0), Frame(shape, spec))  # type: ignore[arg-type]
        return params, leaf.map(params, shape) if isinstance(leaf, Geometric) else None  # type: ignore[arg-type]

    side = jax.ShapeDtypeStruct((), jnp.int32)
    settings = [jax.ShapeDtypeStruct(*kind) for kind in kinds]
    try:
        jax.eval_shape(tried, settings, side, side)
    except NEEDS_A_NUMBER as error:
        first = str(error).split("\n", 1)[0]
        return f"`{owner[0]}` computes with the frame's size in Python ({first})"
    return None
