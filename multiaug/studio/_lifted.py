"""Pipelines whose settings are arguments of compiled functions, so that a slider compiles nothing.

A setting is part of the structure of a transform, and a new one is a new structure: JAX compiles
for it, which takes seconds. Here the ranges and numbers of a transform become leaves, where its
code allows that. Where it does not, because Python has to know them while it traces, JAX says so by
an error, and they stay what they are.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache, partialmethod
from typing import Any, TypeVar

import jax
import numpy as np

from ..errors import MultiaugError
from ..pipeline import Pipeline
from ..transforms import Container, Geometric, Transform
from ..typing import SpatialShape

R = TypeVar("R")

# What a transform raises whose code looks at a setting that is an argument; or, where it makes
# others of it, they find that it is no number.
_NEEDS_A_NUMBER = (jax.errors.JAXTypeError, TypeError, AttributeError, ValueError, MultiaugError)
_MOST_KNOWN = 512
_IDLE = 0.7
_EVERYTHING, _RANGES, _NOTHING = 0, 1, 2


class Runner:
    """Runs pipelines that differ in their settings, without compiling for each of them.

    Settings that cannot be arguments stay part of the structure. A new value of those is done
    operation by operation, at once; what is compiled for it follows when nobody asks for more.
    """

    def __init__(self) -> None:
        self._kept: dict[type, int] = {}  # classes some of whose settings cannot be arguments
        self._compiled: set[Any] = set()
        self._stepped: set[Any] = set()
        self._timer: threading.Timer | None = None
        self._aside = threading.Lock()

    def run(self, pipeline: Pipeline, work: Callable[[Pipeline], R]) -> R:
        """Call ``work`` with a pipeline that does what the given one does.

        Args:
            pipeline: what is to be run.
            work: a function of a pipeline, such as one that calls `Pipeline.sample`.
        """
        self._stop()
        while True:
            made = self.lifted(pipeline)
            lift = made is not pipeline
            structure = jax.tree.structure(made.transforms)
            classes = tuple(type(leaf) for leaf in _all_of(pipeline.transforms))
            if structure not in self._compiled and classes in self._stepped:
                self._later(work, made, structure)
                with jax.disable_jit():
                    return work(pipeline)
            try:
                done = work(made)
            except _NEEDS_A_NUMBER as error:
                if not lift:
                    raise
                self._keep(pipeline, error)
                continue
            self._remember(structure)
            if any(self._kept.get(one) for one in classes) and classes not in self._stepped:
                self._later(work, pipeline, None, classes)
            return done

    def lifted(self, pipeline: Pipeline) -> Pipeline:
        """The same pipeline with settings for leaves; itself where none can be one."""
        made = [_lifted(one, self._kept) for one in pipeline.transforms]
        if all(a is b for a, b in zip(made, pipeline.transforms, strict=True)):
            return pipeline
        return Pipeline(made, pipeline.spec)

    def close(self) -> None:
        """Do nothing more when nobody asks, and wait for what is being done."""
        self._stop()
        with self._aside:
            return

    def _remember(self, structure: Any) -> None:
        if len(self._compiled) >= _MOST_KNOWN:
            self._compiled.clear()
        self._compiled.add(structure)

    def _keep(self, pipeline: Pipeline, error: BaseException) -> None:
        """Leave settings of the class that raised an error as they are; of all, if unknown."""
        found = _raised_by(error)
        classes = {type(one) for one in _all_of(pipeline.transforms)}
        blamed = {one for one in classes if found is not None and issubclass(found, one)}
        for one in {one for one in blamed if self._kept.get(one, 0) < _NOTHING} or classes:
            self._kept[one] = min(_NOTHING, self._kept.get(one, _EVERYTHING) + 1)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(
        self, work: Callable[[Pipeline], Any], pipeline: Pipeline, structure: Any, classes: Any = ()
    ) -> None:
        """Compile, or take the first steps, when nobody has asked for anything for a while."""

        def run() -> None:
            with self._aside, suppress(Exception):  # whoever asks for it is told what is wrong
                if structure is None:
                    with jax.disable_jit():
                        work(pipeline)
                    self._stepped.add(classes)
                else:
                    work(pipeline)
                    self._remember(structure)

        self._timer = threading.Timer(_IDLE, run)
        self._timer.daemon = False  # JAX cannot be left in the middle of its work
        self._timer.start()


def _all_of(transforms: Iterable[Transform]) -> Iterator[Transform]:
    """The transforms, and those inside containers."""
    for one in transforms:
        yield one
        if isinstance(one, Container):
            yield from _all_of(one.children)


def _raised_by(error: BaseException) -> type | None:
    """The class of the innermost transform with settings for leaves that an error came through."""
    found, place = None, error.__traceback__
    while place is not None:
        owner = place.tb_frame.f_locals.get("self")
        if isinstance(owner, Transform) and hasattr(type(owner), "lifted_from"):
            found = type(owner)
        place = place.tb_next
    return found


def _lifted(value: Any, kept: Mapping[type, int]) -> Any:
    if isinstance(value, tuple):
        made = [_lifted(one, kept) for one in value]
        if all(a is b for a, b in zip(made, value, strict=True)):
            return value
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if not isinstance(value, Transform):
        return value
    level = kept.get(type(value), _EVERYTHING)
    names = tuple(
        name
        for name in _static_settings(type(value))
        if level < _NOTHING
        and _is_number(getattr(value, name))
        and (level < _RANGES or isinstance(getattr(value, name), tuple))
    )
    items = {item.name: getattr(value, item.name) for item in fields(value) if item.init}  # type: ignore[arg-type]
    new = {name: _as_leaves(items[name]) for name in names}
    if isinstance(value, Container) and not any(map(_holds_transforms, items.values())):
        # It makes its children of its settings: these are leaves, in the place of the settings.
        new = {} if level == _NOTHING else {"lifted_children": _lifted(value.children, kept)}
        names = names if new else ()
    else:
        for name, old in items.items():
            inner = old if name in names else _lifted(old, kept)
            if inner is not old:
                new[name] = inner
    if not new:
        return value
    new_one: Transform = copy.copy(value)
    kind: Any = type(value)
    variant = _variant(kind, names, "lifted_children" in new)
    object.__setattr__(new_one, "__class__", variant)
    for name, leaves in new.items():
        object.__setattr__(new_one, name, leaves)
    return new_one


def _static_settings(cls: Any) -> list[str]:
    """Settings that may become leaves; no chances, of which it is asked whether they are 1."""
    return [
        item.name
        for item in fields(cls)
        if item.init
        and item.metadata.get("static")
        and item.name not in ("p", "probability")
        and not item.name.startswith("p_")
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


def _holds_transforms(value: Any) -> bool:
    return isinstance(value, Transform) or (
        isinstance(value, tuple) and any(map(_holds_transforms, value))
    )


@cache
def _variant(cls: Any, names: tuple[str, ...], makes_children: bool) -> Any:
    """A class of the same name and behaviour, some of whose settings are leaves.

    Args:
        cls: the class.
        names: of those settings.
        makes_children: they are no part of it; its children, which are made of them, are.
    """
    items = [item for item in fields(cls) if item.init]
    static = tuple(i.name for i in items if i.metadata.get("static") and i.name not in names)
    if makes_children:
        leaves: tuple[str, ...] = ("lifted_children",)
    else:
        leaves = tuple(i.name for i in items if i.name not in static)
    kept = tuple(i.name for i in fields(cls) if not i.init)
    own: dict[str, Any] = {"__module__": cls.__module__, "lifted_from": cls}
    if makes_children:
        own["children"] = property(lambda self: self.lifted_children)
    if issubclass(cls, Geometric) and cls.min_scale is not Geometric.min_scale:
        own |= {"min_scale": _no_scale, "given_scale": partialmethod(_given_scale, cls)}
    made: Any = type(cls.__name__, (cls,), own)

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


# How far a transform shrinks at most has to be known before anything is compiled. It is said as for
# matrices that are given, which are arguments, too: outside, and rounded down to a power of two.


def _no_scale(self: Any, shape: SpatialShape) -> tuple[float, float]:
    return 1.0, 1.0


def _given_scale(self: Any, cls: Any, shape: SpatialShape) -> float:
    least = min(1.0, *(float(scale) for scale in cls.min_scale(self, shape)))
    return least * float(cls.given_scale(self, shape))
