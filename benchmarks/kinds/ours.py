"""multiaug in a row, the base row beside it, and the floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

from .. import levels
from ..contender import Form, Outputs, Peer
from ..parallel import by_part
from .rows import Case


def forms(case: Case, level: str = levels.NAMES[-1]) -> list[Form]:
    """The call of the row, fresh and, where there is a way, recycled."""
    enter = partial(levels.use, level)
    if case.row.call == "batch":
        return _batched(case, enter)
    one = case.row.call == "one"
    call = case.pipeline if one else jax.jit(case.pipeline.batch)
    record = {n: a[0] for n, a in case.record.items()} if one else jax.device_put(case.record)
    keys = case.keys[0] if one else case.keys
    name = "pipeline(key, record)" if one else "jax.jit(batch)"
    return [Form(name, lambda: jax.block_until_ready(call(keys, record)), False, enter)]


def _batched(case: Case, enter: Callable[[], None]) -> list[Form]:
    pipeline, keys, record = case.pipeline, case.keys, case.record
    kept: dict[str, Any] = {}

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.batch(keys, record))

    def recycled() -> Outputs:
        kept["out"] = jax.block_until_ready(pipeline.batch(keys, record, out=kept.get("out")))
        return kept["out"]

    return [Form("batch", fresh, False, enter), Form("batch, out=", recycled, True, enter)]


def host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
    """NumPy arrays with a channel axis."""
    arrays = {n: np.asarray(a) for n, a in outputs.items()}
    return {n: a if a.ndim == 4 else a[..., None] for n, a in arrays.items()}


def contenders(base: Case, limited_to: list[str]) -> list[Peer]:
    """multiaug, once more for each level that it is limited to, the base row and the floor."""
    version = ma.__version__
    ours = [Peer("multiaug", forms, host, version, "the full call, checks on", ours=True)]
    ours += [
        Peer(
            f"multiaug, {level}",
            partial(forms, level=level),
            host,
            version,
            f"the same, limited to {level}",
            ours=True,
            level=level,
        )
        for level in limited_to
    ]
    beside = Peer("base", lambda _: forms(base), host, version, "the first row", ours=True)
    return [*ours, beside, Peer("memcpy", _floor, host, np.__version__, "the floor", floor=True)]


def _floor(case: Case) -> list[Form]:
    """As many bytes as the results have, read and written once, on all cores."""
    source = {n: np.ones(a.shape, a.dtype) for n, a in case.outputs().items()}
    kept = case.outputs()

    def fill(out: dict[str, NDArray[Any]]) -> Outputs:
        def copy(part: range) -> None:
            for name, array in source.items():
                np.copyto(out[name][part.start : part.stop], array[part.start : part.stop])

        by_part(case.row.batch, copy)
        return out

    return [
        Form("memcpy", lambda: fill(case.outputs())),
        Form("memcpy", lambda: fill(kept), recycled=True),
    ]
