"""Folders of images with boxes beside them, as COCO, VOC and YOLO write them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import PATH, checked, optional
from ...errors import ParameterError, RecordError, StoreError
from ...files import sha256_of
from ...spec import SPEC_KIND, DataSpec
from ...typing import NDArray
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._ragged import padded
from ..decode._picture import MOST_PIXELS, shown
from ..folder._annotations import Annotations, Table, read_annotations
from ..folder._folder import some
from ..folder._pictures import PictureSource

if TYPE_CHECKING:
    from ...spec import EntrySpec

_USUAL = ("annotations", "annotation", "labels", "label", "ann", "anns", "xml", "xmls", "bboxes")
_TOLD: set[str] = set()


@register_source
class AnnotatedSource(PictureSource):
    """Images with boxes that a COCO file, or files of VOC or YOLO beside them, hold.

    Opened for specs that require an entry of role boxes; that must have a ``capacity``. Boxes come
    in the ``box_convention`` of the spec, whichever the files have. A scalar ``of`` the boxes gets
    the numbers of their classes, whose names are in ``class_names``. Which annotations belong to a
    folder is understood where there is one file or folder of them, and printed to stderr once. All
    else is as for `PictureSource`.

    Args:
        root: the folder.
        spec: what the entries are.
        annotations: the COCO file, or the folder of VOC's or YOLO's files, relative to the folder
            or absolute.
        folders: see `PictureSource`.
        most_pixels: see `PictureSource`.

    Raises:
        StoreError: there are no annotations, or several; an image has none of its own.
        RecordError: an annotation is of an image of another size, or not what the spec says.
        ParameterError: the boxes have no capacity.
    """

    traits = SourceTraits("annotated", "folders of images with boxes", within="images")

    @checked(root=PATH, spec=SPEC_KIND, annotations=optional(PATH))
    def __init__(
        self,
        root: str | os.PathLike[str],
        spec: DataSpec,
        *,
        annotations: str | os.PathLike[str] | None = None,
        folders: Mapping[str, str] | None = None,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        boxes = [entry for entry in spec.entries.values() if entry.role == "boxes"]
        if len(boxes) != 1 or boxes[0].groups[0].capacity is None:
            raise ParameterError(
                f"{shown(str(root))}: images with boxes need one entry of role boxes with a "
                f'"capacity", the most boxes that an image has; the spec has '
                f"{[entry.name for entry in boxes]}."
            )
        self._boxes = boxes[0]
        self._classes_of = [
            entry
            for entry in spec.entries.values()
            if entry.kind == "value" and entry.of == self._boxes.name
        ]
        self._path = Path(root) / (annotations or _found(Path(root)))
        super().__init__(root, spec, folders=folders, most_pixels=most_pixels)
        self.class_names = self._annotations.class_names
        text = f"multiaug: {shown(str(root))}: {shown(self._path)} -> {self._boxes.name}"
        text = "; ".join([text, *self._annotations.notes, *self._compared()])
        if text not in _TOLD:
            _TOLD.add(text)
            print(text, file=sys.stderr)

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """A folder of images, for a spec that requires boxes."""
        entries = candidate.spec.entries.values() if candidate.spec is not None else ()
        return any(entry.role == "boxes" and not entry.optional for entry in entries)

    @property
    def fingerprint(self) -> str:
        """That of the images, and the values of the annotations."""
        parts: list[bytes | str] = ["multiaug.annotated/1", super().fingerprint]
        paths = [self._path] if self._path.is_file() else sorted(self._path.rglob("*.*"))
        for path in paths:
            if path.is_file():
                parts += [path.name, path.read_bytes()]
        return sha256_of(*parts)

    def __getstate__(self) -> dict[str, Any]:
        # The other process reads the annotations itself.
        return {
            name: value for name, value in super().__getstate__().items() if name != "_annotations"
        }

    def read_record(self, number: int) -> dict[str, NDArray]:
        """See `RecordSource.read_record`."""
        record = super().read_record(number)
        file = self._image(number)
        if self._annotations.key(file) is None and self._annotations.required:
            raise StoreError(f"{shown(self._path)} has no annotations of {shown(file)}.")
        main = self._boxes.of or self._spec.reference() or next(iter(self.files))
        height, width = record[main].shape[:2]
        table = self._annotations.read(file, (height, width))
        if table.size not in (None, (height, width)):
            raise RecordError(
                f"{shown(self._path)} says that {shown(file)} has (height, width) {table.size}, "
                f"and the image has {(height, width)}. One of them was resized or turned."
            )
        record.update(self._rows(table, number))
        return record

    def _image(self, number: int) -> Path:
        """The image that the boxes of a record are of, below the root."""
        main = self._boxes.of or self._spec.reference() or next(iter(self.files))
        return self.files[main][number].relative_to(self._root)

    def _compared(self) -> list[str]:
        """Compare images and annotations; what differs and may be meant so, for people."""
        images = [self._image(number) for number in range(len(self))]
        keys = [self._annotations.key(image) for image in images]
        lacking = [image for image, key in zip(images, keys, strict=True) if key is None]
        if lacking and (self._annotations.required or len(lacking) == len(images)):
            raise StoreError(
                f"{shown(self._path)} has no annotations of {some(map(str, lacking))}. Move these "
                "images elsewhere, or say where their annotations are: annotations='..'."
            )
        said = [f"{len(lacking)} of {len(images)} images have no file, so no boxes"]
        unused = self._annotations.count - len({key for key in keys if key is not None})
        said = said * bool(lacking)
        return said + [f"annotations of {unused} more images"] * (unused > 0)

    def _rows(self, table: Table, number: int) -> dict[str, NDArray]:
        name, capacity = self._boxes.name, self._boxes.groups[0].capacity
        assert capacity is not None
        boxes = _in_convention(table.edges, self._boxes.groups[0].convention)
        boxes = boxes.astype(self._boxes.dtype or np.float32)
        found = {name: padded(name, [boxes], capacity, number)[0]}
        if not len(boxes):
            found[name] = np.full((capacity, 4), np.nan, boxes.dtype)
        for entry in self._classes_of:
            classes = _cast(table.classes, entry)
            found[entry.name] = padded(entry.name, [classes], capacity, number)[0]
        return found

    @cached_property
    def _annotations(self) -> Annotations:
        return read_annotations(self._path)


def _in_convention(edges: NDArray, convention: str) -> NDArray:
    if convention == "coco":
        return np.concatenate([edges[:, :2] + 0.5, edges[:, 2:] - edges[:, :2]], axis=1)
    if convention == "pascal":
        inside: NDArray = edges + np.array([0.5, 0.5, -0.5, -0.5])
        return inside
    return edges


def _cast(classes: NDArray, entry: EntrySpec) -> NDArray:
    dtype = np.dtype(entry.dtype or np.int32)
    cast: NDArray = classes.astype(dtype)
    if (cast != classes).any():
        raise RecordError(f"{entry.name!r}: {dtype} cannot hold the class {classes.max()}.")
    return cast


def _found(root: Path) -> Path:
    """The only annotations in a folder, relative to it."""
    files = [file for file in root.glob("*.json") if file.name[0] != "."]
    folders = [
        folder for folder in root.iterdir() if folder.is_dir() and folder.name.lower() in _USUAL
    ]
    inside = [file for folder in folders for file in folder.glob("*.json")]
    tables = [f for f in folders if any(f.rglob("*.xml")) or any(f.rglob("*.txt"))]
    candidates = [path.relative_to(root) for path in [*files, *inside, *tables]]
    if len(candidates) == 1:
        return candidates[0]
    listed = sorted(shown(path) for path in candidates)
    raise StoreError(
        f"{shown(root)}: "
        + (f"{listed} are each annotations" if listed else "there are no annotations in it")
        + ". Say which: annotations='instances_train.json', or the folder of VOC's or YOLO's files."
    )
