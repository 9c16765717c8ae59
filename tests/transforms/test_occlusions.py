"""CoarseDropout, GridMask, dropouts of channels and entries, ChannelShuffle, and fills."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.transforms import Frame, drawing_key

SIZE = (24, 36)
COUNT = 4
KEYS = jax.random.split(jax.random.key(8), COUNT)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "several sensors",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "bands": {"role": "intensity", "dtype": "float32", "channels": 4, "invalid": "nan"},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
            "depth": {"role": "depth", "dtype": "float32"},
            "points": {"role": "keypoints", "dtype": "float32"},
        },
    }
)
MANY = 100_000
LEVEL = 1e-3


def batch(*names):
    rng = np.random.default_rng(2)
    bands = rng.random((COUNT, *SIZE, 4), np.float32)
    bands[rng.random(bands.shape) < 0.1] = np.nan
    full = {
        "image": rng.integers(1, 255, (COUNT, *SIZE, 3), np.uint8),
        "bands": bands,
        "mask": rng.integers(0, 9, (COUNT, 12, 18), np.uint8),
        "depth": rng.random((COUNT, *SIZE), np.float32) + 1,
        "points": rng.uniform(2, 20, (COUNT, 30, 2)).astype(np.float32),
    }
    return {name: full[name] for name in names or full}


def spec_of(*names):
    return ma.DataSpec("few", [SPEC.entries[name] for name in names])


def run(transform, *names):
    """Params of the transform, and the results, as NumPy arrays."""
    given = batch(*names)
    pipeline = ma.Pipeline([transform], spec_of(*names))
    params = pipeline.sample(KEYS, SIZE)
    done = pipeline.apply(params, given)
    return jax.tree.map(np.asarray, (params.values[0], dict(done)))


@pytest.fixture(scope="module")
def draws():
    """10^5 draws of each, compiled once."""
    made = {
        "holes": ma.CoarseDropout((0, 3), height=(3, 6), width=(0.25, 0.75), entries="image"),
        "grid": ma.GridMask((4, 9), ratio=(0.2, 0.6), entries="image"),
        "channels": ma.ChannelDropout((1, 2)),
        "entries": ma.ModalityDropout(["image", ["mask", "depth"], "points"], (0.5, 0.4, 0.6)),
        "order": ma.ChannelShuffle(),
    }
    spec = spec_of("image", "bands", "mask", "depth", "points")

    @jax.jit
    @jax.vmap
    def draw(words):
        key = drawing_key(words)
        return {
            name: transform.sample(jax.random.fold_in(key, i), Frame(SIZE, spec))
            for i, (name, transform) in enumerate(made.items())
        }

    words = jax.random.key_data(jax.random.split(jax.random.key(3), MANY))
    return jax.tree.map(np.asarray, draw(words))


def assert_even(values, options):
    found = np.array([(values == option).sum() for option in options])
    assert found.sum() == values.size
    assert stats.chisquare(found).pvalue > LEVEL


def test_holes_are_even(draws):
    edges = draws["holes"]["edges"].astype(np.float64)
    w, h = edges[..., 2] - edges[..., 0], edges[..., 3] - edges[..., 1]
    there = w > 0
    assert_even(there.sum(1), range(4))
    assert_even(h[there], range(3, 7))
    assert (edges[there] + 0.5 == np.round(edges[there] + 0.5)).all()
    # A fraction from U(1/4, 3/4) of 36 columns: the ends have half of a pixel's share.
    inner = w[there][(w[there] > 9) & (w[there] < 27)]
    assert_even(inner, range(10, 27))
    for length in (3, 6):
        rows = edges[..., 1][there & (h == length)] + 0.5
        assert_even(rows, range(SIZE[0] - length + 1))
    both = np.corrcoef(h[there], w[there])[0, 1]
    assert abs(both) < 4 / np.sqrt(there.sum())


def test_grids_are_even(draws):
    phase, level = draws["grid"]["phase"].astype(np.float64), draws["grid"]["level"]
    period = 2**24 / phase[:, 0, 0]
    assert_even(np.round(period), range(4, 10))
    np.testing.assert_allclose(period, np.round(period), rtol=1e-5)
    share = level / 2**32
    assert stats.kstest(share, stats.uniform(0.2, 0.4).cdf).pvalue > LEVEL
    for k in range(2):
        assert stats.kstest(phase[:, k, 2] / 2**32, stats.uniform(0, 1).cdf).pvalue > LEVEL
    assert abs(np.corrcoef(phase[:, 0, 2], phase[:, 1, 2])[0, 1]) < 4 / np.sqrt(MANY)


def test_dropped_channels_and_entries_are_even(draws):
    image, bands = draws["channels"]["image"], draws["channels"]["bands"]
    for chosen in (image, bands):
        counts = chosen.sum(1)
        assert_even(counts, (1, 2))
        for k in (1, 2):
            of_k = chosen[counts == k]
            words = of_k @ (1 << np.arange(of_k.shape[1]))
            options = [w for w in range(16) if bin(w).count("1") == k and w < 2 ** of_k.shape[1]]
            assert_even(words, options)
    assert abs(np.corrcoef(image[:, 0], bands[:, 0])[0, 1]) < 4 / np.sqrt(MANY)
    words = draws["entries"]["dropped"] @ np.array([1, 2, 4])
    share = np.array([0.5, 0.4, 0.6])
    odds = [np.prod(np.where([w & 1, w & 2, w & 4], share, 1 - share)) for w in range(8)]
    for kept in (3, 5, 6):  # all three: one of them stays
        odds[kept] += odds[7] / 3
    found = np.bincount(words.astype(int), minlength=8)
    assert found[7] == 0
    assert stats.chisquare(found[:7], np.array(odds[:7]) * MANY).pvalue > LEVEL


def test_orders_are_even(draws):
    for name, count in (("image", 6), ("bands", 24)):
        order = draws["order"][name]
        words = order @ (5 ** np.arange(order.shape[1]))
        found = np.unique(words, return_counts=True)[1]
        assert len(found) == count
        assert stats.chisquare(found).pvalue > LEVEL


def test_a_grid_is_where_the_formula_says():
    """Against float64, away from the edges of the squares."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64)
    for lines in (False, True):
        grid = ma.GridMask((5, 9), ratio=(0.3, 0.6), degrees=40, lines=lines, fill=1.0)
        params, done = run(grid, "image", "mask")
        phase = params["phase"].astype(np.uint32).view(np.int32).astype(np.float64) / 2**32
        step = np.hypot(phase[:, 0, 0], phase[:, 0, 1])
        np.testing.assert_allclose(np.hypot(phase[:, 1, 0], phase[:, 1, 1]), step, rtol=1e-5)
        np.testing.assert_allclose(phase[:, 0, 0], phase[:, 1, 1])
        np.testing.assert_allclose(phase[:, 0, 1], -phase[:, 1, 0])
        assert ((1 / step / 256 > 4.999) & (1 / step / 256 < 9.001)).all()
        for i in range(COUNT):
            level = params["level"][i] / 2**32
            u, v = (256 * (x * p[0] + y * p[1]) + p[2] for p in phase[i])
            near = np.minimum.reduce(
                [abs((t - s + 0.5) % 1 - 0.5) for t in (u, v) for s in (0, level)]
            )
            inside = ((u % 1 < level) & (v % 1 < level)) != lines
            clear = near > 1e-3
            covered = (done["image"][i] == 255).all(-1)
            np.testing.assert_array_equal(covered[clear], inside[clear])
            assert clear.mean() > 0.95


