"""Images with boxes beside them: COCO, VOC and YOLO, each against the boxes that were drawn."""

import json

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import CorruptChunkError, ParameterError, RecordError, StoreError
from tests.store import foreign
from tests.store.foreign import RGB, H, W, images, spec_of

# First and last pixel inside, counted from 0: x0 y0 x1 y1; and the class.
DRAWN = [[(1, 2, 4, 5, "dog")], [], [(0, 0, 7, 5, "cat"), (3, 1, 3, 1, "dog")]]
NAMES = ["cat", "dog"]


def spec(convention: str = "pascal", **changes):
    boxes = {"role": "boxes", "dtype": "float32", "capacity": 3, "box_convention": convention}
    return spec_of(
        image=RGB,
        boxes=boxes | changes,
        kind={"role": "scalar", "dtype": "int32", "of": "boxes", "capacity": 3},
    )


def pictures(folder, names=("a", "b", "c")):
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / f"{name}.png").write_bytes(foreign.png(images()[number]))


def coco(root):
    pictures(root / "train2017")
    (root / "annotations").mkdir()
    listed = [{"id": 7 + i, "file_name": f"{n}.png", "height": H, "width": W}
              for i, n in enumerate("abc")]  # fmt: skip
    rows = [
        {"image_id": 7 + i, "category_id": 10 * (1 + NAMES.index(name)), "iscrowd": 0,
         "bbox": [x0, y0, x1 + 1 - x0, y1 + 1 - y0]}
        for i, drawn in enumerate(DRAWN) for x0, y0, x1, y1, name in drawn
    ]  # fmt: skip
    rows.append({"image_id": 7, "category_id": 10, "iscrowd": 1, "bbox": [0, 0, 1, 1]})
    categories = [{"id": 10 * (1 + i), "name": name} for i, name in enumerate(NAMES)]
    document = {"images": listed, "annotations": rows, "categories": categories}
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(document))


def voc(root):
    pictures(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for name, drawn in zip("abc", DRAWN, strict=True):
        objects = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1 + 1}</xmax><ymax>{y1 + 1}</ymax></bndbox></object>"
            for x0, y0, x1, y1, kind in drawn
        )
        size = f"<size><width>{W}</width><height>{H}</height><depth>3</depth></size>"
        text = f"<annotation>{size}{objects}</annotation>"
        (root / "Annotations" / f"{name}.xml").write_text(text)


def yolo(root):
    pictures(root / "images")
    (root / "labels").mkdir()
    for name, drawn in zip("abc", DRAWN, strict=True):
        lines = [
            f"{NAMES.index(kind)} {(x0 + x1 + 1) / 2 / W} {(y0 + y1 + 1) / 2 / H} "
            f"{(x1 + 1 - x0) / W} {(y1 + 1 - y0) / H}\n"
            for x0, y0, x1, y1, kind in drawn
        ]
        if lines:
            (root / "labels" / f"{name}.txt").write_text("".join(lines))


EXPECTED = np.full((3, 3, 4), np.nan, np.float32)
CLASSES = np.full((3, 3), -1, np.int32)
for i, drawn in enumerate(DRAWN):
    for j, (*box, kind) in enumerate(drawn):
        EXPECTED[i, j], CLASSES[i, j] = box, NAMES.index(kind)


@pytest.mark.parametrize("make", [coco, voc, yolo], ids=lambda make: make.__name__)
def test_boxes_are_those_that_were_drawn(tmp_path, capsys, make):
    root = tmp_path / "data"
    make(root)
    source = ma.open_source(root, spec())
    found = source.read(range(3))
    np.testing.assert_allclose(found["boxes"], EXPECTED, atol=1e-5)
    np.testing.assert_array_equal(found["kind"], CLASSES)
    np.testing.assert_array_equal(found["image"], images()[:3])
    assert source.class_names == ([] if make is yolo else NAMES)
    said = capsys.readouterr().err
    assert "-> boxes" in said
    assert ("1 of 3 images have no file, so no boxes" in said) == (make is yolo)
    assert ("left out 1 crowds" in said) == (make is coco)
    as_coco = ma.open_source(root, spec("coco")).read([0])["boxes"][0, 0]
    np.testing.assert_allclose(as_coco, [1, 2, 4, 4], atol=1e-5)
    as_edges = ma.open_source(root, spec("edges")).read([0])["boxes"][0, 0]
    np.testing.assert_allclose(as_edges, [0.5, 1.5, 4.5, 5.5], atol=1e-5)


