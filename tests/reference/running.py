"""Transforms of values with params that are given: in native code, and in XLA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.pipeline.program._draws import QUICKLY_COMPILED
from multiaug.sampling import run_pointwise, sampled_into
from multiaug.transforms import Container, Target, Transform
from tests.reference.bars import Bar, Row
from tests.sampling.test_pointwise import of_record


class ValueCase(NamedTuple):
    """A transform of values beside its reference.

    Args:
        transform: an instance.
        params: what it is to have drawn.
        values: (h, w, c), uint8 or float32.
        reference: (values[, bool of those that are there]) -> values, in float64 or levels.
        by: its name.
        bar: what it may differ by.
        holes: bool, of the shape of the values: those without data, which may hold anything.
        names: of the channels.
    """

    transform: Transform
    params: Mapping[str, Any]
    values: np.ndarray
    reference: Callable[..., np.ndarray]
    by: str
    bar: Bar
    holes: np.ndarray | None = None
    names: tuple[str, ...] = ("r", "g", "b")

    def target(self, *, holes: bool) -> Target:
        top = 255.0 if self.values.dtype == np.uint8 else 1.0
        valid = jnp.asarray(~self.holes) if holes and self.holes is not None else None
        return Target("image", 0, (0.0, top), valid, self.values.shape[-1], names=self.names)

    @property
    def out(self) -> np.dtype:
        kept = getattr(self.transform, "keeps_dtype", True)
        return self.values.dtype if kept else np.dtype(np.float32)

    def expected(self) -> np.ndarray:
        values = self.values.astype(np.float64) if self.out.kind == "f" else self.values
        if self.holes is None:
            return self.reference(values)
        return np.where(self.holes, 0, self.reference(values, ~self.holes))


def parts_of(transform: Transform, params: Mapping[str, Any]) -> list[tuple[Transform, Any]]:
    """What a composition runs, in order, where it has drawn these params."""
    if not isinstance(transform, Container):
        return [(transform, params)]
    found = []
    for child, drawn, on in transform.expand(params):
        if on is None or bool(on):
            found += parts_of(child, drawn)
    return found


def by_native(case: ValueCase) -> np.ndarray | None:
    """In native code; None where it leaves the transform to XLA."""
    operations = []
    for transform, params in parts_of(case.transform, case.params):
        if type(transform).operations is ma.transforms.Photometric.operations:
            return None
        own = {n: jnp.asarray(p) for n, p in params.items()}
        operations += transform.operations(own, case.target(holes=False))
    if not all(hasattr(operation, "pack") for operation in operations):
        return None
    values = case.values if case.holes is None else np.where(case.holes, np.nan, case.values)
    values = values.astype(case.values.dtype)
    channels = values.shape[-1]
    invalid = None if case.holes is None else "nan"
    how = of_record([(one, True) for one in operations], channels, 0, invalid, case.out)
    found = np.zeros((1, *values.shape), case.out)
    into = sampled_into(found, values.dtype)
    into[...] = values
    run_pointwise(into, how, found)
    if case.holes is not None:
        assert (np.isnan(found[0]) == case.holes).all()
    return found[0]


def by_xla(cases: Mapping[str, ValueCase]) -> dict[str, np.ndarray]:
    """In XLA, all compiled at once; integers are rounded half up, and clipped, at the end."""

    @partial(jax.jit, compiler_options=QUICKLY_COMPILED)
    def all_of_them(given):
        found = {}
        for name, case in cases.items():
            values = given[name].astype(jnp.float32)
            for transform, params in parts_of(case.transform, case.params):
                own = {n: jnp.asarray(p) for n, p in params.items()}
                values = transform.apply(own, values, case.target(holes=True))
            if case.out == np.uint8:
                values = jnp.clip(jnp.floor(values + 0.5), 0, 255)
            found[name] = values
        return found

    given = {
        name: case.values if case.holes is None else np.where(case.holes, 77, case.values)
        for name, case in cases.items()
    }
    done = all_of_them({n: jnp.asarray(v, cases[n].values.dtype) for n, v in given.items()})
    return {name: np.asarray(values, np.float64) for name, values in done.items()}


def rows_of_values(cases: Mapping[str, ValueCase], *, xla: bool = True) -> list[Row]:
    """The largest errors; of names such as "Gamma, nnU-Net" the first part is the transform's."""
    alone = by_xla(cases) if xla else {}
    rows = []
    for name, case in cases.items():
        expected = case.expected().astype(np.float64)
        found = {"XLA": alone[name]} if name in alone else {}
        native = by_native(case) if compiled_is_available() else None
        if native is not None:
            found["native"] = native.astype(np.float64)
        errors = {}
        for backend, values in found.items():
            values = values if case.holes is None else np.where(case.holes, 0, values)
            errors[backend] = float(np.abs(values - expected).max())
        transform, _, words = name.partition(", ")
        rows.append(Row(transform, words, case.by, case.values.dtype.name, case.bar, errors))
    return rows
