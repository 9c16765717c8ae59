"""An operation on values, added from outside the package: solarisation, which has no opcode."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.testing import check_transform, make_record
from multiaug.transforms import Photometric, ScaleShift, is_uniform, transform


@dataclass(frozen=True)
class Mirrored:
    """Values above a threshold are mirrored at it: ``v -> 2 t - v``."""

    threshold: float
    footprint = "point"

    def apply(self, values, mean):
        return jnp.where(values > self.threshold, 2 * self.threshold - values, values)

    def inverse(self):
        return None


@transform
class BrightMirror(Photometric):
    """Make bright things darker, the brightest the most.

    Args:
        share: of the range, from where on.
        entries: names of entries; None for all.
    """

    share: float = 0.5
    entries: tuple[str, ...] | None = None

    @property
    def uses_range(self):
        return True

    def sample(self, key, frame):
        return {}

    def operations(self, params, target):
        """A step of the library's, then one of one's own."""
        threshold = target.range[0] + self.share * target.extent
        return [ScaleShift(shift=0.1 * target.extent), Mirrored(threshold)]


SPEC = ma.DataSpec.from_dict(
    {
        "name": "two images",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "other": {"role": "intensity", "dtype": "float32", "channels": 3},
        },
    }
)


def test_it_does_what_it_says():
    batch = make_record(SPEC, (5, 6), 1, batch=2)
    out = ma.Pipeline([BrightMirror(0.5, ("image",)), ma.Flip("x", p=1)], SPEC).batch(
        jax.random.split(jax.random.key(0), 2), batch
    )
    values = batch["image"][:, :, ::-1].astype(float) + 25.5
    expected = np.clip(np.where(values > 127.5, 255 - values, values), 0, 255)
    np.testing.assert_allclose(np.asarray(out["image"], float), expected, atol=0.5 + 1e-4)
    np.testing.assert_array_equal(out["other"], batch["other"][:, :, ::-1])


def test_it_keeps_the_promises_of_a_transform():
    check_transform(BrightMirror(0.4), SPEC, 3)


def test_what_it_loses_is_refused():
    pipeline = ma.Pipeline([BrightMirror(0.5, ("other",))], SPEC)
    params = pipeline.sample(jax.random.key(0), (4, 4))
    with pytest.raises(
        ma.ParameterError, match="`BrightMirror` cannot be inverted on entry 'other'"
    ):
        pipeline.invert(params, {"other": np.zeros((4, 4, 3), np.float32)})


def test_what_is_known_of_it():
    assert is_uniform(Mirrored(0.5))
    assert not is_uniform(Mirrored(np.ones((1, 1, 3))))

    class Unknown(NamedTuple):
        """Says nothing of its footprint."""

        threshold: float

    assert not is_uniform(Unknown(0.5))
