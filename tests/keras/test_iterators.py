"""Iterators over arrays: order, epochs, determinism, what is yielded; masks stay with pictures."""

import pickle

import hypothesis.strategies as st
import jax
import numpy as np
from hypothesis import given

import multiaug as ma
from multiaug.keras import ImageDataGenerator, Iterator, NumpyArrayIterator
from tests.keras.parity import NIGHTLY

MOVES = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "fill_mode": "constant",
}


def pictures(count=20, side=8, channels=2):
    return np.random.default_rng(0).uniform(0, 255, (count, side, side, channels))


def coded(count=20, side=8):
    """Pictures whose pixels say which picture and which place they are of, and masks that agree."""
    ids = np.arange(count)[:, None, None] * side * side + np.arange(side * side).reshape(side, side)
    return ids[..., None].astype(np.float32), ids.astype(np.int32)


def test_items_do_not_depend_on_what_was_asked_before():
    flow = ImageDataGenerator(**MOVES).flow(pictures(), batch_size=3, seed=1)
    third = flow[3]
    flow[0], flow[5], next(flow), next(flow)
    np.testing.assert_array_equal(flow[3], third)
    again = ImageDataGenerator(**MOVES).flow(pictures(), batch_size=3, seed=1)
    for number in (0, 1, 2):
        again[number]
    np.testing.assert_array_equal(again[3], third)


def test_next_and_items_are_the_same_batches():
    one = ImageDataGenerator(**MOVES).flow(pictures(), batch_size=3, seed=2)
    two = ImageDataGenerator(**MOVES).flow(pictures(), batch_size=3, seed=2)
    for number in range(len(one)):
        np.testing.assert_array_equal(next(one), two[number])
    two.on_epoch_end()
    np.testing.assert_array_equal(next(one), two[0])


def test_one_seed_one_stream_and_another_another():
    def stream(seed):
        flow = ImageDataGenerator(**MOVES).flow(pictures(), np.arange(20), batch_size=7, seed=seed)
        return [next(flow) for _ in range(8)]

    first, again, other = stream(3), stream(3), stream(4)
    for (x, y), (u, v) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)
    assert any((x != u).any() for (x, _), (u, _) in zip(first, other, strict=True))
    # Epochs differ, too.
    assert (first[0][0] != first[3][0]).any()


