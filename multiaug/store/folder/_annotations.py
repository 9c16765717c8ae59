"""Boxes beside images: COCO's JSON, VOC's XML and YOLO's text, as corners on the pixel-area scale.

References:
    COCO, "Data format" (https://cocodataset.org/#format-data); the PASCAL VOC 2012 development
    kit, section 2.5 (pixels are counted from 1); Ultralytics, "Detection datasets".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from ...errors import CorruptChunkError, RecordError, StoreError
from ...typing import NDArray, SpatialShape
from ..decode._picture import shown


class Table(NamedTuple):
    """The boxes of an image.

    Args:
        edges: float64 (K, 4), x0 y0 x1 y1, where pixel 0 reaches from -0.5 to 0.5.
        classes: (K,), numbers of the classes.
        size: (H, W) of the image as the annotation has it, or None.
    """

    edges: NDArray
    classes: NDArray
    size: SpatialShape | None


@dataclass
class Annotations:
    """The boxes of all images of a data set.

    Args:
        where: the file or the folder.
        read: the table of an image by its path below the folder of images, and its size.
        key: what the annotations of an image are told by, or None where there are none.
        count: how many images there are annotations of.
        required: every image must have some.
        class_names: in the order of the numbers; empty where the format has none.
        notes: what was left out or mapped, for people.
    """

    where: Path
    read: Callable[[Path, SpatialShape], Table]
    key: Callable[[Path], Any]
    count: int
    required: bool = True
    class_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_annotations(path: Path) -> Annotations:
    """Understand a COCO file, a folder of VOC's files or a folder of YOLO's.

    Raises:
        StoreError: it is none of these.
        CorruptChunkError: a file is damaged.
    """
    if path.is_file() and path.suffix.lower() == ".json":
        return _coco(path)
    if path.is_dir():
        for ending, make in ((".xml", _voc), (".txt", _yolo)):
            files = sorted(f for f in path.rglob(f"*{ending}") if f.name[0] != ".")
            files = [file for file in files if file.name.lower() not in _NOT_OF_IMAGES]
            if files:
                return make(path, files)
    raise StoreError(
        f"{shown(path)}: there are no annotations that are read. Expected a COCO file (.json), or "
        "a folder with one file of VOC (.xml) or of YOLO (.txt) for each image."
    )


_NOT_OF_IMAGES = {"classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "notes.txt"}


def _coco(path: Path) -> Annotations:
    try:
        document = json.loads(path.read_bytes())
        listed, rows = document["images"], document["annotations"]
        categories = sorted(document.get("categories", []), key=lambda one: one["id"])
        numbers = {one["id"]: place for place, one in enumerate(categories)}
        images = {one["id"]: one for one in listed}
        tables: dict[Any, list[tuple[list[float], int]]] = {key: [] for key in images}
        crowds = 0
        for row in rows:
            if row.get("iscrowd"):
                crowds += 1
            elif "bbox" in row:
                tables[row["image_id"]].append((row["bbox"], numbers[row["category_id"]]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptChunkError(
            f"{shown(path)} is not a COCO file of boxes: {type(error).__name__}: {error}. It has "
            "images, annotations with bbox, image_id and category_id, and categories."
        ) from error
    by_path = {str(one["file_name"]): key for key, one in images.items()}
    by_name = {Path(name).name: key for name, key in by_path.items()}
    twice = len(by_name) < len(by_path)

    def find(image: Path) -> Any:
        for start in range(len(image.parts)):
            found = by_path.get("/".join(image.parts[start:]))
            if found is not None:
                return found
        return None if twice else by_name.get(image.name)

    def read(image: Path, size: SpatialShape) -> Table:
        key = find(image)
        found = tables[key]
        corners = np.array([box for box, _ in found], np.float64).reshape(-1, 4)
        edges = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1) - 0.5
        told = images[key]
        shape = (told["height"], told["width"]) if {"height", "width"} <= told.keys() else None
        return Table(edges, np.array([number for _, number in found], np.int64), shape)

    notes = [f"left out {crowds} crowds"] if crowds else []
    if [one["id"] for one in categories] != list(range(len(categories))):
        notes.append("classes are numbered from 0 in the order of their ids")
    names = [str(one.get("name")) for one in categories]
    return Annotations(path, read, find, len(images), True, names, notes)


def _voc(path: Path, files: Sequence[Path]) -> Annotations:
    objects = {file: _voc_objects(file) for file in files}
    names = sorted({name for _, rows in objects.values() for name, _ in rows})
    find = _by_stem(path, files)

    def read(image: Path, size: SpatialShape) -> Table:
        shape, rows = objects[find(image)]  # type: ignore[index]
        corners = np.array([box for _, box in rows], np.float64).reshape(-1, 4)
        # Pixels from 1 on, the last one inside.
        edges = corners - np.array([1.5, 1.5, 0.5, 0.5])
        return Table(edges, np.array([names.index(name) for name, _ in rows], np.int64), shape)

    notes = ["classes are numbered in the order of their names"]
    return Annotations(path, read, find, len(files), True, names, notes)


def _voc_objects(
    file: Path,
) -> tuple[SpatialShape | None, list[tuple[str, list[float]]]]:
    try:
        text = file.read_bytes()
        if b"<!ENTITY" in text:
            raise ValueError("it declares entities")
        root = ElementTree.fromstring(text)
        size = root.find("size")
        shape = None
        if size is not None and int(_text(size, "height")) > 0:
            shape = int(_text(size, "height")), int(_text(size, "width"))
        rows = []
        for one in root.iter("object"):
            box = one.find("bndbox")
            if box is None:
                raise ValueError("an object has no bndbox")
            corners = [float(_text(box, key)) for key in ("xmin", "ymin", "xmax", "ymax")]
            rows.append((_text(one, "name").strip(), corners))
    except (ElementTree.ParseError, ValueError) as error:
        raise CorruptChunkError(
            f"{shown(file)} cannot be read as an annotation of VOC: {error}. Correct or replace it."
        ) from error
    return shape, rows


def _text(node: ElementTree.Element, key: str) -> str:
    found = node.findtext(key)
    if found is None:
        raise ValueError(f"{node.tag} has no {key}")
    return found


def _yolo(path: Path, files: Sequence[Path]) -> Annotations:
    find = _by_stem(path, files)

    def read(image: Path, size: SpatialShape) -> Table:
        file = find(image)
        rows = np.zeros((0, 5)) if file is None else _yolo_rows(file)
        height, width = size
        centre, extent = rows[:, 1:3] * (width, height), rows[:, 3:5] * (width, height)
        edges = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1) - 0.5
        return Table(edges, rows[:, 0].astype(np.int64), None)

    return Annotations(path, read, find, len(files), False)


def _yolo_rows(file: Path) -> NDArray:
    try:
        lines = [line.split() for line in file.read_text("ascii").splitlines() if line.strip()]
        rows = np.array(lines, np.float64).reshape(len(lines), -1)
    except ValueError as error:
        raise CorruptChunkError(
            f"{shown(file)} holds no lines of one class and four numbers: {error}."
        ) from error
    if not len(rows):
        return np.zeros((0, 5))
    if rows.shape[1] != 5:
        raise RecordError(
            f"{shown(file)} has {rows.shape[1]} numbers in a line, expected 5: class, x, y, width "
            "and height. Polygons and key points are not read."
        )
    if (rows[:, 0] != np.rint(rows[:, 0])).any() or rows[:, 1:].min() < 0 or rows[:, 1:].max() > 1:
        raise RecordError(
            f"{shown(file)}: expected whole classes, and fractions of width and height from 0 to "
            f"1; found {rows[0].tolist()}. Divide pixels by the size of the image."
        )
    return rows


def _by_stem(path: Path, files: Sequence[Path]) -> Callable[[Path], Path | None]:
    """The file of an image: of the same path, or of the same name where no two files share one."""
    by_path = {str(file.relative_to(path).with_suffix("")): file for file in files}
    count = Counter(file.stem for file in files)
    by_name: Mapping[str, Path] = {file.stem: file for file in files if count[file.stem] == 1}

    def find(image: Path) -> Path | None:
        for start in range(len(image.parts)):
            found = by_path.get(str(Path(*image.parts[start:]).with_suffix("")))
            if found is not None:
                return found
        return by_name.get(image.stem)

    return find
