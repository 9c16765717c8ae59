"""A cloud from a camera's file to an augmented batch, and every point still on its pixel."""

import struct

import jax
import numpy as np
import pytest

import multiaug as ma

K = np.array([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]])


def write_pcd(path, seed: int) -> None:
    """640 x 480 points of a wavy wall with holes, as cameras write them: binary, packed colours."""
    draw = np.random.default_rng(seed)
    row, column = np.mgrid[:480, :640].astype(np.float64)
    z = 1.5 + 0.3 * np.sin(column / 90) * np.cos(row / 70)
    cloud = np.empty((480, 640), [("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgba", "u4")])
    cloud["x"], cloud["y"] = (column - K[0, 2]) / K[0, 0] * z, (row - K[1, 2]) / K[1, 1] * z
    cloud["z"] = z
    cloud["rgba"] = draw.integers(0, 2**24, (480, 640))
    hole = draw.random((480, 640)) < 0.1
    for axis in "xyz":
        cloud[axis][hole] = np.nan
    header = (
        "VERSION .7\nFIELDS x y z rgba\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 640\n"
        "HEIGHT 480\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 307200\nDATA binary\n"
    )
    path.write_bytes(header.encode() + cloud.tobytes())
    assert struct.calcsize("<fffI") == cloud.dtype.itemsize


def test_from_the_camera_to_the_batch(tmp_path):
    for number in range(2):
        write_pcd(tmp_path / f"{number}.pcd", number)

    spec = ma.load_spec("rgbxyz")
    path = ma.convert(tmp_path, tmp_path / "clouds.zarr", spec)
    pipeline = ma.Pipeline([ma.Rotate(15), ma.Scale((0.9, 1.2)), ma.Flip("x")], spec)
    loader = ma.Loader(ma.open_source(path), pipeline, batch_size=2, seed=4)
    (batch,) = loader

    cloud = np.asarray(batch["rgbxyz"], np.float64)[..., 3:]
    camera = np.asarray(batch["intrinsics"], np.float64)
    valid = np.isfinite(cloud).all(-1)
    assert 0.4 < valid.mean() < 0.95
    pixels = np.einsum("nij,nhwj->nhwi", camera, cloud)
    pixels = pixels[..., :2] / pixels[..., 2:]
    row, column = np.mgrid[:480, :640]
    error = np.hypot(pixels[..., 0] - column, pixels[..., 1] - row)[valid]
    assert error.max() < 0.01
    assert isinstance(batch["rgbxyz"], jax.Array)
    source = ma.CloudSource(tmp_path, spec)
    assert source.read([0])["intrinsics"][0] == pytest.approx(K, rel=1e-4)
    assert max(source.residuals.values()) < 1e-3
