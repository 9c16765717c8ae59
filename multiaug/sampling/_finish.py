"""From what a lane read to the values of the result: decoded, moved, in their own dtype."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array
from ._dtype import cast
from ._lanes import Reading, count_of
from ._locate import Located
from ._plan import Band, Grid, SampleContext, materialize
from ._taps import gather, invalid_value, move


def finish(
    reading: Reading,
    image: Array,
    band: Band,
    context: SampleContext | None = None,
    at: tuple[Located, Grid] | None = None,
) -> Array:
    """From what a lane read to the values of the result, in the dtype of the array.

    Args:
        reading: what the lane read.
        image: (H, W, C) what it was read from, all bands of it.
        band: whose values they are.
        context: the output pixels; None where the band has no use for them.
        at: where they were read, folded and as it was; None for whole pixels.
    """
    if not isinstance(reading.values, list):
        return _finish(reading.values, reading.known, band, context, image.dtype)
    if context is None:
        values = jnp.stack(reading.values, axis=-1)
        return _finish(values, _known(values, band), band, None, image.dtype)
    assert at is not None
    located, grid = at
    exact = (grid.x == jnp.floor(grid.x)) & (grid.y == jnp.floor(grid.y))
    copied = None
    if band.decode is not None:
        copied = _copied(reading.values, image, band, exact, located)
    full = (
        jnp.broadcast_to(context.out_x, context.x.shape),
        jnp.broadcast_to(context.out_y, context.x.shape),
    )

    def planes(rows: tuple[Any, ...]) -> list[Array]:
        coded, copied, exact, x, y, out_x, out_y, jacobian = rows
        here = context._replace(x=x, y=y, out_x=out_x, out_y=out_y, jacobian=jacobian)
        values = jnp.stack(coded, axis=-1)
        known = _known(values, band)
        if band.decode is not None:
            values = band.decode(values, here)
            copies = jnp.where(known, jnp.stack(copied, axis=-1), 0)
            values = jnp.where(exact[..., None], copies, values)
        values = _finish(values, known, band, here, image.dtype)
        return [values[..., c] for c in range(values.shape[-1])]

    rows = (reading.values, copied, exact, context.x, context.y, *full, context.jacobian)
    return jnp.stack(materialize(planes, rows), axis=-1)


def _known(values: Array, band: Band) -> Array:
    """Channels that are invalid together are NaN together."""
    return ~jnp.isnan(values[..., :1] if band.joint else values)


def _copied(coded: list[Array], image: Array, band: Band, exact: Array, at: Located) -> list[Array]:
    """The pixels that exact positions show; elsewhere anything."""
    if band.encode is None:
        return coded
    height, width, channels = image.shape
    row, column = at.first // (width + 2), at.first % (width + 2)
    home = jnp.clip(row, 1, height) * width + jnp.clip(column, 1, width) - (width + 1)

    def read() -> list[Array]:
        pixels = gather(image.reshape(height * width, channels), home)[..., band.channels]
        return [pixels[..., c].astype(jnp.float32) for c in range(count_of(band))]

    def nothing() -> list[Array]:
        return [jnp.zeros(home.shape, jnp.float32) for _ in range(count_of(band))]

    # Hardly ever is a position exact in a map that blends.
    return lax.cond(exact.any(), read, nothing)  # type: ignore[no-any-return]


def _finish(
    values: Array,
    known: Array | None,
    band: Band,
    context: SampleContext | None,
    dtype: np.dtype[Any],
) -> Array:
    """Values move, and stand in their own dtype."""
    if band.move is not None:
        assert context is not None
        values, known = move(values, known, band, context)
    values = cast(values, dtype)
    if known is not None:
        blank = jnp.zeros((1, 1, count_of(band)), dtype)
        values = jnp.where(known, values, invalid_value(band, blank))
    return values
