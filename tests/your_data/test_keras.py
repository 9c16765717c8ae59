"""The rows of "From Keras" in docs/your-data.md."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import multiaug as ma
from multiaug.keras import ImageDataGenerator

RNG = np.random.default_rng(0)


def write_images(folder, count=3):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8)).save(folder / f"{number}.png")


@pytest.mark.row("arrays (N, 3, H, W) in a `channels_last` generator")
def test_the_other_layout():
    x = RNG.random((4, 3, 16, 16), np.float32)
    generator = ImageDataGenerator(rotation_range=90, featurewise_center=True)
    with pytest.warns(UserWarning, match=r'look like "channels_first"') as told:
        generator.fit(x)
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=r"NumpyArrayIterator .* 16 channels"):
        generator.flow(x)
    # Any number of channels is welcome where the layout makes sense, and (N, 3, W, 3) is a strip.
    for shape in ((4, 8, 8, 6), (4, 3, 8, 3), (4, 8, 8, 13), (4, 3, 8, 2)):
        ImageDataGenerator().flow(RNG.random(shape, np.float32))


@pytest.mark.row("a folder of images without class folders")
def test_a_flat_folder(tmp_path):
    write_images(tmp_path)
    flow = ImageDataGenerator().flow_from_directory(tmp_path)
    for ask in (lambda: next(flow), lambda: flow[0]):
        with pytest.raises(ValueError, match=r"Asked to retrieve element 0.*has length 0"):
            ask()
    with pytest.raises(ma.ParameterError, match=r"There are 3 images in it.*class_mode=None"):
        next(flow)


@pytest.mark.row("`.ipynb_checkpoints` and other hidden folders beside the classes")
def test_hidden_folders(tmp_path):
    for name in ("cat", "dog", ".ipynb_checkpoints"):
        write_images(tmp_path / name, 1)
    with pytest.warns(ma.MultiaugWarning, match=r"\.ipynb_checkpoints are no classes"):
        flow = ImageDataGenerator().flow_from_directory(tmp_path, target_size=(8, 8))
    assert flow.class_indices == {"cat": 0, "dog": 1}


@pytest.mark.row("`classes=['normal', 'abnormal']`")
def test_order_of_classes(tmp_path):
    write_images(tmp_path, 4)
    names = [f"{i}.png" for i in range(4)]
    frame = pd.DataFrame({"filename": names, "class": ["normal", "abnormal"] * 2})
    flow = ImageDataGenerator().flow_from_dataframe(
        frame, tmp_path, classes=["normal", "abnormal"], class_mode="binary", shuffle=False
    )
    assert flow.class_indices == {"normal": 0, "abnormal": 1}
    assert list(flow.labels) == [0, 1, 0, 1]
    found = ImageDataGenerator().flow_from_dataframe(frame, tmp_path, class_mode="binary")
    assert found.class_indices == {"abnormal": 0, "normal": 1}


@pytest.mark.row("a data frame without the column that is named")
def test_missing_columns(tmp_path):
    write_images(tmp_path, 1)
    frame = pd.DataFrame({"file": ["0.png"], "kind": ["a"]})
    flow = ImageDataGenerator().flow_from_dataframe
    for columns, missing in (({}, "filename"), ({"x_col": "file"}, "class")):
        with pytest.raises(ma.ParameterError, match=rf"no column '{missing}'; it has \['file'"):
            flow(frame, tmp_path, **columns)
    with pytest.raises(ma.ParameterError, match="`y_col` must name a column"):
        flow(frame, tmp_path, x_col="file", y_col=None)
    assert flow(frame, tmp_path, x_col="file", y_col=None, class_mode="input").n == 1


@pytest.mark.row("two flows with one `save_to_dir`")
def test_saved_files_are_never_overwritten(tmp_path):
    x = RNG.integers(0, 255, (6, 8, 8, 1)).astype(np.float32)
    contents = {}
    for run, kind in enumerate(("png", "png", "npy", "npy")):
        flow = ImageDataGenerator(rotation_range=30).flow(
            x, batch_size=3, save_to_dir=tmp_path, save_prefix="a", save_format=kind, seed=run
        )
        next(flow), next(flow)
        for path, content in contents.items():
            assert path.read_bytes() == content
        contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert len(contents) == 6 * (run + 1)


@pytest.mark.row("`flow(x, targets=masks)` with a `spec`")
def test_targets_without_a_name():
    spec = ma.load_spec("rgbxyz")
    x, masks = np.ones((4, 8, 8, 6), np.float32), np.zeros((4, 8, 8), np.uint8)
    generator = ImageDataGenerator(rotation_range=20, spec=spec)
    bare = next(generator.flow(x, targets=masks, batch_size=2, seed=0))
    named = next(generator.flow(x, targets={"mask": masks}, batch_size=2, seed=0))
    assert bare[1].dtype == np.uint8
    np.testing.assert_array_equal(bare[1], named[1]["mask"])
    with pytest.raises(ma.ParameterError, match=r"got 'seg'\. It has \['mask', 'intrinsics'\]"):
        generator.flow(x, targets={"seg": masks})
    several = ImageDataGenerator(spec=ma.load_spec("stereo-normals"))
    with pytest.raises(ma.ParameterError, match="Pass a mapping"):
        several.flow(np.ones((4, 8, 8, 3), np.float32), targets=masks)


@pytest.mark.row("`apply_transform` and `random_transform` with a `spec`")
def test_single_images_move_their_coordinates():
    spec = ma.load_spec("rgbxyz")
    # A camera that looks through the middle, so that turns and flips leave it as it is.
    k = np.array([[40, 0, 15.5], [0, 40, 11.5], [0, 0, 1]])
    rows, columns = np.mgrid[:24, :32]
    z = 2 + 0.02 * columns + 0.01 * rows
    xyz = np.stack([columns, rows, np.ones_like(z)], -1) @ np.linalg.inv(k).T * z[..., None]
    x = np.concatenate([RNG.random((24, 32, 3)), xyz], -1).astype(np.float32)
    generator = ImageDataGenerator(rotation_range=30, horizontal_flip=True, spec=spec)

    def off_the_grid(image):
        points = np.asarray(image, np.float64)[..., 3:]
        valid = np.isfinite(points).all(-1)
        u, v, w = (points[valid] @ k.T).T
        y, x = np.nonzero(valid)
        # Without intrinsics, points at the rim are those of the nearest pixels.
        return np.median(np.hypot(u / w - x, v / w - y))

    assert off_the_grid(x) < 0.01
    for moved in (
        generator.apply_transform(x, {"theta": 20.0}),
        generator.apply_transform(x, {"flip_horizontal": True}),
        generator.random_transform(x, seed=3),
    ):
        assert off_the_grid(moved) < 0.01
        assert not np.array_equal(moved, x, equal_nan=True)


@pytest.mark.row("statistics that were not fitted")
def test_unfitted():
    flow = ImageDataGenerator(featurewise_center=True).flow(np.ones((2, 4, 4, 1), np.float32))
    with pytest.raises(ma.NotFittedError, match=r"hasn't been fit on any training data"):
        next(flow)
