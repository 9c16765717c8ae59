"""What each kind of source makes of files that are damaged, odd or not clear."""

import pickle

import numpy as np
import pytest
import tifffile

import multiaug as ma
from multiaug.errors import (
    CorruptChunkError,
    MultiaugError,
    MultiaugWarning,
    ParameterError,
    RecordError,
    StoreError,
)
from multiaug.testing import check_source
from tests.store import foreign
from tests.store.foreign import GREY, LABEL, MASK, RGB, H, W, images, masks, spec_of

IMAGE = spec_of(image=RGB)
BOTH = spec_of(image=RGB, mask=MASK)
FULL = spec_of(image=RGB, mask=MASK, label=LABEL)
XYZ = {"role": "position", "channels": ["x", "y", "z"], "dtype": "float32"}


class TestFrames:
    def test_one_array_for_one_entry(self):
        with pytest.raises(ParameterError, match=r"cannot hold the entries \['image', 'mask'\]"):
            ma.open_source(images(), BOTH)
        optional = spec_of(image=RGB, mask={**MASK, "optional": True})
        assert len(ma.open_source(images(), optional)) == 10

    def test_other_shapes(self):
        with pytest.raises(RecordError, match=r"image is \(H, W, 3\)|found shape \(6, 8, 3\)"):
            ma.open_source(images()[0], IMAGE)
        mixed = [images()[0], images()[0][:4]]
        with pytest.raises(RecordError, match=r"record 1: 'image' is uint8 \(4, 8, 3\), expected"):
            ma.open_source(mixed, IMAGE)
        clip = spec_of(image={**RGB, "time": True})
        assert ma.open_source(images()[np.newaxis], clip).read([0])["image"].shape[1] == 10


