"""Folders of pictures as sources."""

import struct
import zlib

import numpy as np
import pytest
import skimage.io
import tifffile

from multiaug.errors import (
    CorruptChunkError,
    MultiaugWarning,
    ParameterError,
    RecordError,
    StoreError,
)
from multiaug.spec import DataSpec
from multiaug.store import PictureSource, open_source


def make_spec(**entries) -> DataSpec:
    return DataSpec.from_dict({"name": "pictures", "entries": entries})


IMAGE = {"role": "intensity", "dtype": "uint8", "channels": 3}
MASK = {"role": "label", "dtype": "uint8"}


def draw(seed: int, *shape: int, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def save(path, picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    skimage.io.imsave(path, picture, check_contrast=False)


def test_masks_beside_pictures(tmp_path):
    for number in range(5):
        save(tmp_path / "image" / "day" / f"{number}.png", draw(number, 6, 8, 3))
        save(tmp_path / "mask" / "day" / f"{number}.tif", draw(9 + number, 6, 8))
    source = open_source(tmp_path, make_spec(image=IMAGE, mask=MASK))
    assert len(source) == 5
    found = source.read([4, 1])
    np.testing.assert_array_equal(found["image"], [draw(4, 6, 8, 3), draw(1, 6, 8, 3)])
    np.testing.assert_array_equal(found["mask"], [draw(13, 6, 8), draw(10, 6, 8)])
    blocks = list(source.scan())
    np.testing.assert_array_equal(blocks[0]["image"][2], draw(2, 6, 8, 3))
    (tmp_path / "mask" / "day" / "3.tif").unlink()
    with pytest.raises(StoreError, match=r"1 image without mask: day/3\."):
        open_source(tmp_path, make_spec(image=IMAGE, mask=MASK))


def test_class_folders(tmp_path):
    for number, name in enumerate(["cat", "dog", "cat"]):
        save(tmp_path / name / f"{number}.png", draw(number, 6, 8, 3))
    spec = make_spec(image=IMAGE, label={"role": "scalar", "dtype": "int32"})
    source = PictureSource(tmp_path, spec, classes="label")
    assert source.class_names == ["cat", "dog"]
    np.testing.assert_array_equal(source.read(range(3))["label"], [0, 0, 1])
    np.testing.assert_array_equal(source.read([2])["image"][0], draw(1, 6, 8, 3))
    with pytest.raises(ParameterError, match="must name a scalar entry"):
        PictureSource(tmp_path, spec, classes="image")
    save(tmp_path / "loose.png", draw(0, 6, 8, 3))
    with pytest.raises(StoreError, match=r"loose.png is in no class folder"):
        PictureSource(tmp_path, spec, classes="label")


def test_many_kinds_of_files(tmp_path):
    wide = draw(0, 6, 8, dtype=np.uint16)
    save(tmp_path / "wide.png", wide)
    spec = make_spec(image={"role": "intensity", "dtype": "uint16", "channels": 1})
    np.testing.assert_array_equal(open_source(tmp_path, spec).read([0])["image"][0], wide)
    (tmp_path / "wide.png").unlink()

    pages = draw(1, 5, 6, 8, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    spec = make_spec(image={"role": "intensity", "dtype": "uint16", "channels": 5})
    found = open_source(tmp_path, spec).read([0])["image"][0]
    np.testing.assert_array_equal(found, np.moveaxis(pages, 0, -1))
    (tmp_path / "pages.tif").unlink()

    save(tmp_path / "alpha.png", draw(2, 6, 8, 4))
    save(tmp_path / "gray.png", draw(3, 6, 8))
    with pytest.warns(MultiaugWarning, match="has transparent pixels"):
        found = open_source(tmp_path, make_spec(image=IMAGE)).read([0, 1])["image"]
    np.testing.assert_array_equal(found[0], draw(2, 6, 8, 4)[..., :3])
    np.testing.assert_array_equal(found[1], np.repeat(draw(3, 6, 8)[..., None], 3, -1))


def test_a_target_size(tmp_path):
    y, x = np.mgrid[:40, :60]
    save(tmp_path / "image" / "a.png", np.stack([x * 4, y * 4, x + y], -1).astype(np.uint8))
    save(tmp_path / "image" / "b.png", draw(0, 10, 15, 3))
    save(tmp_path / "mask" / "a.png", ((x > 30) * 7).astype(np.uint8))
    save(tmp_path / "mask" / "b.png", draw(1, 10, 15))
    spec = make_spec(image=IMAGE, mask=MASK)
    found = PictureSource(tmp_path, spec, size=(20, 30)).read([0, 1])
    assert found["image"].shape == (2, 20, 30, 3)
    inside = found["image"][0][1:-1, 1:-1].astype(float)  # a ramp stays a ramp
    expected = (np.arange(30) * 2 + 0.5)[None, 1:-1] * 4
    assert np.abs(inside[..., 0] - expected).max() <= 1
    assert set(np.unique(found["mask"][0])) == {0, 7}
    np.testing.assert_array_equal(
        found["mask"][1], np.repeat(np.repeat(draw(1, 10, 15), 2, 0), 2, 1)
    )
    with pytest.raises(RecordError, match=r"b.png: 'image' is uint8 \(10, 15, 3\), expected"):
        PictureSource(tmp_path, spec).read([1])
    with pytest.raises(ParameterError, match="size must be"):
        PictureSource(tmp_path, spec, size=(0, 3))


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header declares a size, and whose data are a few bytes."""

    def part(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = part(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + data + part(b"IEND", b"")


def test_bad_files(tmp_path):
    with pytest.raises(StoreError, match=r"nothing else that is known. Seen: nothing"):
        open_source(tmp_path, make_spec(image=IMAGE))
    for width, message in [(9_000, "has 81,000,000 pixels"), (30_000, "900000000 pixels")]:
        (tmp_path / "a.png").write_bytes(bomb(width, width))
        with pytest.raises(StoreError, match=f"a.png says that it .*{message}"):
            open_source(tmp_path, make_spec(image=IMAGE))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and then words")
    with pytest.raises(CorruptChunkError, match=r"a.png cannot be read as a picture"):
        open_source(tmp_path, make_spec(image=IMAGE))
    save(tmp_path / "a.png", draw(0, 6, 8, 3))
    with pytest.raises(RecordError, match=r"expected 5 channels for 'image'"):
        open_source(tmp_path, make_spec(image={"role": "intensity", "channels": 5}))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptChunkError, match=r"a.png cannot be read"):
        open_source(tmp_path, make_spec(image=IMAGE))


def test_fingerprints(tmp_path):
    save(tmp_path / "a.png", draw(0, 6, 8, 3))
    found = {open_source(tmp_path, make_spec(image=IMAGE)).fingerprint}
    found.add(PictureSource(tmp_path, make_spec(image=IMAGE), size=(6, 8)).fingerprint)
    save(tmp_path / "a.png", draw(1, 6, 8, 3))
    found.add(open_source(tmp_path, make_spec(image=IMAGE)).fingerprint)
    assert len(found) == 3


def test_folders_are_given_by_patterns(tmp_path):
    """Files belong together for which the wildcards stand for the same."""
    for place in ("bonn/1", "bonn/2", "ulm/1"):
        save(tmp_path / "left" / f"{place}_rgb.png", draw(0, 6, 8, 3))
        save(tmp_path / "fine" / f"{place}_ids.png", draw(len(place), 6, 8))
        save(tmp_path / "fine" / f"{place}_color.png", draw(1, 6, 8, 3))
    folders = {"image": "left/**/*_rgb.png", "mask": "fine/**/*_ids.png"}
    source = PictureSource(tmp_path, make_spec(image=IMAGE, mask=MASK), folders=folders)
    stems = [str(file.relative_to(tmp_path / "fine"))[:-8] for file in source.files["mask"]]
    assert stems == ["bonn/1", "bonn/2", "ulm/1"]
    assert "skipped 3 pictures" in repr(source)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"image": "image"}, "must name 'mask' too"),
        ({"image": "image", "masks": "mask"}, "has no picture 'masks'"),
        ({"image": "image", "mask": "../mask"}, "must be a folder or a pattern below"),
        ({"image": "image", "mask": 3}, "must be a folder or a pattern below"),
        ({"image": "image", "mask": "nowhere"}, "no pictures at 'nowhere'"),
        ("image", "must map entry names"),
    ],
)
def test_folders_that_there_are_not(tmp_path, folders, message):
    save(tmp_path / "image" / "a.png", draw(0, 6, 8, 3))
    save(tmp_path / "mask" / "a.png", draw(0, 6, 8))
    with pytest.raises((ParameterError, StoreError), match=message):
        PictureSource(tmp_path, make_spec(image=IMAGE, mask=MASK), folders=folders)


def test_classes_and_folders_exclude_each_other(tmp_path):
    save(tmp_path / "cats" / "a.png", draw(0, 6, 8, 3))
    spec = make_spec(image=IMAGE, label={"role": "scalar"})
    with pytest.raises(ParameterError, match="not both"):
        PictureSource(tmp_path, spec, classes="label", folders={"image": "cats"})


def test_masks_in_class_folders(tmp_path):
    for name in ("cats", "dogs"):
        save(tmp_path / name / "1.png", draw(0, 6, 8, 3))
        save(tmp_path / name / "1_mask.png", draw(1, 6, 8))
    spec = make_spec(image=IMAGE, mask=MASK, label={"role": "scalar", "dtype": "int32"})
    source = PictureSource(tmp_path, spec, classes="label")
    np.testing.assert_array_equal(source.read([1])["mask"][0], draw(1, 6, 8))
    assert source.read([0, 1])["label"].tolist() == [0, 1]


def test_words_are_not_taken_off_where_two_names_become_one(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "image" / f"{name}.png", draw(0, 6, 8, 3))
    for name in ("a_mask", "a-mask", "b_mask"):
        save(tmp_path / "mask" / f"{name}.png", draw(0, 6, 8))
    with pytest.raises(StoreError, match="2 images without mask: a, b; 3 masks without image"):
        open_source(tmp_path, make_spec(image=IMAGE, mask=MASK))
