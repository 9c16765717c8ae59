"""Iterators over picture files: folders of classes, and data frames."""

import numpy as np
import pytest
from PIL import Image
from skimage import io

import multiaug as ma
from multiaug.keras import ImageDataGenerator

pytestmark = pytest.mark.filterwarnings("ignore:.*low contrast.*")


@pytest.fixture
def folder(tmp_path):
    """Two classes; every picture is of one grey level, which says which it is."""
    for number in range(10):
        name = f"{'ab'[number % 2]}/{'' if number < 6 else 'deep/'}{number}.png"
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 9, 3), 10 * number, np.uint8)).save(path)
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_folders_are_classes(folder, capsys):
    flow = ImageDataGenerator().flow_from_directory(
        folder, target_size=(6, 5), batch_size=4, class_mode="sparse", seed=0
    )
    assert "Found 10 images belonging to 2 classes." in capsys.readouterr().out
    assert (flow.samples, flow.num_classes, flow.class_indices) == (10, 2, {"a": 0, "b": 1})
    assert sorted(flow.filenames)[:2] == ["a/0.png", "a/2.png"]
    x, y = flow[0]
    assert x.shape == (4, 6, 5, 3)
    np.testing.assert_array_equal(x[:, 0, 0, 0] // 10 % 2, y)
    with pytest.raises(ValueError, match="element 3"):
        flow[3]


@pytest.mark.parametrize("mode", ["categorical", "binary", "sparse", "input", None])
def test_class_modes(folder, mode):
    flow = ImageDataGenerator(horizontal_flip=True).flow_from_directory(
        folder, (6, 6), class_mode=mode, batch_size=3, shuffle=False, color_mode="grayscale"
    )
    found = next(flow)
    if mode is None:
        assert found.shape == (3, 6, 6, 1)
        return
    x, y = found
    expected = {
        "categorical": [[1, 0]] * 3,
        "binary": [0, 0, 0],
        "sparse": [0, 0, 0],
        "input": x,
    }
    np.testing.assert_array_equal(y, expected[mode])
    assert not np.shares_memory(x, y)


def test_subsets_share_the_files_of_every_class(folder):
    generator = ImageDataGenerator(validation_split=0.4)
    names = {
        subset: generator.flow_from_directory(folder, subset=subset).filenames
        for subset in ("training", "validation")
    }
    assert [len(found) for found in names.values()] == [6, 4]
    assert not set(names["training"]) & set(names["validation"])
    with pytest.raises(ValueError, match="Invalid subset name"):
        generator.flow_from_directory(folder, subset="foo")
    with pytest.raises(ValueError, match="Invalid color mode"):
        generator.flow_from_directory(folder, color_mode="cmyk")
    with pytest.raises(ValueError, match="Invalid class_mode"):
        generator.flow_from_directory(folder, class_mode="output")


def test_the_function_gets_a_resized_picture(folder):
    shapes = []

    def function(picture):
        shapes.append(picture.shape)
        return np.zeros_like(picture)

    generator = ImageDataGenerator(preprocessing_function=function, data_format="channels_first")
    x, _ = next(generator.flow_from_directory(folder, (6, 7), batch_size=2))
    assert shapes == [(3, 6, 7)] * 2
    assert x.shape == (2, 3, 6, 7)
    assert not x.any()


def test_sixteen_bits_and_many_channels(tmp_path):
    (tmp_path / "a").mkdir()
    array = np.random.default_rng(0).integers(0, 2**16, (9, 8, 6), dtype=np.uint16)
    io.imsave(str(tmp_path / "a" / "x.tif"), array, check_contrast=False)
    flow = ImageDataGenerator().flow_from_directory(
        tmp_path, (9, 8), color_mode="unchanged", class_mode=None
    )
    np.testing.assert_array_equal(next(flow)[0], array)


def test_files_that_are_no_pictures_are_named(folder):
    (folder / "a" / "0.png").write_bytes(b"not a picture")
    flow = ImageDataGenerator().flow_from_directory(folder, shuffle=False, batch_size=2)
    with pytest.raises(ma.StoreError, match=r"0\.png cannot be read as a picture"):
        next(flow)


def frame_of(folder, **columns):
    pandas = pytest.importorskip("pandas")
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.png"))
    return pandas.DataFrame({"filename": names, **columns})


def test_frames_name_files_and_labels(folder):
    frame = frame_of(folder)
    frame["class"] = [name[0] for name in frame["filename"]]
    frame["weight"] = np.arange(10.0)
    flow = ImageDataGenerator().flow_from_dataframe(
        frame, folder, weight_col="weight", target_size=(4, 4), batch_size=4, shuffle=False
    )
    x, y, weights = next(flow)
    assert x.shape == (4, 4, 4, 3)
    np.testing.assert_array_equal(y, [[1, 0]] * 4)
    np.testing.assert_array_equal(weights, [0, 1, 2, 3])
    whole = frame.assign(filename=[str(folder / n) for n in frame["filename"]])
    assert len(ImageDataGenerator().flow_from_dataframe(whole).filenames) == 10
    kept = ImageDataGenerator().flow_from_dataframe(frame, folder, classes=["b"])
    assert kept.samples == 5


def test_labels_may_be_lists_numbers_and_several_columns(folder):
    frame = frame_of(folder, low=np.arange(10.0), high=[np.ones((2, 2))] * 10)
    frame["class"] = [["x", "y"], ["y"], "z"] + ["x"] * 7
    settings = {"shuffle": False, "batch_size": 3, "target_size": (4, 4)}
    generator = ImageDataGenerator()
    _, y = next(generator.flow_from_dataframe(frame, folder, **settings))
    np.testing.assert_array_equal(y, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    _, y = next(
        generator.flow_from_dataframe(frame, folder, y_col="low", class_mode="raw", **settings)
    )
    np.testing.assert_array_equal(y, [0, 1, 2])
    _, (low, high) = next(
        generator.flow_from_dataframe(
            frame, folder, y_col=["low", "high"], class_mode="multi_output", **settings
        )
    )
    assert (low.shape, high.shape) == ((3,), (3, 2, 2))


def test_frames_that_do_not_fit(folder):
    frame = frame_of(folder, low=np.arange(10.0), text=["1"] * 10)
    frame["class"] = [name[0] for name in frame["filename"]]
    generator = ImageDataGenerator()

    def flow(**settings):
        return generator.flow_from_dataframe(frame, folder, **settings)

    for settings, message in (
        ({"class_mode": "multi_output"}, "y_col must be a list"),
        ({"y_col": "low"}, "must be type string, list or tuple"),
        ({"y_col": "low", "class_mode": "sparse"}, "must be strings"),
        ({"weight_col": "text"}, "must be numeric"),
        ({"x_col": "low"}, "must be strings"),
    ):
        with pytest.raises(TypeError, match=message):
            flow(**settings)
    with pytest.raises(ValueError, match="there must be 2 classes"):
        flow(class_mode="binary", classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="Invalid class_mode"):
        flow(class_mode="output")
    with pytest.warns(DeprecationWarning, match="has_ext"):
        flow(has_ext=True)
    frame.loc[0, "filename"] = "missing.png"
    with pytest.warns(UserWarning, match=r"Found 1 invalid image filename\(s\)"):
        assert flow().samples == 9
    frame_all = flow(validate_filenames=False)
    assert frame_all.samples == 10
    with pytest.raises(ma.StoreError, match=r"missing\.png cannot be read"):
        [next(frame_all) for _ in range(len(frame_all))]
