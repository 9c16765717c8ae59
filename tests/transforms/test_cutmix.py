"""CutMix and Mosaic: pieces of several records, whatever the role."""

import jax
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.transforms import Frame, drawing_key

SIZE = (20, 30)
COUNT = 5
KEYS = jax.random.split(jax.random.key(6), COUNT)
ENTRIES = {
    "image": {"role": "intensity", "dtype": "uint8", "channels": 3, "validity": True},
    "mask": {"role": "label", "dtype": "uint8"},
    "normals": {"role": "direction", "dtype": "float32"},
    "class": {"role": "scalar"},
}
CAMERA = {"intrinsics": {"role": "intrinsics", "dtype": "float32"}}
MANY = 100_000
LEVEL = 1e-3


def spec_of(*names, **others):
    entries = {n: {**ENTRIES, **CAMERA}[n] for n in names} | others
    return ma.DataSpec.from_dict({"name": "pieces", "entries": entries})


SPEC = spec_of(*ENTRIES)


def batch():
    """Every record has values of its own."""
    i = np.arange(COUNT).reshape(-1, 1, 1)
    normals = np.zeros((COUNT, *SIZE, 3), np.float32)
    normals[..., 0], normals[..., 2] = np.sin(0.2 * i), -np.cos(0.2 * i)
    return {
        "image": np.broadcast_to(10 * (1 + i)[..., None], (COUNT, *SIZE, 3)).astype(np.uint8),
        "mask": np.broadcast_to(i, (COUNT, 10, 15)).astype(np.uint8),
        "normals": normals,
        "class": np.arange(COUNT) % 3,
    }


def run(mix):
    pipeline = ma.Pipeline([ma.OneHot("class", 3), mix], SPEC)
    params = pipeline.sample(KEYS, SIZE)
    done = {n: np.asarray(a) for n, a in pipeline.apply(params, batch()).items()}
    return jax.tree.map(np.asarray, params.values[1]), done


def assert_pieces(piece_at, owners, done):
    """Every record shows the records of its pieces, untouched.

    Args:
        piece_at: (record, x, y) -> whose piece a position lies in.
        owners: (N, pieces), the records.
        done: the results.
    """
    given = batch()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    for i in range(COUNT):
        whose = owners[i][piece_at(i, x, y)]
        np.testing.assert_array_equal(done["image"][i], 10 * (1 + whose)[..., None] * [1, 1, 1])
        np.testing.assert_array_equal(done["normals"][i], given["normals"][whose, 0, 0])
        # The centre of a pixel of the mask lies between four of the frame.
        small = owners[i][piece_at(i, x[:10, :15] * 2 + 0.5, y[:10, :15] * 2 + 0.5)]
        np.testing.assert_array_equal(done["mask"][i], small)
        shares = np.array([(whose == k).mean() for k in range(COUNT)])
        onehot = shares @ np.eye(3)[given["class"]]
        np.testing.assert_allclose(done["class_onehot"][i], onehot, atol=1e-6)
    np.testing.assert_array_equal(done["class"], given["class"])
    assert done["image_valid"].all()


def partners_of(u):
    further = 1 + np.minimum(np.floor(u.astype(np.float64) * (COUNT - 1)), COUNT - 2).astype(int)
    return (np.arange(COUNT).reshape(-1, *[1] * (u.ndim - 1)) + further) % COUNT


def test_cutmix_takes_a_rectangle_of_the_partner():
    drawn, done = run(ma.CutMix(1.0))
    assert (drawn["weight"] < 0.98).any()

    def piece_at(i, x, y):
        x0, y0, x1, y1 = drawn["edges"][i].astype(float)
        return ((x >= x0) & (x < x1) & (y >= y0) & (y < y1)).astype(int)

    owners = np.stack([np.arange(COUNT), partners_of(drawn["partner"])], axis=-1)
    assert_pieces(piece_at, owners, done)


def test_mosaic_takes_four_pieces():
    drawn, done = run(ma.Mosaic((0.25, 0.75)))

    def piece_at(i, x, y):
        right, below = x >= drawn["cut"][i][0], y >= drawn["cut"][i][1]
        return (right + 2 * below + drawn["first"][i]) % 4

    owners = np.concatenate([np.arange(COUNT)[:, None], partners_of(drawn["partner"])], axis=1)
    assert_pieces(piece_at, owners, done)


