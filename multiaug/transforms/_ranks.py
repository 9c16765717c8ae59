"""Uniform permutations."""

from __future__ import annotations

import jax.numpy as jnp

from ..typing import Array


def ranks(u: Array) -> Array:
    """A uniform permutation: how many of the numbers come before each; earlier ones win ties."""
    n = u.shape[0]
    earlier = jnp.tri(n, k=-1, dtype=bool)
    before = (u[None, :] < u[:, None]) | ((u[None, :] == u[:, None]) & earlier)
    return before.sum(1, dtype=jnp.int32)
