"""Angles in the picture turn with the picture."""

import os

import numpy as np
import pytest

import multiaug as ma
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SHAPE = (20, 26)
ENTRIES = [
    picture(),
    entry("plain", "orientation", dtype="float32"),
    entry("copied", "orientation", dtype="float32", interpolation="nearest"),
    entry("radians", "orientation", dtype="float32", unit="radians"),
    entry("axis", "orientation", dtype="float32", period=180),
    entry("axis_radians", "orientation", dtype="float32", period=180, unit="radians"),
    entry("whole", "orientation", dtype="uint16", interpolation="nearest", invalid=999),
]
PERIOD = {
    "plain": 360,
    "copied": 360,
    "radians": 2 * np.pi,
    "axis": 180,
    "axis_radians": np.pi,
    "whole": 360,
}


def fields(degrees: np.ndarray, shape: oracle.Shape = SHAPE) -> dict[str, np.ndarray]:
    """Entries of one angle per record everywhere, or of a field of angles."""
    angles = np.broadcast_to(
        degrees.reshape(len(degrees), *degrees.shape[1:] or (1, 1)), (len(degrees), *shape)
    )
    radians = np.deg2rad(angles)
    kinds = {"plain": angles, "copied": angles, "radians": radians, "axis": angles}
    kinds |= {"axis_radians": radians}
    record = {name: values.astype(np.float32) for name, values in kinds.items()}
    record["whole"] = np.mod(np.round(angles), 360).astype(np.uint16)
    return {"image": np.zeros((len(degrees), *shape, 1), np.float32), **record}


