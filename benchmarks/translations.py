"""Translated pipelines beside what they come from: `python -m benchmarks.translations`.

Deterministic transforms (p = 1, ranges of one number) on one image of bytes. Whichever of
albumentations and torchvision cannot be imported is left out, and that is said.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

import multiaug as ma

# Levels of 255 that an image may differ by: at the worst pixel, and on average. Values may be cut
# to whole levels there, and rounded here. Geometry, and what looks at neighbours, is compared away
# from the rim, where borders meet.
EXACT, ROUNDED, MOVED = (0.0, 0.0), (1.0, 0.75), (1.0, 0.5)
INSIDE = (0.0, 1e-9)
RIM = 6
SIZE = (64, 80)


class Row(NamedTuple):
    """A transform and how near its translation has to be."""

    library: str
    name: str
    theirs: Callable[[np.ndarray], np.ndarray]
    translation: ma.Translation
    bar: tuple[float, float]


def image(height: int, width: int) -> np.ndarray:
    """A smooth image in colours with all levels."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    waves = [np.sin(x / 9 + c) * np.cos(y / (7 + c)) + 0.3 * np.cos((x + y) / 11) for c in range(3)]
    values = np.stack(waves, -1)
    values -= values.min()
    return np.round(values / values.max() * 255).astype(np.uint8)


def spec() -> ma.DataSpec:
    """An image of bytes in colours."""
    colours = {"role": "intensity", "channels": ["r", "g", "b"], "dtype": "uint8"}
    return ma.DataSpec.from_dict({"name": "bytes", "entries": {"image": colours}})


def albumentations_rows(library: Any, of: ma.DataSpec) -> Iterator[Row]:
    """Its transforms."""
    one, A = {"p": 1.0}, library
    cases = [
        (A.HorizontalFlip(**one), EXACT),
        (A.VerticalFlip(**one), EXACT),
        (A.Transpose(**one), EXACT),
        (A.CenterCrop(31, 41), EXACT),
        (A.Crop(3, 5, 43, 37), EXACT),
        (A.Pad((2, 3, 4, 5)), EXACT),
        (A.PadIfNeeded(91, 101), EXACT),
        (A.Resize(128, 160), ROUNDED),
        (A.Resize(50, 50), MOVED),
        (A.LongestMaxSize(120), MOVED),
        (A.Rotate((17, 17), **one), MOVED),
        (A.Affine(scale=(1.2, 1.2), **one), MOVED),
        (A.Affine(rotate=(-25, -25), **one), MOVED),
        (A.Affine(shear={"x": (8, 8), "y": (0, 0)}, **one), MOVED),
        (A.Affine(shear={"x": (0, 0), "y": (8, 8)}, **one), MOVED),
        (A.Affine(translate_px={"x": (5, 5), "y": (-3, -3)}, **one), EXACT),
        (A.Affine(scale=(0.8, 0.8), rotate=(30, 30), translate_px=4, **one), MOVED),
        (A.RandomBrightnessContrast((0.1, 0.1), (0.2, 0.2), **one), ROUNDED),
        (A.RandomGamma((130, 130), **one), ROUNDED),
        (A.HueSaturationValue((10, 10), (0, 0), (0, 0), **one), (6.0, 2.0)),
        (A.HueSaturationValue((0, 0), (20, 20), (0, 0), **one), (6.0, 2.0)),
        (A.ColorJitter((1.2, 1.2), (1, 1), (1, 1), (0, 0), **one), ROUNDED),
        (A.ColorJitter((1, 1), (0.7, 0.7), (1, 1), (0, 0), **one), ROUNDED),
        (A.ColorJitter((1, 1), (1, 1), (1.5, 1.5), (0, 0), **one), ROUNDED),
        (A.Posterize((3, 3), **one), EXACT),
        (A.Solarize((0.5, 0.5), **one), EXACT),
        (A.InvertImg(**one), EXACT),
        (A.ToGray(**one), ROUNDED),
        (A.Equalize(mode="pil", **one), (4.0, 2.0)),
        (A.MedianBlur((3, 3), **one), INSIDE),
        (A.GaussianBlur((7, 7), (1.5, 1.5), **one), ROUNDED),
        (A.MultiplicativeNoise((1.1, 1.1), **one), ROUNDED),
        (A.AutoContrast(method="pil", **one), ROUNDED),
        (A.Normalize(), (1e-4, 1e-5)),
    ]
    for transform, bar in cases:
        document = library.to_dict(library.Compose([transform]))
        yield Row(
            "albumentations",
            type(transform).__name__,
            lambda array, run=transform: run(image=array)["image"],
            ma.from_albumentations(document, of),
            bar,
        )


