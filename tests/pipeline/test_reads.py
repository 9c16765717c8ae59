"""Draws that look at the record: a crop of one's own that lies on a label."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.geometry import affine_map, centre, shift
from multiaug.pipeline import _pipeline
from multiaug.pipeline.backends import _dispatch
from multiaug.testing import check_transform, make_record
from multiaug.transforms import Geometric, Sized, converters, setting, transform

SPEC = ma.DataSpec.from_dict(
    {
        "name": "labelled",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8"},
        },
    }
)
KEYS = jax.random.split(jax.random.key(5), 40)
SIDE = 6


@transform
class CropOnLabel(Geometric):
    """Cut out a window about a pixel of a label, each pixel as likely as the others.

    Args:
        size: (height, width) of the window.
        label: what it is to show; a record without it is cut anywhere.
    """

    size: Sized = setting(converters.size, default=SIDE)
    label: int = setting(converters.whole, default=3, low=0)
    reads: ClassVar[frozenset[str]] = frozenset({"label"})

    def out_shape(self, shape):
        return self.size

    def sample(self, key, frame):
        (mask,) = frame.record.values()
        shown = mask == self.label
        chance = jnp.where(shown | ~shown.any(), jax.random.uniform(key, mask.shape), -1)
        y, x = jnp.divmod(jnp.argmax(chance), mask.shape[1])
        spare = [side - window for side, window in zip(frame.shape, self.size, strict=True)]
        at = [
            jnp.clip(middle - window // 2, 0, most)
            for middle, window, most in zip((y, x), self.size, spare, strict=True)
        ]
        return {"offset": jnp.stack([at[1], at[0]]).astype(jnp.int32)}

    def map(self, params, shape):
        (cx, cy), (ox, oy) = centre(shape), centre(self.size)
        x, y = params["offset"].astype(jnp.float32)
        dx, dy = cx - x - ox, cy - y - oy
        return affine_map(shift(dx, dy), shift(-dx, -dy), shape, self.size)


@transform
class CropOnMask(CropOnLabel):
    """The same, of an entry that it names.

    Args:
        size: (height, width) of the window.
        label: what it is to show.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"mask"})


