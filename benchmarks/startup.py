"""From the start of a process to its first augmented batch of 32 pictures of 224 x 224 x 3.

``python -m benchmarks.startup child WHO [CACHE]`` is the process that is timed; nothing but the
standard library is imported above its functions.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

_SHAPE = (32, 224, 224, 3)


def _multiaug(cache: str | None) -> None:
    import jax
    import numpy as np

    import multiaug as ma

    if cache:
        ma.enable_compilation_cache(cache)
    spec = ma.load_spec("rgb-segmentation")
    steps = [ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Translate(0.1), ma.Flip("x")]
    batch = {"image": np.zeros(_SHAPE, np.uint8), "mask": np.zeros(_SHAPE[:3], np.uint8)}
    keys = jax.random.split(jax.random.key(0), _SHAPE[0])
    jax.block_until_ready(ma.Pipeline(steps, spec).batch(keys, batch))


def _opencv(_: str | None) -> None:
    import cv2
    import numpy as np

    images, masks = np.zeros(_SHAPE, np.uint8), np.zeros(_SHAPE[:3], np.uint8)
    matrix = np.array([[0.9, 0.1, 3], [-0.1, 0.9, 5]])
    for image, mask in zip(images, masks, strict=True):
        cv2.warpAffine(image, matrix, _SHAPE[1:3])
        cv2.warpAffine(mask, matrix, _SHAPE[1:3], flags=cv2.INTER_NEAREST)


def _albumentations(_: str | None) -> None:
    import albumentations
    import numpy as np

    steps = [albumentations.Affine(rotate=(-30, 30), p=1), albumentations.HorizontalFlip()]
    compose = albumentations.Compose(steps)
    images, masks = np.zeros(_SHAPE, np.uint8), np.zeros(_SHAPE[:3], np.uint8)
    for image, mask in zip(images, masks, strict=True):
        compose(image=image, mask=mask)


def _kornia(_: str | None) -> None:
    import torch
    from kornia.geometry.transform import warp_affine

    matrix = torch.tensor([[[0.9, 0.1, 3], [-0.1, 0.9, 5]]]).expand(32, 2, 3)
    warp_affine(torch.zeros(32, 3, 224, 224), matrix, _SHAPE[1:3])
    warp_affine(torch.zeros(32, 1, 224, 224), matrix, _SHAPE[1:3], "nearest")


_WHO = {
    "multiaug": _multiaug,
    "opencv": _opencv,
    "albumentations": _albumentations,
    "kornia": _kornia,
}


def _seconds(who: str, cache: str = "") -> float:
    command = [sys.executable, "-m", "benchmarks.startup", "child", who, cache]
    # Where Python may not keep bytecode, it compiles the sources of all libraries each time.
    kept = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=kept)
    return float(done.stdout.splitlines()[-1]) - started


def measure(repeats: int) -> dict[str, Any]:
    """Medians and all samples, in seconds, per case."""
    from .memory import reason

    with tempfile.TemporaryDirectory() as cache:
        cases = {"multiaug, cold": ("multiaug", ""), "multiaug, warm cache": ("multiaug", cache)}
        cases |= {f"{who}": (who, "") for who in _WHO if who != "multiaug"}
        results: dict[str, Any] = {}
        for name, arguments in cases.items():
            try:
                _seconds(*arguments)  # leaves bytecode, and what XLA compiled
                samples = [_seconds(*arguments) for _ in range(repeats)]
                results[name] = {"median_s": statistics.median(samples), "samples_s": samples}
            except subprocess.CalledProcessError as error:
                results[name] = {"error": reason(error.stderr)}
    return results


if __name__ == "__main__":
    _WHO[sys.argv[2]](sys.argv[3] or None)
    print(time.time())
