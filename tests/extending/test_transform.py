"""Transforms added from outside the package: a shear along y, and a blur that says nothing."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import uniform_filter1d

import multiaug as ma
from multiaug.geometry import affine_map, linear
from multiaug.testing import check_transform, make_record
from multiaug.transforms import Geometric, Photometric, ScaleShift, transform


@transform
class Slide(Geometric):
    """Slide columns against each other.

    Args:
        slope: the largest, in pixels down for each pixel to the right.
        p: the probability that a pipeline runs it.
    """

    slope: float = 0.2
    p: float = 1.0

    def min_scale(self, shape):
        return 1.0, 1 / float(np.hypot(1, self.slope))

    def sample(self, key, frame):
        return {"slope": jax.random.uniform(key, (), jnp.float32, -self.slope, self.slope)}

    def map(self, params, shape):
        slope = params["slope"]
        return affine_map(linear(1, 0, slope, 1), linear(1, 0, -slope, 1), shape)


@transform
class Blur(Photometric):
    """The mean of three neighbours along x.

    Args:
        entries: names of entries; None for all.
    """

    entries: tuple[str, ...] | None = None
    footprint = "stencil"

    def sample(self, key, frame):
        return {}

    def apply(self, params, values, target):
        padded = jnp.pad(values, ((0, 0), (1, 1), (0, 0)), mode="edge")
        return (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3


@transform
class Tint(Photometric):
    """Add another number to every channel, and say nothing of channels.

    Args:
        entries: names of entries; None for all.
    """

    entries: tuple[str, ...] | None = None

    def sample(self, key, frame):
        return {}

    def operations(self, params, target):
        return [ScaleShift(shift=jnp.arange(3, dtype=jnp.float32).reshape(1, 1, 3))]


SPEC = ma.DataSpec.from_dict(
    {
        "name": "an image and labels",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8"},
        },
    }
)


def test_they_keep_the_promises_of_a_transform():
    check_transform(Slide(0.3), SPEC, 1)
    check_transform(Blur(), SPEC, 2)


def test_a_blur_stays_within_its_channel():
    batch = make_record(SPEC, (6, 7), 1, batch=2)
    keys = jax.random.split(jax.random.key(0), 2)
    expected = uniform_filter1d(batch["image"].astype(float), 3, axis=2, mode="nearest")
    out = ma.Pipeline([Blur()], SPEC).batch(keys, batch)
    np.testing.assert_allclose(out["image"], expected, atol=1e-6)
    np.testing.assert_array_equal(out["mask"], batch["mask"])


def test_numbers_of_channels_stay_with_their_channels():
    """In JAX, beside a transform that only JAX can run."""
    batch = make_record(SPEC, (6, 7), 1, batch=2)
    keys = jax.random.split(jax.random.key(0), 2)
    out = ma.Pipeline([Tint(), Blur()], SPEC).batch(keys, batch)
    expected = uniform_filter1d(batch["image"] + [0.0, 1, 2], 3, axis=2, mode="nearest")
    np.testing.assert_allclose(out["image"], expected, atol=1e-5)
