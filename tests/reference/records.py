"""What covers, mixes, alters and derives entries, beside NumPy, SciPy and scikit-image.

Every case is a function of no arguments that runs a pipeline by whatever backend runs at present,
and returns the largest error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import ndimage
from skimage import measure, segmentation

import multiaug as ma
from tests.reference import rooms
from tests.reference.bars import (
    BOXES,
    CLOUD,
    COPIED,
    DISTANCE,
    EXACT,
    FLOAT,
    GRAVITY,
    METRE,
    ROUNDED,
    STANDARD,
    SUMS,
    Bar,
    Row,
)
from tests.reference.stencils import normals

SIZE, COUNT = (24, 36), 5
KEYS = jax.random.split(jax.random.key(8), COUNT)
FOCAL, CENTRE = 30.0, (17.0, 11.0)
ENTRIES = {
    "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
    "floats": {"role": "intensity", "dtype": "float32", "channels": 2},
    "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
    "things": {"role": "label", "dtype": "int32"},
    "depth": {"role": "depth", "dtype": "float32"},
    "xyz": {"role": "position", "dtype": "float32"},
    "camera": {"role": "intrinsics", "dtype": "float32"},
}


def camera() -> np.ndarray:
    return np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])


def batch(*names: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 4, (COUNT, 6, 9)).repeat(4, axis=1).repeat(4, axis=2)
    z = rng.uniform(1, 4, (COUNT, *SIZE))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([(x - CENTRE[0]) / FOCAL, (y - CENTRE[1]) / FOCAL, np.ones(SIZE)], -1)
    full = {
        "image": rng.integers(1, 255, (COUNT, *SIZE, 3), np.uint8),
        "floats": rng.random((COUNT, *SIZE, 2), np.float32),
        "mask": np.where(rng.random((COUNT, *SIZE)) < 0.02, 255, blocks).astype(np.uint8),
        "things": np.where(blocks > 1, blocks * 37, 0).astype(np.int32),
        "depth": z[..., None].astype(np.float32),
        "xyz": (z[..., None] * rays).astype(np.float32),
        "camera": np.tile(camera(), (COUNT, 1, 1)).astype(np.float32),
    }
    return {name: full[name] for name in names}


def ran(
    transforms: Any, *names: str, given: dict[str, np.ndarray] | None = None
) -> tuple[Any, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the last transform drew, what came in, and what came out."""
    steps = transforms if isinstance(transforms, Sequence) else [transforms]
    spec = ma.DataSpec.from_dict({"name": "few", "entries": {n: ENTRIES[n] for n in names}})
    given = given or batch(*names)
    pipeline = ma.Pipeline(steps, spec)
    params = pipeline.sample(KEYS, SIZE, record=given)
    out = {n: np.asarray(a) for n, a in pipeline.apply(params, given).items()}
    return jax.tree.map(np.asarray, params.values[-1]), given, out


def off(found: np.ndarray, expected: Any, where: Any = True) -> float:
    """The largest difference; infinite where only one of both has no data."""
    found, expected = np.float64(found), np.float64(expected)
    holes = np.isnan(expected)
    if ((np.isnan(found) != holes) & where).any():
        return np.inf
    return float(np.abs(np.where(holes | ~np.broadcast_to(where, holes.shape), 0, found - expected))
                 .max())  # fmt: skip


class RecordCase(NamedTuple):
    transform: str
    case: str
    by: str
    dtype: str
    bar: Bar
    error: Callable[[], float]


CASES: list[RecordCase] = []


def case(transform: str, by: str, dtype: str, bar: Bar, words: str = "") -> Callable[..., Any]:
    def listed(error: Callable[[], float]) -> Callable[[], float]:
        CASES.append(RecordCase(transform, words, by, dtype, bar, error))
        return error

    return listed


def rows_of_records(backend: str) -> list[Row]:
    """Of the backend that runs at present."""
    return [Row(c.transform, c.case, c.by, c.dtype, c.bar, {backend: c.error()}) for c in CASES]


# --- covered -----------------------------------------------------------------------------------


