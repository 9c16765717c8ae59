"""Specs are guessed of the layouts that people have, and a guess that is kept opens them again."""

import numpy as np
import pytest
from PIL import Image

import multiaug as ma

RNG = np.random.default_rng(0)


def image(size=(12, 16)):
    return RNG.integers(0, 256, (*size, 3), dtype=np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def black_and_white(root):
    for i in range(4):
        save(root / "images" / f"{i}.png", image())
        save(root / "masks" / f"{i}.png", np.uint8(255) * (image()[..., 0] > 99))


def classes_of_pixels(root):
    for i in range(4):
        save(root / "imgs" / f"{i}.jpg", image())
        save(root / "labels" / f"{i}.png", image()[..., 0] // 64)


def words_in_names(root):
    for i in range(4):
        save(root / f"{i}_image.png", image())
        save(root / f"{i}_mask.png", image()[..., 0] // 64)


def photos_alone(root):
    for i in range(4):
        save(root / f"photo{i}.png", image())


def npy_of_records(root):
    root.mkdir()
    for i in range(4):
        series = RNG.random((3, 8, 9, 5), dtype=np.float32)
        series[0, 2] = np.nan
        np.save(root / f"site_{i}.npy", series)


def npy_in_folders(root):
    for name, channels in (("image", (3,)), ("mask", ())):
        (root / name).mkdir(parents=True)
        for i in range(4):
            np.save(root / name / f"{i}.npy", RNG.integers(0, 3, (8, 9, *channels), np.uint8))


def npy_of_entries(root):
    root.mkdir()
    np.save(root / "images.npy", RNG.integers(0, 256, (4, 8, 9, 3), np.uint8))
    np.save(root / "masks.npy", RNG.integers(0, 3, (4, 8, 9), np.uint8))


LAYOUTS = [
    black_and_white, classes_of_pixels, words_in_names, photos_alone, npy_of_records,
    npy_in_folders, npy_of_entries,
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_guess_that_was_kept_opens_the_data(tmp_path, layout):
    """Whoever writes the guessed spec down, as `inspect --spec-out`, needs nothing else."""
    layout(tmp_path / "data")
    guess = ma.guess_spec(tmp_path / "data")
    first = ma.open_source(guess.data, guess.spec, **guess.settings)
    again = ma.open_source(tmp_path / "data", guess.spec)
    assert len(first) == len(again) == 4
    for name, array in first.read([0, 3]).items():
        np.testing.assert_array_equal(again.read([0, 3])[name], array)


@pytest.mark.parametrize("layout", [black_and_white, classes_of_pixels, npy_in_folders])
def test_recipes_that_pad_run_on_a_guess(tmp_path, layout):
    layout(tmp_path / "data")
    guess = ma.guess_spec(tmp_path / "data")
    assert guess.spec.entries["mask"].groups[0].ignore == 255
    assert any("labelled 255, for losses to skip" in note for note in guess.notes)
    ma.recipes.mmseg(guess.spec, 8)


def test_npy_files_of_the_wrong_name_are_not_taken_for_records(tmp_path):
    np.save(tmp_path / "img.npy", RNG.integers(0, 256, (4, 8, 9, 3), np.uint8))
    with pytest.raises(ma.errors.StoreError, match=r"image.npy is not there.*kind='npy-records'"):
        ma.open_source(tmp_path, ma.load_spec("rgb-segmentation"))
