"""multiaug: the full call, and the call with given params."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

from ..contender import Cannot, Form, Outputs, Peer
from ..work import Case


def _forms(case: Case) -> list[Form]:
    pipeline, keys, record = case.pipeline, case.keys, case.record

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.batch(keys, record))

    kept: dict[str, Any] = {}

    def recycled() -> Outputs:
        kept["out"] = jax.block_until_ready(pipeline.batch(keys, record, out=kept.get("out")))
        return kept["out"]

    return [Form("batch", fresh), Form("batch, out=", recycled, recycled=True)]


def _given(case: Case) -> list[Form]:
    pipeline, params, record = case.pipeline, case.params, case.record
    # As a loop would have them: drawn ahead, already on the device.
    params = jax.device_put(params)
    if case.row.work not in "abe":
        raise Cannot("timed for a, b and e")

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.apply(params, record))

    return [Form("apply", fresh)]


def _host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
    image = outputs["rgbxyz"] if "rgbxyz" in outputs else outputs["image"]
    return {"image": np.asarray(image), "mask": np.asarray(outputs["mask"])}


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
