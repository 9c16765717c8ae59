"""Many sizes: records of as many sizes as there are, beside the same pixels at one size.

A library that compiles for a size pays for each new one, and folders of photographs have thousands.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma
from multiaug.testing import compilations

from .rows import AFFINE, BASE

Shape = tuple[int, int]
LEAST, CROP, BATCH, MOST_BOXES = 160, 128, 16, 60


@dataclass
class Spent:
    """What records of one side of the comparison took."""

    seconds: float = 0.0
    pixels: int = 0
    records: int = 0
    compiled: int = 0

    @property
    def per_pixel(self) -> float:
        """Nanoseconds."""
        return 1e9 * self.seconds / self.pixels


def shapes(count: int, seed: int = 0) -> list[Shape]:
    """`count` different (height, width), the least side 160, in a random order."""
    side = max(160, math.isqrt(4 * count))
    picked = np.random.default_rng(seed).choice(side * side, count, replace=False)
    return [(LEAST + int(p) // side, LEAST + int(p) % side) for p in picked]


def measure(name: str, count: int, seconds: float) -> dict[str, Any]:
    """One line: the time of a pixel with all sizes and with one, and what was compiled.

    Args:
        name: ``sizes-call`` (one record a call) or ``sizes-loader`` (a loader that crops them).
        count: records, each of a size and, in calls, with a number of boxes of its own.
        seconds: each side ends after about as long.
    """
    different = shapes(count)
    side = round(math.sqrt(sum(h * w for h, w in different) / count))
    take = {"sizes-call": _calls, "sizes-loader": _loader}[name]
    try:
        many, one = take(different, (side, side), seconds)
    except ma.MultiaugError as error:
        return {"asked": count, "error": f"cannot: {str(error).split(': ', 1)[-1][:120]}"}
    return {
        "asked": count,
        "records": many.records,
        "different_ns": many.per_pixel,
        "equal_ns": one.per_pixel,
        "ratio": many.per_pixel / one.per_pixel,
        "compilations": many.compiled,
    }


def _clocked(spent: Spent, pixels: int, call: Callable[[], Any]) -> None:
    started = time.perf_counter()
    call()
    spent.seconds += time.perf_counter() - started
    spent.pixels += pixels


@contextmanager
def _counted(spent: Spent) -> Iterator[None]:
    """Count what is compiled, in any thread: that of the block alone is not all of a loader."""
    before = jax.config.jax_log_compiles
    jax.config.update("jax_log_compiles", True)
    try:
        with compilations() as messages:
            yield
    finally:
        jax.config.update("jax_log_compiles", before)
        spent.compiled += sum(text.startswith("Compiling ") for text in messages)


def _calls(different: Sequence[Shape], equal: Shape, seconds: float) -> tuple[Spent, Spent]:
    """``pipeline(key, record)``, in turns: a new size, the one size."""
    document = {"schema": "multiaug.spec/1", "name": "sizes"}
    spec = ma.DataSpec.from_dict({**document, "entries": {**BASE, "boxes": {"role": "boxes"}}})
    pipeline = ma.Pipeline(list(AFFINE), spec)
    rng = np.random.default_rng(0)
    side = max(max(shape) for shape in different)
    image = rng.integers(0, 256, (side, side, 3), np.uint8)
    keys = jax.random.split(jax.random.key(0), len(different))

    def record(shape: Shape, boxes: int) -> dict[str, NDArray[Any]]:
        height, width = shape
        corners = np.sort(rng.uniform(0, min(shape), (boxes, 2, 2)), axis=1).astype(np.float32)
        return {
            "image": image[:height, :width].copy(),
            "mask": image[:height, :width, 0] // 64,
            "boxes": corners.reshape(boxes, 4),
        }

    # The machinery is warm, as it is after the first epoch: with a size that does not come again.
    first = record((LEAST - 1, LEAST - 1), MOST_BOXES + 1)
    for _ in range(2):
        jax.block_until_ready(pipeline(keys[0], first))
        jax.block_until_ready(pipeline(keys[0], record(equal, MOST_BOXES // 2)))
    many, one = Spent(), Spent()
    for i, shape in enumerate(different):
        for spent, size, boxes in (
            (many, shape, 1 + i % MOST_BOXES),
            (one, equal, MOST_BOXES // 2),
        ):
            made = record(size, boxes)
            with _counted(spent):
                _clocked(
                    spent,
                    size[0] * size[1],
                    lambda made=made, i=i: jax.block_until_ready(pipeline(keys[i], made)),
                )
            spent.records += 1
        if many.seconds > seconds:
            break
    return many, one


def _loader(different: Sequence[Shape], equal: Shape, seconds: float) -> tuple[Spent, Spent]:
    """A loader over a folder of images that crops them to one size; an epoch, then another."""
    spec = ma.DataSpec.from_dict(
        {"schema": "multiaug.spec/1", "name": "sizes", "entries": {"image": BASE["image"]}}
    )
    found = []
    # The machinery is warm, as in calls: batches of the same lengths, sizes that do not come again.
    warm = [(LEAST - 1 - i, LEAST - 1) for i in range(BATCH + len(different) % BATCH)]
    for sizes in (warm, different, [equal] * len(different)):
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder) / "image", sizes)
            loader = ma.Loader(
                ma.open_source(folder, spec), ma.Pipeline([ma.Crop(CROP)], spec), batch_size=BATCH
            )
            found.append(_epoch(loader, sizes, seconds))
    return found[1], found[2]


def _epoch(loader: Any, sizes: Sequence[Shape], seconds: float) -> Spent:
    spent = Spent()
    mean = sum(h * w for h, w in sizes) // len(sizes)
    with _counted(spent):
        batches = iter(loader)
        while spent.records < len(sizes) and spent.seconds < seconds:
            count = min(BATCH, len(sizes) - spent.records)
            _clocked(spent, count * mean, lambda: jax.block_until_ready(next(batches)["image"]))
            spent.records += count
    return spent


def _write(folder: Path, sizes: Sequence[Shape]) -> None:
    """Uncompressed images: what is timed is not a decoder."""
    folder.mkdir()
    for i, (height, width) in enumerate(sizes):
        pixels = np.full((height, width, 3), i % 256, np.uint8)
        (folder / f"{i:06}.ppm").write_bytes(b"P6 %d %d 255\n" % (width, height) + pixels.tobytes())