def test_the_stated_distributions():
    frame = Frame((200, 300), SPEC)

    @jax.jit
    @jax.vmap
    def draw(words):
        key = drawing_key(words)
        first, second = (jax.random.fold_in(key, i) for i in range(2))
        return ma.CutMix(1.0).sample(first, frame), ma.Mosaic((0.2, 0.6)).sample(second, frame)

    words = jax.random.key_data(jax.random.split(jax.random.key(3), MANY))
    cut, four = jax.tree.map(np.asarray, draw(words))
    x0, y0, x1, y1 = cut["edges"].T.astype(np.float64) + 0.5
    assert (x0 >= 0).all()
    assert (x1 <= 300).all()
    assert (y1 <= 200).all()
    np.testing.assert_allclose(cut["weight"], 1 - (x1 - x0) * (y1 - y0) / 6e4, atol=1e-6)
    # Of those that touch no border: 1 - w is even, and the area is its share of the frame.
    whole = (x0 > 0) & (x1 < 300) & (y0 > 0) & (y1 < 200)
    side = np.sqrt((x1 - x0)[whole] * (y1 - y0)[whole] / 6e4)
    # A centre that is even leaves out the ones too near to a border: (1 - side)^2 of all.
    below = [(side < s).mean() for s in (0.2, 0.4, 0.6)]
    cdf = lambda s: s**2 - 4 / 3 * s**3 + s**4 / 2  # noqa: E731  the integral of 2 s (1 - s)^2
    np.testing.assert_allclose(below, [cdf(s) / cdf(1) for s in (0.2, 0.4, 0.6)], atol=0.02)
    assert stats.kstest(cut["partner"], stats.uniform(0, 1).cdf).pvalue > LEVEL
    x, y = four["cut"].T + 0.5
    for v, n in ((x, 300), (y, 200)):
        inner = v[(v > 0.2 * n) & (v < 0.6 * n)]
        found = np.unique(inner, return_counts=True)[1]
        assert len(found) == round(0.4 * n) - 1
        assert stats.chisquare(found).pvalue > LEVEL
    assert stats.chisquare(np.bincount(four["first"], minlength=4)).pvalue > LEVEL
    np.testing.assert_allclose(four["share"].sum(1), 1, atol=1e-6)
    own = np.choose(
        (4 - four["first"]) % 4,
        [x * y, (300 - x) * y, x * (200 - y), (300 - x) * (200 - y)],
    )
    np.testing.assert_allclose(four["share"][:, 0], own / 6e4, atol=1e-5)


def test_a_record_is_in_no_batch_twice_the_same_but_for_its_batch():
    """Key and batch fix the mix: devices, threads and repeats do not matter."""
    pipeline = ma.Pipeline([ma.CutMix(p=0.5), ma.Mosaic(p=0.5)], spec_of("image", "normals"))
    given = {n: batch()[n] for n in ("image", "normals")}
    found = pipeline.batch(KEYS, given)
    again = ma.Pipeline.from_dict(pipeline.to_dict()).batch(KEYS, given)
    for name, array in found.items():
        np.testing.assert_array_equal(array, again[name])


def test_cameras_are_never_mixed():
    full = spec_of("image", "normals", "intrinsics")
    for mix in (ma.CutMix, ma.Mosaic):
        with pytest.raises(ParameterError, match=r"'normals': its values follow the camera of"):
            ma.Pipeline([mix(keep="intrinsics")], full)
        with pytest.raises(ParameterError, match=r"'intrinsics': .*no common meaning"):
            ma.Pipeline([mix(keep="normals")], full)
        ma.Pipeline([mix(keep=["normals", "intrinsics"])], full)
        boxes = {"role": "boxes", "dtype": "float32"}
        with pytest.raises(ParameterError, match=rf"{mix.__name__}\(keep=\['boxes'\]\)"):
            ma.Pipeline([mix()], spec_of("image", boxes=boxes))
    document = {**full.to_dict(), "camera": {"policy": "none"}}
    ma.Pipeline([ma.CutMix(keep="intrinsics")], ma.DataSpec.from_dict(document))
    with pytest.raises(ParameterError, match=r"'class': a scalar of dtype int64 may be a class"):
        ma.Pipeline([ma.CutMix()], spec_of("image", "class")).batch(
            KEYS, {n: batch()[n] for n in ("image", "class")}
        )
