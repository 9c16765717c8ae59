"""Crops that look at labels and boxes: what windows show, and how often."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.transforms import Frame
from multiaug.transforms._label_windows import largest_share
from tests.nightly import by_night

SPEC = ma.DataSpec.from_dict(
    {
        "name": "labelled",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 1},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
            "small": {"role": "intensity", "dtype": "uint8", "channels": 1, "optional": True},
            "boxes": {"role": "boxes", "dtype": "float32", "of": "small", "optional": True},
        },
    }
)
COUNT = 2000
KEYS = jax.random.split(jax.random.key(5), COUNT)
SHAPE = (30, 40)
LEVEL = 1e-3
RNG = np.random.default_rng(0)

# Label 1 is common, 2 is rare, 3 is nowhere; 255 is to be ignored.
MASK = np.zeros(SHAPE, np.uint8)
MASK[8:22, 8:30] = 1
MASK[12:14, 20:23] = 2
MASK[15:18, 10:14] = 255


def drawn(*transforms, mask=MASK, keys=KEYS, shape=SHAPE, **others):
    """What transforms draw on one record, all of them compiled at once."""
    read = {"mask": jnp.asarray(mask)} | {n: jnp.asarray(a) for n, a in others.items()}
    frame = Frame(shape, SPEC, read)
    draw = jax.jit(jax.vmap(lambda key: [one.sample(key, frame) for one in transforms]))
    return [jax.tree.map(np.asarray, params) for params in draw(keys)]


CROPS = {
    "listed": ma.LabelCrop(6, labels=(1, 2, 3)),
    "foreground": ma.LabelCrop(6),
    "weighted": ma.LabelCrop(6, labels=(3, 1, 2), weights=(5, 1, 3)),
    "alike": ma.LabelCrop(6, labels=(1, 2), weights=1),
    "a third": ma.LabelCrop(6, labels=2, share=0.33),
    "absent": ma.LabelCrop((6, 8), labels=3),
}


@pytest.fixture(scope="module")
def offsets():
    """Of windows, (x, y)."""
    found = drawn(*CROPS.values())
    return {name: params["offset"].T for name, params in zip(CROPS, found, strict=True)}


def middles(offset):
    """Labels at the pixel that windows of 6 x 6 are centred on."""
    x, y = offset
    return MASK[y + 3, x + 3]


def assert_share(hits, p):
    assert stats.binomtest(int(hits.sum()), hits.size, p).pvalue > LEVEL


def test_every_pixel_of_the_labels_is_as_likely(offsets):
    x, y = offsets["listed"] + 3
    wanted = np.isin(MASK, (1, 2))
    assert wanted[y, x].all()
    counts = np.zeros(SHAPE)
    np.add.at(counts, (y, x), 1)
    assert stats.chisquare(counts[wanted]).pvalue > LEVEL


def test_foreground_is_all_but_nothing_and_what_is_ignored(offsets):
    assert set(np.unique(middles(offsets["foreground"]))) == {1, 2}


def test_weights_are_those_of_the_labels_that_are_there(offsets):
    found = middles(offsets["weighted"])
    assert_share(found == 2, 0.75)
    assert set(np.unique(found)) == {1, 2}
    assert_share(middles(offsets["alike"]) == 2, 0.5)


def test_the_share_of_windows_on_labels(offsets):
    # Of windows that lie anywhere, so many are centred on the label by chance.
    anywhere = (MASK[3:28, 3:38] == 2).mean()
    found = middles(offsets["a third"])
    assert_share(found == 2, 0.33 + 0.67 * anywhere)


def test_a_record_without_the_labels_is_cut_anywhere(offsets):
    x, y = offsets["absent"]
    for values, places in ((x, 33), (y, 25)):
        assert stats.chisquare(np.bincount(values, minlength=places)).pvalue > LEVEL


@by_night
def test_the_pixel_may_lie_anywhere_in_the_window():
    single = np.zeros(SHAPE, np.uint8)
    single[14, 20] = 7
    x, y = drawn(ma.LabelCrop((6, 8), position="random"), mask=single)[0]["offset"].T
    for values, places in ((20 - x, 8), (14 - y, 6)):
        assert stats.chisquare(np.bincount(values, minlength=places)).pvalue > LEVEL


@by_night
def test_labels_of_another_resolution_and_frames_that_are_too_small():
    half = np.zeros((15, 20), np.uint8)
    half[6, 9] = 1
    crop, padded = drawn(ma.LabelCrop((6, 8)), ma.LabelCrop((40, 40), pad=True), mask=half)
    x, y = crop["offset"].T
    # The centre of that pixel lies between pixels 18 and 19, 12 and 13 of the frame.
    assert set(x) == {19 - 4}
    assert set(y) == {13 - 3}
    padded = padded["offset"]
    assert (padded[:, 0] == 0).all()
    assert (padded[:, 1] <= 0).all()
    assert (padded[:, 1] >= -10).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, bool])
def test_shares_are_counted(dtype):
    """Of windows of every place and size, against `numpy.unique`."""
    high = 2 if dtype is bool else 3
    labels = np.repeat(np.repeat(RNG.integers(0, high, (12, 15)), 2, 0), 2, 1).astype(dtype)
    labels[4:9] = high - 1
    ignore = None if dtype is bool else 0

    @jax.jit
    @jax.vmap
    def shares(left, top):
        window = (left, top, jnp.float32(7), jnp.float32(5))
        return largest_share(jnp.asarray(labels), ignore, labels.shape, window, (5, 7))

    left, top = RNG.integers(-3, 26, 300), RNG.integers(-2, 21, 300)
    found = np.asarray(shares(np.float32(left), np.float32(top)))
    for x, y, share in zip(left, top, found, strict=True):
        part = labels[max(y, 0) : y + 5, max(x, 0) : x + 7]
        part = part[part != ignore] if ignore is not None else part.ravel()
        counts = np.unique(part, return_counts=True)[1]
        want = max(counts.max() / counts.sum(), 0.5) if counts.size else 1.0
        assert abs(share - want) < 1e-6


def test_windows_are_as_mixed_as_mmsegs():
    """The algorithm of mmsegmentation's RandomCrop, on its own draws."""
    mask = np.where(np.arange(40) < 26, 1, 2).astype(np.uint8) * np.ones((30, 1), np.uint8)
    mask[:4] = 255

    def share(x, y):
        part = mask[y : y + 10, x : x + 10]
        counts = np.unique(part[part != 255], return_counts=True)[1]
        return counts.max() / counts.sum() if len(counts) > 1 else 1.0

    want = []
    for _ in range(COUNT):
        at = (RNG.integers(0, 31), RNG.integers(0, 21))
        for _ in range(3):
            if share(*at) <= 0.75:
                break
            at = (RNG.integers(0, 31), RNG.integers(0, 21))
        want.append(at)
    crop = ma.LabelCrop(10, share=0, max_share=0.75, tries=3)
    found = drawn(crop, mask=mask)[0]["offset"]
    for axis in (0, 1):
        assert stats.ks_2samp(found[:, axis], np.array(want)[:, axis]).pvalue > LEVEL
    good = np.mean([share(*at) <= 0.75 for at in found])
    assert 0.5 < good < 0.95