def apart(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Distance on the circle."""
    return np.abs(np.mod(a - b + period / 2, period) - period / 2)


def expected(degrees: np.ndarray, jacobians: np.ndarray) -> np.ndarray:
    """The angle, counter-clockwise as seen, of ``J (cos, -sin)``, in degrees."""
    phi = np.deg2rad(degrees)
    vector = np.stack([np.cos(phi), -np.sin(phi)], axis=-1)
    moved = (jacobians @ vector[..., None])[..., 0]
    return np.rad2deg(np.arctan2(-moved[..., 1], moved[..., 0]))


def assert_fields(out: dict, degrees: np.ndarray, clear: np.ndarray) -> None:
    """Every entry holds these angles, in its own unit and period, where ``clear``."""
    for name, period in PERIOD.items():
        angles = np.deg2rad(degrees) if "radians" in name else degrees
        tolerance = {"whole": 1.01}.get(name, 1e-2 * period / 360)
        values = out[name].astype(np.float64)
        assert (apart(values, angles, period)[clear] < tolerance).all(), name
        assert (values[clear] >= 0).all(), name
        assert (values[clear] < period).all(), name


def middle(shape: oracle.Shape = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[shape[0] // 2 - 2 : shape[0] // 2 + 2, shape[1] // 2 - 2 : shape[1] // 2 + 2] = True
    return mask


@pytest.fixture(scope="module")
def affine():
    """One compiled pipeline for all affine maps of this file."""
    return pipeline(ma.Affine(EYE), entries=ENTRIES)


def closed_forms() -> list[tuple[np.ndarray, float, float]]:
    """(map, angle before, angle after)."""
    slant = oracle.linear(1, 0.5, 0, 1)  # x' = x + y / 2, with y down
    return [
        (oracle.turn(20), 30, 50),
        (oracle.turn(-50), 30, -20),
        (oracle.turn(340), 355, 335),
        (oracle.linear(-1, 0, 0, 1), 30, 150),
        (oracle.linear(1, 0, 0, -1), 30, -30),
        (oracle.linear(-1, 0, 0, -1), 30, 210),
        (oracle.linear(0, 1, 1, 0), 30, -120),
        (oracle.linear(3, 0, 0, 3), 77, 77),
        (oracle.linear(2, 0, 0, 1), 45, np.rad2deg(np.arctan2(1, 2))),
        (slant, 0, 0),
        (slant, 90, np.rad2deg(np.arctan2(1, -0.5))),
        (slant, 135, np.rad2deg(np.arctan2(1, -1 - 0.5))),
        (oracle.turn(90) @ oracle.linear(-1, 0, 0, 1), 10, 260),
    ]


def test_closed_forms(affine):
    maps, before, after = zip(*closed_forms(), strict=True)
    matrices = np.stack([oracle.about_centre(m, SHAPE) for m in maps])
    out = run(
        affine, fields(np.array(before, float)), SHAPE, matrices={0: matrices}, padded=200
    ).out
    full = np.broadcast_to(np.array(after)[:, None, None], (len(maps), *SHAPE))
    assert_fields(out, full, np.broadcast_to(middle(), full.shape))


def test_drawn_affine_maps(affine):
    draw = np.random.default_rng(0)
    count = 200
    matrices = scenes.affine_maps(draw, count, SHAPE, strength=0.5)
    degrees = np.round(draw.uniform(0, 360, count))
    done = run(affine, fields(degrees), SHAPE, matrices={0: matrices}, padded=200)
    after = expected(degrees, done.matrices[:, :2, :2])
    at = oracle.sources(done.matrices, SHAPE)
    clear = ((at > 0) & (at < [SHAPE[1] - 1, SHAPE[0] - 1])).all(-1)
    assert clear.any((1, 2)).sum() > 150
    assert_fields(done.out, np.broadcast_to(after[:, None, None], clear.shape), clear)


BENT = {
    "perspective": (ma.Perspective(0.2), ma.Flip("x")),
    "elastic": (ma.Elastic(0.04, grid=3), ma.Rotate(30)),
}


@pytest.mark.parametrize("transforms", [BENT[k] for k in (BENT if NIGHTLY else ["perspective"])])
def test_maps_that_bend(transforms):
    draw = np.random.default_rng(1)
    degrees = np.round(draw.uniform(0, 360, 12))
    done = run(pipeline(*transforms, entries=ENTRIES), fields(degrees), SHAPE)
    for i, warp in enumerate(done.charts):
        at = warp.sources()
        after = expected(np.full(SHAPE, degrees[i]), oracle.jacobian(warp.push, at))
        clear = ((at > 0.1) & (at < np.array([SHAPE[1], SHAPE[0]]) - 1.1)).all(-1)
        assert clear.sum() > 50
        assert_fields({n: a[i] for n, a in done.out.items()}, after, clear)


def test_the_mean_of_two_angles_lies_between_them(affine):
    """Across 360, and for an axis across 180: 359 and 1 are neighbours."""
    columns = np.where(np.arange(SHAPE[1]) % 2, 356.0, 8.0)
    angles = np.broadcast_to(columns, (1, *SHAPE))
    half = oracle.shift(0.5, 0)[None]
    out = run(affine, fields(angles), SHAPE, matrices={0: half}, padded=200).out
    for name in ("plain", "axis"):
        np.testing.assert_allclose(out[name][0, :, 1:], 2, atol=1e-3)
    np.testing.assert_allclose(out["radians"][0, :, 1:], np.deg2rad(2), atol=1e-5)
    # An axis of 178 and of 4 degrees; as directions they are far apart.
    columns = np.where(np.arange(SHAPE[1]) % 2, 178.0, 4.0)
    out = run(
        affine, fields(np.broadcast_to(columns, (1, *SHAPE))), SHAPE, matrices={0: half}, padded=200
    ).out
    np.testing.assert_allclose(out["axis"][0, :, 1:], 1, atol=1e-3)
    np.testing.assert_allclose(out["plain"][0, :, 1:], 91, atol=1e-3)


def test_holes_stay_holes(affine):
    angles = np.full((1, *SHAPE), 30.0)
    record = fields(angles)
    record["plain"][0, 4, 5] = record["copied"][0, 4, 5] = np.nan
    record["whole"][0, 4, 5] = 999
    out = run(affine, record, SHAPE, matrices={0: oracle.shift(3, 0)[None]}, padded=200).out
    hole = np.zeros(SHAPE, bool)
    hole[4, 8] = hole[:, :3] = True
    for name in ("plain", "copied"):
        np.testing.assert_array_equal(np.isnan(out[name][0]), hole)
    np.testing.assert_array_equal(out["whole"][0] == 999, hole)
    assert (out["whole"][0][~hole] == 30).all()


def test_a_grating_turns_with_its_angle():
    """The picture itself: structure tensors of a moved grating point across its lines."""
    draw = np.random.default_rng(2)
    shape, count = (64, 64), 32
    degrees = draw.uniform(0, 180, count)  # of the lines
    across = np.deg2rad(degrees + 90)
    wave = np.stack([np.cos(across), -np.sin(across)], axis=-1)
    phase = np.einsum("hwc,nc->nhw", oracle.pixels(shape), wave) * (2 * np.pi / 24)
    line = pipeline(
        ma.Affine(EYE),
        entries=[
            picture(interpolation="cubic"),
            entry("lines", "orientation", dtype="float32", period=180),
        ],
    )
    lines = np.broadcast_to(degrees[:, None, None], (count, *shape)).astype(np.float32)
    batch = {"image": np.sin(phase).astype(np.float32)[..., None], "lines": lines}
    maps = scenes.affine_maps(draw, count, shape, strength=0.2)
    # About the centre, so that the middle is in view.
    maps[:, :2, 2] = oracle.centre(shape) - np.einsum(
        "nij,j->ni", maps[:, :2, :2], oracle.centre(shape)
    )
    out = run(line, batch, shape, matrices={0: maps}).out
    gy, gx = np.gradient(out["image"][..., 0].astype(np.float64), axis=(1, 2))
    away = (oracle.pixels(shape) - oracle.centre(shape)) ** 2
    weight = np.exp(-away.sum(-1) / (2 * 9**2))
    twice = np.arctan2((2 * gx * -gy * weight).sum((1, 2)), ((gx**2 - gy**2) * weight).sum((1, 2)))
    found = np.rad2deg(twice / 2) + 90
    assert apart(found, out["lines"][:, 32, 32], 180).max() < 1
    assert np.median(apart(found, degrees, 180)) > 10