class TestHDF5:
    def test_damage(self, tmp_path):
        path = foreign.hdf5(tmp_path / "a.h5", image=images())
        content = path.read_bytes()
        for bad in (content[: len(content) // 2], b"", b"no hdf5"):
            path.write_bytes(bad)
            with pytest.raises(StoreError, match=r"a.h5 cannot be read as HDF5.*copy"):
                ma.open_source(path, IMAGE)

    def test_a_damaged_chunk(self, tmp_path):
        import h5py

        path = foreign.hdf5(tmp_path / "a.h5", image=images())
        with h5py.File(path) as file:
            chunk = file["image"].id.get_chunk_info(1)
        with path.open("r+b") as file:
            file.seek(chunk.byte_offset)
            file.write(b"\0" * chunk.size)
        source = ma.open_source(path, IMAGE)
        np.testing.assert_array_equal(source.read([1])["image"], images()[[1]])
        with pytest.raises(CorruptChunkError, match=r"records 5 to 5 of 'image' cannot be read"):
            source.read([5])

    def test_which_dataset_is_which(self, tmp_path):
        both = {"train/image": images(), "test/image": images(1)}
        path = foreign.hdf5(tmp_path / "a.h5", **both, extra=masks())
        with pytest.raises(ParameterError, match=r"several datasets are called 'image'.*datasets="):
            ma.open_source(path, IMAGE)
        source = ma.open_source(path, IMAGE, datasets={"image": "/test/image"})
        np.testing.assert_array_equal(source.read([3])["image"], images(1)[[3]])
        assert source.ignored == ["extra", "train/image"]
        assert "left alone" in repr(source)
        with pytest.raises(StoreError, match=r"no dataset for 'mask'; found extra uint8"):
            ma.open_source(path, BOTH, datasets={"image": "test/image"})
        with pytest.raises(ParameterError, match=r"the spec has no entry 'picture'"):
            ma.open_source(path, IMAGE, datasets={"picture": "test/image"})

    def test_an_open_file_and_its_groups(self, tmp_path):
        import h5py

        path = foreign.hdf5(tmp_path / "a.h5", **{"train/image": images(), "test/image": images(1)})
        with h5py.File(path) as file:
            source = ma.open_source(file["test"], IMAGE)
        np.testing.assert_array_equal(source.read([3])["image"], images(1)[[3]])
        copy = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(copy.read([3])["image"], images(1)[[3]])

    def test_attributes_are_not_used_and_that_is_said(self, tmp_path):
        import h5py

        path = foreign.hdf5(tmp_path / "a.h5", image=images()[..., 0])
        with h5py.File(path, "r+") as file:
            file["image"].attrs["scale_factor"] = 0.5
            file["image"].attrs["units"] = "K"
        with pytest.warns(MultiaugWarning, match=r"'image' has the attributes \['scale_factor'\]"):
            found = ma.open_source(path, spec_of(image=GREY)).read([0])
        np.testing.assert_array_equal(found["image"], images()[:1, ..., 0])

    def test_lengths_and_dtypes(self, tmp_path):
        path = foreign.hdf5(tmp_path / "a.h5", image=images(), mask=masks(8))
        with pytest.raises(StoreError, match=r"the arrays differ in length: 'image' 10, 'mask' 8"):
            ma.open_source(path, BOTH)
        path = foreign.hdf5(tmp_path / "b.h5", image=images().astype(np.int32))
        with pytest.raises(RecordError, match=r"image: found dtype int32, expected uint8"):
            ma.open_source(path, IMAGE)
        path = foreign.hdf5(tmp_path / "c.h5", image=images()[:, 0, 0, 0].astype("S2")[:, None])
        with pytest.raises(RecordError, match=r"'image' holds \|S2, expected numbers"):
            ma.open_source(path, IMAGE)


class TestTiff:
    def test_what_pages_are_is_asked(self, tmp_path):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, masks(), photometric="minisblack")
        grey = spec_of(image={**GREY, "dtype": "uint8"})
        said = r"a.tif holds 10 pages of uint8 \(6, 8\).*pages='records'.*or pages='channels'"
        with pytest.raises(ParameterError, match=said):
            ma.open_source(path, grey)
        records = ma.open_source(path, grey, pages="records")
        np.testing.assert_array_equal(records.read([7])["image"], masks()[[7]])
        bands = spec_of(image={"role": "intensity", "dtype": "uint8", "channels": 10})
        found = ma.open_source(path, bands, pages="channels").read([0])["image"]
        np.testing.assert_array_equal(found[0], np.moveaxis(masks(), 0, -1))
        with pytest.raises(ParameterError, match=r"must be 'records' or 'channels'"):
            ma.open_source(path, grey, pages="frames")

    def test_a_stack_of_time_and_depth_is_refused(self, tmp_path):
        path = tmp_path / "a.tif"
        values = np.zeros((2, 3, H, W), np.uint8)
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "TZYX"})
        with pytest.raises(RecordError, match=r"the axes TZYX of lengths \(2, 3"):
            ma.open_source(path, spec_of(image=GREY), pages="records")

    def test_a_stack_of_imagej(self, tmp_path):
        """Pages without directories of their own; the channels are named."""
        values = np.moveaxis(images().astype(np.uint16), -1, 1)
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "TCYX"})
        spec = spec_of(image={"role": "intensity", "dtype": "uint16", "channels": 3})
        found = ma.open_source(path, spec, pages="records").read([7, 2])["image"]
        np.testing.assert_array_equal(found, images()[[7, 2]])

    def test_pages_of_several_sizes(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            for side in (6, 8):
                writer.write(np.zeros((side, 8), np.uint8), photometric="minisblack")
        with pytest.raises(RecordError, match=r"holds 2 pictures, of \(6, 8\), \(8, 8\)"):
            ma.open_source(tmp_path / "a.tif", spec_of(image=GREY), pages="records")

    def test_damage(self, tmp_path):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, masks(), photometric="minisblack", compression="zlib")
        content = bytearray(path.read_bytes())
        with tifffile.TiffFile(path) as tiff:
            start = tiff.pages[4].dataoffsets[0]
        content[start : start + 20] = b"\xff" * 20
        path.write_bytes(content)
        grey = spec_of(image={**GREY, "dtype": "uint8"})
        source = ma.open_source(path, grey, pages="records")
        np.testing.assert_array_equal(source.read([3])["image"], masks()[[3]])
        with pytest.raises(CorruptChunkError, match=r"page 4 cannot be decoded"):
            source.read([4])
        tifffile.imwrite(path, masks(), photometric="minisblack")
        with tifffile.TiffFile(path) as tiff:
            start = tiff.series[0].dataoffset
        path.write_bytes(path.read_bytes()[: start + 9 * H * W + 10])  # inside of the last page
        with pytest.raises(CorruptChunkError, match=r"page 9 cannot be decoded.*too early"):
            ma.open_source(path, grey, pages="records").read([9])
        for bad in (b"", b"II*\0", b"no tiff"):
            path.write_bytes(bad)
            with pytest.raises(MultiaugError, match=r"a.tif"):
                ma.open_source(path, grey)

    def test_where_a_geotiff_lies(self, tmp_path):
        bands = np.ones((3, H, W), np.uint8)
        path = foreign.geotiff(tmp_path / "a.tif", bands)
        source = ma.open_source(path, IMAGE)
        place = source.georeference["image"]
        assert place.crs == "EPSG:32633"
        assert place.extent == (500000.0, 4999940.0, 500080.0, 5000000.0)
        np.testing.assert_allclose(place.transform @ (0, 0, 1), (500000, 5000000, 1))
        assert "EPSG:32633" in repr(source)
        mask = foreign.geotiff(tmp_path / "m.tif", bands[:1], left=500030.0)
        with pytest.raises(RecordError, match=r"do not lie on each other.*nothing is resampled"):
            ma.open_source({"image": path, "mask": mask}, BOTH)
        mask = foreign.geotiff(tmp_path / "m.tif", bands[:1])
        assert len(ma.open_source({"image": path, "mask": mask}, BOTH)) == 1

    def test_no_data_becomes_that_of_the_spec(self, tmp_path):
        values = np.arange(H * W, dtype=np.float32).reshape(1, H, W)
        values[0, 2, 3] = -9999
        path = foreign.geotiff(tmp_path / "a.tif", values, nodata="-9999")
        entry = {**GREY, "dtype": "float32", "range": [0, 48]}
        source = ma.open_source(path, spec_of(image=entry))
        assert source.spec.entries["image"].groups[0].invalid == -9999
        assert source.spec.entries["image"].groups[0].fill == "invalid"
        np.testing.assert_array_equal(source.read([0])["image"], values)
        check_source(source)
        source = ma.open_source(path, spec_of(image={**entry, "invalid": "nan"}))
        expected = np.where(values == -9999, np.nan, values)
        np.testing.assert_array_equal(source.read([0])["image"], expected)
        out = ma.convert(source, tmp_path / "a.zarr", progress=False)
        np.testing.assert_array_equal(ma.open_source(out).read([0])["image"], expected)

    def test_no_data_of_labels(self, tmp_path):
        values = masks(1)
        path = foreign.geotiff(tmp_path / "a.tif", values, nodata="255")
        source = ma.open_source(path, spec_of(mask=MASK))
        assert source.spec.entries["mask"].groups[0].ignore == 255
        path = foreign.geotiff(tmp_path / "b.tif", values, nodata="0")
        assert (
            ma.open_source(path, spec_of(mask=MASK)).spec.entries["mask"].groups[0].ignore is None
        )

    def test_bands(self, tmp_path):
        bands = np.moveaxis(images(channels=4)[0], -1, 0)
        path = foreign.geotiff(tmp_path / "a.tif", bands, names=("blue", "green", "red", "nir"))
        with pytest.raises(RecordError, match=r"4 bands, called \['blue'.*declares 3 channels"):
            ma.open_source(path, IMAGE)
        named = spec_of(image={**RGB, "channels": ["Red", "green", "blue"]})
        found = ma.open_source(path, named).read([0])["image"][0]
        np.testing.assert_array_equal(found, np.moveaxis(bands[[2, 1, 0]], 0, -1))
        other = spec_of(image={**RGB, "channels": ["b2", "b3", "b4", "b8"]})
        with pytest.warns(MultiaugWarning, match=r"calls its bands \['blue'.*in this order"):
            found = ma.open_source(path, other).read([0])["image"][0]
        np.testing.assert_array_equal(found, np.moveaxis(bands, 0, -1))

    def test_what_is_not_used_is_said(self, tmp_path):
        items = '<Item name="SCALE" sample="0" role="scale">0.01</Item>'
        tags = [(42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)]
        grey = spec_of(image={**GREY, "dtype": "uint8"})
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, masks()[0], extratags=tags, metadata=None)
        with pytest.warns(MultiaugWarning, match=r"a scale or an offset .*read as they are stored"):
            ma.open_source(path, grey)
        with tifffile.TiffWriter(path) as writer:
            writer.write(masks()[0], metadata=None)
            writer.write(masks()[1] > 0, subfiletype=4, metadata=None)
        with pytest.warns(MultiaugWarning, match=r"mask of valid pixels inside, which is not read"):
            source = ma.open_source(path, grey)
        np.testing.assert_array_equal(source.read([0])["image"], masks()[:1])


