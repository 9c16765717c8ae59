"""What the peers on JAX share: a batch spread over the devices beforehand."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..work import Case


def spread(case: Case, *arrays: Any) -> tuple[Any, ...]:
    """Arrays on all devices, split by record, where there are enough records."""
    devices = jax.local_devices()
    if case.row.batch % len(devices):
        return jax.device_put(arrays)
    sharding = NamedSharding(Mesh(np.array(devices), ("records",)), PartitionSpec("records"))
    return jax.device_put(arrays, sharding)


def host(outputs: Any) -> dict[str, Any]:
    """(image, mask) as NumPy arrays, the mask without a channel axis."""
    image, mask = (np.asarray(a) for a in outputs)
    return {"image": image, "mask": mask.reshape(mask.shape[:3]).astype(np.uint8)}
