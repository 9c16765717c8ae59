"""What is compared: a pipeline, its records, and how much faster than a peer it has to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

# Peers draw anew for each call; so do we, from so many keys in turn.
KEYS = 16


@dataclass(frozen=True, eq=False)
class Row:
    """One comparison.

    Args:
        name: of the row.
        what: is done, in words.
        bar: the least ratio of the fastest peer's time to ours.
        dtype: of the images.
        channels: of the images.
        side: of the square images.
        batch: records of a call.
        make: the pipeline or views for a spec.
        masked: a label map goes along.
        levels: how far peers, which do the same work with the same numbers, may be off, of 255;
            None where something is drawn.
    """

    name: str
    what: str
    bar: float
    dtype: str
    channels: int
    side: int
    batch: int
    make: Callable[[ma.DataSpec], Any]
    masked: bool = False
    levels: float | None = None


class Case:
    """A row with its data; no coordinates are moved."""

    moves = False

    def __init__(self, row: Row, seed: int = 0) -> None:
        self.row = row
        self._rng = np.random.default_rng(seed)
        self.image = self._images()
        dark = self.image[..., 0].astype(np.float32)
        levels = np.quantile(dark, [0.25, 0.5, 0.75])
        self.mask = np.digitize(dark, levels).astype(np.uint8)
        self.maker = row.make(spec_of(row))
        self.keys = list(jax.random.split(jax.random.key(seed), (KEYS, row.batch)))

    @property
    def record(self) -> dict[str, NDArray[Any]]:
        """The batch as the spec names it."""
        found = {"image": self.image}
        return found | {"mask": self.mask} if self.row.masked else found

    @cached_property
    def expected(self) -> Any:
        """What we make of it."""
        return self.maker.batch(self.keys[0], self.record)

    def _images(self) -> NDArray[Any]:
        """Waves and edges, with a little noise; normalised where they are floats."""
        row, rng = self.row, self._rng
        axis = np.linspace(0, 2 * np.pi, row.side, dtype=np.float32)
        image = np.empty((row.batch, row.side, row.side, row.channels), row.dtype)
        for i in range(row.batch):
            u, v, phase = rng.uniform(1, 6, (3, row.channels)).astype(np.float32)
            wave = np.sin(axis[:, None, None] * u + phase) * np.cos(axis[None, :, None] * v)
            wave += 0.5 * np.sign(np.sin(axis[:, None, None] * v + axis[None, :, None] * u))
            wave += rng.normal(0, 0.05, wave.shape).astype(np.float32)
            image[i] = wave if row.dtype == "float32" else np.clip(128 + 75 * wave, 0, 255)
        return image


def spec_of(row: Row) -> ma.DataSpec:
    """An image, with colours where it has three channels, and a label map."""
    channels = ["r", "g", "b"] if row.channels == 3 else row.channels
    entries: dict[str, Any] = {
        "image": {"role": "intensity", "dtype": row.dtype, "channels": channels}
        | ({"range": [-2, 2]} if row.dtype == "float32" else {})
    }
    if row.masked:
        entries["mask"] = {"role": "label", "dtype": "uint8", "ignore": 255}
    return ma.DataSpec.from_dict({"name": "recipe", "entries": entries})


def _of(*transforms: Any) -> Callable[[ma.DataSpec], ma.Pipeline]:
    return lambda spec: ma.Pipeline(list(transforms), spec)


def _recipe(name: str, *args: Any, **settings: Any) -> Callable[[ma.DataSpec], Any]:
    return lambda spec: getattr(ma.recipes, name)(spec, *args, **settings)


ROWS = (
    Row(
        "randaugment", "RandAugment(2, 9)", 2.0, "uint8", 3, 224, 32,
        _of(ma.RandAugment(2, 9, clip=True)),
    ),
    Row(
        "nnunet", "nnU-Net's default in two dimensions, 432 -> 256, four channels and labels",
        3.0, "float32", 4, 432, 8, _recipe("nnunet", 256), masked=True,
    ),
    Row(
        "mmseg", "MMSegmentation's ADE20K (SegFormer), 1024 -> 512, and labels", 2.0, "uint8", 3,
        1024, 8, _recipe("mmseg", 512), masked=True,
    ),
    Row(
        "mmseg-antialias", "the same, low-passed where it shrinks", 1.0, "uint8", 3, 1024, 8,
        _recipe("mmseg", 512, antialias=True), masked=True,
    ),
    Row(
        "dino", "DINO's views, 2 of 224 and 8 of 96, normalised", 1.5, "uint8", 3, 448, 8,
        _recipe("dino", 224),
    ),
    Row(
        "blur-u8x3", "GaussianBlur, deviation 1.5", 1.0, "uint8", 3, 224, 32,
        _of(ma.GaussianBlur((1.5, 1.5))), levels=2.5,
    ),
    Row(
        "blur-f32x3", "GaussianBlur, deviation 1.5", 1.0, "float32", 3, 224, 32,
        _of(ma.GaussianBlur((1.5, 1.5))), levels=2.5,
    ),
    Row(
        "jitter-u8x3", "ColorJitter(0.4, 0.4, 0.2, 0.1)", 1.0, "uint8", 3, 224, 32,
        _of(ma.ColorJitter(0.4, 0.4, 0.2, 0.1, clip=True)),
    ),
    Row(
        "clahe-u8x1", "CLAHE, a limit of 4, 8 x 8 tiles", 1.0, "uint8", 1, 224, 32,
        _of(ma.CLAHE((4.0, 4.0), 8)), levels=6,
    ),
    Row(
        "clahe-u8x3", "the same, of each channel", 1.0, "uint8", 3, 224, 32,
        _of(ma.CLAHE((4.0, 4.0), 8)), levels=6,
    ),
)  # fmt: skip


def form_of(case: Case) -> Callable[[], Mapping[str, Any]]:
    """Our call, with other keys each time."""
    calls = iter(range(10**9))

    def call() -> Any:
        keys = case.keys[next(calls) % KEYS]
        return jax.block_until_ready(case.maker.batch(keys, case.record))

    return call
