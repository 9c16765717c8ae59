"""Reading zarr beside other readers: ``python -m benchmarks.reading``.

Full passes and shuffled epochs over the same stores, turn by turn in one process, and the whole way
with augmentation. The yardstick is what the machine can decode: two threads that read files into
warm memory for all of the data in C (`limit.py`), sharing no code with the library. A second one
decodes into memory for a single chunk, which never leaves the cache of the processor: no
reader that hands records on can do that. Processor time is the primary figure: wall time favours
whoever has more threads when the machine is shared.

Writes ``reading.md`` and ``reading.json`` to ``--out``. Peers that are not installed are left out:
``pip install dask xbatcher tensorstore torch grain obstore``, and with Python 3.12 or later
``insitubatch`` and a zarr of 3.3 or later, whose fused pipeline has rows of its own.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

import multiaug as ma
from benchmarks.limit import DecodeLimit, Files
from benchmarks.object_store import BUCKET, serving

BATCH = 64
CODECS = {
    "lz4": BloscCodec(cname="lz4", clevel=5, shuffle="noshuffle"),
    "zstd": ZstdCodec(level=3, checksum=True),
    "none": None,
}

Turn = Callable[[], int]


def make_stores(
    root: Path, records: int, codecs: Iterable[str] = tuple(CODECS), chunks: Iterable[int] = (16, 1)
) -> dict[str, Path]:
    """Crops of photographs with a mask each, in chunks of 16 records and of one."""
    from skimage import data

    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    draw = np.random.default_rng(0)
    image = np.empty((records, 224, 224, 3), np.uint8)
    for number in range(records):
        photo = photos[number % len(photos)]
        y, x = (int(draw.integers(0, side - 224)) for side in photo.shape[:2])
        crop = photo[y : y + 224, x : x + 224, :: -1 if draw.random() < 0.5 else 1]
        image[number] = np.clip(crop * draw.uniform(0.7, 1.2), 0, 255)
    mask = (image[..., 0] // 64).astype(np.uint8)
    stores = {}
    for name, chunk in itertools.product(codecs, chunks):
        path = root / f"{name}-c{chunk}"
        stores[path.name] = path
        if path.exists():
            continue
        group = zarr.open_group(path, mode="w")
        for entry, values in (("image", image), ("mask", mask)):
            array = group.create_array(
                entry, shape=values.shape, dtype=values.dtype,
                chunks=(chunk, *values.shape[1:]), compressors=CODECS[name],
                config={"write_empty_chunks": True},
            )  # fmt: skip
            array[:] = values
    return stores


def decode_limit(path: Path, codec: str, chunks: int | None = None) -> Turn:
    """The decode limit of a store of `make_stores`, as a turn."""
    group = zarr.open_group(path, mode="r")
    arrays = []
    for name in ("image", "mask"):
        array: Any = group[name]
        count = -(-array.shape[0] // array.chunks[0])
        after = "/0" * (array.ndim - 1)
        size = int(np.prod(array.chunks)) * array.dtype.itemsize
        arrays.append(Files(f"{path / name / 'c'}/", after, count, size))
    limit, records = DecodeLimit(arrays, codec, chunks), int(array.shape[0])

    def turn() -> int:
        limit()
        return records

    return turn


def spec() -> ma.DataSpec:
    return ma.load_spec("rgb-segmentation")


def full_passes(path: Path) -> Iterator[tuple[str, Turn]]:
    """Everything once, in order."""
    source = ma.open_source(path, spec())

    def ours() -> int:
        return sum(len(block.index) for block in source.scan())

    yield "multiaug scan", ours
    group = zarr.open_group(path, mode="r")
    arrays = [group["image"], group["mask"]]
    count = arrays[0].shape[0]

    def slices() -> int:
        for start in range(0, count, BATCH):
            for array in arrays:
                array[start : start + BATCH]
        return count

    def slices_in_threads() -> int:
        with ThreadPoolExecutor(2) as executor:
            list(executor.map(
                lambda start: [array[start : start + BATCH] for array in arrays],
                range(0, count, BATCH),
            ))  # fmt: skip
        return count

    yield "zarr slices", slices
    yield "zarr slices, 2 threads", slices_in_threads
    yield from optional(_fused_full, path, count)
    yield from optional(_insitubatch, path, False)
    yield from optional(_dask_full, path, count)
    yield from optional(_xbatcher_full, path, count)
    yield from optional(_tensorstore_full, path, count)


def shuffled_epochs(path: Path, window: int | None) -> Iterator[tuple[str, Turn]]:
    """Everything once, in random order, in batches."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of narrow windows
        loader = ma.Loader(
            ma.open_source(path, spec()), batch_size=BATCH, window=window, memory="1GiB"
        )

    def ours() -> int:
        return sum(len(batch["index"]) for batch in loader)

    yield "multiaug Loader", ours
    group = zarr.open_group(path, mode="r")
    arrays = [group["image"], group["mask"]]
    count = arrays[0].shape[0]
    order = np.random.default_rng(0).permutation(count)
    # Naive readers decode a chunk for every record: a part of an epoch tells how long it takes.
    some = min(count, 4 * BATCH)

    def oindex() -> int:
        for start in range(0, some, BATCH):
            rows = np.sort(order[start : start + BATCH])
            for array in arrays:
                array.oindex[rows]
        return some

    yield "zarr oindex, sorted", oindex
    yield from optional(_fused_shuffled, path, order[:some])
    yield from optional(_insitubatch, path, True)
    yield from optional(_grain_shuffled, path, order[:some])
    yield from optional(_dask_shuffled, path, order[:some])
    yield from optional(_tensorstore_shuffled, path, order[:some])
    yield from optional(_torch_shuffled, path, order[:some], 0)
    yield from optional(_torch_shuffled, path, order[:some], 2)


