"""augmax: a Chain under jit and vmap, over the devices."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

import augmax
import jax
import numpy as np

from ..contender import Cannot, Form, Outputs, Peer
from ..work import ELASTIC, Case
from ._jax import host, over_pictures, spreads


def _steps(case: Case) -> list[Any]:
    # It draws no zoom and no shift: both are left out, in its favour.
    geometry: list[Any] = [augmax.Rotate(30), augmax.HorizontalFlip(0.5)]
    if case.row.work == "b":
        strength = int(ELASTIC["amount"] * case.row.size)
        coarseness = max(case.row.size // ELASTIC["grid"][0], 2)
        geometry.append(augmax.Warp(strength=strength, coarseness=coarseness))
    if case.row.work == "c":
        return [augmax.RandomCrop(*case.row.out_shape), augmax.HorizontalFlip(0.5)]
    return geometry


def _forms(case: Case) -> list[Form]:
    if case.row.work not in "abc":
        raise Cannot("no noise" if case.row.work == "d" else "does not move coordinates")
    chain = augmax.Chain(*_steps(case), input_types=["image", "mask"])
    image = case.image.astype(np.float32)

    @jax.jit
    def run(keys: Any, image: Any, mask: Any) -> Any:
        return jax.vmap(lambda key, x, y: tuple(chain(key, [x, y])))(keys, image, mask)

    def call(arrays: Any) -> Outputs:
        return jax.block_until_ready(run(*arrays))

    arrays = case.keys, image, case.mask
    forms = [Form(f"jit, {n}", partial(call, a)) for n, a in spreads(case, *arrays).items()]
    return [*forms, over_pictures(case, run, arrays)]


PEERS = [
    Peer(
        "augmax",
        _forms,
        host,
        version("augmax"),
        "Chain under jit(vmap) on float32 pictures, on one device or split over all beforehand",
        draws="own",
    )
]