def in_rectangles(edges: np.ndarray) -> np.ndarray:
    """(N, H, W): pixels whose centres lie in one of a record's rectangles."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    x0, y0, x1, y1 = np.moveaxis(np.float64(edges), -1, 0)[..., None, None]
    return ((x >= x0) & (x < x1) & (y >= y0) & (y < y1)).any(1)


def _covered(transform: Any) -> float:
    params, given, out = ran(transform, "image", "mask")
    inside = in_rectangles(params["edges"])
    assert 0 < inside.mean() < 0.9
    return max(
        off(out["image"], np.where(inside[..., None], 128, given["image"])),
        off(out["mask"], np.where(inside, 255, given["mask"])),
    )


@case("Erase", "rectangles in float64", "uint8", COPIED)
def erase() -> float:
    return _covered(ma.Erase((0.1, 0.3), count=(1, 2), fill=0.5))


@case("CoarseDropout", "rectangles in float64", "uint8", COPIED)
def coarse_dropout() -> float:
    return _covered(ma.CoarseDropout((1, 4), height=(2, 5), width=(0.1, 0.3), fill=0.5))


@case("GridMask", "phases in float64, but for edges to 1e-3 of a period", "uint8", COPIED)
def grid_mask() -> float:
    params, given, out = ran(ma.GridMask((5, 9), ratio=(0.3, 0.6), degrees=40, fill=1.0), "image")
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    worst = 0.0
    for i in range(COUNT):
        phase = params["phase"][i].astype(np.uint32).view(np.int32) / 2**32
        level = params["level"][i] / 2**32
        u, v = (256 * (x * p[0] + y * p[1]) + p[2] for p in phase)
        apart = [np.abs((t - s + 0.5) % 1 - 0.5) for t in (u, v) for s in (0, level)]
        inside = (u % 1 < level) & (v % 1 < level)
        expected = np.where(inside[..., None], 255, given["image"][i])
        clear = np.minimum.reduce(apart) > 1e-3
        assert clear.mean() > 0.95
        worst = max(worst, off(out["image"][i], expected, clear[..., None]))
    return worst


@case("ChannelDropout", "NumPy", "float32", COPIED)
def channel_dropout() -> float:
    params, given, out = ran(ma.ChannelDropout(fill=0.5), "floats")
    return off(out["floats"], np.where(params["floats"][:, None, None], 0.5, given["floats"]))


@case("ModalityDropout", "NumPy", "uint8, float32", COPIED)
def modality_dropout() -> float:
    groups = ("image", "depth", "mask")
    params, given, out = ran(ma.ModalityDropout(groups, 0.6), *groups)
    marks = (0, np.nan, 255)
    worst = 0.0
    for k, (name, mark) in enumerate(zip(groups, marks, strict=True)):
        lost = params["dropped"][:, k].reshape(-1, *[1] * (given[name].ndim - 1))
        worst = max(worst, off(out[name], np.where(lost, mark, given[name])))
    return worst


# --- mixed -------------------------------------------------------------------------------------


def partners_of(u: np.ndarray) -> np.ndarray:
    """Of every record another one, from U[0, 1)."""
    further = 1 + np.floor(np.float64(u) * (COUNT - 1)).astype(int)
    return (np.arange(COUNT).reshape(-1, *[1] * (u.ndim - 1)) + further) % COUNT


def _blend(name: str) -> float:
    params, given, out = ran(ma.MixUp(1.0), name)
    weight = np.float64(params["weight"]).reshape(-1, 1, 1, 1)
    values = np.float64(given[name])
    other = values[partners_of(params["partner"])]
    return off(out[name], weight * values + (1 - weight) * other)


@case("MixUp", "a weighted mean in float64", "uint8", ROUNDED)
def mixup_of_bytes() -> float:
    return _blend("image")


@case("MixUp", "a weighted mean in float64", "float32", FLOAT)
def mixup_of_floats() -> float:
    return _blend("floats")


def _pieces(params: Any, given: Any, out: Any, piece: np.ndarray, owners: np.ndarray) -> float:
    """``owners`` are (N, k) records, ``piece`` (N, H, W) which of them is seen."""
    whose = np.take_along_axis(owners[:, None], piece.reshape(COUNT, 1, -1), 2).reshape(piece.shape)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return max(off(out[n], given[n][whose, y, x]) for n in ("image", "mask"))


@case("CutMix", "NumPy", "uint8", COPIED)
def cutmix() -> float:
    params, given, out = ran(ma.CutMix(1.0), "image", "mask")
    piece = in_rectangles(params["edges"][:, None]).astype(int)
    assert piece.any()
    owners = np.stack([np.arange(COUNT), partners_of(params["partner"])], -1)
    return _pieces(params, given, out, piece, owners)


@case("Mosaic", "NumPy", "uint8", COPIED)
def mosaic() -> float:
    params, given, out = ran(ma.Mosaic((0.25, 0.75)), "image", "mask")
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    cut, first = params["cut"][..., None, None], params["first"][:, None, None]
    piece = ((x >= cut[:, 0]) + 2 * (y >= cut[:, 1]) + first) % 4
    owners = np.concatenate([np.arange(COUNT)[:, None], partners_of(params["partner"])], axis=1)
    return _pieces(params, given, out, piece, owners)


@case("CopyPaste", "NumPy", "uint8, int32", COPIED)
def copy_paste() -> float:
    params, given, out = ran(ma.CopyPaste("things", 1.0), "image", "things")
    worst = 0.0
    for i, k in enumerate(partners_of(params["partner"])):
        own, other = given["things"][i], given["things"][k]
        pasted = other > 0
        assert 0 < pasted.mean() < 1
        ids = np.where(pasted, other + own.max(), own)
        image = np.where(pasted[..., None], given["image"][k], given["image"][i])
        worst = max(worst, off(out["things"][i], ids), off(out["image"][i], image))
    return worst


# --- altered -----------------------------------------------------------------------------------


@case("CloudMotion", "a similarity in float64", "float32", METRE)
def cloud_motion() -> float:
    params, given, out = ran(ma.CloudMotion(40, 10, (0.8, 1.25), 0.5), "xyz")
    turn, size, shift = (np.float64(params[n]) for n in ("rotation", "scale", "shift"))
    assert np.abs(turn @ turn.transpose(0, 2, 1) - np.eye(3)).max() < 1e-6
    want = np.einsum("n,nij,nhwj->nhwi", size, turn, np.float64(given["xyz"]))
    return off(out["xyz"], want + shift[:, None, None])


@case("DepthNoise", "the hash in NumPy, SciPy's erfinv", "float32", METRE)
def depth_noise() -> float:
    noise = ma.DepthNoise(0.002, 0.004, 0.3, (0.5, 2))
    params, given, out = ran(noise, "depth", "xyz", "camera")
    z, worst = np.float64(given["depth"]), 0.0
    sigma = params["strength"][:, None, None, None] * (0.002 + 0.004 * (z - 0.3) ** 2)
    for i in range(COUNT):
        new = z[i] + sigma[i] * normals(params["seed"][i], 0, SIZE)[..., None]
        points = np.float64(given["xyz"][i]) * new / z[i]
        worst = max(worst, off(out["depth"][i], new), off(out["xyz"][i], points))
    return worst


@case("CanonicalDepth", "Z f_c / f in float64", "float32", CLOUD)
def canonical_depth() -> float:
    _, given, out = ran(ma.CanonicalDepth(500), "depth", "xyz", "camera")
    scale = np.array([1, 1, 500 / FOCAL])
    return max(
        off(out["depth"], given["depth"] * (500 / FOCAL)), off(out["xyz"], given["xyz"] * scale)
    )


@case("CameraMotion", "X - t of the source pixel, in float64", "float32", METRE)
def camera_motion() -> float:
    """The first channel says which pixel is seen, and that must fall there."""
    given = batch("floats", "xyz", "camera")
    given["floats"][..., 0] = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE)
    given["xyz"] /= given["xyz"][..., 2:] * np.float32(0.5)  # a wall at two metres
    spec = {n: ENTRIES[n] for n in given}
    spec["floats"] = {**spec["floats"], "invalid": "nan", "range": [0, 900]}
    spec["camera"] = {**spec["camera"], "of": "xyz"}
    pipeline = ma.Pipeline(
        [ma.CameraMotion(0.15, 0.1)], ma.DataSpec.from_dict({"name": "c", "entries": spec})
    )
    params = pipeline.sample(KEYS, SIZE, record=given)
    out = {n: np.asarray(a) for n, a in pipeline.apply(params, given).items()}
    motion, worst = np.float64(params.values[0]["motion"]), 0.0
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for i in range(COUNT):
        shown = np.isfinite(out["xyz"][i]).all(-1)
        assert shown.mean() > 0.5
        points = np.float64(given["xyz"][i]).reshape(-1, 3) - motion[i]
        points = points[out["floats"][i, ..., 0][shown].astype(int)]
        seen = points @ camera().T
        place = seen[:, :2] / seen[:, 2:]
        assert np.abs(place - np.stack([x, y], -1)[shown]).max() < 0.5 + 1e-3
        worst = max(worst, off(out["xyz"][i][shown], points))
    return worst


ENCODINGS = {
    "linear": lambda z: (z - 0.5) / 7.5,
    "inverse": lambda z: (1 / z - 1 / 8) / (2 - 1 / 8),
    "log": lambda z: np.log(z / 0.5) / np.log(16),
}


@case("EncodeDepth", "closed form", "float32", SUMS)
def encode_depth() -> float:
    worst = 0.0
    for encoding, formula in ENCODINGS.items():
        coder = ma.EncodeDepth("depth", encoding, near=0.5, far=8)
        _, given, out = ran(coder, "depth")
        worst = max(worst, off(out["depth"], formula(np.float64(given["depth"]))))
    return worst


# --- derived -----------------------------------------------------------------------------------


@case("OneHot", "NumPy", "float32", EXACT)
def one_hot() -> float:
    _, given, out = ran(ma.OneHot("mask", 4), "mask")
    return off(out["mask_onehot"], given["mask"][..., None] == np.arange(4))


@case("Regions", "NumPy", "float32", EXACT)
def regions() -> float:
    ids = ([1, 2, 3], [2, 3], [3])
    _, given, out = ran(ma.Regions("mask", ids), "mask")
    return off(out["mask_regions"], np.stack([np.isin(given["mask"], one) for one in ids], -1))


@case("Edges", "SciPy", "uint8", EXACT)
def edges() -> float:
    _, given, out = ran(ma.Edges("mask", 2), "mask")
    worst = 0.0
    for mask, found in zip(given["mask"], out["mask_edges"], strict=True):
        near = np.zeros(SIZE, bool)
        for one in range(4):  # a class, and another one within two pixels of it
            near |= ndimage.binary_dilation(mask == one, np.ones((5, 5))) & (mask != one)
        worst = max(worst, off(found, np.where(mask == 255, 255, near)))
    return worst


@case("DistanceMap", "SciPy", "float32", DISTANCE)
def distances() -> float:
    _, given, out = ran(ma.DistanceMap("mask", [1, 3]), "mask")
    worst = 0.0
    for mask, found in zip(given["mask"], out["mask_distance"], strict=True):
        for k, one in enumerate((1, 3)):
            outside, inside = (
                ndimage.distance_transform_edt(m) for m in (mask != one, mask == one)
            )
            worst = max(worst, off(found[..., k], outside - inside))
    return worst


@case("Scales", "NumPy", "uint8", EXACT)
def scales() -> float:
    _, given, out = ran(ma.Scales("mask", [2, 3]), "mask")
    worst = 0.0
    for n in (2, 3):
        height, width = (side // n for side in SIZE)
        rows, columns = (
            np.floor((np.arange(m) + 0.5) * side / m).astype(int)
            for m, side in ((height, SIZE[0]), (width, SIZE[1]))
        )
        worst = max(worst, off(out[f"mask_{n}"], given["mask"][:, rows][:, :, columns]))
    return worst


@case("RelabelInstances", "scikit-image", "int32", EXACT)
def relabel() -> float:
    _, given, out = ran(ma.RelabelInstances("things"), "things")
    pairs = zip(given["things"], out["things"], strict=True)
    return max(off(found, segmentation.relabel_sequential(ids)[0]) for ids, found in pairs)


@case("BoxesFromMasks", "scikit-image", "float32", BOXES)
def boxes() -> float:
    _, given, out = ran(ma.BoxesFromMasks("things", 4), "things")
    worst = 0.0
    for ids, found in zip(given["things"], out["things_boxes"], strict=True):
        expected = np.full((4, 4), np.nan)
        for k, region in enumerate(measure.regionprops(ids)):
            y0, x0, y1, x1 = region.bbox
            expected[k] = np.array([x0, y0, x1, y1]) - 0.5
        worst = max(worst, off(found, expected))
    return worst


@case("FilterBoxes", "closed form", "float32", BOXES)
def filtered() -> float:
    """What is left of a box that a crop cut: its area, and its share."""
    spec = ma.DataSpec.from_dict(
        {
            "name": "boxes",
            "entries": {
                "image": {"role": "intensity", "dtype": "float32", "channels": 1},
                "boxes": {"role": "boxes", "dtype": "float32"},
            },
        }
    )
    rng = np.random.default_rng(4)
    corners = np.sort(rng.integers(0, 33, (2, 40, 2, 2)), axis=2).reshape(2, 40, 4)
    boxes = np.float32(corners) - 0.5
    image = np.zeros((2, 32, 32, 1), np.float32)
    crop, filters = ma.Crop(box=(8, 0, 24, 32)), ma.FilterBoxes(min_area=30, min_visible=0.5)
    keys = jax.random.split(jax.random.key(0), 2)
    out = ma.Pipeline([crop, filters], spec).batch(keys, {"image": image, "boxes": boxes})
    cut = boxes.copy()
    cut[..., ::2] = np.clip(cut[..., ::2], 7.5, 23.5) - 8
    sides, before = (b[..., 2:] - b[..., :2] for b in (cut, boxes))
    share = sides.prod(-1) / np.maximum(before.prod(-1), 1)
    stays = (sides >= 1).all(-1) & (sides.prod(-1) >= 30) & (share >= 0.5)
    assert 0 < stays.sum() < stays.size
    return off(out["boxes"], np.where(stays[..., None], cut, np.nan))


@case("HHA", "closed form", "float32", GRAVITY)
def hha() -> float:
    """Of a room that a tilted camera sees; what points up is found."""
    spec = ma.DataSpec.from_dict(
        {
            "name": "room",
            "entries": {
                "xyz": {"role": "position", "dtype": "float32"},
                "normals": {"role": "direction", "dtype": "float32"},
            },
        }
    )
    points, normals, up = rooms.room(25, -8)
    given = {"xyz": np.float32(points)[None], "normals": np.float32(normals)[None]}
    pipeline = ma.Pipeline([ma.HHA(near=0.6, max_height=2.5)], spec)
    out = pipeline.batch(jax.random.key(0)[None], given)["xyz_hha"][0]
    return off(out, rooms.expected(points, normals, up, 0.6, 2.5))


# --- fitted ------------------------------------------------------------------------------------


def _fitted(statistic: Any, make: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
    """Values in float64, and what becomes of them."""
    rng = np.random.default_rng(0)
    values = ndimage.gaussian_filter(rng.random((200, 8, 8, 3)), (0, 1, 1, 0.5))
    values = values.astype(np.float32)
    spec = ma.DataSpec.from_dict(
        {"name": "f", "entries": {"image": {"role": "intensity", "channels": 3}}}
    )
    statistics = ma.fit(ma.ArraySource({"image": values}, spec), statistic, progress=False)
    keys = jax.random.split(jax.random.key(0), 200)
    out = ma.Pipeline([make(statistics)], spec).batch(keys, {"image": values})
    return np.float64(values), np.asarray(out["image"])


@case("Standardize", "NumPy", "float32", STANDARD)
def standardize() -> float:
    values, found = _fitted(ma.Moments(), ma.Standardize)
    return off(found, (values - values.mean((0, 1, 2))) / (values.std((0, 1, 2)) + 1e-6))


@case("Whiten", "NumPy's eigh", "float32", STANDARD)
def whiten() -> float:
    values, found = _fitted(
        ma.ZCA(center="channel"), lambda s: ma.Whiten(s, epsilon=0.01, center="channel")
    )
    flat = (values - values.mean((0, 1, 2))).reshape(len(values), -1)
    eigenvalues, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    matrix = (vectors / np.sqrt(np.maximum(eigenvalues, 0) + 0.01)) @ vectors.T
    return off(found, (flat @ matrix).reshape(values.shape))
