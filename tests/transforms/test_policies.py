"""Policies: what is drawn how often, and that each operation is the published one."""

import re
import warnings

import jax
import numpy as np
import pytest
from PIL import Image
from scipy import stats

import multiaug as ma
from multiaug import MultiaugWarning, ParameterError
from multiaug.testing import make_record
from multiaug.transforms._policy_operations import CODES, GEOMETRY, OPERATIONS
from multiaug.transforms._policy_tables import TABLES, table_of
from tests.nightly import by_night
from tests.reference.policies import SIDES, by_pillow, smooth_images
from tests.transforms.test_draws import LEVEL, assert_independent, assert_share

COUNT = 100_000
SPEC = ma.DataSpec.from_dict(
    {
        "name": "colours, labels and points",
        "entries": {
            "image": {
                "role": "intensity",
                "dtype": "uint8",
                "channels": ["r", "g", "b"],
                "interpolation": "nearest",
            },
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
            "xyz": {"role": "position", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
        },
    }
)
ALONE = ma.DataSpec("colours", [SPEC.entries["image"]])
RAND = ma.RandAugment(2, 9, ops=OPERATIONS)
TRIVIAL = ma.TrivialAugment()
AUTO = ma.AutoAugment()
MIX = ma.AugMix(alpha=0.7)
FEW = ("Rotate", "ShearX", "Equalize")


@pytest.fixture(scope="module")
def draws():
    keys = jax.random.split(jax.random.key(3), COUNT)
    values = ma.Pipeline([RAND, TRIVIAL, AUTO], ALONE).sample(keys, SIDES).values
    mix = ma.Pipeline([MIX], ALONE).sample(keys[: COUNT // 10], SIDES).values
    return jax.tree.map(np.asarray, (*values, *mix))


def assert_even(counts):
    assert stats.chisquare(counts).pvalue > LEVEL


# --- draws -------------------------------------------------------------------------------------


@by_night
def test_operations_are_drawn_evenly_and_apart(draws):
    rand, trivial, _, _ = draws
    first, second = rand["operation"].T
    pairs = np.bincount(first * len(OPERATIONS) + second)
    assert len(pairs) == len(OPERATIONS) ** 2
    assert_even(pairs)
    counts = np.bincount(trivial["operation"][:, 0], minlength=len(OPERATIONS))
    assert counts[CODES["Invert"]] == 0
    assert_even(counts[: CODES["Invert"]])


@by_night
def test_signs_and_magnitudes(draws):
    rand, trivial, _, _ = draws
    # What torchvision documents for magnitude 9 of 31 bins.
    size = {
        **dict.fromkeys(("ShearX", "ShearY"), 0.09),
        **dict.fromkeys(("TranslateX", "TranslateY"), 150 / 331 * 0.3),
        "Rotate": 9,
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 0.27),
        "Posterize": 7,
        "Solarize": 0.7,
    }
    signed = (*GEOMETRY, "Brightness", "Color", "Contrast", "Sharpness")
    for name in OPERATIONS:
        found = rand["magnitude"][:, 0][rand["operation"][:, 0] == CODES[name]]
        np.testing.assert_allclose(np.abs(found), size.get(name, 0), rtol=1e-6, err_msg=name)
        if name in signed:
            assert_share(found < 0, 0.5)
    turns = trivial["magnitude"][trivial["operation"] == CODES["Rotate"]]
    assert_even(np.bincount(np.round(np.abs(turns) / 4.5).astype(int)))
    bits = trivial["magnitude"][trivial["operation"] == CODES["Posterize"]]
    expected = np.bincount([round(8 - k / 5) for k in range(31)])[2:] / 31
    assert stats.chisquare(np.bincount(bits.astype(int))[2:], expected * len(bits)).pvalue > LEVEL
    assert_independent(rand["magnitude"][:, 0], rand["magnitude"][:, 1])


@by_night
def test_auto_augment_draws_pairs_as_its_table_says(draws):
    _, _, auto, _ = draws
    codes, chances, _ = table_of("imagenet")
    expected = np.zeros((len(OPERATIONS),) * 2)
    for (one, two), (p, q) in zip(codes, chances, strict=True):
        for a, share in ((one, p), (0, 1 - p)):
            for b, rest in ((two, q), (0, 1 - q)):
                expected[a, b] += share * rest / 25
    there = expected.ravel() > 0
    both = auto["operation"][:, 0] * len(OPERATIONS) + auto["operation"][:, 1]
    counts = np.bincount(both, minlength=expected.size)
    assert counts[~there].sum() == 0
    kept = expected.ravel()[there]
    assert stats.chisquare(counts[there], kept / kept.sum() * COUNT).pvalue > LEVEL


# The pairs as the appendix of the paper has them: an operation, ten times its probability, and its
# magnitude, without one for those that have none.
SHORT = {
    "sx": "ShearX",
    "sy": "ShearY",
    "tx": "TranslateX",
    "ty": "TranslateY",
    "ro": "Rotate",
    "br": "Brightness",
    "co": "Color",
    "ct": "Contrast",
    "sh": "Sharpness",
    "po": "Posterize",
    "so": "Solarize",
    "ac": "AutoContrast",
    "eq": "Equalize",
    "iv": "Invert",
}
PUBLISHED = {
    "imagenet": """
        po 4 8 ro 6 9|so 6 5 ac 6|eq 8 eq 6|po 6 7 po 6 6|eq 4 so 2 4
        eq 4 ro 8 8|so 6 3 eq 6|po 8 5 eq 10|ro 2 3 so 6 8|eq 6 po 4 6
        ro 8 8 co 4 0|ro 4 9 eq 6|eq 0 eq 8|iv 6 eq 10|co 6 4 ct 10 8
        ro 8 8 co 10 2|co 8 8 so 8 7|sh 4 7 iv 6|sx 6 5 eq 10|co 4 0 eq 6
        eq 4 so 2 4|so 6 5 ac 6|iv 6 eq 10|co 6 4 ct 10 8|eq 8 eq 6""",
    "cifar10": """
        iv 1 ct 2 6|ro 7 2 tx 3 9|sh 8 1 sh 9 3|sy 5 8 ty 7 9|ac 5 eq 9
        sy 2 7 po 3 7|co 4 3 br 6 7|sh 3 9 br 7 9|eq 6 eq 5|ct 6 7 sh 6 5
        co 7 7 tx 5 8|eq 3 ac 4|ty 4 3 sh 2 6|br 9 6 co 2 8|so 5 2 iv 0
        eq 2 ac 6|eq 2 eq 6|co 9 9 eq 6|ac 8 so 2 8|br 1 3 co 7 0
        so 4 5 ac 9|ty 9 9 ty 7 9|ac 9 so 8 3|eq 8 iv 1|ty 7 9 ac 9""",
    "svhn": """
        sx 9 4 iv 2|sy 9 8 iv 7|eq 6 so 6 6|iv 9 eq 6|eq 6 ro 9 3
        sx 9 4 ac 8|sy 9 8 iv 4|sy 9 5 so 2 6|iv 9 ac 8|eq 6 ro 9 3
        sx 9 4 so 3 3|sy 8 8 iv 7|eq 9 ty 6 6|iv 9 eq 6|ct 3 3 ro 8 4
        iv 8 ty 0 2|sy 7 6 so 4 8|iv 6 ro 8 4|sy 3 7 tx 9 3|sx 1 6 iv 6
        so 7 2 ty 6 7|sy 8 4 iv 8|sx 7 9 ty 8 3|sy 8 5 ac 7|sx 7 2 iv 1""",
}


def test_tables_are_the_published_ones():
    """All 75 pairs, operation by operation."""
    assert set(TABLES) == set(PUBLISHED)
    for policy, text in PUBLISHED.items():
        steps = re.findall(r"([a-z]{2}) (\d+)(?: (\d))?", text)
        assert len(steps) == 50
        codes, chances, levels = table_of(policy)
        assert [OPERATIONS[code] for code in codes.ravel()] == [SHORT[name] for name, _, _ in steps]
        np.testing.assert_allclose(chances.ravel(), [int(p) / 10 for _, p, _ in steps])
        assert levels.ravel().tolist() == [int(level or 0) for _, _, level in steps]


@by_night
def test_weights_of_augmix(draws):
    _, _, _, mix = draws
    weights = mix["weights"]
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    kept, chains = weights[:, 0], weights[:, 1:] / (1 - weights[:, :1]).clip(1e-30)
    assert stats.kstest(kept[:10_000], stats.beta(0.7, 0.7).cdf).pvalue > LEVEL
    for k in range(3):
        assert stats.kstest(chains[:10_000, k], stats.beta(0.7, 1.4).cdf).pvalue > LEVEL
    deep = (mix["operation"] > 0).sum(axis=2)
    assert_even(np.bincount(deep.ravel())[1:])
    chosen = mix["operation"][mix["operation"] > 0]
    assert_even(np.bincount(chosen)[CODES["Brightness"] : CODES["Invert"]])


# --- operations, against Pillow ----------------------------------------------------------------


def one_each(params, slots=1):
    """The first records of each operation, and of each of its signs."""
    operation, magnitude = (
        np.asarray(params.values[0][k])[:, 0] for k in ("operation", "magnitude")
    )
    found = []
    for code in range(len(OPERATIONS)):
        for negative in (False, True):
            hits = np.flatnonzero((operation == code) & ((magnitude < 0) == negative))
            found += hits[:1].tolist()
    return np.array(found), operation, magnitude


@pytest.fixture(scope="module")
def each():
    pipeline = ma.Pipeline([ma.RandAugment(1, 9, ops=OPERATIONS)], SPEC)
    keys = jax.random.split(jax.random.key(1), 400)
    at, operation, magnitude = one_each(pipeline.sample(keys, SIDES))
    batch = make_record(SPEC, SIDES, 0, batch=len(at))
    batch["image"] = smooth_images(len(at))
    out = {n: np.asarray(a) for n, a in pipeline.batch(keys[at], batch).items()}
    return batch, out, [OPERATIONS[c] for c in operation[at]], magnitude[at]


def test_each_operation_is_that_of_pillow(each):
    batch, out, names, magnitudes = each
    assert set(names) == set(OPERATIONS)
    for image, found, name, m in zip(batch["image"], out["image"], names, magnitudes, strict=True):
        expected = np.asarray(by_pillow(Image.fromarray(image), name, float(m)), np.int32)
        apart = np.abs(expected - found)
        if name in GEOMETRY:  # nearest: ties, and the ends of a turned frame, may go either way
            assert (apart.max(axis=-1) > 0).mean() < 0.01, (name, m)
        else:  # Pillow rounds means and blends to bytes
            assert apart.max() <= 1, (name, m)


def test_values_leave_labels_and_points_and_geometry_moves_them(each):
    batch, out, names, _ = each
    for i, name in enumerate(names):
        same = [np.array_equal(batch[n][i], out[n][i], equal_nan=True) for n in ("mask", "xyz")]
        assert same == [name not in GEOMETRY] * 2, name


def test_augmix_blends_chains_of_values():
    spec = ma.DataSpec("colours", [SPEC.entries["image"], SPEC.entries["mask"]])
    pipeline = ma.Pipeline([ma.AugMix(clip=True)], spec)
    keys = jax.random.split(jax.random.key(2), 16)
    batch = {**make_record(spec, SIDES, 0, batch=16), "image": smooth_images(16, 1)}
    out = pipeline.batch(keys, batch)
    np.testing.assert_array_equal(out["mask"], batch["mask"])
    params = jax.tree.map(np.asarray, pipeline.sample(keys, SIDES).values[0])
    for i, image in enumerate(batch["image"]):
        total = params["weights"][i, 0] * image.astype(np.float64)
        for k in range(3):
            chain = Image.fromarray(image)
            steps = zip(params["operation"][i, k], params["magnitude"][i, k], strict=True)
            for code, m in steps:
                chain = by_pillow(chain, OPERATIONS[code], float(m))
            total += params["weights"][i, 1 + k] * np.asarray(chain, np.float64)
        # Bytes between operations, which equalizing and stretching spread apart.
        assert np.abs(total - np.asarray(out["image"][i])).mean() < 1.5


# --- cost, and what fits which spec ------------------------------------------------------------


@by_night
def test_images_are_resampled_once_for_each_operation_or_once():
    spec = ma.DataSpec("colours", [SPEC.entries["image"], SPEC.entries["mask"]])
    for policy, count in (
        (ma.RandAugment(3, ops=FEW), 3),
        (ma.RandAugment(3, ops=FEW, one_resample=True), 1),
        (ma.TrivialAugment(ops=FEW), 1),
        (ma.AutoAugment("svhn"), 2),
    ):
        assert ma.Pipeline([policy], spec).explain(SIDES).resamples["mask"] == count, policy


@by_night
def test_one_resample_moves_first():
    usual, once = (
        ma.Pipeline([ma.RandAugment(2, 20, one_resample=one)], ALONE) for one in (False, True)
    )
    keys = jax.random.split(jax.random.key(4), 300)
    drawn = once.sample(keys, SIDES).values[0]
    moves = np.isin(np.asarray(drawn["operation"]), [CODES[n] for n in GEOMETRY])
    # A move and then a change: both have the same order. Nothing else in front of a move.
    at = np.flatnonzero(moves[:, 0] & ~moves[:, 1])[:8]
    batch = {"image": smooth_images(len(at))}
    apart = np.abs(
        np.asarray(once.batch(keys[at], batch)["image"], np.int32)
        - np.asarray(usual.batch(keys[at], batch)["image"], np.int32)
    )
    assert (apart > 0).mean() < 0.01


def spec_of(**entries):
    return ma.DataSpec.from_dict({"name": "small", "entries": entries})


def test_what_a_spec_has_nothing_for_is_said_and_not_drawn():
    bands = spec_of(image={"role": "intensity", "dtype": "float32", "channels": 4})
    keys = jax.random.split(jax.random.key(0), 2000)
    with pytest.warns(MultiaugWarning, match=r"RandAugment.*Color.*channels named r, g and b"):
        drawn = ma.Pipeline([ma.RandAugment()], bands).sample(keys, SIDES).values[0]
    counts = np.bincount(np.asarray(drawn["operation"]).ravel(), minlength=len(OPERATIONS))
    assert np.flatnonzero(counts == 0).tolist() == [CODES["Color"], CODES["Invert"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", MultiaugWarning)
        meant = ma.RandAugment(ops=["Rotate", "Contrast"])
        ma.Pipeline([meant], bands).sample(keys[:2], SIDES)
    labels = spec_of(mask={"role": "label", "dtype": "uint8"})
    for policy in (ma.RandAugment(ops="Solarize"), ma.AugMix()):
        with pytest.raises(ParameterError, match="an entry with role intensity"):
            ma.Pipeline([policy], labels).sample(keys[:2], SIDES)
    with pytest.raises(ParameterError, match=r"RandAugment\.entries.*'mask'"):
        ma.Pipeline([ma.RandAugment(entries="mask")], labels).sample(keys[:2], SIDES)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ma.RandAugment(0), r"RandAugment\.num_ops"),
        (lambda: ma.RandAugment(2, 31), "below num_magnitude_bins, 31, got 31"),
        (lambda: ma.RandAugment(2, (9, 4)), "Swap them"),
        (lambda: ma.RandAugment(ops=["Rotate", "Cutout"]), "'Cutout'"),
        (lambda: ma.TrivialAugment(1), r"TrivialAugment\.num_magnitude_bins"),
        (lambda: ma.AutoAugment("coco"), "imagenet, cifar10, svhn"),
        (lambda: ma.AugMix(severity=11), r"\[1, 10\]"),
        (lambda: ma.AugMix(ops=["Rotate"]), "'Rotate'"),
        (lambda: ma.AugMix(chain_depth=4), r"\[0, 3\]"),
        (lambda: ma.ThreeAugment((2, 1)), r"ThreeAugment\.sigma"),
        (lambda: ma.ThreeAugment(color_jitter=-1), r"ThreeAugment\.color_jitter"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ParameterError, match=words):
        make()
