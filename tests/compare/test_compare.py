"""Comparisons whose answer is known, on blobs that a network of a few weights can learn."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import multiaug as ma
from multiaug.compare import _experiment as experiment
from multiaug.compare import compare
from multiaug.compare._notes import notes_of
from multiaug.compare._records import Records
from tests.nightly import by_night

SPEC = ma.load_spec("rgb-segmentation")
# The batches of the example in the docstring, for which a network is compiled once.
SMALL = {"width": 4, "batch_size": 8, "progress": False}


def blobs(count: int, seed: int) -> dict[str, np.ndarray]:
    """Bright where the label is 1, dark where it is 0, on half of the pixels each."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(count, 16, 16)), (0, 3, 3))
    mask = smooth > np.median(smooth, axis=(1, 2), keepdims=True)
    image = 128 + 40 * (2 * mask[..., None] - 1) + rng.normal(0, 30, (count, 16, 16, 3))
    return {"image": image.clip(0, 255).astype(np.uint8), "mask": mask.astype(np.uint8)}


SOURCE = ma.open_source(blobs(18, 0), SPEC)


def pipeline(*transforms):
    return ma.Pipeline(list(transforms), SPEC)


@pytest.fixture(scope="module")
def found():
    pipelines = {
        # Bright and dark change places in half of the records: nothing tells the label any more.
        "inverted": pipeline(ma.Invert(p=0.5)),
        "again": pipeline(),
    }
    return compare(SOURCE, pipelines, steps=24, learning_rate=1e-2, **SMALL)


def test_what_destroys_the_relation_of_image_and_label_is_worse(found):
    assert found.names == ("none", "inverted", "again")
    assert found.scores[0].mean() > 0.7
    assert found.chance == pytest.approx(1 / 4)  # half right, half of the union
    assert not found.differences["inverted"].is_noise
    assert found.differences["inverted"].mean < -0.1
    assert "none beats inverted by" in found.sentences()[0]


def test_the_same_pipeline_under_two_names_is_not_told_apart(found):
    np.testing.assert_array_equal(found.scores[0], found.scores[2])
    assert found.differences["again"].is_noise
    assert "gave the same scores in all 6 pairs" in found.sentences()[1]


def test_several_comparisons_widen_each_interval(found):
    assert [d.confidence for d in found.differences.values()] == pytest.approx([1 - 0.05 / 2] * 2)
    assert any("Bonferroni" in note for note in found.notes)
    assert "97.5% interval" in str(found)


def test_it_says_that_records_were_taken_for_independent(found):
    assert any("groups=" in note for note in found.notes)


def test_the_table_the_document_and_the_plot_hold_every_training(found, tmp_path):
    document = json.loads(json.dumps(found.to_dict()))
    assert np.shape(list(document["scores"].values())) == found.scores.shape == (3, 3, 2)
    assert document["differences"]["inverted"]["is_noise"] is False
    for text in ("inverted", "worse", "within the noise", "baseline"):
        assert text in str(found)
        assert text in found._repr_html_() or text == "baseline"
    drawn = ET.parse(found.plot(tmp_path / "plot.svg")).getroot()
    dots = [one for one in drawn.iter() if one.tag.endswith("circle") and one.get("r") == "4"]
    assert len(dots) == 3 * 6 + 2 * 6
    width, height = (float(drawn.get(side)) for side in ("width", "height"))
    assert all(0 < float(d.get("cx")) < width and 0 < float(d.get("cy")) < height for d in dots)
    text = (tmp_path / "plot.svg").read_text("utf-8")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(ma.ParameterError, match="must end with"):
        found.plot(tmp_path / "plot.png")


