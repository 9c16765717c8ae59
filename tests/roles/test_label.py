"""Labels are copied; ids of left and right swap when the picture is mirrored."""

import numpy as np
import pytest

import multiaug as ma
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, pipeline, run

SHAPE = (21, 30)
PAIRS = ((1, 2), (5, 9))
SWAP = np.arange(256)
SWAP[[1, 2, 5, 9]] = [2, 1, 9, 5]

# One spec for every dtype and method: a label map of parts, another that names no pairs.
ENTRIES = [
    entry("parts", "label", dtype="uint8", ignore=255, mirror_pairs=PAIRS),
    entry("most", "label", dtype="int32", interpolation="majority", mirror_pairs=PAIRS),
    entry("wide", "label", dtype="int16", ignore=-1, mirror_pairs=[[-1000, 1000]]),
    entry("plain", "label", dtype="uint8"),
    entry("extended", "label", dtype="uint8", border="edge", mirror_pairs=PAIRS),
]


@pytest.fixture(scope="module")
def line():
    return pipeline(ma.Affine(EYE), entries=ENTRIES)


def batch_of(draw: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    ids = draw.integers(0, 12, (count, *SHAPE))
    # Regions, so that a majority is one: blocks of 3 x 3 pixels.
    blocks = np.kron(draw.integers(0, 12, (count, 7, 10)), np.ones((1, 3, 3), int))
    return {
        "parts": ids.astype(np.uint8),
        "most": blocks.astype(np.int32),
        "wide": np.where(ids % 2, 1000, -1000).astype(np.int16),
        "plain": ids.astype(np.uint8),
        "extended": ids.astype(np.uint8),
    }


def nearest(values: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Copied values, which pixels are inside, and where rounding cannot matter."""
    index = np.floor(at + 0.5)
    clear = (np.abs(at + 0.5 - np.round(at + 0.5)) > 1e-3).all(-1)
    inside = ((index >= 0) & (index < [SHAPE[1], SHAPE[0]])).all(-1)
    x, y = np.clip(index, 0, [SHAPE[1] - 1, SHAPE[0] - 1]).astype(int).transpose(3, 0, 1, 2)
    return values[np.arange(len(values))[:, None, None], y, x], inside, clear


def test_drawn_maps(line):
    draw = np.random.default_rng(0)
    count = 128
    batch, matrices = batch_of(draw, count), scenes.affine_maps(draw, count, SHAPE, strength=0.6)
    done = run(line, batch, SHAPE, matrices={0: matrices}, padded=128)
    at = oracle.sources(done.matrices, SHAPE)
    mirrored = (np.linalg.det(done.matrices) < 0)[:, None, None]
    assert 40 < mirrored.sum() < 88
    for name, fill in (("parts", 255), ("wide", -1), ("plain", 0), ("extended", None)):
        copied, inside, clear = nearest(batch[name], at)
        swapped = -copied if name == "wide" else SWAP[copied]
        expected = np.where(mirrored & (name != "plain"), swapped, copied)
        if fill is not None:  # which is no part of anything, and does not swap
            expected = np.where(inside, expected, fill)
        np.testing.assert_array_equal(done.out[name][clear], expected[clear], err_msg=name)
        assert done.out[name].dtype == batch[name].dtype


def majority(values: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The id with most of the linear weight, and where it is clear."""
    base = np.floor(at)
    fraction = at - base
    scores = np.zeros((*at.shape[:-1], 12))
    for offset in np.array([[0, 0], [1, 0], [0, 1], [1, 1]]):
        weight = np.abs(1 - offset - fraction).prod(-1)
        ids, _, _ = nearest(values, base + offset)
        scores += np.eye(12)[ids] * weight[..., None]
    best = np.sort(scores, axis=-1)
    return scores.argmax(-1), best[..., -1] - best[..., -2] > 1e-3


def test_majority(line):
    draw = np.random.default_rng(1)
    count = 64
    batch, matrices = batch_of(draw, count), scenes.affine_maps(draw, count, SHAPE, strength=0.5)
    done = run(line, batch, SHAPE, matrices={0: matrices}, padded=128)
    ids, clear = majority(batch["most"], oracle.sources(done.matrices, SHAPE))
    mirrored = (np.linalg.det(done.matrices) < 0)[:, None, None]
    at = oracle.sources(done.matrices, SHAPE)
    clear &= ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
    assert clear.sum() > 5000
    np.testing.assert_array_equal(
        done.out["most"][clear], np.where(mirrored, SWAP[ids], ids)[clear]
    )


def test_two_flips_are_no_mirror(line):
    draw = np.random.default_rng(2)
    batch = batch_of(draw, 3)
    x, y = oracle.linear(-1, 0, 0, 1), oracle.linear(1, 0, 0, -1)
    flips = np.stack([oracle.about_centre(m, SHAPE) for m in (x, y, y @ x)])
    out = run(line, batch, SHAPE, matrices={0: flips}, padded=128).out
    np.testing.assert_array_equal(out["parts"][0], SWAP[batch["parts"][0, :, ::-1]])
    np.testing.assert_array_equal(out["parts"][1], SWAP[batch["parts"][1, ::-1]])
    np.testing.assert_array_equal(out["parts"][2], batch["parts"][2, ::-1, ::-1])
    np.testing.assert_array_equal(out["plain"][0], batch["plain"][0, :, ::-1])


@pytest.mark.parametrize("last", [ma.Perspective(0.24), ma.Elastic(0.03, grid=3)])
def test_a_window_of_a_large_picture_is_mirrored_by_flips_alone(last):
    """The centre of the whole picture can be behind the window's horizon."""
    line = pipeline(ma.Crop(12), ma.Flip("x"), last, entries=ENTRIES[:1])
    parts = np.full((64, 80, 80), 1, np.uint8)
    done = run(line, {"parts": parts}, (80, 80))
    for warp, ids in zip(done.charts, done.out["parts"], strict=True):
        flipped = np.linalg.det(warp.steps[1].forward) < 0
        assert set(np.unique(ids)) <= {2 if flipped else 1, 255}
