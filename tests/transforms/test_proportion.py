"""Frames whose size follows that of the image: as numbers, as data, and for records of all sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.geometry import Length
from multiaug.testing import compilations, make_record
from multiaug.transforms._proportion import larger, scaled_shape, shortened, smaller
from tests.nightly import NIGHTLY, by_night

SPEC = ma.DataSpec.from_dict(
    {
        "name": "all sizes",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8"},
            "boxes": {"role": "boxes", "dtype": "float32", "capacity": 3},
            "camera": {"role": "intrinsics", "dtype": "float32"},
            "xyz": {"role": "position", "dtype": "float32"},
        },
    }
)
FLAT = ma.DataSpec("flat", [SPEC.entries[name] for name in ("image", "mask", "boxes")])
SIZES = [(40, 52), (61, 37), (40, 52), (45, 45), (38, 70)]
KEYS = jax.random.split(jax.random.key(5), len(SIZES))

# Neither the frame nor the map of these asks Python for the size.
GROWING = [
    ma.ResizeShortest(44, max_size=70, multiple=4),
    ma.PadToMultiple((16, 10), position="random"),
    ma.SafeRotate(30),
    ma.PadTo((90, 50)),
    ma.RandomScaledCrop(28, (0.5, 1), base=(40, 60)),
]
PIPELINES = {
    "growing": (FLAT, GROWING),
    "fitted": (FLAT, [ma.ResizeLongest(50), ma.LetterBox((32, 20), position="random")]),
    "drawn": (FLAT, [ma.ResizeShortest((20, 30), crop=(24, 18))]),
    # What follows looks at the record, or is computed for each size.
    "labels": (FLAT, [ma.LabelCrop(24, share=0.5, max_share=0.8)]),
    "boxes": (FLAT, [ma.BoxSafeCrop(24)]),
    "cameras": (SPEC, [ma.CameraRotate(8, 8), ma.Crop(30), ma.CloudMotion(20, jitter=0.1)]),
    "canonical": (SPEC, [ma.CanonicalCamera(30, 40), ma.CanonicalDepth(50)]),
    "turned": (FLAT, [ma.SafeRotate((20, 30), expand=True), ma.Crop(36)]),
    "bent": (FLAT, [ma.GridDistortion(0.3), ma.ThinPlateSpline(0.03), ma.Crop(36)]),
    "lens": (FLAT, [ma.OpticalDistortion(0.1), ma.PiecewiseAffine(0.02), ma.Crop(36)]),
    "some": (FLAT, [ma.Crop(36), ma.ForEntries("image", [ma.Crop(30), ma.Resize(36)])]),
}
AS_DATA = {"growing", "fitted", "drawn"}


def records(spec):
    return [make_record(spec, size, seed) for seed, size in enumerate(SIZES)]


@pytest.mark.cpu
@pytest.mark.parametrize("name", PIPELINES if NIGHTLY else ["growing", "boxes", "cameras"])
def test_records_of_all_sizes_are_one_batch(name):
    spec, steps = PIPELINES[name]
    pipeline, given = ma.Pipeline(steps, spec), records(spec)
    explained = pipeline.explain(SIZES[0], like=given[0]).stages
    assert any(stage.each_size for stage in explained) == (name not in AS_DATA)
    found = {n: np.asarray(a) for n, a in pipeline.batch(KEYS, given).items()}
    for i in (1, 4) if NIGHTLY else (1,):
        alone = pipeline(KEYS[i], given[i])
        assert list(alone) == list(found)
        for entry, array in alone.items():
            np.testing.assert_array_equal(found[entry][i], np.asarray(array), err_msg=entry)
    if name in AS_DATA:
        with compilations() as messages:
            pipeline(KEYS[0], make_record(spec, (47, 58), 9))
        assert not [m for m in messages if m.startswith("Compiling ")]


@pytest.mark.cpu
@by_night
def test_a_frame_that_children_change_is_data_too():
    pipeline = ma.Pipeline([ma.ForEntries("image", [ma.Pad(2), ma.Rotate(20), ma.Crop(36)])], FLAT)
    with pytest.raises(ma.ParameterError, match="leave the frame of 40 x 52"):
        pipeline.explain((40, 52))
    inside = [ma.Pad(3), ma.Rotate(20), ma.Flip("x"), ma.Translate(0.1)]
    (stage,) = [
        s
        for s in ma.Pipeline([ma.ForEntries("image", [*inside, ma.Resize(40)])], FLAT)
        .explain((40, 40))
        .stages
        if s.transforms
    ]
    assert stage.each_size == ""
    grown = [ma.SafeRotate(45, expand=True), ma.Resize(40)]
    pipeline = ma.Pipeline([ma.ForEntries("image", grown)], FLAT)
    assert "in Python" in pipeline.explain((40, 40)).stages[-1].each_size
    pipeline.sample(KEYS, (40, 40))


def numbers(count):
    draw = np.random.default_rng(0)
    sides = np.exp(draw.uniform(0, np.log(2**24 - 1), (count, 4))).astype(int)
    sides[::3] = draw.integers(1, 3000, (len(sides[::3]), 4))
    sides[1::7, 1] = sides[1::7, 0]
    return sides.tolist(), np.int32(sides)


def test_integers_as_data_are_those_of_python():
    known, data = numbers(3000)

    @jax.jit
    @jax.vmap
    def found(row):
        # Products reach 2^48 here.
        shape = (Length(row[0]), Length(row[1]))
        to, of = shortened(720, 1333, shape)
        sides = [
            *scaled_shape(shape, 224, smaller(*shape), 1),
            *scaled_shape(shape, 1024, larger(*shape), 14),
            *scaled_shape(shape, to, of, 32),
            larger(shape[0], 512),
            smaller(512, shape[1]),
        ]
        return jnp.stack([side.value for side in sides])

    given = np.asarray(found(data))
    for (height, width, *_), row in zip(known, given, strict=True):
        shape = (height, width)
        expected = [
            *scaled_shape(shape, 224, min(shape), 1),
            *scaled_shape(shape, 1024, max(shape), 14),
            *scaled_shape(shape, *shortened(720, 1333, shape), 32),
            max(height, 512),
            min(512, width),
        ]
        fits = np.array([side < 2**24 for side in expected])
        np.testing.assert_array_equal(row[fits], np.array(expected)[fits], err_msg=str(shape))
