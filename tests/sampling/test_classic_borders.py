"""The borders of the classic front end against SciPy's modes "constant" and "wrap", in float64."""

import jax
import numpy as np
import pytest
from scipy import ndimage

import multiaug as ma

MODES = {"constant-hard": "constant", "wrap-classic": "wrap"}
ORDERS = {"nearest": 0, "linear": 1, "spline3": 3}
FILL = 0.25
SHAPE = (20, 31)


def backward_matrices(count, seed=0):
    """(count, 2, 3) from output to input, on (row, column)."""
    rng = np.random.default_rng(seed)
    linear = np.eye(2) + rng.normal(0, 0.4, (count, 2, 2))
    centre = (np.array(SHAPE) - 1) / 2
    offset = centre + rng.normal(0, 8, (count, 2)) - linear @ centre
    return np.concatenate([linear, offset[..., None]], axis=-1)


def forward(matrix):
    """The (3, 3) forward matrix on (x, y, 1) of a backward one on (row, column)."""
    whole = np.eye(3)
    whole[:2] = matrix
    swap = np.eye(3)[[1, 0, 2]]
    return np.linalg.inv(swap @ whole @ swap).astype(np.float32)


def ours(picture, matrices, method, border):
    entry = {"role": "intensity", "interpolation": method, "border": border, "fill": FILL}
    spec = ma.DataSpec.from_dict({"name": "classic", "entries": {"image": entry}})
    pipeline = ma.Pipeline([ma.Affine(np.eye(3))], spec)
    keys = jax.random.split(jax.random.key(0), len(matrices))
    params = pipeline.sample(keys, SHAPE)
    params.values[0]["matrix"] = np.stack([forward(m) for m in matrices])
    batch = np.broadcast_to(picture, (len(matrices), *picture.shape)).copy()
    return np.asarray(pipeline.apply(params, {"image": batch})["image"])


def scipys(picture, matrix, order, mode):
    return np.stack(
        [
            ndimage.affine_transform(
                np.float64(channel), matrix[:, :2], matrix[:, 2], order=order, mode=mode, cval=FILL
            )
            for channel in np.moveaxis(picture, -1, 0)
        ],
        axis=-1,
    )


@pytest.mark.parametrize("in_c", [True, False])
@pytest.mark.parametrize("method", ORDERS)
@pytest.mark.parametrize("border", MODES)
def test_agrees_with_scipy(border, method, in_c, without_c):
    if not in_c:
        without_c()
    picture = np.random.default_rng(1).random((*SHAPE, 2), np.float32)
    matrices = backward_matrices(12)
    found = ours(picture, matrices, method, border)
    expected = np.stack([scipys(picture, m, ORDERS[method], MODES[border]) for m in matrices])
    # A position within rounding of the picture's end may fall on its other side.
    assert (np.abs(found - expected) > 1e-3).mean() < 1e-4


@pytest.mark.parametrize("border", MODES)
def test_whole_pixels_are_copied(border):
    entry = {"role": "intensity", "border": border, "fill": 7}
    spec = ma.DataSpec.from_dict({"name": "classic", "entries": {"image": entry}})
    pipeline = ma.Pipeline([ma.Translate(px=((3, 3), (-2, -2)), whole=True)], spec)
    picture = np.arange(30, dtype=np.float32).reshape(5, 6, 1)
    found = np.asarray(pipeline(jax.random.key(0), {"image": picture})["image"])
    shifted = ndimage.shift(picture[..., 0], (-2, 3), order=0, mode=MODES[border], cval=7)
    np.testing.assert_array_equal(found[..., 0], shifted)


@pytest.mark.parametrize("border", MODES)
def test_a_picture_of_one_pixel(border):
    entry = {"role": "intensity", "border": border, "fill": 7}
    spec = ma.DataSpec.from_dict({"name": "classic", "entries": {"image": entry}})
    found = ma.Pipeline([ma.Translate(px=((1, 1), (0, 0)))], spec)(
        jax.random.key(0), {"image": np.ones((1, 1, 1), np.float32)}
    )
    assert float(found["image"][0, 0, 0]) == (7 if border == "constant-hard" else 1)
