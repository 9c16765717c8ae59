"""The rows: what is done to which data, with which geometry.

Geometry is drawn once per row, by multiaug's public `Pipeline.sample`, and turned into plain
float64 matrices, control grids and boxes by formulas of this file. So the very geometry that
multiaug draws *inside* its timed call is handed to the others for nothing, and a float64
reference of every result exists.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

WORKS = {
    "a": "affine + flip",
    "b": "affine + elastic",
    "c": "crop + flip",
    "d": "segmentation recipe",
    "e": "RGBXYZ, coordinates moved",
}
KINDS: dict[str, tuple[str, int]] = {
    "u8x1": ("uint8", 1),
    "u8x3": ("uint8", 3),
    "f32x3": ("float32", 3),
    "f32x6": ("float32", 6),
    "f32x12": ("float32", 12),
    "f32x32": ("float32", 32),
    "u16x13": ("uint16", 13),
    "rgbxyz": ("float32", 6),
}
SIZES = (32, 224, 512, 1024)
ELASTIC = {"amount": 0.03, "grid": (5, 5)}
QUICK = ("a-u8x3-32", "a-u8x3-224", "a-f32x6-224", "b-u8x3-224", "c-u8x3-224", "d-u8x3-224")
QUICK = (*QUICK, "a-f32x3-224", "a-u16x13-224", "a-f32x3-1024", "e-rgbxyz-224")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    work: str
    kind: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.work}-{self.kind}-{self.size}"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(KINDS[self.kind][0])

    @property
    def channels(self) -> int:
        return KINDS[self.kind][1]

    @property
    def batch(self) -> int:
        return {512: 8, 1024: 2}.get(self.size, 32)

    @property
    def white(self) -> float:
        """The value that stands for white."""
        return 1.0 if self.dtype.kind == "f" else float(np.iinfo(self.dtype).max)

    @property
    def out_shape(self) -> tuple[int, int]:
        side = self.size * 7 // 8 if self.work == "c" else self.size
        return side, side

    @property
    def out_bytes(self) -> int:
        """Bytes of one batch of results, pictures and masks."""
        height, width = self.out_shape
        return self.batch * height * width * (self.channels * self.dtype.itemsize + 1)


def all_rows() -> list[Row]:
    """The whole matrix."""
    rows = [Row(w, k, s) for w in "abcd" for k in KINDS for s in SIZES]
    return rows + [Row("e", "rgbxyz", s) for s in SIZES]


def in_order(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Rows by name, in the order of the matrix."""
    return {row.name: rows[row.name] for row in all_rows() if row.name in rows}


def choose(patterns: Sequence[str], *, quick: bool = False) -> list[Row]:
    """Rows whose name matches any of the patterns (``a-*-224``)."""
    rows = [row for row in all_rows() if not quick or row.name in QUICK]
    if not patterns:
        return rows
    return [row for row in rows if any(fnmatch.fnmatch(row.name, p) for p in patterns)]


def spec(row: Row) -> ma.DataSpec:
    """What multiaug is told about the data."""
    if row.kind == "rgbxyz":
        return _cloud_spec(row)
    image = {"role": "intensity", "dtype": row.dtype.name, "channels": row.channels}
    document = {
        "schema": "multiaug.spec/1",
        "name": f"benchmark-{row.kind}",
        "entries": {"image": image, "mask": {"role": "label", "dtype": "uint8"}},
    }
    return ma.DataSpec.from_dict(document)


def _cloud_spec(row: Row) -> ma.DataSpec:
    """The shipped one; a field that no camera explains must be allowed by name."""
    shipped = ma.load_spec("rgbxyz")
    if row.work not in "bd":
        return shipped
    document = shipped.to_dict()
    for group in document["entries"]["rgbxyz"]["channels"]:
        if group["role"] == "position":
            group["under_elastic"] = "resample"
    return ma.DataSpec.from_dict(document)


