"""CameraMotion on a real stereo scene: what every pixel shows, and what it must not show."""

import jax
import numpy as np
import pytest
from skimage import data

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.spec import DataSpec, EntrySpec
from multiaug.transforms import Frame

SIZE, COUNT, TOLERANCE = (62, 92), 6, 0.04
KEYS = jax.random.split(jax.random.key(1), COUNT)
ENTRIES = [
    EntrySpec.of_role("image", "intensity", channels=3, dtype="float32", invalid="nan"),
    EntrySpec.of_role("xyz", "position", dtype="float32"),
    EntrySpec.of_role("millimetres", "depth", dtype="uint16", invalid=0),
    EntrySpec.of_role("mask", "label", dtype="uint8", ignore=255),
    EntrySpec.of_role("k", "intrinsics", dtype="float32", of="xyz"),
    EntrySpec.of_role("pose", "extrinsics", dtype="float32"),
    EntrySpec.of_role("points", "points3d", dtype="float32"),
]
SPEC = DataSpec("stereo", ENTRIES)


def scene():
    """The motorcycle of scikit-image, every eighth pixel: colours, points in metres, a camera."""
    left, _, disparity = data.stereo_motorcycle()
    step = np.s_[2:498:8, 3:739:8]
    z = 994.978 * 0.193001 / (disparity[step] + 31.086)
    f, (cx, cy) = 994.978 / 8, ((311.193 - 3) / 8, (254.877 - 2) / 8)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    cloud = np.stack([(x - cx) / f * z, (y - cy) / f * z, z], -1)
    cloud[~np.isfinite(disparity[step])] = np.nan  # nothing was matched
    index = np.arange(z.size).reshape(SIZE)
    colours = np.stack([index, left[step][..., 0], left[step][..., 1]], -1)
    return {
        "image": colours.astype(np.float32),  # the first channel says which pixel it was
        "xyz": cloud.astype(np.float32),
        "millimetres": np.nan_to_num(cloud[..., 2:] * 1000).astype(np.uint16),
        "mask": (index % 7).astype(np.uint8),
        "k": np.float32([[f, 0, cx], [0, f, cy], [0, 0, 1]]),
        "pose": np.eye(4, dtype=np.float32),
        "points": cloud[30, 20:30].astype(np.float32),
    }


@pytest.fixture(scope="module")
def rendered():
    """The record, the motions, and what comes out."""
    record = scene()
    batch = {n: np.tile(a, (COUNT, *([1] * a.ndim))) for n, a in record.items()}
    pipeline = ma.Pipeline([ma.CameraMotion(0.15, 0.2, TOLERANCE)], SPEC)
    params = pipeline.sample(KEYS, SIZE, record=batch)
    out = {n: np.asarray(a) for n, a in pipeline.batch(KEYS, batch).items()}
    return record, np.float64(params.values[0]["motion"]), out


def projected(record, motion):
    """Where every source pixel falls, in float64, and how deep it lies there."""
    moved = np.float64(record["xyz"].reshape(-1, 3)) - motion
    seen = moved @ np.float64(record["k"]).T
    return seen[:, :2] / seen[:, 2:], moved


def test_every_pixel_is_that_of_the_point_it_shows(rendered):
    record, motions, out = rendered
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for i, motion in enumerate(motions):
        place, moved = projected(record, motion)
        shown = np.isfinite(out["image"][i]).all(-1)
        assert 0.5 < shown.mean() < 0.99
        source = out["image"][i, ..., 0][shown].astype(int)
        assert len(np.unique(source)) == len(source)
        assert np.abs(place[source] - np.stack([x, y], -1)[shown]).max() < 0.5 + 1e-3
        flat = {n: record[n].reshape(len(moved), -1) for n in ("image", "mask", "xyz")}
        np.testing.assert_array_equal(out["image"][i][shown], flat["image"][source])
        np.testing.assert_array_equal(out["mask"][i][shown], flat["mask"][source, 0])
        np.testing.assert_allclose(out["xyz"][i][shown], moved[source], atol=1e-6)
        depth = out["millimetres"][i][shown][:, 0]
        assert np.abs(depth - 1000 * moved[source, 2]).max() <= 1.51  # rounded twice
        # Holes hold nothing.
        assert np.isnan(out["xyz"][i][~shown]).all()
        assert (out["mask"][i][~shown] == 255).all()
        assert (out["millimetres"][i][~shown] == 0).all()


