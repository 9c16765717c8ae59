"""Native code against the form of XLA: the same values, for every kind of band."""

import os

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.pipeline.backends import _native
from multiaug.pipeline.backends._whole import run_whole
from multiaug.pipeline.program._structure import Run
from multiaug.spec import BORDERS
from multiaug.testing import make_record

COUNT = 4


def picture(dtype="float32", channels=1, **settings):
    return {"role": "intensity", "dtype": dtype, "channels": channels, **settings}


def mask(**settings):
    return {"role": "label", "dtype": "uint8", **settings}


def entries_of(border):
    """One entry for every kernel, and neighbours that share their words and indices."""
    each = {"border": border}
    fills = {"fill": [1, 2, 3, 4, 5]} if border == "constant" else {}
    hole = {"invalid": "nan", **each}
    return {
        "rgb": picture("uint8", 3, **each),
        "mask": mask(mirror_pairs=[[1, 2]], **each),
        "more": picture("uint8", 5, **each, **fills),
        "extra": mask(**each),
        "copied": picture("uint8", 1, interpolation="nearest", **each),
        "float": picture("float32", 6, **each),
        "wide": picture("uint16", 13, **each),
        "half": picture("float16", 2, **each),
        "brain": picture("bfloat16", 2, **each),
        "holes": picture("float32", 3, **hole),
        "marked": picture("float32", 2, invalid=0, **each),
        "cubic": picture("float32", 2, interpolation="cubic", **each),
        "one": picture("float32", 1, **each),
        "ids": {"role": "label", "dtype": "int32", **each},
    }  # fmt: skip


def narrow_and_marked(border):
    """What the quick native methods leave to the general one."""
    each = {"border": border}
    return {
        "spline words": picture("uint16", 11, interpolation="spline3", **each),
        "cubic bytes": picture("uint8", 3, interpolation="cubic", **each),
        "cubic words": picture("uint16", 1, interpolation="cubic", **each),
        "i16": picture("int16", 2, **each),
        "i32": picture("int32", 1, **each),
        "marked words": picture("uint16", 3, invalid=0, **each),
        "marked i16": picture("int16", 1, invalid=-1, **each),
        "cubic holes": picture("float32", 3, interpolation="cubic", invalid="nan", **each),
        "jumps": picture("float32", 3, invalid="nan", max_jump=0.2, **each),
        "many holes": picture("float32", 13, invalid="nan", **each),
        "nearest holes": picture("float32", 3, interpolation="nearest", invalid="nan", **each),
        "half": picture("float16", 13, **each),
        "brain": picture("bfloat16", 3, invalid="nan", **each),
        "majority": mask(interpolation="majority", mirror_pairs=[[1, 2]], **each),
        "pairs": {**mask(mirror_pairs=[[1, 2], [3, 4]], **each), "dtype": "int32"},
        "bool": {"role": "label", "dtype": "bool", **each},
    }


