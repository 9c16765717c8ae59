"""Maybe, OneOf, SomeOf and Shuffle: transforms that choose among others.

A child that is not chosen contributes the identity; all children draw every time, so the draws
of one never depend on the choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._arguments import shown
from ..errors import ParameterError
from ..typing import Array, Key, SpatialShape
from ._affine import uniform_index, unit_uniform
from ._base import (
    Container,
    Frame,
    Params,
    Transform,
    always,
    static,
    transform,
)
from ._checked import (
    number,
    plain,
    probability,
    whole,
)
from ._ranks import ranks
from ._settings import Setting, setting

Expanded = list[tuple[Transform, Params, Array | None]]


def as_transforms(value: Any, name: str) -> tuple[Transform, ...]:
    """Some transforms as a tuple; those that run by chance are put into a `Maybe`.

    Args:
        value: a list of transforms.
        name: of the argument, for the error.

    Raises:
        ParameterError: something in it is no transform.
    """
    if not isinstance(value, tuple | list):
        raise ParameterError(f"`{name}` must be a list of transforms, got {shown(value)}.")
    for position, item in enumerate(value):
        if isinstance(item, type) and issubclass(item, Transform):
            raise ParameterError(
                f"`{name}[{position}]` must be a transform, got the class {item.__name__}. "
                f"Call it: {item.__name__}()."
            )
        if not isinstance(item, Transform):
            raise ParameterError(f"`{name}[{position}]` must be a transform, got {shown(item)}.")
    return tuple(Maybe(always(item), item.chance) if item.chance < 1 else item for item in value)


def children_of(value: Any, field_name: str) -> tuple[Transform, ...]:
    children = as_transforms([value] if isinstance(value, Transform) else value, field_name)
    if not children:
        raise ParameterError(f"`{field_name}` must be at least one transform, got none.")
    return children


Children = Setting[tuple[Transform, ...], Transform | Sequence[Transform]]


class Holder(Container):
    transforms: Children

    @property
    def children(self) -> tuple[Transform, ...]:
        """The transforms inside, in order."""
        return self.transforms

    def _draw(self, key: Key, frame: Frame) -> tuple[Params, ...]:
        """The children's params; child i draws from fold_in(key, i + 1)."""
        return tuple(
            child.sample(jax.random.fold_in(key, i), frame)
            for i, child in enumerate(self.children, start=1)
        )

    def check(self, frame: Frame) -> None:
        """The children must fit the frame and agree on the frame they leave."""
        for child in self.children:
            child.check(frame)
        self._agree(frame.shape)

    def _agree(self, shape: SpatialShape) -> None:
        """By default every child must keep the shape: not all of them run."""
        for child in self.children:
            out = child.out_shape(shape)
            if out != shape:
                raise ParameterError(
                    f"`{self.owner}` must leave one shape whatever is chosen, but "
                    f"{child.owner} turns {shape[0]} x {shape[1]} into {out[0]} x {out[1]}. "
                    "Move it out of the container, and leave out its `p`."
                )


