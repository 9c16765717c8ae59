"""What the peers on JAX share: a batch placed on the devices beforehand."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

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


def host(outputs: Any) -> dict[str, Any]:
    """(image, mask) as NumPy arrays, the mask without a channel axis."""
    image, mask = (np.asarray(a) for a in outputs)
    return {"image": image, "mask": mask.reshape(mask.shape[:3]).astype(np.uint8)}
