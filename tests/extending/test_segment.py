"""A dense step of a map, added from outside the package: a swirl about the centre."""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.errors import ParameterError
from multiaug.geometry import Map, with_jacobian
from multiaug.testing import check_transform, make_record
from multiaug.transforms import Geometric, transform


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Swirl:
    """Turns each circle about the centre by an angle that falls off with its radius."""

    strength: jax.Array
    radius: float = field(default=8.0, metadata={"static": True})
    dense = True

    def pull(self, x, y):
        return with_jacobian(self._turned(1), x, y)

    def push(self, x, y):
        return with_jacobian(self._turned(-1), x, y)

    def inverted(self):
        return replace(self, strength=-self.strength)

    def gated(self, on):
        return replace(self, strength=jnp.where(on, self.strength, 0))

    def _turned(self, sign):
        def turned(x, y):
            angle = sign * self.strength * jnp.exp(-(x * x + y * y) / self.radius**2)
            return x * jnp.cos(angle) - y * jnp.sin(angle), x * jnp.sin(angle) + y * jnp.cos(angle)

        return turned


@transform
class RandomSwirl(Geometric):
    """Swirl the image about its centre.

    Args:
        strength: the largest angle, in radians.
    """

    strength: float = 0.8
    dense = True

    def min_scale(self, shape):
        """The angle is s exp(-r^2 / 64): a step along r turns by at most 2 s / e of it."""
        least = 1 / (1 + 2 * self.strength / np.e)
        return least, least

    def sample(self, key, frame):
        limit = self.strength
        return {"strength": jax.random.uniform(key, (), jnp.float32, -limit, limit)}

    def map(self, params, shape):
        return Map((Swirl(params["strength"]),), shape, shape)


SPEC = ma.DataSpec.from_dict(
    {
        "name": "an image, a flow and points",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 1, "border": "edge"},
            "flow": {"role": "flow", "dtype": "float32", "border": "edge"},
            "points": {"role": "keypoints", "dtype": "float32"},
        },
    }
)
SHAPE = (20, 24)
CENTRE = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2])
STEP = np.array([1.5, -0.5])


def turned(points, strength, sign):
    """The swirl in float64, on positions (..., 2) in pixels; backward with sign 1."""
    x, y = np.moveaxis(points - CENTRE, -1, 0)
    angle = sign * strength * np.exp(-(x * x + y * y) / 64)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([x * c - y * s, x * s + y * c], -1) + CENTRE


@pytest.fixture(scope="module")
def moved():
    """A record, the angle that was drawn for it, what became of it, and the way back."""
    record = make_record(SPEC, SHAPE, 1, content="smooth")
    record["flow"] = np.broadcast_to(STEP, (*SHAPE, 2)).astype(np.float32)
    pipeline = ma.Pipeline([RandomSwirl()], SPEC)
    key = jax.random.key(3)
    params = pipeline.sample(key, SHAPE)
    out = pipeline(key, record)
    strength = float(params.values[0]["strength"])
    return record, strength, jax.device_get(out), jax.device_get(pipeline.invert(params, out))


def test_images_are_sampled_at_its_positions(moved):
    record, strength, out, _ = moved
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    source = turned(np.stack([x, y], -1), strength, 1)
    assert np.abs(source - np.stack([x, y], -1)).max() > 1, "nothing was moved"
    expected = map_coordinates(
        record["image"].astype(float), [source[..., 1], source[..., 0]], order=1, mode="nearest"
    )
    np.testing.assert_allclose(out["image"], expected, atol=2e-4)


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
def test_native_code_reads_its_positions(moved):
    """A kind of segment that it does not know is a field of positions."""
    found = ma.Pipeline([RandomSwirl()], SPEC).explain(SHAPE, like=moved[0])
    done = {entry.entry: (entry.resampled, entry.reason) for entry in found.entries}
    assert done["image"] == ("native", "")
    assert done["flow"][0] == "xla"
    assert "where a dense segment of your own leads" in done["flow"][1]


def test_keypoints_go_the_other_way(moved):
    record, strength, out, back = moved
    np.testing.assert_allclose(out["points"], turned(record["points"], strength, -1), atol=1e-3)
    np.testing.assert_allclose(back["points"], record["points"], atol=1e-3)


def test_flow_vectors_have_both_ends_moved(moved):
    _, strength, out, _ = moved
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    source = turned(np.stack([x, y], -1), strength, 1)
    expected = turned(source + STEP, strength, -1) - turned(source, strength, -1)
    np.testing.assert_allclose(out["flow"], expected, atol=2e-3)


def test_it_can_be_undone(moved):
    record, _, _, back = moved
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(back["image"][inner], record["image"][inner], atol=0.02)
    np.testing.assert_allclose(back["flow"][inner], record["flow"][inner], atol=0.05)


def test_it_keeps_the_promises_of_a_transform():
    check_transform(RandomSwirl(0.5), SPEC, 2, shape=(16, 16))


def test_what_is_not_chosen_moves_nothing():
    """Beside a spline, which has a path of its own where it is 0."""
    spec = ma.DataSpec("an image", [SPEC.entries["image"]])
    container = ma.Maybe([RandomSwirl(), ma.Elastic(0.01, (3, 3))], p=0.0)
    record = make_record(spec, SHAPE, 2, batch=2)
    out = ma.Pipeline([container], spec).batch(jax.random.split(jax.random.key(0), 2), record)
    np.testing.assert_array_equal(out["image"], record["image"])


@pytest.mark.parametrize("name", ["pull", "push", "inverted", "gated"])
def test_a_missing_method_is_named(name):
    members = {n: v for n, v in vars(Swirl).items() if n not in (name, "__dict__", "__weakref__")}
    partial = type("Partial", (), members)
    with pytest.raises(ParameterError, match=f"`Partial` must have the method `{name}`"):
        Map((partial(jnp.float32(1)),), SHAPE, SHAPE)


def test_what_no_camera_can_follow_is_refused():
    class Flat(Swirl):
        dense = False

    with pytest.raises(ParameterError, match=r"`Flat.dense` must be True, got False"):
        Map((Flat(jnp.float32(1)),), SHAPE, SHAPE)

    class Unregistered(Swirl):
        pass

    with pytest.raises(ParameterError, match="`Unregistered` must be a pytree"):
        Map((Unregistered(jnp.float32(1)),), SHAPE, SHAPE)


def test_a_transform_that_hides_what_its_map_does_is_refused():
    class Hidden(RandomSwirl):
        """Says nothing of the field."""

        dense = False

    transform(Hidden)
    record = make_record(SPEC, SHAPE, 1)
    with pytest.raises(ParameterError, match=r"`Hidden.dense` must be True, got False"):
        ma.Pipeline([Hidden()], SPEC)(jax.random.key(0), record)
