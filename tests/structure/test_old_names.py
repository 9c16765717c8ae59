"""Names of the last release still work, and say what they are now."""

import importlib

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import RenamedWarning
from multiaug.transforms import from_config, to_config

MOVED = [
    ("spec", "RoleFacts", "multiaug.spec", "RoleTraits"),
    ("spec", "ROLE_FACTS", "multiaug.spec", "ROLE_TRAITS"),
    ("roles", "View", "multiaug.roles", "RecordGeometry"),
    ("roles", "PointSite", "multiaug.roles", "PointContext"),
    ("transforms", "Line", "multiaug.transforms", "ScaleShift"),
    ("transforms", "Spread", "multiaug.transforms", "ScaleAboutMean"),
    ("transforms", "Power", "multiaug.transforms", "PowerLaw"),
    ("sampling", "Site", "multiaug.sampling", "SampleContext"),
    ("sampling", "Recolouring", "multiaug.sampling", "PointwiseProgram"),
    ("sampling", "can_recolour", "multiaug.sampling", "can_run_pointwise"),
    ("sampling", "recolour", "multiaug.sampling", "run_pointwise"),
    ("sampling", "written_down", "multiaug.sampling", "materialize_on_gpu"),
    ("store", "write_ome", "multiaug.passes", "write_ome"),
    ("pipeline", "Rows", "multiaug.pipeline", "IndexedBatch"),
    ("pipeline", "tune_malloc", "multiaug.runtime", "tune_malloc"),
    ("pipeline", "keep_freed_memory", "multiaug.runtime", "keep_freed_memory"),
    ("pipeline", "enable_compilation_cache", "multiaug.runtime", "enable_compilation_cache"),
]


def test_materialize_is_export():
    with pytest.warns(RenamedWarning, match="`multiaug.materialize` is `multiaug.export` now"):
        assert ma.materialize is ma.export


def test_arguments_of_export(tmp_path):
    images = np.zeros((4, 3, 3), np.uint8)
    spec = ma.DataSpec("images", [ma.EntrySpec.of_role("image", "intensity", channels=1)])
    for write in (lambda *a, **s: ma.export(a[0], None, *a[1:], **s), ma.convert):
        for old, new, value in (("shard", "shard_bytes", 100), ("shuffle", "shuffle_seed", 3)):
            source = ma.open_source({"image": images}, spec)
            with pytest.warns(RenamedWarning, match=rf"`(export|convert)\({old}=..\)` is .*{new}"):
                write(source, tmp_path / "a", overwrite=True, **{old: value})


@pytest.mark.parametrize("given", [3, 2])
def test_the_old_order_of_write_zarr(tmp_path, given):
    spec = ma.DataSpec("images", [ma.EntrySpec.of_role("image", "intensity", channels=1)])
    old = (tmp_path / "a", [{"image": np.zeros((4, 3, 3), np.uint8)}], spec)
    more = {} if given == 3 else {"spec": spec}
    with pytest.warns(RenamedWarning, match=r"`write_zarr\(batches, spec, dest\)` is the order"):
        ma.write_zarr(*old[:given], **more)
    assert len(ma.open_source(tmp_path / "a")) == 4


def test_rounds_of_a_fit_are_copies(tmp_path):
    spec = ma.DataSpec("images", [ma.EntrySpec.of_role("image", "intensity", channels=1)])
    source = ma.open_source({"image": np.zeros((4, 3, 3), np.uint8)}, spec)
    pipeline = ma.Pipeline([ma.Flip("x")], spec)
    with pytest.warns(RenamedWarning, match=r"`fit\(rounds=..\)` is `fit\(copies=..\)` now"):
        stats = ma.fit(source, ma.Moments(), pipeline=pipeline, rounds=2, progress=False)
    assert stats["image"].moments.n == 8
    stats.info["rounds"] = stats.info.pop("copies")  # as older releases saved it
    stats.save(tmp_path / "stats")
    assert "2 copies of each" in str(ma.load_statistics(tmp_path / "stats"))


@pytest.mark.parametrize(("module", "old", "place", "new"), MOVED)
def test_what_was_renamed_is_found_by_its_old_name(module, old, place, new):
    held = importlib.import_module(f"multiaug.{module}")
    with pytest.warns(RenamedWarning, match=rf"`multiaug.{module}.{old}` is `{place}.{new}` now"):
        found = getattr(held, old)
    assert found is getattr(importlib.import_module(place), new)
    with pytest.raises(AttributeError, match=f"'multiaug.{module}' has no attribute 'Nothing'"):
        held.Nothing  # noqa: B018


def test_the_warning_is_at_the_line_of_the_user():
    with pytest.warns(RenamedWarning) as caught:
        from multiaug.transforms import Line  # noqa: F401
    assert caught[0].filename == __file__


@pytest.fixture(scope="module")
def statistics():
    """Of four small images."""
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 3, 1), dtype=np.uint8)
    spec = ma.DataSpec("images", [ma.EntrySpec.of_role("image", "intensity", channels=1)])
    source = ma.open_source({"image": images[..., 0]}, spec)
    return ma.fit(source, ma.Moments(), ma.ZCA(), progress=False, solver="primal")


def test_centre_is_center(statistics):
    with pytest.warns(RenamedWarning, match=r"`ZCA\(centre=..\)` is `ZCA\(center=..\)` now"):
        request = ma.ZCA(centre="channel")
    assert request == ma.ZCA(center="channel")
    with pytest.warns(RenamedWarning, match=r"`ZCA.centre` is `ZCA.center` now"):
        assert request.centre == "channel"
    with pytest.warns(RenamedWarning, match=r"`Standardize\(centre=..\)` is"):
        transform = ma.Standardize(statistics, centre="pixel")
    assert transform.center == "pixel"
    with pytest.warns(RenamedWarning, match=r"`Whiten.centre` is `Whiten.center` now"):
        assert ma.Whiten(statistics, center="channel").centre == "channel"
    with pytest.warns(RenamedWarning, match=r"spectrum\(centre=..\)` is"):
        assert statistics["image"].spectrum(centre="pixel").centre == "pixel"
    with pytest.raises(TypeError, match="both 'center' and its old name 'centre'"):
        ma.ZCA(center="pixel", centre="pixel")


def test_documents_have_the_name_of_the_last_release(statistics, tmp_path):
    statistics.save(tmp_path / "stats")
    saved = ma.load_statistics(tmp_path / "stats")
    config = to_config(ma.Standardize(saved, center="channel"))
    assert config["centre"] == "channel"
    assert from_config(config).center == "channel"
    config["center"] = config.pop("centre")
    assert from_config(config).center == "channel"
