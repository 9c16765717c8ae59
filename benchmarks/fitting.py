"""How near `fit` is to what reading and arithmetic take: ``python -m benchmarks.fitting``.

Crops of photographs, 64 x 64 x 3 in chunks of 16 records, zstd with checksums (2 GB; ``--quick``:
0.2). Beside a fit, turn by turn in one process: the decode limit, two threads that decode files in
C into memory of one chunk each (`limit.py`); the read limit, two threads that do so from Python
with numcodecs; neither shares code with the library; and the arithmetic limit, the same statistic
fed from warm memory. Processor time is the primary figure where others use the machine. ZCA stands
beside itself on records in memory. A process of its own for each shows what `multiaug.tune_malloc`
would gain, and the peak of the resident set. At the end an export beside two threads that only
hash: what of the machine is to be had, and how much of it the export uses.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import multiaug as ma

from .limit import DecodeLimit, Files
from .memory import _resident

CHUNK, SIDE = 16, 64
_WHITENED = 16_384  # records that are whitened: their arithmetic takes a hundred times as long
Row = dict[str, Any]


def crops(count: int, side: int, seed: int) -> np.ndarray[Any, Any]:
    """Crops of scikit-image's photographs, some mirrored, of different brightness."""
    from skimage import data

    photos = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    draw = np.random.default_rng(seed)
    gains = np.clip(np.arange(256) * np.linspace(0.7, 1.2, 64)[:, None], 0, 255).astype(np.uint8)
    out = np.empty((count, side, side, 3), np.uint8)
    for number in range(count):
        photo = photos[number % len(photos)]
        y, x = (int(draw.integers(0, size - side)) for size in photo.shape[:2])
        crop = photo[y : y + side, x : x + side, :: -1 if draw.random() < 0.5 else 1]
        out[number] = gains[draw.integers(64)][crop]
    return out


def make_store(path: Path, records: int, side: int = SIDE, chunk: int = CHUNK) -> None:
    """A zarr store as zarr-python writes it."""
    import zarr
    from zarr.codecs import ZstdCodec

    if path.exists():
        return
    array = zarr.open_group(path, mode="w").create_array(
        "image", shape=(records, side, side, 3), dtype="uint8", chunks=(chunk, side, side, 3),
        compressors=ZstdCodec(level=3, checksum=True), config={"write_empty_chunks": True},
    )  # fmt: skip
    for start in range(0, records, 4096):
        count = min(4096, records - start)
        array[start : start + count] = crops(count, side, start)


def spec() -> Any:
    entries = {"image": {"role": "intensity", "channels": 3, "dtype": "uint8"}}
    return ma.DataSpec.from_dict({"name": "images", "entries": entries})


