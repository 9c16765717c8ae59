"""Statistics and whitening beside NumPy, Keras and scikit-learn: time, memory, accuracy.

``python -m benchmarks.statistics`` runs all parts, ``--parts gram apply`` some, ``--quick`` all at
small sizes. Tables go to ``benchmarks/results/statistics.md``, every number to ``statistics.json``.
Pairs are measured turn by turn in one process; memory, and what may not end, in a process of its
own.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import accuracy
from .memory import _resident, reason

os.environ.setdefault("KERAS_BACKEND", "jax")

Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    side: int = 32
    gram_rows: tuple[int, ...] = (20_000, 60_000)
    gram_turns: int = 7
    memory_rows: tuple[int, ...] = (20_000, 60_000)
    keras_rows: int = 8_192
    keras_pairs: int = 5
    apply_turns: int = 7
    sklearn_rows: int = 8_192
    sklearn_components: int = 256
    large_side: int = 224
    large_rows: int = 4_000
    large_memory: str = "4GB"
    low_rows: int = 4_000
    low_components: int = 256
    seeds: int = 3
    streams: int = 200
    crops: int = 1_000
    crop_side: int = 12


QUICK = Sizes(
    side=16,
    gram_rows=(2_048, 4_096),
    gram_turns=3,
    memory_rows=(4_000, 16_000),
    keras_rows=1_024,
    keras_pairs=2,
    apply_turns=3,
    sklearn_rows=2_048,
    sklearn_components=64,
    large_side=64,
    large_rows=300,
    large_memory="1GB",
    low_rows=600,
    low_components=48,
    seeds=2,
    streams=50,
    crops=300,
    crop_side=8,
)


def fields(count: int, side: int, seed: int) -> np.ndarray[Any, Any]:
    """Colour pictures, uint8, whose power falls as 1 / f^2, as that of natural ones does."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    scale = 1 / np.maximum(np.hypot(fy, fx), 1 / side)
    mix = np.array([[1, 0.25, 0.1], [1, 0, -0.2], [1, -0.25, 0.1]], np.float32)
    out = np.empty((count, side, side, 3), np.uint8)
    for start in range(0, count, 64):
        n = min(64, count - start)
        noise = rng.standard_normal((n, 3, side, side // 2 + 1, 2), np.float32)
        waves = (noise[..., 0] + 1j * noise[..., 1]) * scale.astype(np.float32)
        picture = np.fft.irfft2(waves, s=(side, side)).transpose(0, 2, 3, 1) @ mix.T
        picture *= 45 / picture.std()
        out[start : start + n] = np.clip(np.rint(picture + 118), 0, 255)
    return out


def spec() -> Any:
    import multiaug as ma

    return ma.DataSpec.from_dict(
        {
            "name": "pictures",
            "entries": {"image": {"role": "intensity", "channels": 3, "dtype": "uint8"}},
        }
    )


def paired(one: Callable[[], Any], two: Callable[[], Any], turns: int) -> Row:
    """Times of two calls, turn by turn; the ratio is of the same turn, first over second."""
    one(), two()
    times: list[tuple[float, float]] = []
    for turn in range(turns):
        found = {}
        for call in (one, two) if turn % 2 else (two, one):
            gc.collect()
            started = time.perf_counter()
            call()
            found[call] = time.perf_counter() - started
        times.append((found[one], found[two]))
    a, b = np.array(times).T
    ratio = a / b
    quartiles = np.percentile(ratio, (25, 50, 75)).round(3).tolist()
    return {
        "ours_s": float(np.median(a)),
        "theirs_s": float(np.median(b)),
        "ratio": quartiles[1],
        "quartiles": [quartiles[0], quartiles[2]],
        "turns": len(times),
        "times": np.round(times, 4).tolist(),
    }


def gram(sizes: Sizes) -> list[Row]:
    """Exact sums of products from uint8, beside float32 products of centred rows in memory."""
    from multiaug.statistics import Covariance

    rows = []
    for count in sizes.gram_rows:
        pictures = fields(count, sizes.side, 0)
        statistic = Covariance(pictures.shape[1:], "uint8")
        centred = pictures.reshape(count, -1).astype(np.float32)
        centred -= centred.mean(0)

        def ours(pictures: Any = pictures, statistic: Any = statistic) -> Any:
            return statistic.init().update(pictures)

        def theirs(centred: Any = centred) -> Any:
            return centred.T @ centred

        name = f"exact state of {count} x {centred.shape[1]} uint8"
        found = paired(ours, theirs, sizes.gram_turns)
        rows.append({"what": f"{name} / NumPy X.T @ X, float32, centred before", **found})
    return rows


def memory(sizes: Sizes) -> list[Row]:
    """Peak of the resident set of a whole fit, at two sizes, and of NumPy in memory."""
    rows = []
    for count in sizes.memory_rows:
        for who in ("multiaug", "numpy"):
            found = child("peak", who=who, count=count, side=sizes.side)
            rows.append({"what": f"{who}, {count} rows of {3 * sizes.side**2}", **found})
    return rows


def child_peak(who: str, count: int, side: int) -> Row:
    import multiaug as ma

    rng = np.random.default_rng(0)
    started, before = time.perf_counter(), _resident("VmRSS")
    if who == "multiaug":
        block = rng.integers(0, 256, (512, side, side, 3), dtype=np.uint8)
        source = Repeated(spec(), block, count)
        ma.fit(source, ma.Moments(), ma.ZCA(), progress=False)
    else:
        x = rng.random((count, 3 * side**2), np.float32)
        x -= x.mean(0)
        values = np.linalg.eigh((x.T @ x).astype(np.float64))
        del values
    return {
        "peak_gb": _resident("VmHWM") / 1e9,
        "above_start_gb": (_resident("VmHWM") - before) / 1e9,
        "seconds": time.perf_counter() - started,
    }


class Repeated:
    """A source of any length that holds one block in memory."""

    def __init__(self, spec: Any, block: np.ndarray[Any, Any], count: int) -> None:
        self.spec, self._block, self._count = spec, block, count
        self.fingerprint = f"repeated {count}"
        self.blocks = range(-(-count // len(block)))

    def __len__(self) -> int:
        return self._count

    def scan(self, blocks: Any = None) -> Iterator[Any]:
        import multiaug as ma

        for number in self.blocks if blocks is None else blocks:
            start = number * len(self._block)
            index = np.arange(start, min(start + len(self._block), self._count))
            # Other pixels each time, or every block would teach the same.
            yield ma.Block(number, index, {"image": self._block[: len(index)] + np.uint8(number)})

    def read(self, indices: Any) -> dict[str, np.ndarray[Any, Any]]:
        return {"image": self._block[np.asarray(indices) % len(self._block)]}


def keras_fit(sizes: Sizes) -> list[Row]:
    """From pictures to the whitening matrix."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    import multiaug as ma

    pictures = fields(sizes.keras_rows, sizes.side, 0)
    source = ma.open_source({"image": pictures}, spec())

    def ours() -> Any:
        stats = ma.fit(source, ma.Moments(), ma.ZCA(center="channel"), progress=False)
        return ma.Whiten(stats, epsilon=1e-6, eps_mode="keras", center="channel")

    def theirs() -> Any:
        generator = ImageDataGenerator(zca_whitening=True)
        generator.fit(pictures)
        return generator

    found = paired(ours, theirs, sizes.keras_pairs)
    matrix = np.asarray(theirs().zca_whitening_matrix)
    gap = np.linalg.norm(ours().matrix() - matrix) / np.linalg.norm(matrix)
    name = f"fit ZCA on {len(pictures)} x {3 * sizes.side**2} / Keras 3"
    return [{"what": name, **found, "matrix_gap": float(gap)}]


def apply(sizes: Sizes) -> list[Row]:
    """Whiten batches of 64: a pipeline, the iterators of Keras, its own batched call."""
    import jax
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    import multiaug as ma

    pictures = fields(max(4 * sizes.side**2, 256), sizes.side, 0)
    stats = ma.fit(
        ma.open_source({"image": pictures}, spec()),
        ma.Moments(),
        ma.ZCA(center="channel"),
        progress=False,
    )
    whiten = ma.Whiten(stats, epsilon=1e-6, eps_mode="keras", center="channel")
    pipeline = ma.Pipeline([whiten], spec())
    keys = jax.random.split(jax.random.key(0), 64)
    batch = pictures[:64]
    generator = ImageDataGenerator(zca_whitening=True)
    generator.mean = stats["image"].moments.channel_mean().reshape(1, 1, 3).astype(np.float32)
    # float64, as its own fit leaves it under NumPy 2.
    generator.zca_whitening_matrix = whiten.matrix().astype(np.float64)
    iterator = generator.flow(batch, batch_size=64, shuffle=False)
    held = batch.astype(np.float32)

    def ours() -> Any:
        return jax.block_until_ready(pipeline.batch(keys, {"image": batch})["image"])

    rows = []
    for name, theirs in (
        ("the iterator of Keras 3", lambda: iterator[0]),
        ("standardize(batch) of Keras 3", lambda: generator.standardize(held.copy())),
    ):
        gap = np.abs(np.asarray(ours()) - np.asarray(theirs())).max()
        found = paired(ours, theirs, sizes.apply_turns)
        rows.append({"what": f"whiten 64 pictures / {name}", **found, "largest_gap": float(gap)})
    return rows


def sklearn(sizes: Sizes) -> list[Row]:
    """IncrementalPCA and PCA(covariance_eigh) on the same rows, each in its own process."""
    rows = []
    common = {
        "count": sizes.sklearn_rows,
        "side": sizes.side,
        "components": sizes.sklearn_components,
    }
    for who in ("multiaug lowrank", "IncrementalPCA", "multiaug primal", "PCA covariance_eigh"):
        found = child("decompose", who=who, **common)
        k = "all" if "primal" in who or "covariance" in who else sizes.sklearn_components
        rows.append({"what": f"{who}, k = {k}, {sizes.sklearn_rows} rows", **found})
    return rows


def child_decompose(who: str, count: int, side: int, components: int) -> Row:
    import multiaug as ma
    from multiaug.statistics import Covariance

    pictures = fields(count, side, 0)
    flat = pictures.reshape(count, -1)
    if who.startswith("multiaug"):
        source = ma.open_source({"image": pictures}, spec())
        request = ma.ZCA(components=components if "lowrank" in who else None)
        warm = ma.open_source({"image": pictures[:1100]}, spec())
        ma.fit(warm, request, solver=who.split()[1], progress=False)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    if who.startswith("multiaug"):
        stats = ma.fit(source, request, solver=who.split()[1], progress=False)
        vectors = stats["image"].spectrum().vectors
    else:
        from sklearn.decomposition import PCA, IncrementalPCA

        if who == "IncrementalPCA":
            model = IncrementalPCA(components, batch_size=1024)
            for start in range(0, count, 1024):
                model.partial_fit(flat[start : start + 1024].astype(np.float32))
        else:
            model = PCA(svd_solver="covariance_eigh").fit(flat.astype(np.float32))
        vectors = model.components_
    seconds, peak = time.perf_counter() - started, _resident("VmHWM") - before
    state = Covariance(pictures.shape[1:], "uint8").init().update(pictures)
    best = state.spectrum().eigenvalues[:components].sum()
    leading = np.asarray(vectors[:components], np.float64)
    captured = np.einsum("kd,dk->", leading @ state.covariance(), leading.T)
    return {
        "seconds": seconds,
        "above_data_gb": peak / 1e9,
        "captured_of_best": float(captured / best),
    }


def large(sizes: Sizes) -> list[Row]:
    """ZCA of large pictures from a zarr store: fit, save, load, whiten into a new store."""
    import multiaug as ma

    rows = []
    n, side = sizes.large_rows, sizes.large_side
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DATA")) as folder:
        data = Path(folder, "data.zarr")
        batches = ({"image": fields(min(256, n - i), side, i)} for i in range(0, n, 256))
        ma.write_zarr(batches, spec(), data, chunk=16)
        for components in (None, n - 1):
            stats = Path(folder, f"stats-{components}.zarr")
            name = f"{n} pictures of {side} x {side} x 3, {components or 'n / 8'} components"
            arguments = {
                "data": str(data),
                "stats": str(stats),
                "memory": sizes.large_memory,
                "components": components,
            }
            fitted = child("large_fit", **arguments)
            rows.append({"what": f"fit and save, {name}", **fitted})
            if "failed" not in fitted:
                applied = child("large_apply", **arguments)
                rows.append({"what": f"load and whiten, {name}", **applied})
    return rows


def child_large_fit(data: str, stats: str, memory: str, components: int | None) -> Row:
    import multiaug as ma

    started = time.perf_counter()
    source = ma.open_source(data)
    found = ma.fit(
        source, ma.Moments(), ma.ZCA(components=components), memory=memory, progress=False
    )
    fitted = time.perf_counter() - started
    found.save(stats)
    return {
        "seconds": time.perf_counter() - started,
        "fit_s": fitted,
        "peak_gb": _resident("VmHWM") / 1e9,
        "solver": found.info["solvers"]["image"],
        "captured": found["image"].spectrum().captured,
        "file_gb": sum(p.stat().st_size for p in Path(stats).rglob("*") if p.is_file()) / 1e9,
    }


def child_large_apply(data: str, stats: str, memory: str, components: int | None) -> Row:
    import multiaug as ma

    started = time.perf_counter()
    source = ma.open_source(data)
    pipeline = ma.Pipeline([ma.Whiten(ma.load_statistics(stats))], source.spec)
    loaded = time.perf_counter() - started
    count = min(256, len(source))
    part = ma.open_source({"image": source.read(np.arange(count))["image"]}, source.spec)
    started = time.perf_counter()
    dest = ma.export(part, pipeline, f"{stats}-white", progress=False)
    seconds = time.perf_counter() - started
    white = ma.open_source(dest).read(np.arange(64))["image"]
    return {
        "load_s": loaded,
        "ms_per_picture": 1e3 * seconds / count,
        "peak_gb": _resident("VmHWM") / 1e9,
        "power": float(np.square(white, dtype=np.float64).mean()),
    }


def lowrank(sizes: Sizes) -> list[Row]:
    """The low-rank solver against the exact spectrum, which the Gram matrix gives."""
    rows = []
    for seed in range(sizes.seeds):
        found = child(
            "lowrank",
            count=sizes.low_rows,
            side=sizes.large_side,
            components=sizes.low_components,
            seed=seed,
        )
        what = f"k = {sizes.low_components} of {sizes.low_rows} pictures, seed {seed}"
        rows.append({"what": what, **found})
    return rows


def child_lowrank(count: int, side: int, components: int, seed: int) -> Row:
    import multiaug as ma
    from multiaug.statistics import LowRank

    pictures = fields(count, side, 1000 + seed)
    source = ma.open_source({"image": pictures}, spec())
    started = time.perf_counter()
    request = ma.ZCA(components=components)
    found = ma.fit(source, request, solver="lowrank", memory="16GB", progress=False)
    low_seconds = time.perf_counter() - started
    low = found["image"].spectrum()
    started = time.perf_counter()
    exact = ma.fit(source, request, solver="dual", memory="16GB", progress=False)
    best = exact["image"].spectrum()
    dual_seconds = time.perf_counter() - started
    del found, exact
    sketch = LowRank(pictures.shape[1:], "uint8", components=components).init().update(pictures)
    error = _largest_eigenvalue(pictures, sketch.mean(), sketch.sketch)
    return {
        "captured_of_best": float(low.eigenvalues.sum() / best.eigenvalues.sum()),
        "at_least": low.captured_at_least,
        "bound": sketch.bound,
        "true_error": error,
        "lowrank_s": low_seconds,
        "dual_s": dual_seconds,
    }


def _largest_eigenvalue(
    pictures: np.ndarray[Any, Any], mean: np.ndarray[Any, Any], sketch: np.ndarray[Any, Any]
) -> float:
    """Of the covariance less that of the sketch: power iteration, which comes from below."""
    n = len(pictures)
    flat, offset = pictures.reshape(n, -1), mean.reshape(-1)
    vector = np.random.default_rng(0).standard_normal(flat.shape[1])
    value = 0.0
    for _ in range(20):
        vector /= np.linalg.norm(vector)
        out = np.zeros_like(vector)
        for i in range(0, n, 128):
            rows = flat[i : i + 128].astype(np.float32) - offset.astype(np.float32)
            out += rows.T @ (rows @ vector.astype(np.float32))
        out -= sketch.T @ (sketch @ vector.astype(np.float32))
        out /= n
        value = float(vector @ out)
        vector = out
    return value


def adversarial(sizes: Sizes) -> list[Row]:
    """Moments of float32 streams made to be summed wrongly, beside two passes in float64."""
    return accuracy.adversarial(sizes.streams)


def real(sizes: Sizes) -> list[Row]:
    """ZCA of crops of scikit-image's photographs by every solver, beside float64."""
    return accuracy.real(sizes.crops, sizes.crop_side)


PARTS: dict[str, Callable[[Sizes], list[Row]]] = {
    "gram": gram,
    "memory": memory,
    "keras-fit": keras_fit,
    "apply": apply,
    "sklearn": sklearn,
    "large": large,
    "lowrank": lowrank,
    "adversarial": adversarial,
    "real": real,
}
CHILDREN: dict[str, Callable[..., Row]] = {
    "peak": child_peak,
    "decompose": child_decompose,
    "large_fit": child_large_fit,
    "large_apply": child_large_apply,
    "lowrank": child_lowrank,
}


def child(name: str, **arguments: Any) -> Row:
    """Run one of CHILDREN in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.statistics", "child", name, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": reason(done.stderr)}
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def markdown(document: dict[str, Any]) -> str:
    """One table per part."""
    lines = ["# Statistics", "", json.dumps(document["about"]), ""]
    for part, rows in document["parts"].items():
        keys = [k for k in dict.fromkeys(k for row in rows for k in row) if k != "times"]
        lines += [f"## {part}", "", (PARTS[part].__doc__ or "").strip(), ""]
        lines += ["| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
        lines += ["| " + " | ".join(_cell(row.get(k, "")) for k in keys) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: list[str]) -> None:
    """Run the parts that are asked for."""
    if argv[:1] == ["child"]:
        warnings.simplefilter("ignore")
        print(json.dumps(CHILDREN[argv[1]](**json.loads(argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: some minutes")
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], default=[*PARTS])
    parser.add_argument("--large-rows", type=int, help="pictures of 224 x 224 x 3")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(argv)
    sizes = QUICK if args.quick else Sizes()
    if args.large_rows:
        sizes = Sizes(**{**asdict(sizes), "large_rows": args.large_rows})
    warnings.simplefilter("ignore")
    document: dict[str, Any] = {"about": {"cores": os.cpu_count(), **asdict(sizes)}, "parts": {}}
    args.out.mkdir(parents=True, exist_ok=True)
    for part in args.parts:
        try:
            document["parts"][part] = PARTS[part](sizes)
        except ImportError as error:
            document["parts"][part] = [{"what": part, "failed": str(error)}]
        (args.out / "statistics.json").write_text(json.dumps(document, indent=1))
        (args.out / "statistics.md").write_text(markdown(document))
        print(markdown({**document, "parts": {part: document["parts"][part]}}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