@by_night
def test_scaled_crops_can_be_mixed():
    mask = np.where(np.arange(40) < 20, 1, 2).astype(np.uint8) * np.ones((30, 1), np.uint8)
    crop = ma.RandomScaledCrop(16, (1, 2), max_share=0.75, antialias=False)
    pipeline = ma.Pipeline([crop], SPEC)
    batch = {
        "image": np.zeros((300, 30, 40, 1), np.uint8),
        "mask": np.broadcast_to(mask, (300, 30, 40)),
    }
    out = np.asarray(pipeline.batch(KEYS[:300], batch)["mask"])
    share = np.array([max((m == 1).sum(), (m == 2).sum()) / 256 for m in out])
    # A single try finds a mixed window in 36 of 100 records (at s = 1) or in 18 (at s = 2).
    assert (share <= 0.75).mean() > 0.88
    assert (share[share > 0.75] == 1).mean() > 0.8


BOXES = np.array(
    [[2, 3, 6, 7], [10, 2, 13, 9], [np.nan] * 4, [4, 8, 9, 12], [-3, -3, -1, -1]], np.float32
)


@by_night
def test_boxes_are_kept_whole():
    count = 200
    batch = {
        "image": np.zeros((count, 30, 40, 1), np.uint8),
        "small": np.zeros((count, 15, 20, 1), np.uint8),  # whose pixels the boxes count
        "mask": np.zeros((count, 30, 40), np.uint8),
        "boxes": np.broadcast_to(BOXES, (count, 5, 4)),
    }
    half = ma.Pipeline([ma.BoxSafeCrop((16, 24), share=0.5)], SPEC)
    visible = np.asarray(half.batch(KEYS[:count], batch)["boxes_visible"])
    whole = (visible > 1 - 1e-4).sum(1)
    assert whole.min() == 2  # of three, rounded up
    assert (visible[:, 4] == 0).all()
    assert visible[:, [0, 1, 3]].mean(0).max() < 0.99  # any of them may be left out


