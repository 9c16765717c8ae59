"""Sizes are data: one compiled program serves images of all sizes and tables of any length."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug.geometry import affine_map, linear
from multiaug.pipeline.program._draws import _draw_block, _draw_block_of_a_size
from multiaug.pipeline.program._sizes_as_data import reason_of_sizes
from multiaug.testing import compilations
from multiaug.transforms import Finishing, Geometric, Transform, transform
from tests.contract.cases import CASES

pytestmark = pytest.mark.cpu


def spec_of(**entries):
    document = {"schema": "multiaug.spec/1", "name": "sizes", "entries": entries}
    return ma.DataSpec.from_dict(document)


NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
IMAGE = {"role": "intensity", "dtype": "uint8", "channels": 3}
MASK = {"role": "label", "dtype": "uint8", "channels": 1}
DETECTION = spec_of(image=IMAGE, mask=MASK, boxes={"role": "boxes"}, points={"role": "keypoints"})


def record(height, width, rows=3, seed=0):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.uniform(0, min(height, width), (rows, 2, 2)), axis=1)
    return {
        "image": rng.integers(0, 256, (height, width, 3), np.uint8),
        "mask": rng.integers(0, 4, (height, width), np.uint8),
        "boxes": corners.reshape(rows, 4).astype(np.float32),
        "points": rng.uniform(0, height, (rows, 2)).astype(np.float32),
    }


PIPELINES = {
    "affine": [ma.Rotate(10), ma.Scale(1.2), ma.Translate(0.1), ma.Flip("x"), ma.Brightness(0.2)],
    "window": [ma.Rotate(30), ma.RandomResizedCrop(24, ratio=(0.2, 5.0))],
    "perspective": [ma.Perspective(0.1), ma.Shear(8), ma.Crop(20)],
    "elastic": [ma.Resize((30, 26)), ma.Elastic(0.02)],
    "padded": [ma.Pad(3), ma.OneOf([ma.Rotate(5), ma.Flip("y")]), ma.Contrast(0.2)],
}


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(array), name)


@pytest.mark.parametrize("name", PIPELINES if NIGHTLY else ["elastic"])
def test_a_new_size_compiles_nothing(name):
    pipeline, key = ma.Pipeline(PIPELINES[name], DETECTION), jax.random.key(0)
    pipeline(key, record(40, 31, 2))
    pipeline.batch(key[None], {n: a[None] for n, a in record(31, 40, 2).items()})
    params = pipeline.sample(key, (31, 40))
    pipeline.apply(params, record(31, 40, 2))
    keys = jax.random.split(key)
    with compilations() as messages:
        for i in range(5):
            size = 33 + i, 52 - 3 * i
            given = record(*size, 1 + 3 * i, seed=i)
            found = pipeline(key, given)
            batch = {n: np.stack([a, a]) for n, a in given.items()}
            both = pipeline.batch(keys, batch)
            assert both["image"].shape[1:] == found["image"].shape
            assert found["boxes"].shape == given["boxes"].shape
            assert found["points_visible"].shape == given["points"].shape[:1]
            pipeline.sample(key, size)
    assert not [m for m in messages if m.startswith("Compiling ")]


@pytest.mark.parametrize("name", PIPELINES if NIGHTLY else ["affine"])
def test_sizes_as_data_give_what_sizes_in_the_program_give(name):
    """Inside of a user's jit, sizes are part of the program."""
    pipeline, key = ma.Pipeline(PIPELINES[name], DETECTION), jax.random.key(3)
    given = record(45, 37, 5)
    found, expected = pipeline(key, given), jax.jit(pipeline)(key, given)
    for entry in ("boxes", "points"):
        np.testing.assert_allclose(found[entry], expected[entry], atol=2e-4)
    difference = np.abs(np.asarray(found["image"], int) - np.asarray(expected["image"], int))
    assert difference.max() <= 1
    assert (np.asarray(found["mask"]) == np.asarray(expected["mask"])).mean() > 0.995


def test_draws_do_not_change_when_sizes_are_data():
    """All transforms at once, each of which draws by itself."""
    spec = ma.load_spec("rgb-segmentation")
    kinds = Transform if NIGHTLY else Geometric  # by day those whose draws look at sizes
    transforms = tuple(
        c
        for c in CASES.values()
        if isinstance(c, kinds) and not isinstance(c, Finishing) and not c.reads
    )
    assert reason_of_sizes(transforms, spec) is None
    words = jax.random.key_data(jax.random.split(jax.random.key(0), 32))
    frames = ((36, 48),) * (len(transforms) + 1)
    expected = _draw_block_of_a_size(transforms, words, spec=spec, frames=frames)
    rows = np.broadcast_to(np.array(frames, np.int32), (32, len(frames), 2))
    found = _draw_block(transforms, words, {}, rows, spec=spec)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # Sizes that are numbers are folded into other constants, which rounds once less.
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=3e-7)


