"""What `print` shows of pipelines and specs can be pasted, and is short."""

import numpy as np
import pytest

import multiaug as ma

OWN = ma.DataSpec.from_dict(
    {
        "name": "robot",
        "camera": {"fov_degrees": 70},
        "entries": {
            "image": {"role": "intensity", "channels": 3, "range": [0, 255], "dtype": "float32"},
            "xyz": {"role": "position", "invalid": 0, "max_jump": 0.1},
            "rgbd": {
                "channels": [
                    {"role": "intensity", "channels": ["r", "g", "b"]},
                    {"role": "depth", "invalid": 0},
                ]
            },
            "mask": {"role": "label", "ignore": 255, "optional": True},
        },
    }
)
TRANSFORMS = [
    ma.Rotate(30, p=0.5),
    ma.Flip("x"),
    ma.Affine([[1, 0, 5], [0, 1, 0]]),
    ma.OneOf([ma.Brightness(0.3), ma.Gamma(1.2, p=0.3)]),
    ma.Crop(4),
]


@pytest.mark.parametrize("name", ma.shipped_specs())
def test_shipped_specs_by_name(name):
    assert repr(ma.load_spec(name)) == f"load_spec({name!r})"


def test_own_specs_as_a_short_document():
    text = repr(OWN)
    assert eval(text, vars(ma)) == OWN
    assert len(text) < 600
    assert "border" not in text


def test_a_shipped_name_for_something_else():
    other = ma.DataSpec("rgbd", [ma.EntrySpec.of_role("image", "intensity", channels=3)])
    assert eval(repr(other), vars(ma)) == other


@pytest.mark.parametrize("spec", [OWN, ma.load_spec("rgb-segmentation")], ids=["own", "shipped"])
def test_pipelines(spec):
    pipeline = ma.Pipeline(TRANSFORMS, spec)
    again = eval(repr(pipeline), vars(ma))
    assert again.to_dict() == pipeline.to_dict()
    assert "Flip()" in repr(pipeline)


def test_nothing_in_a_pipeline():
    assert repr(ma.Pipeline([], ma.load_spec("rgbd"))) == (
        "Pipeline(\n    [],\n    load_spec('rgbd'),\n)"
    )


def test_statistics_that_are_saved(tmp_path):
    source = ma.open_source(
        {"image": np.random.default_rng(0).integers(0, 256, (9, 2, 2, 3), np.uint8)},
        ma.load_spec("rgb-segmentation"),
    )
    stats = ma.fit(source, ma.Moments(), progress=False)
    stats.save(tmp_path / "stats.zarr")
    stats = ma.load_statistics(tmp_path / "stats.zarr")
    standardize = ma.Standardize(stats)
    assert eval(repr(standardize), vars(ma)) == standardize


def test_long_containers_are_broken_into_lines_that_still_make_them():
    inner = ma.OneOf([ma.Scale((0.8, 1.25)), ma.Translate(0.1), ma.Perspective(0.125, p=0.25)])
    pipeline = ma.Pipeline([ma.Maybe([inner, ma.Flip("y")], p=0.25)], ma.load_spec("rgbd"))
    text = repr(pipeline)
    assert max(map(len, text.splitlines())) <= 88
    assert eval(text, vars(ma)).to_dict() == pipeline.to_dict()
    assert ma.Flip("y").as_python() == repr(ma.Flip("y"))