@transform
class CropOnClass(CropOnLabel):
    """The same, of the shares of classes that an earlier stage makes.

    Args:
        size: (height, width) of the window.
        label: what it is to show.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"mask_onehot"})

    def sample(self, key, frame):
        mask = frame.record["mask_onehot"].argmax(-1)
        return super().sample(key, frame._replace(record={"mask": mask}))


def batch_of(count, shape=(20, 30)):
    """Labels 3 in one small place of each mask, and nowhere else."""
    batch = make_record(SPEC, shape, 1, batch=count)
    batch["mask"] = np.zeros((count, *shape), np.uint8)
    places = np.random.default_rng(2).integers(0, (shape[0] - 1, shape[1] - 1), (count, 2))
    for i, (y, x) in enumerate(places):
        batch["mask"][i, y : y + 2, x : x + 2] = 3
    return batch


BATCH = batch_of(len(KEYS))
PIPELINE = ma.Pipeline([CropOnLabel(), ma.Brightness(0.1)], SPEC)


def record_at(i):
    return {name: array[i] for name, array in BATCH.items()}


def test_every_window_shows_the_label_and_copies_its_pixels():
    params = PIPELINE.sample(KEYS, (20, 30), record=BATCH)
    out = ma.Pipeline([CropOnLabel()], SPEC).apply(
        ma.RecordParams(params.values[:1], params.key, params.in_shape, params.out_shape), BATCH
    )
    assert (np.asarray(out["mask"]) == 3).any(axis=(1, 2)).all()
    offsets = np.asarray(params.values[0]["offset"])
    assert len(np.unique(offsets, axis=0)) > 20
    for i, (x, y) in enumerate(offsets):
        for name in SPEC.entries:
            expected = BATCH[name][i, y : y + SIDE, x : x + SIDE]
            np.testing.assert_array_equal(out[name][i], expected)


def test_key_and_record_fix_the_draw():
    out = PIPELINE.batch(KEYS, BATCH)
    drawn = PIPELINE.apply(PIPELINE.sample(KEYS, (20, 30), record=BATCH), BATCH)
    again = ma.Pipeline.from_dict(PIPELINE.to_dict()).batch(KEYS, BATCH)
    few = PIPELINE.batch(KEYS[:3], {name: array[:3] for name, array in BATCH.items()})
    for name, array in out.items():
        np.testing.assert_array_equal(drawn[name], array)
        np.testing.assert_array_equal(again[name], array)
        np.testing.assert_array_equal(few[name], array[:3])
        np.testing.assert_array_equal(PIPELINE(KEYS[7], record_at(7))[name], array[7])
    alone = PIPELINE.sample(KEYS[7], (20, 30), record={"mask": BATCH["mask"][7]})
    together = PIPELINE.sample(KEYS, (20, 30), record={"mask": BATCH["mask"]})
    np.testing.assert_array_equal(alone.values[0]["offset"], together.values[0]["offset"][7])


def test_batches_like_an_earlier_one_are_drawn_anew():
    PIPELINE.batch(KEYS, BATCH)
    moved = {name: np.ascontiguousarray(array[:, ::-1]) for name, array in BATCH.items()}
    assert (np.asarray(PIPELINE.batch(KEYS, moved)["mask"]) == 3).any(axis=(1, 2)).all()


@pytest.mark.cpu
def test_sampling_is_native_all_the_same(monkeypatch):
    calls = []
    call = _dispatch.compiled_call
    monkeypatch.setattr(
        _dispatch, "compiled_call", lambda *args: calls.append(call(*args)) or calls[-1]
    )
    ma.Pipeline(PIPELINE.transforms, SPEC).batch(KEYS, BATCH)
    assert calls
    assert None not in calls


def test_in_traced_code():
    out = PIPELINE.batch(KEYS[:4], {name: array[:4] for name, array in BATCH.items()})
    few = {name: jnp.asarray(array[:4]) for name, array in BATCH.items()}
    traced = jax.jit(jax.vmap(PIPELINE))(KEYS[:4], few)
    np.testing.assert_array_equal(traced["mask"], out["mask"])
    assert np.abs(np.asarray(traced["image"]).astype(int) - np.asarray(out["image"])).max() <= 1
    together = jax.jit(PIPELINE.batch)(KEYS[:4], few)
    np.testing.assert_array_equal(together["mask"], out["mask"])
    assert np.abs(np.asarray(together["image"]).astype(int) - np.asarray(out["image"])).max() <= 1


def test_entries_by_name_and_in_containers():
    by_name = ma.Pipeline([CropOnMask()], SPEC).sample(KEYS, (20, 30), record=BATCH)
    by_role = PIPELINE.sample(KEYS, (20, 30), record=BATCH)
    np.testing.assert_array_equal(by_name.values[0]["offset"], by_role.values[0]["offset"])
    chosen = ma.OneOf([CropOnLabel(), ma.Crop(SIDE), CropOnMask(label=0)], weights=(1, 0, 0))
    out = ma.Pipeline([chosen], SPEC).batch(KEYS, BATCH)
    assert (np.asarray(out["mask"]) == 3).any(axis=(1, 2)).all()


def test_a_shape_alone_does_not_say_it():
    with pytest.raises(ma.ParameterError, match=r"`CropOnLabel` reads 'mask' .* record=record"):
        PIPELINE.sample(KEYS[0], (20, 30))
    with pytest.raises(ma.RecordError, match="the record has only \\['image'\\]"):
        PIPELINE.sample(KEYS[0], (20, 30), record={"image": BATCH["image"][0]})
    with pytest.raises(ma.RecordError, match="mask"):
        PIPELINE.sample(KEYS[0], (20, 30), record={"mask": BATCH["mask"][0, 0]})
    with pytest.raises(ma.ParameterError, match="one key per record"):
        PIPELINE.sample(KEYS[:2], (20, 30), record=BATCH)


def test_what_cannot_be_read_is_refused():
    images = ma.DataSpec("images", [SPEC.entries["image"]])
    with pytest.raises(ma.ParameterError, match="reads 'label', but the spec 'images' has no"):
        ma.Pipeline([CropOnLabel()], images)
    inside = ma.Maybe([ma.Flip("x"), CropOnLabel()])
    shuffled = ma.Shuffle([CropOnLabel(), ma.D4()])
    for transforms in ([ma.Rotate(5), CropOnLabel()], [inside], [shuffled]):
        with pytest.raises(ma.ParameterError, match=r"stands before it .* Put CropOnLabel before"):
            ma.Pipeline(transforms, SPEC)
    ma.Pipeline([ma.Brightness(0.1), CropOnLabel(), ma.Rotate(5)], SPEC)
    with pytest.raises(ma.ParameterError, match=r"reads label inside of Maybe.* several stages"):
        ma.Pipeline([ma.Maybe([CropOnLabel(), ma.Erase(entries="image")])], SPEC)
    with pytest.raises(ma.ParameterError, match=r"stands before it .* of its stage"):
        ma.Pipeline([ma.Contrast(0.1), ma.Rotate(5), CropOnLabel()], SPEC)


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
def test_explained():
    found = PIPELINE.explain((20, 30))
    assert {entry.resampled for entry in found.entries} == {"native"}
    assert [stage.out_frame for stage in STAGED.explain((20, 20)).stages][-1] == (SIDE, SIDE)


@pytest.mark.cpu
@pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")
def test_batches_and_records_like_earlier_ones_are_not_looked_at_again(monkeypatch):
    pipeline = ma.Pipeline(PIPELINE.transforms, SPEC)
    expected = pipeline.batch(KEYS, BATCH)
    pipeline(KEYS[0], record_at(0))
    monkeypatch.setattr(_pipeline, "check_structure", None)  # only the fast path does without
    again = pipeline.batch(KEYS, BATCH)
    alone = pipeline(KEYS[7], record_at(7))
    for name, array in expected.items():
        np.testing.assert_array_equal(again[name], array)
        np.testing.assert_array_equal(alone[name], array[7])


# The crop stands in a second run: Contrast ends the first one, and the turn is in that.
STAGED = ma.Pipeline([ma.Rot90(), ma.Contrast(0.2), ma.Erase(entries="image"), CropOnLabel()], SPEC)


def test_a_later_stage_reads_what_earlier_ones_made():
    square = batch_of(12, (20, 20))
    keys = KEYS[:12]
    params = STAGED.sample(keys, (20, 20), record=square)
    out = STAGED.batch(keys, square)
    turned = ma.Pipeline([ma.Rot90()], SPEC).batch(keys, square)
    for i, (x, y) in enumerate(np.asarray(params.values[3]["offset"])):
        window = np.asarray(turned["mask"])[i, y : y + SIDE, x : x + SIDE]
        assert (window == 3).any()
        np.testing.assert_array_equal(out["mask"][i], window)
    applied = STAGED.apply(params, square)
    record = {name: array[5] for name, array in square.items()}
    alone = STAGED(keys[5], record)
    drawn = STAGED.sample(keys[5], (20, 20), record={"mask": record["mask"]})
    np.testing.assert_array_equal(drawn.values[3]["offset"], params.values[3]["offset"][5])
    for name, array in out.items():
        np.testing.assert_array_equal(applied[name], array)
        np.testing.assert_array_equal(alone[name], array[5])
    with pytest.raises(ma.ParameterError, match=r"`CropOnLabel` reads 'mask' .* record=record"):
        STAGED.sample(keys, (20, 20))


def test_what_was_derived_can_be_read():
    pipeline = ma.Pipeline([ma.Brightness(0.1), ma.OneHot("mask", 5), CropOnClass()], SPEC)
    out = pipeline.batch(KEYS[:4], {name: array[:4] for name, array in BATCH.items()})
    assert (np.asarray(out["mask"]) == 3).any(axis=(1, 2)).all()
    with pytest.raises(ma.ParameterError, match="reads 'mask_onehot', but the spec 'labelled' has"):
        ma.Pipeline([CropOnClass(), ma.OneHot("mask", 5)], SPEC)


def test_its_promises():
    check_transform(CropOnLabel(), SPEC, 1, batch=batch_of(3, (16, 16)))
