"""Rows of "Folders and layouts", "Image files" and "Masks" of docs/your-data.md."""

import os
import shutil
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import multiaug as ma
from multiaug.errors import CorruptChunkError, MultiaugWarning, RecordError, StoreError
from multiaug.keras import ImageDataGenerator
from multiaug.spec import DataSpec, EntrySpec

SEGMENTATION = ma.load_spec("rgb-segmentation")
IMAGE = EntrySpec.of_role("image", "intensity", channels=3)
MASK = EntrySpec.of_role("mask", "label", dtype="uint8")
LABEL = EntrySpec.of_role("label", "scalar", dtype="int32")
BOTH = DataSpec("both", [IMAGE, MASK])


def lay(root: Path, *names: str) -> Path:
    """Make files: pictures whose grey values tell which of them they are, and others."""
    for number, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            file.mkdir(parents=True, exist_ok=True)
        elif file.suffix.lower() in (".png", ".jpg", ".gif", ".tif"):
            Image.fromarray(np.full((4, 6), number, np.uint8)).save(file)
        else:
            file.write_bytes(b"x")
    return root


def read(root: Path, spec: DataSpec = BOTH, **settings) -> dict[str, np.ndarray]:
    return {n: a[0] for n, a in ma.open_source(root, spec, **settings).read([0]).items()}


def beside(root: Path, mask) -> Path:
    """A folder with a black image, and a mask that is saved as said."""
    lay(root, "image/a.png")
    (root / "mask").mkdir()
    mask(root / "mask")
    return root


@pytest.mark.row("`image/` + `mask/`")
def test_a_folder_for_each_entry(tmp_path, capsys):
    names = ["image/d/1.png", "image/d/2.PNG", "image/d/10.png"]
    lay(tmp_path, *names, *(name.replace("image", "mask") for name in names))
    source = ma.open_source(tmp_path, BOTH)
    assert source.read([0, 1, 2])["mask"][:, 0, 0].tolist() == [3, 5, 4]
    assert source.files["image"][1] == tmp_path / names[2]
    assert not capsys.readouterr().err  # nothing was guessed


@pytest.mark.row(
    "`images/` + `masks/`, `imgs/` + `labels/`, `JPEGImages/` + `SegmentationClass/`, "
    "`img_dir/` + `ann_dir/`, `train/` + `train_masks/`"
)
@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images", "masks"), ("imgs", "labels"), ("image", "label"), ("img_dir", "ann_dir"),
        ("JPEGImages", "SegmentationClass"), ("train", "train_masks"), ("Images", "annotations"),
        ("VOCdevkit/VOC2012/JPEGImages", "VOCdevkit/VOC2012/SegmentationClass"),
    ],
)  # fmt: skip
def test_usual_names(tmp_path, capsys, image, mask):
    lay(tmp_path, f"{image}/a.png", f"{mask}/a.png")
    found = read(tmp_path, SEGMENTATION)
    assert (found["image"] == 0).all()
    assert (found["mask"] == 1).all()
    assert f"{image}/ -> image, {mask}/ -> mask" in capsys.readouterr().err
    ma.open_source(tmp_path, SEGMENTATION)
    assert not capsys.readouterr().err  # said once


def test_other_labels_of_voc_are_left_out_and_said(tmp_path, capsys):
    lay(
        tmp_path, *(f"{n}/a.png" for n in ("JPEGImages", "SegmentationClass", "SegmentationObject"))
    )
    ma.open_source(lay(tmp_path, "Annotations/a.xml"), SEGMENTATION)
    assert "SegmentationObject/ -> left out (1 pictures)" in capsys.readouterr().err


@pytest.mark.row("pictures with `masks/` beside them")
def test_masks_below_their_pictures(tmp_path):
    found = read(lay(tmp_path, "a.png", "masks/a.png"))
    assert (found["image"] == 0).all()
    assert (found["mask"] == 1).all()


