"""Values that differ from device to device inside a user's `jax.shard_map`.

JAX follows through a program over which axes of the mesh they do. What it cannot see into, and
branches of a condition, must say it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import jax
from jax import lax

T = TypeVar("T")

Axes = frozenset[Any]


def varying_axes(tree: Any) -> Axes:
    """The axes of the mesh over which some leaf of a tree varies; none outside of `shard_map`."""
    return Axes().union(*(_axes_of(leaf) for leaf in jax.tree.leaves(tree)))


def varied(tree: T, axes: Axes) -> T:
    """The same values, said to vary over these axes."""
    return jax.tree.map(lambda leaf: _cast(leaf, axes), tree)  # type: ignore[no-any-return]


def _axes_of(array: Any) -> Axes:
    kind = jax.typeof(array)
    found = getattr(getattr(kind, "mat", None), "varying", None)
    return Axes(getattr(kind, "vma", ()) if found is None else found)


def _cast(array: Any, axes: Axes) -> Any:
    missing = tuple(axes - _axes_of(array))
    if not missing:
        return array
    if hasattr(lax, "pcast"):
        return lax.pcast(array, missing, to="varying")
    return lax.pvary(array, missing)  # type: ignore[attr-defined]  # before JAX 0.8
