"""The values of records and batches against their spec."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.errors import RecordError
from multiaug.spec import DataSpec, EntrySpec, check_values, load_spec

NAN, INF = float("nan"), float("inf")
K = np.array([[500, 1, 320], [0, 500, 240], [0, 0, 1]], np.float32)
FLOATS = [np.float32, np.float16, ml_dtypes.bfloat16]


def spec_of(role, **settings):
    return DataSpec("test", [EntrySpec.of_role("a", role, **settings)])


def refuse(spec, record, text, *, batch=False):
    with pytest.raises(RecordError, match=f"(?s)does? not allow:.*{text}"):
        check_values(spec, record, batch=batch)


def cloud(n=2):
    return np.random.default_rng(0).random((n, 4, 5, 6), np.float32)


def test_finite_pictures_pass():
    spec = load_spec("rgbxyz")
    check_values(spec, {"rgbxyz": cloud(), "mask": np.zeros((2, 4, 5), np.uint8)}, batch=True)
    check_values(spec, {}, batch=True)


@pytest.mark.parametrize("dtype", FLOATS)
def test_holes_pass_where_nan_is_no_data(dtype):
    holes = cloud().astype(dtype)
    holes[:, 1:3, 2, 3:] = NAN
    check_values(load_spec("rgbxyz"), {"rgbxyz": holes}, batch=True)
    check_values(load_spec("rgbxyz"), {"rgbxyz": jnp.asarray(holes)}, batch=True)
    check_values(load_spec("rgbxyz"), {"rgbxyz": holes[0]}, batch=False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("channel", "name"), [(1, "g"), (4, "y")])
def test_infinity_never_passes(dtype, channel, name):
    bad = cloud().astype(dtype)
    bad[..., 3:] = NAN
    bad[1, 2, 3, channel] = -INF
    text = f"rgbxyz: found -inf at record 1, y 2, x 3, channel {name}"
    refuse(load_spec("rgbxyz"), {"rgbxyz": bad}, text, batch=True)
    refuse(load_spec("rgbxyz"), {"rgbxyz": bad[1]}, f"-inf at y 2, x 3, channel {name}")


def test_nan_colours_are_refused_beside_nan_points():
    bad = cloud()
    bad[0, 0, :, 3:] = NAN
    bad[1, 3, 4, 2] = NAN
    refuse(load_spec("rgbxyz"), {"rgbxyz": bad}, "nan at record 1, y 3, x 4, channel b", batch=True)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (spec_of("depth", invalid=0), "finite numbers, with 0 for no data"),
        (spec_of("depth", dtype="float32", invalid=None), 'declare "invalid": "nan"'),
        (spec_of("intensity", channels=1), 'declare "invalid": "nan"'),
        (spec_of("density", channels=1), "finite numbers$"),
    ],
)
@pytest.mark.parametrize("axes", [(), (np.newaxis,)])
def test_nan_is_refused_where_it_means_nothing(spec, text, axes):
    bad = np.zeros((3, 4), np.float32)
    bad[2, 1] = NAN
    refuse(spec, {"a": bad[..., *axes]}, f"a: found nan at y 2, x 1, channel 0, expected .*{text}")


def test_large_finite_values_pass():
    """Their sum overflows, which is not their fault."""
    spec = spec_of("intensity", channels=1)
    for dtype, value in ((np.float32, 3e38), (np.float16, 6e4), (ml_dtypes.bfloat16, 3e38)):
        check_values(spec, {"a": np.full((20, 20), value, dtype)}, batch=False)


def test_views_are_read_as_they_are():
    strided = cloud()[:, ::-1, ::2, :].transpose(0, 2, 1, 3)
    strided[1, 1, 0, 0] = NAN
    refuse(load_spec("rgbxyz"), {"rgbxyz": strided}, "nan at record 1, y 1, x 0", batch=True)


@given(st.integers(0, 239), st.sampled_from([NAN, INF, -INF]), st.sampled_from(FLOATS))
def test_one_bad_value_anywhere(place, value, dtype):
    bad = cloud().astype(dtype)
    where = np.unravel_index(place, bad.shape)
    bad[where] = value
    n, y, x, c = where
    if np.isnan(value) and c >= 3:
        check_values(load_spec("rgbxyz"), {"rgbxyz": bad}, batch=True)
    else:
        text = f"found {value} at record {n}, y {y}, x {x}, channel {'rgbxyz'[c]}"
        refuse(load_spec("rgbxyz"), {"rgbxyz": bad}, text, batch=True)


@pytest.mark.parametrize(("role", "columns"), [("keypoints", 2), ("boxes", 4), ("points3d", 3)])
def test_absent_points_pass_and_infinite_ones_do_not(role, columns):
    points = np.zeros((2, 5, columns), np.float32)
    points[0, 3] = NAN
    check_values(spec_of(role), {"a": points}, batch=True)
    check_values(spec_of(role), {"a": points[:, :0]}, batch=True)
    points[1, 4, 1] = INF
    refuse(spec_of(role), {"a": points}, "a: found inf at record 1, row 4, column 1", batch=True)
    refuse(spec_of(role), {"a": points[1]}, "a: found inf at row 4, column 1")


def test_good_cameras_pass():
    for k in (K, np.diag([1e-3, 1e-3, 1]), np.diag([1e4, 1e4, 1])):
        check_values(spec_of("intrinsics"), {"a": k.astype(np.float32)}, batch=False)
        check_values(spec_of("intrinsics"), {"a": k[None].astype(np.float16)}, batch=True)
    flipped = np.diag([-1.0, 1, 1, 1]).astype(np.float32)
    check_values(spec_of("extrinsics"), {"a": flipped}, batch=False)


@pytest.mark.parametrize(
    ("row", "column", "value", "text"),
    [
        (0, 0, NAN, "nan at record 1, row 0, column 0, expected finite"),
        (1, 2, INF, "inf at record 1, row 1, column 2, expected finite"),
        (0, 0, 0, "record 1, expected focal lengths and last element above 0"),
        (1, 1, -500, "record 1, expected focal lengths and last element above 0"),
        (2, 2, 0, "record 1, expected focal lengths and last element above 0"),
        (1, 0, 3, "record 1, expected an upper triangular"),
        (2, 0, 320, "record 1, expected an upper triangular"),
        (2, 1, -240, "record 1, expected an upper triangular"),
    ],
)
def test_bad_intrinsics(row, column, value, text):
    bad = np.stack([K, K])
    bad[1, row, column] = value
    refuse(spec_of("intrinsics"), {"a": bad}, f"a: found .*{text}", batch=True)


@pytest.mark.parametrize(
    ("row", "column", "value", "text"),
    [
        (0, 3, NAN, "row 0, column 3, expected finite"),
        (3, 3, 0, "last row 0 0 0 1"),
        (3, 0, 5, "last row 0 0 0 1"),
        (1, 1, 0, "invertible"),
    ],
)
def test_bad_extrinsics(row, column, value, text):
    bad = np.eye(4, dtype=np.float32)
    bad[row, column] = value
    refuse(spec_of("extrinsics"), {"a": bad}, text)


def test_scalars_mean_what_their_users_say():
    check_values(spec_of("scalar"), {"a": np.array([NAN, INF])}, batch=True)


def test_every_bad_entry_is_named():
    record = {"rgbxyz": np.full((2, 4, 5, 6), INF, np.float32), "intrinsics": np.stack([K, 0 * K])}
    refuse(load_spec("rgbxyz"), record, "rgbxyz: .*\n.*intrinsics: .*record 1", batch=True)


@pytest.mark.parametrize(
    ("invalid", "values", "data"),
    [
        ("nan", np.array([0, np.nan, np.inf, -9], np.float32), [True, False, False, True]),
        (-9, np.array([0, np.nan, np.inf, -9], np.float32), [True, False, False, False]),
        (0, np.array([0, 1, 255], np.uint8), [False, True, True]),
        (None, np.array([False, True]), [True, True]),
        (None, jnp.array([1, jnp.nan], jnp.bfloat16), [True, False]),
    ],
)
def test_which_numbers_are_data(invalid, values, data):
    group = EntrySpec.of_role("a", "intensity", invalid=invalid).groups[0]
    assert group.are_data(np.asarray(values)).tolist() == data
