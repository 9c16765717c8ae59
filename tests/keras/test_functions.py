"""The classic's functions on single pictures, and what becomes of files."""

import inspect
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import multiaug.keras as mk
from tests.reference import classic

CLASSES = ("DataFrameIterator", "DirectoryIterator", "ImageDataGenerator", "Iterator",
           "NumpyArrayIterator")  # fmt: skip
FUNCTIONS = (
    *("flip_axis", "random_rotation", "random_shift", "random_shear", "random_zoom"),
    *("apply_channel_shift", "random_channel_shift", "apply_brightness_shift"),
    *("random_brightness", "validate_filename", "save_img", "transform_matrix_offset_center"),
    *("apply_affine_transform", "load_img", "list_pictures", "array_to_img", "img_to_array"),
)


def test_every_name_of_the_classic_is_there():
    assert all(inspect.isclass(getattr(mk, name)) for name in CLASSES)
    assert all(callable(getattr(mk, name)) for name in FUNCTIONS)


def test_affine_on_any_axes():
    rng = np.random.default_rng(0)
    picture = rng.random((6, 9, 3))
    given = {"theta": 25, "tx": 1.3, "ty": -0.4, "shear": 10, "zx": 1.2, "zy": 0.8}
    expected = classic.apply_affine(picture, given, "reflect")
    for axes in ((0, 1, 2), (1, 2, 0), (2, 1, 0), (0, 2, 1)):
        held = picture.transpose(np.argsort(axes))
        found = mk.apply_affine_transform(held, **given, row_axis=axes[0], col_axis=axes[1],
                                          channel_axis=axes[2], fill_mode="reflect")  # fmt: skip
        np.testing.assert_allclose(found.transpose(axes), expected, atol=1e-4)
    # Rows and columns left out: the axes that the channels leave.
    found = mk.apply_affine_transform(picture, **given, channel_axis=2, fill_mode="reflect")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_directions():
    picture = np.zeros((3, 4, 1))
    picture[1, 1] = 1
    for name, value, place in (("tx", 1, (0, 1)), ("tx", -1, (2, 1)), ("ty", 1, (1, 0))):
        found = mk.apply_affine_transform(picture, **{name: value}, channel_axis=2)
        assert found[place] == 1
        assert found.sum() == 1
    corner = np.array([[0.0, 1], [0, 0]])[..., None]
    turned = mk.apply_affine_transform(corner, theta=90, channel_axis=2)
    np.testing.assert_array_equal(turned[..., 0], [[0, 0], [0, 1]])


def test_matrices_act_about_the_centre_of_the_pixels():
    turn = np.diag([-1.0, -1, 1])
    found = mk.transform_matrix_offset_center(turn, 4, 5)
    np.testing.assert_allclose(found @ [0, 0, 1], [3, 4, 1])


def test_random_functions_draw_what_they_say():
    picture = np.random.default_rng(0).random((2, 12, 10))
    for seed in range(3):
        np.random.seed(seed)  # noqa: NPY002
        found = mk.random_rotation(picture, 45, fill_mode="wrap")
        np.random.seed(seed)  # noqa: NPY002
        theta = np.random.uniform(-45, 45)  # noqa: NPY002
        expected = mk.apply_affine_transform(picture, theta=theta, fill_mode="wrap")
        np.testing.assert_array_equal(found, expected)
    assert mk.random_shift(picture, 0.5, 0.5).shape == picture.shape
    assert mk.random_shear(picture, 20).shape == picture.shape
    np.testing.assert_array_equal(mk.random_zoom(picture, (1, 1)), picture)
    shifted = mk.random_channel_shift(picture, 0.2)
    assert shifted.min() >= picture.min()
    assert shifted.max() <= picture.max()
    np.testing.assert_allclose(mk.random_brightness(picture, (0.5, 0.5)), picture / 2, rtol=1e-6)


def test_seeds_mean_what_they_mean_in_the_classic():
    generator = mk.ImageDataGenerator(
        rotation_range=20, height_shift_range=[1, 4], width_shift_range=3, zoom_range=0.2,
        horizontal_flip=True, channel_shift_range=5, brightness_range=(0.5, 2),
    )  # fmt: skip
    found = generator.get_random_transform((10, 12, 3), seed=5)
    draw = np.random.RandomState(5)
    assert found["theta"] == draw.uniform(-20, 20)
    assert found["tx"] == draw.choice([1, 4]) * draw.choice([-1, 1])
    assert found["ty"] == draw.choice(3) * draw.choice([-1, 1])
    assert (found["zx"], found["zy"]) == tuple(draw.uniform(0.8, 1.2, 2))
    assert found["flip_horizontal"] == (draw.random_sample() < 0.5)
    assert found["flip_vertical"] == 0 * draw.random_sample()
    assert found["channel_shift_intensity"] == draw.uniform(-5, 5)
    assert found["brightness"] == draw.uniform(0.5, 2)
    assert found["shear"] == 0


