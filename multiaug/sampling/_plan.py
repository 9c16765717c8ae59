"""What the sampler is told about an array, and where its pixels are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..geometry import Jacobian, Map, centre
from ..typing import Array, NDArray, SpatialShape
from ._pointwise import PointwiseProgram
from ._rules import NativeRules

S = TypeVar("S")
T = TypeVar("T")


class SampleContext(NamedTuple):
    """Where values are being encoded, decoded or moved.

    Positions are centred, in pixels of the reference frame.

    Args:
        x: (h, w) horizontal source position.
        y: (h, w) vertical source position.
        out_x: (h, w) output position; equals x while encoding.
        out_y: (h, w).
        jacobian: d(source)/d(output) of the backward map; None where no band asked for it.
        scale_in: (x, y), pixels of this array per reference pixel, in the source.
        scale_out: the same in the output.
        dtype: of the array, to which what is moved will be cast.
        view: whatever the caller passed for this record.
    """

    x: Array
    y: Array
    out_x: Array
    out_y: Array
    jacobian: Jacobian | None
    scale_in: tuple[float, float]
    scale_out: tuple[float, float]
    dtype: np.dtype[Any]
    view: Any


Pointwise = Callable[[Array, SampleContext], Array]


@dataclass(frozen=True)
class Band:
    """Neighbouring channels of an array that are sampled by one rule.

    Args:
        channels: the slice of the last axis.
        method: nearest, linear, cubic, spline3, majority, or area (see `area`).
        border: one of `multiaug.spec.BORDERS`.
        fill: values beyond a constant border, one or one per channel; None means invalid.
        invalid: ``"nan"``, a number, or None when every value is valid.
        joint: a pixel is invalid when any channel is NaN or all equal the number; else each
            channel is judged by itself.
        max_jump: taps further than this from the heaviest valid tap are dropped.
        lowpass: low-pass before shrinking when the run asks for it.
        encode: source values (h, w, c) float32 -> values that may be blended; NaN where they
            may not.
        decode: blended values -> source values.
        jump: blended values -> (h, w, k), what `max_jump` compares; the values themselves when
            None.
        move: source values -> output values, in the original dtype where the method is nearest
            or majority, else float32.
        needs_jacobian: `move` reads ``context.jacobian``.
        native: the three functions in a form for native code; None where there is none.
    """

    channels: slice
    method: str
    border: str
    fill: tuple[float, ...] | None
    invalid: float | str | None = None
    joint: bool = True
    max_jump: float | None = None
    lowpass: bool = False
    encode: Pointwise | None = None
    decode: Pointwise | None = None
    jump: Callable[[Array], Array] | None = None
    move: Pointwise | None = None
    needs_jacobian: bool = False
    native: NativeRules | None = None


@dataclass(frozen=True)
class Job:
    """One array to resample.

    Args:
        name: its key.
        size_in: (height, width) of the source.
        size_out: (height, width) of the result.
        bands: the channel groups, in order.
        validity: also return ``<name>_valid``.
        has_frames: a record has several images, which are read alike.
        longest_step: (x, y), over how many source pixels an output pixel can reach.
    """

    name: str
    size_in: SpatialShape
    size_out: SpatialShape
    bands: tuple[Band, ...]
    validity: bool = False
    has_frames: bool = False
    longest_step: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class LowPass:
    """Antialiasing of a run.

    Args:
        radius: (x, y) Gaussian taps on each side in reference pixels, from the smallest scale
            that the run can draw.
    """

    radius: tuple[int, int]


class Grid(NamedTuple):
    """Where the pixels of one output size are read, in pixels of one input size."""

    x: Array
    y: Array
    jacobian: Jacobian | None


def ratio(size: SpatialShape, frame: SpatialShape) -> tuple[float, float]:
    """(x, y) pixels of an array per reference pixel."""
    return size[1] / frame[1], size[0] / frame[0]


def positions(size: SpatialShape, frame: SpatialShape) -> tuple[Array, Array]:
    """Centred reference positions (x as (1, w), y as (h, 1)) of an array's pixels."""
    (sx, sy), (cx, cy) = ratio(size, frame), centre(size)
    x = (jnp.arange(size[1], dtype=jnp.float32) - cx) / sx
    y = (jnp.arange(size[0], dtype=jnp.float32) - cy) / sy
    return x[None, :], y[:, None]


@dataclass(frozen=True)
class Task:
    """What is to be done to every record of a batch; the same for all of them.

    Args:
        jobs: one per array.
        low: antialiasing of the run.
        before: (own, arrays of a record) -> the arrays that are to be resampled; None when they
            are those.
        after: (own, resampled arrays of a record) -> further results. It gets and returns those
            in ``touched``, and what else it has; the others are results as they are.
        touched: names of resampled arrays that ``after`` changes.
        run_pointwise: own -> what ``after`` does to arrays in ``touched``, by name, for C; those
            that it cannot say it of are missing.
        undone: names of arrays that ``before`` changes.
    """

    jobs: tuple[Job, ...]
    low: LowPass | None
    before: Callable[[Any, dict[str, Array]], dict[str, Array]] | None
    after: Callable[[Any, dict[str, Array]], dict[str, Array]]
    touched: frozenset[str]
    run_pointwise: Callable[[Any], dict[str, tuple[PointwiseProgram, ...]]] | None = None
    undone: frozenset[str] = frozenset()