CAMERA = {
    "image": picture("uint8", 3),
    "rgbxyz": {
        "dtype": "float32",
        "channels": [
            {"channels": ["r", "g", "b"], "role": "intensity"},
            {"channels": ["x", "y", "z"], "role": "position"},
        ],
    },
    "depth": {"role": "depth", "dtype": "float32"},
    "normals": {"role": "direction", "dtype": "float32"},
    "flow": {"role": "flow", "dtype": "float32"},
    "angle": {"role": "orientation", "dtype": "float32", "period": 180},
    "density": {"role": "density", "dtype": "float32", "channels": 1},
    "depth words": {"role": "depth", "dtype": "uint16", "invalid": 0},
    "depth jumps": {"role": "depth", "dtype": "float32", "max_jump": 0.3},
    "xyz jumps": {"role": "position", "dtype": "float32", "max_jump": 0.3},
    "xyz nearest": {"role": "position", "dtype": "float32", "interpolation": "nearest"},
    "normals nearest": {"role": "direction", "dtype": "float32", "interpolation": "nearest"},
    "degrees": {
        "role": "orientation",
        "dtype": "int16",
        "unit": "degrees",
        "period": 360,
        "invalid": -1,
    },
    "intrinsics": {"role": "intrinsics", "dtype": "float32"},
}
RANDOM = [ma.Rotate(180), ma.Scale((0.5, 2)), ma.Shear(15), ma.Translate(0.3), ma.Flip("x")]
# What follows the Jacobian of the map, or the ends of its vectors.
FOLLOWING = ("flow", "angle", "density")
TRANSFORMS = {
    "affine": RANDOM,
    "perspective": [ma.Rotate(40), ma.Perspective(0.15), ma.Flip("y")],
    "elastic": [ma.Rotate(30), ma.Elastic(0.03)],
    "elastic first": [ma.Elastic(0.03), ma.Rotate(30)],
    "smaller": [ma.Rotate(10), ma.Resize((13, 17))],
    "exact": [ma.Crop((14, 15), pad=True), ma.Flip("x"), ma.Pad((1, 2)), ma.Rot90((1, 3))],
}
# All kernels once; then what borders and kinds of maps treat differently. The other borders are
# held to float64 references in test_references.py.
FEW = ("rgb", "mask", "float", "holes")
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
DAILY = [("affine", "constant", None), ("elastic", "reflect", FEW)]
# By day the borders are for C, in test_compiled.py, and a field comes first in test_references.py.
AT_NIGHT = [
    ("exact", "constant", None),
    ("perspective", "constant", FEW),
    ("elastic first", "constant", FEW),
    ("affine", "wrap", FEW),
    ("affine", "mirror", FEW),
    ("exact", "reflect", FEW),
    ("smaller", "mirror", FEW),
]
CASES = [*DAILY, *(AT_NIGHT if NIGHTLY else ())]


# One of every rule by which a pixel shows something: blended, copied, encoded, by a mark or by NaN.
SHOWN = {"spline words", "marked words", "marked i16", "many holes", "nearest holes", "majority"}
SHOWN |= {"image", "rgbxyz", "depth words", "degrees", "xyz nearest"}


def with_validity(entries):
    """The same entries, some of them with an entry of valid pixels."""
    return {n: {**e, "validity": n in SHOWN} for n, e in entries.items()}


def spec_of(entries):
    return ma.DataSpec.from_dict({"name": "kernels", "entries": entries})


def both(pipeline, keys, batch, shape):
    """(found, reference): eager on the CPU, and the formulation that traces get."""
    params = pipeline.sample(keys, shape)
    found = pipeline.apply(params, batch)
    if compiled_is_available() and jax.default_backend() == "cpu":
        assert not _native._WORKS.values()[-1].refused
    flat = {
        n for n, a in batch.items() if a.ndim == 3 and pipeline.spec.entries[n].kind == "spatial"
    }
    whole = {n: a[..., None] if n in flat else a for n, a in batch.items()}
    run = Run(pipeline.spec, shape)
    expected = run_whole(pipeline.transforms, params, whole, run=run, form="map")
    shaped = {n: np.asarray(a).reshape(found[n].shape) for n, a in expected.items()}
    return {n: np.asarray(a) for n, a in found.items()}, shaped


INTEGERS = {"rgb", "more", "wide", "image", "cubic bytes", "cubic words", "i16"}
INTEGERS |= {"marked words", "marked i16", "spline words"}
COPIES = {"mask", "extra", "copied", "ids", "majority", "pairs"}
# Of the range: what the narrow floats can tell apart.
BARS = {"half": 2**-10, "brain": 2**-7}


class Tally:
    """How many values are off, over all drawn cases."""

    def __init__(self):
        self._off, self._all = {}, {}

    def add(self, name, wrong):
        self._off[name] = self._off.get(name, 0) + int(wrong.sum())
        self._all[name] = self._all.get(name, 0) + wrong.size

    def beyond(self, bars):
        """Names whose share is above its bar, by more than chance."""
        found = {}
        for name, off in self._off.items():
            allowed = bars(name) * self._all[name]
            if off > allowed + 5 * allowed**0.5:
                found[name] = off / self._all[name]
        return found


def compare(found, expected, batch, tally):
    assert set(found) == set(expected)
    for name, a in expected.items():
        b = found[name]
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        if name in COPIES or a.dtype == bool:
            tally.add(name, a != b)
        elif name in INTEGERS:
            off = np.abs(a.astype(np.int64) - b.astype(np.int64))
            assert off.max() <= 1, name
            tally.add(name, off > 0)
        else:
            a, b = a.astype(np.float64), b.astype(np.float64)
            tally.add(f"{name}: holes", np.isnan(a) != np.isnan(b))
            finite = batch[name][np.isfinite(batch[name])].astype(np.float64)
            both = np.isfinite(a) & np.isfinite(b)
            bar = BARS.get(name, 2e-4) * max(1.0, np.ptp(finite))
            tally.add(name, both & (np.abs(np.where(both, a - b, 0)) > bar))


