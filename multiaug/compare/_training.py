"""A short training, and what the trained network predicts; both compiled once for all trainings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..typing import Array, NDArray
from ._network import Kind, Weights, init_weights, scores_of

_WARM_UP = 0.1  # the share of the steps in which the rate rises
_DECAY = 1e-2
# A short training cannot average squares over a thousand steps.
_BETAS, _EPSILON = (0.9, 0.99), 1e-8


class Architecture(NamedTuple):
    """What is compiled for.

    Args:
        kind: what is predicted.
        size: (height, width) of the images.
        channels: of the images.
        classes: how many there are.
        batch_size: images in a batch.
        width: of the network, see `init_weights`.
    """

    kind: Kind
    size: tuple[int, int]
    channels: int
    classes: int
    batch_size: int
    width: int

    def init(self, seed: int) -> dict[str, NDArray]:
        """The first weights."""
        return init_weights(seed, self.channels, self.classes, self.width, self.kind)

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(weight.size for weight in self.init(0).values())


@dataclass(frozen=True)
class Trainer:
    """Trains networks of one architecture.

    Args:
        architecture: of the networks.
        steps: of a training.
        learning_rate: the highest; it rises to it, then falls to 0 as a half cosine.
    """

    architecture: Architecture
    steps: int
    learning_rate: float

    def train(
        self, seed: int, batches: Iterator[tuple[NDArray, NDArray]], emphasis: NDArray
    ) -> Weights:
        """Train a network from its first weights.

        Args:
            seed: of the first weights.
            batches: images and shares of classes; as many are taken as there are steps.
            emphasis: float32 (classes,), how much an example of each class counts.

        Returns:
            The weights.
        """
        step, _ = compiled(self.architecture)
        weights = self.architecture.init(seed)
        state: Any = (weights, *(jax.tree.map(np.zeros_like, weights) for _ in range(2)))
        for number in range(self.steps):
            images, shares = next(batches)
            rates = np.array([self.rate(number), *(1 - b ** (number + 1) for b in _BETAS)])
            state = step(state, images, shares, emphasis, rates.astype(np.float32))
        trained: Weights = jax.block_until_ready(state[0])
        return trained

    def predict(self, weights: Weights, images: NDArray) -> NDArray:
        """The most likely class of each pixel, or of each image, int32 (n, ...)."""
        _, predict = compiled(self.architecture)
        size, found = self.architecture.batch_size, []
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            # One shape is compiled: what fills it up is thrown away.
            filling = np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)
            found.append(
                np.asarray(predict(weights, np.concatenate([batch, filling])))[: len(batch)]
            )
        return np.concatenate(found)

    def rate(self, number: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = max(1, round(_WARM_UP * self.steps))
        if number < warm:
            return self.learning_rate * (number + 1) / warm
        share = (number - warm) / max(1, self.steps - warm)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


@lru_cache(maxsize=8)
def compiled(of: Architecture) -> tuple[Any, Any]:
    """A step of training, and a prediction, for all networks of an architecture."""
    weights = {n: jax.ShapeDtypeStruct(w.shape, w.dtype) for n, w in of.init(0).items()}
    frame = of.size if of.kind == "segmentation" else ()
    images, shares, emphasis, rates = (
        jax.ShapeDtypeStruct(shape, np.dtype(np.float32))
        for shape in (
            (of.batch_size, *of.size, of.channels),
            (of.batch_size, *frame, of.classes),
            (of.classes,),
            (3,),
        )
    )

    def step(state: Any, images: Array, shares: Array, emphasis: Array, rates: Array) -> Any:
        weights, first, second = state
        slopes = jax.grad(_loss)(weights, images, shares, emphasis, of.kind)
        return _adam(weights, first, second, slopes, rates)

    def predict(weights: Weights, images: Array) -> Array:
        return jnp.argmax(scores_of(weights, images, of.kind), axis=-1)

    stepping = jax.jit(step, donate_argnums=0)
    return (
        stepping.lower((weights, weights, weights), images, shares, emphasis, rates).compile(),
        jax.jit(predict).lower(weights, images).compile(),
    )


def _loss(weights: Weights, images: Array, shares: Array, emphasis: Array, kind: Kind) -> Array:
    """Cross entropy with shares of classes; where they are all 0 nothing is learned."""
    logs = jax.nn.log_softmax(scores_of(weights, images, kind))
    counted = shares * emphasis.reshape((1,) * (shares.ndim - 1) + (-1,))
    loss: Array = -(counted * logs).sum() / jnp.maximum(counted.sum(), 1e-6)
    return loss


def _adam(
    weights: Weights, first: Weights, second: Weights, slopes: Weights, rates: Array
) -> tuple[Weights, Weights, Weights]:
    """A step of I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019."""
    rate, left_of_first, left_of_second = rates[0], rates[1], rates[2]
    first = jax.tree.map(lambda m, g: _BETAS[0] * m + (1 - _BETAS[0]) * g, first, slopes)
    second = jax.tree.map(lambda v, g: _BETAS[1] * v + (1 - _BETAS[1]) * g * g, second, slopes)

    def moved(w: Array, m: Array, v: Array) -> Array:
        direction = (m / left_of_first) / (jnp.sqrt(v / left_of_second) + _EPSILON)
        return w - rate * (direction + _DECAY * w)

    return jax.tree.map(moved, weights, first, second), first, second
