"""Steps that change values, in C: against the operations in JAX, and against whole pipelines."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multiaug as ma
from multiaug._native import compiled_is_available, library
from multiaug.pipeline.backends import _native as _compiled
from multiaug.pipeline.backends import _native_plan, _native_programs
from multiaug.pipeline.backends._blocks import LRUCache
from multiaug.pipeline.program import _plan
from multiaug.sampling import PointwiseProgram, run_pointwise, sampled_into
from multiaug.testing import make_record
from multiaug.transforms import (
    Clip,
    Noise,
    Photometric,
    PowerLaw,
    ScaleAboutMean,
    ScaleShift,
    Target,
    makes_noise,
    transform,
)
from multiaug.transforms._random import normal
from tests.sampling.entries import mask, picture, spec_of
from tests.sampling.test_compiled import GUARDED, NIGHTLY, Shaded

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]

# Few shapes: JAX compiles every one. Of pieces, and of levels, there are some, one, and less.
SHAPES = [(2, 3, 5), (1, 40, 41), (3, 70, 61)]
TOPS = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@st.composite
def operations(draw, top, channels):
    """Some operations on values from 0 to ``top``, and which of them are on."""
    share = st.floats(-0.3, 0.3).map(np.float32)
    factor = st.floats(0.5, 1.5).map(np.float32)
    by_channel = st.lists(share, min_size=channels, max_size=channels)
    row = by_channel.map(lambda n: np.float32(n).reshape(1, 1, -1))
    seed = st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=2).map(np.uint32)
    one = st.one_of(
        st.builds(lambda s, t, o: ScaleShift(s, t * top, o * top), factor, share, share),
        st.builds(lambda s, t, o: ScaleShift(1 + s, t * top, o * top), row, row, share),
        st.builds(lambda t: ScaleShift(shift=t * top), row),
        st.builds(ScaleAboutMean, factor),
        st.builds(lambda g: PowerLaw(g, np.float32(0), np.float32(top)), factor),
        st.builds(lambda g: PowerLaw(g, np.float32(top / 8), np.float32(top / 2)), factor),
        st.just(Clip(np.float32(0.1 * top), np.float32(0.9 * top))),
        st.builds(lambda w, s: Noise(w, 5, abs(s) * top), seed, share),
    )
    several = draw(st.lists(st.tuples(one, st.sampled_from([True, True, True, False])), max_size=5))
    lines = [op for op, _ in several if op.pack(channels)[0] == "scale_shift_by_channel"]
    return several if len(lines) <= 4 else several[:1]


def by_jax(several, part, invalid, dtype):
    """The reference: values (h, w, c) of one record, changed by JAX, before they are rounded."""
    valid = None if invalid is None else part != part.dtype.type(invalid)
    if isinstance(invalid, str):
        valid = ~np.isnan(part)
    values = part.astype(np.float32)
    values = jnp.asarray(values if valid is None else np.where(valid, values, 0))
    target = Target("a", 0, (0.0, 1.0), valid)
    for operation, on in several:
        values = operation.apply(values, target.mean) if on else values
    values = np.asarray(values, np.float64)
    if dtype != np.float32:
        values = np.clip(values, 0, np.iinfo(dtype).max)
    return values if valid is None else np.where(valid, values, part)


def of_record(several, channels, start, invalid, dtype):
    """The operations as C is told of them."""
    numbers, words, kinds = [], [], []
    for operation, on in several:
        kind, own = operation.pack(channels)
        kinds.append(kind)
        numbers += [np.float32([on]), *own]
        if makes_noise(operation):
            words.append(np.reshape(operation.words(), (-1, 2)))
    return PointwiseProgram(
        np.concatenate([np.zeros(0, np.float32), *numbers])[None],
        np.concatenate([np.zeros((0, 2), np.uint32), *words])[None],
        tuple(kinds),
        start,
        channels,
        invalid,
        np.dtype(dtype),
    )


@settings(max_examples=400 if NIGHTLY else 30, deadline=None)
@given(st.data())
def test_operations_are_those_of_jax(data):
    before = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    after = data.draw(st.sampled_from([before, "float32"]))
    size, height, width = data.draw(st.sampled_from(SHAPES))
    others = data.draw(
        st.sampled_from([(0, 0), (0, 3), (2, 1)]) if before == after else st.just((0, 0))
    )
    channels = data.draw(st.sampled_from([1, 3, 5]))
    marks = [None, 7.0, "nan"] if before == "float32" else [None, 7.0]
    invalid, top = data.draw(st.sampled_from(marks)), TOPS[before]
    several = data.draw(operations(top, channels))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shape = (size, height, width, others[0] + channels + others[1])
    given_ = (rng.random(shape) * top).astype(before)
    if invalid is not None:
        given_[rng.random(shape) < 0.1] = float(invalid)
    how = of_record(several, channels, others[0], invalid, after)
    how = jax.tree.map(lambda leaf: np.repeat(leaf, size, 0), how)
    mine = slice(others[0], others[0] + channels)

    found = {}
    for level in range(library().multiaug_level() + 1):
        out = np.zeros(shape, after)
        sampled_into(out, given_.dtype)[...] = given_
        with level_of(level):
            run_pointwise(sampled_into(out, given_.dtype), how, out)
        found[level] = out
    # The same bits whatever the instruction set.
    assert len({out.tobytes() for out in found.values()}) == 1
    rest = np.delete(np.arange(shape[3]), mine)
    assert out[..., rest].tobytes() == given_[..., rest].astype(after).tobytes()
    for record in range(size):
        part, one = given_[record][..., mine], out[record][..., mine]
        expected = by_jax(several, part, invalid, np.dtype(after))
        if not any(on for _, on in several):
            assert one.tobytes() == part.astype(after).tobytes()
        elif after == "float32":
            scale = np.nanmax(np.abs(expected), initial=top)
            np.testing.assert_allclose(one, expected, atol=2e-6 * scale, rtol=0)
        else:
            # Half up, but for what is a tie within the digits of float32.
            assert (abs(one - expected) <= 0.5 + 2e-6 * top).all()


class level_of:  # noqa: N801
    """Instruction sets up to a level."""

    def __init__(self, level):
        self.level = level

    def __enter__(self):
        library().multiaug_allow(self.level)

    def __exit__(self, *_):
        library().multiaug_allow(2)


def test_noise_reaches_its_tails():
    """2^20 numbers: some are in the branch beyond 2.7 standard deviations, and it is right."""
    pictures = np.zeros((1, 1024, 1024, 1), np.float32)
    seed = jnp.array([1, 2], jnp.uint32)
    run_pointwise(
        pictures,
        of_record([(Noise(seed, 0, np.float32(1)), True)], 1, 0, None, "float32"),
        pictures,
    )
    expected = np.asarray(normal(seed, 0, pictures.shape))
    assert (abs(expected) > 4).sum() > 30
    np.testing.assert_allclose(pictures, expected, rtol=1e-5, atol=2e-6)


def test_a_power_of_every_size():
    """Zeros keep nothing but their value, infinity and NaN stay, all else follows the curve."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(-80, 80, 4000)) * rng.choice([-1, 1], 4000)
    values = np.float32([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, *sizes])
    for exponent in (0.01, 0.4, 1, 2.5):
        power = [(PowerLaw(np.float32(exponent), np.float32(0), np.float32(1)), True)]
        out = values.copy().reshape(1, 1, -1, 1)
        run_pointwise(out, of_record(power, 1, 0, None, "float32"), out)
        with np.errstate(over="ignore", under="ignore"):
            expected = np.sign(values) * np.abs(values.astype(float)) ** np.float32(exponent)
        usual = (np.abs(expected) < 1e38) & (np.abs(expected) > 1e-37) | ~np.isfinite(values)
        usual |= values == 0
        np.testing.assert_allclose(out.ravel()[usual], expected[usual], rtol=1e-5)


