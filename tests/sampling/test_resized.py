"""A picture that is brought to another size shows all of its area, and nothing of its border."""

import jax
import numpy as np
import pytest
from scipy import ndimage

import multiaug as ma
from tests.reference import sampling

KEYS = jax.random.split(jax.random.key(0), 1)
RULES = (
    *((method, "constant") for method in ("linear", "nearest", "cubic", "spline3")),
    ("linear", "wrap"),
    ("cubic", "mirror"),
)


def entry(name, role="intensity", **settings):
    return ma.EntrySpec.of_role(name, role, **{"dtype": "float32", "channels": 1, **settings})


def resized(size, batch, entries, *before, **settings):
    line = ma.Pipeline([*before, ma.Resize(size, **settings)], ma.DataSpec("x", entries))
    return jax.tree.map(np.asarray, line.batch(KEYS, batch))


@pytest.mark.parametrize("size", [(31, 40), (7, 5)], ids=["enlarged", "reduced"])
def test_one_colour_stays_that_colour_to_the_bit(size):
    # 0.7 is no whole number of halves: weights whose sum is not 1 to the bit would show.
    groups = [
        {"role": "intensity", "channels": 1, "interpolation": method, "border": border}
        for method, border in RULES
    ]
    entries = [
        ma.EntrySpec.from_dict("x", {"dtype": "float32", "channels": groups}),
        entry("bytes", dtype="uint8", channels=3),
        entry("words", dtype="uint16"),
        entry("half", dtype="float16"),
        entry("holes", invalid="nan", fill="invalid"),
        entry("numbered", dtype="uint8", invalid=0),
        entry("ids", "label", dtype="uint8", ignore=255),
        entry("most", "label", dtype="uint8", ignore=255, interpolation="majority"),
    ]
    values = {"x": 0.7, "bytes": 200, "words": 51_234, "half": 0.7, "holes": 0.7, "numbered": 9,
              "ids": 3, "most": 3}  # fmt: skip
    channels = {"x": len(groups), "bytes": 3, "ids": None, "most": None}
    batch = {}
    for one in entries:
        shape = (1, 16, 20) if (c := channels.get(one.name, 1)) is None else (1, 16, 20, c)
        batch[one.name] = np.full(shape, values[one.name], one.dtype)
    found = resized(size, batch, entries)
    for name, out in found.items():
        # Means over what is valid are divided by its weight, which rounds once more.
        bar = 1e-7 if name == "holes" else 0
        assert np.abs(out - batch[name].ravel()[0]).max() <= bar, name


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [(21, 35), (9, 6)], ids=["enlarged", "reduced"])
def test_coordinates_end_at_the_outermost_centres(dtype, size):
    # What SciPy, and with it Pillow, OpenCV and scikit-image, do without a low-pass.
    source = np.random.default_rng(0).integers(0, 256, (1, 11, 13, 1)).astype(dtype)
    found = resized(size, {"x": source}, [entry("x", dtype=dtype)], antialias=False)["x"]
    y, x = (
        (np.mgrid[: size[0], : size[1]][k] + 0.5) * source.shape[k + 1] / size[k] - 0.5
        for k in (0, 1)
    )
    want = ndimage.map_coordinates(np.float64(source[0, ..., 0]), [y, x], order=1, mode="nearest")
    assert np.abs(found[0, ..., 0] - want).max() <= (0.5 + 1e-3 if dtype == "uint8" else 1e-3)


def test_the_border_begins_where_the_picture_ends():
    # Two pixels on each side are beyond the picture; half of them would be mixed without a Resize.
    source = np.full((1, 8, 8, 1), 200, np.uint8)
    found = resized(24, {"x": source}, [entry("x", dtype="uint8")], ma.Pad(2))["x"][0, ..., 0]
    y, x = (np.mgrid[:24, :24] + 0.5) / 2 - 2.5
    inside = sampling.in_area(x, 8) & sampling.in_area(y, 8)
    assert (found[inside] == 200).all()
    assert (found[~inside] < 200).all()
    plain = ma.Pipeline([ma.Translate(px=((0.25, 0.25), (0, 0)))], ma.DataSpec("x", [
        entry("x", dtype="uint8")]))  # fmt: skip
    assert np.asarray(plain.batch(KEYS, {"x": source})["x"])[0, 0, 0, 0] == 150


def test_points_at_the_rim_lie_on_the_rays_of_their_pixels():
    shape, k = (12, 16), np.array([[20, 0, 7.5], [0, 20, 5.5], [0, 0, 1]])
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    z = 2 + 0.02 * x
    cloud = np.stack([(x - 7.5) / 20 * z, (y - 5.5) / 20 * z, z], -1).astype(np.float32)
    entries = [
        ma.EntrySpec.of_role("xyz", "position", dtype="float32"),
        ma.EntrySpec.of_role("k", "intrinsics", dtype="float32"),
    ]
    out = resized((24, 32), {"xyz": cloud[None], "k": k[None].astype(np.float32)}, entries)
    seen = out["xyz"][0] @ out["k"][0].T
    seen = seen[..., :2] / seen[..., 2:]
    assert np.abs(seen - np.mgrid[:24, :32][::-1].transpose(1, 2, 0)).max() < 0.01


def test_finite_numbers_stay_finite():
    sign = np.where(np.indices((16, 40)).sum(0) % 2, 1, -1)[None, ..., None]
    batch = {
        "one": (sign * 3e38).astype(np.float32),
        "three": np.repeat(sign * 3e38, 3, -1).astype(np.float32),
        "many": np.repeat(sign * 3e38, 5, -1).astype(np.float32),
    }
    entries = [entry(n, channels=a.shape[-1], border="edge") for n, a in batch.items()]
    shifted = ma.Pipeline([ma.Translate(px=((0.25, 0.25), (0, 0)))], ma.DataSpec("x", entries))
    for name, out in shifted.batch(KEYS, batch).items():
        inner = np.abs(np.asarray(out))[:, :, 1:]
        np.testing.assert_allclose(inner, 1.5e38, rtol=1e-6, err_msg=name)
    for antialias in (False, True):
        for out in resized((7, 16), batch, entries, antialias=antialias).values():
            assert np.isfinite(out).all()


def test_a_given_matrix_widens_the_low_pass():
    n, move = 96, 0.75 * 95 / 2
    source = np.random.default_rng(0).random((1, n, n, 1)).astype(np.float32)
    matrix = np.array([[0.25, 0, move], [0, 0.25, move], [0, 0, 1]])
    soft = ndimage.gaussian_filter(np.float64(source[0, ..., 0]), 3.5, mode="nearest", truncate=4)
    y, x = (np.mgrid[:48, :48] - 23.5) * 8 + 47.5
    want = ndimage.map_coordinates(soft, [y, x], order=1, mode="nearest")
    for first in (ma.Affine(matrix), ma.Perspective(matrix=matrix)):
        found = resized(48, {"x": source}, [entry("x", border="edge")], first)["x"]
        assert np.abs(found[0, ..., 0] - want).max() < 0.003


@pytest.mark.parametrize(("transform", "bar"), [(ma.Shear(60), 1.9), (ma.Elastic(0.03), 1.3)])
def test_what_thins_a_picture_says_so(transform, bar):
    assert min(transform.min_scale((64, 64))) < 1 / bar
