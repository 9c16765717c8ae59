"""Bad input: the classic's kinds of errors and warnings, with more to say."""

import os

import numpy as np
import pytest

import multiaug as ma
from multiaug.keras import (
    ImageDataGenerator,
    apply_affine_transform,
    array_to_img,
    img_to_array,
    load_img,
    random_brightness,
    random_zoom,
)

X = np.random.default_rng(0).random((8, 4, 4, 3))
GENERATOR = ImageDataGenerator(validation_split=0.25)
REFUSED = {
    "zoom": (lambda: ImageDataGenerator(zoom_range=(1, 2, 3)), "`zoom_range` should be"),
    "brightness": (lambda: ImageDataGenerator(brightness_range=0.1), "`brightness_range` should"),
    "split": (lambda: ImageDataGenerator(validation_split=5), "strictly between 0 and 1"),
    "layout": (lambda: ImageDataGenerator(data_format="th"), "`data_format` should be"),
    "order": (lambda: ImageDataGenerator(interpolation_order=2), "0 .nearest., 1 .linear. or 3"),
    "mode": (lambda: ImageDataGenerator(fill_mode="rim"), "`fill_mode` must be one of"),
    "shift": (lambda: ImageDataGenerator(width_shift_range="0.1"), "`width_shift_range` must"),
    "eps mode": (lambda: ImageDataGenerator(zca_eps_mode="x"), "zca_eps_mode` must"),
    "spec": (lambda: ImageDataGenerator(spec="rgbxyz"), "spec` must be a DataSpec"),
    "fit of rank 3": (
        lambda: ImageDataGenerator(featurewise_center=True).fit(X[0]),
        "should have rank 4",
    ),
    "rounds": (
        lambda: ImageDataGenerator(featurewise_center=True).fit(X, augment=True, rounds=0),
        "rounds` must be",
    ),
    "rank": (lambda: GENERATOR.flow(X[0]), "should have rank 4"),
    "y": (lambda: GENERATOR.flow(X, np.arange(7)), "and `y` .labels. should have the same"),
    "weights": (lambda: GENERATOR.flow(X, sample_weight=[1]), "and `sample_weight` should"),
    "targets": (lambda: GENERATOR.flow(X, targets=X[:3]), "and target 'targets' should"),
    "misc": (lambda: GENERATOR.flow((X, X[:3])), "All of the arrays in `x` should"),
    "parts": (lambda: GENERATOR.flow((X, X, X)), "further inputs.*got 3 parts"),
    "subset": (lambda: GENERATOR.flow(X, subset="foo"), "Invalid subset name: foo"),
    "no split": (
        lambda: ImageDataGenerator().flow(X, subset="training"),
        "has no `validation_split`",
    ),
    "classes": (
        lambda: GENERATOR.flow(X, [0, 0, 1, 1, 1, 1, 1, 1], subset="training"),
        "different number of classes",
    ),
    "copies": (lambda: GENERATOR.flow(X, copies=0), "copies` must be a whole number"),
    "batch": (lambda: GENERATOR.flow(X, batch_size=3)[3], "element 3, but .* has length 3"),
    "apply": (lambda: GENERATOR.apply_transform(X, {}), "takes one picture"),
    "standardize": (lambda: GENERATOR.standardize(X[0, 0]), "takes a picture"),
    "axes": (lambda: apply_affine_transform(X[0], row_axis=0, col_axis=0), "three axes"),
    "pair": (lambda: random_zoom(X[0], [0]), "`zoom_range` should be"),
    "factor": (lambda: random_brightness(X[0], [0]), "`brightness_range should be"),
    "picture of rank 2": (lambda: array_to_img(X[0, 0]), "to have rank 3"),
    "five channels": (lambda: array_to_img(np.zeros((2, 2, 5))), "Unsupported channel number"),
    "array of rank 4": (lambda: img_to_array(X), "Unsupported image shape"),
    "format": (lambda: img_to_array(X[0], "x"), "Unknown data_format"),
    "function": (
        lambda: next(ImageDataGenerator(preprocessing_function=lambda x: x[0]).flow(X)),
        "must return an array of the shape",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_value_error(call, message):
    with pytest.raises(ValueError, match=message) as found:
        call()
    assert isinstance(found.value, ma.MultiaugError)


def test_modes_and_orders_are_runtime_errors_too():
    # Which is what SciPy raised under the classic.
    for settings in ({"fill_mode": "rim"}, {"interpolation_order": 7}):
        with pytest.raises(RuntimeError, match="not supported"):
            ImageDataGenerator(**settings)


@pytest.mark.parametrize("setting", ["", "featurewise_std_normalization", "zca_whitening"])
def test_statistics_must_have_been_fitted(setting):
    also = {setting: True} if setting else {}
    generator = ImageDataGenerator(featurewise_center=True, **also)
    for call in (lambda: generator.standardize(X[0]), lambda: next(generator.flow(X))):
        with pytest.raises(ma.NotFittedError, match=r"Fit it first by calling `\.fit"):
            call()


@pytest.mark.parametrize(
    ("settings", "message", "on", "off"),
    [
        ({"zca_whitening": True}, "overrides setting of `featurewise_center`", "center", None),
        (
            {
                "zca_whitening": True,
                "featurewise_center": True,
                "featurewise_std_normalization": True,
            },
            "overrides setting of `featurewise_std_normalization`",
            "center",
            "std_normalization",
        ),
        ({"featurewise_std_normalization": True}, "`featurewise_center`", "center", None),
    ],
)
def test_implied_settings_warn(settings, message, on, off):
    with pytest.warns(UserWarning, match=message):
        generator = ImageDataGenerator(**settings)
    assert getattr(generator, f"featurewise_{on}") is True
    if off:
        assert getattr(generator, f"featurewise_{off}") is False


def test_samplewise_std_implies_the_mean():
    with pytest.warns(UserWarning, match="overrides setting of `samplewise_center`"):
        assert ImageDataGenerator(samplewise_std_normalization=True).samplewise_center


def test_any_number_of_channels_without_a_warning():
    for channels in (2, 9):
        x = np.random.default_rng(0).random((4, 5, 5, channels))
        generator = ImageDataGenerator(featurewise_center=True, rotation_range=10)
        generator.fit(x)
        assert next(generator.flow(x)).shape == x.shape


def test_no_number_hides_in_statistics():
    x = X.copy()
    x[2, 1, 1, 0] = np.nan
    with pytest.raises(ma.RecordError, match="found nan in 'image'"):
        ImageDataGenerator(featurewise_center=True).fit(x)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        GENERATOR.flow_from_directory(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        load_img(tmp_path / "none.png")


def test_a_folder_to_save_to_is_made_or_refused_before_the_first_batch(tmp_path):
    flow = GENERATOR.flow(X, save_to_dir=tmp_path / "a" / "b", save_prefix="aug", batch_size=8)
    next(flow)
    assert len(list((tmp_path / "a" / "b").glob("aug_*.png"))) == 8
    (tmp_path / "file").write_text("")
    with pytest.raises(ma.StoreError, match=r"`save_to_dir` .* cannot be written to"):
        GENERATOR.flow(X, save_to_dir=tmp_path / "file" / "below")
    with pytest.raises(ValueError, match="does not hold pictures of 5 channels"):
        GENERATOR.flow(np.zeros((2, 4, 4, 5)), save_to_dir=tmp_path)
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(ma.StoreError, match="cannot be written to"):
            GENERATOR.flow(X, save_to_dir=tmp_path / "locked")


def test_pictures_of_many_channels_are_saved_as_tiff_and_npy(tmp_path):
    from skimage import io

    x = np.random.default_rng(0).random((2, 7, 5, 6)).astype(np.float32)
    for kind, read in (("npy", np.load), ("tif", lambda p: io.imread(str(p)))):
        next(ImageDataGenerator().flow(x, save_to_dir=tmp_path, save_format=kind, shuffle=False))
        np.testing.assert_allclose(read(tmp_path / f"_1_0.{kind}"), x[1])
