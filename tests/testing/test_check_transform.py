"""check_transform finds what it is there to find; each test breaks one promise."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.geometry import affine_map, linear, shift
from multiaug.testing import check_transform
from multiaug.transforms import Geometric, Occluding, Photometric, Target, _checked, static
from multiaug.transforms import _base as base

SPEC = ma.DataSpec.from_dict(
    {
        "name": "small",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 1},
            "mask": {"role": "label", "dtype": "uint8"},
        },
    }
)
COUNT = itertools.count()


@pytest.fixture
def transform(monkeypatch):
    """The decorator, on a registry that forgets the broken classes."""
    monkeypatch.setattr(base, "REGISTRY", dict(base.REGISTRY))
    return base.transform


class Shift(Geometric):
    """Move to the right.

    Args:
        px: how far.
    """

    px: float = static(1.0)

    def sample(self, key, frame):
        return {"px": jax.random.uniform(key, dtype=jnp.float32) * self.px}

    def map(self, params, shape):
        return affine_map(shift(params["px"], 0), shift(-params["px"], 0), shape)


class Add(Photometric):
    """Add a constant.

    Args:
        amount: what to add.
        entries: where.
    """

    amount: float = static(0.5)
    entries: tuple[str, ...] | None = static()

    def sample(self, key, frame):
        return {"amount": jnp.float32(self.amount)}

    def apply(self, params, values, target: Target):
        return values + params["amount"]


def test_transforms_of_ones_own_pass(transform):
    check_transform(transform(type("Shift", (Shift,), dict(vars(Shift))))(2.0), SPEC, 3)
    check_transform(transform(type("Add", (Add,), dict(vars(Add))))(0.1), SPEC, 4)


def test_a_stage_of_ones_own_passes(transform):
    class Stripe(Occluding):
        """Cover a column of a tenth of the width.

        Args:
            entries: which.
        """

        entries: tuple[str, ...] | None = static(("image",))
        fill = 0.5

        def sample(self, key, frame):
            return {"left": jax.random.uniform(key, dtype=jnp.float32)}

        def covers(self, params, x, y, shape):
            left = params["left"] * shape[1]
            return ((x >= left) & (x < left + shape[1] / 10)) | (y > jnp.inf)

    check_transform(transform(Stripe)(), SPEC, 2)


def broken(transform, parent, **members):
    """An instance of a subclass with other members."""
    return transform(type("Broken", (parent,), {**vars(parent), **members}))()


def draws_from_outside(self, key, frame):
    return {"px": jnp.float32(next(COUNT))}


def reads_the_clock(self, params, shape):
    moved = params["px"] + next(COUNT)
    return affine_map(shift(moved, 0), shift(-moved, 0), shape)


def wrong_inverse(self, params, shape):
    return affine_map(shift(params["px"], 0), shift(params["px"], 0), shape)


def wrong_frame(self, params, shape):
    return affine_map(linear(1, 0, 0, 1), linear(1, 0, 0, 1), shape, (shape[0] + 1, shape[1]))


def blurs(self, params, values, target):
    return values + jnp.roll(values, 1, axis=0)


def host_array(self, key, frame):
    # One draw per process: traced once, it is a constant of the compiled code.
    return {"px": jnp.float32(np.random.default_rng().random())}


@pytest.mark.parametrize(
    ("parent", "members", "words"),
    [
        (Shift, {"__doc__": None}, "no docstring"),
        (Shift, {"__doc__": "Move."}, r"says nothing about \['px'\]"),
        (Shift, {"sample": draws_from_outside}, "params"),
        (Shift, {"sample": host_array}, "params"),
        (Shift, {"map": wrong_inverse}, "backward and forward map disagree"),
        (Shift, {"map": wrong_frame}, "out_shape says"),
        (
            Shift,
            {"__post_init__": lambda self: _checked.set_fields(self, px=self.px + 1)},
            "rebuilt",
        ),
        (Add, {"apply": blurs}, "footprint 'point', but a pixel depends on another one"),
    ],
)
def test_broken_promises_are_found(transform, parent, members, words):
    with pytest.raises(AssertionError, match=words):
        check_transform(broken(transform, parent, **members), SPEC)


def test_what_other_channels_must_not_see(transform):
    """A photometric transform cannot reach them; a pipeline that let it would be found out."""
    from multiaug.testing import _transforms

    batch = {"mask": np.zeros((1, 2, 2), np.uint8)}
    with pytest.raises(AssertionError, match="mask, which is no intensity"):
        _transforms._intensity_only(SPEC, batch, {"mask": batch["mask"] + np.uint8(1)})


def test_settings_that_compile_anew_are_found(transform):
    # A setting that never equals itself makes every call a new one.
    members = {"__post_init__": lambda self: _checked.set_fields(self, amount=Unequal(0.5))}
    with pytest.raises(AssertionError, match="compiled anew"):
        check_transform(broken(transform, Add, **members), SPEC)


class Unequal(float):
    __hash__ = float.__hash__

    def __eq__(self, other):
        return False