def test_windows_around_boxes_are_drawn_evenly():
    small = np.zeros((15, 20, 1), np.uint8)
    window = drawn(ma.BoxSafeCrop(8), keys=KEYS[:1000], boxes=BOXES, small=small)[0]["window"]
    x, y, w, h = window.T
    # The smallest window reaches from 2 to 13 and 2 to 12 on the small image, and twice as far here
    # (pixel 0 begins at -0.5 there).
    for values, limit in ((x, 5.0), (y, 5.0)):
        assert stats.kstest(values, stats.uniform(0, limit).cdf).pvalue > LEVEL
    assert stats.kstest(x + w, stats.uniform(27, 13).cdf).pvalue > LEVEL
    assert stats.kstest(y + h, stats.uniform(25, 5).cdf).pvalue > LEVEL
    empty = drawn(ma.BoxSafeCrop(8), keys=KEYS[:50], boxes=BOXES[:0], small=small)[0]["window"]
    assert (empty[:, :2] >= 0).all()
    assert (empty[:, :2] + empty[:, 2:] <= [40.001, 30.001]).all()
    assert len(np.unique(empty[:, 0])) > 40


TWO = ma.DataSpec(
    "two", [*SPEC.entries.values(), ma.EntrySpec.of_role("ids", "label", dtype="uint8")]
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ma.LabelCrop(6, weights=1), "LabelCrop.labels.*weights"),
        (lambda: ma.LabelCrop(6, labels=(1, 2), weights=(1, 2, 3)), "one number for each of 2"),
        (lambda: ma.LabelCrop(6, labels=(1, 1)), "different labels"),
        (lambda: ma.LabelCrop(6, labels=1, weights=0), "positive sum"),
        (lambda: ma.LabelCrop(6, max_share=0.3), r"max_share.*\[0.5, 1\]"),
        (lambda: ma.LabelCrop(6, share=2), r"share.*\[0, 1\]"),
        (lambda: ma.LabelCrop(6, entry=3), "name of an entry"),
        (
            lambda: ma.RandomScaledCrop(6, max_share=0.7, position="center"),
            "position.*random where",
        ),
        (lambda: ma.BoxSafeCrop(6, share=-1), r"share.*\[0, 1\]"),
        (lambda: ma.LabelCrop(64).check(Frame(SHAPE, SPEC)), "fit into the image.*pad=True"),
        (lambda: ma.LabelCrop(6).check(Frame(SHAPE, TWO)), r"one of the label maps \['ids', 'mask"),
        (lambda: ma.LabelCrop(6, entry="image").check(Frame(SHAPE, TWO)), "got 'image'"),
        (
            lambda: ma.RandomScaledCrop(6, max_share=0.7).check(Frame(SHAPE, TWO)),
            "RandomScaledCrop.entry.*label maps",
        ),
        (lambda: ma.BoxSafeCrop(6, entry="mask").check(Frame(SHAPE, SPEC)), "role boxes"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ma.ParameterError, match=message):
        make()


def test_records_without_what_is_read_are_refused():
    with pytest.raises(ma.RecordError, match=r"reads 'boxes' of the record.*has only"):
        ma.Pipeline([ma.BoxSafeCrop(8)], SPEC).sample(KEYS[0], SHAPE, record={"mask": MASK})
