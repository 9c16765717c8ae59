""".pcd files as sources: three encodings, packed colours, headers that lie."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.errors import CorruptChunkError, RecordError, StoreError
from multiaug.spec import load_spec
from multiaug.store import CloudSource, open_source
from multiaug.store.clouds._pcd import unpack_lzf

H, W = 12, 16
K = np.array([[20.0, 0, 7.5], [0, 21.0, 5.0], [0, 0, 1]])


def pack_lzf(content: bytes) -> bytes:
    """A plain LZF packer: references where the last three bytes stood before, else runs."""
    out, run, seen, here = bytearray(), bytearray(), {}, 0

    def flush() -> None:
        for start in range(0, len(run), 32):
            part = run[start : start + 32]
            out.extend(bytes([len(part) - 1]) + part)
        run.clear()

    while here < len(content):
        back = seen.get(content[here : here + 3])
        seen[content[here : here + 3]] = here
        if back is None or here - back > 8192 or here + 3 > len(content):
            run.append(content[here])
            here += 1
            continue
        length = 3
        while length < 264 and here + length < len(content):
            if content[back + length] != content[here + length]:
                break
            length += 1
        flush()
        offset, coded = here - back - 1, length - 2
        if coded < 7:
            out.extend([coded << 5 | offset >> 8, offset & 255])
        else:
            out.extend([7 << 5 | offset >> 8, coded - 7, offset & 255])
        here += length
    flush()
    return bytes(out)


def scene(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    z = draw.uniform(1, 3, (H, W)).astype(np.float32)
    row, column = np.mgrid[:H, :W]
    x = ((column - K[0, 2]) / K[0, 0] * z).astype(np.float32)
    y = ((row - K[1, 2]) / K[1, 1] * z).astype(np.float32)
    hole = draw.random((H, W)) < 0.2
    for axis in (x, y, z):
        axis[hole] = np.nan
    colours = draw.integers(0, 256, (H, W, 3)).astype(np.uint32)
    packed = (colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]).astype(np.uint32)
    label = draw.integers(0, 5, (H, W)).astype(np.uint32)
    return {"label": label, "x": x, "y": y, "z": z, "rgba": packed, "colours": colours}


def header(encoding: str, **changes: str) -> bytes:
    lines = {
        "VERSION": "0.7", "FIELDS": "label x y z rgba", "SIZE": "4 4 4 4 4", "TYPE": "U F F F U",
        "COUNT": "1 1 1 1 1", "WIDTH": str(W), "HEIGHT": str(H), "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": str(W * H), "DATA": encoding,
    } | changes  # fmt: skip
    return ("# .PCD v0.7\n" + "".join(f"{k} {v}\n" for k, v in lines.items() if v)).encode()


def body(encoding: str, cloud: dict[str, np.ndarray]) -> bytes:
    names = ["label", "x", "y", "z", "rgba"]
    if encoding == "ascii":
        rows = zip(*(cloud[name].reshape(-1).tolist() for name in names), strict=True)
        return "".join(f"{a} {b!r} {c!r} {d!r} {e}\n" for a, b, c, d, e in rows).encode()
    if encoding == "binary":
        table = np.stack([cloud[name].reshape(-1).view(np.uint32) for name in names], axis=1)
        return table.tobytes()
    content = b"".join(cloud[name].tobytes() for name in names)
    packed = pack_lzf(content)
    return struct.pack("<II", len(packed), len(content)) + packed


ENCODINGS = ["ascii", "binary", "binary_compressed"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(tmp_path, encoding):
    for seed in range(2):
        cloud = scene(seed)
        (tmp_path / f"{seed}.pcd").write_bytes(header(encoding) + body(encoding, cloud))
    source = open_source(tmp_path, load_spec("rgbxyz"))
    found = source.read([1, 0])
    for place, seed in enumerate((1, 0)):
        cloud = scene(seed)
        expected = np.stack([cloud[axis] for axis in "xyz"], -1)
        np.testing.assert_array_equal(found["rgbxyz"][place][..., 3:], expected)
        colours = found["rgbxyz"][place][..., :3]
        np.testing.assert_allclose(colours, cloud["colours"] / 255, atol=1e-6)
        np.testing.assert_array_equal(found["mask"][place], cloud["label"])
        np.testing.assert_allclose(found["intrinsics"][place], K, rtol=1e-4)
    assert set(source.residuals) == {"0.pcd", "1.pcd"}
    assert max(source.residuals.values()) < 1e-3


def test_colours_that_are_called_floats(tmp_path):
    cloud = scene()
    content = header("binary", FIELDS="label x y z rgb", TYPE="U F F F F")
    (tmp_path / "a.pcd").write_bytes(content + body("binary", cloud))
    spec = load_spec("rgbxyz-separate")
    found = CloudSource(tmp_path / "a.pcd", spec, intrinsics=np.eye(3)).read([0])
    image = next(a for n, a in found.items() if spec.entries[n].role == "intensity")
    np.testing.assert_array_equal(image[0], cloud["colours"])
    np.testing.assert_array_equal(found["intrinsics"][0], np.eye(3))


@given(
    content=st.binary(max_size=3000)
    | st.lists(st.binary(max_size=9)).map(lambda p: b"".join(p * 9))
)
def test_lzf(content):
    assert unpack_lzf(pack_lzf(content), len(content)) == content


@given(content=st.binary(min_size=1, max_size=200), size=st.integers(0, 300))
def test_lzf_of_anything(content, size):
    with contextlib.suppress(ValueError, IndexError):
        assert len(unpack_lzf(content, size)) == size


LIES = {
    "no header": (b"words\nand words\n", StoreError, "not a .pcd file"),
    "width": (header("binary", WIDTH="17"), CorruptChunkError, "POINTS is 192, expected"),
    "points": (header("binary", POINTS="4000000000"), CorruptChunkError, "header is damaged"),
    "huge": (
        header("binary", WIDTH="100000", HEIGHT="100000", POINTS=""), StoreError, "more than the",
    ),
    "short": (
        header("binary", HEIGHT="13", POINTS=str(13 * W)), CorruptChunkError, "It was cut off",
    ),
    "negative": (header("binary", WIDTH="-3"), StoreError, "WIDTH is -3"),
    "not organised": (
        header("binary", WIDTH=str(H * W), HEIGHT="1"), StoreError, "not organised",
    ),
    "types": (header("binary", TYPE="U F F F"), CorruptChunkError, "expected the same number"),
    "size": (header("binary", SIZE="4 4 4 4 3"), CorruptChunkError, "which no .pcd file has"),
    "count": (header("binary", COUNT="1 1 1 1 99999"), CorruptChunkError, "which no .pcd file has"),
    "encoding": (header("zip"), StoreError, "DATA is 'zip'"),
    "no x": (header("binary", FIELDS="label u y z rgba"), RecordError, "no field for channel 'x'"),
}  # fmt: skip


@pytest.mark.parametrize(("head", "error", "message"), LIES.values(), ids=LIES)
def test_headers_that_lie(tmp_path, head, error, message):
    (tmp_path / "a.pcd").write_bytes(head + body("binary", scene()))
    with pytest.raises(error, match=message):
        open_source(tmp_path, load_spec("rgbxyz"))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((2**32 - 1, 3840), "cut off"),
        ((10, 2**32 - 1), "unpack to 4294967295 bytes"),
        ((10, 3840), "cannot be unpacked"),
    ],
)
def test_compressed_sizes_that_lie(tmp_path, sizes, message):
    content = body("binary_compressed", scene())[8:]
    head = header("binary_compressed")
    (tmp_path / "a.pcd").write_bytes(head + struct.pack("<II", *sizes) + content)
    with pytest.raises(CorruptChunkError, match=message):
        open_source(tmp_path, load_spec("rgbxyz"))


def test_other_refusals(tmp_path):
    with pytest.raises(StoreError, match="nothing there"):
        open_source(tmp_path / "absent.pcd", load_spec("rgbxyz"))
    with pytest.raises(StoreError, match=r"no .pcd files"):
        CloudSource(tmp_path, load_spec("rgbxyz"))
    flat = scene()
    flat["z"] = np.full((H, W), np.nan, np.float32)
    (tmp_path / "a.pcd").write_bytes(header("binary") + body("binary", flat))
    with pytest.raises(RecordError, match="no camera fits the cloud"):
        CloudSource(tmp_path, load_spec("rgbxyz"))


def test_junk_and_pictures_beside_clouds(tmp_path):
    spec = load_spec("rgbxyz-separate")
    for name in ("a.PCD", "._a.pcd"):
        (tmp_path / name).write_bytes(header("binary") + body("binary", scene()))
    source = open_source(tmp_path, spec)
    assert len(source) == 1
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(
        StoreError, match=r"as folders of images and as \.pcd clouds.*kind='images' or kind='pcd'"
    ):
        open_source(tmp_path, spec)
    assert len(CloudSource(tmp_path, spec)) == 1
