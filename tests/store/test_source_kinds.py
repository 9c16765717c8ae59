"""Every kind of source, made by another library: opened, read, checked, looped over, converted."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import tifffile
import zarr

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.store import is_sequential
from multiaug.store._kinds import KINDS
from multiaug.testing import check_source
from tests.nightly import NIGHTLY, by_night
from tests.store import foreign, test_annotated
from tests.store.foreign import COUNT, GREY, LABEL, MASK, RGB, H, W, images, masks, spec_of

XYZ = {"role": "position", "channels": ["x", "y", "z"], "dtype": "float32"}
BOTH = spec_of(image=RGB, mask=MASK)


def arrays(tmp_path):
    return {"image": images(), "mask": masks()}, BOTH, {}, {"image": images(), "mask": masks()}


def frames(tmp_path):
    return images(), spec_of(image=RGB), {}, {"image": images()}


def list_of_frames(tmp_path):
    return list(images()), spec_of(image=RGB), {}, {"image": images()}


def npy(tmp_path):
    np.save(tmp_path / "image.npy", images())
    np.save(tmp_path / "mask.npy", masks())
    return tmp_path, BOTH, {}, {"image": images(), "mask": masks()}


def npy_of_each_record(tmp_path):
    for name, array in (("image", images()), ("mask", masks())):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i, record in enumerate(array):
            np.save(tmp_path / "data" / name / f"{i:02}.npy", record)
    return tmp_path / "data", BOTH, {}, {"image": images(), "mask": masks()}


def npy_of_four_axes(tmp_path):
    np.save(tmp_path / "clip.npy", images())
    return tmp_path / "clip.npy", spec_of(image=RGB), {}, {"image": images()}


def zarr_store(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name, values in (("image", images()), ("mask", masks())):
        group.create_array(name, data=values, chunks=(4, *values.shape[1:]))
    expected = {"image": images(), "mask": masks()}
    return tmp_path / "a.zarr", BOTH, {"on_missing": "fill"}, expected


def ome(tmp_path):
    """As other programs write 0.5: channels second."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("0", data=np.moveaxis(images(), -1, 1), chunks=(1, 3, H, W))
    axes = [
        {"name": "t", "type": "time"}, {"name": "c", "type": "channel"},
        {"name": "y", "type": "space"}, {"name": "x", "type": "space"},
    ]  # fmt: skip
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0, 1.0]}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    return tmp_path / "a.zarr", spec_of(image=RGB), {}, {"image": images()}


def folder_of_images(tmp_path):
    for name, values in (("image", images()), ("mask", masks())):
        (tmp_path / name).mkdir()
        for number, array in enumerate(values):
            (tmp_path / name / f"{number:02d}.png").write_bytes(foreign.png(array))
    return tmp_path, BOTH, {}, {"image": images(), "mask": masks()}


def pcd(tmp_path):
    for number in range(3):
        foreign.pcd(tmp_path / f"{number}.pcd", foreign.points(number))
    return tmp_path, spec_of(xyz=XYZ), {}, {"xyz": np.stack([*map(foreign.points, range(3))])}


def ply(tmp_path):
    for number, encoding in enumerate(("ascii", "binary_little_endian", "binary_big_endian")):
        path = tmp_path / f"{number}.ply"
        foreign.open3d_ply(path, foreign.points(number), images()[number], encoding)
    expected = {"xyz": np.stack([*map(foreign.points, range(3))]), "rgb": images()[:3]}
    rgb = {**RGB, "channels": ["r", "g", "b"]}
    return tmp_path, spec_of(xyz=XYZ, rgb=rgb), {"shape": (H, W)}, expected


def hdf5(tmp_path):
    path = foreign.hdf5(tmp_path / "a.h5", **{"train/image": images(), "train/mask": masks()})
    return path, BOTH, {}, {"image": images(), "mask": masks()}


def tiff_pages(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", images(), photometric="rgb", compression="zlib")
    tifffile.imwrite(tmp_path / "mask.tif", masks(), photometric="minisblack")
    data = {"image": tmp_path / "image.tif", "mask": tmp_path / "mask.tif"}
    return data, BOTH, {"pages": "records"}, {"image": images(), "mask": masks()}


def tiff_of_imagej(tmp_path):
    """Pages without directories of their own, channels named."""
    values = np.moveaxis(images().astype(np.uint16), -1, 1)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, values, imagej=True, metadata={"axes": "TCYX"})
    spec = spec_of(image={"role": "intensity", "dtype": "uint16", "channels": 3, "range": [0, 255]})
    return path, spec, {"pages": "records"}, {"image": images().astype(np.uint16)}


def geotiff(tmp_path):
    bands = np.moveaxis(images(channels=4)[0], -1, 0).astype(np.float32)
    path = foreign.geotiff(tmp_path / "s2.tif", bands, names=("B02", "B03", "B04", "B08"))
    names = ["b08", "b02"]
    spec = spec_of(
        image={"role": "intensity", "dtype": "float32", "channels": names, "range": [0, 255]}
    )
    return path, spec, {}, {"image": np.moveaxis(bands[[3, 0]], 0, -1)[np.newaxis]}