def test_drawn_shifts_have_the_documented_distribution():
    import jax

    from multiaug.keras._engine import moves
    from multiaug.keras._moves import GEOMETRY
    from multiaug.transforms import Frame

    keys = jax.random.split(jax.random.key(0), 3000)

    def drawn_by(generator):
        move = moves(generator, "image")[0]
        found = jax.vmap(lambda key: move.sample(key, Frame((20, 20), None)))(keys)
        return dict(zip(GEOMETRY, np.asarray(found["move"]).T, strict=True))

    for given, values in (
        (3, {-2.0, -1.0, 0.0, 1.0, 2.0}),
        ([2, 5], {-5.0, -2.0, 2.0, 5.0}),
        ([0.25, 0.5], {-10.0, -5.0, 5.0, 10.0}),
    ):
        generator = mk.ImageDataGenerator(height_shift_range=given, width_shift_range=given)
        drawn = drawn_by(generator)
        for name in ("tx", "ty"):
            assert set(np.unique(drawn[name])) == values
    for given, limit in ((0.2, 4.0), (3.0, 3.0)):
        generator = mk.ImageDataGenerator(height_shift_range=given, isotropic_zoom=True,
                                          zoom_range=(0.5, 2.0), horizontal_flip=True)  # fmt: skip
        drawn = drawn_by(generator)
        assert np.abs(drawn["tx"]).max() <= limit
        assert abs(drawn["tx"].std() - limit / np.sqrt(3)) < 0.05 * limit
        np.testing.assert_array_equal(drawn["zx"], drawn["zy"])
        assert 0.45 < drawn["flip_horizontal"].mean() < 0.55
        assert abs(np.corrcoef(drawn["tx"], drawn["zx"])[0, 1]) < 0.06


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_pictures_go_to_files_and_back(tmp_path, channels, layout):
    array = np.random.default_rng(0).integers(0, 256, (7, 5, channels)).astype(np.float32)
    held = array if layout == "channels_last" else np.moveaxis(array, -1, 0)
    mk.save_img(tmp_path / "a.png", held, data_format=layout, scale=False)
    mode = {1: "grayscale", 3: "rgb", 4: "rgba"}[channels]
    for path in (tmp_path / "a.png", io.BytesIO((tmp_path / "a.png").read_bytes())):
        img = mk.load_img(path, color_mode=mode)
        np.testing.assert_array_equal(mk.img_to_array(img, layout), held)
    assert mk.load_img(tmp_path / "a.png", color_mode=mode, target_size=(3, 9)).size == (9, 3)


def test_files_keep_their_aspect_ratio_where_asked(tmp_path):
    array = np.zeros((10, 30, 3), np.uint8)
    array[:, 10:20] = 255
    Image.fromarray(array).save(tmp_path / "a.png")
    img = mk.load_img(tmp_path / "a.png", target_size=(10, 10), keep_aspect_ratio=True)
    assert np.asarray(img).min() == 255


def test_grey_of_sixteen_bits_is_kept(tmp_path):
    array = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image.fromarray(array).save(tmp_path / "a.png")
    img = mk.load_img(tmp_path / "a.png", color_mode="grayscale")
    np.testing.assert_array_equal(mk.img_to_array(img)[..., 0], array)


def test_arrays_of_any_channels_stay_arrays():
    for channels in (1, 2, 5, 13):
        array = np.random.default_rng(0).random((4, 6, channels))
        assert mk.img_to_array(array).shape == array.shape
        assert mk.img_to_array(array, "channels_first").shape == (channels, 4, 6)
    assert mk.img_to_array(np.zeros((4, 6)), dtype="uint8").dtype == np.uint8


def test_scaling_does_not_touch_the_array():
    array = np.full((2, 2, 3), 7.0, np.float32)
    before = array.copy()
    mk.array_to_img(array)
    np.testing.assert_array_equal(array, before)


def test_jpeg_drops_transparency_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="does not support RGBA"):
        mk.save_img(tmp_path / "a.jpg", np.zeros((4, 4, 4)), file_format="jpeg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert mk.load_img(tmp_path / "a.jpg", grayscale=True).mode == "L"


def test_names_of_files(tmp_path):
    for name in ("a.png", "B.PNG", "c.txt", "sub/d.jpeg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert mk.validate_filename(str(tmp_path / "B.PNG"), ("png",))
    assert not mk.validate_filename(str(tmp_path / "c.txt"), ("png",))
    assert not mk.validate_filename(str(tmp_path / "none.png"), ("png",))
    assert sorted(Path(p).name for p in mk.list_pictures(tmp_path)) == ["B.PNG", "a.png", "d.jpeg"]
    assert len(mk.list_pictures(tmp_path, ext="png")) == 2
