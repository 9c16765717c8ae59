"""Depth is the Z of the cloud: blended as 1/Z, moved with the camera."""

import numpy as np
import pytest

import multiaug as ma
from tests.roles import oracle, scenes
from tests.roles.running import EYE, entry, picture, pipeline, run

SHAPE, COUNT = (24, 32), 64
ENTRIES = [
    picture(),
    entry("metres", "depth", dtype="float32"),
    entry("millimetres", "depth", dtype="uint16", invalid=0),
    entry("copied", "depth", dtype="uint16", invalid=0, interpolation="nearest"),
    entry("k", "intrinsics", dtype="float32", optional=True),
]


def plane_batch(draw: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Depth of slanted planes, in two units, with holes in the second; and the planes' 1/Z."""
    k = scenes.cameras(draw, COUNT, SHAPE)
    _, equations = scenes.planes(draw, COUNT, SHAPE, k)
    # 1 / Z = n K^-1 p / d, a linear form on pixels.
    inverse = np.einsum("nj,njk->nk", equations[:, :3], np.linalg.inv(k)) / equations[:, 3:]
    # Metres that fit into 16 bits of millimetres.
    far = np.stack(
        [z.max() for z in along(inverse, np.broadcast_to(oracle.pixels(SHAPE), (COUNT, *SHAPE, 2)))]
    )
    inverse = inverse * np.maximum(far / 60, 1)[:, None]
    z = along(inverse, np.broadcast_to(oracle.pixels(SHAPE), (COUNT, *SHAPE, 2)))
    coarse = np.round(1000 * z)
    batch = {
        "image": np.zeros((COUNT, *SHAPE, 1), np.float32),
        "metres": z.astype(np.float32),
        "millimetres": coarse.astype(np.uint16),
        "copied": coarse.astype(np.uint16),
        "k": k.astype(np.float32),
    }
    for name in ("millimetres", "copied"):
        batch[name][:, 4:7, 9:12] = 0
    return batch, inverse


def along(inverse: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Z of the planes at source positions (n, h, w, 2)."""
    form = np.einsum("nhwc,nc->nhw", at, inverse[:, :2]) + inverse[:, None, None, 2]
    return 1 / form


def inside(at: np.ndarray) -> np.ndarray:
    """All four taps in the picture."""
    return ((at > 1e-3) & (at < [SHAPE[1] - 1.001, SHAPE[0] - 1.001])).all(-1)


@pytest.mark.parametrize("policy", ["refit", "fixed"])
def test_planes_are_exact_and_move_with_the_camera(policy):
    draw = np.random.default_rng(0)
    batch, inverse = plane_batch(draw)
    line = pipeline(ma.Perspective(matrix=EYE), entries=ENTRIES, policy=policy)
    half = COUNT // 2
    maps = np.concatenate(
        [
            scenes.affine_maps(draw, half, SHAPE, strength=0.6),
            scenes.projective_maps(draw, half, SHAPE, strength=0.6),
        ]
    )
    done = run(line, batch, SHAPE, matrices={0: maps})
    at = oracle.sources(done.matrices, SHAPE)
    k = batch["k"].astype(np.float64)
    if policy == "refit":
        motion = np.stack([oracle.refit(a, b)[1] for a, b in zip(done.matrices, k, strict=True)])
    else:
        motion = np.stack([*map(oracle.deform, done.matrices, k)])
    rays = np.concatenate([at, np.ones_like(at[..., :1])], axis=-1)
    rays = np.einsum("nij,nhwj->nhwi", np.linalg.inv(k), rays)
    factor = np.einsum("nj,nhwj->nhw", motion[:, 2], rays)
    expected = along(inverse, at) * factor
    whole = inside(at)
    assert whole.sum() > 15_000
    relative = np.abs(done.out["metres"] / expected - 1)[whole]
    print(policy, relative.max())
    # Z itself may cancel where the ray leans away: against the length of the ray.
    assert (
        np.abs(done.out["metres"] - expected) / (along(inverse, at) * np.linalg.norm(rays, axis=-1))
    )[whole].max() < 1e-5
    if policy == "refit":
        # An affine map leaves the camera's axis alone.
        np.testing.assert_allclose(factor[:half][whole[:half]], 1, atol=1e-12)

    # Millimetres: rounded on the way in (half a unit, which may grow) and on the way out.
    holes = (np.floor(at + 1) >= [9, 4]).all(-1) & (np.floor(at) <= [11, 6]).all(-1)
    fits = whole & ~holes & (1000 * expected < 65_000)
    away = np.abs(done.out["millimetres"].astype(np.float64) - 1000 * expected)
    assert (away <= 0.5 + 0.5 * factor + 1e-2)[fits].all()


def test_millimetres_with_holes_of_0():
    draw = np.random.default_rng(1)
    batch, _ = plane_batch(draw)
    line = pipeline(ma.Translate(px=((3, 3), (-2, -2))), entries=ENTRIES)
    out = run(line, batch, SHAPE).out
    for name in ("millimetres", "copied"):
        expected = np.zeros_like(batch[name])
        expected[:, :-2, 3:] = batch[name][:, 2:, :-3]
        np.testing.assert_array_equal(out[name], expected)
    expected = np.full_like(batch["metres"], np.nan)
    expected[:, :-2, 3:] = batch["metres"][:, 2:, :-3]
    np.testing.assert_array_equal(out["metres"], expected)


HALF = pipeline(ma.Translate(px=((0.5, 0.5), (0, 0))), entries=ENTRIES)


def steps(near: int, far: int) -> dict[str, np.ndarray]:
    """Columns of two depths in turn, in millimetres and metres."""
    row = np.where(np.arange(SHAPE[1]) % 2, near, far)
    z = np.broadcast_to(row, (1, *SHAPE))
    whole = z.astype(np.uint16)
    return {
        "image": np.zeros((1, *SHAPE, 1), np.float32),
        "metres": (z / 1000).astype(np.float32),
        "millimetres": whole,
        "copied": whole,
    }


def test_1_over_z_is_blended_and_rounded_half_up():
    """1000 and 3000 mm meet at 1500 mm, not at 2000; 1001 and 3000 at 1501.12."""
    k = np.array([[[30, 0, 15], [0, 30, 12], [0, 0, 1]]], np.float32)
    out = run(HALF, steps(1000, 3000) | {"k": k}, SHAPE).out
    assert (out["millimetres"][0, :, 1:] == 1500).all()
    np.testing.assert_allclose(out["metres"][0, :, 1:], 1.5, 1e-6)
    out = run(HALF, steps(1001, 3000) | {"k": k}, SHAPE).out
    assert (out["millimetres"][0, :, 1:] == 1501).all()
    assert np.isin(out["copied"][0, :, 1:], [1001, 3000]).all()


def test_without_a_camera_depth_is_blended_itself():
    out = run(HALF, steps(1000, 3000), SHAPE, padded=COUNT).out
    assert (out["millimetres"][0, :, 1:] == 2000).all()
    np.testing.assert_allclose(out["metres"][0, :, 1:], 2.0, 1e-6)


def test_policy_none_treats_depth_as_any_channel():
    line = pipeline(*HALF.transforms, entries=ENTRIES, policy="none")
    k = np.array([[[30, 0, 15], [0, 30, 12], [0, 0, 1]]], np.float32)
    out = run(line, steps(1000, 3000) | {"k": k}, SHAPE).out
    assert (out["millimetres"][0, :, 1:] == 2000).all()


def test_max_jump_keeps_depth_edges():
    entries = [picture(), entry("metres", "depth", dtype="float32", max_jump=0.5)]
    line = pipeline(ma.Rotate(40), ma.Scale(2), entries=entries, fov_degrees=60)
    draw = np.random.default_rng(2)
    z = np.where(draw.random((8, 6, 8)) < 0.5, 1.0, 2.0).repeat(4, 1).repeat(4, 2)
    batch = {"image": np.zeros((8, *SHAPE, 1), np.float32), "metres": z.astype(np.float32)}
    out = run(line, batch, SHAPE).out["metres"]
    valid = out[np.isfinite(out)]
    assert valid.size > 2000
    assert np.minimum(np.abs(valid - 1), np.abs(valid - 2)).max() < 1e-6


@pytest.mark.parametrize("interpolation", ["ray", "nearest"])
def test_integers_neither_vanish_nor_stick_at_the_last(interpolation):
    # A zoom by 4 brings things four times nearer, one by 1/4 takes them four times as far.
    k = np.array([[20, 0, 15.5], [0, 20, 11.5], [0, 0, 1]], np.float32)
    entries = [
        entry("z", "depth", dtype="uint8", invalid=0, interpolation=interpolation),
        entry("k", "intrinsics", dtype="float32"),
    ]
    line = pipeline(ma.Affine(EYE), entries=entries, policy="fixed")
    z = np.full((2, *SHAPE, 1), 1, np.uint8)
    z[1] = 100
    zooms = np.stack([oracle.about_centre(oracle.linear(s, 0, 0, s), SHAPE) for s in (4, 0.25)])
    batch = {"z": z, "k": np.stack([k, k])}
    out = run(line, batch, SHAPE, matrices={0: zooms}).out["z"]
    assert (out[0] == 1).all()  # not 0.25, rounded to no data
    assert (out[1] == 0).all()  # not 400, cut down to 255
