"""The compiled steps: sums and products of blocks of rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...typing import Array, NDArray
from ._numbers import kind_of, parts_of

Layout = tuple[tuple[int, int, int, int], ...]
"""(top, bottom, left, right) of the rectangles that cover a symmetric matrix's upper triangle."""

Tiles = tuple[tuple[Array, ...], ...]
"""For each product, its rectangles."""

_LEAF = 192
_HOST_FEATURES = 4096
_PRECISION = lax.Precision.HIGHEST  # accelerators would round the operands of float products


def tile_layout(d: int) -> Layout:
    """At most 31 rectangles: 53 % of the matrix, and few thin ones, which multiply slowly."""
    leaf = max(_LEAF, d // 16)

    def diagonal(start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        if stop - start < 1.5 * leaf:
            yield start, stop, start, stop
            return
        middle = (start + stop) // 2
        yield from diagonal(start, middle)
        yield start, middle, middle, stop
        yield from diagonal(middle, stop)

    def whole() -> Iterator[tuple[int, int, int, int]]:
        count = max(1, round(d / (4 * leaf)))
        cuts = [round(i * d / count) for i in range(count + 1)]
        for start, stop in itertools.pairwise(cuts):
            yield from diagonal(start, stop)
            if stop < d:
                yield start, stop, stop, d

    return tuple(whole())


def upper_products(
    rows: NDArray, out: NDArray, other: NDArray | None = None, *, more: bool = False
) -> None:
    """Write the upper triangle of rows^T rows, on the host; half the work of the whole.

    Args:
        rows: (m, d) float32 or float64, C order.
        out: (d, d), likewise; what lies below the diagonal is left as it is.
        other: (m, d); writes rows^T other + other^T rows.
        more: add to what is there.
    """
    from scipy.linalg.blas import get_blas_funcs  # slow to import

    # BLAS counts in Fortran order: the transpose of what we hold, and its lower triangle.
    settings = {"c": out.T, "overwrite_c": True, "lower": True, "beta": float(more)}
    if other is None:
        get_blas_funcs("syrk", (rows,))(1.0, rows.T, **settings)
    else:
        get_blas_funcs("syr2k", (rows,))(1.0, rows.T, other.T, **settings)


def packed_size(layout: Layout) -> int:
    """How many numbers the rectangles hold."""
    return sum((bottom - top) * (right - left) for top, bottom, left, right in layout)


def _products(parts: tuple[Array, ...], layout: Layout) -> Tiles:
    """The upper triangle of the products over the leading axis, of parts (rows, d)."""

    def tiles(a: Array, b: Array) -> tuple[Array, ...]:
        return tuple(_dot(a[:, t:u], b[:, v:w], 0) for t, u, v, w in layout)

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


@partial(jax.jit, static_argnames=("dtype", "layout"), donate_argnames=("sums", "tiles"))
def add_blocks(
    sums: tuple[Array, ...], tiles: Tiles, rows: Array, count: Array, *, dtype: str, layout: Layout
) -> tuple[tuple[Array, ...], Tiles]:
    """Add the sums and products of integer rows to int32 accumulators; exact.

    Args:
        sums: (d,) of each part.
        tiles: of each product.
        rows: (blocks, 1024, d), padded with the shift.
        count: how many blocks there are.
        dtype: of the rows.
        layout: of the tiles.
    """

    def body(k: Array, held: tuple[tuple[Array, ...], Tiles]) -> tuple[tuple[Array, ...], Tiles]:
        sums, tiles = held
        parts = parts_of(lax.dynamic_index_in_dim(rows, k, keepdims=False), dtype)
        added = tuple(s + p.sum(0).astype(jnp.int32) for s, p in zip(sums, parts, strict=True))
        more = _products(parts, layout)
        grown = tuple(
            tuple(a + b.astype(jnp.int32) for a, b in zip(old, new, strict=True))
            for old, new in zip(tiles, more, strict=True)
        )
        return added, grown

    found: tuple[tuple[Array, ...], Tiles] = lax.fori_loop(0, count, body, (sums, tiles))
    return found


# Features whose products an int32 holds, in blocks of 1024; see `rows_before_overflow`.
FEATURES = 1024
_SEGMENT = {"byte": 127, "word": 63}


def segment_of(dtype: str) -> int:
    """Blocks of 1024 features that are summed on the device before the host takes over."""
    return _SEGMENT[kind_of(dtype)]


@partial(jax.jit, static_argnames=("dtype",))
def pair_products(
    a: Array, b: Array, first: Array, last: Array, *, dtype: str
) -> tuple[Array, ...]:
    """Products of two tiles of integer rows over blocks ``first .. last`` of 1024 features.

    Args:
        a: (m, blocks * 1024), padded with the shift.
        b: (k, blocks * 1024), likewise.
        first: the first block.
        last: the block behind the last one.
        dtype: of the rows.

    Returns:
        int32 (m, k) for each product.
    """

    def parts(rows: Array, k: Array) -> tuple[Array, ...]:
        return parts_of(lax.dynamic_slice_in_dim(rows, k * FEATURES, FEATURES, 1), dtype)

    def body(k: Array, held: tuple[Array, ...]) -> tuple[Array, ...]:
        pa, pb = parts(a, k), parts(b, k)
        if len(pa) == 1:
            more = [_dot(pa[0], pb[0], 1)]
        else:
            mixed = [_dot(pa[0], pb[1], 1), _dot(pa[1], pb[0], 1)]
            crossed = mixed[0].astype(jnp.int32) + mixed[1].astype(jnp.int32)
            more = [_dot(pa[0], pb[0], 1), crossed, _dot(pa[1], pb[1], 1)]
        return tuple(h + m.astype(h.dtype) for h, m in zip(held, more, strict=True))

    count = 3 if kind_of(dtype) == "word" else 1
    zero = jnp.zeros((a.shape[0], b.shape[0]), np.int32)
    found: tuple[Array, ...] = lax.fori_loop(first, last, body, (zero,) * count)
    return found


def float_products(a: NDArray, b: NDArray, shift: NDArray) -> NDArray:
    """Products (m, k) of rows about a shift, in float64, on the host.

    Args:
        a: (m, d).
        b: (k, d).
        shift: float64 (d,).
    """
    found = np.zeros((len(a), len(b)))
    for i in range(0, len(shift), _HOST_FEATURES):
        at = slice(i, i + _HOST_FEATURES)
        one = a[:, at] - shift[at]
        other = one if b is a else b[:, at] - shift[at]
        found += one @ other.T
    return found
