"""How close statistics are to float64: moments of adversarial streams, ZCA of real pictures.

``python -m benchmarks.statistics --parts adversarial real`` prints both tables; the test suite runs
a few of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Row = dict[str, Any]
Array = np.ndarray[Any, Any]


def stream(seed: int) -> tuple[Array, list[Array], np.random.Generator]:
    """Records that sums about one fixed number, or in float32, get wrong, and a cut of them.

    Values of 1e-20 to 1e18 at up to 30,000 deviations from 0, black first records, sorted pixels,
    holes (NaN), and a pixel that is empty in the first blocks.
    """
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-20, 18)
    offset = rng.choice([0, 1, 30, 3e4]) * scale
    n = int(rng.integers(2, 400))
    records = (offset + scale * rng.standard_normal((n, 2, 3, 2))).astype(np.float32)
    records[: rng.integers(0, n // 2 + 1)] *= rng.choice([0, 1])
    if rng.random() < 0.5:
        records.sort(axis=0)
    if rng.random() < 0.7:
        records[rng.random(records.shape) < rng.uniform(0, 0.5)] = np.nan
        records[: rng.integers(0, n), 0, 0] = np.nan
    cuts = np.sort(rng.integers(0, n + 1, rng.integers(0, 6)))
    return records, np.split(records, cuts), rng


def moments_error(seed: int, per: str) -> float:
    """Of mean and deviation, over the deviation, beside two passes in float64.

    Blocks come in any order; some are added to the state, others merged with it.
    """
    from multiaug.statistics import Moments

    records, parts, rng = stream(seed)
    statistic = Moments(records.shape[1:], "float32", per=per, invalid="nan")  # type: ignore[arg-type]
    state = statistic.init()
    for i in rng.permutation(len(parts)):
        part = parts[i]
        state = state.update(part) if rng.random() < 0.5 else statistic.init().update(part) + state
    axes, values = (0 if per == "pixel" else (0, 1, 2)), records.astype(np.float64)
    valid = ~np.isnan(values)
    count = np.maximum(valid.sum(axes), 1)
    mean = np.where(valid, values, 0).sum(axes) / count
    std = np.sqrt(np.square(np.where(valid, values - mean, 0)).sum(axes) / count)
    found = (
        (state.mean(), state.std())
        if per == "pixel"
        else (state.channel_mean(), state.channel_std())
    )
    seen = valid.any(axes)
    if not np.array_equal(np.isnan(found[0]), ~seen):
        return np.inf
    unit = np.where(std > 0, std, np.finfo(np.float32).tiny)
    pairs = zip(found, (mean, std), strict=True)
    return max(float((np.abs(a - b) / unit)[seen].max(initial=0)) for a, b in pairs)


def adversarial(count: int) -> list[Row]:
    """The worst of as many streams."""
    rows = []
    for per in ("pixel", "channel"):
        errors = [moments_error(seed, per) for seed in range(count)]
        what = f"moments by {per}, {count} streams, error over the deviation"
        rows.append({"what": what, "worst": max(errors), "median": float(np.median(errors))})
    return rows


def crops(count: int, side: int, seed: int = 0) -> Array:
    """Crops of the photographs that scikit-image brings, uint8 (count, side, side, 3)."""
    from skimage import data

    names = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "retina")
    photos = [getattr(data, name)()[..., :3] for name in names]
    rng = np.random.default_rng(seed)
    found = np.empty((count, side, side, 3), np.uint8)
    for i in range(count):
        photo = photos[i % len(photos)]
        top, left = (int(rng.integers(0, n - side)) for n in photo.shape[:2])
        found[i] = photo[top : top + side, left : left + side]
    return found


def zca_error(pictures: Array, solver: str, eps_mode: str, epsilon: Any) -> Row:
    """Matrix and whitened covariance of a solver beside eigenvectors in float64."""
    import jax

    import multiaug as ma
    from multiaug.statistics import WhiteningRule, gains_of, matrix_of

    entry = {"role": "intensity", "channels": 3, "dtype": pictures.dtype.name}
    spec = ma.DataSpec.from_dict({"name": "crops", "entries": {"image": entry}})
    n, d = len(pictures), int(np.prod(pictures.shape[1:]))
    centre = "pixel" if eps_mode == "variance" else "channel"
    # The formula of Keras is one of all directions, and so is the other one of many records.
    components = min(n, d) if eps_mode == "keras" or n > d else None
    request: Any = (
        ma.Stationary() if solver == "stationary" else ma.ZCA(center=centre, components=components)
    )
    kwargs = {} if solver == "stationary" else {"solver": solver}
    stats = ma.fit(ma.open_source({"image": pictures}, spec), request, progress=False, **kwargs)
    settings = {"epsilon": epsilon, "eps_mode": eps_mode, "center": centre}
    if solver == "stationary":
        settings["statistic"] = "stationary"
    whiten = ma.Whiten(stats, **settings)  # type: ignore[call-arg]
    keys = jax.random.split(jax.random.key(0), n)
    white = ma.Pipeline([whiten], spec).batch(keys, {"image": pictures})["image"]
    white = np.asarray(white, np.float64).reshape(n, -1)
    values = pictures.astype(np.float64)
    if solver == "stationary":
        right = _stationary(values, whiten.chosen_epsilon).reshape(n, -1)
        matrix = condition = np.nan
    else:
        mean = values.mean(0) if centre == "pixel" else values.mean((0, 1, 2))
        rows = (values - mean).reshape(n, -1)
        gains, tail, condition = _gains(rows, eps_mode, epsilon)
        vectors = np.linalg.svd(rows, full_matrices=False)[2]
        weights = np.zeros(len(vectors))
        weights[: len(gains)] = gains - tail
        right_matrix = (vectors.T * weights) @ vectors + tail * np.eye(d)
        right = rows @ right_matrix
        rule = WhiteningRule(epsilon=epsilon, eps_mode=eps_mode)  # type: ignore[arg-type]
        found = matrix_of(gains_of(stats["image"].spectrum(centre), rule))  # type: ignore[arg-type]
        matrix = float(np.linalg.norm(found - right_matrix) / np.linalg.norm(right_matrix))
    gap = float(np.abs(white.T @ white - right.T @ right).max() / n)
    return {
        "solver": solver,
        "dtype": pictures.dtype.name,
        "n": n,
        "d": d,
        "eps_mode": eps_mode,
        "condition": condition,
        "matrix, relative": matrix,
        "whitened covariance, largest gap": gap,
        "pictures, relative": float(np.abs(white - right).max() / np.abs(right).max()),
    }


def _gains(rows: Array, eps_mode: str, epsilon: Any) -> tuple[Array, float, float]:
    """Gains of the leading directions, what the others get, and the condition."""
    n, d = rows.shape
    values = np.linalg.svd(rows, compute_uv=False) ** 2 / n
    most = max(1, min(n - 1 if eps_mode == "variance" else n, d))
    floor = max(n, d) * np.finfo(np.float64).eps * values[0]
    rank = int((values > floor).sum())
    condition = float(values[0] / values[rank - 1])
    if eps_mode == "keras":
        gains = np.where(values > floor, np.sqrt(n) / (np.sqrt(n * values) + epsilon), 0)
        return gains, 0.0, condition
    total, eighth = values.sum(), max(1, most // 8)
    if epsilon == "auto":
        epsilon = 0.1 * (total - values[:eighth].sum()) / (d - eighth)
    used = min(len(values), d) if n > d else min(eighth, rank)
    gains = 1 / np.sqrt(values[:used] + epsilon)
    left = (total - values[:used].sum()) / max(d - used, 1)
    return gains, 0.0 if used == d else float(1 / np.sqrt(left + epsilon)), condition


def _stationary(values: Array, epsilon: float) -> Array:
    """Every frequency by the inverse root of its cross spectrum, in float64."""
    centred = values - values.mean((0, 1, 2))
    field = np.fft.fft2(centred, axes=(1, 2), norm="ortho")
    cross = np.einsum("nuvi,nuvj->uvij", field, field.conj()) / len(values)
    roots, vectors = np.linalg.eigh(cross)
    gains = 1 / np.sqrt(np.maximum(roots, 0) + epsilon)
    filters = np.einsum("uvij,uvj,uvkj->uvik", vectors, gains, vectors.conj())
    done = np.einsum("uvij,nuvj->nuvi", filters, field)
    found: Array = np.fft.ifft2(done, axes=(1, 2), norm="ortho").real
    return found


def real(count: int, side: int) -> list[Row]:
    """All solvers, more and fewer records than pixels, in both forms, of bytes and of floats."""
    rows = []
    for n in (count, side**2):
        bytes_ = crops(n, side)
        for pictures in (bytes_, bytes_.astype(np.float32) / np.float32(255)):
            for solver in ("primal", "dual", "lowrank", "stationary"):
                rows.append(zca_error(pictures, solver, "variance", "auto"))
                if solver != "stationary":
                    rows.append(zca_error(pictures, solver, "keras", 1e-6))
    return rows