def test_nothing_hidden_is_seen_and_nothing_visible_is_lost(rendered):
    record, motions, out = rendered
    height, width = SIZE
    for i, motion in enumerate(motions):
        place, moved = projected(record, motion)
        # Next to the border of two pixels a point may fall in either: it is left out.
        fraction = np.abs(place + 0.5 - np.round(place + 0.5))
        sure = np.isfinite(place).all(-1) & (fraction > 1e-3).all(-1)
        column, row = np.floor(np.nan_to_num(place, nan=-9) + 0.5).astype(int).T
        sure &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
        nearest = np.full(SIZE, np.inf)
        np.minimum.at(nearest, (row[sure], column[sure]), moved[sure, 2])
        around = np.full(SIZE, np.inf)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                padded = np.pad(nearest, 1, constant_values=np.inf)
                part = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
                around = np.minimum(around, part)
        deeper = np.where(np.isfinite(nearest), nearest, 0) - np.where(
            np.isfinite(around), around, 0
        )
        shown = np.isfinite(out["image"][i]).all(-1)
        z = np.where(shown, out["xyz"][i, ..., 2], np.nan)
        assert (z[shown] <= nearest[shown] + 1e-5).all()
        assert (z[shown] - around[shown] <= TOLERANCE * z[shown] + 1e-5).all()
        visible = np.isfinite(nearest) & (deeper <= TOLERANCE * nearest - 1e-5)
        # What is lost lies beside a point that was left out above.
        assert (visible & ~shown).mean() < 0.005
        hidden = np.isfinite(nearest) & (deeper > TOLERANCE * nearest + 1e-5)
        assert hidden.sum() > 10
        # Only a point that was left out above may be seen there, in front of it.
        assert not (hidden & (z > nearest - 1e-5)).any()


def test_poses_and_tables_follow(rendered):
    record, motions, out = rendered
    np.testing.assert_allclose(out["pose"][:, :3, 3], -motions, atol=1e-6)
    np.testing.assert_allclose(out["points"], record["points"] - motions[:, None], atol=1e-6)
    np.testing.assert_allclose(out["k"], np.tile(record["k"], (COUNT, 1, 1)), rtol=1e-6)
    assert np.abs(motions[:, :2]).max() <= 0.15
    assert 0.15 < np.abs(motions[:, 2]).max() <= 0.2


def test_a_camera_that_does_not_move_sees_what_it_saw():
    record = scene()
    batch = {n: a[None] for n, a in record.items()}
    out = ma.Pipeline([ma.CameraMotion(0, 0, 1)], SPEC).batch(KEYS[:1], batch)
    there = np.isfinite(record["xyz"]).all(-1)
    np.testing.assert_array_equal(np.asarray(out["xyz"])[0][there], record["xyz"][there])
    np.testing.assert_array_equal(np.asarray(out["image"])[0][there], record["image"][there])


def test_refused():
    entry = EntrySpec.of_role
    for added, message in (
        (entry("seen", "keypoints", dtype="float32"), "cannot render the entry 'seen'.*keypoints"),
        (entry("flow", "flow", dtype="float32"), "cannot render the entry 'flow'"),
        (entry("ids", "label", dtype="uint8"), "'ids' has no value for them. Declare \"ignore\""),
        (entry("more", "position", dtype="float32"), r"CameraMotion.entry.*\['more', 'xyz'\]"),
    ):
        spec = DataSpec("s", [*ENTRIES, added])
        with pytest.raises(ParameterError, match=message):
            ma.CameraMotion().check(Frame(SIZE, spec))
    half = {n: a[None] for n, a in scene().items()}
    half["mask"] = half["mask"][:, ::2, ::2]
    with pytest.raises(
        ParameterError, match=r"cloud of 62 x 92 pixels, and the entry 'mask' has 31"
    ):
        ma.Pipeline([ma.CameraMotion()], SPEC).batch(KEYS[:1], half)
    with pytest.raises(ParameterError, match=r"CameraMotion.tolerance.*\[0, 1\]"):
        ma.CameraMotion(tolerance=2)