@pytest.mark.row(
    "`a.png` + `a_mask.png`, `x_image.png` + `x_mask.png`, `image_1.png` + `mask_1.png` in one "
    "folder"
)
@pytest.mark.parametrize(
    "names", [("a.png", "a_mask.png"), ("x_image.png", "x_mask.png"), ("image_1.png", "mask_1.png")]
)
def test_words_in_names(tmp_path, capsys, names):
    found = read(lay(tmp_path, *names), SEGMENTATION)
    assert (found["image"] == 0).all()
    assert (found["mask"] == 1).all()
    assert "mask -> mask" in capsys.readouterr().err


def test_words_that_are_part_of_a_name(tmp_path):
    spec = DataSpec("alone", [IMAGE])
    assert len(ma.open_source(lay(tmp_path, "gas_mask.png", "rose.png"), spec)) == 2


@pytest.mark.row("`images/a.png` + `masks/a_mask.png`")
def test_words_in_one_folder_alone(tmp_path):
    lay(tmp_path, "images/a.png", "images/b.png", "masks/a_mask.png", "masks/b_mask.png")
    assert ma.open_source(tmp_path, BOTH).read([0, 1])["mask"][:, 0, 0].tolist() == [2, 3]


@pytest.mark.row("`train/`, `val/`, `test/` above, or below `images/` and `masks/`")
def test_parts_of_a_data_set(tmp_path):
    above = lay(
        tmp_path / "a", *(f"{p}/{n}/a.png" for p in ("train", "val") for n in ("image", "mask"))
    )
    with pytest.raises(StoreError, match=r"parts of a data set: train/ \(2 pictures\), val/"):
        ma.open_source(above, BOTH)
    assert len(ma.open_source(above / "train", BOTH)) == 1
    below = lay(
        tmp_path / "b", *(f"{n}/{p}/a.png" for p in ("train", "val") for n in ("image", "mask"))
    )
    with pytest.raises(StoreError, match="parts train, val of a data set"):
        ma.open_source(below, BOTH)
    assert len(ma.open_source(below, BOTH, folders={"image": "image/val", "mask": "mask/val"})) == 1


@pytest.mark.row(
    "folders of other names, pictures beside the folders, two folders that could be masks"
)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("foo/a.png", "bar/a.png"), r"none of the usual names. Seen: bar/ \(1 picture\), foo/"),
        (("images/a.png", "foo/a.png"), r"what foo/ is was not understood"),
        (("images/a.png", "masks/a.png", "b.png"), r"what b.png is was not understood"),
        (("images/a.png", "masks/a.png", "labels/a.png"), r"labels.* could each be 'mask'"),
    ],
)
def test_unknown_layouts(tmp_path, names, message):
    lay(tmp_path, *names)
    with pytest.raises(StoreError, match=f"{message}.*folders={{'image': 'imgs', 'mask'"):
        ma.open_source(tmp_path, SEGMENTATION)
    one, two = (name.rpartition("/")[0] for name in names[:2])
    found = read(tmp_path, SEGMENTATION, folders={"image": one, "mask": f"{two}/*.png"})
    assert (found["image"] == 0).all()
    assert (found["mask"] == 1).all()


@pytest.mark.row("`labels/` or `masks/` without pictures in it (`.txt`, `.npy`, nothing)")
@pytest.mark.parametrize("name", ["labels/a.txt", "masks/a.npy", "masks/"])
def test_masks_that_are_no_pictures(tmp_path, name):
    lay(tmp_path, "images/a.png", name)
    with pytest.raises(StoreError, match=r"could be 'mask' and holds no pictures"):
        ma.open_source(tmp_path, SEGMENTATION)
    assert "mask" not in read(tmp_path, SEGMENTATION, folders={"image": "images"})