def test_a_mask_says_what_was_covered():
    params, done = run(ma.CoarseDropout(2, height=5, width=(0.2, 0.4), mask="holes"), "image")
    for i, edges in enumerate(params["edges"]):
        covered = np.zeros(SIZE, bool)
        for x0, y0, x1, y1 in (edges + 0.5).astype(int):
            covered[y0:y1, x0:x1] = True
        np.testing.assert_array_equal(done["holes"][i], covered)
        assert (done["image"][i][covered] == 0).all()
    # Later stages move it along, and it stays False where nothing ran.
    flip = [ma.Erase((0.2, 0.2), mask="holes", p=0.5), ma.Flip(p=1.0), ma.Erase(p=0.0)]
    pipeline = ma.Pipeline(flip, spec_of("image"))
    done = {n: np.asarray(a) for n, a in pipeline.batch(KEYS, batch("image")).items()}
    given, on = batch("image")["image"], np.asarray(pipeline.sample(KEYS, SIZE).values[0]["on"])
    assert 0 < on.sum() < COUNT
    np.testing.assert_array_equal(done["holes"].any((1, 2)), on)
    np.testing.assert_array_equal((done["image"] == 0).all(-1), done["holes"])
    np.testing.assert_array_equal(done["image"][~done["holes"]], given[:, :, ::-1][~done["holes"]])
    with pytest.raises(ParameterError, match=r"`Erase.mask` makes the entry 'image', which"):
        ma.Pipeline([ma.Erase(mask="image")], spec_of("image"))


