"""Every recipe on a small record of the kind that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import multiaug as ma

IGNORE = 255
HOLE = slice(3, 9)  # rows and columns without depth
SIDES = (48, 64)
NORMAL = np.array([0.2, -0.4, -np.sqrt(0.8)])
DISTANCE = 2.0  # of the camera from the plane that it sees, in metres


def spec_of(**entries: dict[str, Any]) -> ma.DataSpec:
    return ma.DataSpec.from_dict({"name": "small", "entries": entries})


_IMAGE = {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]}
_MASK = {"role": "label", "dtype": "uint8", "ignore": IGNORE}
_DEPTH = {"role": "depth", "dtype": "float32", "invalid": 0}
_K = {"role": "intrinsics", "dtype": "float32", "of": "depth"}

RGB = ma.load_spec("rgb-segmentation")
RGBD = spec_of(image=_IMAGE, depth=_DEPTH, mask=_MASK, intrinsics=_K)
CLOUD = ma.load_spec("stereo-normals")
APART = ma.load_spec("rgbxyz-separate")
BANDS = ma.load_spec("multispectral-segmentation")
CLASSES = spec_of(image=_IMAGE, digit={"role": "scalar", "dtype": "int32"})
MEDICAL = spec_of(
    image={"role": "intensity", "dtype": "float32", "channels": 4, "range": [-5, 5]},
    mask={"role": "label", "dtype": "uint8"},
)
DETECTION = spec_of(
    image=_IMAGE,
    mask=_MASK,
    boxes={"role": "boxes", "dtype": "float32", "capacity": 8},
    classes={"role": "scalar", "dtype": "int32", "of": "boxes", "capacity": 8},
    number={"role": "scalar", "dtype": "int64"},
)
ROBOT = spec_of(base_0_rgb=_IMAGE, left_wrist_0_rgb=_IMAGE)
DATES = spec_of(before=_IMAGE, after=_IMAGE, changed={"role": "label", "dtype": "uint8"})


def record_for(spec: ma.DataSpec, seed: int = 0, sides: tuple[int, int] = SIDES) -> dict[str, Any]:
    """A record of a spec: a plane with a hole, seen by a camera; blocks of labels; colours."""
    rng = np.random.default_rng(seed)
    height, width = sides
    y, x = np.mgrid[:height, :width].astype(np.float64)
    k = np.array([[60, 0, width / 2 - 0.3], [0, 58, height / 2 + 0.4], [0, 0, 1]])
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(k).T
    depth = -DISTANCE / (rays @ NORMAL)
    depth[HOLE, HOLE] = np.nan
    normal = np.broadcast_to(NORMAL, (height, width, 3))
    mask = (1 + (x // 16 + y // 16) % 3).astype(np.uint8)
    mask[-3:] = 0
    record: dict[str, Any] = {}
    for name, entry in spec.entries.items():
        dtype = np.dtype(entry.dtype or "float32")
        if entry.role == "label":
            record[name] = mask
        elif entry.role == "depth":
            mark = 0 if entry.groups[0].invalid == 0 else np.nan
            record[name] = np.where(np.isnan(depth), mark, depth).astype(dtype)
        elif entry.role == "intrinsics":
            record[name] = k.astype(dtype)
        elif entry.role == "direction":
            record[name] = normal.astype(dtype)
        elif entry.role == "boxes":
            record[name] = np.array([[3.5, 3.5, 19.5, 29.5], [30.5, 9.5, 59.5, 43.5]], dtype)
        elif entry.role == "scalar" and entry.of is not None:
            record[name] = np.array([seed, 10 + seed], dtype)
        elif entry.role == "scalar":
            record[name] = np.array(seed % 5, dtype)
        else:
            record[name] = _image(rng, entry, depth[..., None] * rays, dtype, (y, x))
    return record


def _image(rng: Any, entry: Any, points: Any, dtype: Any, at: tuple[Any, Any]) -> np.ndarray:
    parts = []
    for group in entry.groups:
        if group.role == "position":
            parts.append(points)
            continue
        lo, hi = group.range or ((0, 255) if dtype.kind == "u" else (0, 1))
        waves = [
            0.5 + 0.4 * np.sin(rng.uniform(0.1, 0.4) * at[0] + rng.uniform(0.1, 0.4) * at[1] + c)
            for c in range(group.count)
        ]
        parts.append(lo + (hi - lo) * np.stack(waves, -1))
    return np.concatenate(parts, -1).astype(dtype)


@dataclass(frozen=True)
class Case:
    """How a recipe is tried.

    Args:
        spec: of the records.
        options: of the recipe, for small results.
        sides: of the result.
        floats: intensity becomes float32.
        sheared: points leave the rays of their pixels.
        stretched: depths are multiplied, and the camera with them.
        batch: records are mixed.
        by_day: run by day, too: a run compiles.
        others: sides of views, by name, that are others.
    """

    spec: ma.DataSpec
    options: dict[str, Any] = field(default_factory=dict)
    sides: tuple[int, int] = SIDES
    floats: bool = False
    sheared: bool = False
    stretched: bool = False
    batch: bool = False
    by_day: bool = False
    others: dict[str, tuple[int, int]] = field(default_factory=dict)

    def build(self, name: str) -> ma.Pipeline | ma.Views:
        make: Callable[..., ma.Pipeline | ma.Views] = getattr(ma.recipes, name)
        return make(self.spec, **self.options)

    def pipelines(self, name: str) -> dict[str, ma.Pipeline]:
        made = self.build(name)
        return made.pipelines if isinstance(made, ma.Views) else {"": made}


SMALL = (32, 40)
_NYU = {"size": SMALL, "box": (4, 3, 60, 46)}

CASES: dict[str, Case] = {
    "mmseg": Case(RGB, {"size": SMALL, "base": (40, 90)}, SMALL, by_day=True),
    "mask2former": Case(RGB, {"size": 32, "shortest": 32}, (32, 32)),
    "deeplab": Case(RGB, {"size": 33}, (33, 33)),
    "torchvision_segmentation": Case(RGB, {"size": 32, "base": 36}, (32, 32), floats=True),
    "dinov3_segmentation": Case(RGB, {"size": 32, "base": 36}, (32, 32), floats=True),
    "timm": Case(
        CLASSES,
        {"size": 24, "erase": 0.5, "mixup": 0.8, "cutmix": 1.0, "classes": 5},
        (24, 24),
        floats=True,
        batch=True,
        by_day=True,
    ),
    "torchvision_classification": Case(
        CLASSES,
        {"size": 24, "erase": 0.1, "mixup": 0.2, "cutmix": 1.0, "classes": 5},
        (24, 24),
        floats=True,
        batch=True,
    ),
    "torchgeo_l8biome": Case(BANDS, {"size": 32}, (32, 32), floats=True),
    "torchgeo_mmflood": Case(BANDS, {"size": 32}, (32, 32), floats=True),
    "torchgeo_levircd": Case(DATES, {"size": 32}, (32, 32), by_day=True),
    "kaggle_pneumothorax": Case(RGB, {"size": 32, "resize": 40}, (32, 32), floats=True),
    "carvana": Case(RGB),
    "esanet": Case(
        RGBD,
        {"size": SMALL, "depth_mean": 2.8, "depth_std": 0.5},
        SMALL,
        floats=True,
        by_day=True,
    ),
    "cmx": Case(
        RGBD, {"size": SMALL, "depth_mean": 2.8, "depth_std": 0.5}, SMALL, floats=True
    ),
    "bts": Case(RGBD, _NYU, SMALL, floats=True, by_day=True),
    "zoedepth": Case(RGBD, _NYU, SMALL),
    "dinov3_depth": Case(RGBD, _NYU, SMALL, floats=True),
    "depth_anything": Case(RGBD, {"size": 28}, (28, 28), floats=True),
    "vpd": Case(RGBD, {"size": 32}, (32, 32)),
    "yolo_depth": Case(RGBD, {"size": 48}, (48, 48)),
    "votenet": Case(CLOUD, sheared=True),
    "point_transformer": Case(CLOUD, sheared=True),
    "openpi": Case(ROBOT, {"size": 32}, (32, 32)),
    "pidnet": Case(RGB, {"size": SMALL, "base": (40, 90)}, SMALL),
    "yolo": Case(DETECTION, {"size": 48}, (48, 48)),
    "yolo_cls": Case(CLASSES, {"size": 24}, (24, 24), floats=True),
    "dino": Case(
        RGB, {"size": 32, "local_size": 24, "local_views": 2}, (32, 32), floats=True,
        others={"local": (24, 24)},
    ),
    "torchgeo_moco": Case(BANDS, {"size": 32, "version": 3}, (32, 32)),
    "torchgeo_landcoverai": Case(RGB, floats=True),
    "nnunet": Case(MEDICAL, {"size": 32, "strides": (2, 4), "regions": [[1, 2], [2]]}, (32, 32)),
    "nnunet_da5": Case(
        MEDICAL, {"size": 32, "strides": (2, 4), "regions": [[1, 2], [2]]}, (32, 32)
    ),
    "kaggle_clouds": Case(RGB),
    "metric3d": Case(RGBD, {"size": SMALL, "strip": 5}, SMALL, floats=True, stretched=True),
    "unidepth": Case(RGBD, {"size": SMALL, "base": 32}, SMALL, floats=True),
    "concerto": Case(APART, sheared=True),
    "lerobot": Case(ROBOT),
}  # fmt: skip
