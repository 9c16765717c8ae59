"""Programs of several stages: declared order is the meaning, on every way that they are run."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import MultiaugWarning, ParameterError, RecordError
from multiaug.pipeline.program._stages import stages_of
from tests.nightly import by_night

SIZE = (24, 32)
COUNT = 4
SPEC = ma.DataSpec.from_dict(
    {
        "name": "stages",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 2, "range": [0, 1]},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255},
            "points": {"role": "keypoints", "dtype": "float32", "mirror_pairs": [[0, 1]]},
            "boxes": {"role": "boxes", "dtype": "float32"},
            "class": {"role": "scalar", "optional": True},
        },
    }
)
IMAGE = ma.DataSpec("an image", [SPEC.entries["image"]])
FEW = ma.DataSpec("few", [SPEC.entries["image"], SPEC.entries["points"]])
KEYS = jax.random.split(jax.random.key(3), COUNT)


def batch_of(spec=SPEC, count=COUNT, **others):
    rng = np.random.default_rng(7)
    height, width = SIZE
    points = rng.uniform(0, 20, (count, 5, 2)).astype(np.float32)
    corners = rng.uniform(0, 12, (count, 3, 2)).astype(np.float32)
    full = {
        "image": rng.random((count, height, width, 2), np.float32),
        "mask": rng.integers(0, 4, (count, height // 2, width // 2), np.uint8),
        "points": points,
        "boxes": np.concatenate([corners, corners + 6], axis=-1),
    }
    return {n: a for n, a in full.items() if n in spec.entries} | others


def kinds(*transforms, spec=SPEC):
    found = stages_of(ma.Pipeline(transforms, spec).transforms, spec, SIZE, {})
    return [(stage.kind, len(stage.transforms)) for stage in found]


def test_what_ends_a_run():
    rotate, bright, contrast, erase = ma.Rotate(9), ma.Brightness(), ma.Contrast(), ma.Erase()
    assert kinds(rotate, bright, ma.Flip(), contrast) == [("warp", 4)]
    assert kinds(contrast, rotate) == [("warp", 1), ("warp", 1)]
    assert kinds(ma.GaussianNoise(), bright, rotate) == [("warp", 2), ("warp", 1)]
    assert kinds(rotate, erase, erase, bright) == [("warp", 1), ("occlude", 2), ("warp", 1)]
    assert kinds(erase) == [("warp", 0), ("occlude", 1)]
    # One of several: none of them comes before another.
    assert kinds(ma.OneOf([contrast, rotate])) == [("warp", 1)]
    assert kinds(ma.SomeOf([contrast, rotate])) == [("warp", 1), ("warp", 1)]
    assert kinds(ma.SomeOf([rotate, contrast])) == [("warp", 1)]
    assert kinds(ma.Shuffle([rotate, bright])) == [("warp", 1)]
    assert kinds(contrast, ma.Maybe([rotate, contrast])) == [("warp", 1), ("warp", 1)]
    assert kinds(ma.Maybe([rotate, erase, bright])) == [("warp", 1), ("occlude", 1), ("warp", 1)]
    assert kinds(ma.OneHot("mask", 4), ma.Flip()) == [("warp", 0), ("derive", 1), ("warp", 1)]


def one_after_the_other(parts, spec, keys, batch):
    """Pipelines of one stage each, with the draws that their transforms have in the whole one."""
    whole = ma.Pipeline([t for part in parts for t in part], spec)
    params = whole.sample(keys, SIZE)
    done, first = batch, 0
    for part in parts:
        values = params.values[first : first + len(part)]
        piece = ma.RecordParams(values, params.key, SIZE, SIZE)
        done = ma.Pipeline(part, spec).apply(piece, {n: done[n] for n in batch}, check=False)
        first += len(part)
    return whole, params, done


def test_it_is_its_parts_one_after_the_other():
    batch = batch_of(FEW)
    parts = [
        [ma.Rotate(20), ma.Brightness(0.2), ma.Contrast(0.3)],
        [ma.Erase((0.1, 0.3), count=(1, 2), fill=0.5)],
        [ma.Flip("x", p=0.6), ma.Gamma(1.3)],
    ]
    whole, params, expected = one_after_the_other(parts, FEW, KEYS, batch)
    found = whole.batch(KEYS, batch)
    for name in ("image", "points"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    again = whole.apply(jax.tree.map(np.asarray, params), batch)
    for name, array in found.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


def test_draws_do_not_depend_on_what_follows():
    transforms = [ma.Contrast(0.3), ma.Rotate(20), ma.Flip()]
    alone = ma.Pipeline(transforms, SPEC).sample(KEYS, SIZE)
    more = ma.Pipeline([*transforms, ma.Erase(), ma.Scale(1.2)], SPEC).sample(KEYS, SIZE)
    for a, b in zip(jax.tree.leaves(alone.values), jax.tree.leaves(more.values[:3]), strict=True):
        np.testing.assert_array_equal(a, b)
    document = ma.RecordParams.from_dict(more.to_dict())
    for a, b in zip(jax.tree.leaves(document), jax.tree.leaves(more), strict=True):
        np.testing.assert_array_equal(a, b)


def test_containers_of_several_stages_draw_once():
    """A step of a container is on where the container says so, in whichever stage it is."""
    image = batch_of(IMAGE)
    inner = [ma.Contrast((0.5, 0.5)), ma.Flip("x", p=1.0)]
    pipeline = ma.Pipeline([ma.Shuffle(inner)], IMAGE)
    found = np.asarray(pipeline.batch(KEYS, image)["image"])
    given = image["image"].astype(np.float64)
    mean = given.mean(axis=(1, 2, 3), keepdims=True)
    # Both run, in whatever order; a mirror does not change the mean.
    np.testing.assert_allclose(found, (mean + 1.5 * (given - mean))[:, :, ::-1], atol=1e-5)
    some = ma.Pipeline([ma.SomeOf([*inner, ma.Erase((0.2, 0.2))], k=1)], IMAGE)
    on = np.asarray(some.sample(KEYS, SIZE).values[0]["on"])
    done = np.asarray(some.batch(KEYS, image)["image"])
    for i in range(COUNT):
        flipped = np.array_equal(done[i], image["image"][i][:, ::-1])
        erased = (done[i] == 0).mean() > 0.15
        assert (flipped, erased) == (on[i, 1], on[i, 2])


def test_order_is_the_meaning():
    """Contrast before a shift knows nothing of the fill; behind it, it does."""
    image = batch_of(IMAGE)
    shift = ma.Translate(px=(8, 8), whole=True)
    before = ma.Pipeline([ma.Contrast((0.5, 0.5)), shift], IMAGE).batch(KEYS, image)["image"]
    behind = ma.Pipeline([shift, ma.Contrast((0.5, 0.5))], IMAGE).batch(KEYS, image)["image"]
    given = image["image"].astype(np.float64)
    moved = np.zeros_like(given)
    moved[:, 8:, 8:] = given[:, :-8, :-8]

    def spread(values):
        mean = values.mean(axis=(1, 2, 3), keepdims=True)
        return mean + 1.5 * (values - mean)

    expected = np.zeros_like(given)
    expected[:, 8:, 8:] = spread(given)[:, :-8, :-8]
    np.testing.assert_allclose(before, expected, atol=1e-5)
    np.testing.assert_allclose(behind, spread(moved), atol=1e-5)


PIPELINE = ma.Pipeline([ma.Contrast(0.2), ma.Flip(), ma.Erase((0.1, 0.2), p=0.7)], FEW)


def test_one_by_one_and_under_jit_and_vmap():
    batch = batch_of(FEW)
    found = PIPELINE.batch(KEYS, batch)
    alone = PIPELINE(KEYS[1], {n: a[1] for n, a in batch.items()})
    for name, array in found.items():
        np.testing.assert_array_equal(alone[name], array[1], err_msg=name)
    for traced in (jax.jit(PIPELINE.batch), jax.jit(jax.vmap(PIPELINE))):
        for name, array in traced(KEYS, batch).items():
            np.testing.assert_allclose(array, found[name], atol=1e-5, err_msg=name)


@by_night
def test_gradients_pass_through_stages():
    image = batch_of(IMAGE)["image"][0]
    pipeline = ma.Pipeline([ma.Contrast(0.2), ma.Flip(p=1.0), ma.Erase((0.2, 0.2))], IMAGE)

    def total(image):
        return pipeline(KEYS[0], {"image": image})["image"].sum()

    slopes = np.asarray(jax.grad(total)(image))
    step = np.zeros_like(image)
    step[5, 7, 1] = 0.01
    difference = (total(image + step) - total(image - step)) / 0.02
    np.testing.assert_allclose(slopes[5, 7, 1], difference, atol=2e-2)


def test_visibility_is_that_of_all_stages():
    """What one stage lost from view does not come back with the next."""
    batch = batch_of()
    away = ma.Translate(px=((100, 100), (0, 0)))
    back = ma.Translate(px=((-100, -100), (0, 0)))
    pipeline = ma.Pipeline([away, ma.Contrast(0.1), back], SPEC)
    found = pipeline.batch(KEYS, batch)
    np.testing.assert_allclose(found["points"], batch["points"], atol=1e-3)
    assert not np.asarray(found["points_visible"]).any()
    assert (np.asarray(found["boxes_visible"]) == 0).all()
    once = ma.Pipeline([away, back], SPEC).batch(KEYS, batch)
    assert np.asarray(once["points_visible"]).all()  # one map: nothing is lost


def test_mirrors_of_several_stages_cancel():
    spec = ma.DataSpec.from_dict(
        {
            "name": "tied",
            "entries": {
                "image": {"role": "intensity", "dtype": "float32", "channels": 2},
                "points": {"role": "keypoints", "dtype": "float32", "mirror_pairs": [[0, 1]]},
                "ids": {"role": "scalar", "of": "points"},
            },
        }
    )
    ids = np.arange(COUNT * 5).reshape(COUNT, 5)
    batch = {n: a for n, a in batch_of().items() if n in ("image", "points")} | {"ids": ids}
    flip = ma.Flip(p=1.0)
    often = ma.Pipeline([flip, ma.Contrast(0.1), flip, flip, flip], spec).batch(KEYS, batch)
    assert not np.asarray(often["points_mirrored"]).any()
    np.testing.assert_array_equal(often["ids"], ids)
    once = ma.Pipeline([ma.Contrast(0.1), flip], spec).batch(KEYS, batch)
    np.testing.assert_array_equal(once["ids"], ids[:, [1, 0, 2, 3, 4]])


def test_values_after_normalize_are_in_its_units():
    spec = ma.DataSpec(
        "bytes", [ma.EntrySpec.of_role("image", "intensity", dtype="uint8", channels=1)]
    )
    batch = {"image": np.full((COUNT, *SIZE, 1), 100, np.uint8)}
    pipeline = ma.Pipeline([ma.Normalize(0.5, 0.25), ma.Erase((0.3, 0.3), fill=0.0)], spec)
    found = np.asarray(pipeline.batch(KEYS, batch)["image"])
    assert found.dtype == np.float32
    assert set(np.unique(found.round(5))) == {np.float32(round((100 / 255 - 0.5) / 0.25, 5)), 0}
    by_chance = [ma.Normalize(0.5, 0.25, p=0.5), ma.Erase()]
    with pytest.raises(ParameterError, match=r"`Normalize` changes the range of 'image' in some"):
        ma.Pipeline(by_chance, spec).batch(KEYS, batch)


def test_clouds_reproject_through_several_stages():
    spec = ma.DataSpec.from_dict(
        {
            "name": "cloud",
            "camera": {"fov_degrees": 60},
            "entries": {
                "image": {"role": "intensity", "dtype": "float32", "channels": 1},
                "xyz": {"role": "position", "dtype": "float32"},
            },
        }
    )
    column, row = np.meshgrid(np.arange(40.0), np.arange(32.0))
    focal = 20 / np.tan(np.deg2rad(30))
    z = 2 + 0.3 * np.sin(column / 9) + 0.2 * np.cos(row / 7)
    cloud = np.stack([z * (column - 19.5) / focal, z * (row - 15.5) / focal, z], axis=-1)
    batch = {"image": np.zeros((2, 32, 40, 1), np.float32), "xyz": np.float32([cloud, cloud])}
    pipeline = ma.Pipeline(
        [ma.Rotate(10), ma.Contrast(0.1), ma.Scale(1.1), ma.Crop((24, 30)), ma.Flip(p=1.0)], spec
    )
    done = pipeline.batch(KEYS[:2], batch)
    for cloud, intrinsics in zip(done["xyz"], done["intrinsics"], strict=True):
        x, y, z = np.moveaxis(np.asarray(cloud, np.float64), -1, 0)
        fx, fy, cx, cy = (float(intrinsics[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        column, row = np.meshgrid(np.arange(30), np.arange(24))
        assert np.isfinite(z).mean() > 0.5
        assert np.nanmax(abs(fx * x / z + cx - column)) < 0.01
        assert np.nanmax(abs(fy * y / z + cy - row)) < 0.01


def test_check_is_asked_once_at_the_door():
    batch = batch_of(FEW)
    batch["image"][1, 3, 4, 0] = np.nan
    with pytest.raises(RecordError, match=r"image"):
        PIPELINE.batch(KEYS, batch)
    PIPELINE.batch(KEYS, batch, check=False)
    with pytest.raises(ParameterError, match=r"one key per record, got 3 keys"):
        PIPELINE.batch(KEYS[:3], batch)


def test_the_way_back():
    image = batch_of(IMAGE)
    flip, shift = ma.Flip(p=1.0), ma.Translate(px=(4, 4), whole=True)
    pipeline = ma.Pipeline([ma.Contrast((0.5, 0.5)), flip, ma.Erase((0.2, 0.2)), shift], IMAGE)
    params = pipeline.sample(KEYS, SIZE)
    done = pipeline.apply(params, image)
    back = pipeline.invert(
        params, {"image": done["image"]}, roles={"image": "intensity"}, validity=True
    )
    valid = np.asarray(back["image_valid"])
    # A prediction is only moved: contrast left alone, what was covered or cut off is known.
    plain = ma.Pipeline([ma.Contrast((0.5, 0.5))], IMAGE).batch(KEYS, image)
    np.testing.assert_allclose(
        np.asarray(back["image"])[valid], np.asarray(plain["image"])[valid], atol=1e-6
    )
    covered = np.asarray(params.values[2]["edges"])[:, 0]
    area = (covered[:, 2] - covered[:, 0]) * (covered[:, 3] - covered[:, 1])
    np.testing.assert_allclose(area, 0.2 * SIZE[0] * SIZE[1], rtol=1e-4)
    rest = 1 - 0.2 - 4 / SIZE[0] - 4 / SIZE[1]
    assert (abs(valid.mean(axis=(1, 2)) - rest) < 0.08).all()


def test_what_cannot_be_undone_is_refused_by_name():
    image = batch_of(IMAGE)
    mixed = ma.Pipeline([ma.MixUp(), ma.Flip(p=1.0)], IMAGE)
    params = mixed.sample(KEYS, SIZE)
    done = mixed.apply(params, image)
    with pytest.raises(ParameterError, match=r"`MixUp` cannot be inverted on entry 'image'"):
        mixed.invert(params, done)
    predicted = mixed.invert(params, done, roles={"image": "intensity"})["image"]
    np.testing.assert_array_equal(predicted, np.asarray(done["image"])[:, :, ::-1])
    classes = ma.Pipeline([ma.OneHot("mask", 4), ma.Flip(p=1.0)], SPEC)
    params = classes.sample(KEYS, SIZE)
    done = classes.apply(params, batch_of())
    with pytest.raises(ParameterError, match=r"`OneHot` cannot be inverted on entry 'mask_onehot'"):
        classes.invert(params, {"mask_onehot": done["mask_onehot"]})
    back = classes.invert(params, {"mask": done["mask"]})["mask"]
    np.testing.assert_array_equal(back, batch_of()["mask"])


def test_fitted_transforms_stand_behind_all_stages():
    image = batch_of(IMAGE)
    stats = ma.fit(ma.ArraySource(image, IMAGE), ma.Moments())
    stages = [ma.Contrast((0.5, 0.5)), ma.Flip(p=1.0)]
    with_it = ma.Pipeline([*stages, ma.Standardize(stats)], IMAGE).batch(KEYS, image)
    without = ma.Pipeline(stages, IMAGE).batch(KEYS, image)
    expected = ma.Pipeline([ma.Standardize(stats)], IMAGE).batch(KEYS, without)
    np.testing.assert_allclose(with_it["image"], expected["image"], atol=1e-5)


def test_documents_hold_the_new_transforms():
    transforms = [
        ma.OneHot("class", 9),
        ma.Erase(entries=["image"], p=0.5),
        ma.MixUp(1.0, keep=["mask", "points", "boxes"]),
    ]
    pipeline = ma.Pipeline(transforms, SPEC)
    again = ma.Pipeline.from_dict(pipeline.to_dict())
    assert again.to_dict() == pipeline.to_dict()
    assert list(again.out_spec.entries)[-2:] == ["class", "class_onehot"]


def test_a_loader_mixes_its_batches_on_request():
    image = batch_of(IMAGE, 6)
    pipeline = ma.Pipeline([ma.MixUp(1.0)], IMAGE)
    loader = ma.Loader(
        ma.ArraySource(image, IMAGE), pipeline, batch_size=3, seed=4, mix_among="batch"
    )
    for batch in loader:
        index = np.asarray(batch["index"])
        keys = ma.record_keys(4, 0, index)
        expected = pipeline.batch(keys, {"image": image["image"][index]})["image"]
        np.testing.assert_array_equal(batch["image"], expected)


def test_a_single_record_is_its_own_partner():
    image = batch_of(IMAGE)["image"][0]
    pipeline = ma.Pipeline([ma.MixUp(1.0)], IMAGE)
    with pytest.warns(
        MultiaugWarning, match=r"`MixUp` blends records of a batch, and was given one"
    ):
        found = pipeline(KEYS[0], {"image": image})["image"]
    np.testing.assert_array_equal(found, image)


def test_transforms_are_checked_on_the_frame_where_they_stand():
    spec = ma.load_spec("rgb-segmentation")
    image = {"image": np.zeros((24, 36, 3), np.uint8)}
    turned = [ma.Crop(16), ma.Rot90(), ma.Contrast(0.2), ma.Rotate(10)]
    assert ma.Pipeline(turned, spec)(jax.random.key(0), image)["image"].shape == (16, 16, 3)
