"""`Pipeline.explain`: who does what to an entry, and why."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.errors import ParameterError
from multiaug.transforms import Photometric, static, transform

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled"),
]
SPEC = ma.DataSpec.from_dict(
    {
        "name": "explained",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8", "ignore": 255, "mirror_pairs": [[1, 2]]},
            "depth": {"role": "depth", "dtype": "float32"},
            "normals": {"role": "direction", "dtype": "float32"},
            "flow": {"role": "flow", "dtype": "float32"},
            "intrinsics": {"role": "intrinsics", "dtype": "float32"},
        },
    }
)


@transform
class Vignette(Photometric):
    """Darker at the bottom: no operation says that."""

    entries: tuple[str, ...] | None = static()

    def sample(self, key, frame):
        """Nothing is drawn."""
        return {}

    def apply(self, params, values, target):
        """Darker from row to row."""
        return values - jnp.arange(values.shape[0], dtype=jnp.float32).reshape(-1, 1, 1)


def test_native_code_does_all_of_a_rich_record():
    found = ma.Pipeline([ma.Rotate(30), ma.Flip("x"), ma.Brightness(0.1)], SPEC).explain((32, 48))
    images = {e.entry: e for e in found.entries if e.resampled != "plan"}
    assert set(images) == {"image", "mask", "depth", "normals", "flow"}
    assert {e.resampled for e in images.values()} == {"native"}
    assert {e.reason for e in found.entries} == {""}
    assert images["image"].values == "native"
    assert images["image"].bytes_read == 32 * 48 * 3
    assert found.resamples == dict.fromkeys(images, 1)


def test_a_transform_of_ones_own_is_named_and_takes_no_other_entry_with_it():
    found = ma.Pipeline([ma.Rotate(30), Vignette()], SPEC).explain((32, 48))
    image = next(e for e in found.entries if e.entry == "image")
    assert (image.resampled, image.values) == ("native", "xla")
    assert "`Vignette` computes values in Python" in image.reason
    assert {e.reason for e in found.entries if e.entry != "image"} == {""}
    assert "because `Vignette`" in str(found)


def test_an_entry_that_native_code_refuses_is_alone():
    pairs = {"role": "probability", "dtype": "float32", "channels": 3, "mirror_pairs": [[0, 1]]}
    entries = {**SPEC.to_dict()["entries"], "shares": pairs}
    spec = ma.DataSpec.from_dict({"name": "shares", "entries": entries})
    found = ma.Pipeline([ma.Rotate(30)], spec).explain((32, 48))
    assert [e.entry for e in found.entries if e.resampled == "xla"] == ["shares"]
    assert "its role computes in Python, and has no native rules" in str(found)


def test_splines_validity_and_displaced_vectors_are_native():
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 3, "interpolation": "spline3"},
        "holes": {
            "role": "intensity",
            "dtype": "float32",
            "channels": 1,
            "invalid": "nan",
            "validity": True,
        },
        "flow": {"role": "flow", "dtype": "float32"},
        "angle": {"role": "orientation", "dtype": "float32"},
        "crowd": {"role": "density", "dtype": "float32", "channels": 1},
    }
    spec = ma.DataSpec.from_dict({"name": "displaced", "entries": entries})
    found = ma.Pipeline([ma.Elastic(0.02), ma.Perspective(0.1)], spec).explain((32, 48))
    assert {e.reason for e in found.entries} == {""}


def test_stages_and_resamples():
    transforms = [ma.Rotate(30), ma.Contrast(0.2), ma.Scale((0.5, 1)), ma.Erase()]
    entries = {n: e for n, e in SPEC.to_dict()["entries"].items() if n in {"image", "mask"}}
    spec = ma.DataSpec.from_dict({"name": "stages", "entries": entries})
    found = ma.Pipeline(transforms, spec).explain((32, 48))
    assert [stage.kind for stage in found.stages] == ["warp", "warp", "occlude"]
    assert found.resamples == {"image": 2, "mask": 2}
    assert json.loads(json.dumps(found.to_dict()))["resamples"] == {"image": 2, "mask": 2}


def test_what_the_spec_leaves_open_is_asked_for():
    spec = ma.load_spec("rgb-segmentation")
    pipeline = ma.Pipeline([ma.Rotate(30)], spec)
    like = {"image": np.zeros((8, 8, 3), np.uint8), "mask": np.zeros((8, 8), np.uint8)}
    assert pipeline.explain((8, 8), like=like).resamples == {"image": 1, "mask": 1}
    with pytest.raises(ParameterError, match="shape"):
        pipeline.explain((0, 8), like=like)


@pytest.mark.parametrize("name", ma.shipped_specs())
def test_every_shipped_spec_is_explained(name):
    spec = ma.load_spec(name)
    found = ma.Pipeline([ma.Flip("x")], spec).explain((16, 24))
    images = {n for n, e in spec.entries.items() if e.kind == "spatial" and not e.optional}
    assert set(found.resamples) == images


def test_scalars_and_tables_are_blank_without_a_record():
    entries = {
        "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
        "boxes": {"role": "boxes", "dtype": "float32", "capacity": 4},
        "classes": {"role": "scalar", "dtype": "int64", "of": "boxes"},
        "label": {"role": "scalar", "dtype": "int32"},
        "weight": {"role": "scalar"},
    }
    spec = ma.DataSpec.from_dict({"name": "scalars", "entries": entries})
    transforms = [ma.Flip("x"), ma.FilterBoxes(labels="classes"), ma.OneHot("label", 3)]
    pipeline = ma.Pipeline(transforms, spec)
    found = pipeline.explain((16, 24))
    assert found.resamples == {"image": 1}
    assert [stage.kind for stage in found.stages] == ["warp", "derive", "derive"]
    assert any(e.entry == "boxes" for e in found.entries)
    pipeline.warmup((16, 24))
    open_rows = {**entries, "boxes": {"role": "boxes", "dtype": "float32"}}
    pipeline = ma.Pipeline([], ma.DataSpec.from_dict({"name": "open", "entries": open_rows}))
    with pytest.raises(ParameterError, match=r"`explain` must know the number of rows .* 'boxes'"):
        pipeline.explain((16, 24))
