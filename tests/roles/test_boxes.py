"""Boxes hold what they held, in all three conventions, as far as it is in view."""

import jax
import numpy as np
import pytest

import multiaug as ma
from tests.nightly import NIGHTLY
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE = (24, 32)
CONVENTIONS = ("edges", "coco", "pascal")
ENTRIES = [picture(), *(entry(c, "boxes", box_convention=c) for c in CONVENTIONS)]
MAPS = {
    "affine": (ma.Affine(EYE),),
    "perspective": (ma.Perspective(0.2), ma.Flip("y")),
    "elastic": (ma.Elastic(0.03, grid=(2, 3)), ma.Flip("x"), ma.Crop((20, 25))),
}


def written(edges: np.ndarray, convention: str) -> np.ndarray:
    """Edges (..., 4) on the pixel-area scale, in the words of a convention."""
    x0, y0, x1, y1 = np.moveaxis(edges, -1, 0)
    if convention == "coco":  # from the picture's corner, which is at -0.5
        parts = x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0
    elif convention == "pascal":  # the first and the last pixel, whose centres are half inside
        parts = x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5
    else:
        parts = x0, y0, x1, y1
    return np.stack(parts, axis=-1)


def batch_of(edges: np.ndarray, shape: oracle.Shape = SHAPE) -> dict[str, np.ndarray]:
    boxes = {c: written(edges, c).astype(np.float32) for c in CONVENTIONS}
    return {"image": np.zeros((len(edges), *shape, 1), np.float32), **boxes}


def drawn_boxes(draw: np.random.Generator, count: int) -> np.ndarray:
    """(n, k, 4) edges, some of them partly or wholly out of the picture."""
    corner = draw.uniform(-0.4, 1.2, (count, 12, 2)) * [SHAPE[1], SHAPE[0]]
    return np.concatenate([corner, corner + draw.uniform(0.5, 14, corner.shape)], axis=-1)


def corners(edges: np.ndarray) -> np.ndarray:
    """(..., 4, 2)."""
    return np.stack([edges[..., [i, j]] for i, j in ((0, 1), (2, 1), (2, 3), (0, 3))], axis=-2)


def bounds(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(-2), points.max(-2)], axis=-1)


def raster_share(box: np.ndarray, shape: oracle.Shape, steps: int = 200) -> float:
    """The share of a box in view, by counting points of a fine grid."""
    middle = (np.arange(steps) + 0.5) / steps
    x = box[0] + (box[2] - box[0]) * middle
    y = box[1] + (box[3] - box[1]) * middle
    inside_x = (x > -0.5) & (x < shape[1] - 0.5)
    inside_y = (y > -0.5) & (y < shape[0] - 0.5)
    return float((inside_y[:, None] & inside_x[None, :]).mean())


@pytest.mark.parametrize("name", MAPS if NIGHTLY else [n for n in MAPS if n != "elastic"])
def test_bounds_of_the_moved_corners_clipped(name):
    draw = np.random.default_rng(1)
    count = 64
    edges = drawn_boxes(draw, count)
    line = pipeline(*MAPS[name], entries=ENTRIES)
    matrices = {0: scenes.affine_maps(draw, count, SHAPE, strength=0.5)} if name == "affine" else {}
    done = run(line, batch_of(edges), SHAPE, matrices=matrices)
    height, width = done.out["image"].shape[1:3]
    limits = np.array([width, height, width, height]) - 0.5
    moved = np.stack(
        [
            bounds(warp.push(corners(own.astype(np.float32).astype(np.float64))))
            for warp, own in zip(done.charts, edges, strict=True)
        ]
    )
    clipped = np.clip(moved, -0.5, limits)
    shares = [[raster_share(box, (height, width)) for box in boxes] for boxes in moved]
    partly = (np.array(shares) > 0.02) & (np.array(shares) < 0.98)
    assert partly.sum() > 100
    assert (np.array(shares) == 0).sum() > 50
    for convention in CONVENTIONS:
        expected = written(clipped, convention)
        np.testing.assert_allclose(done.out[convention], expected, atol=2e-3)
        np.testing.assert_allclose(done.out[f"{convention}_visible"], shares, atol=0.011)


@pytest.mark.parametrize("name", ["affine", "perspective"])
def test_every_point_of_a_box_stays_in_it(name):
    """The bounding box of the moved corners is that of the moved area, for straight lines."""
    draw = np.random.default_rng(2)
    edges = drawn_boxes(draw, 32)
    line = pipeline(*MAPS[name], ma.Pad(40), entries=ENTRIES)
    matrices = {0: scenes.affine_maps(draw, 32, SHAPE, strength=0.2)} if name == "affine" else {}
    done = run(line, batch_of(edges), SHAPE, matrices=matrices)
    whole = done.out["edges_visible"] > 0.9999
    assert whole.mean() > 0.5
    share = draw.uniform(0, 1, (2000, 2))
    for warp, own, boxes, kept in zip(done.charts, edges, done.out["edges"], whole, strict=True):
        for box, moved in zip(own[kept], boxes[kept], strict=True):
            points = warp.push(box[:2] + share * (box[2:] - box[:2]))
            found = bounds(points)
            assert (found[:2] > moved[:2] - 2e-3).all()
            assert (found[2:] < moved[2:] + 2e-3).all()
            # And no larger than needed: the random points nearly reach its edges.
            size = np.max(moved[2:] - moved[:2])
            assert np.abs(found - moved).max() < 0.15 * size