@transform
class Maybe(Holder):
    """Run transforms, all of them or none, with probability p.

    Args:
        transforms: one transform or several, run in order.
        p: probability in [0, 1].

    Raises:
        ParameterError: p outside [0, 1]; a child changes the frame's shape.
    """

    transforms: Children = setting(children_of, static=False)
    p: float = setting(probability, default=0.5, low=0, high=1)
    in_order = True

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``on``, bool, and the ``children``."""
        on = jax.random.bernoulli(jax.random.fold_in(key, 0), self.p)
        return {"on": on, "children": self._draw(key, frame)}

    def expand(self, params: Params) -> Expanded:
        """All children, under one condition."""
        return [
            (child, drawn, params["on"])
            for child, drawn in zip(self.children, params["children"], strict=True)
        ]


def _weights(value: Any, field_name: str, *, low: float) -> tuple[float, ...]:
    given = plain(value)
    if not isinstance(given, tuple | list):
        raise ParameterError(
            f"`{field_name}` must have one number for each of the transforms, got {given!r}."
        )
    weights = tuple(number(w, field_name, low=low) for w in given)
    if sum(weights) <= 0:
        raise ParameterError(f"`{field_name}` must have a positive sum, got {given!r}.")
    return weights


@transform
class OneOf(Holder):
    """Run exactly one of several transforms.

    Args:
        transforms: what to choose from.
        weights: how likely each is, in proportion; None for all alike.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: weights of another length, negative or all 0; children that leave
            frames of different shapes.
    """

    transforms: Children = setting(children_of, static=False)
    weights: Setting[tuple[float, ...] | None, Sequence[float] | None] = setting(
        _weights, default=None, low=0
    )
    p: float = static(default=1.0, kw_only=True)
    exclusive = True

    def __post_init__(self) -> None:
        if self.weights is not None and len(self.weights) != len(self.transforms):
            raise ParameterError(
                f"`OneOf.weights` must have one number for each of {len(self.transforms)} "
                f"transforms, got {self.weights!r}."
            )

    def _agree(self, shape: SpatialShape) -> None:
        shapes = {child.out_shape(shape) for child in self.children}
        if len(shapes) > 1:
            raise ParameterError(
                f"`OneOf` must leave one shape whatever is chosen, got {sorted(shapes)} from "
                f"{[child.owner for child in self.children]}. Give them all one output size."
            )

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The shape that all children leave."""
        return self.children[0].out_shape(shape)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``choice``, int32, and the ``children``."""
        weights = np.array(self.weights or [1.0] * len(self.children))
        # In float64: a sum that fell short of 1 would leave room for a last weight of 0.
        edges = jnp.asarray(weights.cumsum()[:-1] / weights.sum(), jnp.float32)
        point = jax.random.uniform(jax.random.fold_in(key, 0), dtype=jnp.float32)
        # An edge of a weight of 0 is passed even by a point that falls on it.
        choice = jnp.sum((point >= edges).astype(jnp.int32))
        return {"choice": choice, "children": self._draw(key, frame)}

    def expand(self, params: Params) -> Expanded:
        """Every child, where it is the chosen one."""
        return [
            (child, drawn, params["choice"] == i)
            for i, (child, drawn) in enumerate(zip(self.children, params["children"], strict=True))
        ]


def _counts(value: Any, field_name: str, *, low: int) -> tuple[int, int]:
    given = value if isinstance(value, tuple | list) else (value, value)
    if len(given) != 2:
        raise ParameterError(f"`{field_name}` must be a number or a pair, got {value!r}.")
    lo, hi = (whole(k, field_name, low=low) for k in given)
    return lo, hi


@transform
class SomeOf(Holder):
    """Run k of several transforms, in the order they are listed.

    Args:
        transforms: what to choose from.
        k: how many; a pair (lo, hi) draws the number.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: k out of range; a child changes the frame's shape.
    """

    transforms: Children = setting(children_of, static=False)
    k: Setting[tuple[int, int], int | Sequence[int]] = setting(_counts, default=1, low=0)
    p: float = static(default=1.0, kw_only=True)
    in_order = True

    def __post_init__(self) -> None:
        lo, hi = self.k
        if not lo <= hi <= len(self.transforms):
            raise ParameterError(
                f"`SomeOf.k` must be a pair lo <= hi <= {len(self.transforms)}, the number of "
                f"transforms, got {self.k!r}."
            )

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``on``, (n,) bool, and the ``children``."""
        u, *others = unit_uniform(jax.random.fold_in(key, 0), 1 + len(self.children))
        count = self.k[0] + uniform_index(u, self.k[1] - self.k[0] + 1)
        rank = ranks(jnp.stack(others))
        return {"on": rank < count, "children": self._draw(key, frame)}

    def expand(self, params: Params) -> Expanded:
        """Every child, where it is among the chosen."""
        return [
            (child, drawn, params["on"][..., i])
            for i, (child, drawn) in enumerate(zip(self.children, params["children"], strict=True))
        ]


def drawn_order(key: Key, count: int) -> Array:
    """(count,) int32, which of so many runs first, second ..: every order is as likely."""
    rank = ranks(jnp.stack(unit_uniform(jax.random.fold_in(key, 0), count)))
    place = jnp.arange(count, dtype=jnp.int32)[:, None]
    return jnp.argmax(rank[None, :] == place, axis=1).astype(jnp.int32)


def in_drawn_order(children: Sequence[Transform], params: Params) -> Expanded:
    """Every child at every place, where ``params["order"]`` has put it there."""
    drawn = params["children"]
    return [
        (child, drawn[i], params["order"][..., place] == i)
        for place in range(len(children))
        for i, child in enumerate(children)
    ]


@transform
class Shuffle(Holder):
    """Run all of several transforms, in random order.

    Args:
        transforms: what to run.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: a child changes the frame's shape.
    """

    transforms: Children = setting(children_of, static=False)
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``order``, (n,) int32: which child runs first, second ..; and the ``children``."""
        order = drawn_order(key, len(self.children))
        return {"order": order, "children": self._draw(key, frame)}

    def expand(self, params: Params) -> Expanded:
        """Every child at every place, where the order has put it there."""
        return in_drawn_order(self.children, params)
