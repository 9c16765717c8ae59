"""Tables of points in space move as the organised clouds do."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE, COUNT = (24, 32), 64
TABLE = entry("table", "points3d", dtype="float32")
K = entry("k", "intrinsics", dtype="float32", optional=True)


def batch_of(draw: np.random.Generator, k: np.ndarray) -> dict[str, np.ndarray]:
    """Points in view, of any depth, and one that is absent."""
    at = draw.uniform(0, 1, (COUNT, 20, 2)) * [SHAPE[1] - 1, SHAPE[0] - 1]
    homogeneous = np.concatenate([at, np.ones((COUNT, 20, 1))], axis=-1)
    points = np.einsum("nij,nkj->nki", np.linalg.inv(k), homogeneous)
    points = points * draw.uniform(0.5, 20, (COUNT, 20, 1))
    points[:, 7] = np.nan
    table = points.astype(np.float32)
    return {"image": np.zeros((COUNT, *SHAPE, 1), np.float32), "table": table}


@pytest.mark.parametrize("policy", ["refit", "fixed", "none"])
def test_points_move_with_the_camera(policy):
    draw = np.random.default_rng(0)
    k = scenes.cameras(draw, COUNT, SHAPE)
    batch = batch_of(draw, k) | {"k": k.astype(np.float32)}
    line = pipeline(ma.Perspective(matrix=EYE), entries=[picture(), TABLE, K], policy=policy)
    maps = scenes.projective_maps(draw, COUNT, SHAPE)
    done = run(line, batch, SHAPE, matrices={0: maps})
    table = done.out["table"].astype(np.float64)
    assert (np.isnan(table).any(-1) == np.isnan(batch["table"]).any(-1)).all()
    if policy == "none":
        np.testing.assert_array_equal(done.out["table"], batch["table"])
        return
    for i, matrix in enumerate(done.matrices):
        points = np.delete(batch["table"][i], 7, 0).astype(np.float64)
        moved = np.delete(table[i], 7, 0)
        if policy == "refit":
            expected = points @ oracle.refit(matrix, k[i])[1].T
        else:
            expected = points @ oracle.deform(matrix, k[i]).T
        size = np.linalg.norm(expected, axis=-1, keepdims=True)
        np.testing.assert_allclose(moved / size, expected / size, atol=1e-5)
        # They are seen where the map takes the pixels that they were seen at.
        pixels = oracle.move(matrix, oracle.project(k[i], points))
        away = np.linalg.norm(oracle.project(done.out["k"][i], moved) - pixels, axis=-1)
        near = np.abs(pixels - oracle.centre(SHAPE)).max(-1) < 10 * SHAPE[1]
        assert away[near].max() < 0.01


def test_affine_maps_need_no_camera():
    draw = np.random.default_rng(1)
    k = scenes.cameras(draw, COUNT, SHAPE, square=True)
    batch = batch_of(draw, k)
    line = pipeline(ma.Affine(EYE), entries=[picture(), TABLE, K])
    maps = scenes.affine_maps(draw, COUNT, SHAPE)
    blind = run(line, batch, SHAPE, matrices={0: maps}).out
    known = run(line, batch | {"k": k.astype(np.float32)}, SHAPE, matrices={0: maps}).out
    size = np.linalg.norm(known["table"], axis=-1, keepdims=True)
    assert np.nanmax(np.abs(blind["table"] - known["table"]) / size) < 1e-6
    assert "k" not in blind


def test_refused_under_elastic_unless_the_spec_allows_it():
    with pytest.raises(ParameterError, match=r"'table'.*points3d.*under_elastic"):
        pipeline(ma.Elastic(0.02), entries=[picture(), TABLE])
    allowed = entry("table", "points3d", dtype="float32", under_elastic="resample")
    pipeline(ma.Elastic(0.02), entries=[picture(), allowed])
