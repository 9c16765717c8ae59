"""Policies, beside what Pillow makes of the operations that they draw."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageOps

import multiaug as ma
from multiaug.transforms._policy_operations import CODES, GEOMETRY, OPERATIONS, VALUES
from tests.reference.bars import BLEND, ONE_LEVEL, TIES, Row

SIDES = (20, 30)
RECORDS = 400
IDENTITY = CODES["Identity"]
SPEC = ma.DataSpec.from_dict(
    {
        "name": "colours",
        "entries": {
            "image": {
                "role": "intensity",
                "dtype": "uint8",
                "channels": ["r", "g", "b"],
                "interpolation": "nearest",
            }
        },
    }
)


def by_pillow(image, name, m, *, in_pixels=False):
    """What torchvision and the papers do to an image of Pillow, magnitudes with their sign."""
    height, width = (1, 1) if in_pixels else SIDES
    moved = {
        "ShearX": (1, m, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, m, 1, 0),
        "TranslateX": (1, 0, -int(m * width), 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, -int(m * height)),
    }
    enhanced = {
        "Brightness": ImageEnhance.Brightness,
        "Color": ImageEnhance.Color,
        "Contrast": ImageEnhance.Contrast,
        "Sharpness": ImageEnhance.Sharpness,
    }
    if name in moved:
        return image.transform(image.size, Image.Transform.AFFINE, moved[name])
    if name in enhanced:
        return enhanced[name](image).enhance(1 + m)
    return {
        "Identity": lambda: image,
        "Rotate": lambda: image.rotate(m),
        "Posterize": lambda: ImageOps.posterize(image, int(m)),
        # Magnitudes are float32; the thresholds of the papers are whole levels, or halves.
        "Solarize": lambda: ImageOps.solarize(image, round(510 * m) / 2),
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Invert": lambda: ImageChops.invert(image),
    }[name]()


def smooth_images(count, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 230, (count, 5, 7, 3)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(i).resize(SIDES[::-1])) for i in coarse])


def ran(policy: Any, count: int = RECORDS) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """What was drawn, the images, and what became of them."""
    keys = jax.random.split(jax.random.key(1), count)
    pipeline = ma.Pipeline([policy], SPEC)
    params = {n: p for n, p in pipeline.sample(keys, SIDES).values[0].items() if n != "children"}
    images = smooth_images(count)
    out = np.asarray(pipeline.batch(keys, {"image": images})["image"])
    return jax.tree.map(np.asarray, params), images, out


def of_one_operation(policy: Any) -> dict[str, float]:
    """Of records in which one operation runs: the largest error of ``values`` in levels, and the
    largest share of the pixels that one of the ``moves`` reads elsewhere."""
    params, images, out = ran(policy)
    operation, magnitude = params["operation"], params["magnitude"]
    found: dict[str, float] = {}
    seen = set()
    for i in np.flatnonzero((operation != IDENTITY).sum(1) == 1):
        (k,) = np.flatnonzero(operation[i] != IDENTITY)
        name, m = OPERATIONS[operation[i, k]], float(magnitude[i, k])
        if (name, m) in seen:
            continue
        seen.add((name, m))
        wide = isinstance(policy, ma.TrivialAugment)  # whose shifts are in pixels
        changed = by_pillow(Image.fromarray(images[i]), name, m, in_pixels=wide)
        expected = np.asarray(changed, np.int32)
        apart = np.abs(expected - out[i])
        what = "moves" if name in GEOMETRY else "values"
        error = (apart.max(-1) > 0).mean() if name in GEOMETRY else apart.max()
        found[what] = max(found.get(what, 0.0), float(error))
    assert len({name for name, _ in seen}) > 4
    return found


def blend_of_augmix() -> float:
    """The mean error in levels, of the record where it is largest."""
    params, images, out = ran(ma.AugMix(clip=True), 24)
    worst = 0.0
    for i, image in enumerate(images):
        total = params["weights"][i, 0] * image.astype(np.float64)
        for k in range(3):
            chain = Image.fromarray(image)
            steps = zip(params["operation"][i, k], params["magnitude"][i, k], strict=True)
            for code, m in steps:
                chain = by_pillow(chain, OPERATIONS[code], float(m))
            total += params["weights"][i, 1 + k] * np.asarray(chain, np.float64)
        worst = max(worst, float(np.abs(total - out[i]).mean()))
    return worst


POLICIES = {
    "RandAugment": ma.RandAugment(1, (1, 30), ops=VALUES),
    "RandAugment, magnitude 9": ma.RandAugment(1, 9, ops=OPERATIONS),
    "TrivialAugment": ma.TrivialAugment(ops=OPERATIONS),
    "AutoAugment": ma.AutoAugment("cifar10"),
}


def rows_of_policies(backend: str) -> list[Row]:
    """Of the backend that runs at present."""
    rows = []
    for name, policy in POLICIES.items():
        transform, _, words = name.partition(", ")
        for what, error in of_one_operation(policy).items():
            case = ", ".join(filter(None, (words, what)))
            bar = TIES if what == "moves" else ONE_LEVEL
            rows.append(Row(transform, case, "Pillow", "uint8", bar, {backend: error}))
    rows.append(Row("AugMix", "", "Pillow", "uint8", BLEND, {backend: blend_of_augmix()}))
    return rows
