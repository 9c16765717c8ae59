"""A small U-Net in JAX, with Equinox."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

Array = jax.Array


class Block(eqx.Module):
    """Two convolutions."""

    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d

    def __init__(self, channels: int, width: int, key: Array) -> None:
        one, two = jax.random.split(key)
        self.first = eqx.nn.Conv2d(channels, width, 3, padding=1, key=one)
        self.second = eqx.nn.Conv2d(width, width, 3, padding=1, key=two)

    def __call__(self, x: Array) -> Array:
        return jax.nn.relu(self.second(jax.nn.relu(self.first(x))))


class UNet(eqx.Module):
    """Down twice and up again, with a bridge at every size; (C, H, W) to (classes, H, W)."""

    down: list[Block]
    bottom: Block
    up: list[Block]
    head: eqx.nn.Conv2d

    def __init__(self, channels: int, classes: int, key: Array, width: int = 12) -> None:
        keys = jax.random.split(key, 6)
        self.down = [Block(channels, width, keys[0]), Block(width, 2 * width, keys[1])]
        self.bottom = Block(2 * width, 4 * width, keys[2])
        self.up = [Block(6 * width, 2 * width, keys[3]), Block(3 * width, width, keys[4])]
        self.head = eqx.nn.Conv2d(width, classes, 1, key=keys[5])

    def __call__(self, x: Array) -> Array:
        bridges = []
        for block in self.down:
            x = block(x)
            bridges.append(x)
            x = x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))
        x = self.bottom(x)
        for block, bridge in zip(self.up, reversed(bridges), strict=True):
            x = x.repeat(2, axis=1).repeat(2, axis=2)
            x = block(jnp.concatenate([x, bridge]))
        return self.head(x)
