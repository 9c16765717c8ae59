"""Rows of "Stores and other files" about files of other libraries; tests/store has the rest."""

import numpy as np
import pytest
import tifffile

import multiaug as ma
from multiaug.errors import MultiaugWarning, ParameterError, RecordError, StoreError
from tests.store import foreign, test_annotated
from tests.store.foreign import GREY, LABEL, MASK, RGB, H, W, images, masks, spec_of

IMAGE, BOTH = spec_of(image=RGB), spec_of(image=RGB, mask=MASK)


@pytest.mark.row("data that two kinds of source recognise")
def test_two_kinds(tmp_path):
    foreign.tar_of(tmp_path / "a.tar", ("a.png", foreign.png(images()[0])))
    foreign.hdf5(tmp_path / "b.h5", image=images())
    (tmp_path / "c.png").write_bytes(foreign.png(images()[0]))
    with pytest.raises(StoreError, match=r"as folders of images and as tar shards.*kind='images'"):
        ma.open_source(tmp_path, IMAGE)
    assert len(ma.open_source(tmp_path, IMAGE, kind="images")) == 1


@pytest.mark.row("HDF5")
def test_hdf5(tmp_path):
    import h5py

    path = foreign.hdf5(tmp_path / "a.h5", **{"train/image": images(), "test/image": images(1)})
    with pytest.raises(ParameterError, match=r"several datasets are called 'image'"):
        ma.open_source(path, IMAGE)
    with h5py.File(path, "r+") as file:
        file["test/image"].attrs["add_offset"] = 3
    with pytest.warns(MultiaugWarning, match=r"open_source\(xarray.open_dataset\(path\), spec\)"):
        ma.open_source(path, IMAGE, datasets={"image": "/test/image"})


@pytest.mark.row("one TIFF file of several pages")
def test_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", masks(), photometric="minisblack")
    spec = spec_of(mask=MASK)
    with pytest.raises(ParameterError, match=r"10 pages of uint8.*nothing says what they are"):
        ma.open_source(tmp_path / "a.tif", spec)
    assert len(ma.open_source(tmp_path / "a.tif", spec, pages="records")) == 10


@pytest.mark.row("a GeoTIFF by itself, or one for each entry")
def test_geotiff(tmp_path):
    bands = np.moveaxis(images(channels=4)[0], -1, 0)
    names = ("blue", "green", "red", "nir")
    path = foreign.geotiff(tmp_path / "a.tif", bands, names=names, nodata="0")
    spec = spec_of(image={**RGB, "channels": ["red", "nir"]})
    source = ma.open_source(path, spec)
    np.testing.assert_array_equal(source.read([0])["image"][0], np.moveaxis(bands[2:], 0, -1))
    assert source.spec.entries["image"].groups[0].invalid == 0
    assert source.georeference["image"].bands == names
    mask = foreign.geotiff(tmp_path / "m.tif", bands[:1], left=0.0)
    both = spec_of(image={**RGB, "channels": ["red", "nir"]}, mask=MASK)
    with pytest.raises(RecordError, match="they do not lie on each other"):
        ma.open_source({"image": path, "mask": mask}, both)


@pytest.mark.row("datasets of xarray, NetCDF")
def test_xarray(capsys):
    import xarray

    array = xarray.DataArray(np.moveaxis(images(), 0, -1), dims=("y", "x", "band", "time"))
    source = ma.open_source(array, IMAGE)
    np.testing.assert_array_equal(source.read([4])["image"], images()[[4]])
    assert "('y', 'x', 'band', 'time') -> ('time', 'y', 'x', 'band')" in capsys.readouterr().err
    with pytest.raises(ParameterError, match="which are rows and columns is not known"):
        ma.open_source(array.rename(y="a"), IMAGE)


@pytest.mark.row("tar shards")
def test_tar(tmp_path, capsys):
    members = [("1.png", foreign.png(images()[0])), ("1.mask.png", foreign.png(masks()[0]))]
    path = foreign.tar_of(tmp_path / "a.tar", *members, ("1.cls", b"2"))
    (record,) = ma.open_source(path, spec_of(image=RGB, mask=MASK, label=LABEL))
    np.testing.assert_array_equal(record["mask"], masks()[0])
    assert "png -> image, cls -> label" in capsys.readouterr().err
    with pytest.raises(RecordError, match="what the field 'cls' is was not understood"):
        list(ma.open_source(path, BOTH))
    assert len(list(ma.open_source(path, IMAGE, fields={"image": "png"}))) == 1


@pytest.mark.row("Parquet with images")
def test_parquet(tmp_path, capsys):
    path = foreign.parquet(tmp_path / "a.parquet")
    source = ma.open_source(path, BOTH)
    np.testing.assert_array_equal(next(iter(source))["image"], images()[0])
    assert "img -> image" in capsys.readouterr().err


@pytest.mark.row("a `.ply` cloud without a grid, as Open3D writes it")
def test_ply(tmp_path):
    path = foreign.open3d_ply(tmp_path / "a.ply", foreign.points(), images()[0], "ascii")
    spec = spec_of(xyz={"role": "position", "channels": ["x", "y", "z"], "dtype": "float32"})
    with pytest.raises(StoreError, match="the cloud is not organised, so it has no pixels"):
        ma.open_source(path, spec)
    assert ma.open_source(path, spec, shape=(H, W)).structure["xyz"].shape == (H, W, 3)


@pytest.mark.row(
    "images with boxes: a COCO file, `Annotations/*.xml` of VOC, `labels/*.txt` of YOLO"
)
def test_boxes(tmp_path, capsys):
    test_annotated.coco(tmp_path / "data")
    source = ma.open_source(tmp_path / "data", test_annotated.spec())
    np.testing.assert_allclose(source.read([2])["boxes"], test_annotated.EXPECTED[[2]], atol=1e-5)
    assert "instances_train2017.json -> boxes" in capsys.readouterr().err
    with pytest.raises(ParameterError, match='need one entry of role boxes with a "capacity"'):
        ma.open_source(tmp_path / "data", spec_of(image=RGB, boxes={"role": "boxes"}))


@pytest.mark.row("one array (N, H, W, C), or a list of images")
def test_frames():
    assert len(ma.open_source(images(), IMAGE)) == 10
    assert len(ma.open_source(list(masks()), spec_of(image={**GREY, "dtype": "uint8"}))) == 10
    with pytest.raises(ParameterError, match="one array cannot hold the entries"):
        ma.open_source(images(), BOTH)
    with pytest.raises(RecordError, match=r"record 1: 'image' is uint8 \(4, 8, 3\)"):
        ma.open_source([images()[0], images()[0][:4]], IMAGE)
