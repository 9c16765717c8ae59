"""Values, units, boxes and tables: what is recognised of other people's data, what is fine."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.checks import findings

RNG = np.random.default_rng(0)


def spec_of(**entries):
    return ma.DataSpec.from_dict({"name": "s", "entries": entries})


def found(array, used=True, n=None, **settings):
    """What is found of one entry: (wrong, message) of each."""
    spec = spec_of(a={"role": "intensity", **settings})
    records = {"a": np.asarray(array) if n else np.asarray(array)[None]}
    return [(one.wrong, one.message) for one in findings(spec, records, ranges_used="a" * used)]


def boxes(rows, height=80, width=100, **settings):
    settings = {"role": "boxes", **settings}
    spec = spec_of(image={"role": "intensity"}, a=settings)
    records = {
        "image": np.zeros((1, height, width, 1), np.uint8),
        "a": np.asarray([rows], np.float32),
    }
    return [(one.wrong, one.message) for one in findings(spec, records)]


def points(rows, **settings):
    return boxes(rows, role="keypoints", **settings)


UINT8 = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
FLOAT = UINT8 / np.float32(255)


def one(result, wrong, *words):
    ((is_wrong, message),) = result
    assert is_wrong is wrong
    for word in words:
        assert word in message


@pytest.mark.row("floats in 0..255 without a range")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (UINT8.astype(np.float32), '"range": [0, 255]'),
        (UINT8.astype(np.float16), '"range": [0, 255]'),
        (UINT8 * np.float32(257), '"range": [0, 65535]'),
        (FLOAT * 100, "percentages"),
        (FLOAT * 700 + 200, "such as [200, 900]"),
        ((FLOAT - FLOAT.mean()) / FLOAT.std(), "standardised"),
        (np.where(UINT8 > 250, UINT8, 0).astype(np.float32), '"range": [0, 255]'),
    ],
)
def test_floats_of_another_range(values, words):
    one(found(values), True, words)
    assert not found(values, used=False)  # where nothing asks for the range, all is right
    one(found(values, range=[0, 1]), True, "its declared range")
    one(found(values, used=False, range=[0, 1]), False, "its declared range")


@pytest.mark.row("floats in 0..1 with a range of 255")
def test_floats_of_a_smaller_range():
    one(found(FLOAT, range=[0, 255]), True, 'Leave out "range"')
    one(found(FLOAT, used=False, range=[0, 255]), False, 'Leave out "range"')


@pytest.mark.row("values a little outside of the range")
@pytest.mark.parametrize(
    ("values", "settings"),
    [
        (FLOAT * 1.15 - 0.05, {}),
        (np.where(FLOAT > 0.995, 30, FLOAT), {}),  # a few highlights
        (FLOAT * 2 - 1, {"range": [-1, 1]}),
        (np.zeros((8, 8, 1), np.float32), {}),
        (np.full((8, 8, 1), np.nan, np.float32), {"invalid": "nan"}),
        (np.where(FLOAT > 0.5, np.float32(-9999.9), FLOAT), {"invalid": -9999.9}),
        (UINT8, {}),
        (np.full((8, 8, 1), 255, np.uint8), {}),
        (np.zeros((8, 8, 1), np.uint16), {}),
        (UINT8.astype(np.uint16) * 200, {}),
        (UINT8.astype(np.uint16), {"range": [0, 255]}),
        (np.ones((8, 8, 1), bool), {}),
    ],
)
def test_what_is_fine_is_silent(values, settings):
    assert not found(values, **settings)
    assert not found(values, used=False, **settings)


@pytest.mark.row("floats from -1 to 1 without a range")
def test_floats_about_zero():
    one(found(FLOAT * 2 - 1), False, '"range": [-1, 1]')
    assert not found(FLOAT * 2 - 1, used=False)


@pytest.mark.row("a range that nothing uses")
def test_a_deep_check_says_what_nothing_uses():
    spec = spec_of(image={"role": "intensity"})
    source = ma.open_source({"image": UINT8[None].astype(np.float32)}, spec)
    with pytest.warns(ma.MultiaugWarning, match=r'"range": \[0, 255\]'):
        source.check(deep=True)
    assert len(list(ma.Loader(source, batch_size=1))) == 1


@pytest.mark.row("integers that use little of their dtype")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (UINT8.astype(np.uint16), '"range": [0, 255]'),
        (UINT8.astype(np.uint16) * 16, '"range": [0, 4095]'),
        (UINT8.astype(np.int16) - 100, '"range", such as'),
        (UINT8 // 128, '"range": [0, 1]'),
    ],
)
def test_integers_that_use_little(values, words):
    one(found(values), False, words)
    assert not found(values, used=False)


@pytest.mark.row("numbers of levels where a fraction is meant")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ma.Brightness(30), "30 / 255"),
        (lambda: ma.GaussianNoise(25), "fractions"),
        (lambda: ma.ChannelShift((-20, 20)), "fractions"),
        (lambda: ma.Translate(10), "px="),
        (lambda: ma.Scale(0.2), r"\(0.8, 1.2\)"),
        (lambda: ma.Scale(30), r"\(0.7, 1.3\)"),
        (lambda: ma.Gamma(0.5), "factor"),
    ],
)
def test_settings_in_other_units(make, message):
    with pytest.raises(ma.ParameterError, match=message):
        make()


@pytest.mark.row("factors where amounts are meant")
def test_factors_are_said():
    with pytest.warns(ma.MultiaugWarning, match=r"looks like factors about 1.*\(-0.25, 0.25\)"):
        ma.Gain((0.75, 1.25))
    ma.Gain((-0.25, 0.25))


@pytest.mark.row("colours without names")
def test_unnamed_channels_have_no_colours():
    unnamed, named = (
        spec_of(image={"role": "intensity", "dtype": "uint8", "channels": channels})
        for channels in (3, ["r", "g", "b"])
    )
    for colours in (ma.HueSaturation(), ma.ColorJitter(hue=0.1), ma.Grey()):
        with pytest.raises(ma.ParameterError, match=r"unnamed channels.*\[\"r\", \"g\", \"b\"\]"):
            ma.Pipeline([colours], unnamed).sample(jax.random.key(0), (8, 8))
    ma.Pipeline([ma.Grey()], named).sample(jax.random.key(0), (8, 8))


@pytest.mark.row("a hue in degrees")
def test_hues_are_shares_of_the_circle():
    with pytest.raises(ma.ParameterError, match=r"18 / 360.*18 / 180"):
        ma.HueSaturation(18)


@pytest.mark.row("a mean of 123.7 for `Normalize`")
def test_means_in_levels():
    spec = spec_of(image={"role": "intensity", "dtype": "uint8", "channels": 3})
    pipeline = ma.Pipeline([ma.Normalize([123.7, 116.3, 103.5], [58, 57, 57])], spec)
    text = r"0 is 0 and 255 is 1.*divide mean and std by 255"
    with pytest.warns(ma.MultiaugWarning, match=text):
        pipeline.sample(jax.random.key(0), (8, 8))
    ma.Pipeline([ma.Normalize([0.485] * 3, [0.229] * 3)], spec).sample(jax.random.key(0), (8, 8))


@pytest.mark.row("angles in radians")
def test_angles_in_radians():
    with pytest.warns(ma.MultiaugWarning, match="degrees: 30"):
        ma.Rotate(np.pi / 6)
    with pytest.warns(ma.MultiaugWarning, match="degrees: 45"):
        ma.Shear((-np.pi / 4, 0))
    ma.Rotate(0.52), ma.Rotate(3.14), ma.Rotate(0), ma.Rotate(180)  # small angles are angles
    angles = RNG.uniform(-np.pi, np.pi, (8, 8, 1)).astype(np.float32)
    one(found(angles, role="orientation"), False, '"unit": "radians"')
    one(found(angles * 57, role="orientation", unit="radians"), True, '"unit": "degrees"')
    assert not found(angles * 57, role="orientation")
    assert not found(angles, role="orientation", unit="radians")


@pytest.mark.row("a mask of 0 and 255 where 255 is `ignore`")
def test_the_ignored_foreground():
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[2:4, 2:4] = 255
    label = {"role": "label", "ignore": 255}
    one(found(mask, **label), False, '"values": {"255": 1}')
    one(found([mask] * 4, n=4, **label), True, '"values": {"255": 1}')
    fine = [mask * 0, mask * 0 + 255, np.where(mask, 1, 0).astype(np.uint8)]
    fine += [np.array([[[0], [255], [7]]], np.uint8), mask > 0]
    for one_mask in fine:
        assert not found(one_mask, **label)
    assert not found(mask, role="label")


@pytest.mark.row("a mask that is mostly `ignore`")
def test_mostly_ignored():
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[2:4, 2:4], mask[5] = 3, 1
    one(found(mask, role="label", ignore=0), False, "is a class, such as the background")


@pytest.mark.row("a label of -1, or 255 far above the others, that is not declared")
def test_ignore_that_is_not_declared():
    mask = np.arange(64).reshape(8, 8, 1) % 5
    one(found(mask.astype(np.int16) - 1, role="label"), False, '"ignore": -1')
    one(found(np.where(mask == 4, 255, mask).astype(np.uint8), role="label"), False, "255")
    for fine in (mask.astype(np.uint8), np.arange(256, dtype=np.uint8).reshape(16, 16, 1)):
        assert not found(fine, role="label")


@pytest.mark.row("`invalid` without a `fill`")
@pytest.mark.parametrize(
    ("settings", "outside"),
    [
        ({"dtype": "float32", "invalid": "nan"}, np.nan),
        ({"dtype": "float32", "invalid": -9999}, -9999),
        ({"dtype": "uint16", "invalid": 65535}, 65535),
        ({"dtype": "float32", "invalid": "nan", "fill": 0.5}, 0.5),
    ],
)
def test_the_fill_is_the_invalid_value(settings, outside):
    spec = spec_of(a={"role": "intensity", "channels": 1, **settings})
    pipeline = ma.Pipeline([ma.Translate(px=((3, 3), (0, 0)), whole=True)], spec)
    done = pipeline(jax.random.key(0), {"a": np.ones((6, 6, 1), settings["dtype"])})["a"]
    np.testing.assert_array_equal(np.asarray(done)[:, :3], outside)


@pytest.mark.row("a channel that never changes, for `Standardize`")
def test_constant_channels_are_said():
    spec = spec_of(image={"role": "intensity", "channels": ["r", "g"]})
    images = RNG.integers(0, 256, (4, 4, 4, 2)).astype(np.uint8)
    images[..., 1] = 7
    stats = ma.fit(ma.open_source({"image": images}, spec), ma.Moments(), progress=False)
    with pytest.warns(ma.MultiaugWarning, match="channel 'g' of 'image' is 7 everywhere"):
        ma.Standardize(stats)
    ma.Standardize(stats, scale=False)


@pytest.mark.row("corners x1 < x0, such as `[60, 20, 10, 16]`")
def test_boxes_that_are_reversed():
    one(boxes([[60, 20, 10, 16], [5, 5, 9, 9]]), True, "1 of 2 boxes", '"coco"')
    one(boxes([[50, 20, 10, 60]]), True, "x1 < x0")
    one(boxes([[50, 20, 10, 60]], box_convention="pascal"), True, "x1 < x0")
    one(boxes([[50, 20, -10, 60]], box_convention="coco"), True, "negative width", '"edges"')


@pytest.mark.row("boxes or points in 0..1")
def test_fractions_of_the_picture():
    one(boxes([[0.6, 0.2, 0.7, 0.36]]), True, "fractions", "x by 100 and y by 80", "YOLO")
    one(points([[0.5, 0.5], [0.2, 1.0]]), True, "x * 100 - 0.5")
    one(points([[-0.5, 0.5], [0.2, 0.9]]), True, "(x + 1) * 100 / 2 - 0.5")


@pytest.mark.row("boxes far outside of the picture, or y before x")
def test_boxes_outside():
    one(boxes([[10, 10, 400, 300]]), False, "far outside")
    one(boxes([[60, 50, 90, 70]], box_convention="coco"), True, '"edges" or "pascal"')
    one(boxes([[5, 150, 30, 190]], height=40, width=200), True, "put x first")
    assert not boxes([[-5, -3, 110, 90], [0, 0, 99.5, 79.5]])
    assert not boxes([[10, 10, 40, 30], [np.nan] * 4])


@pytest.mark.row("boxes without area")
def test_boxes_without_area():
    one(boxes([[10, 10, 20, 20], [0, 0, 0, 0]]), False, "1 of 2 boxes", "NaN")
    assert not boxes([[10, 10, 10, 10], [5, 5, 4.5, 9]], box_convention="pascal")  # inclusive


@pytest.mark.row("points as (y, x), or outside of the picture")
def test_points_outside():
    rows = [[5, 90], [70, 95], [30, 60], [40, 99]]
    one(points(rows), True, "put x first")
    assert not points([row[::-1] for row in rows])
    assert not points([*(row[::-1] for row in rows), [150, 20], [np.nan, np.nan]])
    one(points([[150, 20], [120, 300]]), False, '"of"')


@pytest.mark.row("points at (0, 0) for absent ones")
def test_absent_points():
    one(points([[5, 5], [0, 0], [0, 0]]), False, "NaN")
    assert not points([[5, 5], [0, 0], [9, 9]])


TABLES = spec_of(
    image={"role": "intensity", "channels": 1},
    boxes={"role": "boxes", "capacity": 4},
    classes={"role": "scalar", "capacity": 4},
)
RAGGED = {
    "image": np.zeros((3, 16, 16, 1), np.float32),
    "boxes": [np.float32([[1, 1, 5, 5]] * k).reshape(k, 4) for k in (3, 0, 1)],
    "classes": [np.arange(k) for k in (3, 0, 1)],
}
COUNTS = [[True, True, True, False], [False] * 4, [True, False, False, False]]


@pytest.mark.row("a different number of boxes, points or labels in each record")
def test_tables_of_differing_lengths(tmp_path):
    pipeline = ma.Pipeline([ma.Flip("x", 1.0)], TABLES)
    source = ma.open_source(RAGGED, TABLES)
    records = [{name: RAGGED[name][i] for name in RAGGED} for i in range(3)]
    stores = [
        ma.open_source(ma.convert(iter(records), tmp_path / "a.zarr", TABLES)),
        ma.open_source(ma.export(source, None, tmp_path / "b.zarr", progress=False)),
    ]
    for here in (source, *stores):
        for line in (pipeline, None):
            (batch,) = ma.Loader(here, line, batch_size=3, shuffle=None)
            np.testing.assert_array_equal(batch["boxes_valid"], COUNTS)
            np.testing.assert_array_equal(np.isnan(batch["boxes"]).any(-1), ~np.array(COUNTS))
            np.testing.assert_array_equal(batch["classes"][0], [0, 1, 2, -1])
        x = 10 if line else 1
        assert batch["boxes"][0, 0, 0] == x
    (batch,) = ma.map_batches(records, pipeline, batch_size=3)
    np.testing.assert_array_equal(batch["boxes_visible"], np.array(COUNTS, np.float32))


@pytest.mark.row("more rows than the capacity, or different numbers without one")
def test_tables_that_do_not_fit(tmp_path):
    with pytest.raises(ma.RecordError, match="boxes: record 0 has 5 rows, expected at most 4"):
        ma.open_source({**RAGGED, "boxes": [np.ones((5, 4), np.float32)] * 3}, TABLES)
    bare = spec_of(image={"role": "intensity"}, boxes={"role": "boxes"})
    pair = {name: RAGGED[name] for name in ("image", "boxes")}
    objects = np.empty(3, object)
    objects[:] = RAGGED["boxes"]
    for ragged in (RAGGED["boxes"], objects):
        with pytest.raises(ma.RecordError, match=r'boxes: .*declare "capacity"'):
            ma.open_source({**pair, "boxes": ragged}, bare)
    np.save(tmp_path / "image.npy", RAGGED["image"])
    np.save(tmp_path / "boxes.npy", objects, allow_pickle=True)
    with pytest.raises(ma.StoreError, match="declare a capacity for 'boxes'"):
        ma.open_source(tmp_path, bare)


@pytest.mark.row("no rows in any record")
def test_tables_without_rows(tmp_path):
    spec = spec_of(
        image={"role": "intensity", "channels": 1},
        kp={"role": "keypoints", "mirror_pairs": [[0, 1]]},
        boxes={"role": "boxes"},
        points={"role": "points3d"},
        classes={"role": "scalar"},
    )
    arrays = {
        "image": np.full((3, 8, 8, 1), 9, np.uint8),
        "kp": np.zeros((3, 0, 2), np.float32),
        "boxes": np.zeros((3, 0, 4), np.float32),
        "points": np.zeros((3, 0, 3), np.float32),
        "classes": np.zeros((3, 0), np.int64),
    }
    source, pipeline = ma.open_source(arrays, spec), ma.Pipeline([ma.Flip("x")], spec)
    stores = [
        ma.export(source, pipeline, tmp_path / "a.zarr", progress=False),
        ma.write_zarr([arrays], spec, tmp_path / "c.zarr"),
    ]
    for here in (source, *map(ma.open_source, stores)):
        here.check(deep=True)
        (batch,) = ma.Loader(here, pipeline, batch_size=3)
        assert batch["kp"].shape == (3, 0, 2)
    assert ma.fit(source, ma.Moments(), pipeline=pipeline, progress=False)["image"].moments.n == 3
    assert ma.preview.show(source, pipeline).dtype == np.uint8


TIED = spec_of(
    image={"role": "intensity", "channels": 1},
    kp={"role": "keypoints", "mirror_pairs": [[0, 1]]},
    ids={"role": "scalar", "of": "kp"},
)


@pytest.mark.row("a score, name or weight of each keypoint")
def test_scalars_move_with_their_keypoints():
    keys = jax.random.split(jax.random.key(0), 6)
    ids = np.tile([10, 20, 2**40], (6, 1))
    batch = {
        "image": np.zeros((6, 8, 8, 1), np.float32),
        "kp": np.tile(np.float32([[1, 1], [6, 1], [4, 4]]), (6, 1, 1)),
        "ids": ids,
    }
    pipeline = ma.Pipeline([ma.Flip("x")], TIED)
    for _ in range(2):  # the second call is the fast path
        done = pipeline.batch(keys, batch)
        mirrored = np.asarray(done["kp_mirrored"])
        assert 0 < mirrored.sum() < 6
        np.testing.assert_array_equal(done["ids"][mirrored], ids[mirrored][:, [1, 0, 2]])
        np.testing.assert_array_equal(done["ids"][~mirrored], ids[~mirrored])
    single = pipeline(keys[1], {name: array[1] for name, array in batch.items()})
    np.testing.assert_array_equal(single["ids"], done["ids"][1])
    back = pipeline.invert(pipeline.sample(keys, (8, 8)), {n: done[n] for n in batch})
    np.testing.assert_array_equal(back["ids"], ids)
    floats = {**batch, "ids": ids.astype(np.float32)}
    traced = jax.jit(pipeline.batch)(keys, floats)
    np.testing.assert_array_equal(traced["ids"], np.asarray(done["ids"], np.float32))
    with pytest.raises(ma.RecordError, match="one row each of kp"):
        pipeline.batch(keys, {**batch, "ids": ids[:, :2]})


@pytest.mark.row("rows beside keypoints with `mirror_pairs`, without an `of`")
def test_scalars_that_may_belong_to_keypoints():
    document = TIED.to_dict()
    del document["entries"]["ids"]["of"]
    records = {
        "image": np.zeros((1, 8, 8, 1), np.float32),
        "kp": np.float32([[[1, 1], [6, 1], [4, 4]]]),
        "ids": np.zeros((1, 3)),
    }
    (said,) = findings(ma.DataSpec.from_dict(document), records)
    assert (said.entry, said.wrong) == ("ids", False)
    assert '"of": "kp"' in said.message
    assert not findings(TIED, records)


@pytest.mark.parametrize("of", ["image", "kpp"])
def test_scalars_belong_to_tables(of):
    document = TIED.to_dict()
    document["entries"]["ids"]["of"] = of
    with pytest.raises(ma.SpecError, match=r'ids.of: found .* the table .*"kp"'):
        ma.DataSpec.from_dict(document)


@pytest.mark.row(
    "ids, times and labels of 64 bits (role `scalar`; label maps have up to 32)",
)
def test_scalars_of_64_bits(tmp_path):
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 1},
        "boxes": {"role": "boxes", "dtype": "float32"},
        "ids": {"role": "scalar", "dtype": "int64", "of": "boxes"},
        "time": {"role": "scalar", "dtype": "float64"},
    }
    spec = ma.DataSpec.from_dict({"name": "ids", "entries": entries})
    record = {
        "image": np.zeros((2, 8, 8, 1), np.uint8),
        "boxes": np.tile(np.float32([[0, 0, 4, 4], [1, 1, 2, 2]]), (2, 1, 1)),
        "ids": 2**40 + np.arange(4).reshape(2, 2),
        "time": np.float64([1.7e9 + 0.25, 1.7e9 + 0.5]),
    }
    pipeline = ma.Pipeline([ma.FilterBoxes(labels="ids", min_size=2)], spec)
    ma.export(ma.open_source(record, spec=spec), pipeline, tmp_path / "out.zarr", seed=1)
    found = ma.open_source(tmp_path / "out.zarr").read([0, 1])
    np.testing.assert_array_equal(found["ids"], [[2**40, -1], [2**40 + 2, -1]])
    np.testing.assert_array_equal(found["time"], record["time"])
    assert (found["ids"].dtype, found["time"].dtype) == (np.int64, np.float64)