@pytest.mark.row("Cityscapes: `leftImg8bit/train/` + `gtFine/train/`")
def test_cityscapes(tmp_path, capsys):
    for part in ("train", "val"):
        names = [f"leftImg8bit/{part}/ulm/ulm_{i}_leftImg8bit.png" for i in range(2)]
        for word in ("color", "instanceIds", "labelIds"):
            names += [f"gtFine/{part}/ulm/ulm_{i}_gtFine_{word}.png" for i in range(2)]
        lay(tmp_path, *names, f"gtFine/{part}/ulm/ulm_0_gtFine_polygons.json")
    with pytest.raises(StoreError, match=r"holds the parts train.*in each folder"):
        ma.open_source(tmp_path, BOTH)
    folders = {"image": "leftImg8bit/train", "mask": "gtFine/train"}
    source = ma.open_source(tmp_path, BOTH, folders=folders)
    assert source.read([0, 1])["mask"][:, 0, 0].tolist() == [6, 7]
    assert "*_color beside *_labelIds" in repr(source)
    shutil.rmtree(tmp_path / "leftImg8bit" / "val")
    shutil.rmtree(tmp_path / "gtFine" / "val")
    source = ma.open_source(tmp_path, BOTH)
    assert source.read([0, 1])["image"][:, 0, 0, 0].tolist() == [0, 1]
    assert "*_color beside *_labelIds" in capsys.readouterr().err


@pytest.mark.row("masks, and a spec without a mask")
@pytest.mark.parametrize("names", [("images/a.png", "masks/a.png"), ("a.png", "a_mask.png")])
def test_no_mask_becomes_a_picture(tmp_path, names):
    with pytest.raises(StoreError, match=r"what masks/ is|would become training pictures"):
        ma.open_source(lay(tmp_path, *names), DataSpec("alone", [IMAGE]))


@pytest.mark.row("an image without mask, or a mask without image")
def test_no_counterpart(tmp_path):
    lay(tmp_path, "image/a.png", "image/b.png", "mask/a.png", "mask/c.png")
    with pytest.raises(StoreError, match="1 image without mask: b; 1 mask without image: c"):
        ma.open_source(tmp_path, BOTH)


@pytest.mark.row("`a.png` and `a.jpg` in one of several folders")
def test_two_files_for_one_record(tmp_path):
    lay(tmp_path, "image/a.png", "image/a.jpg", "mask/a.png")
    with pytest.raises(StoreError, match=r"image/a.jpg, image/a.png are several files"):
        ma.open_source(tmp_path, BOTH)
    alone = ma.open_source(tmp_path / "image", DataSpec("alone", [IMAGE]))
    assert len(alone) == 2  # where nothing goes with them both are records


@pytest.mark.row("a folder for each class")
def test_classes(tmp_path):
    spec = DataSpec("classes", [IMAGE, LABEL])
    lay(tmp_path, "dogs/1.png", "cats/1.png", ".ipynb_checkpoints/1.png")
    source = ma.open_source(tmp_path, spec, classes="label")
    assert source.class_names == ["cats", "dogs"]
    assert source.read([0, 1])["label"].tolist() == [0, 1]
    with pytest.raises(StoreError, match="if folders are classes, classes='label'"):
        ma.open_source(tmp_path, spec)
    with pytest.raises(StoreError, match="class folder birds holds no pictures"):
        ma.open_source(lay(tmp_path, "birds/"), spec, classes="label")
    with pytest.raises(StoreError, match="not classes: "):
        parts = lay(tmp_path / "parts", "train/cats/1.png", "test/cats/1.png")
        ma.open_source(parts, spec, classes="label")
    with pytest.raises(StoreError, match="are not folders of classes"):
        masks = lay(tmp_path / "masks", "images/1.png", "masks/1.png")
        ma.open_source(masks, spec, classes="label")


@pytest.mark.row("`.DS_Store`, `Thumbs.db`, `._a.png`, `.ipynb_checkpoints`, `__MACOSX`, notes")
def test_junk(tmp_path):
    lay(tmp_path, "image/a.png", "mask/a.png", ".DS_Store", "image/Thumbs.db", "image/._a.png")
    lay(tmp_path, "__MACOSX/image/a.png", ".ipynb_checkpoints/a.png", "README.md", "mask/notes.txt")
    source = ma.open_source(tmp_path, BOTH)
    assert len(source) == 1
    assert "skipped 2 of other kinds, 5 hidden" in repr(source)


