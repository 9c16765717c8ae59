"""Guesses for folders of images, with masks, classes or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._arguments import shown
from ...errors import MultiaugError, StoreError
from ...spec import DataSpec
from ...typing import NDArray
from ..decode._decode import read_picture
from ..decode._picture import size_of
from ..folder._annotations import read_annotations
from ..folder._folder import Folder, look_into
from ..folder._folder_names import is_left_out, is_split, plain, role_of, split_word
from ._entry import Document, entry_name, guess_entry

Guessed = tuple[DataSpec, dict[str, Any], tuple[str, ...]]
_NAMES = {
    "intensity": "image", "label": "mask", "depth": "depth", "direction": "normals",
    "flow": "flow", "density": "density",
}  # fmt: skip
_LOOKED_AT = 16  # files of each entry
_SIZES = 64  # annotations that are counted for the capacity
_ANNOTATIONS = ("annotations", "annotation", "labels", "label", "ann", "anns", "xml", "xmls")


def guess_images(root: Path) -> Guessed:
    """The spec of a folder of images."""
    folder = look_into(root)
    groups = folder.groups
    if groups and not folder.loose and all(is_split(name) for name in groups):
        one = root / sorted(groups, key=lambda name: not name.startswith("tr"))[0]
        raise StoreError(
            f"{shown(str(root))} holds the parts of a data set: {folder.seen()}. Open each of "
            f"them by itself, such as {shown(str(one))}."
        )
    by_role = _by_role(folder)
    annotations = _annotations(folder)
    unnamed = [name for name in groups if role_of(name) is None and plain(name)]
    settings: dict[str, Any] = {}
    if not by_role and len(unnamed) == 1 and not folder.loose:
        # One folder that holds all the rest, as archives have it.
        inner, settings, said = guess_images(root / unnamed[0])
        if not settings:
            return inner, settings, said
        raise StoreError(
            f"{shown(str(root))} holds one folder of data. Open that: "
            f"{shown(str(root / unnamed[0]))}."
        )
    if not by_role and len(unnamed) > 1 and not folder.loose:
        settings["classes"] = "label"
        by_role = {"intensity": folder.files}
    if "intensity" not in by_role:
        raise StoreError(
            f"{shown(str(root))}: which of these are the images is not clear. Seen: "
            f"{folder.seen()}. Call the folder `images`, and that of the masks `masks`."
        )
    entries: dict[str, Document] = {}
    notes: tuple[str, ...] = ()
    for role, files in by_role.items():
        entries[_NAMES[role]], note = _entry(role, files)
        notes += (f"{_where(root, files)} {note}",)
    if "classes" in settings:
        entries["label"] = {"role": "scalar", "dtype": "int32"}
        listed = ", ".join(unnamed[:8]) + (" .." if len(unnamed) > 8 else "")
        notes += (f"the {len(unnamed)} folders are taken for classes: {listed}.",)
    if annotations is not None:
        capacity, note = _boxes(annotations, by_role["intensity"])
        entries["boxes"] = {"role": "boxes", "dtype": "float32", "capacity": capacity}
        entries["classes"] = {"role": "scalar", "dtype": "int32", "of": "boxes"}
        notes += (note,)
    document = {"name": entry_name(root.resolve().name), "entries": entries}
    return DataSpec.from_dict(document, "the guessed spec"), settings, notes


def _by_role(folder: Folder) -> dict[str, list[Path]]:
    """The files of every role that folders or the words in names say."""
    found: dict[str, list[Path]] = {}
    for name, files in folder.groups.items():
        role = role_of(name)
        if role is not None and role not in found and not is_left_out(name, folder.groups):
            found[role] = files
        elif role is None and not plain(name) and "intensity" not in found:
            found.setdefault("intensity", files)  # train beside train_masks
    if "intensity" not in found and folder.loose:
        words = {file: split_word(file.stem)[1] for file in folder.loose}
        roles = {file: role_of(word) if word else "intensity" for file, word in words.items()}
        for file, role in roles.items():
            if role is not None:
                found.setdefault(role, []).append(file)
    if set(found) == {"intensity"} and len(folder.groups) > 1:
        named = [name for name in folder.groups if role_of(name) is None and plain(name)]
        if len(named) > 1:
            return {}
    return {role: found[role] for role in _NAMES if role in found}


def _entry(role: str, files: Sequence[Path]) -> tuple[Document, str]:
    chosen = [files[i] for i in _spread(len(files), _LOOKED_AT)]
    images = _read(role, chosen)
    count = images[0].shape[2] if images[0].ndim == 3 else 1
    dropped = role == "intensity" and count == 4 and images[0].dtype == np.uint8
    document, said = guess_entry(role, 3 if dropped else count, images)
    if dropped:
        said += ", the fourth channel is transparency and dropped"
    if {image.dtype for image in images} != {images[0].dtype}:
        raise StoreError(
            f"{shown(str(chosen[0]))} is {images[0].dtype} and others beside it are not. Bring "
            "the images to one dtype."
        )
    sizes = {size_of(image) for image in images}
    one = "x".join(map(str, sorted(sizes)[0]))
    size = one if len(sizes) == 1 else f"of {len(sizes)} or more sizes"
    tail = f", {said}" if said else ""
    return document, f"is taken for {_NAMES[role]} ({role}), {images[0].dtype}, {size}{tail}."


def _read(role: str, files: Sequence[Path]) -> list[NDArray]:
    """The images that can be read; what is damaged is for `check` to say, unless all are."""
    images: list[NDArray] = []
    for file in files:
        try:
            images.append(read_picture(file, labels=role == "label").array)
        except MultiaugError:
            if not images and file is files[-1]:
                raise
    return images


def _spread(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def _where(root: Path, files: Sequence[Path]) -> str:
    relative = files[0].relative_to(root)
    return f"{relative.parts[0]}/" if len(relative.parts) > 1 else f"*{relative.suffix}"


def _annotations(folder: Folder) -> Path | None:
    """A COCO file, or the folder of VOC's or YOLO's files, where there is one of the usual name."""
    for name in folder.folders:
        kinds: dict[str, Any] = dict(folder.others.get(name, {}))
        if name.lower() in _ANNOTATIONS and {".xml", ".txt", ".json"} & set(kinds):
            inside = sorted((folder.root / name).rglob("*.json"))
            if inside:
                return inside[0] if len(inside) == 1 else None
            return folder.root / name
    loose = sorted(folder.root.glob("*.json"))
    return loose[0] if len(loose) == 1 and b'"annotations"' in loose[0].read_bytes() else None


def _boxes(path: Path, images: Sequence[Path]) -> tuple[int, str]:
    annotations = read_annotations(path)
    base = images[0].parent
    most = 0
    for i in _spread(len(images), _SIZES):
        size = size_of(read_picture(images[i]).array)
        file = images[i].relative_to(base) if base in images[i].parents else images[i]
        most = max(most, len(annotations.read(file, size).edges))
    # Images that were not looked at may have more; a capacity costs little.
    capacity = max(8, 1 << int(np.ceil(np.log2(max(1, 2 * most)))))
    names = annotations.class_names
    listed = ", ".join(map(str, names[:8])) + (" .." if len(names) > 8 else "")
    note = (
        f"{path.name} is taken for boxes: at most {most} an image where looked, capacity "
        f"{capacity}" + (f"; classes {listed}." if listed else ".")
    )
    return capacity, note