def optional(make: Any, *arguments: Any) -> Iterator[tuple[str, Turn]]:
    """A peer, where it is installed."""
    try:
        yield from make(*arguments)
    except ImportError as error:
        print(f"left out: {error.name}", file=sys.stderr)


_FUSED = {"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline"}


def _fused(path: Path) -> list[Any]:
    """Arrays that zarr-python reads by its newer, synchronous pipeline (3.3 and later)."""
    from zarr.core.codec_pipeline import FusedCodecPipeline  # noqa: F401

    with zarr.config.set(_FUSED):
        group = zarr.open_group(path, mode="r")
        return [group["image"], group["mask"]]


def _fused_full(path: Path, count: int) -> Iterator[tuple[str, Turn]]:
    arrays = _fused(path)

    def slices() -> int:
        with zarr.config.set(_FUSED):
            for start in range(0, count, BATCH):
                for array in arrays:
                    array[start : start + BATCH]
        return count

    def slices_in_threads() -> int:
        with zarr.config.set(_FUSED), ThreadPoolExecutor(2) as executor:
            list(executor.map(
                lambda start: [array[start : start + BATCH] for array in arrays],
                range(0, count, BATCH),
            ))  # fmt: skip
        return count

    yield "zarr slices, fused pipeline", slices
    yield "zarr slices, fused pipeline, 2 threads", slices_in_threads


def _fused_shuffled(path: Path, order: np.ndarray) -> Iterator[tuple[str, Turn]]:
    arrays = _fused(path)

    def turn() -> int:
        with zarr.config.set(_FUSED):
            for start in range(0, len(order), BATCH):
                rows = np.sort(order[start : start + BATCH])
                for array in arrays:
                    array.oindex[rows]
        return len(order)

    yield "zarr oindex, sorted, fused pipeline", turn


def _insitubatch(path: Path, shuffle: bool) -> Iterator[tuple[str, Turn]]:
    """As its documents have it; the cache does not hold more than what a pass needs."""
    import insitubatch

    return _insitubatch_of(insitubatch.obstore_store(f"file://{path.resolve()}"), shuffle)


