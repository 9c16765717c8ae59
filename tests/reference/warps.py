"""What geometric transforms do to positions and to images, beside matrices and SciPy in float64."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import multiaug as ma
from multiaug.transforms import Frame
from tests.reference import maps
from tests.reference.banded import grids
from tests.reference.bars import IMAGE, IMAGE_LEVELS, POSITION, SEARCHED, Row
from tests.reference.distortions import REFERENCES
from tests.reference.sampling import sample

OBLONG, SQUARE = (40, 60), (44, 44)
COUNT = 64
KEYS = jax.random.split(jax.random.key(3), COUNT)
LEAN = np.array([[0.9, 0.1, 1], [-0.2, 1.1, 0.5], [0, 0, 1]], np.float32)
# Draws are those of records with a camera, labels and boxes.
SPEC = ma.DataSpec(
    "seen",
    [
        *(
            ma.EntrySpec.of_role(
                name, "intensity", channels=1, dtype=dtype, interpolation="linear", border="mirror"
            )
            for name, dtype in (("floats", "float32"), ("bytes", "uint8"))
        ),
        ma.EntrySpec.of_role("mask", "label", dtype="uint8"),
        ma.EntrySpec.of_role("boxes", "boxes", dtype="float32"),
        ma.EntrySpec.of_role("camera", "intrinsics", dtype="float32", of="floats"),
    ],
)
CASES = {
    "Affine": ma.Affine(LEAN),
    "BoxSafeCrop": ma.BoxSafeCrop((24, 36)),
    "CameraRotate": ma.CameraRotate(15, 20, 40),
    "CanonicalCamera": ma.CanonicalCamera((32, 48), 60, position="random"),
    "Crop": ma.Crop((21, 33)),
    "D4": ma.D4(),
    "Elastic": ma.Elastic(0.03, (3, 4)),
    "Flip": ma.Flip("x"),
    "Flip, upside down": ma.Flip("y"),
    "GridDistortion": ma.GridDistortion(0.5, (4, 6)),
    "LabelCrop": ma.LabelCrop((20, 30)),
    "LetterBox": ma.LetterBox((64, 48), position="random"),
    "LetterBox, not enlarged": ma.LetterBox(99, position="bottom_right", scale_up=False),
    "OpticalDistortion": ma.OpticalDistortion((-0.2, 0.3), (0, 0.2)),
    "Pad": ma.Pad((3, 5)),
    "PadTo": ma.PadTo((64, 32), position="random"),
    "PadToMultiple": ma.PadToMultiple((32, 7), position="top_right"),
    "Perspective": ma.Perspective(0.1),
    "PiecewiseAffine": ma.PiecewiseAffine(0.05, (3, 4)),
    "RandomResizedCrop": ma.RandomResizedCrop((24, 36)),
    "RandomScaledCrop": ma.RandomScaledCrop((32, 64)),
    "RandomScaledCrop, base size": ma.RandomScaledCrop(
        48, (0.25, 8), base=(20, 90), distribution="log", position="center"
    ),
    "Resize": ma.Resize((24, 90)),
    "ResizeLongest": ma.ResizeLongest(91, multiple=7),
    "ResizeShortest": ma.ResizeShortest(25, max_size=30),
    "ResizeShortest, window": ma.ResizeShortest(
        (16, 30, 90), max_size=100, multiple=4, crop=(50, 33)
    ),
    "Rot90": ma.Rot90(),
    "Rotate": ma.Rotate(180),
    "SafeRotate": ma.SafeRotate(200),
    "SafeRotate, expand": ma.SafeRotate((10, 70), expand=True),
    "Scale": ma.Scale(2, per_axis=True),
    "Shear": ma.Shear(((-20, 20), (-10, 10))),
    "ThinPlateSpline": ma.ThinPlateSpline(0.05, (3, 4)),
    "Translate": ma.Translate(0.2),
    "Transpose": ma.Transpose(),
}
BY = {
    "Elastic": "SciPy's BSpline",
    "ThinPlateSpline": "SciPy's RBFInterpolator",
    "GridDistortion": "NumPy's interp",
    "OpticalDistortion": "closed form",
    "PiecewiseAffine": "barycentric coordinates",
    "CameraRotate": "K R K^-1 in float64",
}
BY_DEFAULT = "matrices in float64"
DENSE = {"Elastic", *REFERENCES}
# Those that no other test by day holds to a reference.
BY_DAY = [
    name for name in CASES if name.partition(",")[0] in
    {"LetterBox", "PadTo", "PadToMultiple", "RandomScaledCrop", "ResizeLongest", "ResizeShortest",
     "SafeRotate"}
]  # fmt: skip


def shape_of(name: str) -> tuple[int, int]:
    return SQUARE if name.partition(",")[0] in {"D4", "Rot90", "Transpose"} else OBLONG


def record_of(shape: tuple[int, int], count: int | None = None) -> dict[str, np.ndarray]:
    """A record, or a batch of them."""
    rng, lead = np.random.default_rng(4), () if count is None else (count,)
    height, width = shape
    corners = np.float32([[8, 6, 30, 18], [20, 10, 41, 29]])
    return {
        "floats": rng.random((*lead, *shape, 1), np.float32),
        "bytes": rng.integers(0, 256, (*lead, *shape, 1), np.uint8),
        "mask": np.kron(rng.integers(0, 3, (*lead, height // 4, width // 4)), np.ones((4, 4)))
        .astype(np.uint8),
        "boxes": np.broadcast_to(corners, (*lead, 2, 4)).copy(),
        "camera": np.broadcast_to(np.float32(maps.camera(shape)), (*lead, 3, 3)).copy(),
    }  # fmt: skip


def rows_of_positions(names: Collection[str] = tuple(CASES)) -> list[Row]:
    """Where output pixels are read, and the way back of it; all of them are compiled at once."""
    cases = {name: CASES[name] for name in names}
    shapes = {name: shape_of(name) for name in cases}
    places = {}
    for name, transform in cases.items():
        height, width = transform.out_shape(shapes[name])
        places[name] = np.random.default_rng(5).uniform(-0.5, 0.5, (40, 2)) * (width, height)

    @jax.jit
    @jax.vmap
    def run(key):
        params, found = {}, {}
        for name, transform in cases.items():
            record = {n: jnp.asarray(a) for n, a in record_of(shapes[name]).items()}
            frame = Frame(shapes[name], SPEC, record)
            params[name] = transform.sample(key, frame)
            warp = transform.map(params[name], shapes[name])
            at = jnp.float32(places[name].T)
            x, y, _ = warp.pull(*at)
            found[name] = jnp.stack([x, y, *warp.push(x, y)[:2]], -1)
        return params, found

    params, found = jax.tree.map(np.asarray, run(KEYS))
    rows = []
    for name, transform in cases.items():
        shape, out = shapes[name], transform.out_shape(shapes[name])
        at = places[name] + (np.array(out[::-1]) - 1) / 2
        there = back = 0.0
        for i in range(COUNT):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], params[name])
            want = np.stack(maps.backward([transform], [one], shape)(*at.T), -1)
            pulled, pushed = np.split(np.float64(found[name][i]), 2, axis=-1)
            there = max(there, np.abs(pulled + (np.array(shape[::-1]) - 1) / 2 - want).max())
            back = max(back, np.abs(pushed - places[name]).max())
        rows.append(row(name, "positions", "float32", POSITION, {"both": there}))
        bar = SEARCHED if name in DENSE else POSITION
        rows.append(row(name, "positions, there and back", "float32", bar, {"both": back}))
    return rows


def row(name: str, what: str, dtype: str, bar: Any, errors: dict[str, float]) -> Row:
    transform, _, words = name.partition(", ")
    by = BY.get(transform, BY_DEFAULT)
    case = ", ".join(filter(None, (words, what)))
    return Row(transform, case, "the identity" if "back" in what else by, dtype, bar, errors)


def images(name: str) -> Iterator[tuple[str, float]]:
    """(entry, largest error) of images that are read by the map, not smoothed before."""
    transform, shape = CASES[name], shape_of(name)
    if hasattr(transform, "antialias"):
        transform = replace(transform, antialias=False)
    pipeline, count = ma.Pipeline([transform], SPEC), 4
    batch = record_of(shape, count)
    out = pipeline.batch(KEYS[:count], batch)
    params = pipeline.sample(KEYS[:count], shape, record=batch)
    for entry in ("floats", "bytes"):
        worst = 0.0
        for i, (x, y) in grids(pipeline, params):
            want = sample(batch[entry][i, ..., 0], x, y, "linear", "mirror", 0)
            worst = max(worst, np.abs(np.float64(out[entry][i, ..., 0]) - want).max())
        yield entry, float(worst)


def rows_of_images(backend: str) -> list[Row]:
    """Of the backend that runs at present."""
    rows = []
    for name in CASES:
        for entry, error in images(name):
            dtype, bar = ("float32", IMAGE) if entry == "floats" else ("uint8", IMAGE_LEVELS)
            found = row(name, "image", dtype, bar, {backend: error})
            rows.append(found._replace(by=f"{found.by}, SciPy"))
    return rows
