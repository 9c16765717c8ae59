"""FilterBoxes: what goes, what stays in its row, and what belongs to both."""

import jax
import numpy as np
import pytest

import multiaug as ma
from multiaug import ParameterError

KEYS = jax.random.split(jax.random.key(0), 2)


def spec_of(convention="edges", **labels):
    boxes = {"role": "boxes", "dtype": "float32", "box_convention": convention, "capacity": 5}
    of = {"role": "scalar", "of": "boxes", "capacity": 5}
    entries = {"image": {"role": "intensity", "dtype": "uint8", "channels": 1}, "boxes": boxes}
    entries |= {name: {**of, "dtype": dtype} for name, dtype in labels.items()}
    return ma.DataSpec.from_dict({"name": "boxes", "entries": entries})


EDGES = np.array(
    [[0, 0, 20, 20], [14, 2, 18, 6], [2, 2, 17, 3], [17, 0, 30, 9], [np.nan] * 4], np.float32
)
IN = {
    "edges": EDGES,
    "coco": np.concatenate([EDGES[:, :2], EDGES[:, 2:] - EDGES[:, :2]], 1),
    "pascal": EDGES + np.float32([0, 0, -1, -1]),
}
# Of the crop's 16 columns the second box shows two, and the last one nothing.
STAYS = [True, False, False, False, False]


@pytest.mark.parametrize("convention", IN)
def test_small_and_hidden_boxes_go_with_their_labels(convention):
    spec = spec_of(convention, classes="int32", flags="uint8", scores="float32")
    record = {
        "image": np.zeros((2, 32, 32, 1), np.uint8),
        "boxes": np.repeat(IN[convention][None], 2, 0),
        "classes": np.tile(np.arange(5, dtype=np.int32), (2, 1)),
        "flags": np.tile(np.arange(5, dtype=np.uint8), (2, 1)),
        "scores": np.tile(np.linspace(0, 1, 5, dtype=np.float32), (2, 1)),
    }
    names = ["classes", "flags", "scores"]
    filters = ma.FilterBoxes("boxes", names, min_size=2, min_area=9, min_visible=0.6)
    pipeline = ma.Pipeline([ma.Crop(box=(0, 0, 16, 32)), filters], spec)
    assert pipeline.to_dict() == ma.Pipeline.from_dict(pipeline.to_dict()).to_dict()
    bare = ma.Pipeline([ma.Crop(box=(0, 0, 16, 32))], spec).batch(KEYS, record)
    traced = [jax.jit(pipeline.batch)] if convention == "edges" else []
    for run in (pipeline.batch, *traced):
        out = {name: np.asarray(array) for name, array in run(KEYS, record).items()}
        assert out["boxes_valid"].tolist() == [STAYS] * 2
        for name, none in (("boxes", np.nan), ("classes", -1), ("flags", 255), ("scores", np.nan)):
            before = np.asarray(bare[name])
            assert out[name].dtype == before.dtype
            np.testing.assert_array_equal(out[name][:, 0], before[:, 0])
            np.testing.assert_array_equal(out[name][:, 1:], np.full_like(before[:, 1:], none))
        assert (out["boxes_visible"][:, 1:] == 0).all()
        assert (out["boxes_visible"][:, 0] == np.asarray(bare["boxes_visible"])[:, 0]).all()


def test_each_limit_by_itself():
    record = {"image": np.zeros((1, 32, 32, 1), np.uint8), "boxes": EDGES[None]}
    for settings, expected in (
        ({"min_size": 0}, [0, 1, 2, 3]),
        ({}, [0, 1, 2, 3]),
        ({"min_size": 3}, [0, 1, 3]),
        ({"min_area": 100}, [0, 3]),
        ({"min_area": 401}, []),
    ):
        pipeline = ma.Pipeline([ma.FilterBoxes(**settings)], spec_of())
        out = np.asarray(pipeline.batch(KEYS[:1], record)["boxes"])[0]
        assert np.flatnonzero(np.isfinite(out).all(-1)).tolist() == expected, settings


def test_refused():
    spec = spec_of(classes="int32")
    for transform, words in (
        (ma.FilterBoxes(), r"labels` must name all that describes .*\['classes'\]"),
        (ma.FilterBoxes(labels="scores"), "must name scalars of the boxes 'boxes', got 'scores'"),
        (ma.FilterBoxes("image"), "entry` must name a table of boxes, got 'image', one with role"),
        (ma.FilterBoxes("bboxes"), "got 'bboxes', no such entry"),
    ):
        with pytest.raises(ParameterError, match=words):
            ma.Pipeline([transform], spec).sample(KEYS[0], (8, 8))
    for settings in ({"min_visible": 1.1}, {"min_size": -1}, {"min_area": np.nan}):
        with pytest.raises(ParameterError, match=r"`FilterBoxes\.min_"):
            ma.FilterBoxes(**settings)