def _insitubatch_of(store: Any, shuffle: bool) -> Iterator[tuple[str, Turn]]:
    import insitubatch

    geometries = insitubatch.open_geometries(store, variables=["image", "mask"])
    split = insitubatch.split_by_chunk(geometries["image"], fractions=(1.0, 0.0, 0.0))
    data = insitubatch.InSituDataset(
        store, split, geometries=geometries, batch_size=BATCH, shuffle=shuffle
    )
    epochs = itertools.count()

    def turn() -> int:
        data.set_epoch(next(epochs))
        view = data.train if shuffle else data.all
        return sum(len(batch.sample_indices) for batch in view)

    yield "insitubatch", turn


def _grain_shuffled(path: Path, order: np.ndarray) -> Iterator[tuple[str, Turn]]:
    import grain

    data = grain.MapDataset.source(_Rows(path, order)).batch(BATCH)

    def turn() -> int:
        options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)
        return sum(len(batch[0]) for batch in data.to_iter_dataset(options))

    yield "grain, 2 threads", turn


def _dask_full(path: Path, count: int) -> Iterator[tuple[str, Turn]]:
    import dask
    import dask.array as da

    arrays = [da.from_zarr(str(path), component=name) for name in ("image", "mask")]

    def turn() -> int:
        for start in range(0, count, BATCH):
            dask.compute(*(array[start : start + BATCH] for array in arrays), scheduler="threads")
        return count

    yield "dask slices", turn


def _dask_shuffled(path: Path, order: np.ndarray) -> Iterator[tuple[str, Turn]]:
    import dask
    import dask.array as da

    arrays = [da.from_zarr(str(path), component=name) for name in ("image", "mask")]

    def turn() -> int:
        for start in range(0, len(order), BATCH):
            rows = np.sort(order[start : start + BATCH])
            dask.compute(*(array[rows] for array in arrays), scheduler="threads")
        return len(order)

    yield "dask indexed, sorted", turn


def _xbatcher_full(path: Path, count: int) -> Iterator[tuple[str, Turn]]:
    import dask.array as da
    import xarray
    import xbatcher

    data = xarray.Dataset({
        name: (("record", "y", "x", "c")[: 3 + (name == "image")],
               da.from_zarr(str(path), component=name))
        for name in ("image", "mask")
    })  # fmt: skip
    sizes = {name: size for name, size in data.sizes.items() if name != "record"}

    def turn() -> int:
        batches = xbatcher.BatchGenerator(data, {"record": min(BATCH, count), **sizes})
        return sum(batch.load().sizes["record"] for batch in batches)

    yield "xbatcher", turn


def _tensorstore(path: Path) -> list[Any]:
    import tensorstore as ts

    return [
        ts.open({
            "driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / name)},
        }).result() for name in ("image", "mask")
    ]  # fmt: skip


def _tensorstore_full(path: Path, count: int) -> Iterator[tuple[str, Turn]]:
    arrays = _tensorstore(path)

    def turn() -> int:
        waiting: list[Any] = []
        for start in range(0, count, BATCH):
            waiting += [array[start : start + BATCH].read() for array in arrays]
            while len(waiting) > 8:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
        return count

    def into_buffers() -> int:
        import tensorstore as ts

        buffers = [np.empty((BATCH, *array.shape[1:]), np.uint8) for array in arrays]
        for start in range(0, count, BATCH):
            rows = min(BATCH, count - start)
            writes = [
                ts.array(out[:rows]).write(array[start : start + rows])
                for array, out in zip(arrays, buffers, strict=True)
            ]
            for write in writes:
                write.result()
        return count

    yield "tensorstore, 8 in flight", turn
    yield "tensorstore, into a buffer", into_buffers