class TestXarray:
    def data(self, **attributes):
        import xarray

        values = (("time", "y", "x"), masks().astype(np.int16), attributes)
        return xarray.Dataset({"image": values, "other": ("time", np.arange(10))})

    def test_attributes_that_are_still_there(self, tmp_path):
        data = self.data(scale_factor=0.5, add_offset=10.0, _FillValue=4)
        entry = {**GREY, "invalid": "nan", "range": [9, 12]}
        source = ma.open_source(data, spec_of(image=entry))
        expected = np.where(masks() == 4, np.nan, masks() * 0.5 + 10).astype(np.float32)
        np.testing.assert_array_equal(source.read(range(10))["image"], expected)
        assert source.ignored == ["other"]
        check_source(source)
        with pytest.raises(RecordError, match=r"holds 4, which the array's attributes"):
            ma.open_source(data, spec_of(image=GREY)).read(range(10))
        assert (
            ma.open_source(self.data(), spec_of(image=GREY)).fingerprint
            != ma.open_source(self.data(_FillValue=99), spec_of(image=GREY)).fingerprint
        )

    def test_another_value_anywhere_is_another_fingerprint(self):
        import xarray

        values = np.zeros((40, 4, 5), np.uint8)
        first = ma.open_source(xarray.DataArray(values, dims=("t", "y", "x")), spec_of(image=GREY))
        before = first.fingerprint
        values = values.copy()
        values[20, 1, 1] = 1
        other = ma.open_source(xarray.DataArray(values, dims=("t", "y", "x")), spec_of(image=GREY))
        assert other.fingerprint != before

    @pytest.mark.parametrize("small", [True, False])
    @pytest.mark.parametrize("kind", ["dask", "netcdf"])
    def test_a_record_in_the_middle(self, tmp_path, monkeypatch, kind, small):
        """Seen wherever it is where all is read; of larger data three neighbours are enough."""
        import xarray

        pytest.importorskip("scipy" if kind == "netcdf" else "dask")
        if not small:  # 64 of 128 records, or 64 pieces of a file
            monkeypatch.setattr("multiaug.store.kinds._xarray._SMALL_BYTES", 0)
            monkeypatch.setattr("multiaug.files._digest._WHOLE", 0)
            monkeypatch.setattr("multiaug.files._digest._PIECES", 64)
            monkeypatch.setattr("multiaug.files._digest._PIECE", 64)

        def fingerprint(changed):
            values = np.zeros((128, 4, 5), np.int16)
            values[changed] = 1
            data = xarray.Dataset({"image": (("t", "y", "x"), values)})
            if kind == "netcdf":
                data.to_netcdf(tmp_path / "a.nc")
                return ma.open_source(tmp_path / "a.nc", spec_of(image=GREY)).fingerprint
            return ma.open_source(data.chunk({"t": 16}), spec_of(image=GREY)).fingerprint

        length = 1 if small else 3 if kind == "dask" else 16
        before = fingerprint(slice(0))
        assert fingerprint(slice(0)) == before
        found = {fingerprint(slice(at, at + length)) for at in (0, 51, 64, 128 - length)}
        assert len(found | {before}) == 5

    def test_dimensions(self, capsys):
        import xarray

        named = xarray.DataArray(images(), dims=("n", "a", "b", "c"), name="image")
        with pytest.raises(ParameterError, match=r"its dimensions are {'n': 10, 'a': 6.*dims="):
            ma.open_source(named, IMAGE)
        source = ma.open_source(named, IMAGE, dims={"height": "a", "width": "b"})
        np.testing.assert_array_equal(source.read([2])["image"], images()[[2]])
        assert not capsys.readouterr().err
        turned = named.rename(a="y", b="x").transpose("c", "n", "x", "y")
        source = ma.open_source(turned, IMAGE)
        np.testing.assert_array_equal(source.read([2])["image"], images()[[2]])
        assert "image('c', 'n', 'x', 'y') -> ('n', 'y', 'x', 'c')" in capsys.readouterr().err
        one = ma.open_source(turned.isel(n=3), IMAGE)
        np.testing.assert_array_equal(one.read([0])["image"], images()[[3]])
        assert "one record" in capsys.readouterr().err
        with pytest.raises(ParameterError, match=r"must name some of .*'channel'.*got 'rows'"):
            ma.open_source(turned, IMAGE, dims={"rows": "y"})
        with pytest.raises(StoreError, match=r"no variable 'mask'.*found \['image'\]"):
            ma.open_source(turned.to_dataset(), BOTH)

    def test_files(self, tmp_path):
        (tmp_path / "a.nc").write_bytes(b"no netcdf")
        with pytest.raises(StoreError, match=r"a.nc cannot be read as NetCDF.*h5netcdf"):
            ma.open_source(tmp_path / "a.nc", IMAGE)


