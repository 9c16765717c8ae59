"""Maps that take pixel centres to pixel centres copy: every dtype, every method, every bit."""

import os

import jax
import ml_dtypes
import numpy as np

import multiaug as ma
from tests.reference import sampling
from tests.reference.banded import grids
from tests.sampling.entries import picture
from tests.sampling.entries import spec_of as sampled_spec

DTYPES = ("uint8", "uint16", "int16", "int32", "bool", "float16", "bfloat16", "float32")
LABELS = ("nearest", "majority")
AWARE = ("linear", "cubic")
# Each method, under a border of its own.
RULES = (
    ("nearest", "constant"),
    ("linear", "constant"),
    ("cubic", "wrap"),
    ("spline3", "mirror"),
)
# Splines are compiled by XLA, which is what this file costs: by day they are those of
# tests/reference/test_conformance.py.
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
FILL = 1.0  # a value of every dtype
IGNORE = 2**24 + 1  # no value of float32


def rules_of(dtype):
    return RULES if NIGHTLY else RULES[:3]


def spec_of(dtypes):
    """A picture per dtype with a channel per rule, and labels."""
    groups = [
        {"role": "intensity", "channels": 1, "interpolation": method, "border": border}
        | ({"fill": FILL} if border == "constant" else {})
        for method, border in RULES
    ]
    pictures = [
        ma.EntrySpec.from_dict(d, {"dtype": d, "channels": groups[: len(rules_of(d))]})
        for d in dtypes
    ]
    labels = [
        ma.EntrySpec.of_role(m, "label", dtype="int32", ignore=IGNORE, interpolation=m)
        for m in LABELS
    ]
    aware = [
        ma.EntrySpec.of_role(
            f"aware-{m}",
            "intensity",
            channels=1,
            dtype="float32",
            invalid="nan",
            fill=0,
            interpolation=m,
        )
        for m in AWARE
    ]
    return ma.DataSpec("copies", pictures + labels + aware)


def any_bits(dtype, size, rng):
    """Finite values of a dtype from all over its range: tiny, negative zero, beyond 2^24."""
    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    if dtype.kind == "b":
        return rng.integers(0, 2, size).astype(bool)
    bits = rng.integers(0, 256, (*size, dtype.itemsize), np.uint8)
    values = np.ascontiguousarray(bits).view(dtype)[..., 0]
    if dtype.kind in "ui":
        return values
    sign = np.where(rng.integers(0, 2, size), 1, -1)
    values = np.where(np.isfinite(values.astype(np.float32)), values, dtype.type(0))
    return np.where(rng.random(size) < 0.1, sign * dtype.type(0), values).astype(dtype)


def records(shape, count, dtypes=DTYPES):
    rng = np.random.default_rng(0)
    pictures = {d: any_bits(d, (count, *shape, len(rules_of(d))), rng) for d in dtypes}
    labels = {name: any_bits("int32", (count, *shape), rng) for name in LABELS}
    # Pixels without data beside numbers and negative zeros. Numbers too small for a normal
    # float32 are left out: they are blended, and processors may flush them.
    holes = any_bits("float32", (count, *shape, 1), rng)
    holes[(np.abs(holes) < 1e-37) & (holes != 0)] = 1
    holes[rng.random(holes.shape) < 0.1] = np.nan
    return pictures | labels | {f"aware-{m}": holes for m in AWARE}


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def not_copied(batch, result, record, grid):
    """Names of what does not hold the pixels at whole float64 positions."""
    x, y = (np.round(p).astype(int) for p in grid)
    assert max(np.abs(grid[0] - x).max(), np.abs(grid[1] - y).max()) < 1e-9
    wrong = []
    for name, array in batch.items():
        source, found = array[record], result[name][record]
        if name in LABELS:
            want = sampling.pixels(source, x, y, "constant", IGNORE)
            wrong += [] if same_bits(want.astype(np.int32), found) else [name]
            continue
        if name.startswith("aware"):
            want = sampling.pixels(source[..., 0], x, y, "constant", 0)
            wrong += [] if same_bits(want, found[..., 0]) else [name]
            continue
        for k, (method, border) in enumerate(rules_of(name)):
            want = sampling.pixels(source[..., k], x, y, border, source.dtype.type(FILL))
            if not same_bits(want.astype(source.dtype), found[..., k]):
                wrong.append(f"{name} {method} {border}")
    return wrong


def all_not_copied(pipeline, params, batch):
    result = jax.tree.map(np.asarray, pipeline.apply(params, batch))
    return [
        (i, wrong)
        for i, grid in grids(pipeline, params)
        for wrong in not_copied(batch, result, i, grid)
    ]


