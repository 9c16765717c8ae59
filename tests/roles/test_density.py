"""The sum of a density over the picture is a number of things, which no map changes."""

import numpy as np
import pytest

import multiaug as ma
from tests.roles import oracle
from tests.roles.running import entry, picture, pipeline, run

SHAPE, COUNT = (64, 80), 24
PIPELINES = {
    "turn and zoom": (ma.Rotate(180), ma.Scale((0.7, 1.6)), ma.Flip("x")),
    "shear and stretch": (ma.Shear(20), ma.Scale(1.4, per_axis=True)),
    "perspective": (ma.Perspective(0.2),),
    "elastic": (ma.Elastic(0.04, grid=(3, 4)),),
    "enlarge": (ma.Resize((90, 130)),),
    "shrink": (ma.Resize((21, 32)),),
}
# Of the sum, of maps that read a few values per pixel of a blob.
BAR = 0.005


def blobs(draw: np.random.Generator, shape: oracle.Shape) -> np.ndarray:
    """(n, h, w): five Gaussian blobs of one each, away from the rim."""
    size = np.array([shape[1], shape[0]])
    centres = size * draw.uniform(0.38, 0.62, (COUNT, 5, 2))
    sigma = size.min() / 64 * draw.uniform(2.7, 3.4, (COUNT, 5, 1, 1))
    away = ((oracle.pixels(shape) - centres[:, :, None, None]) ** 2).sum(-1)
    each = np.exp(-away / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    return each.sum(1)


@pytest.mark.parametrize("name", PIPELINES)
def test_the_sum_is_kept(name):
    draw = np.random.default_rng(1)
    line = pipeline(
        *PIPELINES[name],
        entries=[
            picture(),
            entry("count", "density", channels=1, dtype="float32"),
            entry("coarse", "density", channels=1, dtype="float32"),
        ],
    )
    batch = {
        "image": np.zeros((COUNT, *SHAPE, 1), np.float32),
        "count": blobs(draw, SHAPE).astype(np.float32),
        "coarse": blobs(draw, (48, 60)).astype(np.float32),
    }
    done = run(line, batch, SHAPE)
    for field in ("count", "coarse"):
        out = done.out[field].astype(np.float64)
        rim = np.concatenate(
            [out[:, [0, -1]].reshape(COUNT, -1), out[:, :, [0, -1]].reshape(COUNT, -1)], 1
        )
        # All of every blob is in view, but for a few draws.
        whole = np.abs(rim).max(1) < 1e-4 * out.max()
        assert whole.sum() >= COUNT * 3 // 4
        total = out[whole].sum((1, 2)) / batch[field][whole].sum((1, 2))
        print(name, field, np.abs(total - 1).max())
        assert np.abs(total - 1).max() < BAR
        # Its parts too: the lower half of what is seen holds what was there before.
        assert (
            done.out[field].shape[1:] != SHAPE
            or np.abs(done.out[field] - batch[field]).max() > 1e-3
        )


def test_values_are_divided_by_the_area_that_a_pixel_grows_to():
    draw = np.random.default_rng(2)
    smooth = 1 + draw.uniform(0, 1, (COUNT, 1, 1)) + np.zeros((COUNT, *SHAPE))
    entries = [picture(), entry("count", "density", channels=1, dtype="float32")]
    line = pipeline(ma.Perspective(0.2), ma.Scale(2), ma.Flip("y"), entries=entries)
    batch = {
        "image": np.zeros((COUNT, *SHAPE, 1), np.float32),
        "count": smooth.astype(np.float32),
    }
    done = run(line, batch, SHAPE)
    checked = 0
    for i, warp in enumerate(done.charts):
        at = warp.sources()
        # All that a pixel covers, which is up to four pixels wide, is in the picture.
        inside = ((at > 3) & (at < [SHAPE[1] - 4, SHAPE[0] - 4])).all(-1)
        area = np.abs(np.linalg.det(oracle.jacobian(warp.push, at[inside])))
        np.testing.assert_allclose(done.out["count"][i][inside], smooth[i, 0, 0] / area, 1e-4)
        checked += inside.sum()
    assert checked > 20_000
