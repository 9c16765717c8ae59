"""Blending: weighted sums of taps in float32; positions on a pixel centre stay copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp

from ..geometry import Map
from ..typing import Array
from ._axis import nearest, split
from ._dtype import cast, is_float
from ._filters import SPLINE_MARGIN, lowpass, prefilter
from ._plan import Band, Grid, Job, LowPass, SampleContext, materialize_on_gpu, positions
from ._taps import (
    HALF,
    Tap,
    fill_row,
    gather,
    is_valid,
    is_within,
    native_fill,
    tap_at,
    taps_of,
)


def blend(
    image: Array,
    band: Band,
    job: Job,
    grids: tuple[Grid, Grid],
    low: LowPass | None,
    context: SampleContext,
) -> tuple[Array, Array | None, Array | None]:
    """Weighted sums of taps in float32: (source values, known, outside).

    Of two grids the first is where output pixels lie, the second where they are read.
    """
    lying, grid = grids
    height, width, channels = image.shape
    size, resized = (height, width), context.view.warp.resized
    fill = None if band.fill is None else fill_row(band.fill, channels)
    outside = None
    sigma = None
    if low is not None and band.lowpass:
        sigma = deviations(context.view.warp, context.scale_in, context.scale_out)
    source = prepared(image, band, source_context(context, size))
    if isinstance(band.invalid, float):
        if fill is not None:
            fill = jnp.where(is_valid(native_fill(band, image), band), fill, jnp.nan)
        band = replace(band, invalid="nan")
    if band.encode is not None:
        band = replace(band, invalid="nan")
        if fill is not None and band.border == "constant":
            # A number cannot be blended with encoded values: it only replaces what lies outside.
            outside = ~tap_at(nearest(grid.x), nearest(grid.y), grid.x, size, band.border).inside
            fill, outside = None, outside[..., None]
    aware = band.invalid is not None or band.fill is None or band.max_jump is not None
    if sigma is not None:
        source = _lowpass(source, band, fill, sigma, low, resized=resized)
    if aware:
        values, known = _blend_valid(source, band, grid, size, fill, resized=resized)
    else:
        assert fill is not None
        if resized and band.method == "spline3" and band.border == "constant":
            # Coefficients are of the whole picture: what lies outside is no part of them.
            band, outside = replace(band, border="edge"), ~is_within(grid, size)[..., None]
        values, known = _blend_all(source, band, grid, size, fill, resized=resized), None
    if band.decode is not None:
        values, known = materialize_on_gpu((values, known))
        values = band.decode(values, context)
        # What is decoded depends on where a pixel lies.
        grid = lying
    if not _copies_by_itself(image, band, aware=aware):
        values, known = _keep_exact(image, band, grid, sigma, (values, known), fill)
    if outside is not None and known is not None:
        known = known | outside
    return values, known, outside


def source_context(context: SampleContext, size: tuple[int, int]) -> SampleContext:
    """The site of the source's own pixels."""
    px, py = jnp.broadcast_arrays(*positions(size, context.view.warp.in_shape))
    return context._replace(x=px, y=py, out_x=px, out_y=py)


def prepared(image: Array, band: Band, here: SampleContext) -> Array:
    """Source values in float32, NaN where they are invalid numbers, encoded."""
    source = image.astype(jnp.float32)
    if isinstance(band.invalid, float):
        # Compared in the array's dtype: float32 holds other numbers than bfloat16 and int32.
        source = jnp.where(is_valid(image, band), source, jnp.nan)
    if band.encode is None:
        return source
    # Slopes at NaN are NaN, also where nobody asks for them.
    missing = jnp.isnan(source).any(-1, keepdims=True)
    return jnp.where(missing, jnp.nan, band.encode(jnp.where(missing, 1, source), here))


def _blend_all(
    source: Array, band: Band, grid: Grid, size: tuple[int, int], fill: Array, *, resized: bool
) -> Array:
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

    def read(tap: Tap) -> Array:
        value = gather(rows, tap.index)
        return jnp.where(tap.inside[..., None], value, fill) if band.border == "constant" else value

    taps = taps_of(grid, band.method, size, band.border, resized=resized)
    if band.method == "linear":
        fraction = split(grid.x)[1][..., None], split(grid.y)[1][..., None]
        return bilinear([read(tap) for tap in taps], *fraction)
    # By what the others differ from the first of the four in the middle: where nothing differs,
    # nothing is rounded. Halves, as the difference of two numbers may be none.
    first = read(taps[5]) / 2
    total = jnp.zeros((*grid.x.shape, source.shape[-1]), jnp.float32)
    for tap in [*taps[:5], *taps[6:]]:
        total = total + (read(tap) / 2 - first) * tap.weight[..., None]
    return (first + total) * 2