RECIPES = {
    "segmentation": [ma.Brightness(0.2), ma.Contrast(0.2), ma.Gamma(1.25), ma.GaussianNoise(0.05)],
    "channels": [ma.ChannelShift(0.2), ma.Contrast(0.3)],
    "floats": [ma.Contrast(0.3), ma.Normalize([0.4, 0.5, 0.6], [0.2, 0.3, 0.4])],
    "chosen": [
        ma.Maybe(ma.Contrast(0.3), p=0.5),
        ma.OneOf([ma.Gamma(1.5), ma.Brightness(0.3)]),
        ma.Maybe(ma.GaussianNoise(0.1, clip=True), p=0.5),
    ],
    "shuffled": [
        ma.Shuffle(
            [
                ma.Brightness(0.2),
                ma.Contrast(0.2),
                ma.Gamma(1.2),
                ma.ChannelShift(0.1),
                ma.GaussianNoise(0.05),
                ma.Brightness(0.1, clip=True),
            ]
        )
    ],
    "nothing": [ma.Maybe(ma.Brightness(0.3), p=0.0)],
    "noise-first": [ma.GaussianNoise(0.1), ma.Contrast(0.3), ma.Gamma(1.2)],
    "noise-twice": [ma.GaussianNoise(0.1), ma.GaussianNoise(0.1)],
    "normalized": [ma.OneOf([ma.Normalize(0.5, 0.2), ma.Normalize(0.4, 0.3)]), ma.Contrast(0.2)],
}
KINDS = {
    "uint8": {"rgb": picture("uint8", 3), "mask": mask()},
    "uint16": {"rgb": picture("uint16", 3), "mask": mask()},
    "float32": {"rgb": picture("float32", 3), "mask": mask()},
    "holes": {"rgb": picture("float32", 3, invalid="nan"), "mask": mask()},
    "groups": {
        "rgb": {
            "dtype": "float32",
            "channels": [
                {"channels": ["x", "y", "z"], "role": "position"},
                {"channels": ["r", "g", "b"], "role": "intensity", "range": [0, 255]},
                {"channels": ["u", "v", "w"], "role": "intensity"},
            ],
        },
        "mask": mask(),
    },
}


