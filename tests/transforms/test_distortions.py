"""Dense maps against float64 references: where they read, their inverses, and that none folds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.geometry import thin_plate_slope
from tests.nightly import NIGHTLY, by_night
from tests.reference.distortions import REFERENCES
from tests.transforms.test_draws import LEVEL, assert_independent, assert_uniform, drawn, stats

SHAPE = (40, 60)
HALF = np.array([30.0, 20.0])
RNG = np.random.default_rng(0)
# As strong as they are allowed to be.
GRID = ma.GridDistortion(0.8, (4, 6))
LENSES = (ma.OpticalDistortion((0.4, 0.4), (0.5, 0.5)), ma.OpticalDistortion((-0.26, -0.2), 0))
PLATE = ma.ThinPlateSpline(0.79 / thin_plate_slope(1, (3, 4), (1, 1)), (3, 4))
MESH = ma.PiecewiseAffine(0.056, (3, 4))
STRONG = {"grid": GRID, "barrel": LENSES[0], "pincushion": LENSES[1], "plate": PLATE, "mesh": MESH}


@pytest.mark.parametrize("name", STRONG if NIGHTLY else ["barrel"])
def test_maps_and_their_inverses(name):
    transform = STRONG[name]
    count = 24
    params = drawn(transform, shape=SHAPE, keys=jax.random.split(jax.random.key(2), count))[0]
    if name in ("plate", "mesh"):  # shifts as large as they can be drawn
        params = {"shifts": np.sign(params["shifts"]) * np.float32(40 * transform.amount)}
    at = RNG.uniform(-1.2, 1.2, (500, 2)) * HALF

    @jax.jit
    @jax.vmap
    def run(params):
        warp, (x, y) = transform.map(params, SHAPE), jnp.float32(at.T)
        return tuple(jnp.stack([*p[:2], *p[2]]) for p in (warp.pull(x, y), warp.push(x, y)))

    pulled, pushed = (np.float64(found) for found in run(params))
    reference = REFERENCES[transform.owner]
    for i in range(count):
        one = jax.tree.map(lambda a, i=i: a[i], params)
        want = reference(transform, one, at.copy(), SHAPE)
        assert np.abs(pulled[i, :2].T - want).max() < 1e-3
        # Where push says that a position went, the reference reads that position.
        assert np.abs(reference(transform, one, pushed[i, :2].T.copy(), SHAPE) - at).max() < 0.005
    for a, b, c, d in (np.moveaxis(found[:, 2:], 1, 0) for found in (pulled, pushed)):
        assert (a * d - b * c).min() > 0.03  # it never folds


SPEC = ma.DataSpec.from_dict(
    {
        "name": "an image and points",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 1, "border": "edge"},
            "points": {"role": "keypoints", "dtype": "float32"},
        },
    }
)
RUN = (
    ma.GridDistortion(0.3),
    ma.OpticalDistortion(0.2, (0, 0.1)),
    ma.ThinPlateSpline(0.03),
    ma.PiecewiseAffine(0.04),
)


@pytest.fixture(scope="module")
def moved():
    """A record, what all four make of it in one resample, and the points on their way back."""
    points = RNG.uniform(0, 1, (20, 2)) * (2 * HALF - 1)
    image = RNG.random((*SHAPE, 1))
    record = {"image": np.float32(image), "points": np.float32(points)}
    pipeline, key = ma.Pipeline(RUN, SPEC), jax.random.key(4)
    params = pipeline.sample(key, SHAPE)
    out = pipeline(key, record)
    back = pipeline.invert(params, {"points": out["points"]})
    return pipeline, record, params, jax.device_get(out), jax.device_get(back)


def source_of(params, at):
    for transform, one in reversed(list(zip(RUN, params.values, strict=True))):
        at = REFERENCES[transform.owner](transform, one, at.copy(), SHAPE)
    return at


@by_night
def test_all_of_them_in_one_resample(moved):
    _, record, params, out, _ = moved
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    source = source_of(params, np.stack([x.ravel(), y.ravel()], -1) + 0.5 - HALF) + HALF - 0.5
    want = map_coordinates(
        np.float64(record["image"][..., 0]), source[:, ::-1].T, order=1, mode="nearest"
    )
    assert np.abs(out["image"].ravel() - want).max() < 1e-3


@by_night
def test_keypoints_lie_where_their_pixels_went(moved):
    _, record, params, out, back = moved
    source = source_of(params, np.float64(out["points"]) + 0.5 - HALF) + HALF - 0.5
    assert np.abs(source - record["points"]).max() < 0.01
    assert np.abs(back["points"] - record["points"]).max() < 0.01
    assert np.abs(out["points"] - record["points"]).max() > 1


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
@by_night
def test_images_are_resampled_by_native_code(moved):
    pipeline, record, *_ = moved
    found = {e.entry: e.resampled for e in pipeline.explain(SHAPE, like=record).entries}
    assert found["image"] == "native"


def test_draws():
    grid, lens, plate, mesh = drawn(
        ma.GridDistortion((-0.2, 0.6), (1, 2)),
        ma.OpticalDistortion((-0.1, 0.2), (-0.02, 0.05)),
        ma.ThinPlateSpline(0.05, 2),
        ma.PiecewiseAffine(0.05, 2),
        shape=SHAPE,
    )
    assert (grid["rows"] == 1).all()
    # One of two strips: (1 + u) / (2 + u + v).
    u = np.random.default_rng(1).uniform(0.8, 1.6, (4000, 2))
    assert stats.ks_2samp(grid["columns"][:, 0], u[:, 0] / u.sum(1)).pvalue > LEVEL
    assert_uniform(lens["k"][:, 0], -0.1, 0.2)
    assert_uniform(lens["k"][:, 1], -0.02, 0.05)
    assert_independent(*lens["k"].T)
    for params in (plate, mesh):
        shifts = params["shifts"].reshape(4000, -1)
        assert_uniform(shifts[:, 1], -2, 2)  # 0.05 of 40 rows
        assert_independent(shifts[:, 0], shifts[:, 1])
    assert plate["shifts"].shape == (4000, 4, 2)
    assert mesh["shifts"].shape == (4000, 1, 1, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ma.GridDistortion(0.9), r"GridDistortion.limit.*\[-0.8, 0.8\]"),
        (lambda: ma.GridDistortion(0.1, 0), "GridDistortion.steps.*>= 1"),
        (lambda: ma.GridDistortion(0.1, 99), "GridDistortion.steps.*at most 64"),
        (lambda: ma.OpticalDistortion(0.3), r"k1 r\^2.*got 0.1 to 1.9"),
        (lambda: ma.OpticalDistortion((0, 1), (0, 1)), "got 1 to 9"),
        # Weakest between centre and corner: 1 - 3 s + 2.5 s^2 at s = 0.6.
        (lambda: ma.OpticalDistortion((-1, -1), (0.5, 0.5)), "got 0.1 to 1"),
        (
            lambda: ma.ThinPlateSpline(0.2),
            "ThinPlateSpline.amount.*slope of the map below 0.8.*Lower it to",
        ),
        (lambda: ma.ThinPlateSpline(0.01, 1), "ThinPlateSpline.grid.*2 to 8"),
        (lambda: ma.PiecewiseAffine(0.1), "PiecewiseAffine.amount.*slope of the map below 0.8"),
        (lambda: ma.PiecewiseAffine(0.05), "got 0.8 from amount=0.05. Lower it to 0.0495,"),
        (lambda: ma.PiecewiseAffine(0.01, 17), "PiecewiseAffine.grid.*at most 16"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ma.ParameterError, match=message):
        make()
