"""What a notebook shows of a pipeline and of what it drew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from .._arguments import shown
from .._tables import Report, Table, shape_text
from ..spec import DataSpec
from ..transforms import Container, Transform
from ..typing import SpatialShape

_SHOWN = 12


def report_of(transforms: Sequence[Transform], spec: DataSpec, code: str) -> Report:
    """A line for each transform, those inside containers below theirs; the spec folded away."""
    rows = tuple(row for i, t in enumerate(transforms, 1) for row in _rows(f"{i}", t))
    many = "1 transform" if len(transforms) == 1 else f"{len(transforms)} transforms"
    table = Table(("", "transform", "settings", "p"), rows)
    return Report(f"Pipeline of {many}", (table,), code, (spec._report(),))


def _rows(number: str, transform: Transform) -> Iterator[tuple[str, ...]]:
    inside = transform.children if isinstance(transform, Container) else ()
    values = {name: getattr(transform, name) for name in transform.settings() if name != "p"}
    settings = ", ".join(f"{n}={shown(v)}" for n, v in values.items() if not _is_left_out(v))
    chance = getattr(transform, "p", 1.0)
    yield number, transform.owner, settings, "" if chance == 1.0 else f"{chance:g}"
    for i, child in enumerate(inside, 1):
        yield from _rows(f"{number}.{i}", child)


def _is_left_out(value: Any) -> bool:
    """What has lines of its own, and what was not given."""
    if value is None:
        return True
    items = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(item, Transform) for item in items)


def params_report(
    values: Sequence[Mapping[str, Any]], in_shape: SpatialShape, out_shape: SpatialShape
) -> Report:
    """A line for each array that was drawn."""
    rows = tuple(row for i, value in enumerate(values, 1) for row in _drawn(f"{i}", value))
    title = f"Drawn for {shape_text(in_shape)} -> {shape_text(out_shape)} pixels"
    return Report(title, (Table(("", "name", "value"), rows),))


def _drawn(number: str, value: Any) -> Iterator[tuple[str, ...]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _drawn(f"{number}.{name}", item)
        elif isinstance(item, tuple | list):
            for i, one in enumerate(item, 1):
                if isinstance(one, Mapping):
                    yield from _drawn(f"{number}.{i}", one)
                else:
                    yield number, name, _array_text(one)
        else:
            yield number, name, _array_text(item)


def _array_text(array: Any) -> str:
    """Few numbers in full, many by their shape; under `jit` there are no numbers yet."""
    if isinstance(array, jax.core.Tracer) or np.size(array) > _SHOWN:
        return f"{array.dtype} {shape_text(array.shape)}"
    return np.array2string(np.asarray(array), precision=4, separator=", ").replace("\n", "")
