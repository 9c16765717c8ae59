"""Mosaic of tables of boxes, beside a float64 reference that goes box by box."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, RecordError

COUNT, SIZE, CAPACITY = 6, (24, 40), 16
KEYS = jax.random.split(jax.random.key(3), COUNT)


def spec_of(convention="edges", *, of="image", capacity=CAPACITY):
    rows = {} if capacity is None else {"capacity": capacity}
    table = {"role": "boxes", "dtype": "float32", "box_convention": convention, "of": of}
    return ma.DataSpec.from_dict(
        {
            "name": "detection",
            "entries": {
                "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
                "ids": {"role": "label", "dtype": "uint16", "ignore": 65535},
                "boxes": {**table, **rows},
                "classes": {"role": "scalar", "dtype": "int32", "of": "boxes", **rows},
                "scores": {"role": "scalar", "dtype": "float32", "of": "boxes", **rows},
            },
        }
    )


def records(scale=1, convention="edges"):
    """Rectangles of one colour and id each, of which box, class and score are known."""
    rng = np.random.default_rng(5)
    found = []
    for i in range(COUNT):
        image = np.full((*SIZE, 3), 200 + i, np.uint8)
        ids = np.zeros((SIZE[0] // scale, SIZE[1] // scale), np.uint16)
        ids[0] = 65535
        boxes = []
        for k in range((i + 1) % 4):  # one record has none
            h, w = rng.integers(2, 6, 2) * 2
            y, x = 2 * rng.integers(1, (SIZE[0] - h) // 2), 2 * rng.integers(0, (SIZE[1] - w) // 2)
            ids[y // scale : (y + h) // scale, x // scale : (x + w) // scale] = k + 1
            boxes.append([x / scale, y / scale, w / scale, h / scale])
        boxes = np.reshape(np.float32(boxes), (-1, 4))
        found.append(
            {
                "image": image,
                "ids": ids,
                "boxes": from_coco(boxes, convention),
                "classes": np.int32(10 * i + np.arange(len(boxes))),
                "scores": np.float32(i + np.arange(len(boxes)) / 8),
            }
        )
    return found


def from_coco(boxes, convention):
    x, y, w, h = np.moveaxis(boxes, -1, 0)
    if convention == "edges":
        return np.stack([x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5], -1)
    if convention == "pascal":
        return np.stack([x, y, x + w - 1, y + h - 1], -1)
    return boxes


def to_edges(boxes, convention):
    a, b, c, d = np.moveaxis(np.float64(boxes), -1, 0)
    if convention == "coco":
        return np.stack([a - 0.5, b - 0.5, a + c - 0.5, b + d - 0.5], -1)
    if convention == "pascal":
        return np.stack([a - 0.5, b - 0.5, c + 0.5, d + 0.5], -1)
    return np.stack([a, b, c, d], -1)


def expected(params, given, convention, least, scale=1):
    """Of every record the rows (edges, share, class, score), by what was drawn."""
    drawn = {n: np.asarray(v, np.float64) for n, v in params.values[0].items()}
    rows = []
    for i in range(COUNT):
        further = 1 + np.minimum(np.floor(drawn["partner"][i] * (COUNT - 1)), COUNT - 2)
        whose = [i, *((i + further.astype(int)) % COUNT)]
        x, y = drawn["cut"][i]
        found = []
        for owner in range(4):
            piece = int(owner - drawn["first"][i]) % 4
            left, right = ((-0.5, x), (x, SIZE[1] - 0.5))[piece % 2]
            top, bottom = ((-0.5, y), (y, SIZE[0] - 0.5))[piece // 2]
            window = (np.array([left, top, right, bottom]) + 0.5) / scale - 0.5
            record = given[whose[owner]]
            for k, box in enumerate(to_edges(record["boxes"], convention)):
                cut = np.r_[np.maximum(box[:2], window[:2]), np.minimum(box[2:], window[2:])]
                sides = np.maximum(cut[2:] - cut[:2], 0)
                share = sides.prod() / (box[2:] - box[:2]).prod()
                if share > 0 and share >= least:
                    found.append((cut, share, record["classes"][k], record["scores"][k]))
        rows.append(found)
    return rows


def check(done, rows, convention):
    for i, found in enumerate(rows):
        count = len(found)
        there = np.arange(CAPACITY) < count
        np.testing.assert_array_equal(done["boxes_valid"][i], there)
        assert np.isnan(done["boxes"][i][count:]).all()
        assert (done["classes"][i][count:] == -1).all()
        assert np.isnan(done["scores"][i][count:]).all()
        assert (done["boxes_visible"][i][count:] == 0).all()
        if not found:
            continue
        boxes, shares, classes, scores = (np.stack(v) for v in zip(*found, strict=True))
        np.testing.assert_allclose(to_edges(done["boxes"][i][:count], convention), boxes, atol=1e-5)
        np.testing.assert_allclose(done["boxes_visible"][i][:count], shares, atol=1e-6)
        np.testing.assert_array_equal(done["classes"][i][:count], classes)
        np.testing.assert_array_equal(done["scores"][i][:count], scores)


@pytest.mark.parametrize("convention", ["edges", "coco", "pascal"])
def test_boxes_of_four_records_are_one_table(convention):
    given = records(convention=convention)
    pipeline = ma.Pipeline([ma.Mosaic(min_visible=0.2)], spec_of(convention))
    done = {n: np.asarray(a) for n, a in pipeline.batch(KEYS, given).items()}
    rows = expected(pipeline.sample(KEYS, SIZE), given, convention, np.float32(0.2))
    everything = expected(pipeline.sample(KEYS, SIZE), given, convention, 0)
    assert sum(map(len, rows)) < sum(map(len, everything))  # some show too little
    assert any(share < 1 for found in rows for _, share, _, _ in found)
    check(done, rows, convention)
    assert done["boxes"].dtype == np.float32


def test_the_form_in_jax_has_the_same_bits_and_containers_leave_records_out():
    pipeline = ma.Pipeline([ma.Flip("x"), ma.Mosaic(p=0.5, instances="ids")], spec_of("coco"))
    given = {n: [r[n] for r in records(convention="coco")] for n in spec_of().entries}
    given = ma.open_source(given, spec_of("coco")).read(np.arange(COUNT))
    eager = pipeline.batch(KEYS, given)
    traced = jax.jit(pipeline.batch)(KEYS, given)
    for name, array in eager.items():
        np.testing.assert_array_equal(np.asarray(array), np.asarray(traced[name]), name)
    flipped = ma.Pipeline([ma.Flip("x")], spec_of("coco")).batch(KEYS, given)
    same = [np.array_equal(eager["image"][i], flipped["image"][i]) for i in range(COUNT)]
    assert 0 < sum(same) < COUNT
    for i in np.flatnonzero(same):
        np.testing.assert_array_equal(eager["boxes"][i], flipped["boxes"][i])
        np.testing.assert_array_equal(eager["classes"][i], given["classes"][i])


def test_boxes_in_pixels_of_a_smaller_map():
    given, spec = records(scale=2, convention="coco"), spec_of("coco", of="ids")
    pipeline = ma.Pipeline([ma.Mosaic(min_visible=0.0)], spec)
    done = {n: np.asarray(a) for n, a in pipeline.batch(KEYS, given).items()}
    check(done, expected(pipeline.sample(KEYS, SIZE), given, "coco", 0, scale=2), "coco")


def test_ids_of_several_records_stay_distinct():
    """Every id of the result is of one record, and shows the colour of that."""
    pipeline = ma.Pipeline([ma.Mosaic(instances="ids")], spec_of())
    given = records()
    done = {n: np.asarray(a) for n, a in pipeline.batch(KEYS, given).items()}
    for image, ids in zip(done["image"], done["ids"], strict=True):
        assert (ids == 65535).any()
        for one in set(np.unique(ids)) - {0, 65535}:
            assert len(np.unique(image[ids == one][:, 0])) == 1
        # 0 and the ignore value are where they were.
        owner = image[..., 0].astype(int) - 200
        before = np.stack([r["ids"] for r in given])
        rows, columns = np.indices(SIZE)
        was = before[owner, rows, columns]
        np.testing.assert_array_equal(was == 0, ids == 0)
        np.testing.assert_array_equal(was == 65535, ids == 65535)
        pairs = {(o, w, d) for o, w, d in zip(owner.flat, was.flat, ids.flat, strict=True) if w}
        pairs = {p for p in pairs if p[1] != 65535}
        assert len({d for _, _, d in pairs}) == len({p[:2] for p in pairs}) == len(pairs)


def test_later_geometry_moves_the_joined_table():
    spec, given = spec_of("coco"), records(convention="coco")
    done = ma.Pipeline([ma.Mosaic(), ma.Flip("x", p=1.0)], spec).batch(KEYS, given)
    plain = ma.Pipeline([ma.Mosaic()], spec).batch(KEYS, given)
    x, _, w, _ = np.moveaxis(np.asarray(plain["boxes"]), -1, 0)
    np.testing.assert_allclose(np.asarray(done["boxes"])[..., 0], SIZE[1] - x - w, atol=1e-4)
    for name in ("boxes_visible", "boxes_valid", "classes"):
        np.testing.assert_allclose(np.asarray(done[name]), np.asarray(plain[name]), atol=1e-6)


def test_what_does_not_fit_is_refused_with_the_remedy():
    spec = spec_of("coco", capacity=4)
    with pytest.raises(
        RecordError, match=r"'boxes'.* at most 4 rows.*Raise the capacity.*: 4 times"
    ):
        ma.Pipeline([ma.Mosaic(min_visible=0)], spec).batch(
            jax.random.split(jax.random.key(1), 8), [records(convention="coco")[2]] * 8
        )


@pytest.mark.parametrize(
    ("mosaic", "capacity", "text"),
    [
        (ma.Mosaic(), None, "Declare \"capacity\" of 'boxes'"),
        (ma.Mosaic(keep=["classes"]), 8, "must not hold 'classes' without 'boxes'"),
        (ma.Mosaic(instances="image"), 8, "`Mosaic.instances` must name an entry with role label"),
        (ma.Mosaic(instances="ids", keep=["ids"]), 8, "must not hold the instances"),
        (ma.CutMix(), 8, "BoxesFromMasks behind it"),
        (ma.CopyPaste("ids"), 8, "BoxesFromMasks behind it"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_the_remedy(mosaic, capacity, text):
    given = {"image": np.zeros((2, *SIZE, 3), np.uint8), "ids": np.zeros((2, *SIZE), np.uint16)}
    given |= {"boxes": np.ones((2, 8, 4), np.float32), "classes": np.zeros((2, 8), np.int32)}
    given |= {"scores": np.zeros((2, 8), np.float32)}
    with pytest.raises(ParameterError, match=text):
        ma.Pipeline([mosaic], spec_of(capacity=capacity)).batch(KEYS[:2], given, check=False)


def test_a_table_that_is_kept_keeps_its_rows():
    given = records(convention="coco")
    done = ma.Pipeline([ma.Mosaic(keep=["boxes"])], spec_of("coco")).batch(KEYS, given)
    for i, record in enumerate(given):
        count = len(record["boxes"])
        np.testing.assert_array_equal(np.asarray(done["boxes"][i][:count]), record["boxes"])
        np.testing.assert_array_equal(np.asarray(done["classes"][i][:count]), record["classes"])


@pytest.mark.parametrize("mix", [ma.Mosaic(instances="ids"), ma.CopyPaste("ids", 1.0)])
def test_no_id_becomes_the_ignore_value(mix):
    """Ids 1 to 3 of records that have a 3 would be 4, which losses skip, and 5."""
    ids = {"role": "label", "dtype": "int32", "ignore": 4}
    image = {"role": "intensity", "dtype": "uint8", "channels": 1}
    spec = ma.DataSpec.from_dict({"name": "ids", "entries": {"image": image, "ids": ids}})
    given = np.tile(np.int32([[1, 2, 3, 0], [3, 3, 1, 2]]), (4, 3, 2))
    given[:, 0, 0] = 4
    image = np.zeros((4, 6, 8), np.uint8)
    pipeline = ma.Pipeline([mix], spec)
    eager = pipeline.batch(KEYS[:4], {"image": image, "ids": given})["ids"]
    traced = jax.jit(pipeline.batch)(KEYS[:4], {"image": image, "ids": given})["ids"]
    np.testing.assert_array_equal(eager, traced)
    np.testing.assert_array_equal(np.asarray(eager) == 4, given == 4)
    assert np.asarray(eager).max() > 4
