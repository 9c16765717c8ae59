"""Dataclasses as pytrees whose structures tell classes apart."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import jax

T = TypeVar("T", bound=type[Any])


def register_dataclass(cls: T) -> T:
    """Make a dataclass a pytree; fields with ``metadata={"static": True}`` belong to its structure.

    As `jax.tree_util.register_dataclass` is documented, but for this: with that one, structures of
    two classes are equal where they have as many arrays and equal settings (JAX 0.10 to 0.12), and
    `jax.jit` runs the program of one class for the other. Where several classes may stand in one
    place, as transforms and segments of maps do, that would be silent. JAX's own is faster, and
    serves classes that have their places for themselves.

    Args:
        cls: the dataclass.

    Returns:
        The class itself.
    """
    made = [item for item in fields(cls) if item.init]
    static = tuple(item.name for item in made if item.metadata.get("static"))
    arrays = tuple(item.name for item in made if not item.metadata.get("static"))
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in arrays)

    def flatten(value: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple(getattr(value, n) for n in arrays), tuple(getattr(value, n) for n in static)

    def flatten_with_keys(value: Any) -> tuple[tuple[tuple[Any, Any], ...], tuple[Any, ...]]:
        children, settings = flatten(value)
        return tuple(zip(keys, children, strict=True)), settings

    def unflatten(settings: tuple[Any, ...], children: Any) -> Any:
        return cls(
            **dict(zip(static, settings, strict=True)), **dict(zip(arrays, children, strict=True))
        )

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