def read_limit(path: Path, records: int) -> None:
    """Two threads, each into memory of one chunk."""
    import numcodecs

    size = CHUNK * SIDE * SIDE * 3
    stored, rows = np.ones((2, 2 * size), np.uint8), np.ones((2, size), np.uint8)
    decode = numcodecs.Zstd().decode

    def work(thread: int) -> None:
        for chunk in range(thread, -(-records // CHUNK), 2):
            handle = os.open(f"{path}/image/c/{chunk}/0/0/0", os.O_RDONLY)
            view = stored[thread][: os.fstat(handle).st_size]
            os.preadv(handle, [view], 0)
            os.close(handle)
            decode(view, rows[thread])

    with ThreadPoolExecutor(2) as executor:
        list(executor.map(work, range(2)))


def arithmetic_limit(statistic: Any, rows: np.ndarray[Any, Any], records: int) -> None:
    """The same sums of records that are in memory."""
    subject = ma.statistics.Subject("image", rows.shape[1:], rows.dtype.name)
    bound = statistic.bound(subject)
    accumulator = bound.accumulator(bound.init())
    for start in range(0, records, len(rows)):
        accumulator.add(rows[: records - start])
    accumulator.state()


def taken(call: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of a call."""
    gc.collect()
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    call()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu


def in_turns(calls: dict[str, Callable[[], Any]], turns: int) -> dict[str, np.ndarray[Any, Any]]:
    """(turns, 2) wall and processor seconds of each; the first calls do not count."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for turn in range(turns):
        for name in list(calls)[:: 1 if turn % 2 else -1]:
            found[name].append(taken(calls[name]))
    return {name: np.array(times) for name, times in found.items()}


def limits(path: Path, records: int, turns: int) -> list[Row]:
    """Moments beside the read limit and the arithmetic limit."""
    source, statistic = ma.open_source(path, spec()), ma.Moments()
    rows = source.read(np.arange(min(1024, records)))["image"]
    files = Files(f"{path}/image/c/", "/0/0/0", -(-records // CHUNK), CHUNK * SIDE * SIDE * 3)
    found = in_turns(
        {
            "decode limit": DecodeLimit([files], "zstd", chunks=2),
            "read limit": lambda: read_limit(path, records),
            "arithmetic limit": lambda: arithmetic_limit(statistic, rows, records),
            "scan": lambda: [None for _ in source.scan()],
            "fit moments": lambda: ma.fit(source, statistic, progress=False, check=False),
        },
        turns,
    )
    slower = np.maximum(found["read limit"], found["arithmetic limit"])
    rows_of_all = []
    for name, times in found.items():
        row: Row = {
            "what": name,
            "wall_s": float(np.median(times[:, 0])),
            "cpu_s": float(np.median(times[:, 1])),
        }
        for of, limit in (
            ("decode limit", found["decode limit"]),
            ("slower of the others", slower),
        ):
            for column, kind in enumerate(("wall", "cpu")):
                share = np.median(limit[:, column] / times[:, column])
                row[f"{of} / this, {kind}"] = float(share)
        rows_of_all.append(row)
    return rows_of_all


def whitening(path: Path, records: int, turns: int) -> list[Row]:
    """Moments and ZCA of a store beside the same fit of the same records in memory."""
    source = ma.open_source(path, spec())
    count = min(records, _WHITENED)
    held = ma.open_source({"image": source.read(np.arange(count))["image"]}, spec())
    wanted = ma.Moments(), ma.ZCA(components=64)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DATA")) as folder:
        make_store(Path(folder, "part.zarr"), count)
        stored = ma.open_source(Path(folder, "part.zarr"), spec())
        found = in_turns(
            {
                "in memory": lambda: ma.fit(held, *wanted, progress=False, check=False),
                "from zarr": lambda: ma.fit(stored, *wanted, progress=False, check=False),
            },
            turns,
        )
    limit = found["in memory"]
    return [
        {
            "what": f"ZCA of {count:,} records, {name}",
            "wall_s": float(np.median(times[:, 0])),
            "cpu_s": float(np.median(times[:, 1])),
            "in memory / this, wall": float(np.median(limit[:, 0] / times[:, 0])),
            "in memory / this, cpu": float(np.median(limit[:, 1] / times[:, 1])),
        }
        for name, times in found.items()
    ]


def malloc(path: Path, records: int, turns: int) -> list[Row]:
    """Processes with freed memory kept by `tune_malloc`, and as they are."""
    found: dict[bool, list[Row]] = {False: [], True: []}
    for _ in range(turns):
        for tuned in found:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.fitting", "child", str(path), str(int(tuned))],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            found[tuned].append(json.loads(done.stdout.splitlines()[-1]))
    ratio = [a["cpu_s"] / b["cpu_s"] for a, b in zip(found[False], found[True], strict=True)]
    return [
        {
            "what": f"fit moments, {'tune_malloc' if tuned else 'as it is'}",
            **{key: statistics.median(row[key] for row in rows) for key in rows[0]},
            "cpu / cpu tuned": 1.0 if tuned else statistics.median(ratio),
        }
        for tuned, rows in found.items()
    ]


def child(path: str, tuned: str) -> Row:
    """One fit, and the peak of the resident set."""
    if int(tuned):
        ma.tune_malloc()
    source = ma.open_source(path, spec())
    start = _resident("VmRSS")
    wall, cpu = taken(lambda: ma.fit(source, ma.Moments(), memory="400MB", progress=False))
    peak = _resident("VmHWM")
    return {"wall_s": wall, "cpu_s": cpu, "peak_gb": peak / 1e9, "above_gb": (peak - start) / 1e9}


def exports(root: Path, records: int, turns: int) -> list[Row]:
    """What of two cores an export uses, beside two threads that hash."""
    make_store(root / "large", records, 224, 1)
    source = ma.open_source(root / "large", spec())
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Brightness(0.2)], source.spec)

    def export(how: Any) -> None:
        shutil.rmtree(root / "out", ignore_errors=True)
        ma.export(source, how, root / "out", progress=False)

    found = in_turns(
        {
            "two threads that hash": _hash,
            "export, None": lambda: export(None),
            "export, Rotate and Brightness": lambda: export(pipeline),
        },
        turns,
    )
    busy = {name: times[:, 1] / times[:, 0] for name, times in found.items()}
    return [
        {
            "what": name,
            "wall_s": float(np.median(times[:, 0])),
            "cpu / wall": float(np.median(busy[name])),
            "of what hashing gets": float(np.median(busy[name] / busy["two threads that hash"])),
        }
        for name, times in found.items()
    ]


def _hash() -> None:
    block = bytes(1 << 20)

    def work() -> None:
        for _ in range(1000):
            hashlib.sha256(block).digest()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def table(rows: list[Row]) -> str:
    """Markdown."""
    keys = list(rows[0])
    lines = [keys, ["---"] * len(keys)]
    lines += [[v if isinstance(v, str) else f"{v:.3g}" for v in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(argv: list[str]) -> None:
    """Run what is asked for."""
    if argv[:1] == ["child"]:
        print(json.dumps(child(*argv[1:])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="0.2 GB, a minute")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--parts", nargs="+", default=["limits", "whitening", "malloc", "exports"])
    args = parser.parse_args(argv)
    records = 163_840 // (10 if args.quick else 1)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DATA")) as folder:
        path = Path(folder, "c16.zarr")
        if {"limits", "whitening", "malloc"} & set(args.parts):
            make_store(path, records)
        parts = {
            "limits": lambda: limits(path, records, args.turns),
            "whitening": lambda: whitening(path, records, args.turns),
            "malloc": lambda: malloc(path, records, args.turns),
            "exports": lambda: exports(Path(folder), 512 if args.quick else 2048, args.turns),
        }
        for name in args.parts:
            print(f"## {name}\n\n{table(parts[name]())}\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