def test_the_same_seed_gives_the_same_scores_and_training_records_alone_are_fitted(monkeypatch):
    fitted = []
    of = experiment.Scaling.of

    def spied(images):
        fitted.append({image.tobytes() for image in images})
        return of(images)

    monkeypatch.setattr(experiment.Scaling, "of", spied)
    settings = SMALL | {"steps": 3, "seeds": 1, "groups": np.arange(18) // 3}
    several = {"flips": pipeline(ma.Flip("x"), ma.Brightness(0.3))}
    runs = [compare(SOURCE, several, seed=seed, **settings).scores for seed in (5, 5, 6)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    every = {image.astype(np.float32).tobytes() for image in SOURCE.read(range(18))["image"]}
    # Both pipelines of a fold are fitted to the same 12 records, and each record is left out once.
    assert fitted[0:6:2] == fitted[1:6:2]
    assert [len(one) for one in fitted[:6]] == [12] * 6
    assert [sum(image in one for one in fitted[:6:2]) for image in every] == [2] * 18


def test_all_pipelines_see_the_records_in_the_same_order():
    rows = Records.choose(SOURCE, 18, 0)
    orders = []
    for one in (pipeline(), pipeline(ma.Rotate(30), ma.MixUp(keep=["mask"]))):
        settings = {"batch_size": 4, "seed": 3, "shuffle": "full", "indices": np.arange(12)}
        with rows.loader(one, check=True, **settings) as loader:
            orders.append([np.asarray(batch["index"]).tolist() for batch in loader])
    assert orders[0] == orders[1]


@pytest.mark.parametrize("seeds", [1, 2])
def test_groups_that_leave_one_division_are_said_and_seeds_averaged(seeds):
    settings = SMALL | {"steps": 1, "seeds": seeds, "groups": np.arange(18) % 3}
    found = compare(SOURCE, {"flips": pipeline(ma.Flip("x"))}, **settings)
    assert found.differences["flips"].trainings == 3
    assert found.differences["flips"].needed is None
    assert any("only one division into 3 folds" in note for note in found.notes)
    assert not any("independent" in note for note in found.notes)
    pairs = (found.scores[1] - found.scores[0]).mean(1)
    assert found.differences["flips"].mean == pytest.approx(pairs.mean())


def test_trainings_that_learned_nothing_are_said_to_say_nothing(found):
    task = SimpleNamespace(unused=("depth",))
    flat = SimpleNamespace(
        chance=0.5,
        records=range(4),
        task=task,
        not_trained=[3],
        size=(16, 16),
        steps=9,
        passes=2.25,
    )  # what `notes_of` reads of an experiment
    scores = np.array([[[0.4, 0.7]], [[0.5, 0.45]]])
    common = {"validation": None, "frame": (16, 16), "available": 9, "grouped": True}
    notes = [*notes_of(flat, scores, {}, **common)]
    for number, text in enumerate(
        ("Raise steps", "a record came 2 times", "4 of the 9", "did not see depth", "labels 3")
    ):
        assert text in notes[number]
    assert len([*notes_of(flat, scores / 10 + 0.8, {}, **common)]) == 4
    assert not any("Raise steps" in note for note in found.notes)


@by_night
def test_classes_of_records_are_predicted_and_mixes_learned():
    rng = np.random.default_rng(1)
    digit = rng.integers(0, 2, 24)
    image = (60 + 120 * digit)[:, None, None, None] + rng.normal(0, 20, (24, 16, 16, 1))
    spec = ma.load_spec("mnist")
    source = ma.open_source({"image": image.clip(0, 255).astype(np.uint8), "digit": digit}, spec)
    mixed = ma.Pipeline([ma.OneHot("digit", 2), ma.MixUp(keep=["digit"])], spec)
    found = compare(source, {"mixed": mixed}, steps=80, seeds=1, **SMALL)
    assert (found.metric, found.target, found.inputs) == ("accuracy", "digit", ("image",))
    assert found.scores.mean(1).min() > 0.85


def test_a_pipeline_that_crops_is_named_and_validation_can_crop_too():
    settings = SMALL | {"steps": 1, "seeds": 1, "folds": 2}
    crops = pipeline(ma.Crop(8))
    found = compare(SOURCE, {"crops": crops}, **settings)
    assert any("crops makes 8 x 8 pixels" in note for note in found.notes)
    middle = pipeline(ma.Crop(8, position="centre"))
    found = compare(SOURCE, {"crops": crops}, validation=middle, **settings)
    assert not any("crops makes" in note for note in found.notes)


REFUSED = {
    "validation": ({"validation": pipeline(ma.Crop(8))}, "must not draw anything, and Crop"),
    "baseline": ({"baseline": "flip"}, "must be one of the pipelines"),
    "alone": ({"baseline": "flips"}, "got it alone"),
    "groups": ({"groups": "scene"}, "must be the name of an entry"),
    "size": ({"size": 3}, "must be a size of 16 to 4096"),
    "folds": ({"folds": 10}, "needs at least 20 records, found 18"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_do_not_fit_are_refused_before_a_training(name):
    settings, text = REFUSED[name]
    with pytest.raises(ma.ParameterError, match=text):
        compare(SOURCE, {"flips": pipeline(ma.Flip("x"))}, **settings)


def test_pipelines_and_records_that_do_not_fit_are_refused():
    other = ma.Pipeline([ma.Flip("x")], ma.load_spec("mnist"))
    with pytest.raises(ma.ParameterError, match="'digits' is of the spec 'mnist'"):
        compare(SOURCE, {"digits": other})
    arrays = blobs(8, 0)
    flat = ma.open_source({**arrays, "mask": np.zeros_like(arrays["mask"])}, SPEC)
    with pytest.raises(ma.RecordError, match="found 1 different labels"):
        compare(flat, {"flips": pipeline(ma.Flip("x"))})
    bare = arrays["mask"].copy()
    bare[:4] = 9
    document = SPEC.to_dict()
    document["entries"]["mask"]["ignore"] = 9
    spec = ma.DataSpec.from_dict(document)
    source = ma.open_source({**arrays, "mask": bare}, spec)
    with pytest.raises(ma.RecordError, match="the 4 records that are left out for a fold hold no"):
        flips = {"flips": ma.Pipeline([ma.Flip("x")], spec)}
        compare(source, flips, folds=2, groups=np.arange(8) // 4)
    with pytest.raises(ma.ParameterError, match="comes out as float32"):
        compare(SOURCE, {"hot": pipeline(ma.OneHot("mask", 2, replace=True))})


def test_the_code_of_the_page_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # Two pipelines and the baseline, 3 folds, 2 seeds; trainings are tried above.
    monkeypatch.setattr(
        experiment.Experiment, "run", lambda *_: np.random.default_rng(0).random((3, 3, 2))
    )
    page = Path(__file__).parents[2] / "docs" / "compare.md"
    (code,) = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M)
    exec(compile(code, str(page), "exec"), {"source": SOURCE})
    assert Path("compare.svg").is_file()


def ramps(turned: bool, seed: int) -> dict[str, np.ndarray]:
    """Ramps of brightness: digit 0 rises to the left, digit 1 to the upper right; or their mirror
    images, of which that of 0 is more like 1 than like 0."""
    rng = np.random.default_rng(seed)
    digit = rng.integers(0, 2, 24)
    angle = np.deg2rad(np.where(digit == 0, 180, 60) + rng.normal(0, 8, 24))[:, None, None]
    y, x = np.mgrid[-8:8, -8:8]
    ramp = 8 * (np.cos(angle) * x * (-1 if turned else 1) - np.sin(angle) * y)
    image = 128 + ramp + rng.normal(0, 10, (24, 16, 16))
    return {"image": image.clip(0, 255).astype(np.uint8)[..., None], "digit": digit}


@by_night
def test_flips_help_where_the_other_fold_holds_mirror_images():
    spec = ma.load_spec("mnist")
    both = [ramps(turned, seed) for seed, turned in enumerate((False, True))]
    arrays = {name: np.concatenate([one[name] for one in both]) for name in ("image", "digit")}
    source = ma.open_source(arrays, spec)
    settings = SMALL | {"folds": 2, "seeds": 3, "steps": 80, "groups": np.arange(48) // 24}
    found = compare(source, {"flips": ma.Pipeline([ma.Flip("x")], spec)}, **settings)
    assert found.scores[1].mean() > 0.95
    assert found.scores[0].mean() < 0.75


@by_night
@pytest.mark.parametrize("seed", range(3))
def test_the_same_pipeline_drawn_by_other_numbers_is_within_the_noise(seed):
    # A change of nothing, so that what stands behind it draws other numbers.
    one = pipeline(ma.Flip("x"), ma.Rotate(20), ma.Brightness(0.2))
    other = pipeline(ma.Brightness((0, 0)), *one.transforms)
    found = compare(SOURCE, {"one": one, "other": other}, baseline="one", seed=seed, **SMALL)
    assert not np.array_equal(found.scores[0], found.scores[1])
    assert found.differences["other"].is_noise
