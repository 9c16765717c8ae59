"""What the page shows is what the pipeline makes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from multiaug.preview._marks import frames_of
from multiaug.studio._controls import config_of, describe_transforms
from multiaug.studio._lifted import Runner
from multiaug.studio._records import Records, StudioError
from multiaug.testing import compilations
from tests.studio.conftest import SPEC, records

NOT_AT_ONCE = {
    "Crop", "FDA", "HistogramMatching", "ModalityDropout", "Standardize", "Whiten",
}  # fmt: skip


@pytest.fixture(scope="module")
def source():
    return ma.open_source(records(), SPEC)


def decoded(image):
    content = base64.b64decode(image["src"].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def batch(transforms, seed):
    """What a pipeline makes of record 0, by the public way."""
    pipeline = ma.Pipeline(transforms, SPEC)
    keys = ma.record_keys(seed, 0, np.zeros(1, np.int64), np.zeros(1, np.int64))
    one = {n: a[:1] for n, a in records().items()}
    return {n: np.asarray(a)[0] for n, a in pipeline.batch(keys, one).items()}


def work(made):
    keys = ma.record_keys(0, 0, np.zeros(1, np.int64), np.zeros(1, np.int64))
    one = {n: a[:1] for n, a in records().items()}
    params = made.sample(keys, (64, 64))
    return {n: np.asarray(a)[0] for n, a in made.apply(params, one, check=False).items()}


def test_settings_as_arguments_make_what_the_pipeline_makes_and_compile_once():
    runner = Runner()

    def turned(degrees, exponent):
        return ma.Pipeline([ma.Rotate(degrees), ma.Gamma(exponent)], SPEC)

    runner.run(turned(10, (0.5, 1)), work)
    with compilations() as counted:
        found = runner.run(turned((40, 60), (1.5, 2)), work)
    assert counted == []
    expected = batch([ma.Rotate((40, 60)), ma.Gamma((1.5, 2))], 0)
    np.testing.assert_array_equal(found["mask"], expected["mask"])
    # Limits are float32 numbers here, and float64 there.
    far = np.abs(found["image"].astype(int) - expected["image"])
    assert far.max() <= 1
    assert (far > 0).mean() < 0.01
    runner.close()


def test_settings_that_python_must_know_are_left_alone():
    runner = Runner()
    for sigma in (1.0, 3.0):
        found = runner.run(ma.Pipeline([ma.GaussianBlur((sigma, sigma))], SPEC), work)
        np.testing.assert_array_equal(
            found["image"], batch([ma.GaussianBlur((sigma, sigma))], 0)["image"]
        )
    runner.close()


def test_a_render_shows_the_record_of_a_loader_with_that_seed(source):
    shown = Records(source, SPEC)
    configs = [config_of(ma.Flip("x", p=0.5)), config_of(ma.Invert())]
    answer = shown.render(configs, index=0, seed=2, draws=3, outlines=False, before=True)
    assert [d["seed"] for d in answer["draws"]] == [2, 3, 4]
    for number, drawn in enumerate(answer["draws"]):
        expected = batch([ma.Flip("x", p=0.5), ma.Invert()], 2 + number)
        image = decoded(drawn["images"]["image"])
        assert np.abs(image.astype(int) - expected["image"]).mean() < 4  # JPEG
        labels = decoded(drawn["images"]["mask"])
        assert ((labels.sum(-1) > 0) == (expected["mask"] > 0)).all()
    flips = [d["drawn"][0] for d in answer["draws"]]
    assert len(flips) == 3
    named = {}
    exec(answer["python"], named)
    assert named["pipeline"].transforms == (ma.Flip("x", p=0.5), ma.Invert())
    shown.close()


def test_values_that_mean_something_else_have_limits_of_their_own(source):
    """Normalised bytes are floats about 0: within the range of before all would be black."""
    shown = Records(source, SPEC)
    configs = [config_of(ma.Normalize((0.5,) * 3, (0.25,) * 3))]
    answer = shown.render(configs, index=0, seed=0, draws=1, outlines=False, before=True)
    before, after = (
        decoded(images["images"]["image"]).astype(float)
        for images in (answer["before"], answer["draws"][0])
    )
    assert abs(before.mean() - after.mean()) < 8
    assert after.std() > 0.8 * before.std()
    shown.close()


def test_outlines_stand_where_labels_change(source):
    shown = Records(source, SPEC)
    plain, outlined = (
        decoded(
            shown.render([], index=0, seed=0, draws=1, outlines=lines, before=True)["before"][
                "images"
            ]["image"]
        ).astype(int)
        for lines in (False, True)
    )
    mask = records()["mask"][0]
    edge = np.zeros(mask.shape, bool)
    edge[:, 1:] = mask[:, 1:] != mask[:, :-1]
    changed = np.abs(plain - outlined).max(-1)
    assert changed[edge].min() > 20
    assert changed[:8].max() < 20
    shown.close()


def test_what_is_wrong_names_the_transform_and_the_setting(source):
    shown = Records(source, SPEC)
    with pytest.raises(StudioError) as refused:
        shown.pipeline([config_of(ma.D4()), {"type": "Rotate", "settings": {"degrees": [5, 1]}}])
    assert (refused.value.place, refused.value.field) == (1, "degrees")
    with pytest.raises(StudioError) as refused:
        shown.render(
            [config_of(ma.D4()), config_of(ma.Gamma(entries="mask"))],
            index=0, seed=0, draws=1, outlines=False, before=False,
        )  # fmt: skip
    assert (refused.value.place, refused.value.field) == (1, "entries")
    shown.close()


def test_every_transform_is_offered_with_controls_within_its_limits():
    described = describe_transforms(SPEC, (64, 64))
    assert {d["name"] for d in described} >= {"Rotate", "OneOf", "Whiten", "MixUp"}
    made = 0
    for one in described:
        for setting in one["settings"]:
            if "span" not in setting:
                continue
            least, most = setting["span"]
            assert least < most, (one["name"], setting)
            assert setting["low"] is None or setting["low"] <= least
            assert setting["high"] is None or most <= setting["high"]
        config = {"type": one["name"], **one["start"]}
        try:
            ma.transforms.from_config(config)
            made += 1
        except ma.MultiaugError:
            assert one["name"] in NOT_AT_ONCE
    assert made == len(described) - len(NOT_AT_ONCE)


def test_boxes_are_drawn_where_their_convention_says():
    for convention, row in {"coco": (2, 3, 4, 5), "pascal": (2, 3, 5, 7)}.items():
        entry = ma.DataSpec.from_dict(
            {
                "name": "b",
                "entries": {
                    "image": {"role": "intensity", "channels": 3},
                    "boxes": {"role": "boxes", "box_convention": convention},
                },
            }
        ).entries["boxes"]
        # Pixels 2 to 5 across and 3 to 7 down, counted from 0, edges between pixels.
        (found,) = frames_of(entry, np.array([row], float))
        np.testing.assert_allclose(found, [1.5, 2.5, 5.5, 7.5])