def differences(pipeline, shapes, seeds, bars, **settings):
    tally = Tally()
    for shape in shapes:
        for seed in range(seeds):
            batch = make_record(pipeline.spec, shape, seed, batch=COUNT, holes=True, **settings)
            keys = jax.random.split(jax.random.key(seed), COUNT)
            compare(*both(pipeline, keys, batch, shape), batch, tally)
    return tally.beyond(bars)


def rounding(name):
    """The share of values that may differ.

    A blend that ends on a half of a level is rounded either way, as are positions on a tie and
    weights on a half. A level of uint16 is 256 times finer than one of uint8, and coefficients of a
    spline are rounded at up to nine times the values.
    """
    if name == "spline words":
        return 3e-2
    if name in INTEGERS:
        return 1e-5 if name in {"rgb", "more", "image", "cubic bytes"} else 1e-2
    return 1e-4


@pytest.mark.parametrize(("kind", "border", "names"), CASES)
def test_every_kernel(kind, border, names):
    entries = entries_of(border)
    if names is not None:
        entries = {name: entries[name] for name in names}
    pipeline = ma.Pipeline(TRANSFORMS[kind], spec_of(entries))
    bars = (lambda name: 0) if kind == "exact" else rounding
    assert differences(pipeline, [(40, 56)], 10, bars) == {}


MARKED = [("affine", "constant"), ("perspective", "reflect")]
if NIGHTLY:
    MARKED = [(kind, border) for kind in TRANSFORMS for border in BORDERS]


@pytest.mark.parametrize(("kind", "border"), MARKED)
def test_every_type_and_mark(kind, border):
    entries = with_validity(narrow_and_marked(border))
    pipeline = ma.Pipeline(TRANSFORMS[kind], spec_of(entries))
    bars = (lambda name: 0) if kind == "exact" else rounding
    assert differences(pipeline, [(40, 56)], 5, bars) == {}


@pytest.mark.parametrize("kind", ["perspective", "exact"] if NIGHTLY else ["perspective"])
def test_every_role(kind):
    pipeline = ma.Pipeline(TRANSFORMS[kind], spec_of(with_validity(CAMERA)))
    assert differences(pipeline, [(40, 56)], 5, rounding, content="smooth") == {}


@pytest.mark.parametrize("kind", ["elastic", "elastic first"] if NIGHTLY else ["elastic"])
def test_values_that_follow_a_field(kind):
    entries = {name: CAMERA[name] for name in FOLLOWING}
    pipeline = ma.Pipeline(TRANSFORMS[kind], spec_of(entries))
    assert differences(pipeline, [(40, 56)], 5, rounding, content="smooth") == {}


def test_blocks_of_rows_and_parts_of_every_size():
    """Pictures of one column, and of odd heights in several blocks."""
    entries = {n: e for n, e in entries_of("edge").items() if n in {"rgb", "mask", "holes"}}
    pipeline = ma.Pipeline([ma.Rotate(180), ma.Scale((0.5, 2))], spec_of(entries))
    shapes = [(7, 1), (131, 301)]
    assert differences(pipeline, shapes, 2, rounding) == {}


def test_whole_pixels_are_copies_whatever_stands_beside_them():
    """Infinity beside a pixel, and signs of zeros, would show in a weighted sum."""
    entries = {"x": picture("float32", 2), "y": picture("float32", 3, invalid="nan")}
    pipeline = ma.Pipeline([ma.Affine(np.eye(3, dtype=np.float32))], spec_of(entries))
    rng = np.random.default_rng(0)
    batch = {
        n: rng.choice(np.array([0.0, -0.0, 1.5, np.inf, -np.inf], np.float32), (3, 9, 11, c))
        for n, c in (("x", 2), ("y", 3))
    }
    keys = jax.random.split(jax.random.key(0), 3)
    out = pipeline.batch(keys, batch, check=False)
    for name, array in batch.items():
        assert np.asarray(out[name]).tobytes() == array.tobytes(), name
