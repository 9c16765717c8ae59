"""What a transform claims is tried: each test plants one lie, which must be found and named."""

import re

import jax
import jax.numpy as jnp
import pytest

import multiaug as ma
from multiaug.geometry import Map, Projective, affine_map, linear, rotation
from multiaug.testing import check_transform
from multiaug.transforms import (
    Elastic,
    Flip,
    GaussianNoise,
    Geometric,
    Normalize,
    Perspective,
    Photometric,
    ScaleShift,
    Target,
)
from multiaug.transforms import _base as base

SPEC = ma.DataSpec.from_dict(
    {
        "name": "small",
        "entries": {"image": {"role": "intensity", "dtype": "float32", "channels": 3}},
    }
)


@pytest.fixture
def lie(monkeypatch):
    """Makes an instance of a subclass with other members, on a registry that forgets it."""
    monkeypatch.setattr(base, "REGISTRY", dict(base.REGISTRY))

    def make(parent, *settings, **members):
        cls = type("Liar", (parent,), {"__doc__": parent.__doc__, **members})
        return base.transform(cls)(*settings)

    return make


class Given(Geometric):
    """A transform without settings, whose map is drawn from one number."""

    def sample(self, key, frame):
        return {"u": jax.random.uniform(key, dtype=jnp.float32)}

    def map(self, params, shape):
        return affine_map(jnp.eye(3), jnp.eye(3), shape)


class Values(Photometric):
    """A transform of values without settings.

    Args:
        entries: where.
    """

    entries: tuple[str, ...] | None = None

    def sample(self, key, frame):
        return {"u": jax.random.uniform(key, dtype=jnp.float32)}

    def apply(self, params, values, target: Target):
        return values


def turn(self, params, shape):
    return affine_map(rotation(params["u"] * 40), rotation(-params["u"] * 40), shape)


def zoom_out(self, params, shape):
    return affine_map(linear(0.5, 0, 0, 0.5), linear(2, 0, 0, 2), shape)


def tilt(self, params, shape, *, affine):
    forward = jnp.eye(3, dtype=jnp.float32).at[2, 0].set(0.01 * params["u"])
    backward = jnp.eye(3, dtype=jnp.float32).at[2, 0].set(-0.01 * params["u"])
    return Map((Projective(forward, backward, affine=affine),), shape, shape)


@pytest.mark.parametrize(
    ("parent", "members", "message"),
    [
        (Flip, {"mirrors": False}, r"mirrors` is False, but draw \d+ turns left into right.*-1"),
        (Given, {"map": zoom_out}, r"min_scale` says \(1, 1\) .* draw 0 shrinks to \(0.5, 0.5\)"),
        (
            Given,
            {"map": lambda self, params, shape: tilt(self, params, shape, affine=True)},
            r"projective`: its map says affine, but draw \d+ has a matrix with the last row \[0.0",
        ),
        (
            Given,
            {"map": lambda self, params, shape: tilt(self, params, shape, affine=False)},
            r"projective` is False, but its map is one that may have perspective",
        ),
        (Perspective, {"projective": False}, r"projective` is False"),
        (Elastic, {"dense": False}, r"dense` is False, but its map displaces pixels by a field"),
    ],
)
def test_lies_about_maps(lie, parent, members, message):
    liar = lie(parent, **members)
    with pytest.raises(AssertionError, match=re.compile("`Liar." + message, re.DOTALL)):
        check_transform(liar, SPEC)


@pytest.mark.parametrize(
    ("parent", "members", "message"),
    [
        (
            Values,
            {"apply": lambda self, params, values, target: values.astype(jnp.float16)},
            r"keeps_dtype` is True, but `apply` turns float32 into float16",
        ),
        (Normalize, {"keeps_dtype": True}, r"keeps_dtype` is True, but .* next to nothing is left"),
        (Normalize, {"out_range": lambda self, given: given}, r"out_range` says \(0, 255\), but"),
        (Normalize, {"uses_range": False}, r"uses_range` is False, but with black and white at"),
        (
            Values,
            {
                "operations": lambda self, params, target: [ScaleShift(shift=params["u"] + 9)],
            },
            r"operations` do not do what `apply` does",
        ),
        (
            Values,
            {
                "by_channel": False,
                "apply": lambda self, params, values, target: jnp.cumsum(values, -1),
            },
            r"by_channel` is False, so values may come as \(h, w \* c, 1\)",
        ),
        (
            GaussianNoise,
            {"invert": lambda self, params, values, target: values},
            r"invert` does not undo `apply`",
        ),
    ],
)
def test_lies_about_values(lie, parent, members, message):
    liar = lie(parent, **members)
    with pytest.raises(AssertionError, match="`Liar." + message):
        check_transform(liar, SPEC)


def test_to_claim_less_is_no_lie(lie):
    check_transform(
        lie(Given, mirrors=True, projective=True, min_scale=lambda *_: (0.5, 0.5)), SPEC
    )