def transforms(row: Row) -> list[Any]:
    """What multiaug is asked to do; the peers do the same."""
    affine = [ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Translate(0.1), ma.Flip("x")]
    if row.work == "a":
        return affine
    if row.work == "b":
        return [*affine, ma.Elastic(**ELASTIC)]
    if row.work == "c":
        return [ma.Crop(row.out_shape), ma.Flip("x")]
    if row.work == "e":
        return [ma.Rotate(180), ma.Scale((0.8, 1.25)), ma.Flip("x")]
    geometry = [
        ma.RandomResizedCrop(row.size, scale=(0.25, 1.0)),
        ma.Flip("x"),
        ma.Rotate(15),
        ma.Maybe(ma.Elastic(**ELASTIC), p=0.3),
    ]
    return [*geometry, ma.Brightness(0.2), ma.Contrast(0.2), ma.Gamma(1.25), ma.GaussianNoise(0.05)]


@dataclass(frozen=True, eq=False)
class Geometry:
    """All that was drawn, in pixels, as NumPy numbers.

    Args:
        out_shape: (height, width) of the results.
        backward: (N, 2, 3), output position to input position; after the displacement.
        control: (N, R, C, 2) of the B-spline field, zeros where a record drew none; or None.
        box: (N, 4) ints x0, y0, x1, y1 of exact crops; or None.
        flip: (N,) bool; for exact work.
        photometry: (N, 4): brightness, contrast, gamma, deviation of the noise; or None.
        motion: (N, 3, 3), what a moved cloud is multiplied by; or None.
    """

    out_shape: tuple[int, int]
    backward: NDArray[np.float64]
    control: NDArray[np.float64] | None = None
    box: NDArray[np.int64] | None = None
    flip: NDArray[np.bool_] | None = None
    photometry: NDArray[np.float64] | None = None
    motion: NDArray[np.float64] | None = None

    @cached_property
    def forward(self) -> NDArray[np.float64]:
        """(N, 2, 3), the inverse of `backward`."""
        return np.linalg.inv(_square(self.backward))[:, :2]

    def bends(self, i: int) -> bool:
        """Whether record i has a displacement."""
        return self.control is not None and bool(np.any(self.control[i]))

    @cached_property
    def bases(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(height, R) and (width, C): the cubic B-spline at every row and column."""
        return tuple(
            _basis(n, g).astype(np.float32)
            for n, g in zip(self.out_shape, ELASTIC["grid"], strict=True)
        )

    def positions(self, i: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where every output pixel of record i is read: x and y, in float64."""
        height, width = self.out_shape
        x, y = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
        if self.bends(i):
            by, bx = (_basis(n, g) for n, g in zip(self.out_shape, ELASTIC["grid"], strict=True))
            dx, dy = np.einsum("yr,rck,xc->kyx", by, self.control[i], bx, optimize=True)
            x, y = x + dx, y + dy
        m = self.backward[i]
        return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """(N, 2, height, width): `positions` of all records, for calls that take maps."""
        return np.stack([np.stack(self.positions(i)) for i in range(len(self.backward))]).astype(
            np.float32
        )


def _square(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    last = np.broadcast_to(np.array([[[0.0, 0.0, 1.0]]]), (len(matrix), 1, 3))
    return np.concatenate([matrix, last], axis=1)


def _basis(size: int, intervals: int) -> NDArray[np.float64]:
    """The cubic B-spline over `intervals` knots that span `size` pixels, edge to edge."""
    t = (np.arange(size) + 0.5) * intervals / size
    a = np.abs(t[:, None] - (np.arange(intervals + 3) - 1))
    near, far = 2 / 3 - a * a * (1 - a / 2), np.maximum(2 - a, 0) ** 3 / 6
    return np.where(a < 1, near, far)


@dataclass(frozen=True, eq=False)
class Case:
    """A row with its data; what every contender is given."""

    row: Row
    image: NDArray[Any]
    mask: NDArray[np.uint8]
    pipeline: ma.Pipeline
    keys: Any
    params: Any
    geometry: Geometry
    extra: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, NDArray[Any]]:
        """The batch as multiaug's spec names it."""
        name = "rgbxyz" if self.row.kind == "rgbxyz" else "image"
        return {name: self.image, "mask": self.mask, **self.extra}

    @property
    def moves(self) -> bool:
        """Whether coordinates are moved."""
        return self.geometry.motion is not None


def make_case(row: Row, seed: int = 0) -> Case:
    """Data and geometry of a row."""
    rng = np.random.default_rng(seed)
    shape = (row.size, row.size)
    image = _pictures(rng, row)
    # Labels are levels of the first channel: whoever moves the two apart is found out.
    mask = labels_of(image[..., 0], row.white)
    extra = {}
    if row.kind == "rgbxyz":
        k = _intrinsics(shape)
        image[..., 3:] = _clouds(image[..., 3], k)
        extra["intrinsics"] = np.tile(k, (row.batch, 1, 1))
    pipeline = ma.Pipeline(transforms(row), spec(row))
    keys = jax.random.split(jax.random.key(seed), row.batch)
    params = jax.tree.map(np.asarray, pipeline.sample(keys, shape))
    geometry = geometry_of(row, params.values)
    return Case(row, image, mask, pipeline, keys, params, geometry, extra)


def labels_of(channel: NDArray[Any], white: float) -> NDArray[np.uint8]:
    """1 to 4 by brightness; 0 is left for what lies outside."""
    return (1 + np.minimum(channel.astype(np.float32) * (4 / white), 3.0)).astype(np.uint8)


def _pictures(rng: np.random.Generator, row: Row) -> NDArray[Any]:
    """Smooth waves with a little noise, within 0.15 to 0.85 of white."""
    axis = np.linspace(0, 2 * np.pi, row.size, dtype=np.float32)
    image = np.empty((row.batch, row.size, row.size, row.channels), row.dtype)
    for i in range(row.batch):
        u, v, phase = rng.uniform(0.5, 2, (3, row.channels)).astype(np.float32)
        wave = np.sin(axis[:, None, None] * u + phase) * np.cos(axis[None, :, None] * v + phase)
        wave += rng.uniform(-0.02, 0.02, wave.shape).astype(np.float32)
        image[i] = ((0.5 + 0.34 * wave) * row.white).astype(row.dtype)
    return image


def _intrinsics(shape: tuple[int, int]) -> NDArray[np.float32]:
    """The principal point in the middle: turning the picture turns the camera."""
    height, width = shape
    return np.array(
        [[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1]], np.float32
    )


def _clouds(wave: NDArray[Any], k: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points on the rays of their pixels, 1.5 to 2.5 away."""
    z = 1.5 + wave.astype(np.float32)
    y, x = np.mgrid[: z.shape[1], : z.shape[2]].astype(np.float32)
    return np.stack([z * (x - k[0, 2]) / k[0, 0], z * (y - k[1, 2]) / k[1, 1], z], axis=-1)


def geometry_of(row: Row, values: Iterable[Any]) -> Geometry:
    """Plain numbers from what the pipeline drew."""
    shape = (row.size, row.size)
    drawn = {type(t).__name__: v for t, v in zip(transforms(row), values, strict=True)}
    n, sign = row.batch, np.where(drawn["Flip"]["on"], -1.0, 1.0)
    flip = _diagonal(sign, np.ones(n))
    centred = {
        "RandomResizedCrop": lambda v: _window(v["window"], shape),
        "Rotate": lambda v: _rotation(v["degrees"]),
        "Scale": lambda v: _diagonal(*v["factor"].T),
        "Translate": lambda v: _shift(v["px"]),
        "Flip": lambda _: flip,
    }
    if row.work == "c":
        x0, y0 = drawn["Crop"]["offset"].T.astype(int)
        box = np.stack([x0, y0, x0 + row.out_shape[1], y0 + row.out_shape[0]], axis=1)
        backward = _cropped(box, sign)
        motion = _motion(row, backward)
        return Geometry(row.out_shape, backward, box=box, flip=drawn["Flip"]["on"], motion=motion)
    forward = _diagonal(np.ones(n), np.ones(n))
    for name, value in drawn.items():
        forward = centred.get(name, lambda _: np.eye(3))(value) @ forward
    to_centre, back = _shift(_centre(n, shape, -1)), _shift(_centre(n, shape, 1))
    backward = np.linalg.inv(back @ forward @ to_centre)[:, :2]
    control, photometry = _control(row, drawn), _photometry(row, drawn)
    motion = _motion(row, backward)
    return Geometry(row.out_shape, backward, control, None, None, photometry, motion)


def _motion(row: Row, backward: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return motion_of(backward) if row.kind == "rgbxyz" else None


def motion_of(backward: NDArray[np.float64]) -> NDArray[np.float64]:
    """How the camera turns: M of A K = K' M, K' upper triangular, for square pixels."""
    top, bottom = np.moveaxis(np.linalg.inv(backward[:, :, :2]), 1, 0)
    bottom = bottom / np.linalg.norm(bottom, axis=1, keepdims=True)
    top = top - np.sum(top * bottom, axis=1, keepdims=True) * bottom
    top = top / np.linalg.norm(top, axis=1, keepdims=True)
    out = np.tile(np.eye(3), (len(top), 1, 1))
    out[:, :2, :2] = np.stack([top, bottom], axis=1)
    return out


def _control(row: Row, drawn: dict[str, Any]) -> NDArray[np.float64] | None:
    if row.work == "b":
        return drawn["Elastic"]["control"].astype(float)
    if row.work == "d":
        on = drawn["Maybe"]["on"][:, None, None, None]
        return np.where(on, drawn["Maybe"]["children"][0]["control"], 0).astype(float)
    return None


def _photometry(row: Row, drawn: dict[str, Any]) -> NDArray[np.float64] | None:
    if row.work != "d":
        return None
    names = [("Brightness", "amount"), ("Contrast", "amount"), ("Gamma", "exponent")]
    names.append(("GaussianNoise", "std"))
    return np.stack([drawn[t][f] for t, f in names], axis=1).astype(float)


def _centre(n: int, shape: tuple[int, int], sign: int) -> NDArray[np.float64]:
    return np.tile([sign * (shape[1] - 1) / 2, sign * (shape[0] - 1) / 2], (n, 1))


def _shift(xy: NDArray[Any]) -> NDArray[np.float64]:
    out = np.tile(np.eye(3), (len(xy), 1, 1))
    out[:, :2, 2] = xy
    return out


def _diagonal(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    out = np.tile(np.eye(3), (len(x), 1, 1))
    out[:, 0, 0], out[:, 1, 1] = x, y
    return out


def _rotation(degrees: NDArray[Any]) -> NDArray[np.float64]:
    t = np.deg2rad(degrees.astype(float))
    out = np.tile(np.eye(3), (len(t), 1, 1))
    out[:, 0, 0] = out[:, 1, 1] = np.cos(t)
    out[:, 0, 1], out[:, 1, 0] = np.sin(t), -np.sin(t)
    return out


def _window(window: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Centred matrix of a window (x, y, w, h) brought back to the full size."""
    x, y, w, h = window.astype(float).T
    middle = np.stack([x + w / 2 - shape[1] / 2, y + h / 2 - shape[0] / 2], axis=1)
    return _diagonal(shape[1] / w, shape[0] / h) @ _shift(-middle)


def _cropped(box: NDArray[np.int64], sign: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.zeros((len(box), 2, 3))
    out[:, 0, 0], out[:, 1, 1] = sign, 1
    out[:, 0, 2] = np.where(sign < 0, box[:, 2] - 1, box[:, 0])
    out[:, 1, 2] = box[:, 1]
    return out
