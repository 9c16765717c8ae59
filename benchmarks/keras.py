"""`multiaug.keras` beside the classic generator of Keras 3: pictures per second of `flow`.

Both iterate over the same arrays, batches of 32, with the same ranges; the pairs are interleaved
in one process, and a row is the median of the ratios of its pairs. Beside the ratio of the clock
stands that of processor time, of all threads: it is what a busy machine leaves comparable, and what
the second core does not flatter::

    python -m benchmarks.keras --seconds 2 --pairs 7 --json keras.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

BATCH = 32


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    shape: tuple[int, int, int]
    records: int
    settings: dict[str, Any]
    bar: float


MOVES = {
    "rotation_range": 30,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}
ROWS = (
    Row("32 x 32 x 3", (32, 32, 3), 4096, MOVES, 15),
    Row("224 x 224 x 3", (224, 224, 3), 256, MOVES, 15),
    Row("224 x 224 x 6", (224, 224, 6), 256, MOVES, 15),
    Row(
        "32 x 32 x 3, ZCA",
        (32, 32, 3),
        4096,
        {**MOVES, "featurewise_center": True, "zca_whitening": True},
        10,
    ),
)


def pictures(row: Row) -> np.ndarray:
    """Smooth noise in 0 .. 255, float32, as both would make of bytes."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (row.records, row.shape[0] // 4, row.shape[1] // 4, row.shape[2]))
    fine = coarse.repeat(4, axis=1).repeat(4, axis=2)
    return (fine + rng.normal(0, 5, fine.shape)).astype(np.float32)


def classic(row: Row, x: np.ndarray) -> Callable[[], Any]:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    return _flow(ImageDataGenerator, row, x)


def ours(row: Row, x: np.ndarray) -> Callable[[], Any]:
    from multiaug.keras import ImageDataGenerator

    return _flow(ImageDataGenerator, row, x)


def _flow(make: Any, row: Row, x: np.ndarray) -> Callable[[], Any]:
    generator = make(**row.settings, data_format="channels_last")
    if row.settings.get("zca_whitening"):
        generator.fit(x)
    batches = generator.flow(x, np.arange(len(x)), batch_size=BATCH, seed=0)

    def take() -> Any:
        found = next(batches)
        # Somebody trains on it: every batch is looked at.
        float(found[0][0, 0, 0, 0])
        return found

    for _ in range(2):
        take()
    return take


def rate(take: Callable[[], Any], seconds: float, least: int) -> tuple[float, float]:
    """Pictures per second of the clock, and per second of processor time.

    Over whole batches, ``least`` of them at least: ours makes small pictures 32 batches at a time.
    """
    begin, work, count = time.perf_counter(), time.process_time(), 0
    while (spent := time.perf_counter() - begin) < seconds or count < least * BATCH:
        count += len(take()[0])
    return count / spent, count / (time.process_time() - work)


def measure(row: Row, seconds: float, pairs: int) -> dict[str, Any]:
    x = pictures(row)
    first, second = classic(row, x), ours(row, x)
    found, least = [], 32 if row.shape[0] < 100 else 2
    for number in range(pairs):
        both = [(first, "classic"), (second, "ours")]
        rates = {
            name: rate(take, seconds, least) for take, name in both[:: 1 if number % 2 else -1]
        }
        slow, fast = rates["classic"], rates["ours"]
        found.append((slow[0], fast[0], fast[0] / slow[0], fast[1] / slow[1]))
    slow, fast, ratio, work = (statistics.median(column) for column in zip(*found, strict=True))
    return {
        "row": row.name,
        "classic": slow,
        "ours": fast,
        "ratio": ratio,
        "least": min(pair[2] for pair in found),
        "most": max(pair[2] for pair in found),
        "processor": work,
        "bar": row.bar,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side of a pair")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--rows", default="", help="part of the names of rows")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    results = []
    print("| flow, batches of 32 | classic | multiaug | times (least, most) | by work | bar |")
    print("|---|---|---|---|---|---|")
    for row in ROWS:
        if options.rows not in row.name:
            continue
        r = measure(row, options.seconds, options.pairs)
        results.append(r)
        print(
            f"| {r['row']} | {r['classic']:,.0f} /s | {r['ours']:,.0f} /s | {r['ratio']:.1f} "
            f"({r['least']:.1f}, {r['most']:.1f}) | {r['processor']:.1f} | {r['bar']} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
