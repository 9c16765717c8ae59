"""The structure of records and batches against their spec."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.errors import RecordError
from multiaug.spec import DataSpec, EntrySpec, check_structure, load_spec

SPEC = DataSpec(
    "test",
    [
        EntrySpec.of_role("image", "intensity", channels=3, dtype="uint8"),
        EntrySpec.of_role("mask", "label", dtype="uint8", optional=True),
        EntrySpec.of_role("joints", "keypoints", of="image", optional=True),
        EntrySpec.of_role("K", "intrinsics", of="image", optional=True),
        EntrySpec.of_role("digit", "scalar", optional=True),
        EntrySpec.of_role("extra", "intensity", dtype="float32", optional=True),
    ],
)


def array(shape, dtype="float32"):
    return SimpleNamespace(shape=tuple(shape), dtype=np.dtype(dtype))


def record(**changes):
    full = {
        "image": array((8, 10, 3), "uint8"),
        "mask": array((4, 5), "uint8"),
        "joints": array((17, 2)),
        "K": array((3, 3)),
        "digit": array((), "int64"),
        "extra": array((8, 10, 7)),
    }
    changed = full | changes
    return {name: value for name, value in changed.items() if value is not None}


def batch(n=4, **changes):
    return {
        name: array((n, *value.shape), value.dtype) for name, value in record().items()
    } | changes


def test_good_records():
    assert check_structure(SPEC, record(), batch=False) == (8, 10)
    assert check_structure(SPEC, {"image": array((8, 10, 3), "uint8")}, batch=False) == (8, 10)
    assert check_structure(SPEC, batch(), batch=True) == (8, 10)
    assert check_structure(SPEC, batch(n=1), batch=True) == (8, 10)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("mask", array((8, 10, 1), "uint8")),
        ("mask", array((16, 20), "uint8")),
        ("mask", array((3, 4), "uint8")),
        ("joints", array((0, 2))),
        ("joints", array((1, 2), "float16")),
        ("digit", array((3, 4), "float64")),
        ("extra", array((8, 10, 1))),
    ],
)
def test_good_entries(name, good):
    check_structure(SPEC, record(**{name: good}), batch=False)


@pytest.mark.parametrize(
    ("name", "bad", "text"),
    [
        ("image", None, r"image: found nothing, expected \(H, W, 3\); add it"),
        ("image", array((8, 10), "uint8"), r"found shape \(8, 10\), expected \(H, W, 3\)"),
        ("image", array((8, 10, 4), "uint8"), r"expected \(H, W, 3\)"),
        ("image", array((3, 8, 10), "uint8"), "channels go last"),
        ("image", array((2, 8, 10, 3), "uint8"), "it looks like a batch"),
        ("image", array((8, 10, 3), "float32"), "found dtype float32, expected uint8"),
        ("image", array((0, 10, 3), "uint8"), "at least one pixel"),
        ("image", [[1]], "found a Python list, expected an array"),
        ("mask", array((8, 10, 2), "uint8"), r"expected \(H, W, 1\) or \(H, W\)"),
        ("mask", array((8, 8), "uint8"), r"8 x 8 pixels, expected the proportions of image"),
        ("mask", array((8, 12), "uint8"), "the same field of view"),
        ("msk", array((8, 10), "uint8"), 'does not declare.*did you mean "mask"'),
        ("other", array((8, 10), "uint8"), "drop it, or declare it"),
        ("joints", array((17, 3)), r"found shape \(17, 3\), expected \(K, 2\)"),
        ("joints", array((17, 2), "int32"), "expected float16, bfloat16 or float32"),
        ("joints", array((2,)), r"expected \(K, 2\)"),
        ("K", array((4, 4)), r"found shape \(4, 4\), expected \(3, 3\)"),
        ("K", array((3, 3), "float64"), "found dtype float64"),
        ("digit", array((), "uint32"), "found dtype uint32"),
        ("digit", 3, "found a Python int"),
        ("extra", array((8, 10)), 'declare "channels": 1'),
        ("extra", array((8, 10, 0)), r"expected \(H, W, C\)"),
    ],
)
def test_bad_entries(name, bad, text):
    with pytest.raises(RecordError, match=f"(?s)The record is not what the spec 'test'.*{text}"):
        check_structure(SPEC, record(**{name: bad}), batch=False)


@pytest.mark.parametrize(
    ("name", "bad", "text"),
    [
        ("image", array((8, 10, 3), "uint8"), "one record: add a leading axis"),
        ("image", array((3, 8, 10, 3), "uint8"), r"found batches of 3 \(image\), 4 \(mask\)"),
        ("image", array((0, 8, 10, 3), "uint8"), "image: found 0 records"),
        ("digit", array(()), r"digit: found shape \(\), expected \(N, ...\)"),
        ("K", array((4, 4, 4)), r"expected \(N, 3, 3\)"),
        ("joints", array((4, 2)), r"expected \(N, K, 2\)"),
        ("mask", array((4, 7, 4), "uint8"), "proportions of image"),
    ],
)
def test_bad_batches(name, bad, text):
    with pytest.raises(RecordError, match=f"(?s)The batch is not.*{text}"):
        check_structure(SPEC, batch(**{name: bad}), batch=True)


def test_everything_wrong_is_said_at_once():
    bad = record(image=array((8, 10, 4), "float64"), mask=array((2, 9), "int8"), x=1, joints=3)
    with pytest.raises(RecordError) as caught:
        check_structure(SPEC, bad, batch=False)
    lines = str(caught.value).splitlines()[1:]
    names = [line.split(":")[0].strip() for line in lines]
    assert names == ["x", "image", "image", "mask", "joints"]


def test_frame_stands_in_for_the_reference():
    half = {"mask": array((4, 5), "uint8")}
    assert check_structure(SPEC, half, batch=False, frame=(8, 10), partial=True) == (8, 10)
    assert check_structure(SPEC, {}, batch=False, frame=(8, 10), partial=True) == (8, 10)
    assert check_structure(SPEC, half, batch=False, partial=True) == (4, 5)
    with pytest.raises(RecordError, match=r"expected the proportions of the frame \(8 x 20\)"):
        check_structure(SPEC, half, batch=False, frame=(8, 20), partial=True)
    with pytest.raises(RecordError, match="image: found 8 x 10 pixels, expected the frame 16 x 20"):
        check_structure(SPEC, record(), batch=False, frame=(16, 20))
    with pytest.raises(RecordError, match="image: found nothing"):
        check_structure(SPEC, half, batch=False, frame=(8, 10))


def test_no_picture_at_all():
    with pytest.raises(RecordError, match="found no picture"):
        check_structure(SPEC, {"digit": array(())}, batch=False, partial=True)


def test_dtypes_may_be_left_unchecked():
    check_structure(SPEC, record(image=array((8, 10, 3), "float64")), batch=False, dtypes=False)


def test_absent_optional_reference_moves_on():
    spec = DataSpec(
        "n",
        [
            EntrySpec.of_role("image", "intensity", channels=3, optional=True),
            EntrySpec.of_role("mask", "label"),
        ],
    )
    assert check_structure(spec, {"mask": array((4, 5), "uint8")}, batch=False) == (4, 5)


@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 8), st.booleans())
def test_rounded_sizes_cover_the_same_field(height, width, factor, up):
    """However a smaller or larger size is rounded, it is accepted."""
    sizes = [
        tuple(round_(side * factor if up else side / factor) for side in (height, width))
        for round_ in (int, lambda side: -int(-side // 1))
    ]
    for h, w in sizes:
        if h and w:
            mask = array((h, w), "uint8")
            image = array((height, width, 3), "uint8")
            check_structure(SPEC, {"image": image, "mask": mask}, batch=False)


def test_jax_arrays_tracers_and_shapes():
    spec = load_spec("rgbxyz")
    shapes = {
        "rgbxyz": jax.ShapeDtypeStruct((2, 4, 6, 6), jnp.float32),
        "mask": jax.ShapeDtypeStruct((2, 4, 6), jnp.uint8),
    }
    assert check_structure(spec, shapes, batch=True) == (4, 6)

    def traced(batch):
        assert check_structure(spec, batch, batch=True) == (4, 6)
        return batch["mask"]

    assert jax.eval_shape(traced, shapes).shape == (2, 4, 6)
    bfloat16 = {"a": jnp.zeros((4, 6, 3), jnp.bfloat16)}
    made = DataSpec("n", [EntrySpec.of_role("a", "intensity", dtype="bfloat16")])
    assert check_structure(made, bfloat16, batch=False) == (4, 6)


def test_keys_are_no_scalars():
    spec = DataSpec("n", [EntrySpec.of_role("a", "scalar"), EntrySpec.of_role("m", "label")])
    bad = {"a": jax.random.key(0), "m": np.zeros((2, 2), np.uint8)}
    with pytest.raises(RecordError, match="a: found dtype key"):
        check_structure(spec, bad, batch=False)


@pytest.mark.parametrize("time", [None, True])
def test_a_missing_axis_of_channels_is_named(time):
    entry = {"role": "density", "dtype": "float32"} | ({"time": True} if time else {})
    spec = DataSpec.from_dict({"name": "counts", "entries": {"count": entry}})
    shape = (4, 2, 8, 10) if time else (4, 8, 10)
    words = (
        r'count: .* add a last axis of channels, as array\[\.\.\., None\], or declare "channels": 1'
    )
    with pytest.raises(RecordError, match=words):
        check_structure(spec, {"count": np.zeros(shape, np.float32)}, batch=True)
    check_structure(spec, {"count": np.zeros((*shape, 1), np.float32)}, batch=True)
    single = DataSpec.from_dict({"name": "counts", "entries": {"count": entry | {"channels": 1}}})
    check_structure(single, {"count": np.zeros(shape, np.float32)}, batch=True)
