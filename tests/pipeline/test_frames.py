"""Output frames: what size every entry has, and where its pixels come from."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError
from multiaug.testing import make_record

KEY = jax.random.key(1)
SPEC = ma.DataSpec.from_dict(
    {
        "name": "a picture and half a mask",
        "entries": {
            "image": {"role": "intensity", "dtype": "float32", "channels": 2},
            "mask": {"role": "label", "dtype": "uint8"},
            "xyz": {"role": "position", "dtype": "float32", "optional": True},
            "points": {"role": "keypoints", "dtype": "float32", "of": "mask"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32", "of": "xyz", "optional": True},
        },
    }
)


def frame_of(*transforms, shape=(16, 20)):
    pipeline = ma.Pipeline(transforms, SPEC)
    return jax.eval_shape(lambda key: pipeline.sample(key, shape), KEY).out_shape


def record_of(shape, **settings):
    return make_record(SPEC, shape, 0, half=("mask", "xyz"), **settings)


FRAMES = [
    # transform, frame before, picture after, half-size mask after
    (ma.Crop((8, 12)), (16, 20), (8, 12), (4, 6)),
    (ma.Crop(box=(2, 4, 18, 10)), (16, 20), (6, 16), (3, 8)),
    (ma.Crop((24, 20), pad=True), (16, 20), (24, 20), (12, 10)),
    (ma.Pad((2, 4)), (16, 20), (20, 28), (10, 14)),
    (ma.Pad((1, 0, 3, 2)), (16, 20), (17, 25), (8, 12)),
    (ma.Resize((32, 10), antialias=False), (16, 20), (32, 10), (16, 5)),
    (ma.RandomResizedCrop((12, 12)), (16, 20), (12, 12), (6, 6)),
    (ma.Rot90(1), (16, 20), (20, 16), (10, 8)),
    (ma.Rot90((1, 3)), (16, 20), (20, 16), (10, 8)),
    (ma.Rot90((0, 2)), (16, 20), (16, 20), (8, 10)),
    (ma.Rot90(), (16, 16), (16, 16), (8, 8)),
    (ma.Transpose(p=1), (16, 20), (20, 16), (10, 8)),
    (ma.Transpose(p=0), (16, 20), (16, 20), (8, 10)),
    (ma.D4(), (16, 16), (16, 16), (8, 8)),
]


@pytest.mark.parametrize(("transform", "before", "after", "mask"), FRAMES)
def test_sizes(transform, before, after, mask):
    pipeline = ma.Pipeline([transform], SPEC)
    record = record_of(before)
    shapes = jax.eval_shape(pipeline, KEY, record)
    assert shapes["image"].shape == (*after, 2)
    assert shapes["mask"].shape == mask
    assert shapes["xyz"].shape == (*mask, 3)
    params = jax.eval_shape(lambda key: pipeline.sample(key, before), KEY)
    assert (params.in_shape, params.out_shape) == (before, after)
    back = jax.eval_shape(pipeline.invert, params, shapes)
    assert back["image"].shape == (*before, 2)
    assert back["mask"].shape == (before[0] // 2, before[1] // 2)


def test_half_of_an_odd_size_is_rounded():
    pipeline = ma.Pipeline([ma.Resize((5, 7), antialias=False)], SPEC)
    assert jax.eval_shape(pipeline, KEY, record_of((16, 20)))["mask"].shape == (2, 4)


def test_frames_follow_each_other():
    pipeline = ma.Pipeline(
        [ma.Crop((12, 16)), ma.Rot90(1), ma.Pad(2), ma.Rotate(10), ma.Crop((18, 14))], SPEC
    )
    shapes = jax.eval_shape(pipeline, KEY, record_of((16, 20)))
    assert shapes["image"].shape == (18, 14, 2)
    assert shapes["mask"].shape == (9, 7)
    # A crop that fits the first frame, and not the one where it stands.
    with pytest.raises(ParameterError, match="16 x 12"):
        frame_of(ma.Crop((12, 16)), ma.Rot90(1), ma.Crop((12, 16)))


@pytest.mark.parametrize("transform", [ma.Rot90(), ma.Transpose(), ma.D4()])
def test_squares_are_asked_for_where_the_transform_stands(transform):
    for before in (ma.Crop((8, 8)), ma.Resize(8), ma.Pad((2, 0))):
        height, width = frame_of(before, transform)
        assert height == width
    with pytest.raises(ParameterError, match=r"square.*8 x 12"):
        frame_of(ma.Crop((8, 12)), transform, shape=(16, 16))


def test_exact_windows_of_a_picture_and_half_a_mask():
    """Even windows cut both without blending; keypoints and cameras count mask pixels.

    All geometry is one map: the pad shows what the crop had cut off, and fill beyond the source.
    """
    record = record_of((16, 20))
    pipeline = ma.Pipeline([ma.Crop(box=(4, 2, 16, 12)), ma.Rot90(1), ma.Pad((2, 4))], SPEC)
    out = {name: np.asarray(array) for name, array in pipeline(KEY, record).items()}

    def window(array, above, rows, columns):
        """Rows from 0 on, under so many rows of fill; turned."""
        view = array[:rows, columns[0] : columns[1]]
        return np.rot90(np.pad(view, [(above, 0), (0, 0)] + [(0, 0)] * (array.ndim - 2)))

    np.testing.assert_array_equal(out["image"], window(record["image"], 2, 16, (2, 18)))
    np.testing.assert_array_equal(out["mask"], window(record["mask"], 1, 8, (1, 9)))
    x, y = record["points"].T  # mask pixels: cut at (2, 1) to a width of 6, turned, moved by (2, 1)
    np.testing.assert_allclose(out["points"], np.stack([y + 1, 8 - x], -1), atol=1e-4)
    assert np.isnan(out["xyz"][:, 0]).all()
    seen = out["xyz"][:, 1:] @ out["intrinsics"].T
    rows, columns = np.mgrid[:8, 1:9]
    np.testing.assert_allclose(seen[..., 0] / seen[..., 2], columns, atol=1e-3)
    np.testing.assert_allclose(seen[..., 1] / seen[..., 2], rows, atol=1e-3)


def test_params_of_every_frame_remember_it():
    pipeline = ma.Pipeline([ma.RandomResizedCrop((6, 8)), ma.Flip()], SPEC)
    small, large = (pipeline.sample(KEY, shape) for shape in ((16, 20), (32, 40)))
    assert (small.in_shape, small.out_shape) == ((16, 20), (6, 8))
    np.testing.assert_allclose(
        np.asarray(large.values[0]["window"]) / 2, small.values[0]["window"], rtol=1e-5
    )
    with pytest.raises(ma.RecordError, match="32 x 40"):
        pipeline.apply(large, record_of((16, 20)))
    with pytest.raises(ma.RecordError, match="6 x 8"):
        pipeline.invert(small, {"image": np.zeros((8, 6, 2), np.float32)})
