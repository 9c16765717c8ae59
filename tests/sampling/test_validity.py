"""Pixels without data: never blended, never spread, never lost."""

import ml_dtypes
import numpy as np
import pytest

import multiaug as ma
from tests.reference import sampling
from tests.reference.banded import bar
from tests.reference.moving import moved, random_matrices

SHAPE = (33, 47)
FILL = 0.25
# Shares of the weight nearer to a half, or taps nearer in weight, may fall on either side.
CLOSE = 1e-3


def whole_matrices():
    """Shifts and turns that take pixel centres to pixel centres."""
    height, width = SHAPE
    return [
        np.eye(3),
        [[1, 0, 5], [0, 1, -7], [0, 0, 1]],
        [[-1, 0, width - 1], [0, 1, 3], [0, 0, 1]],
        [[-1, 0, width + 1], [0, -1, height - 1], [0, 0, 1]],
        [[0, 1, 0], [-1, 0, width - 1], [0, 0, 1]],
        [[0, 1, -4], [1, 0, 2], [0, 0, 1]],
    ]


def whole(x, y):
    return np.round(x).astype(int), np.round(y).astype(int)


def holes(shape, rng, share=0.15):
    """Single pixels and a block without data."""
    missing = rng.random(shape) < share
    missing[..., 5:12, 20:30] = True
    missing[..., 15:25, 5:15] = False
    return missing


def picture(name, method, border, **settings):
    return ma.EntrySpec.of_role(
        name,
        "intensity",
        channels=1,
        dtype="float32",
        invalid="nan",
        interpolation=method,
        border=border,
        **settings,
    )


BORDERS = [
    *((border, None, {}) for border in sampling.BORDERS if border != "constant"),
    ("constant", None, {"fill": "invalid"}),
    ("constant", FILL, {"fill": FILL}),
]


def aware_cases():
    """name -> (method, border, fill or None for invalid); and the spec of all of them."""
    cases, entries = {}, []
    for border, fill, settings in BORDERS:
        methods = ("linear", "cubic", "nearest") if border in {"constant", "wrap"} else ("linear",)
        for method in methods:
            name = f"{method}-{border}-{fill}"
            cases[name] = (method, border, fill)
            entries.append(picture(name, method, border, **settings))
    return cases, ma.DataSpec("holes", entries)


def whole_neighbourhood(valid, x, y, border, filled):
    """All 16 taps of the cubic kernel hold data."""
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    taps = [(x0 + i, y0 + j) for i in range(-1, 3) for j in range(-1, 3)]
    return np.all([sampling.pixels(valid, *tap, border, filled) for tap in taps], axis=0)


def expected(image, method, border, fill, x, y):
    """(values, share of the weight that is valid) in float64."""
    valid = ~np.isnan(image)
    values, share = sampling.linear_over_valid(image, valid, x, y, border, fill)
    if method == "cubic":
        clean = np.where(valid, image, 0)
        cubic = sampling.sample(clean, x, y, "cubic", border, fill or 0)
        whole = whole_neighbourhood(valid, x, y, border, fill is not None)
        values = np.where(whole, cubic, values)
    if method == "nearest":
        values = sampling.sample(image, x, y, "nearest", border, np.nan if fill is None else fill)
        share = np.where(np.isnan(values), 0, 1)
    return values, share


def test_holes_neither_spread_nor_blend():
    cases, spec = aware_cases()
    matrices = [*random_matrices(6, seed=0), *whole_matrices()]
    rng = np.random.default_rng(0)
    source = rng.random((len(matrices), *SHAPE, 1), np.float32)
    source[holes(source.shape[:3], rng)] = np.nan
    # One hole alone stays one hole.
    source[7:] = rng.random(source[7:].shape, np.float32)
    source[7:, 16, 21] = np.nan
    result, positions = moved(spec, dict.fromkeys(cases, source), matrices)
    for name, (method, border, fill) in cases.items():
        for i, (x, y) in positions.items():
            want, share = expected(source[i, ..., 0], method, border, fill, x, y)
            found = result[name][i, ..., 0]
            sure = np.abs(share - 0.5) > CLOSE
            if method == "nearest":
                sure &= sampling.tie_distance(x, y) > CLOSE
            assert sure.mean() > 0.9
            where = (name, i)
            assert (np.isnan(found) == (share < 0.5))[sure].all(), where
            known = sure & (share > 0.5)
            assert np.abs(found - want)[known].max() <= bar(SHAPE[1]), where
            if i >= 6:  # whole pixels: a copy, holes included
                copy = sampling.sample(
                    source[i, ..., 0], x, y, "nearest", border, np.nan if fill is None else fill
                )
                assert np.array_equal(found, copy.astype(np.float32), equal_nan=True), where
            if i >= 7:
                inside = sampling.pixels(np.ones(SHAPE, bool), *whole(x, y), "constant", False)
                assert np.isnan(found)[inside].sum() == 1, where


