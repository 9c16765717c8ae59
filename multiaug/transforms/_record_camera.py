"""The intrinsics of a record, for draws that depend on them."""

from __future__ import annotations

import jax.numpy as jnp

from ..errors import ParameterError
from ..geometry import centre, centre_intrinsics
from ..sampling import ratio
from ..typing import Array
from ._base import Frame
from ._windows import size_of


def check_intrinsics(owner: str, frame: Frame) -> None:
    """Refuse a spec whose records have no camera.

    Raises:
        ParameterError: with the remedy.
    """
    entries = frame.spec.entries.values()
    if not frame.spec.camera.has_default and all(entry.role != "intrinsics" for entry in entries):
        raise ParameterError(
            f"`{owner}` needs the camera of a record, and the spec {frame.spec.name!r} has none. "
            "Declare an entry with role intrinsics, or a default camera (`camera.fov_degrees`, or "
            "fx, fy, cx and cy)."
        )


def record_intrinsics(frame: Frame) -> Array:
    """(3, 3) float32, from the centre of the frame and in its pixels: of the record, or the spec's.

    Args:
        frame: whose record holds what was read, under "intrinsics".
    """
    for name, entry in frame.spec.entries.items():
        if entry.role == "intrinsics" and name in frame.record:
            size = size_of(frame, entry.of)
            k = jnp.asarray(frame.record[name], jnp.float32)
            return centre_intrinsics(k, size, ratio(size, frame.shape))
    camera, (cx, cy) = frame.spec.camera, centre(frame.shape)
    if camera.fov_degrees is not None:
        half = jnp.tan(jnp.deg2rad(jnp.float32(camera.fov_degrees)) / 2)
        f = jnp.asarray(frame.shape[1], jnp.float32) / 2 / half
        return jnp.diag(jnp.stack([f, f, jnp.float32(1)]))
    assert camera.intrinsics is not None  # `check_intrinsics` has refused all others
    fx, fy, px, py = (jnp.float32(number) for number in camera.intrinsics)
    zero, one = jnp.float32(0), jnp.float32(1)
    rows = [[fx, zero, px - cx], [zero, fy, py - cy], [zero, zero, one]]
    return jnp.stack([jnp.stack(row) for row in rows])
