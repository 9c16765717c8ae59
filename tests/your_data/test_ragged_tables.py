"""Tables of fewer rows than the capacity of the spec, as records come from annotations."""

import jax
import numpy as np
import pytest

import multiaug as ma

SPEC = ma.DataSpec.from_dict(
    {
        "name": "detection",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "boxes": {
                "role": "boxes",
                "dtype": "float32",
                "box_convention": "coco",
                "capacity": 4,
            },
            "classes": {"role": "scalar", "dtype": "int64", "of": "boxes", "capacity": 4},
        },
    }
)
PIPELINE = ma.Pipeline([ma.Flip("x", p=1.0)], SPEC)
KEYS = jax.random.split(jax.random.key(0), 3)


def record_of(count, width=30):
    boxes = [[1 + 2 * k, 3, 5 + k, 6] for k in range(count)]
    return {
        "image": np.full((20, width, 3), count, np.uint8),
        "boxes": np.reshape(np.float32(boxes), (count, 4)),
        "classes": 7 + np.arange(count),
    }


def expected(count, width=30):
    """X of a box becomes width - x - w; rows behind the last one are not there."""
    boxes = np.full((4, 4), np.nan, np.float32)
    for k in range(count):
        boxes[k] = width - (1 + 2 * k) - (5 + k), 3, 5 + k, 6
    return boxes, [7 + k if k < count else -1 for k in range(4)], np.arange(4) < count


def check(done, counts):
    for i, count in enumerate(counts):
        boxes, classes, there = expected(count)
        np.testing.assert_allclose(done["boxes"][i], boxes, atol=1e-5)
        np.testing.assert_array_equal(done["classes"][i], classes)
        np.testing.assert_array_equal(done["boxes_valid"][i], there)


@pytest.mark.parametrize("jitted", [False, True])
def test_one_record_is_filled_up(jitted):
    run = jax.jit(lambda key, record: PIPELINE(key, record)) if jitted else PIPELINE
    done = run(KEYS[0], record_of(2))
    check({name: np.asarray(array)[None] for name, array in done.items()}, [2])


def test_records_of_a_list_are_filled_up():
    check(PIPELINE.batch(KEYS, [record_of(0), record_of(4), record_of(1)]), [0, 4, 1])


def test_a_batch_with_fewer_rows_is_filled_up():
    batch = {n: np.stack([record_of(3)[n]] * 3) for n in record_of(3)}
    check(PIPELINE.batch(KEYS, batch), [3, 3, 3])


def test_drawn_params_are_applied_to_ragged_records():
    params = PIPELINE.sample(KEYS[0], (20, 30), record=record_of(1))
    done = PIPELINE.apply(params, record_of(1))
    check({name: np.asarray(array)[None] for name, array in done.items()}, [1])


def test_more_rows_than_the_capacity_name_it():
    with pytest.raises(ma.RecordError, match=r'more rows than "capacity".* raise it to 5'):
        PIPELINE(KEYS[0], record_of(5))


@pytest.mark.row("labels of another number of rows than the boxes that they are `of`")
@pytest.mark.parametrize("way", ["call", "list", "batch", "source", "convert"])
def test_labels_of_another_number_of_boxes_are_refused(way, tmp_path):
    """Filled up both would have one length, and nobody would see that a label is missing."""
    record = {**record_of(3), "classes": np.array([7, 8])}
    ways = {
        "call": lambda: PIPELINE(KEYS[0], record),
        "list": lambda: PIPELINE.batch(KEYS, [record_of(3), record, record_of(3)]),
        "batch": lambda: PIPELINE.batch(KEYS, {n: np.stack([a] * 3) for n, a in record.items()}),
        "source": lambda: ma.open_source({n: [record_of(3)[n], record[n]] for n in record}, SPEC),
        "convert": lambda: ma.convert(iter([record_of(3), record]), tmp_path / "a.zarr", SPEC),
    }
    with pytest.raises(ma.RecordError, match=r"classes: record . has 2 rows, expected 3.*boxes"):
        ways[way]()
