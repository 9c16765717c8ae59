"""Pipelines whose settings are arguments of compiled functions, so that a slider compiles nothing.

A setting is part of the structure of a transform, and a new one is a new structure: JAX compiles
for it, which takes seconds. Here the ranges and numbers of a transform become leaves, where its
code allows that. Where it does not, because Python has to know them while it traces, JAX says so by
an error, and `run` does what is asked for operation by operation, which compiles nothing either.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

import jax
import numpy as np

from ..pipeline import Pipeline
from ..transforms import Transform

R = TypeVar("R")

# What a transform raises whose code looks at a setting that is an argument.
_NEEDS_A_NUMBER = (jax.errors.JAXTypeError, TypeError, AttributeError, ValueError)
_MOST_KNOWN = 1024


class Runner:
    """Runs pipelines that differ in their settings without compiling for each of them."""

    def __init__(self) -> None:
        self._refused: set[Any] = set()
        self._known: set[Any] = set()

    def run(self, pipeline: Pipeline, work: Callable[[Pipeline], R]) -> R:
        """Call ``work`` with a pipeline that does what the given one does, at once.

        Args:
            pipeline: what is to be run.
            work: a function of a pipeline, such as one that calls `Pipeline.sample`.
        """
        made = lifted(pipeline)
        structure = jax.tree.structure(made.transforms)
        if structure not in self._refused:
            try:
                return work(made)
            except _NEEDS_A_NUMBER:
                self._refused.add(structure)
                if len(self._refused) > _MOST_KNOWN:
                    self._refused.clear()
        with jax.disable_jit():
            return work(pipeline)


def lifted(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with settings for leaves."""
    return Pipeline([_lifted(one) for one in pipeline.transforms], pipeline.spec)


def _lifted(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_lifted(one) for one in value)
    if not isinstance(value, Transform):
        return value
    names = tuple(n for n in _static_settings(type(value)) if _is_number(getattr(value, n)))
    made = copy.copy(value)
    object.__setattr__(made, "__class__", _variant(type(value), names))
    for item in fields(value):  # type: ignore[arg-type]
        old = getattr(value, item.name)
        new = _as_leaves(old) if item.name in names else _lifted(old)
        object.__setattr__(made, item.name, new)
    return made


def _static_settings(cls: Any) -> list[str]:
    """Settings that may become leaves; not the chance, of which a pipeline asks whether it is 1."""
    return [
        item.name
        for item in fields(cls)
        if item.init and item.metadata.get("static") and item.name != "p"
    ]


def _is_number(value: Any) -> bool:
    """Floats alone: whole numbers are counts and sizes, which decide of shapes."""
    if isinstance(value, tuple):
        return bool(value) and all(_is_number(one) for one in value)
    return isinstance(value, float)


def _as_leaves(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_leaves(one) for one in value)
    return np.float32(value)


@cache
def _variant(cls: Any, names: tuple[str, ...]) -> type:
    """A class of the same name and behaviour, some of whose settings are leaves."""
    made: Any = type(cls.__name__, (cls,), {"__module__": cls.__module__, "__doc__": cls.__doc__})
    items = [item for item in fields(cls) if item.init]
    static = tuple(i.name for i in items if i.metadata.get("static") and i.name not in names)
    leaves = tuple(i.name for i in items if i.name not in static)
    kept = tuple(i.name for i in fields(cls) if not i.init)

    def flatten(value: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        # What is made of the settings stays beside them.
        return (
            tuple(getattr(value, n) for n in leaves),
            tuple(getattr(value, n) for n in static + kept),
        )

    def unflatten(settings: tuple[Any, ...], children: Any) -> Any:
        new = object.__new__(made)
        for name, value in zip(static + kept + leaves, (*settings, *children), strict=True):
            object.__setattr__(new, name, value)
        return new

    jax.tree_util.register_pytree_node(made, flatten, unflatten)
    return made