@pytest.mark.row("symbolic links")
def test_links(tmp_path):
    real = lay(tmp_path / "real", "image/a.png", "mask/a.png")
    (tmp_path / "linked").mkdir()
    for name in ("image", "mask"):
        (tmp_path / "linked" / name).symlink_to(real / name)
    assert len(ma.open_source(tmp_path / "linked", BOTH)) == 1
    (real / "image" / "b.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"b.png is a link that leads nowhere"):
        ma.open_source(real, BOTH)
    (real / "image" / "b.png").unlink()
    (real / "image" / "circle").symlink_to(real)
    with pytest.raises(StoreError, match="link to a folder that it is in itself"):
        ma.open_source(real, BOTH)


@pytest.mark.row("pictures of kinds that are not read (HEIC, JPEG 2000, raw, DICOM)")
def test_kinds_that_are_not_read(tmp_path):
    with pytest.raises(StoreError, match=r"kind that is not read, such as image/b.heic"):
        ma.open_source(lay(tmp_path, "image/a.png", "image/b.heic", "mask/a.png"), BOTH)


@pytest.mark.row("names with spaces, accents in either Unicode form, bytes that are no UTF-8")
def test_odd_names(tmp_path):
    lay(tmp_path, "image/caf\u00e9 (1).png", "mask/cafe\u0301 (1).png", "image/b.png", "mask/b.png")
    odd = os.fsdecode(b"\xe9.png")  # of an old archive
    for name in ("image", "mask"):
        (tmp_path / name / "b.png").rename(tmp_path / name / odd)
    source = ma.open_source(tmp_path, BOTH)
    assert len(source) == 2
    assert len(source.fingerprint) == 64
    assert len(ma.open_source(ma.convert(source, tmp_path / "out.zarr"))) == 2
    (tmp_path / "image" / odd).write_bytes(b"")
    with pytest.raises(CorruptChunkError) as caught:
        source.read([0, 1])
    assert str(caught.value).encode("utf-8")  # it can be printed


def png(bits: int, colours: int, rows: np.ndarray, width: int) -> bytes:
    """A PNG of rows of bytes, unfiltered but for Sub in the first."""

    def part(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    pixel = max(1, bits * {0: 1, 2: 3, 4: 2, 6: 4}[colours] // 8)
    filtered = rows.copy()
    filtered[0, pixel:] -= rows[0, :-pixel]
    data = b"".join(bytes([i == 0]) + row.tobytes() for i, row in enumerate(filtered))
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colours, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header)
    return start + part(b"IDAT", zlib.compress(data)) + part(b"IEND", b"")


@pytest.mark.row("PNG of 16 bits, grey, RGB or RGBA")
@pytest.mark.parametrize(("colours", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits(tmp_path, colours, channels):
    values = np.random.default_rng(0).integers(0, 65536, (5, 7, channels), np.uint16)
    rows = values.astype(">u2").view(np.uint8).reshape(5, -1)
    (tmp_path / "a.png").write_bytes(png(16, colours, rows, 7))
    spec = DataSpec("wide", [EntrySpec.of_role("image", "intensity", channels=channels)])
    found = read(tmp_path, spec)["image"]
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found.reshape(values.shape), values)
    generator = ImageDataGenerator()
    lay(tmp_path / "c", "a/")
    (tmp_path / "a.png").rename(tmp_path / "c" / "a" / "a.png")
    flow = generator.flow_from_directory(
        tmp_path / "c", (5, 7), color_mode="unchanged", class_mode=None
    )
    np.testing.assert_array_equal(flow[0][0], values)


BANDS = np.random.default_rng(0).integers(0, 4000, (20, 16, 5)).astype(np.uint16)
PLANES = BANDS.transpose(2, 0, 1)


@pytest.mark.row("TIFF")
@pytest.mark.row("TIFF of an array without named axes (`tifffile.imwrite`)")
@pytest.mark.parametrize("channels", [None, 5])
@pytest.mark.parametrize(
    ("array", "settings"),
    [
        (BANDS, {}),
        (BANDS, {"photometric": "minisblack", "planarconfig": "contig"}),
        (BANDS, {"metadata": {"axes": "YXC"}}),
        (PLANES, {"photometric": "minisblack"}),
        (PLANES, {"photometric": "minisblack", "planarconfig": "separate"}),
        (PLANES, {"photometric": "minisblack", "metadata": None}),
        (PLANES, {"imagej": True, "metadata": {"axes": "CYX"}}),
    ],
)
def test_axes_of_tiff(tmp_path, array, settings, channels):
    tifffile.imwrite(tmp_path / "a.tif", array, **settings)
    spec = DataSpec("bands", [EntrySpec.of_role("image", "intensity", channels=channels)])
    np.testing.assert_array_equal(read(tmp_path, spec)["image"], BANDS)


def test_axes_of_tiff_by_the_front_of_keras(tmp_path):
    lay(tmp_path, "a/")
    tifffile.imwrite(
        tmp_path / "a" / "a.tif", PLANES, photometric="minisblack", planarconfig="separate"
    )
    flow = ImageDataGenerator().flow_from_directory(
        tmp_path, (20, 16), color_mode="unchanged", class_mode=None
    )
    np.testing.assert_array_equal(flow[0][0], BANDS)


def test_axes_that_are_not_known(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 60, 30), np.uint16))
    with pytest.raises(RecordError, match="does not say which axis"):
        read(tmp_path, DataSpec("bands", [EntrySpec.of_role("image", "intensity")]))
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2, 3, 8, 9), np.uint16), photometric="minisblack"
    )
    with pytest.raises(RecordError, match=r"axes QQYX of lengths \(2, 3, 8, 9\)"):
        read(tmp_path, DataSpec("bands", [EntrySpec.of_role("image", "intensity")]))