def bilinear(taps: Sequence[Array], fx: Array, fy: Array) -> Array:
    """Of upper left, upper right, lower left and lower right.

    On a pixel centre it is the value there to the bit, whatever stands beside it. The difference
    of two numbers may be beyond the largest one: then their halves are blended.
    """
    mixed = bilinear_of_small(taps, fx, fy)
    halves = bilinear_of_small([tap / 2 for tap in taps], fx, fy)
    return jnp.where(jnp.isfinite(mixed), mixed, halves * 2)


def bilinear_of_small(taps: Sequence[Array], fx: Array, fy: Array) -> Array:
    """`bilinear` of numbers whose differences are numbers, too."""
    upper = jnp.where(fx == 0, taps[0], taps[0] + (taps[1] - taps[0]) * fx)
    lower = jnp.where(fx == 0, taps[2], taps[2] + (taps[3] - taps[2]) * fx)
    return jnp.where(fy == 0, upper, upper + (lower - upper) * fy)


def _blend_valid(
    source: Array,
    band: Band,
    grid: Grid,
    size: tuple[int, int],
    fill: Array | None,
    *,
    resized: bool,
) -> tuple[Array, Array]:
    """Linear over the valid taps, renormalised; invalid where they carry less than half."""
    rows = source.reshape(-1, source.shape[-1])

    def read(tap: Tap) -> tuple[Array, Array]:
        value = gather(rows, tap.index)
        inside = tap.inside[..., None]
        if fill is not None and band.border == "constant":
            value = jnp.where(inside, value, fill)
        valid = is_valid(value, band) if band.invalid is not None else jnp.ones_like(inside)
        return value, valid if fill is not None else valid & inside

    taps = taps_of(grid, "linear", size, band.border)
    read_taps = [read(tap) for tap in taps]
    weight = [
        jnp.where(ok, t.weight[..., None], 0) for t, (_, ok) in zip(taps, read_taps, strict=True)
    ]
    known = sum(weight[1:], start=weight[0]) >= HALF
    reference = None
    if band.max_jump is not None:
        reference = _heaviest([v for v, _ in read_taps], weight, band)
        weight = [
            jnp.where(_near(v, reference, band), w, 0)
            for (v, _), w in zip(read_taps, weight, strict=True)
        ]
    total = sum(weight[1:], start=weight[0])
    safe = jnp.where(total > 0, total, 1)
    # Negative zeros, to which adding changes nothing: a copy keeps the sign of its zeros.
    blended = sum(
        (
            jnp.where(w > 0, v, -0.0) * (w / safe)
            for (v, _), w in zip(read_taps, weight, strict=True)
        ),
        start=jnp.full((*grid.x.shape, source.shape[-1]), -0.0, jnp.float32),
    )
    if band.method == "cubic":
        taps = taps_of(grid, "cubic", size, band.border, resized=resized)
        blended = _cubic_where_whole(rows, band, grid, taps, fill, blended, reference)
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
    taps: Sequence[Tap],
    fill: Array | None,
    linear: Array,
    reference: Array | None,
) -> Array:
    """Cubic where all 16 taps are valid, and none beyond a jump; else the linear value."""
    total = jnp.zeros_like(linear)
    # On a pixel centre the linear value is a copy.
    whole = ~((grid.x == jnp.floor(grid.x)) & (grid.y == jnp.floor(grid.y)))[..., None]
    for tap in taps:
        value, inside = gather(rows, tap.index), tap.inside[..., None]
        if fill is not None and band.border == "constant":
            value = jnp.where(inside, value, fill)
        valid = is_valid(value, band) if band.invalid is not None else jnp.ones_like(inside)
        valid = valid if fill is not None else valid & inside
        if reference is not None:
            valid = valid & _near(value, reference, band)
        whole = whole & valid
        total = total + jnp.where(valid, value, 0) * tap.weight[..., None]
    return jnp.where(whole, total, linear)