def both_ways(monkeypatch, transforms, entries, shape=(60, 50), size=7):
    """Results in C and in JAX; whether C also changed the values."""
    pipeline = ma.Pipeline([ma.Rotate(20), ma.Flip("x"), *transforms], spec_of(entries))
    batch = make_record(pipeline.spec, shape, 0, batch=size)
    keys = jax.random.split(jax.random.key(3), size)
    in_c = []

    def finish(*args, **settings):
        in_c.append(False)
        return finish_records(*args, **settings)

    finish_records = _compiled.finish_records
    with monkeypatch.context() as patch:
        patch.setattr(_compiled, "finish_records", finish)
        found = pipeline.batch(keys, batch)
    with monkeypatch.context() as patch:
        # Sampled in C all the same: only who changes the values differs.
        patch.setattr(_plan, "pointwise_programs", lambda *_: None)
        patch.setattr(_native_programs, "_WORKS", LRUCache())
        _native_plan.plan_records.clear_cache()
        expected = pipeline.then().batch(keys, batch)
    _native_plan.plan_records.clear_cache()
    return found, expected, all(in_c)


ALL = [
    *((recipe, kind) for recipe in RECIPES for kind in ("uint8", "float32")),
    *((recipe, "uint16") for recipe in ("segmentation", "normalized", "nothing")),
    *((recipe, "holes") for recipe in ("segmentation", "chosen")),
    *((recipe, "groups") for recipe in ("segmentation", "channels", "noise-first", "floats")),
]
# Each recipe and each kind of image, once.
DAILY = [
    ("segmentation", "uint8"), ("channels", "groups"), ("floats", "uint8"), ("chosen", "holes"),
    ("shuffled", "uint8"), ("noise-first", "float32"), ("normalized", "uint16"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "kind"), ALL if NIGHTLY else DAILY)
def test_recipes(monkeypatch, recipe, kind):
    transforms = RECIPES[recipe]
    found, expected, in_c = both_ways(monkeypatch, transforms, KINDS[kind])
    assert in_c
    np.testing.assert_array_equal(found["mask"], expected["mask"])
    assert found["rgb"].dtype == expected["rgb"].dtype
    a, b = np.asarray(found["rgb"], np.float64), np.asarray(expected["rgb"], np.float64)
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    if found["rgb"].dtype != np.float32:
        # The means of Contrast differ in their last digits: some values are ties. Of bytes those
        # are less than 1e-5 (measured: 8e-6 of 2 million); where Gamma is steep, next to black, it
        # is more than one of 65,536 levels.
        off = abs(a - b)
        assert off.max() <= (1 if kind == "uint8" else 4)
        assert (off > 1).mean() < 1e-4
        assert (off > 0).sum() <= 3 if kind == "uint8" else (off > 0).mean() < 0.005
    else:
        scale = 255 if kind == "groups" else 1
        # A level that is a tie for the sampler moves a value by one, by 1 / std.
        level = {"uint8": 1 / 255, "uint16": 1 / 65535}.get(kind, 0) / 0.2
        assert abs(a - b).max() <= 1.5 * level + 1e-5 * scale
        assert (abs(a - b) > 1e-5 * scale).mean() < 0.001


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_pixels_without_data_stay(monkeypatch, kind):
    number = 7 if kind != "float32" else 0.25
    entries = {"rgb": picture(kind, 3, invalid=number, fill=number), "mask": mask()}
    for recipe in ([ma.Contrast(0.4), ma.Gamma(1.5)], [ma.Contrast(0.4), ma.GaussianNoise(0.1)]):
        found, expected, _ = both_ways(monkeypatch, recipe, entries)
        a, b = np.asarray(found["rgb"]), np.asarray(expected["rgb"])
        assert (b == number).mean() > 0.02
        if kind != "float32":
            assert (abs(a.astype(int) - b) > 1).sum() == 0
        else:
            np.testing.assert_array_equal(a == number, b == number)
            np.testing.assert_allclose(a, b, atol=2e-6)


