"""The tutorial's steps and answers run, and show the same pictures side by side."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "tutorial"


@pytest.fixture(scope="module")
def tutorial():
    """The modules of the example, imported as its main script does."""
    pytest.importorskip("mlxtend")
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        import data
        import main
        import questions
        import steps

        yield {"data": data, "main": main, "questions": questions, "steps": steps}
    finally:
        sys.path.remove(str(FOLDER))
        for name in ("data", "main", "questions", "steps"):
            if name not in before:
                sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def pictures(tutorial):
    x, y = tutorial["data"].digits(None)
    return x[:400], y[:400], tutorial["data"].colours(250, 12)


def test_the_digits_are_real(tutorial):
    x, y = tutorial["data"].digits(None)
    assert x.shape == (5000, 1, 28, 28)
    assert sorted(np.unique(y)) == list(range(10))


def test_every_step_shows_the_same_nine(tutorial, pictures, tmp_path):
    x, _, rgb = pictures
    work = tutorial["steps"].STEPS
    for name, given, layout in (
        ("digits", x[:, :, 8:20, 8:20], "channels_first"),
        ("windows", rgb, "channels_last"),
    ):
        shown = {step: make(given, np.arange(len(given)), layout) for step, make in work.items()}
        assert all(batch.shape == (9, *given.shape[1:]) for batch in shown.values())
        means = shown["raw"].reshape(9, -1).mean(1)
        flipped = shown["flipped"].reshape(9, -1).mean(1)
        np.testing.assert_allclose(flipped, means, rtol=1e-4)
        folder = tmp_path / name
        tutorial["steps"].saved(given, np.arange(len(given)), layout, folder)
        assert len(list(folder.glob("aug_*.png"))) == 9
        image = tutorial["main"].grid(shown["ZCA"], layout)
        assert image.dtype == np.uint8
        assert image.std() > 5


def answers():
    names = [line.split("(")[0][4:] for line in (FOLDER / "questions.py").read_text().splitlines()
             if line.startswith("def ")]  # fmt: skip
    assert len(names) == 13
    return names


@pytest.mark.parametrize("name", answers())
def test_every_question_has_an_answer_that_holds(tutorial, pictures, name):
    x, _, rgb = pictures
    assert getattr(tutorial["questions"], name)(x, rgb)
    assert name in {answer.__name__ for answer in tutorial["questions"].QUESTIONS.values()}


@pytest.mark.filterwarnings("ignore:.*overrides setting of:UserWarning")
def test_the_seed_tutorial_runs_with_another_import(tutorial, tmp_path):
    """As it stands in the tutorial, but for the import and for `data_format`; no windows open."""
    x_train, y_train = tutorial["data"].digits(None)
    x_train, y_train = x_train[:300], y_train[:300]
    before = os.getcwd()  # noqa: PTH109
    os.chdir(tmp_path)
    try:
        exec(SEED, {"X_train": x_train, "y_train": y_train})
    finally:
        os.chdir(before)
    assert len(list((tmp_path / "images").glob("aug_*.png"))) == 9


SEED = """
import os
from multiaug.keras import ImageDataGenerator

X_train = X_train.reshape(X_train.shape[0], 1, 28, 28)
X_train = X_train.astype('float32')
shift = 0.2
for datagen in (
    ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True,
                       data_format='channels_first'),
    ImageDataGenerator(zca_whitening=True, data_format='channels_first'),
    ImageDataGenerator(rotation_range=90, data_format='channels_first'),
    ImageDataGenerator(width_shift_range=shift, height_shift_range=shift,
                       data_format='channels_first'),
    ImageDataGenerator(horizontal_flip=True, vertical_flip=True, data_format='channels_first'),
):
    datagen.fit(X_train)
    for X_batch, y_batch in datagen.flow(X_train, y_train, batch_size=9):
        for i in range(0, 9):
            X_batch[i].reshape(28, 28)
        break
os.makedirs('images')
for X_batch, y_batch in datagen.flow(X_train, y_train, batch_size=9, save_to_dir='images',
                                     save_prefix='aug', save_format='png'):
    break
"""
