"""The tutorial that every newcomer has read, and the questions that it left.

    python examples/tutorial/main.py --out out/tutorial

Draws the same nine digits raw, standardised, whitened, rotated, shifted and flipped, and saves
augmented ones as files; the same for windows of a colour picture; then answers the questions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data import colours, digits
from questions import QUESTIONS
from steps import STEPS, saved

from multiaug.preview import contact_sheet

Arrays = np.ndarray[Any, Any]
ZOOM = 3


def grid(pictures: Arrays, layout: str) -> Arrays:
    """Nine pictures in a 3 x 3 grid, each stretched to its own range; uint8 (H, W, 3)."""
    held = np.moveaxis(pictures, 1, -1) if layout == "channels_first" else pictures
    tiles = []
    for picture in np.float64(held):
        lo, hi = picture.min(), picture.max()
        tile = np.uint8(255 * (picture - lo) / (hi - lo or 1))
        tile = tile.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        tiles.append(np.pad(np.broadcast_to(tile, (*tile.shape[:2], 3)), ((2, 2), (2, 2), (0, 0))))
    return np.concatenate([np.concatenate(tiles[i : i + 3], axis=1) for i in (0, 3, 6)])


def draw(x: Arrays, y: Arrays, layout: str, name: str, out: Path) -> None:
    """Every step side by side, of the same nine pictures."""
    shown = {step: work(x, y, layout) for step, work in STEPS.items()}
    shown["saved"] = saved(x, y, layout, out / "images" / name)
    contact_sheet(
        [[grid(pictures, layout) for pictures in shown.values()]],
        list(shown),
        title=f"The seven steps on the same nine {name}",
        path=out / f"{name}.png",
    )
    print(f"{name}: {out / f'{name}.png'}, files in {out / 'images' / name}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/tutorial"))
    parser.add_argument("--full", type=Path, help="your own mnist.npz")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    x, y = digits(options.full)
    rgb = colours()
    draw(x, y, "channels_first", "digits", options.out)
    draw(rgb, np.arange(len(rgb)), "channels_last", "windows", options.out)
    for question, answer in QUESTIONS.items():
        print(f"{question} {answer(x, rgb)}")


if __name__ == "__main__":
    main()