@pytest.mark.row("TIFF as LZW, JPEG, zstd, fax")
def test_codecs_of_tiff(tmp_path, monkeypatch):
    colours = np.random.default_rng(1).integers(0, 256, (8, 9, 3), np.uint8)
    spec = DataSpec("alone", [IMAGE])
    Image.fromarray(colours).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read(tmp_path, spec)["image"], colours)
    # Where Pillow has other numbers, or none, it is the package that is named.
    monkeypatch.setattr("multiaug.store.decode._decode_tiff._by_pillow", lambda *_: None)
    monkeypatch.setattr(
        "tifffile.TiffPageSeries.asarray", lambda *_: (_ for _ in ()).throw(KeyError("imagecodecs"))
    )
    with pytest.raises(StoreError, match=r"compressed as LZW .* pip install imagecodecs") as caught:
        read(tmp_path, spec)
    assert not isinstance(caught.value, CorruptChunkError)


@pytest.mark.row("a GeoTIFF with a no-data value that the spec does not have")
def test_nodata(tmp_path):
    values = np.arange(24, dtype=np.int16).reshape(4, 6)
    spec = DataSpec("dem", [EntrySpec.of_role("image", "intensity", channels=1)])
    tifffile.imwrite(tmp_path / "a.tif", values, extratags=[(42113, "s", 0, "-9999", True)])
    read(tmp_path, spec)  # there are no such pixels
    values[0, 0] = -9999
    tifffile.imwrite(tmp_path / "a.tif", values, extratags=[(42113, "s", 0, "-9999", True)])
    with pytest.warns(MultiaugWarning, match=r'declares -9999 .* Declare "invalid": -9999'):
        read(tmp_path, spec)
    known = EntrySpec.of_role("image", "intensity", channels=1, invalid=-9999, dtype="int16")
    read(tmp_path, DataSpec("dem", [known]))