DEPTHS = {
    "millimetres": (np.uint16, 0),
    "wide": (np.int32, 2**24 + 1),
    "bfloat": (ml_dtypes.bfloat16, -9999),
    "half": (np.float16, 0.1),
    "single": (np.float32, 0.1),
}


def test_invalid_numbers_are_never_blended():
    spec = ma.DataSpec(
        "depths",
        [
            ma.EntrySpec.of_role(
                name, "depth", dtype=np.dtype(d).name, invalid=invalid, interpolation="linear"
            )
            for name, (d, invalid) in DEPTHS.items()
        ],
    )
    matrices = [*random_matrices(4, seed=1), *whole_matrices()]
    rng = np.random.default_rng(1)
    missing = holes((len(matrices), *SHAPE), rng)
    batch = {}
    for name, (dtype, invalid) in DEPTHS.items():
        values = rng.uniform(1000, 3000, missing.shape).astype(dtype)
        if name == "wide":
            # Neighbours of the invalid number that float32 cannot tell from it.
            values = rng.integers(2**24 - 99, 2**24 + 1, missing.shape, np.int32)
        values[missing] = dtype(invalid)
        batch[name] = values
    result, positions = moved(spec, batch, matrices)
    for name, (dtype, invalid) in DEPTHS.items():
        # What rounding to the dtype costs at 2000; at 2^24 the blend itself is coarse in float32.
        ulp = {"bfloat": 8, "half": 1, "wide": 3, "millimetres": 0.5}.get(name, 0)
        for i, (x, y) in positions.items():
            source, found = batch[name][i], result[name][i]
            want, share = sampling.linear_over_valid(
                source.astype(np.float64), ~missing[i], x, y, "constant", None
            )
            is_hole = found == dtype(invalid)
            sure = np.abs(share - 0.5) > CLOSE
            assert (is_hole == (share < 0.5))[sure].all(), (name, i)
            error = np.abs(found.astype(np.float64) - want)[sure & ~is_hole]
            assert error.max() <= ulp + 2000 * bar(SHAPE[1]), (name, i)
            seen, valid = found[~is_hole].astype(np.float64), source[~missing[i]]
            assert (seen >= valid.min() - ulp).all(), (name, i)
            assert (seen <= valid.max() + ulp).all(), (name, i)


def two_planes(rng, count):
    """Foreground in [0, 1] on background in [10, 11]."""
    near = rng.random((count, *SHAPE, 1)) < 0.3
    near[:, 4:20, 6:30] = True
    near[:, 22:30, 10:40] = False
    values = rng.random(near.shape) + np.where(near, 0, 10)
    return values.astype(np.float32)


def sure_of_nearest(x, y):
    """No second tap weighs nearly as much as the heaviest."""
    weights = np.sort([w for *_, w in sampling.linear_taps(x, y)], axis=0)
    return weights[-1] - weights[-2] > CLOSE


def test_nothing_floats_between_foreground_and_background():
    settings = {"channels": 1, "max_jump": 2, "border": "edge"}
    spec = ma.DataSpec(
        "planes",
        [
            ma.EntrySpec.of_role("plain", "intensity", dtype="float32", **settings),
            ma.EntrySpec.of_role("aware", "intensity", dtype="float32", invalid="nan", **settings),
            ma.EntrySpec.of_role(
                "cubic", "intensity", dtype="float32", interpolation="cubic", **settings
            ),
            ma.EntrySpec.of_role("grey", "intensity", dtype="uint8", **settings | {"max_jump": 20}),
        ],
    )
    matrices = random_matrices(6, seed=2)
    floats = two_planes(np.random.default_rng(2), len(matrices))
    batch = dict.fromkeys(("plain", "aware", "cubic"), floats) | {
        "grey": np.round(floats * 10).astype(np.uint8)
    }
    result, positions = moved(spec, batch, matrices)
    for name, scale, slack in (
        ("plain", 1, 0),
        ("aware", 1, 0),
        ("cubic", 1, 0.6),
        ("grey", 10, 0),
    ):
        values = result[name].astype(np.float64) / scale
        assert np.isfinite(values).all()
        near = (values >= -slack - 1e-6) & (values <= 1 + slack + 1e-6)
        far = (values >= 10 - slack - 1e-6) & (values <= 11 + slack + 1e-6)
        assert (near | far).all(), name
        assert near.any()
        assert far.any()
    for i, (x, y) in positions.items():
        valid = np.ones(SHAPE, bool)
        want, _ = sampling.linear_over_valid(floats[i, ..., 0], valid, x, y, "edge", max_jump=2)
        sure = sure_of_nearest(x, y)
        for name in ("plain", "aware"):
            error = np.abs(result[name][i, ..., 0] - want)[sure]
            assert error.max() <= 11 * bar(SHAPE[1]), name