class TestTar:
    def sample(self, number: int = 0, **fields) -> list[tuple[str, bytes]]:
        own = {"png": foreign.png(images()[number])} | fields
        return [(f"{number:03d}.{ext.replace('_', '.')}", data) for ext, data in own.items()]

    def read(self, path, spec=IMAGE, **settings):
        return list(ma.open_source(path, spec, **settings))

    def test_fields(self, tmp_path, capsys):
        extra = {"json": b"{}", "mask_png": foreign.png(masks()[0]), "cls": b"3\n"}
        path = foreign.tar_of(tmp_path / "a.tar", *self.sample(**extra))
        with pytest.raises(RecordError, match=r"000: what the field 'json' is was not understood"):
            self.read(path, FULL)
        fields = {"image": "png", "mask": "mask.png", "label": "cls"}
        (record,) = self.read(path, FULL, fields=fields)
        assert record["label"] == 3
        np.testing.assert_array_equal(record["mask"], masks()[0])
        path = foreign.tar_of(tmp_path / "b.tar", *self.sample(cls=b"3"))
        assert self.read(path, spec_of(image=RGB, label=LABEL))[0]["label"] == 3
        assert "png -> image, cls -> label" in capsys.readouterr().err
        with pytest.raises(RecordError, match=r"label: found nothing"):
            self.read(path, spec_of(image=RGB, label=LABEL), fields={"image": "png"})
        with pytest.raises(ParameterError, match=r"the spec has no entry 'picture'"):
            self.read(path, IMAGE, fields={"picture": "png"})

    def test_arrays_and_tables(self, tmp_path):
        import io

        file = io.BytesIO()
        np.save(file, foreign.points())
        spec = spec_of(
            image=RGB, xyz=XYZ, boxes={"role": "boxes", "dtype": "float32", "capacity": 2}
        )
        fields = {"xyz_npy": file.getvalue(), "boxes_json": b"[[1, 1, 4, 4]]"}
        path = foreign.tar_of(
            tmp_path / "a.tar", *self.sample(**fields),
            *self.sample(1, **(fields | {"boxes_json": b"[]"})),
        )  # fmt: skip
        first, second = self.read(path, spec)
        np.testing.assert_array_equal(first["xyz"], foreign.points())
        assert first["boxes"].shape == (2, 4)
        assert np.isnan(second["boxes"]).all()
        out = ma.convert(path, tmp_path / "a.zarr", spec, check=False)
        np.testing.assert_array_equal(ma.open_source(out).read([0])["boxes"][0], first["boxes"])

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ([("0.png", b"x")], "0.png cannot be read as a picture"),
            ([("0.mask.png", b"x"), ("0.png", b"y"), ("0.PNG", b"z")], "0.PNG comes twice"),
            ([("0.npy", b"x")], "what the field 'npy' is was not understood"),
            ([("0.pickle", b"x")], "what the field 'pickle' is was not understood"),
            ([("0.image.json", b"[1, ")], "cannot be read as json"),
            ([("0.image.json", b'{"a": 1}')], "expected a number or lists of numbers"),
            ([], "there are no records in it"),
        ],
    )
    def test_members(self, tmp_path, members, message):
        path = foreign.tar_of(tmp_path / "a.tar", *members)
        with pytest.raises(MultiaugError, match=message):
            self.read(path)

    def test_records_that_are_torn_or_twice(self, tmp_path):
        one, two = self.sample(), self.sample(1)
        path = foreign.tar_of(tmp_path / "a.tar", *one, *two, ("000.cls", b"1"))
        with pytest.raises(RecordError, match=r"000 comes twice.*tar --sort=name"):
            self.read(path)
        path = foreign.tar_of(tmp_path / "b.tar", *one, *self.sample(1, cls=b"1"))
        with pytest.raises(RecordError, match=r"(?s)b.tar: 000.*label: found nothing"):
            self.read(path, spec_of(image=RGB, label=LABEL))
        large = foreign.png(np.zeros((9, 8, 3), np.uint8))
        path = foreign.tar_of(tmp_path / "c.tar", *one, ("001.png", large))
        with pytest.raises(RecordError, match=r"record 1: 'image' is uint8 \(9, 8, 3\)"):
            ma.convert(path, tmp_path / "c.zarr", IMAGE)
        assert not (tmp_path / "c.zarr").exists()
        found = self.read(path, size=(4, 5))
        assert [record["image"].shape for record in found] == [(4, 5, 3)] * 2

    def test_archives_that_are_cut(self, tmp_path):
        path = foreign.tar_of(tmp_path / "a.tar", *self.sample(), *self.sample(1))
        content = path.read_bytes()
        for cut in (512 * 3, len(content.rstrip(b"\0")), 100):
            path.write_bytes(content[:cut])
            with pytest.raises(CorruptChunkError, match=r"a.tar.*(cut off|cannot be read)"):
                self.read(path)
        path.write_bytes(b"")
        with pytest.raises(StoreError, match=r"a.tar"):
            self.read(path)

    def test_links_are_refused_and_junk_is_not_read(self, tmp_path):
        import tarfile

        path = foreign.tar_of(tmp_path / "a.tar", ("._000.png", b"x"), *self.sample())
        assert len(self.read(path)) == 1
        with tarfile.open(path, "a") as archive:
            link = tarfile.TarInfo("001.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        with pytest.raises(StoreError, match=r"001.png is a link or a device"):
            self.read(path)


class TestParquet:
    def table(self, path, **columns):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(columns), path, row_group_size=2)
        return path

    def test_columns(self, tmp_path, capsys):
        path = foreign.parquet(tmp_path / "a.parquet")
        source = ma.open_source(path, FULL)
        assert len(source) == 10
        assert source.ignored == ["caption"]
        assert source.class_names["label"][3] == "3"
        assert "img -> image" in capsys.readouterr().err
        with pytest.raises(StoreError, match=r"no column for 'depth'; found \['img', 'mask'"):
            ma.open_source(path, spec_of(image=RGB, depth={"role": "depth"}))
        source = ma.open_source(path, spec_of(look=RGB), columns={"look": "img"})
        np.testing.assert_array_equal(next(iter(source))["look"], images()[0])
        with pytest.raises(ParameterError, match=r"the spec has no entry 'picture'"):
            ma.open_source(path, FULL, columns={"picture": "img"})

    def test_rows(self, tmp_path):
        one = foreign.png(images()[0])
        path = self.table(tmp_path / "a.parquet", image=[one, one, None])
        with pytest.raises(RecordError, match=r"row 2, column 'image' is empty \(null\)"):
            list(ma.open_source(path, IMAGE))
        path = self.table(tmp_path / "b.parquet", image=[{"bytes": None, "path": "/a/b.png"}])
        with pytest.raises(RecordError, match=r"names the file '/a/b.png' and does not hold it"):
            list(ma.open_source(path, IMAGE))
        path = self.table(tmp_path / "c.parquet", image=[one], label=["cat"])
        with pytest.raises(RecordError, match=r"column 'label' holds str \('cat'\)"):
            list(ma.open_source(path, spec_of(image=RGB, label=LABEL)))
        path = self.table(tmp_path / "d.parquet", image=[one], label=[2**40])
        with pytest.raises(RecordError, match=r"which int32 cannot hold"):
            list(ma.open_source(path, spec_of(image=RGB, label=LABEL)))

    def test_lists_are_tables(self, tmp_path):
        one = foreign.png(images()[0])
        boxes = [[[1.0, 1.0, 4.0, 4.0]], [[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]]]
        path = self.table(tmp_path / "a.parquet", image=[one, one], boxes=boxes)
        spec = spec_of(image=RGB, boxes={"role": "boxes", "dtype": "float32", "capacity": 2})
        first, second = ma.open_source(path, spec)
        np.testing.assert_array_equal(first["boxes"][0], boxes[0][0])
        assert np.isnan(first["boxes"][1]).all()
        np.testing.assert_array_equal(second["boxes"], np.array(boxes[1], np.float32))

    def test_damage(self, tmp_path):
        path = foreign.parquet(tmp_path / "a.parquet")
        content = path.read_bytes()
        for bad in (content[:-100], b"", b"no parquet"):
            path.write_bytes(bad)
            with pytest.raises(CorruptChunkError, match=r"a.parquet cannot be read as Parquet"):
                ma.open_source(path, FULL)
        (tmp_path / "empty").mkdir()
        with pytest.raises(StoreError, match=r"nothing else that is known. Seen: nothing"):
            ma.open_source(tmp_path / "empty", FULL)