@pytest.mark.row("PGM and PPM with another largest value than 255 and 65535")
def test_pnm(tmp_path):
    values = np.array([[0, 1000, 4095], [7, 8, 9]], np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5\n# by hand\n3 2 4095\n" + values.astype(">u2").tobytes())
    open_range = DataSpec("p", [EntrySpec.of_role("image", "intensity", channels=1)])
    with pytest.warns(MultiaugWarning, match="counts to 4095"):
        np.testing.assert_array_equal(read(tmp_path, open_range)["image"], values)
    given = EntrySpec.of_role("image", "intensity", channels=1, range=(0, 4095))
    read(tmp_path, DataSpec("p", [given]))
    (tmp_path / "a.pgm").write_bytes(b"P2 3 2 4095 0 1000 4095\n7 8 9\n")
    np.testing.assert_array_equal(read(tmp_path, DataSpec("p", [given]))["image"], values)
    (tmp_path / "a.pgm").write_bytes(b"P2 3 2 4095 0 1000")
    with pytest.raises(CorruptChunkError, match="ends after 2 of 6"):
        read(tmp_path, DataSpec("p", [given]))


@pytest.mark.row("an Exif orientation")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_orientation(tmp_path, orientation, ending):
    from PIL import ImageOps

    stored = Image.fromarray(np.arange(72, dtype=np.uint8).reshape(4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    lay(tmp_path, "image/", "mask/")
    stored.save(tmp_path / "image" / "a.png", exif=exif)
    right = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "image" / "a.png")))
    if ending == "tif":
        (tmp_path / "image" / "a.png").unlink()
        stored.save(tmp_path / "image" / "a.tif", tiffinfo={0x0112: orientation})
    Image.fromarray(right[..., 0]).save(tmp_path / "mask" / "a.png")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = read(tmp_path)
    np.testing.assert_array_equal(found["image"], right)
    np.testing.assert_array_equal(found["mask"], right[..., 0])
    assert [str(w.message) for w in said if "cannot tell" in str(w.message)] == [
        str(w.message) for w in said
    ]
    assert len(said) == (orientation in (2, 3, 4))
    if orientation >= 5:
        Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "mask" / "a.png")
        with pytest.raises(RecordError, match=r"drawn on the picture as it is stored, \(4, 6\)"):
            read(tmp_path, size=(4, 4))


@pytest.mark.row("transparency, where the spec has no channel for it")
def test_alpha(tmp_path):
    spec = DataSpec("alone", [IMAGE])
    colours = np.full((4, 6, 4), 255, np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert read(tmp_path, spec)["image"].shape == (4, 6, 3)
    colours[0, 0, 3] = 0
    Image.fromarray(colours).save(tmp_path / "a.png")
    with pytest.warns(MultiaugWarning, match="a.png has transparent pixels"):
        read(tmp_path, spec)
    four = DataSpec("four", [EntrySpec.of_role("image", "intensity", channels=4)])
    np.testing.assert_array_equal(read(tmp_path, four)["image"], colours)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", extrasamples=["unspecified"])
    (tmp_path / "a.png").unlink()
    with pytest.raises(RecordError, match="expected 3 channels"):  # a fourth band is no alpha
        read(tmp_path, spec)


@pytest.mark.row("CMYK")
def test_cmyk(tmp_path):
    picture = Image.new("RGB", (6, 4), (255, 0, 0)).convert("CMYK")
    picture.save(tmp_path / "a.jpg")
    with pytest.warns(MultiaugWarning, match="is CMYK and was converted"):
        assert read(tmp_path, DataSpec("alone", [IMAGE]))["image"].shape == (4, 6, 3)
    (tmp_path / "a.jpg").unlink()
    picture.save(tmp_path / "a.tif")
    with pytest.raises(RecordError, match="holds CMYK colours"):
        read(tmp_path, DataSpec("alone", [IMAGE]))


@pytest.mark.row("animated GIF, PNG or WebP")
@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_animations(tmp_path, ending):
    frames = [Image.new("RGB", (6, 4), (90 * i, 9, 9)) for i in range(3)]
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:])
    with pytest.raises(RecordError, match="animated: it holds 3 pictures"):
        read(tmp_path, DataSpec("alone", [IMAGE]))


@pytest.mark.row("a grey file where 3 channels are declared")
def test_grey(tmp_path):
    assert read(lay(tmp_path, "a.png"), DataSpec("alone", [IMAGE]))["image"].shape == (4, 6, 3)


