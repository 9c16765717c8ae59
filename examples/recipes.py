"""Draw what a recipe does to data: the records as they are, and as the recipe makes them.

    python examples/recipes.py                                   # the names of all recipes
    python examples/recipes.py esanet --out out/esanet.png       # on the stereo scene
    python examples/recipes.py mmseg --data my-folder --spec my-spec.json --out sheet.png
    python examples/recipes.py mmseg --set size=[256,256] --set max_share=null

Without data it takes the stereo scene that scikit-image ships, with the entries that the recipe
needs. Settings are JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import multiaug as ma

sys.path.insert(0, str(Path(__file__).parent / "stereo"))
from scene import IGNORE, load_scene


def stereo_source(count: int) -> ma.Source:
    """Windows of the scene, 320 x 320: colours in bytes, the cloud, depth, bands of depth, K."""
    scene = load_scene()
    side, records = 320, []
    for left in np.linspace(0, scene.depth.shape[1] - side, count).astype(int):
        window = slice(100, 100 + side), slice(left, left + side)
        shift = np.array([[0, 0, left], [0, 0, 100], [0, 0, 0]], np.float32)
        records.append(
            {
                "image": (scene.rgbxyz[window][..., :3] * 255).round().astype(np.uint8),
                "points": scene.rgbxyz[window][..., 3:],
                "depth": scene.depth[window],
                "mask": scene.mask[window],
                "intrinsics": scene.intrinsics - shift,
            }
        )
    spec = ma.DataSpec.from_dict(
        {
            "name": "stereo-scene",
            "entries": {
                "image": {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]},
                "points": {"role": "position", "dtype": "float32"},
                "depth": {"role": "depth", "dtype": "float32"},
                "mask": {"role": "label", "dtype": "uint8", "ignore": IGNORE},
                "intrinsics": {"role": "intrinsics", "dtype": "float32", "of": "image"},
            },
        }
    )
    arrays = {name: np.stack([record[name] for record in records]) for name in records[0]}
    return ma.open_source(arrays, spec)


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
    if options.recipe is None:
        for row in ma.recipes.table():
            print(f"{row.name:28} {row.title}")
        return 0
    spec = ma.load_spec(options.spec) if options.spec else None
    source = ma.open_source(options.data, spec) if options.data else stereo_source(options.records)
    made = getattr(ma.recipes, options.recipe)(source.spec, **settings_of(options.set))
    print(made)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    ma.preview.show(
        source, made, options.out, indices=range(min(options.records, len(source))),
        seed=options.seed,
    )  # fmt: skip
    print(f"\nLook at {options.out.resolve()}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description="Draw what a recipe does to data.")
    names = [row.name for row in ma.recipes.table()]
    parser.add_argument("recipe", nargs="?", choices=names, help="a name of ma.recipes.table()")
    parser.add_argument("--data", help="what ma.open_source takes")
    parser.add_argument("--spec", help="a shipped name, or a path")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--records", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/recipe.png"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
