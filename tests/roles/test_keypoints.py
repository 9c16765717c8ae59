"""Keypoints go where the picture goes."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import RecordError
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE = (48, 64)
ALL = {
    "affine": (ma.Affine(EYE),),
    "perspective": (ma.Perspective(0.1), ma.Rotate(30)),
    "elastic": (ma.Elastic(0.04, grid=(3, 4)), ma.Rotate(20)),
}


def dots(centres: np.ndarray, shape: oracle.Shape, sigma: float = 1.5) -> np.ndarray:
    """(n, h, w, 1) pictures of one Gaussian dot each."""
    away = oracle.pixels(shape) - centres[:, None, None]
    return np.exp(-(away**2).sum(-1) / (2 * sigma**2)).astype(np.float32)[..., None]


def centroids(pictures: np.ndarray) -> np.ndarray:
    weight = pictures[..., 0].astype(np.float64)
    moments = np.einsum("nhw,hwc->nc", weight, oracle.pixels(weight.shape[1:]))
    return moments / weight.sum((1, 2))[:, None]


@pytest.mark.parametrize("name", ALL)
def test_a_dot_lands_where_its_keypoint_goes(name):
    draw = np.random.default_rng(1)
    # Large, and the dots small: the centroid of a bent dot is not the image of its centre.
    count, shape = 256, (144, 192)
    size = np.array([shape[1], shape[0]])
    centres = size * draw.uniform(0.2, 0.8, (count, 2))
    line = pipeline(*ALL[name], entries=[picture(), entry("dot", "keypoints")])
    batch = {"image": dots(centres, shape), "dot": centres[:, None].astype(np.float32)}
    matrices = {0: scenes.affine_maps(draw, count, shape, strength=0.2)} if name == "affine" else {}
    done = run(line, batch, shape, matrices=matrices)
    landed = done.out["dot"][:, 0].astype(np.float64)
    # A dot cut by the rim has its centroid elsewhere.
    whole = ((landed > 9) & (landed < size - 10)).all(-1)
    away = np.linalg.norm(centroids(done.out["image"][whole]) - landed[whole], axis=-1)
    print(name, whole.sum(), away.max())
    assert whole.sum() > 100
    assert away.max() < 0.05
    assert np.median(np.linalg.norm(landed - centres, axis=-1)) > 2  # they did move


@pytest.mark.parametrize("name", ALL)
def test_positions_and_visibility(name):
    """Against float64, in the pixels of the picture and of a mask of another size."""
    draw = np.random.default_rng(2)
    count, points, small = 64, 40, (24, 32)
    line = pipeline(
        *ALL[name],
        ma.Flip("x"),
        ma.Crop((40, 56)),
        entries=[
            picture(),
            entry("mask", "label", dtype="uint8"),
            entry("of_image", "keypoints", of="image"),
            entry("of_mask", "keypoints", of="mask"),
        ],
    )
    spread = draw.uniform(-0.3, 1.3, (count, points, 2))
    batch = {
        "image": np.zeros((count, *SHAPE, 1), np.float32),
        "mask": np.zeros((count, *small), np.uint8),
        "of_image": (spread * [64, 48] - 0.5).astype(np.float32),
        "of_mask": (spread * [32, 24] - 0.5).astype(np.float32),
    }
    matrices = {0: scenes.affine_maps(draw, count, SHAPE, strength=0.6)} if name == "affine" else {}
    done = run(line, batch, SHAPE, matrices=matrices)
    checked = 0
    for field, enter, leave in (
        ("of_image", EYE, EYE),
        (
            "of_mask",
            oracle.half_pixel(small, SHAPE),
            oracle.half_pixel((40, 56), done.out["mask"].shape[1:]),
        ),
    ):
        height, width = done.out[field.removeprefix("of_")].shape[1:3]
        for i, warp in enumerate(done.charts):
            given = batch[field][i].astype(np.float64)
            expected = oracle.move(leave, warp.push(oracle.move(enter, given)))
            away = np.linalg.norm(done.out[field][i] - expected, axis=-1)
            assert away.max() < 1e-3
            checked += points
            low, high = np.array([-0.5, -0.5]), np.array([width - 0.5, height - 0.5])
            clear = (np.abs(expected - low) > 2e-3).all(-1) & (np.abs(expected - high) > 2e-3).all(
                -1
            )
            inside = ((expected > low) & (expected < high)).all(-1)
            assert (done.out[f"{field}_visible"][i] == inside)[clear].all()
            assert clear.sum() > 0.9 * points
    assert checked == 2 * count * points >= 2000


def tilted_crop():
    """The centre of the picture is behind the window's horizon in some draws."""
    return ma.Crop(12), ma.Perspective(0.24)