def test_the_batch_size_changes_no_picture():
    x, y = pictures(), np.arange(20)
    by = {
        size: np.concatenate(
            [b[0] for b, _ in zip(_flow(x, y, size), range(-(-20 // size)), strict=False)]
        )
        for size in (1, 6, 20)
    }
    np.testing.assert_array_equal(by[1], by[6])
    np.testing.assert_array_equal(by[1], by[20])


def _flow(x, y, size):
    return ImageDataGenerator(**MOVES).flow(x, y, batch_size=size, seed=5)


def test_numpys_seed_rules_where_none_is_given():
    def first():
        np.random.seed(7)  # noqa: NPY002
        return next(ImageDataGenerator(**MOVES).flow(pictures()))

    np.testing.assert_array_equal(first(), first())


def test_an_epoch_has_every_record_once():
    flow = ImageDataGenerator().flow(pictures(), np.arange(20), batch_size=6, seed=0)
    labels = [next(flow)[1] for _ in range(8)]
    assert [len(part) for part in labels] == [6, 6, 6, 2] * 2
    epochs = np.concatenate(labels[:4]), np.concatenate(labels[4:])
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert (epochs[0] != epochs[1]).any()


def test_without_shuffling_the_order_is_kept():
    flow = ImageDataGenerator(**MOVES).flow(
        pictures(), np.arange(20), batch_size=6, shuffle=False, copies=2
    )
    labels = np.concatenate([next(flow)[1] for _ in range(len(flow))])
    np.testing.assert_array_equal(labels, np.repeat(np.arange(20), 2))


def test_copies_differ_from_each_other():
    flow = ImageDataGenerator(**MOVES).flow(pictures(), batch_size=2, shuffle=False, copies=2)
    assert len(flow) == 20
    batch = next(flow)
    assert (batch[0] != batch[1]).any()


@given(
    seed=st.integers(0, 2**31 - 1),
    shuffle=st.booleans(),
    subset=st.sampled_from([None, "training", "validation"]),
    copies=st.integers(1, 3),
    batch_size=st.sampled_from([1, 4, 7]),
    steps=st.lists(st.sampled_from(["next", "item", "reset", "epoch"]), min_size=1, max_size=6),
)
def test_pictures_and_masks_never_leave_step(seed, shuffle, subset, copies, batch_size, steps):
    x, masks = coded()
    generator = ImageDataGenerator(
        **MOVES, cval=-1, interpolation_order=0, validation_split=0.3 if subset else 0.0
    )
    settings = {
        "batch_size": batch_size,
        "seed": seed,
        "shuffle": shuffle,
        "subset": subset,
        "copies": copies,
    }
    flow = generator.flow(x, np.arange(20), targets=masks, ignore_class_split=True, **settings)
    # The classic's way: two generators with one seed.
    pair = generator.flow(x, **settings), generator.flow(masks[..., None], **settings)
    for step in steps:
        for one in (flow, *pair):
            if step == "reset":
                one.reset()
            if step == "epoch":
                one.on_epoch_end()
        place = seed % len(flow)
        whole, alone, mask = (o[place] if step == "item" else next(o) for o in (flow, *pair))
        batch, (labels, moved) = whole
        np.testing.assert_array_equal(batch[..., 0], moved)
        np.testing.assert_array_equal(alone, batch)
        np.testing.assert_array_equal(mask[..., 0], moved)
        inside = moved >= 0
        assert (np.broadcast_to(labels[:, None, None], moved.shape) == moved // 64)[inside].all()


def test_targets_by_name_keep_their_kind():
    x = pictures()
    boundary = np.random.default_rng(1).random((20, 4, 4, 1), np.float32)
    _, masks = coded()
    flow = ImageDataGenerator(**MOVES).flow(
        x, targets={"mask": masks % 5, "boundary": boundary}, batch_size=4, seed=0
    )
    _, moved = next(flow)
    assert moved["mask"].shape == (4, 8, 8)
    assert moved["mask"].dtype == np.int32
    assert set(np.unique(moved["mask"])) <= set(range(5))
    assert moved["boundary"].shape == (4, 4, 4, 1)


def test_brightness_leaves_targets_alone():
    x = np.full((3, 4, 4, 1), 100.0)
    generator = ImageDataGenerator(brightness_range=(0.5, 0.5), rescale=0.01)
    batch, moved = next(generator.flow(x, targets=np.full((3, 4, 4), 7.0, np.float32), seed=0))
    np.testing.assert_allclose(batch, 0.5)
    np.testing.assert_array_equal(moved, 7)


def test_roles_of_a_spec_move_with_the_geometry():
    spec = ma.load_spec("rgbxyz")
    side = 8
    grid = np.mgrid[:side, :side].astype(np.float32)
    cloud = np.zeros((1, side, side, 6), np.float32)
    cloud[..., 3], cloud[..., 4], cloud[..., 5] = grid[1] - 3.5, grid[0] - 3.5, 5.0
    generator = ImageDataGenerator(horizontal_flip=True, spec=spec)
    for seed in range(8):
        found = next(generator.flow(cloud, seed=seed))
        # A mirrored cloud stays on its pixels: left is still negative x.
        np.testing.assert_allclose(found[..., 3:], cloud[..., 3:], atol=1e-5)


def test_stores_larger_than_memory(tmp_path):
    np.save(tmp_path / "x.npy", pictures().astype(np.uint8))
    spec = ma.DataSpec("pictures", [ma.EntrySpec.of_role("image", "intensity", border="edge")])
    source = ma.open_source({"image": tmp_path / "x.npy"}, spec)
    generator = ImageDataGenerator(featurewise_center=True, rescale=1 / 255)
    generator.fit(source)
    held = ImageDataGenerator(featurewise_center=True, rescale=1 / 255)
    held.fit(np.load(tmp_path / "x.npy"))
    np.testing.assert_allclose(generator.mean, held.mean, rtol=1e-6)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for given_x in (source, mapped):
        found = next(generator.flow(given_x, batch_size=5, seed=0))
        expected = next(held.flow(np.array(mapped), batch_size=5, seed=0))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_statistics_are_saved_and_loaded(tmp_path):
    settings = {"featurewise_center": True, "zca_whitening": True, "rescale": 1 / 255}
    first = ImageDataGenerator(**settings)
    first.fit(pictures(60, 5))
    first.save_statistics(tmp_path / "stats.zarr")
    second = ImageDataGenerator(**settings)
    second.load_statistics(tmp_path / "stats.zarr")
    np.testing.assert_array_equal(
        second.standardize(pictures(3, 5)), first.standardize(pictures(3, 5))
    )


def test_assigned_statistics_are_used():
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    generator.mean, generator.std = 10.0, np.array([2.0, 4.0]).reshape(1, 1, 2)
    found = generator.standardize(np.full((3, 3, 2), 18.0))
    np.testing.assert_allclose(found[0, 0], [4, 2], rtol=1e-5)
    generator = ImageDataGenerator(zca_whitening=True, featurewise_center=True)
    generator.mean, generator.zca_whitening_matrix = 0.0, 2 * np.eye(18)
    np.testing.assert_allclose(generator.standardize(np.full((3, 3, 2), 18.0)), 36, rtol=1e-6)


def test_batches_may_be_written_to():
    for settings in ({}, MOVES):
        flow = ImageDataGenerator(**settings).flow(pictures(), batch_size=4, seed=0)
        batch = flow[1]
        batch[...] = 0
        assert flow[1].any()


def test_attributes_that_are_changed_later_count():
    generator = ImageDataGenerator()
    flow = generator.flow(pictures(4), batch_size=2, shuffle=False)
    next(flow)
    generator.rescale = 0.5
    np.testing.assert_allclose(next(flow), pictures(4)[2:] * 0.5, rtol=1e-6)


def test_iterators_travel_to_other_processes():
    flow = ImageDataGenerator(**MOVES).flow(pictures(), batch_size=3, seed=1)
    next(flow)
    copy = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(next(copy), next(flow))


def test_subclasses_may_make_their_own_batches():
    class Squares(Iterator):
        def _get_batches_of_transformed_samples(self, index_array):
            return index_array**2

    squares = Squares(5, 2, False, 0)
    assert [list(next(squares)) for _ in range(4)] == [[0, 1], [4, 9], [16], [0, 1]]
    assert list(squares[2]) == [16]

    class Doubled(NumpyArrayIterator):
        def _get_batches_of_transformed_samples(self, index_array):
            return 2 * super()._get_batches_of_transformed_samples(index_array)

    flow = Doubled(pictures(4), None, ImageDataGenerator(), batch_size=2)
    np.testing.assert_allclose(next(flow), 2 * pictures(4)[:2], rtol=1e-6)


def test_an_empty_iterator_yields_nothing():
    for batch_size in (0, 32):
        assert next(Iterator(0, batch_size, False, 0).index_generator).size == 0


def test_any_dtype_and_channel_count_of_one_picture():
    generator = ImageDataGenerator()
    for dtype in ("uint8", "int16", "int64", "float16", "float64", "bool"):
        # Each is a program to compile: by day every count for one dtype, the odd one for all.
        for channels in (1, 2, 5) if NIGHTLY or dtype == "uint8" else (5,):
            picture = np.random.default_rng(0).integers(0, 2, (4, 5, channels)).astype(dtype)
            found = generator.apply_transform(picture, {"flip_horizontal": True})
            assert found.dtype == picture.dtype
            np.testing.assert_array_equal(found, picture[:, ::-1])


def test_the_pipeline_moves_records_as_apply_transform_does():
    """The numbers that a batch draws, handed to the function for one picture."""
    from multiaug.keras._engine import classic_spec, moves
    from multiaug.keras._moves import GEOMETRY

    generator = ImageDataGenerator(**MOVES, channel_shift_range=20, brightness_range=(0.5, 1.5))
    x = pictures(4)
    flow = generator.flow(x, batch_size=4, shuffle=False, seed=3)
    pipeline = ma.Pipeline(moves(generator, "image"), classic_spec(generator))
    keys = ma.record_keys(3, 0, np.arange(4))
    move, *others = jax.tree.map(np.asarray, pipeline.sample(keys, (8, 8)).values)
    for number, found in enumerate(next(flow)):
        given_ = dict(zip(GEOMETRY, move["move"][number], strict=True))
        given_ |= {k: v[number] for part in others for k, v in part.items()}
        np.testing.assert_allclose(
            found, generator.apply_transform(x[number], given_), rtol=1e-4, atol=1e-3
        )
