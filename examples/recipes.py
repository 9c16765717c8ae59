"""Draw what a recipe does to data: the records as they are, and as the recipe makes them.

    python examples/recipes.py                                   # the names of all recipes
    python examples/recipes.py esanet --out out/esanet.png       # on the stereo scene
    python examples/recipes.py mmseg --data my-folder --spec my-spec.json --out sheet.png
    python examples/recipes.py mmseg --set size=[256,256] --set max_share=null
    python examples/recipes.py --all --out out/recipes           # small ones of all: two minutes

Without data it takes the stereo scene that scikit-image ships, with the entries that the recipe
needs. Settings are JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import multiaug as ma

sys.path.insert(0, str(Path(__file__).parent / "stereo"))
from scene import IGNORE, Scene, load_scene

_BYTES = {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]}
_MASK = {"role": "label", "dtype": "uint8", "ignore": IGNORE}
_DEPTH = {"role": "depth", "dtype": "float32", "invalid": "nan"}
_K = {"role": "intrinsics", "dtype": "float32", "of": "image"}
_SEGMENTATION = {"image": _BYTES, "mask": _MASK}
_RGBD = {"image": _BYTES, "depth": _DEPTH, "mask": _MASK, "intrinsics": _K}
_BANDS = {"role": "intensity", "dtype": "uint16", "channels": 13, "range": [0, 10000]}

WIDTH = 800  # pixels, of the sheets of all recipes

# What the recipes of each group are for; some of them are for something else.
ENTRIES: dict[str, dict[str, Any]] = {
    "segmentation": _SEGMENTATION,
    "detection": {**_SEGMENTATION, "boxes": {"role": "boxes", "dtype": "float32", "capacity": 16}},
    "classification": {"image": _BYTES, "class": {"role": "scalar", "dtype": "int32"}},
    "self-supervised": _SEGMENTATION,
    "medical": {
        "image": {"role": "intensity", "dtype": "float32", "channels": 4, "range": [-5, 5]},
        "mask": {"role": "label", "dtype": "uint8"},
    },
    "satellite": {"image": _BANDS, "mask": _MASK},
    "rgbd": _RGBD,
    "depth": _RGBD,
    "clouds": {
        "image": _BYTES,
        "points": {"role": "position", "dtype": "float32"},
        "normals": {"role": "direction", "dtype": "float32"},
        "intrinsics": _K,
    },
    "robotics": {"base_0_rgb": _BYTES, "left_wrist_0_rgb": _BYTES},
    "competition": _SEGMENTATION,
    "torchgeo_moco": {"image": _BANDS},
    "torchgeo_landcoverai": _SEGMENTATION,
    "torchgeo_levircd": {"before": _BYTES, "after": _BYTES, "mask": _MASK},
}


# Settings for sheets of windows of 160 x 160 pixels; published sizes are for larger images.
_NYU = {"size": (120, 130), "box": (10, 8, 155, 152)}
SMALL: dict[str, dict[str, Any]] = {
    "mmseg": {"size": 160, "base": (160, 640)},
    "mask2former": {"size": 160, "shortest": 160},
    "pidnet": {"size": 160, "base": (160, 320)},
    "deeplab": {"size": 160},
    "torchvision_segmentation": {"size": 150, "base": 160},
    "dinov3_segmentation": {"size": 160, "base": 160},
    "yolo": {"size": 160},
    "timm": {"size": 128, "erase": 0.5, "mixup": 0.8, "cutmix": 1.0, "classes": 4},
    "torchvision_classification": {"size": 128, "erase": 0.5, "policy": ma.TrivialAugment()},
    "yolo_cls": {"size": 128},
    "dino": {"size": 128, "local_size": 64, "local_views": 2},
    "torchgeo_moco": {"size": 128},
    "nnunet": {"size": 128},
    "nnunet_da5": {"size": 128},
    "torchgeo_l8biome": {"size": 128},
    "torchgeo_mmflood": {"size": 128, "same_size": False},
    "torchgeo_levircd": {"size": 128},
    "esanet": {"size": (120, 160), "depth_mean": 2.8, "depth_std": 0.5},
    "cmx": {"size": (120, 160)},
    "bts": _NYU,
    "zoedepth": _NYU,
    "dinov3_depth": _NYU,
    "depth_anything": {"size": 126},
    "vpd": {"size": 128},
    "yolo_depth": {"size": 160},
    "metric3d": {"size": (128, 144), "strip": 20},
    "unidepth": {"size": (124, 164), "base": 124},
    "openpi": {"size": 128},
    "kaggle_pneumothorax": {"size": 128, "resize": 160},
}


def stereo_source(recipe: str, count: int, step: int = 1, side: int = 320) -> ma.Source:
    """Windows of the scene, with the entries that a recipe is for.

    Args:
        recipe: its name.
        count: how many windows.
        step: of the pixels that are taken.
        side: height and width of the windows, in pixels of the scene.
    """
    (row,) = [row for row in ma.recipes.table() if row.name == recipe]
    entries = ENTRIES.get(recipe, ENTRIES[row.group])
    scene = load_scene()
    records = []
    for left in np.linspace(0, scene.depth.shape[1] - side, count).astype(int):
        window = slice(100, 100 + side, step), slice(left, left + side, step)
        k = scene.intrinsics - np.array([[0, 0, left], [0, 0, 100], [0, 0, 0]], np.float32)
        k[:2] /= step
        records.append({name: _entry(name, entries[name], scene, window, k) for name in entries})
    arrays = {name: np.stack([record[name] for record in records]) for name in entries}
    spec = ma.DataSpec.from_dict({"name": "stereo-scene", "entries": entries})
    return ma.open_source(arrays, spec)


def _entry(
    name: str, settings: Mapping[str, Any], scene: Scene, at: tuple[slice, slice], k: np.ndarray
) -> np.ndarray:
    """An entry of a window: colours, or what is made of them and of the depth."""
    role = settings["role"]
    if role == "intensity":
        colours = scene.rgbxyz[at][..., :3]
        if settings["dtype"] == "uint8":
            return (colours * 255).round().astype(np.uint8)
        # Bands, or modalities, are mixtures of the colours.
        mixture = np.random.default_rng(0).dirichlet(np.ones(3), settings["channels"])
        bands = colours @ mixture.T.astype(np.float32)
        if settings["dtype"] == "uint16":
            return (bands * 6000).astype(np.uint16)
        return ((bands - bands.mean((0, 1))) / bands.std((0, 1))).astype(np.float32)
    if role == "label":
        return scene.mask[at] if "ignore" in settings else (scene.mask[at] < 2).astype(np.uint8)
    if role == "boxes":
        x0, y0 = at[1].start, at[0].start
        boxes = np.array([[122, 238, 282, 402], [510, 290, 684, 455]], np.float32)
        moved = (boxes - np.array([x0, y0, x0, y0], np.float32)) / at[0].step
        side = (at[0].stop - y0) / at[0].step
        inside = ((moved[:, :2] < side) & (moved[:, 2:] > 0)).all(1, keepdims=True)
        return np.where(inside, np.clip(moved, -0.5, side - 0.5), np.nan).astype(np.float32)
    known = {
        "depth": scene.depth, "position": scene.rgbxyz[..., 3:], "direction": scene.normals,
    }  # fmt: skip
    if role in known:
        return known[role][at]
    return k if role == "intrinsics" else np.array(at[1].start % 4, np.int32)


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """``name=value`` with values in JSON; lists become tuples."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        given = json.loads(value)
        found[name] = tuple(given) if isinstance(given, list) else given
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the recipes, or draw one."""
    options = parse(arguments)
    if options.all:
        return draw_all(options.out, options.seed)
    if options.recipe is None:
        for row in ma.recipes.table():
            print(f"{row.name:28} {row.title}")
        return 0
    spec = ma.load_spec(options.spec) if options.spec else None
    source = (
        ma.open_source(options.data, spec)
        if options.data
        else (stereo_source(options.recipe, options.records))
    )
    made = getattr(ma.recipes, options.recipe)(source.spec, **settings_of(options.set))
    print(made)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    ma.preview.show(
        source, made, options.out, indices=range(min(options.records, len(source))),
        seed=options.seed,
    )  # fmt: skip
    print(f"\nLook at {options.out.resolve()}")
    return 0


def draw_all(folder: Path, seed: int) -> int:
    """A small sheet of every recipe, of one of three windows, and the text of the docs for it."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in ma.recipes.table():
        source = stereo_source(row.name, 3, step=2)
        made = getattr(ma.recipes, row.name)(source.spec, **SMALL.get(row.name, {}))
        sheet = Image.fromarray(ma.preview.show(source, made, indices=range(2), seed=seed))
        sheet.thumbnail((WIDTH, sheet.height))
        sheet.save(folder / f"recipe-{row.name}.jpg", quality=65, optimize=True, progressive=True)
    print(markdown())
    print(f"Look at {folder.resolve()}", file=sys.stderr)
    return 0


def markdown() -> str:
    """The part of docs/recipes.md that has the sheets: code and sheet of every recipe."""
    lines: list[str] = []
    for row in ma.recipes.table():
        given = "".join(f", {name}={value!r}" for name, value in SMALL.get(row.name, {}).items())
        lines += [f"### {row.name}", "", "```python"]
        lines += [f"ma.recipes.{row.name}(spec{given.replace('=Triv', '=ma.Triv')})", "```", ""]
        lines += [f"![{row.title}](images/recipe-{row.name}.jpg)", ""]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Draw what a recipe does to data.")
    names = [row.name for row in ma.recipes.table()]
    parser.add_argument("recipe", nargs="?", choices=names, help="a name of ma.recipes.table()")
    parser.add_argument("--all", action="store_true", help="draw all; --out is a folder")
    parser.add_argument("--data", help="what ma.open_source takes")
    parser.add_argument("--spec", help="a shipped name, or a path")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--records", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/recipe.png"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