def test_what_is_not_described_is_left_to_jax(monkeypatch):
    entries = {"rgb": picture("uint8", 3), "other": picture("float32", 3), "mask": mask()}
    recipe = [Shaded(), ma.Brightness(0.1)]
    found, expected, in_c = both_ways(monkeypatch, recipe, entries)
    assert not in_c
    assert abs(np.asarray(found["rgb"]).astype(int) - np.asarray(expected["rgb"])).max() <= 1


@pytest.mark.parametrize("transforms", [[Shaded(("rgb",)), ma.Contrast(0.3)], [ma.Contrast(0.3)]])
def test_each_entry_goes_its_own_way(monkeypatch, transforms):
    """One entry in JAX, the other in C, in a batch; a record is the same in every batch."""
    entries = {"rgb": picture("float32", 3), "other": picture("uint16", 2), "mask": mask()}
    found, expected, in_c = both_ways(monkeypatch, transforms, entries)
    assert in_c == (len(transforms) == 1)
    for name in ("rgb", "other"):
        a, b = np.asarray(found[name], np.float64), np.asarray(expected[name], np.float64)
        assert abs(a - b).max() <= (2 if name == "other" else 1e-5)


def test_a_transform_must_say_what_it_does():
    @transform
    class Silent(Photometric):
        """Says nothing."""

        entries = None

        def sample(self, key, frame):
            """Nothing is drawn."""
            return {}

    target = Target("a", 0, (0.0, 1.0), None)
    with pytest.raises(NotImplementedError, match="Silent must have `operations`"):
        Silent().apply({}, jnp.zeros((1, 1, 1)), target)
    with pytest.raises(ma.ParameterError, match="cannot be inverted"):
        Silent().invert({}, jnp.zeros((1, 1, 1)), target)


def test_nothing_is_read_or_written_outside():
    """Results between pages that nobody may touch, and records between others that stay."""
    script = subprocess.run(
        [sys.executable, "-c", GUARDED + _STEPS, "2"], capture_output=True, text=True, check=False
    )
    assert script.returncode == 0, script.stderr
    assert "survived" in script.stdout


_STEPS = """
from multiaug.sampling import PointwiseProgram, run_pointwise, sampled_into
from multiaug._native import library

steps = ("scale_shift_by_channel", "scale_about_mean", "power_law", "noise",
         "scale_about_mean", "clip")
for before, after in (("uint8",) * 2, ("uint16",) * 2, ("float32",) * 2, ("uint8", "float32"),
                      ("uint16", "float32")):
    for stride, start, count in ((1, 0, 1), (3, 0, 3), (6, 3, 3), (6, 0, 3), (9, 0, 9), (5, 2, 2)):
        if before != after and count < stride:
            continue
        lines = [1, *[0.1] * count, *[1.1] * count, *[1] * count]
        numbers = np.float32([[*lines, 1, 0.9, 1, 1.1, 0, 255, 1, 3, 1, 0.9, 1, 0, 255]] * 3)
        words = np.arange(6, dtype=np.uint32).reshape(3, 1, 2)
        for height, width in ((3, 3), (1, 1), (9, 9), (43, 101)):
            for level in range(library().multiaug_level() + 1):
                library().multiaug_allow(level)
                for last in (3, 6):
                    how = PointwiseProgram(numbers[:, : len(lines) + (13 if last == 6 else 6)],
                                      words[:, : last == 6], steps[:last],
                                      start, count, None, np.dtype(after))
                    for at_end in (True, False):
                        out = guarded((3, height, width, stride), after, at_end)
                        out[...] = 7
                        before_it = out.copy()
                        middle = out[1:2]
                        sampled_into(middle, np.dtype(before))[...] = 7
                        run_pointwise(sampled_into(middle, np.dtype(before)), how, middle)
                        assert (out[[0, 2]] == before_it[[0, 2]]).all()
                        mine = np.zeros(stride, bool)
                        mine[start : start + count] = True
                        assert (middle[..., ~mine] == 7).all() and (middle[..., mine] != 7).any()
                        run_pointwise(sampled_into(out, np.dtype(before)), how, out)
                library().multiaug_allow(2)
print("survived")
"""