def dataset(tmp_path):
    import xarray

    data = xarray.Dataset(
        {
            "image": (("band", "y", "x", "time"), np.moveaxis(images(), (0, 3), (3, 0))),
            "mask": (("time", "lat", "lon"), masks()),
        },
        coords={"time": np.arange(COUNT)},
    )
    return data, BOTH, {}, {"image": images(), "mask": masks()}


def netcdf(tmp_path):
    """A file with packed numbers, which is read a few records at a time."""
    import xarray

    stored = masks().astype(np.int16)
    values = np.where(stored == 4, np.nan, stored * 0.5 + 10)
    data = xarray.Dataset({"image": (("time", "y", "x"), values)})
    packing = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -9}
    data.to_netcdf(tmp_path / "a.nc", engine="scipy", encoding={"image": packing})
    spec = spec_of(image={**GREY, "dtype": "float32", "invalid": "nan", "range": [9, 12]})
    return tmp_path / "a.nc", spec, {}, {"image": values.astype(np.float32)}


def boxes_of_coco(tmp_path):
    test_annotated.coco(tmp_path / "data")
    spec = test_annotated.spec()
    expected = {"image": images()[:3], "boxes": test_annotated.EXPECTED}
    return tmp_path / "data", spec, {}, expected | {"kind": test_annotated.CLASSES}


ALL = spec_of(image=RGB, mask=MASK, label=LABEL)


def everything() -> dict[str, np.ndarray]:
    return {"image": images(), "mask": masks(), "label": np.arange(COUNT, dtype=np.int32)}


def tar_shards(tmp_path):
    folder = foreign.shards(tmp_path / "shards")
    return f"{folder}/train-{{000000..000002}}.tar", ALL, {}, everything()


def parquet(tmp_path):
    return foreign.parquet(tmp_path / "train.parquet"), ALL, {}, everything()


MAKERS = {
    arrays: "arrays", frames: "frames", list_of_frames: "frames", npy: "npy",
    npy_of_each_record: "npy-records", npy_of_four_axes: "npy", zarr_store: "zarr",
    ome: "ome-zarr", folder_of_images: "images",
    pcd: "pcd", ply: "ply", hdf5: "hdf5", tiff_pages: "tiff", tiff_of_imagej: "tiff",
    geotiff: "tiff", boxes_of_coco: "annotated", dataset: "xarray", netcdf: "xarray",
    tar_shards: "webdataset", parquet: "parquet",
}  # fmt: skip


# By day one or two of each kind; tests/store/test_kinds.py reads the others, too.
AT_NIGHT = (list_of_frames, npy_of_four_axes, tiff_of_imagej, dataset)
MADE = [make for make in MAKERS if NIGHTLY or make not in AT_NIGHT]


def test_no_kind_is_left_out():
    assert {MAKERS[make] for make in MADE} == set(KINDS)


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_contract(tmp_path, make):
    (tmp_path / "in").mkdir()
    data, spec, settings, expected = make(tmp_path / "in")
    source = ma.open_source(data, spec, **settings)
    assert type(source) is KINDS[MAKERS[make]]
    named = ma.open_source(data, spec, kind=MAKERS[make], **settings)
    assert named.fingerprint == source.fingerprint
    if is_sequential(source):
        found = list(source)
        read = {name: np.stack([record[name] for record in found]) for name in found[0]}
    else:
        read = source.read(np.arange(len(source)))
    same(read, expected)
    check_source(lambda: ma.open_source(data, spec, **settings))
    path = ma.convert(data, tmp_path / "out.zarr", spec, progress=False, **settings)
    same(ma.open_source(path).read(np.arange(len(expected[next(iter(expected))]))), expected)


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("make", [tar_shards, parquet], ids=lambda make: make.__name__)
def test_a_sequential_source_is_not_read_by_position(tmp_path, make):
    data, spec, settings, _ = make(tmp_path)
    source = ma.open_source(data, spec, **settings)
    assert isinstance(source, ma.SequentialSource)
    remedy = r"come in an order of their own. Write them once with multiaug.convert"
    with pytest.raises(ParameterError, match=remedy):
        ma.Loader(source, batch_size=2)
    with pytest.raises(ParameterError, match=remedy):
        ma.fit(source, ma.Moments())
    with pytest.raises(AttributeError, match=remedy):
        source.read([0])
    with pytest.raises(AttributeError, match=r"no attribute 'reed'$"):
        source.reed  # noqa: B018


def reopened(content: bytes, count: int):
    """Runs in a process that has nothing of this one."""
    source = pickle.loads(content)
    if is_sequential(source):
        records = list(source)
        return {name: np.stack([record[name] for record in records]) for name in records[0]}
    return source.read(np.arange(count))


@by_night
def test_worker_processes_read_the_same(tmp_path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for number, make in enumerate(MAKERS):
            folder = tmp_path / str(number)
            folder.mkdir()
            data, spec, settings, expected = make(folder)
            content = pickle.dumps(ma.open_source(data, spec, **settings))
            count = len(next(iter(expected.values())))
            same(pool.submit(reopened, content, count).result(), expected)
