import json
import pickle

import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import MissingChunkError, ParameterError, RecordError, StoreError
from multiaug.store import OmeSource

SPEC = ma.load_spec("rgb-segmentation")


def arrays(count=5, height=75, width=66):
    image = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    return {"image": image, "mask": image[..., 0] // 64}


@pytest.fixture(params=["0.4", "0.5"])
def version(request):
    return request.param


@pytest.fixture
def written(tmp_path, version):
    source = ma.open_source(arrays(), SPEC)
    return ma.write_ome(source, tmp_path / "look.ome.zarr", levels=3, version=version)


def test_records_come_back(written, version):
    source = ma.open_source(written)
    assert isinstance(source, OmeSource)
    assert len(source) == 5
    found = source.read([4, 0, 0])
    for name, values in arrays().items():
        np.testing.assert_array_equal(found[name], values[[4, 0, 0]])
    assert zarr.open_group(written).metadata.zarr_format == (2 if version == "0.4" else 3)
    source.check(deep=True)
    loader = ma.Loader(source, ma.Pipeline([ma.Flip("x", p=0)], SPEC), batch_size=2)
    seen = {int(i): m for b in loader for i, m in zip(b["index"], b["mask"], strict=True)}
    assert all(np.array_equal(seen[i], arrays()["mask"][i]) for i in range(5))
    again = pickle.loads(pickle.dumps(source))
    assert again.fingerprint == source.fingerprint


def test_levels_are_means_of_intensities_and_pixels_of_labels(written):
    values = arrays()
    for level, factor in enumerate((1, 2, 4)):
        found = ma.open_source(written, level=level).read(np.arange(5))
        height, width = 75 // factor, 66 // factor
        cut = values["image"][:, : height * factor, : width * factor]
        tiles = cut.reshape(5, height, factor, width, factor, 3).astype(np.float64)
        np.testing.assert_array_equal(found["image"], np.rint(tiles.mean((2, 4))))
        mask = values["mask"][:, : height * factor : factor, : width * factor : factor]
        np.testing.assert_array_equal(found["mask"], mask)


def test_where_pixels_lie(written, version):
    attributes = dict(zarr.open_group(written).attrs)
    document = attributes["ome"] if version == "0.5" else attributes
    first = document["multiscales"][0]
    assert (document if version == "0.5" else first)["version"] == version
    assert [axis["name"] for axis in first["axes"]] == ["t", "c", "y", "x"]
    # The first pixel of level 2 is the mean of pixels 0 to 3, whose middle is 1.5.
    scale, translation = first["datasets"][2]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [1.0, 1.0, 4.0, 4.0]}
    assert translation == {"type": "translation", "translation": [0.0, 0.0, 1.5, 1.5]}


def test_other_libraries_take_it(written, version):
    models = pytest.importorskip("ome_zarr_models")
    group = zarr.open_group(written, mode="r")
    assert (
        type(models.open_ome_zarr(group)).__module__.split(".")[1] == f"v{version.replace('.', '')}"
    )
    io = pytest.importorskip("ome_zarr.io")
    reader = pytest.importorskip("ome_zarr.reader")
    nodes = {n.metadata.get("name"): n for n in reader.Reader(io.parse_url(str(written)))()}
    assert [level.shape for level in nodes["image"].data] == [
        (5, 3, 75, 66), (5, 3, 37, 33), (5, 3, 18, 16),
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(nodes["mask"].data[0]), arrays()["mask"])