def prepared_record(task: Task, own: Any, arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays of a record that are to be resampled."""
    return arrays if task.before is None else task.before(own, arrays)


def sampling_grid(
    warp: Map,
    size_in: SpatialShape,
    size_out: SpatialShape,
    *,
    jacobian: bool,
    vectorised: bool = False,
) -> Grid:
    """Backward positions of all output pixels, in memory (see `materialize`)."""

    def block(rows: Array) -> tuple[Array, ...]:
        px, py, slopes = coordinates(warp, size_in, size_out, rows)
        return (px, py, *(slopes if jacobian else ()))

    written = materialize_vectorised if vectorised else materialize
    px, py, *slopes = written(block, jnp.arange(size_out[0], dtype=jnp.float32))
    return Grid(px, py, (slopes[0], slopes[1], slopes[2], slopes[3]) if jacobian else None)


def materialize(function: Callable[[S], T], rows: S) -> T:
    """A function of rows of pixels, its results written to memory.

    The rows go through a loop of two blocks, which makes XLA write the results down. Fused into
    their consumers, coordinates would be computed twice, rounded twice, and one next to a whole
    number could get its index from one and its fraction from the other: a wrong pixel.

    Args:
        function: a pytree of (k, ...) arrays -> another.
        rows: all rows.
    """
    height = jax.tree.leaves(rows)[0].shape[0]
    half = -(-height // 2)

    def split(leaf: Array) -> Array:
        if height % 2:
            leaf = jnp.concatenate([leaf, leaf[-1:]])
        return leaf.reshape(2, half, *leaf.shape[1:])

    blocks = lax.map(function, jax.tree.map(split, rows))
    return jax.tree.map(  # type: ignore[no-any-return]
        lambda b: b.reshape(2 * half, *b.shape[2:])[:height], blocks
    )


def materialize_vectorised(function: Callable[[S], T], rows: S) -> T:
    """`materialize` for the vectorised form, by what the platform has for it.

    XLA for GPUs fuses nothing across a barrier: one kernel in the place of a loop of ten. XLA for
    CPUs drops barriers before it fuses.
    """

    def barrier(rows: S) -> T:
        return lax.optimization_barrier(function(rows))  # type: ignore[no-any-return]

    def loop(rows: S) -> T:
        return materialize(function, rows)

    return lax.platform_dependent(rows, cuda=barrier, rocm=barrier, default=loop)  # type: ignore[no-any-return]


def materialize_on_gpu(values: T) -> T:
    """The same values, which GPUs write to memory, for what reads them more than once.

    Kernels of a GPU that share a value compute it anew, with all gathers behind it. Elsewhere
    nothing happens.
    """
    barrier = lax.optimization_barrier
    return lax.platform_dependent(values, cuda=barrier, rocm=barrier, default=lambda v: v)  # type: ignore[no-any-return]


def coordinates(
    warp: Map, size_in: SpatialShape, size_out: SpatialShape, rows: Array
) -> tuple[Array, Array, Jacobian]:
    """The one coordinate function: what the pixels of some output rows read.

    Args:
        warp: the map.
        size_in: (height, width) of the array that is read.
        size_out: (height, width) of the result.
        rows: (k,) float32 row numbers.

    Returns:
        (x, y) source positions in pixels, each (k, w), and the Jacobian of the backward map
        between reference pixels.
    """
    scale_in, scale_out = ratio(size_in, warp.in_shape), ratio(size_out, warp.out_shape)
    (cx_in, cy_in), (cx, cy) = centre(size_in), centre(size_out)
    # A row and a column, not two planes: a field on a regular grid is a product of matrices.
    x = (jnp.arange(size_out[1], dtype=jnp.float32) - cx)[None, :]
    y = (rows - cy)[:, None]
    px, py, (a, b, c, d) = _pull(warp, x, y, scale_in, scale_out)
    full = (rows.shape[0], size_out[1])
    spread = [jnp.broadcast_to(v, full) for v in (px + cx_in, py + cy_in, a, b, c, d)]
    return spread[0], spread[1], (spread[2], spread[3], spread[4], spread[5])


def _pull(
    warp: Map,
    x: Array,
    y: Array,
    scale_in: tuple[float, float],
    scale_out: tuple[float, float],
) -> tuple[Array, Array, Jacobian]:
    """The backward map between centred pixels of arrays; its Jacobian between reference pixels."""
    if warp.dense:
        px, py, slopes = warp.pull(x / scale_out[0], y / scale_out[1])
        return px * scale_in[0], py * scale_in[1], slopes
    # One matrix takes the scales in, where they cancel: flips are copies at every resolution.
    scales = scales_between(scale_in, scale_out)
    matrix = warp.matrix()
    backward = matrix.backward * scales.astype(np.float32)
    px, py, (a, b, c, d) = replace(matrix, backward=backward).pull(x, y)
    (sa, sb), (sc, sd) = scales[:2, :2].tolist()
    return px, py, (a / sa, b / sb, c / sc, d / sd)


def scales_between(scale_in: tuple[float, float], scale_out: tuple[float, float]) -> NDArray:
    """(3, 3), what every number of a matrix between reference pixels is multiplied by.

    The product is the matrix between the pixels of arrays of these scales.
    """
    scales: NDArray = np.divide.outer([*scale_in, 1], [*scale_out, 1])
    return scales
