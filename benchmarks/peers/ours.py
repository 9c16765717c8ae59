"""multiaug: the full call, and the call with given params."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

from ..contender import Cannot, Form, Outputs, Peer
from ..work import Case

# Remove the checks (here, in run.py, startup.py and memory.py) once releases have these.
HAS_OUT = "out" in inspect.signature(ma.Pipeline.batch).parameters
HAS_OUT_APPLY = "out" in inspect.signature(ma.Pipeline.apply).parameters


def _forms(case: Case) -> list[Form]:
    pipeline, keys, record = case.pipeline, case.keys, case.record

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.batch(keys, record))

    forms = [Form("batch", fresh)]
    if HAS_OUT:
        kept: dict[str, Any] = {}

        def recycled() -> Outputs:
            previous = kept.get("out")
            kept["out"] = jax.block_until_ready(pipeline.batch(keys, record, out=previous))
            return kept["out"]

        forms.append(Form("batch, out=", recycled, recycled=True))
    return forms


def _given(case: Case) -> list[Form]:
    pipeline, params, record = case.pipeline, case.params, case.record
    # As a loop would have them: drawn ahead, already on the device.
    params = jax.device_put(params)
    if case.row.work not in "abe":
        raise Cannot("timed for a, b and e")

    def fresh() -> Outputs:
        return jax.block_until_ready(pipeline.apply(params, record))

    forms = [Form("apply", fresh)]
    if HAS_OUT_APPLY:
        kept: dict[str, Any] = {}

        def recycled() -> Outputs:
            previous = kept.get("out")
            kept["out"] = jax.block_until_ready(pipeline.apply(params, record, out=previous))
            return kept["out"]

        forms.append(Form("apply, out=", recycled, recycled=True))
    return forms


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