def test_fills():
    given = batch("image", "bands")
    params, done = run(ma.Erase((0.2, 0.3), fill="mean"), "image", "bands")
    _, noisy = run(ma.Erase((0.2, 0.3), fill="noise"), "image", "bands")
    for i, edges in enumerate(params["edges"]):
        (x0, y0, x1, y1) = np.ceil(edges[0]).astype(int)
        inside = np.zeros(SIZE, bool)
        inside[y0:y1, x0:x1] = True
        mean = given["image"][i].astype(np.float64).mean((0, 1))
        assert (abs(done["image"][i][inside] - mean) <= 0.5001).all()
        mean = np.nanmean(given["bands"][i].astype(np.float64), (0, 1))
        filled = np.where(np.isnan(given["bands"][i]), np.nan, mean)[inside]
        np.testing.assert_allclose(done["bands"][i][inside], filled, 1e-6)
        for name in given:
            np.testing.assert_array_equal(noisy[name][i][~inside], given[name][i][~inside])
    uniform = noisy["bands"][(noisy["bands"] != given["bands"]) & ~np.isnan(noisy["bands"])]
    assert stats.kstest(uniform, stats.uniform(0, 1).cdf).pvalue > LEVEL
    levels = noisy["image"][noisy["image"] != given["image"]].astype(np.float64)
    assert levels.min() < 4
    assert levels.max() > 251
    assert abs(levels.mean() - 127.5) < 5


def test_channels_and_entries_that_are_not_there():
    given = batch()
    params, done = run(ma.ChannelDropout(fill=0.5), *given)
    for name, mark in (("image", 128), ("bands", 0.5)):
        for i, chosen in enumerate(params[name]):
            assert chosen.sum() == 1
            kept = np.isnan(given[name][i][..., chosen])  # no data, which stay so
            expected = np.where(kept, np.nan, mark)
            np.testing.assert_array_equal(done[name][i][..., chosen], expected)
            np.testing.assert_array_equal(done[name][i][..., ~chosen], given[name][i][..., ~chosen])
    np.testing.assert_array_equal(done["depth"], given["depth"])
    groups = ["image", ["depth", "mask"], "points"]
    params, done = run(ma.ModalityDropout(groups, 0.6), *given)
    marks = {"image": (0, 0), "depth": (1, np.nan), "mask": (1, 255)}
    for i, dropped in enumerate(params["dropped"]):
        assert dropped.sum() < 3
        for name, (group, mark) in marks.items():
            expected = np.full_like(given[name][i], mark) if dropped[group] else given[name][i]
            np.testing.assert_array_equal(done[name][i], expected)
        assert done["points_visible"][i].any() != dropped[2]
    np.testing.assert_array_equal(done["bands"], given["bands"])


def test_channels_move_with_their_missing_pixels():
    given = batch("image", "bands")
    shuffle = ma.ChannelShuffle()
    pipeline = ma.Pipeline([shuffle, ma.Brightness((0.1, 0.1))], spec_of("image", "bands"))
    params = pipeline.sample(KEYS, SIZE)
    done = pipeline.apply(params, given)
    for name, shift in (("image", 25.5), ("bands", 0.1)):
        for i, order in enumerate(np.asarray(params.values[0][name])):
            moved = given[name][i][..., order].astype(np.float64) + shift
            moved = np.floor(np.minimum(moved, 255) + 0.5) if name == "image" else moved
            np.testing.assert_allclose(np.asarray(done[name])[i], moved, atol=1e-6)
    back = pipeline.invert(params, {"bands": done["bands"]})["bands"]
    np.testing.assert_allclose(back, given["bands"], atol=1e-6)


