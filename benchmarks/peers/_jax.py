"""What the peers on JAX share: a batch placed on the devices beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..contender import Form, Outputs
from ..parallel import CORES, by_part, parts
from ..work import Case


def spreads(case: Case, *arrays: Any) -> dict[str, tuple[Any, ...]]:
    """Name of a form -> arrays placed for it: on all devices, split by record; or on one."""
    devices = jax.local_devices()
    placed = {"one device": jax.device_put(arrays, devices[0])}
    if len(devices) > 1 and case.row.batch % len(devices) == 0:
        mesh = Mesh(np.array(devices), ("records",))
        sharding = NamedSharding(mesh, PartitionSpec("records"))
        placed["all devices"] = jax.device_put(arrays, sharding)
    return placed


def over_pictures(case: Case, run: Callable[..., Any], arrays: tuple[Any, ...]) -> Form:
    """The jitted `run` on a part of the batch for each Python thread."""
    halves = {
        p.start: jax.device_put(tuple(a[p.start : p.stop] for a in arrays))
        for p in parts(case.row.batch, CORES)
    }

    def call() -> Outputs:
        def one(part: range) -> Outputs:
            return jax.block_until_ready(run(*halves[part.start]))

        return by_part(case.row.batch, one)

    return Form("jit, over pictures", call)


def host(outputs: Any) -> dict[str, Any]:
    """(image, mask) as NumPy arrays, the mask without a channel axis."""
    if isinstance(outputs, list):
        outputs = tuple(np.concatenate(list(part)) for part in zip(*outputs, strict=True))
    image, mask = (np.asarray(a) for a in outputs)
    return {"image": image, "mask": mask.reshape(mask.shape[:3]).astype(np.uint8)}