def test_cubic_is_cubic_within_a_plane():
    spec = ma.DataSpec(
        "planes",
        [
            ma.EntrySpec.of_role(
                "x",
                "intensity",
                channels=1,
                dtype="float32",
                interpolation="cubic",
                max_jump=2,
                border="mirror",
            )
        ],
    )
    matrices = random_matrices(2, seed=3)
    source = np.random.default_rng(3).random((2, *SHAPE, 1), np.float32)
    source[:, :, 25:] += 10
    result, positions = moved(spec, {"x": source}, matrices)
    for i, (x, y) in positions.items():
        one_plane = whole_neighbourhood(source[i, ..., 0] > 5, x, y, "mirror", filled=False)
        one_plane |= whole_neighbourhood(source[i, ..., 0] < 5, x, y, "mirror", filled=False)
        assert one_plane.mean() > 0.5
        want = sampling.sample(source[i, ..., 0], x, y, "cubic", "mirror")
        assert np.abs(result["x"][i, ..., 0] - want)[one_plane].max() <= bar(SHAPE[1])


@pytest.mark.parametrize("border", ["constant", "reflect"])
def test_validity_is_half_of_the_weight_inside(border):
    settings = {"validity": True, "border": border}
    spec = ma.DataSpec(
        "valid",
        [
            ma.EntrySpec.of_role("full", "intensity", channels=2, dtype="uint8", **settings),
            ma.EntrySpec.of_role(
                "bands", "intensity", channels=2, dtype="float32", invalid="nan", **settings
            ),
        ],
    )
    # Half a pixel to the right: the rim sees half of a pixel, and a half is enough.
    matrices = [*random_matrices(3, seed=4), [[1, 0, 0.5], [0, 1, 0], [0, 0, 1]], *whole_matrices()]
    rng = np.random.default_rng(4)
    bands = rng.random((len(matrices), *SHAPE, 2), np.float32)
    bands[holes(bands.shape[:3], rng), 0] = np.nan
    bands[holes(bands.shape[:3], rng, 0.05), 1] = np.nan
    full = np.ones(bands.shape, np.uint8)
    result, positions = moved(spec, {"full": full, "bands": bands}, matrices)
    assert set(result) == {"full", "full_valid", "bands", "bands_valid"}
    for name, known in (("full", full > 0), ("bands", ~np.isnan(bands))):
        found = result[f"{name}_valid"]
        assert found.dtype == bool
        assert found.shape == bands.shape[:3]
        for i, (x, y) in positions.items():
            # Inside the source picture, whatever the border continues it with.
            valid = known[i].all(-1)
            _, share = sampling.linear_over_valid(valid, valid, x, y, "constant", None)
            sure = (np.abs(share - 0.5) > CLOSE) | (share == 0.5)
            assert (found[i] == (share >= 0.5))[sure].all(), (name, i)
            assert (share == 0.5).any() == (i == 3)


def copied_cases():
    """Roles whose pixels are copied, or of which no data is not all that cannot be shown."""
    nearest = {"interpolation": "nearest", "dtype": "float32"}
    return {
        "flow": ma.EntrySpec.of_role("flow", "flow", **nearest, validity=True),
        "dem": ma.EntrySpec.of_role(
            "dem", "intensity", channels=1, invalid=-9999, fill="invalid", **nearest, validity=True
        ),
        "hard": picture("hard", "linear", "constant-hard", fill="invalid", validity=True),
        "depth": ma.EntrySpec.of_role("depth", "depth", dtype="float32", validity=True),
    }


def test_what_is_valid_is_there():
    """Of copied pixels too, and of depths that are not in front of the camera."""
    entries = copied_cases()
    camera = ma.CameraSpec(fov_degrees=60)
    pipeline = ma.Pipeline([ma.Rotate((20, 20))], ma.DataSpec("flags", entries.values(), camera))
    rng = np.random.default_rng(5)
    shape = (1, 14, 20)
    batch = {n: rng.uniform(1, 2, (*shape, 1)).astype(np.float32) for n in entries}
    batch["flow"] = np.repeat(batch["flow"], 2, axis=-1)
    for name in batch:
        batch[name][rng.random(shape) < 0.4] = -9999 if name == "dem" else np.nan
    batch["depth"][rng.random(batch["depth"].shape) < 0.2] = 0
    result = pipeline.batch(ma.record_keys(0, 0, [0]), batch)
    for name in entries:
        found = np.asarray(result[name])
        there = (found != -9999 if name == "dem" else ~np.isnan(found)).all(-1)
        valid = np.asarray(result[f"{name}_valid"])
        assert 0.1 < valid.mean() < 0.7
        assert not (valid & ~there).any(), name
        if name in {"flow", "dem"}:
            np.testing.assert_array_equal(valid, there, err_msg=name)