def _copies_by_itself(image: Array, band: Band, *, aware: bool) -> bool:
    """A weight of 1 on one tap and of 0 on the others is a copy, to the bit.

    Not so through a codec or spline coefficients, for integers beyond 2^24, or where a cubic
    weight of 0 meets a NaN that nobody looks for.
    """
    coded = band.encode is not None or band.decode is not None or band.method == "spline3"
    whole = not is_float(image.dtype)
    return not coded and (image.dtype.itemsize < 4 if whole else aware or band.method == "linear")


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
    if band.native is not None and band.native.decode in {"ray", "world-ray"}:
        # Beyond the image a border shows pixels that stand elsewhere: points that are decoded for
        # a place lie on the ray of that place.
        exact = exact & (ix >= 0) & (ix < width) & (iy >= 0) & (iy < height)
    exact = exact[..., None]
    tap = tap_at(ix, iy, fx, (height, width), band.border)
    raw = gather(image.reshape(-1, channels), tap.index)
    values, known = blended
    native = band.encode is None and band.decode is None and band.move is None
    if native and not is_float(image.dtype):
        # Integers beyond 2^24 survive only if they never pass through float32.
        inside = tap.inside[..., None]
        if fill is not None:
            raw = jnp.where(inside, raw, native_fill(band, image))
        return jnp.where(exact, raw, cast(values, image.dtype)), known
    raw = raw.astype(jnp.float32)
    if fill is not None:
        raw = jnp.where(tap.inside[..., None], raw, fill)
    if known is not None:
        raw = jnp.where(known, raw, 0)
    return jnp.where(exact, raw, values), known


def deviations(
    warp: Map, scale_in: tuple[float, float], scale_out: tuple[float, float]
) -> tuple[Array, Array]:
    """Gaussian deviations (x, y) in source pixels from the map's scale at the centre.

    A map that shrinks by a factor s reads every s-th pixel; (s - 1) / 2 is scikit-image's rule.

    Args:
        warp: the map.
        scale_in: (x, y), pixels of the array per reference pixel, in the source.
        scale_out: the same in the result.
    """
    zero = jnp.zeros((1, 1), jnp.float32)
    _, _, (a, b, c, d) = warp.pull(zero, zero)
    (sx_in, sy_in), (sx, sy) = scale_in, scale_out
    step_x = jnp.hypot(a[0, 0] / sx, b[0, 0] / sy) * sx_in
    step_y = jnp.hypot(c[0, 0] / sx, d[0, 0] / sy) * sy_in
    return _deviation(step_x), _deviation(step_y)


def _deviation(step: Array) -> Array:
    # Rounding in a map that does not shrink must not turn a copy into a blur.
    return jnp.where(step > 1 + 1e-5, (step - 1) / 2, 0)


def _lowpass(
    source: Array,
    band: Band,
    fill: Array | None,
    sigma: tuple[Array, Array],
    low: LowPass | None,
    *,
    resized: bool,
) -> Array:
    """Low-pass; over valid pixels only, where some may be invalid.

    Of a picture that is ``resized``, pixels beyond a constant border are none either.
    """
    assert low is not None
    if resized and band.border == "constant":
        fill = None
    if band.invalid is None and fill is not None:
        return lowpass(source, sigma, low.radius, band.border, fill)
    valid = is_valid(source, band) if band.invalid is not None else jnp.ones_like(source, bool)
    valid = jnp.broadcast_to(valid, source.shape)
    zero = one = jnp.zeros_like(source[:1, :1])
    if fill is not None:
        # A fill that is no value leaves nothing of itself in its neighbours.
        zero, one = jnp.where(jnp.isnan(fill), 0, fill), jnp.where(jnp.isnan(fill), zero, 1)
    mass = lowpass(valid.astype(jnp.float32), sigma, low.radius, band.border, one)
    total = lowpass(jnp.where(valid, source, 0), sigma, low.radius, band.border, zero)
    # A mean is not beyond what it is of: rounding is taken off, and one colour stays that colour.
    least = jnp.where(valid, source, jnp.inf).min((0, 1), keepdims=True)
    most = jnp.where(valid, source, -jnp.inf).max((0, 1), keepdims=True)
    mean = jnp.clip(total / jnp.where(valid, mass, 1), least, most)
    return jnp.where(valid, mean, source)
