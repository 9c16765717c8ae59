"""Entries with frames through sources, stores, loaders, statistics and previews."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import ParameterError, RecordError, StoreError
from multiaug.preview import record_limits, render_record
from multiaug.store import Contents, Structure, open_writer
from multiaug.testing import make_record

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
ROOT = Path(__file__).resolve().parents[2]
FRAMES = 3
SPEC = ma.DataSpec.from_dict(
    {
        "name": "clips",
        "entries": {
            "clip": {"role": "intensity", "dtype": "uint8", "channels": 3, "time": True},
            "heat": {
                "role": "intensity",
                "dtype": "float32",
                "channels": 1,
                "time": FRAMES,
                "invalid": "nan",
            },
            "boxes": {"role": "boxes", "dtype": "float32"},
            "class": {"role": "scalar", "dtype": "int64"},
        },
    }
)
RANDOM = np.random.default_rng(0)
ARRAYS = {
    "clip": RANDOM.integers(0, 256, (7, 5, 12, 16, 3), np.uint8),
    "heat": RANDOM.random((7, FRAMES, 12, 16), np.float32),
    "boxes": np.full((7, 2, 4), (2, 2, 9, 8), np.float32),
    "class": np.arange(7),
}
ARRAYS["heat"][:, 1, 3, 4] = np.nan


@pytest.fixture(scope="module")
def example():
    """What the example of the documentation defines, once it has run."""
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    section = text.split("\n## Frames\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict = {}
    exec(code, names)
    return SimpleNamespace(**names)


def test_an_export_is_read_back_with_its_frames(example, tmp_path):
    ma.export(example.source, example.pipeline, tmp_path / "out.zarr", seed=3)
    stored = ma.open_source(tmp_path / "out.zarr")
    assert [e.time for e in stored.spec.entries.values()] == ["any", "any", None]
    records = example.source.read(np.arange(10))
    expected = example.pipeline.batch(ma.record_keys(3, 0, np.arange(10)), records)
    found = stored.read(np.arange(10))
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert found["clip"].shape == (10, 6, 24, 32, 3)
    loader = ma.Loader(stored, None, batch_size=4, seed=0, memory="1GB")
    for batch in loader:
        for place, index in enumerate(np.asarray(batch["index"])):
            np.testing.assert_array_equal(batch["clip"][place], found["clip"][index])


def test_stores_name_their_axes(tmp_path):
    structure = {n: Structure(a.shape[1:], a.dtype) for n, a in ARRAYS.items()}
    structure["heat_valid"] = Structure((FRAMES, 12, 16), np.dtype(bool))
    store = zarr.storage.MemoryStore()
    with open_writer(store, Contents(SPEC, structure, 7, 1, 7)) as writer:
        writer.begin(overwrite=False)
    axes = {n: a.metadata.dimension_names for n, a in zarr.open_group(store).arrays()}
    assert axes["clip"] == ("record", "clip_time", "clip_y", "clip_x", "clip_channel")
    assert axes["heat_valid"] == ("record", "heat_valid_time", "heat_valid_y", "heat_valid_x")


def test_a_loader_gives_what_a_batch_of_the_same_keys_gives(example):
    loader = ma.Loader(example.source, example.pipeline, batch_size=10, seed=1, memory="1GB")
    (batch,) = loader
    index = np.asarray(batch["index"])
    records = example.source.read(index)
    expected = example.pipeline.batch(ma.record_keys(1, 0, index), records)
    for name, array in expected.items():
        np.testing.assert_array_equal(batch[name], array, err_msg=name)


def test_axes_of_stores_are_known_by_their_names(tmp_path):
    group = zarr.open_group(tmp_path / "in.zarr", mode="w")
    for name, order in (("clip", "tyxc"), ("heat", "ytx")):
        array = ARRAYS[name] if name == "clip" else ARRAYS[name].swapaxes(1, 2)
        group.create_array(name, data=array, dimension_names=("record", *order))
    only = ma.DataSpec("clips", [e for e in SPEC.entries.values() if e.name in ("clip", "heat")])
    with pytest.raises(RecordError, match=r"'heat' are .*expected records, frames, rows"):
        ma.open_source(tmp_path / "in.zarr", only)
    clips = ma.DataSpec("clips", [SPEC.entries["clip"]])
    assert ma.open_source(tmp_path / "in.zarr", clips).structure["clip"].shape == (5, 12, 16, 3)


def test_npy_files_may_have_channels_before_rows(tmp_path):
    np.save(tmp_path / "clip.npy", np.moveaxis(ARRAYS["clip"], -1, 2))
    clips = ma.DataSpec("clips", [SPEC.entries["clip"]])
    found = ma.open_source(tmp_path, clips, channels="first").read([2])["clip"]
    np.testing.assert_array_equal(found[0], ARRAYS["clip"][2])
    with pytest.raises(RecordError, match=r"\(N, T, C, H, W\).*moveaxis\(array, 2, -1\)"):
        ma.open_source(tmp_path, clips)


def test_places_for_one_image_of_a_record_refuse_frames(tmp_path):
    images = pytest.importorskip("PIL.Image")
    images.fromarray(ARRAYS["clip"][0, 0]).save(tmp_path / "a.png")
    clips = ma.DataSpec("clips", [SPEC.entries["clip"]])
    with pytest.raises(StoreError, match=r"'clip' has frames .* a folder of pictures holds one"):
        ma.open_source(tmp_path, clips)
    with pytest.raises(ParameterError, match=r"`write_ome` writes single images, got .* 'clip'"):
        ma.write_ome(ma.open_source(ARRAYS, SPEC), tmp_path / "x.ome.zarr")


def test_moments_are_those_of_all_frames():
    source = ma.open_source(ARRAYS, SPEC)
    stats = ma.fit(source, ma.Moments())
    clip, heat = stats["clip"].moments, stats["heat"].moments
    assert clip.statistic.by_channel
    np.testing.assert_allclose(clip.channel_mean(), ARRAYS["clip"].mean((0, 1, 2, 3)))
    np.testing.assert_allclose(heat.channel_mean(), [np.nanmean(ARRAYS["heat"])], rtol=1e-6)
    with pytest.raises(ParameterError, match=r"of the frames of 'clip', got ZCA.*entries=\[..\]"):
        ma.fit(source, ma.ZCA())
    with pytest.raises(ParameterError, match="of the frames of 'clip'"):
        ma.fit(source, ma.Moments(per="pixel"))
    done = ma.Pipeline([ma.Standardize(stats, epsilon=0)], SPEC).batch(
        jax.random.split(jax.random.key(0), 7), ARRAYS
    )
    mean, std = ARRAYS["clip"].mean((0, 1, 2, 3)), ARRAYS["clip"].std((0, 1, 2, 3))
    np.testing.assert_allclose(done["clip"], (ARRAYS["clip"] - mean) / std, atol=1e-4)


@pytest.mark.skipif(not NIGHTLY, reason="compiling takes a second")
def test_frames_are_whitened_one_by_one():
    only = ma.DataSpec("clips", [SPEC.entries["clip"]])
    small = {"clip": np.ascontiguousarray(ARRAYS["clip"][:, :, :4, :4])}
    images = {"clip": small["clip"].reshape(-1, 4, 4, 3)}
    stats = ma.fit(ma.open_source(images, only.of_images()), ma.ZCA())
    keys = jax.random.split(jax.random.key(0), 35)
    whiten = ma.Pipeline([ma.Whiten(stats)], only)
    expected = ma.Pipeline([ma.Whiten(stats)], only.of_images()).batch(keys, images)["clip"]
    found = whiten.batch(keys[:7], small)["clip"]
    np.testing.assert_allclose(found, np.asarray(expected).reshape(found.shape), atol=1e-5)
    params = whiten.sample(keys[:7], (4, 4))
    back = whiten.invert(params, {"clip": found})["clip"]
    assert back.shape == small["clip"].shape


def test_previews_show_the_first_and_the_last_frame(example):
    record = {n: a[0] for n, a in ARRAYS.items()}
    panels = render_record(SPEC, record)
    assert list(panels) == ["clip[0]", "clip[4]", "heat[0]", "heat[2]"]
    np.testing.assert_array_equal(panels["clip[4]"], ARRAYS["clip"][0, 4])
    limits = record_limits(SPEC, record)
    assert limits["heat[0]"] == limits["heat[2]"]
    sheet = ma.preview.show(example.source, example.pipeline, indices=[0, 1])
    assert sheet.dtype == np.uint8


def test_clouds_are_inspected_and_projected_frame_by_frame():
    spec = ma.DataSpec.from_dict(
        {
            "name": "clouds",
            "entries": {
                "xyz": {"role": "position", "dtype": "float32", "time": True},
                "intrinsics": {"role": "intrinsics", "dtype": "float32"},
            },
        }
    )
    batch = make_record(spec, (12, 16), 0, batch=2, content="smooth")
    errors = ma.reprojection_error(spec, batch)["xyz"]
    assert errors.shape == batch["xyz"].shape[:-1]
    assert np.nanmax(errors) < 1e-3
    alone = ma.reprojection_error(spec, {n: a[1] for n, a in batch.items()})["xyz"]
    np.testing.assert_array_equal(alone, errors[1])
    batch["xyz"] = batch["xyz"] * np.float32([1, -1, -1])
    with pytest.raises(RecordError, match=r"opengl|behind the camera"):
        ma.Pipeline([ma.Flip("x")], spec).batch(jax.random.split(jax.random.key(0), 2), batch)