def test_windows_of_a_large_picture():
    draw = np.random.default_rng(3)
    count, shape = 192, (80, 80)
    line = pipeline(
        *tilted_crop(), entries=[picture(), entry("points", "keypoints", mirror_pairs=[[0, 1]])]
    )
    params = line.sample(jax.random.split(jax.random.key(0), count), shape)
    charts = oracle.charts(line, params)
    behind = [warp.matrix[2] @ [39.5, 39.5, 1] < 0 for warp in charts]
    assert 4 < np.sum(behind) < count / 2
    # Points that are in view in the end.
    seen = draw.uniform(0, 11, (count, 6, 2))
    points = np.stack([warp.pull(p) for warp, p in zip(charts, seen, strict=True)])
    batch = {"image": np.zeros((count, *shape, 1), np.float32), "points": points.astype(np.float32)}
    out = line.apply(params, batch)
    np.testing.assert_allclose(out["points"], seen, atol=2e-3)
    assert np.asarray(out["points_visible"]).all()


def test_absent_points_stay_absent():
    line = pipeline(ma.Perspective(0.1), entries=[picture(), entry("points", "keypoints")])
    points = np.array([[1, 2], [np.nan, 3], [np.nan, np.nan], [5, 5]], np.float32)
    record = {"image": np.zeros((8, 8, 1), np.float32), "points": points}
    out = line(jax.random.key(0), record)
    assert np.isnan(out["points"]).any(-1).tolist() == [False, True, True, False]
    assert not np.asarray(out["points_visible"])[1:3].any()


class TestMirrorPairs:
    """Left and right change places when the picture is mirrored, and only then."""

    PAIRS = ((0, 2), (3, 4))
    SWAPPED = (2, 1, 0, 4, 3)
    POINTS = np.array([[1, 2], [3, 1], [5, 2], [2, 6], [4, 7]], np.float32)

    def moved(self, matrices: np.ndarray) -> np.ndarray:
        line = pipeline(
            ma.Affine(EYE),
            entries=[picture(), entry("points", "keypoints", mirror_pairs=self.PAIRS)],
        )
        count = len(matrices)
        batch = {
            "image": np.zeros((count, 8, 8, 1), np.float32),
            "points": np.broadcast_to(self.POINTS, (count, 5, 2)),
        }
        return run(line, batch, (8, 8), matrices={0: matrices}, padded=64).out["points"]

    def test_swap_where_the_determinant_is_negative(self):
        draw = np.random.default_rng(4)
        matrices = scenes.affine_maps(draw, 64, (8, 8))
        moved = self.moved(matrices)
        negative = np.linalg.det(matrices) < 0
        assert 16 < negative.sum() < 48
        for i, matrix in enumerate(matrices):
            expected = oracle.move(matrix, self.POINTS.astype(np.float64))
            order = list(self.SWAPPED) if negative[i] else slice(None)
            np.testing.assert_allclose(moved[i], expected[order], atol=1e-3)

    def test_both_flips_are_a_turn(self):
        x, y = oracle.linear(-1, 0, 0, 1), oracle.linear(1, 0, 0, -1)
        flips = [oracle.about_centre(m, (8, 8)) for m in (x, y, y @ x)]
        moved = self.moved(np.stack(flips))
        swapped = self.POINTS[list(self.SWAPPED)]
        np.testing.assert_array_equal(moved[0], [7, 0] + swapped * [-1, 1])
        np.testing.assert_array_equal(moved[1], [0, 7] + swapped * [1, -1])
        np.testing.assert_array_equal(moved[2], 7 - self.POINTS)

    def test_visibility_follows_the_point(self):
        spec = [picture(), entry("points", "keypoints", mirror_pairs=[[0, 1]])]
        line = pipeline(ma.Flip("x", p=1), entries=spec)
        points = np.array([[-3, 2], [1, 2]], np.float32)  # the left one is out of view
        out = line(jax.random.key(0), {"image": np.zeros((8, 8, 1), np.float32), "points": points})
        np.testing.assert_array_equal(out["points"], [[6, 2], [10, 2]])
        assert out["points_visible"].tolist() == [True, False]

    def test_no_points_at_all(self):
        spec = [picture(), entry("points", "keypoints", mirror_pairs=[[0, 1]])]
        line = pipeline(ma.Flip("x", p=1), entries=spec)
        record = {"image": np.zeros((8, 8, 1), np.float32), "points": np.zeros((0, 2), np.float32)}
        out = line(jax.random.key(0), record)
        assert out["points"].shape == (0, 2)
        assert out["points_visible"].shape == (0,)

    def test_a_pair_beyond_the_table_is_refused(self):
        spec = [picture(), entry("points", "keypoints", mirror_pairs=[[0, 7]])]
        line = pipeline(ma.Flip("x", p=1), entries=spec)
        record = {"image": np.zeros((8, 8, 1), np.float32), "points": np.zeros((3, 2), np.float32)}
        with pytest.raises(RecordError, match=r"mirror_pairs.*3 points.*0, 7"):
            line(jax.random.key(0), record)