class TestPly:
    SPEC = spec_of(xyz=XYZ, intrinsics={"role": "intrinsics", "dtype": "float32"})

    def test_a_cloud_without_a_grid(self, tmp_path):
        path = foreign.open3d_ply(tmp_path / "a.ply", foreign.points(), images()[0], "ascii")
        with pytest.raises(StoreError, match=r"48 points: the cloud is not organised.*shape=\("):
            ma.open_source(path, self.SPEC)
        with pytest.raises(StoreError, match=r"a grid of 6 x 9 is told"):
            ma.open_source(path, self.SPEC, shape=(6, 9))
        with pytest.raises(ParameterError, match=r"`PlySource.shape` must be \(rows, columns\)"):
            ma.open_source(path, self.SPEC, shape=(6,))
        source = ma.open_source(path, self.SPEC, shape=(H, W))
        np.testing.assert_array_equal(source.read([0])["xyz"][0], foreign.points())
        camera = source.read([0])["intrinsics"][0]
        np.testing.assert_allclose(camera, [[9, 0, 3.5], [0, 9, 2.5], [0, 0, 1]], atol=1e-3)

    def test_the_grid_of_pcl_and_of_scanners(self, tmp_path):
        xyz = foreign.points()
        rows = [" ".join(repr(float(v)) for v in point) for point in xyz.reshape(-1, 3)]
        info = f"ply\nformat ascii 1.0\ncomment PCL generated\nobj_info num_cols {W}\n" + (
            f"obj_info num_rows {H}\n"
        )
        axes = "property float x\nproperty float y\nproperty float z\n"
        path = tmp_path / "a.ply"
        path.write_text(
            f"{info}element vertex {H * W}\n{axes}end_header\n" + "\n".join(rows) + "\n"
        )
        np.testing.assert_array_equal(ma.open_source(path, self.SPEC).read([0])["xyz"][0], xyz)
        with pytest.raises(StoreError, match=r"says that its grid has 6 rows and 8 columns"):
            ma.open_source(path, self.SPEC, shape=(8, 6))
        # Two points less, and a table that says where the others are.
        grid = "".join("0\n" if i < 2 else f"1 {i - 2}\n" for i in range(H * W))
        lists = f"element range_grid {H * W}\nproperty list uchar int vertex_indices\n"
        path.write_text(
            f"{info}element vertex {H * W - 2}\n{axes}{lists}end_header\n"
            + "\n".join(rows[2:]) + "\n" + grid
        )  # fmt: skip
        expected = xyz.copy()
        expected[0, :2] = np.nan
        found = ma.open_source(path, self.SPEC).read([0])["xyz"][0]
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian"])
    def test_damage(self, tmp_path, encoding):
        path = foreign.open3d_ply(tmp_path / "a.ply", foreign.points(), images()[0], encoding)
        content = path.read_bytes()
        for bad, message in (
            (content[:-30], "'vertex' of 48 rows cannot be read.*cut off"),
            (content[:90], "is not a .ply file"),
            (b"", "is not a .ply file"),
            (content.replace(b"double z", b"triple z"), "line 'property triple z'"),
            (content.replace(b"vertex 48", b"vertex 4800000000"), "more than the 134,217,728"),
            (content.replace(b"vertex 48", b"vertex -48"), "fewer than no rows"),
        ):
            path.write_bytes(bad)
            with pytest.raises(StoreError, match=message):
                ma.open_source(path, self.SPEC, shape=(H, W))
