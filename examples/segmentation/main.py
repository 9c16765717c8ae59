"""What augmentation is worth, and what moving coordinates with it is worth: a table.

    python examples/segmentation/main.py

Trains a small U-Net to say how much each surface of a stereo scene faces the camera, from colours
or from colours and coordinates; on the left of the scene, and tests it on the right.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from data import CLASSES, inputs, records, spec_of
from scene import IGNORE
from unet import UNet

import multiaug as ma

Arrays = np.ndarray[Any, Any]
BATCH = 8
MOVES = [ma.Rotate(30), ma.Scale(1.25), ma.Translate(0.1), ma.Flip("x")]


@dataclass(frozen=True)
class Arm:
    """One line of the table."""

    name: str
    coordinates: bool
    augment: bool
    moved: bool = True


ARMS = (
    Arm("RGB", coordinates=False, augment=False),
    Arm("RGB, augmented", coordinates=False, augment=True),
    Arm("RGBXYZ", coordinates=True, augment=False),
    Arm("RGBXYZ, augmented, coordinates left as they were", True, True, moved=False),
    Arm("RGBXYZ, augmented, coordinates moved", True, True),
)


@eqx.filter_jit
def update(model: UNet, state: Any, x: Any, y: Any) -> tuple[UNet, Any, Any]:
    """One step of Adam."""
    loss, slopes = eqx.filter_value_and_grad(loss_of)(model, x, y)
    changes, state = OPTIMISER.update(slopes, state)
    return eqx.apply_updates(model, changes), state, loss


def loss_of(model: UNet, x: Any, y: Any) -> Any:
    """Cross-entropy over the pixels that have a label."""
    scores = jnp.moveaxis(jax.vmap(model)(jnp.moveaxis(x, -1, 1)), 1, -1)
    known = y != IGNORE
    each = optax.softmax_cross_entropy_with_integer_labels(scores, jnp.where(known, y, 0))
    return jnp.where(known, each, 0).sum() / jnp.maximum(known.sum(), 1)


OPTIMISER = optax.adam(2e-3)


def train(arm: Arm, held: dict[str, Arrays], seed: int, steps: int) -> UNet:
    """A model of its own seed; batches and augmentation come from it, too."""
    spec = spec_of(moved=arm.moved)
    pipeline = ma.Pipeline(MOVES, spec) if arm.augment else None
    loader = ma.Loader(
        ma.open_source(held, spec), pipeline, batch_size=BATCH, seed=seed, drop_last=True
    )
    model = UNet(6 if arm.coordinates else 3, CLASSES, jax.random.key(seed))
    state = OPTIMISER.init(eqx.filter(model, eqx.is_array))
    done = 0
    while done < steps:
        for batch in loader:
            x = inputs(batch["rgbxyz"], coordinates=arm.coordinates)
            model, state, _ = update(model, state, x, np.asarray(batch["mask"]))
            done += 1
            if done == steps:
                break
    loader.close()
    return model


@eqx.filter_jit
def predict(model: UNet, x: Any) -> Any:
    """Class of every pixel."""
    return jax.vmap(model)(jnp.moveaxis(x, -1, 1)).argmax(1)


def mean_iou(model: UNet, arm: Arm, held: dict[str, Arrays]) -> float:
    """Intersection over union, the mean over the classes."""
    found = np.asarray(predict(model, inputs(held["rgbxyz"], coordinates=arm.coordinates)))
    known = held["mask"] != IGNORE
    shares = []
    for label in range(CLASSES):
        a, b = (found == label) & known, held["mask"] == label
        shares.append((a & b).sum() / max(1, (a | b).sum()))
    return float(np.mean(shares))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="of every training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", default="", help="part of the names of rows")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    known, unseen = records()
    print(f"{len(known['mask'])} windows to train on, {len(unseen['mask'])} to test on")
    print("\n| mean IoU on the unseen half | mean | each seed | on its own half |")
    print("|---|---|---|---|")
    table = {}
    for arm in [arm for arm in ARMS if options.rows in arm.name]:
        scores, own = [], []
        for seed in range(options.seeds):
            model = train(arm, known, seed, options.steps)
            scores.append(mean_iou(model, arm, unseen))
            own.append(mean_iou(model, arm, known))
        table[arm.name] = {"unseen": scores, "own": own}
        each = ", ".join(f"{score:.3f}" for score in scores)
        print(f"| {arm.name} | {np.mean(scores):.3f} | {each} | {np.mean(own):.3f} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