def test_a_flipped_mask_has_the_flipped_box():
    """Whole pixels: the box around a mask, in each convention, after an exact copy."""
    mask = np.zeros((10, 12), np.uint8)
    mask[3:7, 2:5] = 1
    edges = np.array([[1.5, 2.5, 4.5, 6.5]])
    entries = [entry("mask", "label", dtype="uint8"), *ENTRIES[1:]]
    line = pipeline(ma.Flip("x", p=1), ma.Rot90(1), entries=entries)
    boxes = {c: written(edges, c).astype(np.float32) for c in CONVENTIONS}
    np.testing.assert_array_equal(boxes["pascal"], [[2, 3, 4, 6]])
    np.testing.assert_array_equal(boxes["coco"], [[2, 3, 3, 4]])
    out = line(jax.random.key(0), {"mask": mask, **boxes})
    y, x = np.nonzero(np.asarray(out["mask"]))
    found = np.array([[x.min() - 0.5, y.min() - 0.5, x.max() + 0.5, y.max() + 0.5]])
    for convention in CONVENTIONS:
        np.testing.assert_array_equal(out[convention], written(found, convention))
        np.testing.assert_array_equal(out[f"{convention}_visible"], [1.0])


def test_boxes_without_area_out_of_view_or_absent():
    given = np.array(
        [
            [2, 3, 2, 8],  # no width
            [-9, -9, -5, -5],  # out of view
            [np.nan] * 4,  # absent
            [-4.5, 2.5, 3.5, 6.5],  # half in view
        ]
    )
    line = pipeline(ma.Rot90(2), entries=ENTRIES)
    batch = batch_of(given[None], (10, 12))
    record = {name: array[0] for name, array in batch.items()}
    out = line(jax.random.key(0), record, check=False)
    np.testing.assert_array_equal(out["edges_visible"], [0, 0, 0, 0.5])
    np.testing.assert_array_equal(out["edges"][3], [7.5, 2.5, 11.5, 6.5])
    assert np.isnan(out["edges"][2]).all()
    # What is out of view is clipped to an edge, and has no size.
    x0, y0, x1, y1 = out["edges"][1]
    assert (x0, y0) == (x1, y1) == (11.5, 9.5)


def test_no_boxes_at_all():
    line = pipeline(ma.Rot90(2), entries=ENTRIES)
    batch = batch_of(np.zeros((1, 0, 4)), (10, 12))
    record = {name: array[0] for name, array in batch.items()}
    out = line(jax.random.key(0), record, check=False)
    assert out["coco"].shape == (0, 4)
    assert out["coco_visible"].shape == (0,)


def test_across_a_horizon_what_is_in_front_is_moved():
    # Upright lines at x = -25 are the horizon; one box is across it, one behind, one in front.
    edges = np.array([[-40, 2, 10, 9], [-60, 2, -30, 9], [3, 4, 9, 11]], np.float64)
    matrix = np.array([[1, 0, 0], [0, 1, 0], [0.04, 0, 1]], np.float64)
    entries = [*ENTRIES, entry("points", "keypoints")]
    line = pipeline(ma.Perspective(matrix=EYE), entries=entries)
    points = np.array([[[-30, 5], [-24, 5], [4, 5]]], np.float32)
    batch = {**batch_of(edges[None]), "points": points}
    done = run(line, batch, SHAPE, matrices={0: matrix[None]})
    limits = np.array([SHAPE[1], SHAPE[0], SHAPE[1], SHAPE[0]]) - 0.5
    x, y = np.meshgrid(np.linspace(-25 + 1e-3, 10, 20_001), np.linspace(2, 9, 21))
    front = np.clip(bounds(oracle.move(matrix, np.stack([x.ravel(), y.ravel()], -1))), -0.5, limits)
    whole = np.clip(bounds(oracle.move(matrix, corners(edges[2]))), -0.5, limits)
    found = done.out["edges"][0]
    np.testing.assert_allclose(found[0], front, atol=0.02)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], whole, atol=1e-3)
    np.testing.assert_allclose(done.out["edges_visible"][0], [0, 0, 1], atol=1e-3)
    moved = done.out["points"][0]
    assert np.isnan(moved[0]).all()
    np.testing.assert_allclose(moved[1:], oracle.move(matrix, points[0, 1:]), rtol=1e-4)
    assert done.out["points_visible"][0].tolist() == [False, False, True]


def test_a_box_without_area_is_never_in_view():
    edges = np.array([[4, 4, 4, 10], [4, 4, 10, 4], [4, 4, 4, 4], [4, 4, 10, 10]], np.float64)
    line = pipeline(ma.Rotate((30, 30)), entries=ENTRIES)
    done = run(line, batch_of(edges[None]), SHAPE)
    assert done.out["edges_visible"][0].tolist() == [0, 0, 0, 1]
