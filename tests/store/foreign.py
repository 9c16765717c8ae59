"""Data sets as other libraries write them, for the kinds of sources."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np

COUNT, H, W = 10, 6, 8
GREY = {"role": "intensity", "channels": 1}


def spec_of(**entries):
    import multiaug as ma

    return ma.DataSpec.from_dict({"name": "mine", "entries": entries})


RGB = {"role": "intensity", "dtype": "uint8", "channels": 3}
MASK = {"role": "label", "dtype": "uint8"}
LABEL = {"role": "scalar", "dtype": "int32"}


def images(seed: int = 0, count: int = COUNT, channels: int = 3) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.integers(1, 256, (count, H, W, channels)).astype(np.uint8)


def masks(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 5, (count, H, W)).astype(np.uint8)


def png(array: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def hdf5(path: Path, **datasets) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            chunks = (4, *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip")
    return path


def geotiff(path: Path, bands: np.ndarray, *, nodata: str | None = None, names=(), left=500000.0):
    """As GDAL writes one: (C, H, W) by planes, in UTM 33 north, pixels of 10 metres."""
    import tifffile

    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        for i, name in enumerate(names)
    )
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    tags = [
        (33550, "d", 3, (10.0, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, left, 5000000.0, 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]
    if names:
        tags.append((42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True))
    if nodata is not None:
        tags.append((42113, "s", 0, nodata, True))
    settings = {"planarconfig": "separate"} if len(bands) > 1 else {}
    tifffile.imwrite(
        path, bands if len(bands) > 1 else bands[0], photometric="minisblack", extratags=tags,
        metadata=None, **settings,
    )  # fmt: skip
    return path


def shards(folder: Path, count: int = COUNT, per_shard: int = 4) -> Path:
    """As webdataset writes them."""
    folder.mkdir()
    pictures, labels = images(count=count), masks(count)
    samples = [
        {
            "__key__": f"{i:06d}",
            "png": png(pictures[i]),
            "mask.png": png(labels[i]),
            "cls": str(i).encode(),
        }
        for i in range(count)
    ]
    import webdataset

    for first in range(0, count, per_shard):
        path = folder / f"train-{first // per_shard:06d}.tar"
        with webdataset.TarWriter(str(path)) as writer:
            for sample in samples[first : first + per_shard]:
                writer.write(sample)
    return folder


def tar_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def parquet(path: Path, count: int = COUNT, rows: int = 4) -> Path:
    """A table as Hugging Face's datasets write images and class labels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures, labels = images(count=count), masks(count)
    table = pa.table(
        {
            "img": pa.array([{"bytes": png(p), "path": f"{i}.png"} for i, p in enumerate(pictures)],
                            struct),
            "mask": pa.array([png(m) for m in labels], pa.binary()),
            "label": pa.array(range(count), pa.int64()),
            "caption": pa.array([f"number {i}" for i in range(count)]),
        }
    )  # fmt: skip
    features = {"label": {"names": [str(i) for i in range(count)], "_type": "ClassLabel"}}
    table = table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, path, row_group_size=rows)
    return path


def points(number: int = 0) -> np.ndarray:
    """(H, W, 3) of a pinhole camera, in float32."""
    z = np.random.default_rng(number).uniform(1, 3, (H, W))
    row, column = np.mgrid[:H, :W]
    return np.stack([(column - 3.5) / 9 * z, (row - 2.5) / 9 * z, z], -1).astype(np.float32)


def open3d_ply(path: Path, xyz: np.ndarray, rgb: np.ndarray, encoding: str) -> Path:
    """The header and the order of values of Open3D's write_point_cloud."""
    count = xyz.shape[0] * xyz.shape[1]
    header = (
        f"ply\nformat {encoding} 1.0\ncomment Created by Open3D\nelement vertex {count}\n"
        "property double x\nproperty double y\nproperty double z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    xyz, rgb = xyz.reshape(-1, 3), rgb.reshape(-1, 3)
    if encoding == "ascii":
        body = "".join(
            " ".join([*(repr(float(v)) for v in p), *(str(int(v)) for v in c)]) + "\n"
            for p, c in zip(xyz, rgb, strict=True)
        ).encode()
    else:
        order = "<" if "little" in encoding else ">"
        names = [*((n, f"{order}f8") for n in "xyz"), *((n, "u1") for n in "rgb")]
        table = np.zeros(count, names)
        for i, (n, c) in enumerate(zip("xyz", "rgb", strict=True)):
            table[n], table[c] = xyz[:, i], rgb[:, i]
        body = table.tobytes()
    path.write_bytes(header.encode() + body)
    return path


def pcd(path: Path, xyz: np.ndarray) -> Path:
    rows = "\n".join(" ".join(repr(float(v)) for v in p) for p in xyz.reshape(-1, 3))
    path.write_text(
        "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {W}\nHEIGHT {H}\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {H * W}\nDATA ascii\n{rows}\n"
    )
    return path
