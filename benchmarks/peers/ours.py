"""multiaug: the full call, and the call with given params."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

from .. import levels
from ..contender import Cannot, Form, Outputs, Peer
from ..work import Case


def _forms(case: Case, level: str = levels.NAMES[-1]) -> list[Form]:
    pipeline, keys, record = case.pipeline, case.keys, case.record
    enter = partial(levels.use, level)

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.batch(keys, record))

    kept: dict[str, Any] = {}

    def recycled() -> Outputs:
        kept["out"] = jax.block_until_ready(pipeline.batch(keys, record, out=kept.get("out")))
        return kept["out"]

    return [Form("batch", fresh, False, enter), Form("batch, out=", recycled, True, enter)]


def _given(case: Case) -> list[Form]:
    pipeline, params, record = case.pipeline, case.params, case.record
    # As a loop would have them: drawn ahead, already on the device.
    params = jax.device_put(params)
    if case.row.work not in "abe":
        raise Cannot("timed for a, b and e")

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.apply(params, record))

    return [Form("apply", fresh, enter=levels.use)]


def _host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
    image = outputs["rgbxyz"] if "rgbxyz" in outputs else outputs["image"]
    return {"image": np.asarray(image), "mask": np.asarray(outputs["mask"])}


def limited_to(level: str) -> Peer:
    """The full call, with no better instruction set than this one."""
    return Peer(
        f"multiaug, {level}",
        partial(_forms, level=level),
        _host,
        ma.__version__,
        f"the same call, limited to {level}",
        ours=True,
        level=level,
    )


PEERS = [
    Peer(
        "multiaug",
        _forms,
        _host,
        ma.__version__,
        "pipeline.batch(keys, batch) on NumPy arrays: draws, warps, waits; checks on",
        ours=True,
    ),
    Peer(
        "multiaug apply",
        _given,
        _host,
        ma.__version__,
        "pipeline.apply(params, batch): the geometry given, as the peers have it",
        ours=True,
    ),
]