SIDE = 8
# One compilation for all symmetries and shifts of a square, alone and fused: the params of the
# others are set to what does nothing.
SQUARE = (
    ma.Rot90(),
    ma.Transpose(),
    ma.D4(),
    ma.Flip("x"),
    ma.Flip("y"),
    ma.Rotate((90, 90)),
    ma.Scale((1, 1)),
    ma.Translate(px=5, whole=True),
    ma.Pad((2, 3, 1, 4)),
    ma.Crop((SIDE, SIDE)),
)
IDLE = {
    0: {"turns": 0},
    1: {"on": False},
    2: {"turns": 0, "transpose": False},
    3: {"on": False},
    4: {"on": False},
    5: {"degrees": 0},
    6: {"factor": (1, 1)},
    7: {"px": (0, 0)},
    9: {"offset": (1, 2)},
}


# What NumPy calls the same: position in SQUARE, its params.
ALONE = (
    (0, {"turns": 1}, lambda a: np.rot90(a, 1)),
    (0, {"turns": 2}, lambda a: np.rot90(a, 2)),
    (0, {"turns": 3}, lambda a: np.rot90(a, 3)),
    (1, {"on": True}, lambda a: a.swapaxes(0, 1)),
    (2, {"turns": 3, "transpose": True}, lambda a: np.rot90(a.swapaxes(0, 1), 3)),
    (3, {"on": True}, lambda a: a[:, ::-1]),
    (4, {"on": True}, lambda a: a[::-1]),
    (5, {"degrees": 90}, np.rot90),
    (5, {"degrees": -90}, lambda a: np.rot90(a, -1)),
    (5, {"degrees": 180}, lambda a: np.rot90(a, 2)),
    (5, {"degrees": 450}, np.rot90),
    (None, {}, lambda a: a),
)


def one_at_a_time(params):
    """Params of a batch in which record i runs only what ALONE says at i."""
    values = [dict(drawn) for drawn in params.values]
    for position, idle in IDLE.items():
        for name, value in idle.items():
            column = [setting[name] if at == position else value for at, setting, _ in ALONE]
            values[position][name] = np.array(column, values[position][name].dtype)
    return ma.RecordParams(tuple(values), params.key, params.in_shape, params.out_shape)


def test_symmetries_and_shifts_of_a_square_are_copies():
    pipeline, count = ma.Pipeline(SQUARE, spec_of(DTYPES)), len(ALONE)
    params = pipeline.sample(jax.random.split(jax.random.key(5), count), (SIDE, SIDE))
    batch = records((SIDE, SIDE), count)
    assert (np.asarray(params.values[5]["degrees"]) == 90).all()
    assert (np.asarray(params.values[6]["factor"]) == 1).all()
    assert all_not_copied(pipeline, params, batch) == []

    alone = one_at_a_time(params)
    assert all_not_copied(pipeline, alone, batch) == []
    result = jax.tree.map(np.asarray, pipeline.apply(alone, batch))
    for record, (position, setting, expected) in enumerate(ALONE):
        for name in batch:
            want = np.ascontiguousarray(expected(batch[name][record]))
            assert same_bits(want, result[name][record]), (name, position, setting)


def test_copies_of_oblong_pictures():
    # Odd by even: a quarter turn about the centre would fall between pixels, a half does not.
    shape, count, dtypes = (5, 8), 6, ("float32",)
    transforms = (
        ma.Flip("x"),
        ma.Rot90(1),
        ma.Flip("y"),
        ma.Transpose(1.0),
        ma.Rot90((0, 2)),
        ma.Rotate((-180, -180)),
        ma.Translate(0.5, whole=True),
        ma.Pad(2),
        ma.Crop((7, 11), pad=True),
    )
    pipeline = ma.Pipeline(transforms, spec_of(dtypes))
    params = pipeline.sample(jax.random.split(jax.random.key(1), count), shape)
    assert params.out_shape == (7, 11)
    assert all_not_copied(pipeline, params, records(shape, count, dtypes)) == []


def test_four_turns_that_sum_to_zero_give_the_picture_back():
    angles = (17, 31, -40, -8)
    spec = ma.DataSpec("grey", [ma.EntrySpec.of_role("x", "intensity", channels=1, dtype="uint8")])
    pipeline = ma.Pipeline([ma.Rotate((a, a)) for a in angles], spec)
    picture = np.random.default_rng(0).integers(0, 256, (1, 224, 160, 1), np.uint8)
    result = pipeline.batch(jax.random.split(jax.random.key(0), 1), {"x": picture})["x"]
    assert np.abs(np.asarray(result, int) - picture.astype(int)).max() <= 1


def test_whole_pixels_are_copies_whatever_stands_beside_them():
    """Infinity beside a pixel, and signs of zeros, would show in a weighted sum."""
    entries = {"x": picture("float32", 2), "y": picture("float32", 3, invalid="nan")}
    pipeline = ma.Pipeline([ma.Affine(np.eye(3, dtype=np.float32))], sampled_spec(entries))
    rng = np.random.default_rng(0)
    batch = {
        n: rng.choice(np.array([0.0, -0.0, 1.5, np.inf, -np.inf], np.float32), (3, 9, 11, c))
        for n, c in (("x", 2), ("y", 3))
    }
    keys = jax.random.split(jax.random.key(0), 3)
    out = pipeline.batch(keys, batch, check=False)
    for name, array in batch.items():
        assert np.asarray(out[name]).tobytes() == array.tobytes(), name