def torchvision_rows(library: Any, of: ma.DataSpec) -> Iterator[Row]:
    """Its transforms."""
    torch, T = importlib.import_module("torch"), library
    smooth = {"interpolation": T.InterpolationMode.BILINEAR}
    cases = [
        (T.RandomHorizontalFlip(1.0), EXACT),
        (T.RandomVerticalFlip(1.0), EXACT),
        (T.CenterCrop((32, 40)), EXACT),
        (T.Pad([2, 3, 4, 5]), EXACT),
        (T.Resize((128, 160)), ROUNDED),
        (T.RandomRotation((17, 17), **smooth), MOVED),
        (T.RandomAffine((25, 25), **smooth), MOVED),
        (T.RandomAffine((0, 0), shear=(8, 8), **smooth), MOVED),
        (T.RandomAffine((0, 0), shear=(8, 8, -6, -6), **smooth), MOVED),
        (T.RandomAffine((20, 20), scale=(1.2, 1.2), shear=(8, 8, -6, -6), **smooth), MOVED),
        (T.ColorJitter((1.2, 1.2)), ROUNDED),
        (T.ColorJitter(0, (0.7, 0.7)), ROUNDED),
        (T.ColorJitter(0, 0, (1.5, 1.5)), ROUNDED),
        (T.ColorJitter(0, 0, 0, (0.1, 0.1)), ROUNDED),
        (T.GaussianBlur(5, (1.2, 1.2)), ROUNDED),
        (T.RandomPosterize(3, 1.0), EXACT),
        (T.RandomSolarize(128, 1.0), EXACT),
        (T.RandomAdjustSharpness(1.8, 1.0), ROUNDED),
        (T.RandomAutocontrast(1.0), ROUNDED),
        (T.RandomEqualize(1.0), ROUNDED),
        (T.RandomInvert(1.0), EXACT),
        (T.RandomGrayscale(1.0), ROUNDED),
    ]
    for transform, bar in cases:

        def run(array: np.ndarray, run: Any = transform) -> np.ndarray:
            moved = run(torch.from_numpy(np.moveaxis(array, -1, 0).copy()))
            return np.moveaxis(moved.numpy(), 0, -1)

        name = type(transform).__name__
        yield Row("torchvision", name, run, ma.from_torchvision(transform, of), bar)


def errors(row: Row) -> tuple[float, float]:
    """The largest and the mean difference."""
    array = image(*SIZE)
    theirs = row.theirs(array)
    ours = row.translation.pipeline(jax.random.key(0), {"image": array})["image"]
    ours = np.asarray(ours, np.float64)
    if ours.shape != theirs.shape:
        return float("inf"), float("inf")
    apart = np.abs(ours - theirs)
    if row.bar is MOVED or row.bar is INSIDE:
        apart = apart[_inside(theirs)]
    return float(apart.max()), float(apart.mean())


def _inside(array: np.ndarray) -> np.ndarray:
    """Pixels away from the rim, and from what was filled."""
    filled = (array == 0).all(-1)
    near = filled.copy()
    for axis in (0, 1):
        for step in range(-2, 3):
            near |= np.roll(filled, step, axis)
    near[:RIM] = near[-RIM:] = True
    near[:, :RIM] = near[:, -RIM:] = True
    return ~near


def main() -> int:
    """Print the table; 1 where a translation is too far from what it translates."""
    warnings.simplefilter("ignore")
    of, rows = spec(), []
    for module, make in (
        ("albumentations", albumentations_rows),
        ("torchvision.transforms.v2", torchvision_rows),
    ):
        try:
            library = importlib.import_module(module)
        except (ImportError, RuntimeError) as error:
            print(f"{module} cannot be imported, and is left out: {error}")
            continue
        rows += list(make(library, of))
    missed = 0
    print(f"{'library':16}{'transform':26}{'largest':>9}{'mean':>9}{'bar':>14}")
    for row in rows:
        largest, mean = errors(row)
        far = largest > row.bar[0] or mean > row.bar[1]
        missed += far
        bar = f"{row.bar[0]:g}, {row.bar[1]:g}"
        note = "  too far" if far else ""
        print(f"{row.library:16}{row.name:26}{largest:9.4f}{mean:9.4f}{bar:>14}{note}")
    print(f"{len(rows)} transforms, {missed} too far")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
