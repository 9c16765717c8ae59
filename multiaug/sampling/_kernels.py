"""The reference sampler of one record: gathers taps, weighs them, keeps exact pixels exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from ..typing import Array, ArrayLike, NDArray
from ._axis import fold, nearest, split, weights
from ._filters import SPLINE_MARGIN, lowpass, prefilter
from ._plan import Band, Grid, Job, LowPass, Site, positions, ratio

# Weights are sums of rounded products; "less than half" must not depend on their last bits.
_HALF = 0.5 - 1e-6


@dataclass(frozen=True)
class _Tap:
    """One source pixel per output pixel."""

    index: Array  # (h, w) row-major, always inside
    inside: Array  # (h, w) bool, False beyond the rim of a constant border
    weight: Array  # (h, w) float32


def resample_array(
    image: Array, job: Job, grid: Grid, low: LowPass | None, site: Site
) -> dict[str, Array]:
    """Resample one array of one record.

    Args:
        image: (H, W, C), any supported dtype.
        job: what its channels are.
        grid: where they are read.
        low: antialiasing, when the run asks for it.
        site: the output pixels.

    Returns:
        ``{job.name: (h, w, C)}`` in the dtype of ``image``, and ``<name>_valid`` on request.
    """
    parts = [_resample_band(image[..., b.channels], b, job, grid, low, site) for b in job.bands]
    result = {job.name: parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)}
    if job.validity:
        result[f"{job.name}_valid"] = _validity(image, job, grid)
    return result


def cast(values: Array, dtype: np.dtype[Any]) -> Array:
    """To ``dtype``; to integers by rounding half up and clipping to their range."""
    if values.dtype == dtype:
        return values
    if dtype == np.bool_:
        return values >= 0.5 if is_float(values.dtype) else values.astype(dtype)
    if is_float(dtype) or not is_float(values.dtype):
        return values.astype(dtype)
    info = np.iinfo(dtype)
    # float32 cannot hold the ends of int32: the largest float below converts without overflow.
    top = np.nextafter(np.float32(info.max), np.float32(0)) if info.bits == 32 else info.max
    # Not floor(values + 0.5): that sum rounds too, just below a half and beyond 2^23.
    whole = jnp.floor(values)
    rounded = whole + (values - whole >= 0.5).astype(values.dtype)
    return jnp.clip(rounded, info.min, top).astype(dtype)


def constant(value: float, dtype: np.dtype[Any]) -> NDArray:
    """A number of the spec in ``dtype``, by way of float64, which holds every int32."""
    if not is_float(dtype) and dtype != np.bool_:
        info = np.iinfo(dtype)
        # An integer has no NaN: nothing is 0.
        rounded = 0.0 if math.isnan(value) else math.floor(value + 0.5)
        value = min(max(rounded, info.min), info.max)
    return np.asarray(value).astype(dtype)


def is_float(dtype: np.dtype[Any]) -> bool:
    """True for float16, float32, float64 and bfloat16."""
    return np.issubdtype(dtype, np.floating) or dtype == ml_dtypes.bfloat16


def _resample_band(
    image: Array, band: Band, job: Job, grid: Grid, low: LowPass | None, site: Site
) -> Array:
    fill = None if band.fill is None else _per_channel(band.fill, image.shape[-1])
    if band.method in {"nearest", "majority"}:
        values, known, outside = _pick(image, band, grid)
    else:
        values, known, outside = _blend(image, band, job, grid, low, site)
    if band.move is not None:
        values = band.move(values, site)
    values = cast(values, image.dtype)
    if fill is not None and outside is not None:
        values = jnp.where(outside, _native_fill(band, image), values)
    if known is not None:
        values = jnp.where(known, values, _invalid_value(band, image))
    return values


def _per_channel(fill: tuple[float, ...], channels: int) -> Array:
    return jnp.broadcast_to(jnp.asarray(fill, jnp.float32), (1, 1, channels))


def _native_fill(band: Band, image: Array) -> Array:
    """The fill in the dtype of the array: float32 would round the larger integers."""
    assert band.fill is not None
    fill = np.stack([constant(value, image.dtype) for value in band.fill])
    return jnp.broadcast_to(fill, (1, 1, image.shape[-1]))


def _invalid_value(band: Band, image: Array) -> ArrayLike:
    """What stands where nothing is known: the fill, when no value means that."""
    if band.invalid is None and band.fill is not None:
        return _native_fill(band, image)
    return constant(band.invalid if isinstance(band.invalid, float) else math.nan, image.dtype)


def _is_valid(values: Array, band: Band) -> Array:
    """(..., 1) for joint bands, else (..., C)."""
    if isinstance(band.invalid, str):
        bad = jnp.isnan(values)
        return ~(bad.any(-1, keepdims=True) if band.joint else bad)
    assert band.invalid is not None
    bad = values == constant(band.invalid, values.dtype)
    return ~(bad.all(-1, keepdims=True) if band.joint else bad)


def _gather(rows: Array, index: Array) -> Array:
    return rows.at[index].get(mode="promise_in_bounds")


def _pick(image: Array, band: Band, grid: Grid) -> tuple[Array, Array | None, Array | None]:
    """Values copied from single pixels: (values, known, outside)."""
    height, width, channels = image.shape
    rows = image.reshape(height * width, channels)
    ix, iy = nearest(grid.x), nearest(grid.y)
    tap = _tap(ix, iy, jnp.ones_like(grid.x), (height, width), band.border)
    index, inside = tap.index, tap.inside
    if band.method == "majority":
        index, inside = _majority(rows, band, grid, (height, width))
    values = _gather(rows, index)
    known = _is_valid(values, band) if band.invalid is not None else None
    outside = ~inside[..., None] if band.border == "constant" else None
    if outside is not None and band.fill is None:
        known = ~outside if known is None else known & ~outside
        outside = None
    elif outside is not None and known is not None:
        known = known | outside
    return values, known, outside


def _majority(rows: Array, band: Band, grid: Grid, size: tuple[int, int]) -> tuple[Array, Array]:
    """The tap whose label gathers most of the linear weight; ties go to the nearer tap."""
    taps = _taps(grid, "linear", size, band.border)
    fill = 0 if band.fill is None else int(band.fill[0])
    labels = [
        jnp.where(tap.inside, _gather(rows, tap.index)[..., 0].astype(jnp.int32), fill)
        for tap in taps
    ]
    scores = [
        sum((jnp.where(labels[j] == labels[k], taps[j].weight, 0) for j in range(4)), start=0.0)
        for k in range(4)
    ]
    index, inside, best, own = taps[0].index, taps[0].inside, scores[0], taps[0].weight
    for tap, score in zip(taps[1:], scores[1:], strict=True):
        # Scores are sums of the same four weights in another order: equal ones differ by ulps.
        tie = jnp.abs(score - best) < 1e-6
        better = jnp.where(tie, tap.weight > own, score > best)
        index = jnp.where(better, tap.index, index)
        inside = jnp.where(better, tap.inside, inside)
        own = jnp.where(better, tap.weight, own)
        best = jnp.where(better, score, best)
    return index, inside


def _tap(ix: Array, iy: Array, weight: Array, size: tuple[int, int], border: str) -> _Tap:
    height, width = size
    index = fold(iy, height, border) * width + fold(ix, width, border)
    inside = (ix >= 0) & (ix < width) & (iy >= 0) & (iy < height)
    return _Tap(index, inside if border == "constant" else jnp.ones_like(inside), weight)


def _taps(grid: Grid, method: str, size: tuple[int, int], border: str) -> list[_Tap]:
    (ix, fx), (iy, fy) = split(grid.x), split(grid.y)
    return [
        _tap(ix + dx, iy + dy, wy * wx, size, border)
        for dy, wy in weights(fy, method)
        for dx, wx in weights(fx, method)
    ]


def _blend(
    image: Array, band: Band, job: Job, grid: Grid, low: LowPass | None, site: Site
) -> tuple[Array, Array | None, Array | None]:
    """Weighted sums of taps in float32: (source values, known, outside)."""
    height, width, channels = image.shape
    size = (height, width)
    fill = None if band.fill is None else _per_channel(band.fill, channels)
    outside = None
    source = image.astype(jnp.float32)
    sigma = _sigma(low, job, grid, site) if low is not None and band.lowpass else None
    if isinstance(band.invalid, float):
        # Compared in the array's dtype: float32 holds other numbers than bfloat16 and int32.
        source = jnp.where(_is_valid(image, band), source, jnp.nan)
        if fill is not None:
            fill = jnp.where(_is_valid(_native_fill(band, image), band), fill, jnp.nan)
        band = replace(band, invalid="nan")
    if band.encode is not None:
        px, py = positions(size, site.view.chart.in_shape)
        px, py = jnp.broadcast_arrays(px, py)
        here = site._replace(x=px, y=py, out_x=px, out_y=py)
        source = band.encode(source, here)
        band = replace(band, invalid="nan")
        if fill is not None and band.border == "constant":
            # A number cannot be blended with encoded values: it only replaces what lies outside.
            outside = ~_tap(nearest(grid.x), nearest(grid.y), grid.x, size, band.border).inside
            fill, outside = None, outside[..., None]
    aware = band.invalid is not None or band.fill is None or band.max_jump is not None
    if sigma is not None:
        source = _lowpass(source, band, fill, sigma, low)
    if aware:
        values, known = _blend_valid(source, band, grid, size, fill)
    else:
        assert fill is not None
        values, known = _blend_all(source, band, grid, size, fill), None
    if band.decode is not None:
        values = band.decode(values, site)
    values, known = _keep_exact(image, band, grid, sigma, (values, known), fill)
    if outside is not None and known is not None:
        known = known | outside
    return values, known, outside


def _blend_all(source: Array, band: Band, grid: Grid, size: tuple[int, int], fill: Array) -> Array:
    if band.method == "spline3":
        margin = SPLINE_MARGIN
        source = prefilter(source, band.border, fill)
        size = (size[0] + 2 * margin, size[1] + 2 * margin)
        # Coefficients repeat with the picture where its border does; a constant or an edge
        # has settled at the end of the margin.
        grid = grid._replace(x=grid.x + margin, y=grid.y + margin)
        if band.border in {"reflect", "mirror", "wrap"}:
            source = source[margin:-margin, margin:-margin]
            size = (size[0] - 2 * margin, size[1] - 2 * margin)
            grid = grid._replace(x=grid.x - margin, y=grid.y - margin)
    rows = source.reshape(-1, source.shape[-1])
    total = jnp.zeros((*grid.x.shape, source.shape[-1]), jnp.float32)
    for tap in _taps(grid, band.method, size, band.border):
        value = _gather(rows, tap.index)
        if band.border == "constant":
            value = jnp.where(tap.inside[..., None], value, fill)
        total = total + value * tap.weight[..., None]
    return total


def _blend_valid(
    source: Array, band: Band, grid: Grid, size: tuple[int, int], fill: Array | None
) -> tuple[Array, Array]:
    """Linear over the valid taps, renormalised; invalid where they carry less than half."""
    rows = source.reshape(-1, source.shape[-1])

    def read(tap: _Tap) -> tuple[Array, Array]:
        value = _gather(rows, tap.index)
        inside = tap.inside[..., None]
        if fill is not None and band.border == "constant":
            value = jnp.where(inside, value, fill)
        valid = _is_valid(value, band) if band.invalid is not None else jnp.ones_like(inside)
        return value, valid if fill is not None else valid & inside

    taps = _taps(grid, "linear", size, band.border)
    read_taps = [read(tap) for tap in taps]
    weight = [
        jnp.where(ok, t.weight[..., None], 0) for t, (_, ok) in zip(taps, read_taps, strict=True)
    ]
    known = sum(weight[1:], start=weight[0]) >= _HALF
    reference = None
    if band.max_jump is not None:
        reference = _heaviest([v for v, _ in read_taps], weight, band)
        weight = [
            jnp.where(_near(v, reference, band), w, 0)
            for (v, _), w in zip(read_taps, weight, strict=True)
        ]
    total = sum(weight[1:], start=weight[0])
    safe = jnp.where(total > 0, total, 1)
    blended = sum(
        (jnp.where(w > 0, v, 0) * (w / safe) for (v, _), w in zip(read_taps, weight, strict=True)),
        start=jnp.zeros((*grid.x.shape, source.shape[-1]), jnp.float32),
    )
    if band.method == "cubic":
        blended = _cubic_where_whole(rows, band, grid, size, fill, blended, reference)
    return blended, known


def _heaviest(values: list[Array], weight: list[Array], band: Band) -> Array:
    """What max_jump measures, at the heaviest valid tap."""
    heaviest, reference = weight[0], _measure(values[0], band)
    for w, value in zip(weight[1:], values[1:], strict=True):
        reference = jnp.where(w > heaviest, _measure(value, band), reference)
        heaviest = jnp.maximum(w, heaviest)
    return reference


def _measure(value: Array, band: Band) -> Array:
    return value if band.jump is None else band.jump(value)


def _near(value: Array, reference: Array, band: Band) -> Array:
    """Within max_jump of the reference; False for NaN, which has no weight anyway."""
    assert band.max_jump is not None
    distance = jnp.abs(_measure(value, band) - reference)
    return (distance.max(-1, keepdims=True) if band.joint else distance) <= band.max_jump


def _cubic_where_whole(
    rows: Array,
    band: Band,
    grid: Grid,
    size: tuple[int, int],
    fill: Array | None,
    linear: Array,
    reference: Array | None,
) -> Array:
    """Cubic where all 16 taps are valid, and none beyond a jump; else the linear value."""
    total = jnp.zeros_like(linear)
    whole: Array | None = None
    for tap in _taps(grid, "cubic", size, band.border):
        value, inside = _gather(rows, tap.index), tap.inside[..., None]
        if fill is not None and band.border == "constant":
            value = jnp.where(inside, value, fill)
        valid = _is_valid(value, band) if band.invalid is not None else jnp.ones_like(inside)
        valid = valid if fill is not None else valid & inside
        if reference is not None:
            valid = valid & _near(value, reference, band)
        whole = valid if whole is None else whole & valid
        total = total + jnp.where(valid, value, 0) * tap.weight[..., None]
    assert whole is not None
    return jnp.where(whole, total, linear)


def _keep_exact(
    image: Array,
    band: Band,
    grid: Grid,
    sigma: tuple[Array, Array] | None,
    blended: tuple[Array, Array | None],
    fill: Array | None,
) -> tuple[Array, Array | None]:
    """Positions on a pixel centre copy that pixel, bit for bit."""
    height, width, channels = image.shape
    (ix, fx), (iy, fy) = split(grid.x), split(grid.y)
    exact = (fx == 0) & (fy == 0)
    if sigma is not None:
        exact = exact & (sigma[0] == 0) & (sigma[1] == 0)
    exact = exact[..., None]
    tap = _tap(ix, iy, fx, (height, width), band.border)
    raw = _gather(image.reshape(-1, channels), tap.index)
    values, known = blended
    native = band.encode is None and band.decode is None and band.move is None
    if native and not is_float(image.dtype):
        # Integers beyond 2^24 survive only if they never pass through float32.
        inside = tap.inside[..., None]
        if fill is not None:
            raw = jnp.where(inside, raw, _native_fill(band, image))
        return jnp.where(exact, raw, cast(values, image.dtype)), known
    raw = raw.astype(jnp.float32)
    if fill is not None:
        raw = jnp.where(tap.inside[..., None], raw, fill)
    if known is not None:
        raw = jnp.where(known, raw, 0)
    return jnp.where(exact, raw, values), known


def _sigma(low: LowPass, job: Job, grid: Grid, site: Site) -> tuple[Array, Array]:
    """Gaussian deviations (x, y) in source pixels from the map's scale at the centre.

    A map that shrinks by a factor s reads every s-th pixel; (s - 1) / 2 is scikit-image's rule.
    """
    zero = jnp.zeros((1, 1), jnp.float32)
    _, _, (a, b, c, d) = site.view.chart.pull(zero, zero)
    (sx_in, sy_in), (sx, sy) = site.scale_in, site.scale_out
    step_x = jnp.hypot(a[0, 0] / sx, b[0, 0] / sy) * sx_in
    step_y = jnp.hypot(c[0, 0] / sx, d[0, 0] / sy) * sy_in
    return _deviation(step_x), _deviation(step_y)


def _deviation(step: Array) -> Array:
    # Rounding in a map that does not shrink must not turn a copy into a blur.
    return jnp.where(step > 1 + 1e-5, (step - 1) / 2, 0)


def _lowpass(
    source: Array, band: Band, fill: Array | None, sigma: tuple[Array, Array], low: LowPass | None
) -> Array:
    """Low-pass; over valid pixels only, where some may be invalid."""
    assert low is not None
    if band.invalid is None and fill is not None:
        return lowpass(source, sigma, low.radius, band.border, fill)
    valid = _is_valid(source, band) if band.invalid is not None else jnp.ones_like(source, bool)
    valid = jnp.broadcast_to(valid, source.shape)
    zero = jnp.zeros_like(source[:1, :1]) if fill is None else fill
    one = jnp.zeros_like(zero) if fill is None else jnp.ones_like(zero)
    mass = lowpass(valid.astype(jnp.float32), sigma, low.radius, band.border, one)
    total = lowpass(jnp.where(valid, source, 0), sigma, low.radius, band.border, zero)
    return jnp.where(valid, total / jnp.where(valid, mass, 1), source)


def _validity(image: Array, job: Job, grid: Grid) -> Array:
    """(h, w) bool: at least half of the linear weight is valid and inside the picture."""
    valid = jnp.ones(image.shape[:2], bool)
    for band in job.bands:
        if band.invalid is not None:
            valid = valid & _is_valid(image[..., band.channels], band).all(-1)
    flat = valid.reshape(-1)
    total = jnp.zeros_like(grid.x)
    for tap in _taps(grid, "linear", (image.shape[0], image.shape[1]), "constant"):
        total = total + jnp.where(tap.inside & _gather(flat, tap.index), tap.weight, 0)
    return total >= _HALF


def site_of(job: Job, grid: Grid, dtype: np.dtype[Any], view: object) -> Site:
    """The output pixels of a job."""
    chart = view.chart  # type: ignore[attr-defined]
    scale_in, scale_out = ratio(job.size_in, chart.in_shape), ratio(job.size_out, chart.out_shape)
    cx, cy = (job.size_in[1] - 1) / 2, (job.size_in[0] - 1) / 2
    out_x, out_y = positions(job.size_out, chart.out_shape)
    return Site(
        (grid.x - cx) / scale_in[0],
        (grid.y - cy) / scale_in[1],
        out_x,
        out_y,
        grid.jacobian,
        scale_in,
        scale_out,
        dtype,
        view,
    )