@pytest.mark.parametrize("name", ["window", "elastic"] if NIGHTLY else ["window"])
def test_records_of_all_sizes_are_one_batch(name):
    entries = {"boxes": {"role": "boxes", "capacity": 3}, "camera": {"role": "intrinsics"}}
    spec = spec_of(image=IMAGE, mask=MASK, **entries)
    pipeline = ma.Pipeline([*PIPELINES[name], ma.Brightness(0.3)], spec)
    rng = np.random.default_rng(1)
    records = []
    for i in range(35):
        one = record(*rng.integers(26, 60, 2), seed=i)
        camera = np.array([[50, 0, 20], [0, 50, 18], [0, 0, 1]], np.float32)
        records.append({**{n: one[n] for n in ("image", "mask", "boxes")}, "camera": camera})
    keys = jax.random.split(jax.random.key(0), len(records))
    found = pipeline.batch(keys, records)
    for i in (0, 1, 17, 31, 32, 34):
        one = pipeline(keys[i], records[i])
        assert_equal({n: a[i] for n, a in found.items()}, one)
    assert_equal(pipeline.batch(keys, tuple(records), out=found), pipeline.batch(keys, records))


@transform
class Turned(Geometric):
    """Transposes images that are wider than high, which Python decides."""

    p: float = 1.0

    def sample(self, key, frame):
        """Nothing."""
        return {}

    def map(self, params, shape):
        """By the sizes."""
        sign = -1.0 if shape[1] > shape[0] else 1.0
        return affine_map(linear(sign, 0, 0, 1), linear(sign, 0, 0, 1), shape)


def test_python_that_needs_the_size_is_compiled_for_each_and_says_so():
    pipeline = ma.Pipeline([Turned()], spec_of(image=IMAGE))
    (stage,) = pipeline.explain((20, 30)).stages
    assert "`Turned` computes with the frame's size in Python" in stage.each_size
    assert "compiled for each size of image, because `Turned`" in str(pipeline.explain((20, 30)))
    one = record(20, 30)["image"]
    np.testing.assert_array_equal(
        pipeline(jax.random.key(0), {"image": one})["image"], one[:, ::-1]
    )
    for i in range(1, 7):
        pipeline(jax.random.key(0), {"image": record(20 + i, 30)["image"]})
    with pytest.warns(ma.MultiaugWarning, match="8 sizes of images have been compiled for"):
        pipeline(jax.random.key(0), {"image": record(40, 30)["image"]})
    plain = ma.Pipeline([ma.Rotate(10)], spec_of(image=IMAGE)).explain((20, 30))
    assert plain.stages[0].each_size == ""


def test_bad_lists_of_records():
    pipeline = ma.Pipeline([ma.Rotate(10)], DETECTION)
    keys = jax.random.split(jax.random.key(0))
    one, other = record(20, 30), record(22, 30)
    with pytest.raises(ma.RecordError, match=r"20 x 30 and 22 x 30 leave the pipeline at"):
        pipeline.batch(keys, [one, other])
    with pytest.raises(ma.RecordError, match="a record for each of the 2 keys, got 1"):
        pipeline.batch(keys, [one])
    with pytest.raises(ma.RecordError, match=r'boxes: found records of 2 and 3 rows.*"capacity"'):
        ma.Pipeline([ma.Crop(16)], DETECTION).batch(keys, [one, record(22, 30, 2)])
    fewer = {n: a for n, a in other.items() if n != "mask"}
    with pytest.raises(ma.RecordError, match="mask"):
        ma.Pipeline([ma.Crop(16)], DETECTION).batch(keys, [one, fewer])
    with pytest.raises(ma.RecordError, match="`MixUp` mixes the records of a batch"):
        ma.Pipeline([ma.MixUp(), ma.Crop(16)], spec_of(image=IMAGE)).batch(
            keys, [{"image": one["image"]}, {"image": other["image"]}]
        )


def test_records_of_different_kinds_are_refused():
    """Results of one kind lie in one block of memory, whose size is that of the first record's."""
    spec = spec_of(image={"role": "intensity"})
    keys = jax.random.split(jax.random.key(0))
    pipeline = ma.Pipeline([ma.Crop(8)], spec)
    image = record(20, 30)["image"]
    for other in (image[..., :2], image.astype(np.float32)):
        with pytest.raises(ma.RecordError, match=r"image: found records of uint8 \(H, W, 3\) and"):
            pipeline.batch(keys, [{"image": image}, {"image": other}])
    with pytest.raises(ma.RecordError, match="at least one record, got an empty list"):
        pipeline.batch(keys[:0], [])


def test_masks_of_another_share_of_the_frame_are_refused():
    spec = spec_of(image=IMAGE, mask=MASK)
    pipeline = ma.Pipeline([ma.Crop(16)], spec)
    records = []
    for size in ((20, 20), (40, 40)):
        one = record(40, 40)
        records.append({"image": one["image"], "mask": np.zeros(size, np.uint8)})
    with pytest.raises(ma.RecordError, match="mask: comes out as"):
        pipeline.batch(jax.random.split(jax.random.key(0)), records)