@pytest.mark.row("a file that is cut short")
def test_truncated(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for number in range(3):
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[:4000])
    source = ma.open_source(tmp_path, DataSpec("alone", [IMAGE]))
    with pytest.raises(CorruptChunkError, match=r"1.png cannot be read"):
        source.read([1])
    remedy = r"more than the 0 that `Loader.skip_limit`.* Mend .*: skip_limit=0.34 or above"
    with pytest.raises(ma.StoreError, match=remedy):
        list(ma.Loader(source, batch_size=3, on_corrupt="skip"))
    loader = ma.Loader(source, batch_size=3, on_corrupt="skip", skip_limit=0.34)
    assert sum(len(batch["index"]) for batch in loader) == 2


@pytest.mark.row("pictures of several sizes")
def test_sizes(tmp_path):
    lay(tmp_path, "a.png")
    Image.new("L", (12, 8)).save(tmp_path / "b.png")
    source = ma.open_source(tmp_path, DataSpec("alone", [IMAGE]))
    with pytest.raises(RecordError, match=r"b.png: 'image' is uint8 \(8, 12, 3\), expected"):
        source.read([1])
    same = ma.open_source(tmp_path, DataSpec("alone", [IMAGE]), size=(4, 6))
    assert same.read([0, 1])["image"].shape == (2, 4, 6, 3)


IDS = (np.arange(24, dtype=np.uint8) % 3).reshape(4, 6)


@pytest.mark.row("palette PNG, GIF, BMP or TIFF (PASCAL VOC, LabelMe)")
@pytest.mark.parametrize("ending", ["png", "gif", "bmp", "tif"])
@pytest.mark.parametrize(
    "palette", [[0, 0, 0, 90, 90, 90, 255, 255, 255], [0, 0, 0, 128, 0, 0, 0, 128, 0]]
)
def test_palettes(tmp_path, ending, palette):
    mask = Image.frombytes("P", (6, 4), IDS.tobytes())
    mask.putpalette(palette)
    beside(tmp_path, lambda folder: mask.save(folder / f"a.{ending}"))
    np.testing.assert_array_equal(read(tmp_path)["mask"], IDS)
    colours = read(tmp_path / "mask", DataSpec("alone", [IMAGE]))["image"]
    np.testing.assert_array_equal(colours, np.reshape(palette, (3, 3))[IDS])


@pytest.mark.row("1-bit files")
@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "pbm"])
def test_bits(tmp_path, ending):
    bits = Image.fromarray(IDS > 0)
    beside(tmp_path, lambda folder: bits.save(folder / f"a.{ending}"))
    right = IDS == 0 if ending == "pbm" else IDS > 0  # where 1 is black
    np.testing.assert_array_equal(read(tmp_path)["mask"], right)
    grey = EntrySpec.of_role("image", "intensity", channels=1)
    found = read(tmp_path / "mask", DataSpec("alone", [grey]))["image"]
    np.testing.assert_array_equal(found, (IDS > 0) * np.uint8(255))


@pytest.mark.row("masks of 0 and 255")
def test_0_and_255(tmp_path):
    drawn = (IDS > 0) * np.uint8(255)
    beside(tmp_path, lambda folder: Image.fromarray(drawn).save(folder / "a.png"))
    mapped = EntrySpec.of_role("mask", "label", dtype="uint8", ignore=255, values={255: 1})
    source = ma.open_source(tmp_path, DataSpec("cells", [IMAGE, mapped]))
    np.testing.assert_array_equal(source.read([0])["mask"][0], IDS > 0)
    assert "255 is no class" in SEGMENTATION.description


@pytest.mark.row("PNG of 2 or 4 bits")
@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits(tmp_path, bits):
    values = np.arange(32, dtype=np.uint8).reshape(4, 8) % 2**bits
    packed = np.packbits(
        np.unpackbits(values[..., None], axis=-1)[..., -bits:].reshape(4, -1), axis=1
    )
    content = png(bits, 0, packed, 8)
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(read(tmp_path, DataSpec("m", [MASK]))["mask"], values)


