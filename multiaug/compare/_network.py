"""The network that is trained: a small U-Net, or its downward half, as functions on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..typing import Array, NDArray

Kind = Literal["segmentation", "classification"]
Weights = Mapping[str, Any]

MULTIPLE = 8
"""Height and width are multiples of it: the network halves them three times."""

_GROUP = 8  # channels that are normalised together
_LAYOUT = ("NHWC", "HWIO", "NHWC")


def init_weights(
    seed: int, channels: int, classes: int, width: int, kind: Kind
) -> dict[str, NDArray]:
    """Weights as K. He et al., "Delving Deep into Rectifiers", ICCV 2015, draw them.

    They are drawn by NumPy: JAX would compile for longer than a training takes.

    Args:
        seed: of the draws.
        channels: of the images.
        classes: scores for each pixel, or for each image.
        width: channels at half the resolution; they double with every level below.
        kind: what is predicted.
    """
    layers = {
        "down1a": (3, channels, width),
        "down1b": (3, width, width),
        "down2a": (3, width, 2 * width),
        "down2b": (3, 2 * width, 2 * width),
        "down3a": (3, 2 * width, 4 * width),
        "down3b": (3, 4 * width, 4 * width),
    }
    if kind == "segmentation":
        layers |= {
            "up2": (3, 6 * width, 2 * width),
            "up1": (3, 3 * width, width),
            "head": (1, width, classes),
        }
    else:
        layers["head"] = (1, 4 * width, classes)
    generator = np.random.default_rng(seed)
    weights = {}
    for name, (side, inside, outside) in layers.items():
        shape = (side, side, inside, outside)
        normal = generator.standard_normal(shape, np.float32)
        # Scores that begin near 0 favour no class.
        gain = 0.01 if name == "head" else 2.0
        weights[f"{name}.kernel"] = normal * np.float32((gain / (side * side * inside)) ** 0.5)
        weights[f"{name}.shift"] = np.zeros((1, 1, 1, outside), np.float32)
        if name != "head":
            weights[f"{name}.scale"] = np.ones((1, 1, 1, outside), np.float32)
    return weights


def scores_of(weights: Weights, images: Array, kind: Kind) -> Array:
    """Scores of the classes before the softmax.

    Args:
        weights: see `init_weights`.
        images: float32 (N, H, W, C), about 0; H and W are multiples of `MULTIPLE`.
        kind: what is predicted.

    Returns:
        float32 (N, H, W, classes) of a segmentation, (N, classes) of a classification.
    """
    fine = _layer(weights, "down1b", _layer(weights, "down1a", images, stride=2))
    middle = _layer(weights, "down2b", _layer(weights, "down2a", _halved(fine)))
    coarse = _layer(weights, "down3b", _layer(weights, "down3a", _halved(middle)))
    if kind == "classification":
        pooled = coarse.mean((1, 2), keepdims=True)
        return _convolved(weights, "head", pooled)[:, 0, 0]
    middle = _layer(weights, "up2", jnp.concatenate([_doubled(coarse), middle], axis=-1))
    fine = _layer(weights, "up1", jnp.concatenate([_doubled(middle), fine], axis=-1))
    scores = _convolved(weights, "head", fine)
    shape = (*images.shape[:3], scores.shape[-1])
    of_pixels: Array = jax.image.resize(scores, shape, "linear")
    return of_pixels


def _layer(weights: Weights, name: str, x: Array, stride: int = 1) -> Array:
    """A convolution, a normalisation of groups of channels, and what is above 0.

    Groups and not batches are normalised (Y. Wu and K. He, "Group Normalization", ECCV 2018), so
    that training and prediction are the same function, and small batches do no harm.
    """
    x = _convolved(weights, name, x, stride)
    centred = x - _mean_of_groups(x)
    factor = jax.lax.rsqrt(_mean_of_groups(jnp.square(centred)) + 1e-5)
    return jax.nn.relu(centred * (factor * weights[f"{name}.scale"]) + weights[f"{name}.shift"])


def _mean_of_groups(x: Array) -> Array:
    """(N, 1, 1, C), in two steps: one reduction over pixels and channels takes twice as long."""
    count, channels = x.shape[0], x.shape[-1]
    groups = max(1, channels // _GROUP)
    shape = (count, groups, channels // groups)
    means = x.mean((1, 2)).reshape(shape).mean(2, keepdims=True)
    return jnp.broadcast_to(means, shape).reshape(count, 1, 1, channels)


def _convolved(weights: Weights, name: str, x: Array, stride: int = 1) -> Array:
    kernel = weights[f"{name}.kernel"]
    found = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=_LAYOUT
    )
    # Of other layers the normalisation has the shift.
    return found + weights[f"{name}.shift"] if name == "head" else found


def _halved(x: Array) -> Array:
    """The largest of each 2 x 2 pixels."""
    count, height, width, channels = x.shape
    pairs: Any = x.reshape(count, height // 2, 2, width // 2, 2, channels)
    largest: Array = pairs.max((2, 4))
    return largest


def _doubled(x: Array) -> Array:
    """Each pixel as 2 x 2."""
    count, height, width, channels = x.shape
    shape = (count, height, 2, width, 2, channels)
    spread = jnp.broadcast_to(x[:, :, None, :, None, :], shape)
    return spread.reshape(count, 2 * height, 2 * width, channels)