def _tensorstore_shuffled(path: Path, order: np.ndarray) -> Iterator[tuple[str, Turn]]:
    arrays = _tensorstore(path)

    def turn() -> int:
        waiting: list[Any] = []
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            waiting += [array[rows].read() for array in arrays]
            while len(waiting) > 4:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
        return len(order)

    yield "tensorstore indexed", turn


class _Rows:
    """What users write for PyTorch: one record at a time."""

    def __init__(self, path: Path, order: np.ndarray) -> None:
        self.path, self.order = path, order
        self.arrays: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> list[np.ndarray]:
        if self.arrays is None:
            group = zarr.open_group(self.path, mode="r")
            self.arrays = [group["image"], group["mask"]]
        return [array[int(self.order[index])] for array in self.arrays]


def _torch_shuffled(path: Path, order: np.ndarray, workers: int) -> Iterator[tuple[str, Turn]]:
    import torch

    settings = {"multiprocessing_context": "forkserver", "persistent_workers": True}
    loader = torch.utils.data.DataLoader(
        _Rows(path, order), BATCH, num_workers=workers, **(settings if workers else {})
    )

    def turn() -> int:
        return sum(len(batch[0]) for batch in loader)

    yield f"torch DataLoader, {workers} workers", turn


def measure(turns: dict[str, Turn], rounds: int) -> dict[str, dict[str, float]]:
    """Medians over interleaved rounds: processor and wall time per 1,024 records, in ms.

    Shares of the limit are medians of pairs, both of the same round; ours and the limits have
    their turns one after the other, because some peers take seconds for theirs.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for turn in turns.values():
        turn()
    near = [name for name in turns if name.startswith(("decode", "multiaug"))]
    far = [name for name in turns if name not in near]
    draw = np.random.default_rng(0)
    for _ in range(rounds):
        for name in [*draw.permutation(near).tolist(), *draw.permutation(far).tolist()]:
            gc.collect()
            cpu, wall = _processor_time(), time.perf_counter()
            count = turns[name]()
            spent = _processor_time() - cpu, time.perf_counter() - wall
            times[name].append((1.024e6 * spent[0] / count, 1.024e6 * spent[1] / count))
    limit = times["decode limit"]  # what the shares are of
    return {
        name: {
            f"{kind}_{of}": statistics.median(
                pair[i] if of == "ms" else one[i] / pair[i]
                for one, pair in zip(limit, found, strict=True)
            )
            for i, kind in enumerate(("cpu", "wall"))
            for of in ("ms", "share")
        }
        for name, found in times.items()
    }


def _text(path: Path) -> str:
    """What stands in a file; nothing where it is gone."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _processor_time() -> float:
    """Of this process and of those that it has started and that still run, in seconds."""
    total = time.process_time()
    tick = os.sysconf("SC_CLK_TCK")
    waiting = [os.getpid()]
    while waiting:
        folder = Path("/proc", str(waiting.pop()))
        for listed in folder.glob("task/*/children"):
            # Threads and processes may end between two looks at them.
            for child in _text(listed).split():
                times = _text(Path("/proc", child, "stat")).rpartition(")")[2].split()
                if times:
                    total += (int(times[11]) + int(times[12])) / tick
                    waiting.append(int(child))
    return total


# Of the store on "another machine": seconds, and bytes a second.
_LATENCY, _RATE = 0.02, 80e6