@pytest.mark.row("masks in colours")
def test_masks_in_colours(tmp_path):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[0, 0] = 128, 0, 64
    beside(tmp_path, lambda folder: Image.fromarray(colours).save(folder / "a.png"))
    with pytest.raises(RecordError, match=r"holds colours, such as \(128, 0, 64\)"):
        read(tmp_path)
    Image.fromarray(np.repeat(IDS[..., None], 3, -1)).save(tmp_path / "mask" / "a.png")
    np.testing.assert_array_equal(read(tmp_path)["mask"], IDS)  # grey is no colour


@pytest.mark.row("JPEG or lossy WebP")
@pytest.mark.parametrize(
    ("name", "settings"),
    [("a.jpg", {}), ("a.webp", {"lossless": False}), ("a.tif", {"compression": "jpeg"})],
)
def test_lossy_masks(tmp_path, name, settings):
    picture = Image.fromarray(np.repeat(IDS[..., None], 3, -1))
    beside(tmp_path, lambda folder: picture.save(folder / name, **settings))
    with pytest.raises(RecordError, match="labels that nobody drew"):
        read(tmp_path)
    (tmp_path / "mask" / name).unlink()
    picture.save(tmp_path / "mask" / "a.webp", lossless=True)
    np.testing.assert_array_equal(read(tmp_path)["mask"], IDS)


@pytest.mark.row("a mask of other proportions than its image")
def test_proportions(tmp_path):
    beside(tmp_path, lambda folder: Image.new("L", (9, 4)).save(folder / "a.png"))
    for settings in ({}, {"size": (4, 4)}):
        with pytest.raises(RecordError, match="mask: found"):
            read(tmp_path, **settings)


@pytest.mark.row("`values` in any source (arrays, .npy, zarr, OME, folders, .pcd)")
@pytest.mark.parametrize("kind", ["arrays", "npy", "zarr", "ome", "folder"])
def test_values_of_every_source(tmp_path, kind):
    swapped = EntrySpec.of_role("mask", "label", dtype="uint8", values={255: 0, 0: 1})
    spec = DataSpec("cells", [EntrySpec.of_role("image", "intensity", channels=3), swapped])
    stored = np.stack([(IDS > 0) * np.uint8(255), (IDS > 1) * np.uint8(255)])
    arrays = {"image": np.ones((2, 4, 6, 3), np.uint8), "mask": stored.copy()}
    data = tmp_path / "data"
    if kind == "arrays":
        data = arrays
    elif kind == "npy":
        data.mkdir()
        for name, array in arrays.items():
            np.save(data / f"{name}.npy", array)
    elif kind == "zarr":
        group = zarr.open_group(data, mode="w")
        for name, array in arrays.items():
            group.create_array(name, data=array, chunks=(1, *array.shape[1:]))
    elif kind == "ome":
        plain = ma.open_source(arrays, spec.as_read())
        ma.write_ome(plain, data)
    else:
        for number, mask in enumerate(stored):
            lay(data, f"image/{number}.png", "mask/")
            Image.fromarray(mask).save(data / "mask" / f"{number}.png")
    source = ma.open_source(data, spec)
    right = (stored == 0).astype(np.uint8)
    np.testing.assert_array_equal(source.read([1, 0])["mask"], right[::-1])
    out = {"mask": np.empty((1, 4, 6), np.uint8)}
    source.read_range(1, 2, out)
    np.testing.assert_array_equal(out["mask"], right[1:])
    scanned = np.concatenate([block["mask"] for block in source.scan()])
    np.testing.assert_array_equal(scanned, right)
    assert source.spec == spec.as_read() != spec
    assert source.fingerprint != ma.open_source(data, spec.as_read()).fingerprint
    written = ma.open_source(ma.convert(source, tmp_path / "out.zarr"))
    np.testing.assert_array_equal(written.read([0, 1])["mask"], right)
    np.testing.assert_array_equal(arrays["mask"], stored)  # what is the user's stays as it is