def test_planes_of_a_stack_that_somebody_else_wrote(tmp_path):
    planes = np.random.default_rng(0).integers(0, 2**16, (6, 1, 40, 32), np.uint16)
    group = zarr.open_group(tmp_path / "stack.zarr", mode="w", zarr_format=2)
    group.create_array("scale0", data=planes, chunks=(4, 1, 16, 16))
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": name, "type": "space"} for name in ("z", "c", "y", "x")],
            "datasets": [{"path": "scale0"}],
        }
    ]
    spec = ma.DataSpec.from_dict(
        {"name": "gray", "entries": {"image": {"role": "intensity", "channels": 1}}}
    )
    source = ma.open_source(tmp_path / "stack.zarr", spec)
    np.testing.assert_array_equal(source.read([5, 2])["image"], planes[[5, 2], 0, ..., None])
    blocks = np.concatenate([block["image"] for block in source.scan()])
    np.testing.assert_array_equal(blocks, np.moveaxis(planes, 1, -1))


def test_entries_that_are_no_pictures_and_further_ones(tmp_path):
    spec = ma.load_spec("rgbd")
    draw = np.random.default_rng(0)
    values = {
        "image": draw.integers(0, 256, (3, 32, 32, 3), np.uint8),
        "depth": draw.integers(0, 5000, (3, 32, 32, 1), np.uint16),
        "intrinsics": np.broadcast_to(np.eye(3, dtype=np.float32), (3, 3, 3)),
    }
    values = {name: array for name, array in values.items() if name in spec.entries}
    assert "depth" in values
    path = ma.write_ome(
        ma.open_source(values, spec), tmp_path / "depth.zarr", levels=2, check=False
    )
    found = ma.open_source(path).read([2, 1])
    for name, array in values.items():
        np.testing.assert_array_equal(found[name], array[[2, 1]])
    half = ma.open_source(path, level=1).read([0])
    np.testing.assert_array_equal(half["depth"], values["depth"][:1, ::2, ::2])


def test_chunks_that_are_not_there(written, version):
    key = "0/0/0/0/0" if version == "0.4" else "0/c/0/0/0/0"
    (written / key).unlink()
    source = ma.open_source(written, level=1)
    source.check(deep=True)
    with pytest.raises(MissingChunkError, match="array '0' lacks chunk"):
        ma.open_source(written).read([0])


def change(path, edit):
    """Edit the attributes of a group of either version."""
    group = zarr.open_group(path)
    attributes = json.loads(json.dumps(dict(group.attrs)))
    edit(attributes.get("ome", attributes))
    group.attrs.put(attributes)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda d: d["multiscales"][0].pop("axes"), "cannot be read"),
        (lambda d: d["multiscales"][0]["axes"].pop(), "axes are named, but the array has 4"),
        (lambda d: d["multiscales"][0]["axes"].reverse(), "begin with 'x'"),
        (lambda d: d["multiscales"][0]["datasets"][0].update(path="../x"), "leaves the group"),
        (lambda d: d["multiscales"][0]["datasets"][0].update(path="nothing"), "no picture"),
    ],
)
def test_metadata_that_are_wrong(written, edit, match):
    change(written, edit)
    with pytest.raises(StoreError, match=match):
        ma.open_source(written)


def test_bad_settings(tmp_path, written):
    source = ma.open_source(arrays(), SPEC)
    with pytest.raises(StoreError, match="exists"):
        ma.write_ome(source, written)
    assert len(ma.open_source(ma.write_ome(source, written, overwrite=True))) == 5
    with pytest.raises(ParameterError, match="version"):
        ma.write_ome(source, tmp_path / "other", version="0.3")
    with pytest.raises(ParameterError, match=r"levels` must be from 1 to 7"):
        ma.write_ome(source, tmp_path / "other", levels=8)
    assert not (tmp_path / "other").exists()
    with pytest.raises(StoreError, match="there is no level 7"):
        ma.open_source(written, level=7)
    plain = ma.write_zarr([arrays()], SPEC, tmp_path / "plain.zarr")
    with pytest.raises(ParameterError, match="has no `level`"):
        ma.open_source(plain, level=1)
    gray = ma.DataSpec.from_dict(
        {"name": "gray", "entries": {"image": {"role": "intensity", "channels": 1}}}
    )
    with pytest.raises(RecordError, match="found shape"):
        ma.open_source(written, gray)
