"""Majority labels: the id with most of the linear weight; ties by geometry, never by id."""

import numpy as np

import multiaug as ma
from tests.reference import sampling
from tests.reference.moving import moved, random_matrices

SHAPE = (33, 47)
IGNORE = 200
IDS = (0, 3, 7, 100, IGNORE)
BORDERS = ("constant", "mirror", "wrap")
# Of the weight: a lead that rounding cannot turn round.
CLEAR = 1e-3


def spec_of(dtype):
    return ma.DataSpec(
        "labels",
        [
            ma.EntrySpec.of_role(
                border,
                "label",
                dtype=dtype,
                interpolation="majority",
                border=border,
                ignore=IGNORE,
            )
            for border in BORDERS
        ],
    )


def labels(count, seed, dtype=np.uint8):
    """Patches of all sizes down to single pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice(IDS, (count, 5, 6)).repeat(7, axis=1).repeat(8, axis=2)
    fine = rng.choice(IDS, (count, *SHAPE))
    keep = rng.random((count, *SHAPE)) < 0.7
    return np.where(keep, coarse[:, : SHAPE[0], : SHAPE[1]], fine).astype(dtype)


def tied_matrices():
    """Shifts by half and quarter pixels: many places where two or four ids weigh the same."""
    shifts = [(0.5, 0), (0, 0.5), (0.5, 0.5), (-3.5, 2), (0.25, 0.5), (1.5, -0.25)]
    return np.array([[[1, 0, x], [0, 1, y], [0, 0, 1]] for x, y in shifts])


def test_majority_agrees_with_one_hot_weights():
    source = labels(8, seed=0)
    result, positions = moved(
        spec_of("uint8"), dict.fromkeys(BORDERS, source), random_matrices(8, seed=0)
    )
    for border in BORDERS:
        for i, (x, y) in positions.items():
            want, lead = sampling.majority(source[i], IDS, x, y, border, IGNORE)
            clear = lead > CLEAR
            assert clear.mean() > 0.9
            assert np.array_equal(result[border][i][clear], want[clear]), (border, i)


def test_renaming_ids_changes_nothing_else():
    # Every id of a tie gets to be the smallest and the largest.
    renamed = {
        0: -(2**31),
        3: 2**24 + 1,
        7: 2**24,
        100: 5,
        IGNORE: IGNORE,  # the fill stays what it is
    }
    matrices = [*random_matrices(2, seed=1), *tied_matrices()]
    source = labels(len(matrices), seed=1, dtype=np.int32)
    other = np.vectorize(renamed.get)(source).astype(np.int32)
    spec = spec_of("int32")
    first, positions = moved(spec, dict.fromkeys(BORDERS, source), matrices)
    second, _ = moved(spec, dict.fromkeys(BORDERS, other), matrices)
    for border in BORDERS:
        assert np.array_equal(np.vectorize(renamed.get)(first[border]), second[border])
    ties = [
        sampling.majority(source[i], IDS, *positions[i], "wrap", IGNORE)[1] == 0 for i in positions
    ]
    assert np.mean(ties[2:]) > 0.1


def test_ties_go_to_the_nearer_pixel():
    # Half a pixel along x: the columns weigh the same; a quarter along y: the upper row is
    # nearer. Two ids on the diagonals have a half each, and the upper pixels decide.
    source = np.array([[[1, 2, 1], [2, 1, 2], [1, 2, 1]]], np.uint8).repeat(2, axis=0)
    shift = [[[1, 0, -0.5], [0, 1, -0.25], [0, 0, 1]], [[1, 0, -0.5], [0, 1, -0.75], [0, 0, 1]]]
    result, _ = moved(spec_of("uint8"), dict.fromkeys(BORDERS, source), shift)
    upper, lower = source[0, :2, :2], source[0, 1:, :2]
    assert np.array_equal(result["mirror"][0, :2, :2], upper)
    assert np.array_equal(result["mirror"][1, :2, :2], lower)