def test_what_is_not_clear(tmp_path):
    root = tmp_path / "data"
    coco(root)
    with pytest.raises(ParameterError, match=r'need one entry of role boxes with a "capacity"'):
        ma.open_source(root, spec_of(image=RGB, boxes={"role": "boxes", "dtype": "float32"}))
    with pytest.raises(RecordError, match=r"record 2 has 2 rows, expected at most 1"):
        ma.open_source(root, spec(capacity=1)).read([2])
    file = root / "annotations" / "instances_train2017.json"
    (root / "annotations" / "captions.json").write_text("{}")
    with pytest.raises(StoreError, match=r"captions.json.*are each annotations. Say which"):
        ma.open_source(root, spec())
    told = ma.open_source(root, spec(), annotations="annotations/instances_train2017.json")
    np.testing.assert_array_equal(told.read([1])["boxes"], EXPECTED[[1]])
    with pytest.raises(CorruptChunkError, match="is not a COCO file of boxes: KeyError: 'images'"):
        ma.open_source(root, spec(), annotations="annotations/captions.json")
    document = json.loads(file.read_text())
    document["images"][0]["height"] = 99
    file.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=r"has \(height, width\) \(99, 8\), and the image has"):
        ma.open_source(root, spec(), annotations=file)
    document["images"] = document["images"][1:]
    document["annotations"] = []
    file.write_text(json.dumps(document))
    with pytest.raises(StoreError, match=r"has no annotations of train2017/a.png"):
        ma.open_source(root, spec(), annotations=file)
    with pytest.raises(ParameterError, match="have no setting 'size'"):
        ma.open_source(root, spec(), size=(4, 4))
    pictures(root / "val2017")
    with pytest.raises(StoreError, match="holds the parts of a data set"):
        ma.open_source(root, spec(), annotations=file)


def test_files_of_voc_and_yolo_that_are_wrong(tmp_path):
    voc(tmp_path / "voc")
    file = tmp_path / "voc" / "Annotations" / "a.xml"
    for bad, message in (
        ("<annotation>", "cannot be read as an annotation of VOC"),
        ("<annotation><object><name>x</name></object></annotation>", "an object has no bndbox"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "it declares entities"),
    ):
        file.write_text(bad)
        with pytest.raises(CorruptChunkError, match=message):
            ma.open_source(tmp_path / "voc", spec())
    file.unlink()
    with pytest.raises(StoreError, match=r"has no annotations of JPEGImages/a.png"):
        ma.open_source(tmp_path / "voc", spec())
    yolo(tmp_path / "other")
    for file in (tmp_path / "other" / "labels").iterdir():
        file.rename(file.with_stem(f"of-{file.stem}"))
    with pytest.raises(StoreError, match=r"no annotations of images/a.png, images/b.png"):
        ma.open_source(tmp_path / "other", spec())
    yolo(tmp_path / "yolo")
    file = tmp_path / "yolo" / "labels" / "a.txt"
    for bad, message in (
        ("0 0.5 0.5 0.2", "has 4 numbers in a line, expected 5"),
        ("0 30 20 4 4", "Divide pixels by the size"),
        ("cat 0.5 0.5 0.2 0.2", "holds no lines of one class and four numbers"),
    ):
        file.write_text(bad)
        with pytest.raises(ma.MultiaugError, match=message):
            ma.open_source(tmp_path / "yolo", spec())