def test_a_camera_is_asked_for_as_of_any_batch():
    spec = spec_of(image=IMAGE, depth={"role": "depth", "dtype": "float32"})
    pipeline = ma.Pipeline([ma.Perspective(0.05), ma.Crop(16)], spec)
    records = [
        {"image": record(h, 30)["image"], "depth": np.ones((h, 30), np.float32)} for h in (20, 22)
    ]
    with pytest.raises(ma.RecordError, match="needs `intrinsics` under Perspective"):
        pipeline.batch(jax.random.split(jax.random.key(0)), records)


def test_an_image_that_native_code_cannot_count_is_not_planned_as_the_others():
    """A program that serves all sizes would let it pass by the look at how large it is."""
    pipeline = ma.Pipeline([ma.Flip("x")], spec_of(image={**IMAGE, "channels": 1}))
    assert pipeline.explain((20, 30)).stages[0].each_size == ""
    huge = {"image": np.broadcast_to(np.zeros((), np.uint8), (1, 1 << 24, 1))}
    (entry,) = pipeline.explain((1, 1 << 24), like=huge).entries
    assert entry.resampled == "xla"
    assert "more pixels than native code counts" in entry.reason


def test_a_mix_gets_all_records_once_they_are_of_one_size():
    spec = spec_of(image=IMAGE)
    steps = [ma.Crop(16), ma.Flip("x"), ma.MixUp(0.4)]
    keys = jax.random.split(jax.random.key(4), 5)
    images = [record(20 + i % 3, 30, seed=i)["image"] for i in range(5)]
    found = ma.Pipeline(steps, spec).batch(keys, [{"image": image} for image in images])
    # Images that are cut out of the same pixels need no crop of their own.
    before = [
        ma.Pipeline(steps[:2], spec)(k, {"image": i}) for k, i in zip(keys, images, strict=True)
    ]
    batch = {"image": np.stack([np.asarray(one["image"]) for one in before])}
    params = ma.Pipeline(steps, spec).sample(keys, (20, 30)).values[2]
    mixing = steps[2]
    weights = np.asarray(mixing.weights(params))
    partners = np.asarray(mixing.partners(params, 5))
    sources = np.stack([batch["image"], batch["image"][partners]], axis=1).astype(float)
    expected = (sources * weights[:, :, None, None, None]).sum(1)
    assert np.abs(np.asarray(found["image"], float) - expected).max() <= 0.51
    assert len(set(partners.tolist())) > 1


def test_records_that_xla_must_help_with_are_grouped_by_size():
    spec = spec_of(image={**IMAGE, "interpolation": "spline3", "dtype": "float32"})
    pipeline = ma.Pipeline([ma.Rotate(10), ma.Crop(16)], spec)
    images = [record(20 + i % 2, 30)["image"].astype(np.float32) for i in range(3)]
    keys = jax.random.split(jax.random.key(0), 3)
    found = pipeline.batch(keys, [{"image": image} for image in images])
    for i, image in enumerate(images):
        np.testing.assert_array_equal(
            found["image"][i], pipeline(keys[i], {"image": image})["image"]
        )


def test_a_folder_of_all_sizes_in_a_loader(tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    rng = np.random.default_rng(0)
    for i in range(10):
        one = record(*rng.integers(40, 70, 2), seed=i)
        Image.fromarray(one["image"]).save(tmp_path / "images" / f"{i:02}.png")
        Image.fromarray(one["mask"]).save(tmp_path / "masks" / f"{i:02}.png")
    spec = spec_of(image=IMAGE, mask=MASK)
    source = ma.open_source(tmp_path, spec)
    pipeline = ma.Pipeline([ma.RandomResizedCrop(32), ma.Flip("x")], spec)
    loader = ma.Loader(source, pipeline, batch_size=4, seed=1)
    batches = list(loader)
    assert [b["image"].shape for b in batches] == [(4, 32, 32, 3)] * 2 + [(2, 32, 32, 3)]
    for batch in batches:
        for place, index in enumerate(np.asarray(batch["index"])):
            (one,) = source.read_records([int(index)])
            expected = pipeline(ma.record_keys(1, 0, int(index)), one)
            np.testing.assert_array_equal(batch["image"][place], expected["image"])
            np.testing.assert_array_equal(batch["mask"][place], expected["mask"])
    with pytest.raises(ma.RecordError, match="RandomResizedCrop"):
        list(ma.Loader(source, ma.Pipeline([ma.Flip("x")], spec), batch_size=4))
    with pytest.raises(ma.RecordError, match=r"size=\(480, 640\)"):
        list(source.scan())
    assert isinstance(batches[0]["image"], jnp.ndarray)
