"""The compiled steps: sums and products of blocks of rows."""

from __future__ import annotations

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..typing import Array
from ._numbers import kind_of, parts_of

Edges = tuple[tuple[int, int], ...]
"""(start, stop) of the tile rows of a symmetric matrix; row i holds columns start .. d."""

Tiles = tuple[tuple[Array, ...], ...]
"""For each product, its tile rows."""

_TILE = 768
_PRECISION = lax.Precision.HIGHEST  # accelerators would round the operands of float products


def tile_edges(d: int) -> Edges:
    """Tile rows of about 768: the upper triangle costs 62 % of the matrix at d = 3072."""
    count = max(1, round(d / _TILE))
    cuts = [round(i * d / count) for i in range(count + 1)]
    return tuple(itertools.pairwise(cuts))


def packed_size(edges: Edges) -> int:
    """How many numbers the tile rows hold."""
    d = edges[-1][1]
    return sum((stop - start) * (d - start) for start, stop in edges)


def _products(parts: tuple[Array, ...], edges: Edges) -> Tiles:
    """Upper tile rows of the products over the leading axis, of parts (rows, d)."""

    def tiles(a: Array, b: Array) -> tuple[Array, ...]:
        return tuple(_dot(a[:, i:j], b[:, i:], 0) for i, j in edges)

    if len(parts) == 1:
        return (tiles(parts[0], parts[0]),)
    high, low = parts
    # High by low and low by high before they are added: each of them fits float32.
    crossed = zip(tiles(high, low), tiles(low, high), strict=True)
    mixed = tuple(a.astype(jnp.int32) + b.astype(jnp.int32) for a, b in crossed)
    return tiles(high, high), mixed, tiles(low, low)


def _dot(a: Array, b: Array, axis: int) -> Array:
    return lax.dot_general(
        a,
        b,
        (((axis,), (axis,)), ((), ())),
        precision=_PRECISION,
        preferred_element_type=jnp.float32,
    )


@partial(jax.jit, static_argnames=("dtype", "edges"), donate_argnames=("sums", "tiles"))
def add_blocks(
    sums: tuple[Array, ...], tiles: Tiles, rows: Array, count: Array, *, dtype: str, edges: Edges
) -> tuple[tuple[Array, ...], Tiles]:
    """Add the sums and products of integer rows to int32 accumulators; exact.

    Args:
        sums: (d,) of each part.
        tiles: of each product.
        rows: (blocks, 1024, d), padded with the shift.
        count: how many blocks there are.
        dtype: of the rows.
        edges: the tile rows.
    """

    def body(k: Array, held: tuple[tuple[Array, ...], Tiles]) -> tuple[tuple[Array, ...], Tiles]:
        sums, tiles = held
        parts = parts_of(lax.dynamic_index_in_dim(rows, k, keepdims=False), dtype)
        added = tuple(s + p.sum(0).astype(jnp.int32) for s, p in zip(sums, parts, strict=True))
        more = _products(parts, edges)
        grown = tuple(
            tuple(a + b.astype(jnp.int32) for a, b in zip(old, new, strict=True))
            for old, new in zip(tiles, more, strict=True)
        )
        return added, grown

    found: tuple[tuple[Array, ...], Tiles] = lax.fori_loop(0, count, body, (sums, tiles))
    return found


@partial(jax.jit, static_argnames=("edges",))
def float_block(rows: Array, shift: Array, *, edges: Edges) -> tuple[Array, tuple[Array, ...]]:
    """Sums (d,) and product tiles of up to 1024 rows about a shift, float32."""
    centred = rows.astype(jnp.float32) - shift[None]
    return centred.sum(0), _products((centred,), edges)[0]


# Features whose products an int32 holds, in blocks of 1024; see `rows_before_overflow`.
FEATURES = 1024
_SEGMENT = {"byte": 127, "word": 63, "float": 8}


def segment_of(dtype: str) -> int:
    """Blocks of 1024 features that are summed on the device before the host takes over."""
    return _SEGMENT[kind_of(dtype)]


@partial(jax.jit, static_argnames=("dtype",))
def pair_products(
    a: Array, b: Array, shift: Array, first: Array, last: Array, *, dtype: str
) -> tuple[Array, ...]:
    """Products of two tiles of rows over blocks ``first .. last`` of 1024 features.

    Args:
        a: (m, blocks * 1024), padded with the shift.
        b: (k, blocks * 1024), likewise.
        shift: (blocks * 1024,) float32, of floats; anything for integers.
        first: the first block.
        last: the block behind the last one.
        dtype: of the rows.

    Returns:
        int32 (m, k) for each product of integers; one float32 (m, k) for floats.
    """
    kind = kind_of(dtype)

    def parts(rows: Array, k: Array) -> tuple[Array, ...]:
        block = lax.dynamic_slice_in_dim(rows, k * FEATURES, FEATURES, 1)
        if kind != "float":
            return parts_of(block, dtype)
        about = lax.dynamic_slice_in_dim(shift, k * FEATURES, FEATURES)
        return (block.astype(jnp.float32) - about[None],)

    def body(k: Array, held: tuple[Array, ...]) -> tuple[Array, ...]:
        pa, pb = parts(a, k), parts(b, k)
        if len(pa) == 1:
            more = [_dot(pa[0], pb[0], 1)]
        else:
            mixed = [_dot(pa[0], pb[1], 1), _dot(pa[1], pb[0], 1)]
            crossed = mixed[0].astype(jnp.int32) + mixed[1].astype(jnp.int32)
            more = [_dot(pa[0], pb[0], 1), crossed, _dot(pa[1], pb[1], 1)]
        return tuple(h + m.astype(h.dtype) for h, m in zip(held, more, strict=True))

    count = 3 if kind == "word" else 1
    zero = jnp.zeros((a.shape[0], b.shape[0]), np.float32 if kind == "float" else np.int32)
    found: tuple[Array, ...] = lax.fori_loop(first, last, body, (zero,) * count)
    return found
