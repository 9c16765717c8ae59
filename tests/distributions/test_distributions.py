"""10^5 draws of every transform have the distribution that is documented, and share nothing."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.transforms import Frame, drawing_key
from tests.distributions import draws_of_records, draws_of_values
from tests.distributions.laws import ALARM, COUNT, Laws, in_parts
from tests.nightly import NIGHTLY, by_night
from tests.transforms.test_draws import FROZEN, READING

SPEC = ma.DataSpec(
    "drawn",
    [
        ma.EntrySpec.from_dict(
            "image", {"role": "intensity", "dtype": "uint8", "channels": ["r", "g", "b"]}
        ),
        ma.EntrySpec.of_role("bands", "intensity", channels=4, dtype="float32"),
        ma.EntrySpec.of_role("mask", "label", dtype="uint8", ignore=255),
        ma.EntrySpec.of_role("boxes", "boxes", dtype="float32"),
        ma.EntrySpec.of_role("camera", "intrinsics", dtype="float32"),
        ma.EntrySpec.of_role("xyz", "position", dtype="float32"),
    ],
)
CASES = {**draws_of_values.CASES, **draws_of_records.CASES, **draws_of_records.LARGE}
# What draws nothing of its own.
NOTHING = {"CanonicalDepth": "its factor is that of the record's camera"}
BY_DAY = ["Rotate", "Gain", "GaussianNoise", "ChannelDropout"]


def shape_of(name):
    if name in draws_of_records.LARGE:
        return (2000, 3000)
    return (44, 44) if name in {"D4", "Rot90", "Transpose"} else draws_of_records.SHAPE


@cache
def drawn(names):
    """Name -> params of all draws, as transforms of one pipeline draw them."""
    record = draws_of_records.record()

    @jax.jit
    @jax.vmap
    def draw(words):
        key, found = drawing_key(words), {}
        given = {name: jnp.asarray(array) for name, array in record.items()}
        for i, name in enumerate(names):
            frame = Frame(shape_of(name), SPEC, given)
            found[name] = CASES[name][0].sample(jax.random.fold_in(key, i), frame)
        return found

    words = jax.random.key_data(jax.random.split(jax.random.key(20), COUNT))
    return jax.tree.map(np.asarray, draw(words))


def every_draw():
    return drawn(tuple(CASES)) if NIGHTLY else drawn(tuple(BY_DAY))


def test_every_transform_that_draws_has_laws():
    named = {name.partition(",")[0] for name in CASES}
    # Affine hands its matrix on.
    assert named | set(NOTHING) == set(FROZEN) | set(READING)
    assert not named & set(NOTHING)


@pytest.mark.parametrize("name", CASES if NIGHTLY else BY_DAY)
def test_laws(name):
    law = Laws()
    CASES[name][1](law, every_draw()[name])
    assert law.found
    assert [(words, p) for words, p in law.found if not p > ALARM] == []


def columns_of(params):
    """Some of the numbers that vary, as columns."""
    found = []
    for leaf in jax.tree.leaves(params):
        flat = leaf.reshape(len(leaf), -1)[:, :6].astype(np.float64)
        found += [column for column in flat.T if column.min() < column.max()]
    return found


def test_transforms_of_one_pipeline_share_nothing():
    """All pairs of numbers of two transforms: correlations, and tables of their parts."""
    owners, columns = [], []
    for name, params in every_draw().items():
        own = columns_of(params)
        owners += [name] * len(own)
        columns += own
    owners = np.array(owners)
    ranks = np.stack([(c - c.mean()) / c.std() for c in columns], 1).astype(np.float32)
    z = np.abs(ranks.T @ ranks) / np.sqrt(COUNT)
    parts = [in_parts(column) for column in columns]
    ends = np.cumsum([part.max() + 1 for part in parts])
    starts = ends - [part.max() + 1 for part in parts]
    table = np.zeros((ends[-1], ends[-1]), np.float64)
    for begin in range(0, COUNT, 10_000):
        some = np.zeros((10_000, ends[-1]), np.float32)
        for part, start in zip(parts, starts, strict=True):
            some[np.arange(10_000), start + part[begin : begin + 10_000]] = 1
        table += some.T @ some
    bad, pairs = (
        [],
        [(i, j) for i in range(len(owners)) for j in range(i) if owners[i] != owners[j]],
    )
    level = ALARM / len(pairs)
    for i, j in pairs:
        counts = table[starts[i] : ends[i], starts[j] : ends[j]]
        expected = np.outer(counts.sum(1), counts.sum(0)) / COUNT
        there = expected > 0
        square = ((counts - expected)[there] ** 2 / expected[there]).sum()
        freedom = ((counts.sum(1) > 0).sum() - 1) * ((counts.sum(0) > 0).sum() - 1)
        found = 2 * stats.norm.sf(z[i, j]), stats.chi2.sf(square, freedom)
        if min(found) < level:
            bad.append((str(owners[i]), str(owners[j]), found))
    assert len(pairs) > (10_000 if NIGHTLY else 50)
    assert bad == []


@by_night
def test_a_pipeline_draws_as_its_transforms_do():
    """What is tried above is what `Pipeline.sample` draws."""
    names = ["Rotate", "Gain", "GaussianNoise", "Erase"]
    pipeline = ma.Pipeline([CASES[name][0] for name in names], SPEC)
    keys = jax.random.split(jax.random.key(20), COUNT)[:100]
    mine = drawn(tuple(names))
    for name, params in zip(
        names, pipeline.sample(keys, draws_of_records.SHAPE).values, strict=True
    ):
        expected = jax.tree.map(lambda leaf: leaf[:100], mine[name])
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), params, expected)