def test_places_outside_of_what_can_be_counted_are_not_covered_by_chance():
    params = {"phase": jnp.array([[1 << 20, 0, 0], [0, 1 << 20, 0]], jnp.uint32)}
    params["level"] = jnp.uint32(1 << 31)
    far = np.array([np.nan, np.inf, -np.inf, 1e30], np.float32)
    found = ma.GridMask().covers(jax.tree.map(np.asarray, params), far, far, SIZE)
    np.testing.assert_array_equal(
        found, ma.GridMask().covers(params, jnp.asarray(far), jnp.asarray(far), SIZE)
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ma.CoarseDropout(height=(8, 0.5)), r"CoarseDropout.height.*which are both"),
        (lambda: ma.CoarseDropout(65), "CoarseDropout.count"),
        (lambda: ma.CoarseDropout(width=1.5), "CoarseDropout.width"),
        (lambda: ma.CoarseDropout(fill="median"), r"CoarseDropout.fill.*'mean' or 'noise'"),
        (lambda: ma.GridMask(1), "GridMask.unit"),
        (lambda: ma.GridMask(ratio=1.0), "GridMask.ratio"),
        (lambda: ma.ModalityDropout([]), "ModalityDropout.groups"),
        (lambda: ma.ModalityDropout(["a", ["b", "a"]]), r"groups.*every entry once"),
        (lambda: ma.ModalityDropout(["a", "b"], (0.1, 0.2, 0.3)), "one for each of the 2 groups"),
        (lambda: at_work(ma.CoarseDropout(height=25)), r"at most the height of the frame, 24"),
        (lambda: at_work(ma.GridMask(25)), r"at most the shorter side of the frame, 24"),
        (lambda: at_work(ma.ChannelDropout(3)), r"leave one of the 3 channels of 'image'"),
        (lambda: at_work(ma.ChannelDropout(entries="depth")), r"must name entries with role inten"),
        (lambda: at_work(ma.ModalityDropout("flow")), r"must name entries of the spec, got 'flow'"),
    ],
)
def test_what_is_refused(make, text):
    with pytest.raises(ParameterError, match=text):
        make()


def at_work(transform):
    return ma.Pipeline([transform], SPEC).sample(KEYS[0], SIZE)


NO_DATA = ma.DataSpec.from_dict(
    {
        "name": "holes",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3, "invalid": 0},
            "bands": {"role": "intensity", "dtype": "float32", "channels": 3, "invalid": "nan"},
        },
    }
)
WHOLE = {"fill": 1.0}, {"fill": "mean"}, {"fill": "noise"}
OCCLUSIONS = [
    *(ma.ChannelDropout(2, **fill) for fill in WHOLE),
    ma.ModalityDropout(["image", "bands"], 1.0, keep_one=False, fill=1.0),
    ma.Erase((0.5, 0.6), fill=1.0),
    ma.CoarseDropout(2, height=(4, 6), width=(4, 6), fill="noise"),
    ma.GridMask((4, 5), fill=1.0),
]


@pytest.mark.parametrize("transform", OCCLUSIONS, ids=lambda t: f"{t.owner}-{t.fill}")
def test_values_without_data_stay_without(transform):
    rng = np.random.default_rng(4)
    absent = rng.random((2, 12, 16, 3)) < 0.3
    given = {
        "image": np.where(absent, 0, rng.integers(1, 200, absent.shape)).astype(np.uint8),
        "bands": np.where(absent, np.nan, rng.random(absent.shape)).astype(np.float32),
    }
    pipeline = ma.Pipeline([transform], NO_DATA)
    runs = [pipeline.batch]
    if transform.owner in ("ChannelDropout", "ModalityDropout") and transform.fill == 1.0:
        runs.append(jax.jit(pipeline.batch))
    for run in runs:
        out = {n: np.asarray(a) for n, a in run(KEYS[:2], given).items()}
        np.testing.assert_array_equal(out["image"] == 0, absent)
        np.testing.assert_array_equal(np.isnan(out["bands"]), absent)
        assert (out["image"] != given["image"]).any()