def far(root: Path, stores: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Shuffled epochs from an object store with latency; what its wire carries is 1."""
    tables = {}
    with serving(root, latency=_LATENCY, rate=_RATE) as address:
        for name, path in stores.items():
            size = sum(one for _, one in _chunks_of(path))
            turns = dict(_far_turns(address, path))
            times: dict[str, list[float]] = {label: [] for label in turns}
            for _ in range(rounds):
                for label, turn in turns.items():
                    started = time.perf_counter()
                    turn()
                    times[label].append(size / (time.perf_counter() - started))
            tables[name] = {label: statistics.median(found) for label, found in times.items()}
    return {"latency_s": _LATENCY, "rate": _RATE, "stores": tables}


def _chunks_of(path: Path) -> list[tuple[str, int]]:
    """Key and size of every stored chunk."""
    return sorted(
        (file.relative_to(path).as_posix(), file.stat().st_size)
        for entry in ("image", "mask")
        for file in (path / entry / "c").rglob("*")
        if file.is_file()
    )


def _client(address: str, prefix: str) -> Any:
    import obstore

    return obstore.store.S3Store(
        BUCKET, prefix=prefix, region="us-east-1", endpoint=address, skip_signature=True,
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip


def _far_turns(address: str, path: Path) -> Iterator[tuple[str, Turn]]:
    keys, wire = [key for key, _ in _chunks_of(path)], _client(address, path.name)

    def plain() -> int:
        with ThreadPoolExecutor(32) as executor:
            list(executor.map(lambda key: wire.get(key).bytes(), keys))
        return len(keys)

    yield "32 requests in flight, not decoded", plain
    store = zarr.storage.ObjectStore(_client(address, path.name), read_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        loader = ma.Loader(ma.open_source(store, spec()), batch_size=BATCH, memory="1GiB")

    def ours() -> int:
        return sum(len(batch["index"]) for batch in loader)

    yield "multiaug Loader", ours
    yield from optional(_insitubatch_far, address, path)
    yield from optional(_tensorstore_far, address, path)


def _insitubatch_far(address: str, path: Path) -> Iterator[tuple[str, Turn]]:
    """A data set for each epoch: what it keeps of the one before would not be read again."""
    import insitubatch  # noqa: F401

    def turn() -> int:
        store = zarr.storage.ObjectStore(_client(address, path.name), read_only=True)
        ((_, epoch),) = _insitubatch_of(store, True)
        return epoch()

    yield "insitubatch", turn


def _tensorstore_far(address: str, path: Path) -> Iterator[tuple[str, Turn]]:
    """Rows of a random order, many requests at a time."""
    import tensorstore as ts

    arrays = [
        ts.open({
            "driver": "zarr3",
            "kvstore": {
                "driver": "s3", "bucket": BUCKET, "endpoint": address, "aws_region": "us-east-1",
                "aws_credentials": {"type": "anonymous"}, "path": f"{path.name}/{name}/",
            },
        }).result() for name in ("image", "mask")
    ]  # fmt: skip
    count = arrays[0].shape[0]
    chunk = arrays[0].chunk_layout.read_chunk.shape[0]
    draw = np.random.default_rng(0)

    def turn() -> int:
        waiting: list[Any] = []
        # In blocks of chunks, as its users do where a chunk holds several records.
        for first in draw.permutation(-(-count // chunk)):
            rows = slice(first * chunk, min((first + 1) * chunk, count))
            waiting += [array[rows].read() for array in arrays]
            while len(waiting) > 64:
                waiting.pop(0).result()
        for future in waiting:
            future.result()
        return count

    yield "tensorstore, whole chunks, 64 in flight", turn


def long_stores(root: Path, records: int) -> dict[str, Path]:
    """For whole epochs: a short one is mostly its beginning and its end."""
    folder = root / "long"
    folder.mkdir(exist_ok=True)
    return make_stores(folder, records, ("zstd", "lz4"), (16,))


def end_to_end(path: Path, rounds: int) -> dict[str, float]:
    """Reading alone, augmenting alone, and both, in interleaved rounds; ms per batch.

    The bound takes all cores for free. What others use of them meanwhile is told beside it: where
    that is more than a few hundredths the ratio is about them.
    """
    import jax

    pipeline = ma.Pipeline(
        [ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Translate(0.1), ma.Flip("x")], spec()
    )
    source = ma.open_source(path, spec())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        reader = ma.Loader(source, batch_size=BATCH, window=16)
        both = ma.Loader(source, pipeline, batch_size=BATCH, window=16)
    first = {n: np.array(a) for n, a in next(iter(reader)).items() if n not in ("index", "copy")}
    reader.close()
    keys = jax.random.split(jax.random.key(0), BATCH)
    batches = len(both)

    def compute() -> None:
        out = None
        for _ in range(batches):
            out = pipeline.batch(keys, first, out=out)

    def loop(loader: ma.Loader) -> None:
        for batch in loader:
            del batch

    turns = {"read": lambda: loop(reader), "compute": compute, "both": lambda: loop(both)}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in turns}
    for turn in turns.values():
        turn()
    for _ in range(rounds):
        for name, turn in turns.items():
            cpu, wall, busy = time.process_time(), time.perf_counter(), _busy_seconds()
            turn()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            others = max(0.0, _busy_seconds() - busy - cpu) / wall
            found[name].append((1e3 * wall / batches, 1e3 * cpu / batches, others))
    wall = {name: statistics.median(t[0] for t in times) for name, times in found.items()}
    cpu = {name: statistics.median(t[1] for t in times) for name, times in found.items()}
    cores = len(os.sched_getaffinity(0))
    bound = max(wall["read"], wall["compute"], cpu["both"] / cores)
    return {
        "read_ms": wall["read"], "compute_ms": wall["compute"], "both_ms": wall["both"],
        "cpu_ms": cpu["both"], "bound_ms": bound, "ratio": wall["both"] / bound,
        "others": statistics.median(t[2] for t in found["both"]),
    }  # fmt: skip


def _busy_seconds() -> float:
    """How long the cores of the machine have worked, for anybody; 0 where that is not told."""
    try:
        times = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, *rest = map(int, times[:8])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


_MEMORY = """
import resource, sys, warnings
from pathlib import Path
import numpy as np
import multiaug as ma
warnings.simplefilter("ignore")
path, small, memory = sys.argv[1], sys.argv[2], int(sys.argv[3])
def amount(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
spec = ma.load_spec("rgb-segmentation")
pipeline = ma.Pipeline([ma.Rotate(30), ma.Flip("x")], spec)
for batch in ma.Loader(ma.open_source(small, spec), pipeline, batch_size=16, memory=memory): pass
del batch
base = amount("VmHWM")
bound = amount("VmData") + memory
resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
loader = ma.Loader(ma.open_source(path, spec), pipeline, batch_size=16, memory=memory)
records = sum(len(batch["index"]) for batch in loader)
peak = amount("VmHWM") - base
del loader
try:
    np.empty(memory + (64 << 20), np.uint8)
    raise SystemExit("the bound does not hold: more than it allows could be allocated")
except MemoryError:
    pass
print(peak, records)
"""


def memory(path: Path, root: Path, size: int) -> dict[str, int]:
    """Peak of an epoch over a store four times as large as the memory, if it is large enough.

    The kernel holds the process to what it had before and the memory given (RLIMIT_DATA): what
    asks for more gets none, and the epoch ends with an error.
    """
    allowed = max(size // 4, 64_000_000)  # less does not hold the batches of a small run
    small = root / "small"
    if not small.exists():
        source = ma.open_source(path, spec())
        ma.write_zarr([source.read(range(16))], spec(), small, chunk=16)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(path), str(small), str(allowed)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    peak, records = map(int, done.stdout.split())
    return {"store": size, "allowed": allowed, "peak": peak, "records": records}


def markdown(document: dict[str, Any]) -> str:
    lines = ["# Reading", "", document["about"], ""]
    for title, table in document["tables"].items():
        lines += [f"## {title}", "", "| reader | CPU ms | wall ms | of the limit, CPU | wall |"]
        lines += ["|---|---:|---:|---:|---:|"]
        for name, row in sorted(table.items(), key=lambda item: -item[1]["cpu_share"]):
            lines.append(
                f"| {name} | {row['cpu_ms']:.0f} | {row['wall_ms']:.0f} | "
                f"{row['cpu_share']:.2f} | {row['wall_share']:.2f} |"
            )
        lines.append("")
    lines += ["## With augmentation, ms per batch", ""]
    for name, row in document["end_to_end"].items():
        lines.append(
            f"- {name}: read {row['read_ms']:.1f}, compute {row['compute_ms']:.1f}, both "
            f"{row['both_ms']:.1f}, processor {row['cpu_ms']:.1f}; {row['ratio']:.2f} times "
            f"max(read, compute, CPU / cores). Others used {row['others']:.2f} cores meanwhile"
        )
    found = document.get("far")
    if found:
        lines += [
            "", f"## A store with {1e3 * found['latency_s']:.0f} ms of latency and "
            f"{found['rate'] / 1e6:.0f} MB/s, shuffled epochs, MB/s of stored bytes", "",
        ]  # fmt: skip
        for name, table in found["stores"].items():
            best = table["32 requests in flight, not decoded"]
            lines += [f"- {name}: " + "; ".join(
                f"{label} {rate / 1e6:.1f} ({rate / best:.2f})" for label, rate in table.items()
            )]  # fmt: skip
    row = document["memory"]
    lines += [] if row is None else [
        "", "## Memory", "",
        f"An epoch of {row['records']} records, {row['store'] / 1e6:.0f} MB, with "
        f"memory={row['allowed'] / 1e6:.0f} MB and no more to be had (RLIMIT_DATA): the peak, less "
        f"what was resident before, is {row['peak'] / 1e6:.0f} MB.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few records, three rounds")
    parser.add_argument("--records", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, help="keep the stores here, for the next run")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--stores", nargs="*", help="only these, such as zstd-c16")
    parser.add_argument("--parts", nargs="*", help="only tables, end_to_end, memory, far")
    found = parser.parse_args(argv)
    if found.quick:
        found.records, found.rounds = min(found.records, 256), 3
    return found


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    root = args.data or Path(tempfile.mkdtemp(prefix="multiaug-reading-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        stores = make_stores(root, args.records)
        chosen = {n: p for n, p in stores.items() if not args.stores or n in args.stores}
        document = run(chosen, root, args)
    finally:
        if args.data is None:
            shutil.rmtree(root, ignore_errors=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "reading.json").write_text(json.dumps(document, indent=1))
    (args.out / "reading.md").write_text(markdown(document))
    print(markdown(document))
    return 0


def run(chosen: dict[str, Path], root: Path, args: argparse.Namespace) -> dict[str, Any]:
    tables = {}
    long = (
        {}
        if set(args.parts or ["memory"]) <= {"tables", "far"}
        else long_stores(root, 4 * args.records)
    )
    wanted = args.parts or ["tables", "end_to_end", "memory"]
    for name, path in chosen.items() if "tables" in wanted else ():
        codec, chunk = name.split("-c")
        limit = {
            "decode limit": decode_limit(path, codec),
            "decode into two chunks": decode_limit(path, codec, chunks=2),
        }
        tables[f"{name}: full pass"] = measure({**limit, **dict(full_passes(path))}, args.rounds)
        window = 16 if chunk == "16" else None
        epochs = {**limit, **dict(shuffled_epochs(path, window))}
        tables[f"{name}: shuffled, batch {BATCH}"] = measure(epochs, args.rounds)
    return {
        "about": (
            f"{args.records} records of 224 x 224 x 3 bytes and a mask, {args.rounds} interleaved "
            f"rounds, {len(os.sched_getaffinity(0))} cores, zarr {zarr.__version__}; times per "
            "1,024 records, page cache warm. Processor time is that of the process and its workers."
        ),
        "tables": tables,
        "end_to_end": {
            name: end_to_end(path, args.rounds)
            for name, path in (long.items() if "end_to_end" in wanted else ())
        },
        "memory": memory(long["zstd-c16"], root, 4 * args.records * 224 * 224 * 4)
        if "memory" in wanted
        else None,
        "far": far(root, chosen, min(args.rounds, 5)) if "far" in wanted else None,
    }


if __name__ == "__main__":
    raise SystemExit(main())
