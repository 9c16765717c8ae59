"""Guesses for arrays with a leading axis of records, and for .npy files of one record each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._arguments import shown
from ...errors import StoreError
from ...spec import DataSpec
from ...typing import NDArray
from ._entry import entry_name, guess_entry, role_by_name, role_by_values

_LOOKED_AT = 4  # records
Guessed = tuple[Any, DataSpec, dict[str, Any], tuple[str, ...]]


def guess_arrays(data: object, arrays: Mapping[str, Any]) -> tuple[DataSpec, tuple[str, ...]]:
    """The spec of arrays (N, ...), by name; only a few records are read."""
    if not arrays:
        raise StoreError(f"{shown(str(data))}: there are no arrays in it.")
    count = len(next(iter(arrays.values())))
    index = np.unique(np.linspace(0, count - 1, _LOOKED_AT).round().astype(int))
    samples = {name: [np.asarray(array[int(i)]) for i in index] for name, array in arrays.items()}
    return _spec_of(Path(str(data)).stem, samples, dict.fromkeys(arrays, f"{count} records"))


def guess_npy(root: Path, files: Sequence[Path]) -> Guessed:
    """The spec of .npy files: one for each entry, or one for each record."""
    arrays = {file: _opened(file) for file in files}
    parents = {file.parent for file in files}
    if root.is_file():
        name = _unless_record(root.stem, next(iter(arrays.values())))
        spec, notes = guess_arrays(root, {name: arrays[root]})
        return {name: str(root)}, spec, {}, tuple(_of_file(note, name, root) for note in notes)
    lengths = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    named = all(role_by_name(file.stem) for file in files)
    if parents == {root} and (named or len(files) == 1) and len(lengths) == 1:
        by_name = {entry_name(file.stem): file for file in files}
        spec, notes = guess_arrays(root, {name: arrays[file] for name, file in by_name.items()})
        said = [
            _of_file(note, name, file)
            for note, (name, file) in zip(notes, by_name.items(), strict=True)
        ]
        return {name: str(file) for name, file in by_name.items()}, spec, {}, tuple(said)
    return _by_record(root, files)


def _of_file(note: str, name: str, file: Path) -> str:
    return f"{file.name}{note.removeprefix(name)}"


def _unless_record(stem: str, array: NDArray) -> str:
    return entry_name(stem) if role_by_name(stem) else ("image" if array.ndim > 2 else "value")


def _by_record(root: Path, files: Sequence[Path]) -> Guessed:
    """One file for each record, in a folder for each entry or in one folder."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        relative = file.relative_to(root)
        folder = relative.parts[0] if len(relative.parts) > 1 else ""
        groups.setdefault(folder, []).append(file)
    if "" in groups and len(groups) > 1:
        raise StoreError(
            f"{shown(str(root))}: there are .npy files in it and in the folders below, so it "
            "cannot be guessed what is a record. Move those of one entry into a folder of theirs."
        )
    names = {folder: entry_name(folder) if folder else "image" for folder in groups}
    samples, origin = {}, {}
    for folder, found in groups.items():
        index = np.unique(np.linspace(0, len(found) - 1, _LOOKED_AT).round().astype(int))
        samples[names[folder]] = [np.asarray(_opened(found[i])) for i in index]
        where = f"{folder}/*.npy" if folder else "*.npy"
        origin[names[folder]] = f"{len(found)} records, one file each ({where})"
    spec, notes = _spec_of(root.name, samples, origin)
    folders = {name: folder or "." for folder, name in names.items()}
    return str(root), spec, {"kind": "npy-records", "folders": folders}, notes


def _opened(file: Path) -> NDArray:
    try:
        array: NDArray = np.load(file, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise StoreError(
            f"{shown(str(file))} cannot be read as .npy: {error}. Expected an array that np.save "
            "wrote, whole and without pickled objects."
        ) from error
    return array


def _spec_of(
    title: str, samples: Mapping[str, Sequence[NDArray]], origin: Mapping[str, str]
) -> tuple[DataSpec, tuple[str, ...]]:
    frames = {s[0].shape[:3] for s in samples.values() if s[0].ndim == 4}
    entries, notes = {}, []
    for name, arrays in samples.items():
        first = arrays[0]
        timed = first.ndim == 4 or (first.ndim == 3 and first.shape in frames)
        shape = first.shape[1:] if timed else first.shape
        role = role_by_name(name)
        if not _suits(role, shape):
            image = first[0] if timed else first
            role = role_by_values(shape, image)
        channels = shape[2] if len(shape) == 3 else None
        document, said = guess_entry(role or "scalar", channels, arrays)
        if timed:
            document["time"] = True
        if document["role"] in ("boxes", "keypoints"):
            document.pop("channels", None)
        entries[name] = document
        of_time = f", {first.shape[0]} frames" if timed else ""
        shown_shape = f"{first.dtype} {shape}{of_time}"
        tail = f", {said}" if said else ""
        notes.append(
            f"{name} is taken for {origin[name]} of {document['role']}, {shown_shape}{tail}."
        )
    document = {"name": entry_name(title), "entries": entries}
    return DataSpec.from_dict(document, "the guessed spec"), tuple(notes)


def _suits(role: str | None, shape: Sequence[int]) -> bool:
    """Whether an array of this shape can be of the role that its name says."""
    if role is None:
        return False
    if role in ("boxes", "keypoints"):
        return len(shape) == 2 and shape[1] == (4 if role == "boxes" else 2)
    if role in ("intrinsics", "extrinsics"):
        return tuple(shape) == ((3, 3) if role == "intrinsics" else (4, 4))
    if role in ("position", "direction"):
        return len(shape) == 3 and shape[2] == 3
    if role == "flow":
        return len(shape) == 3 and shape[2] == 2
    if role in ("label", "depth", "density"):
        return len(shape) == 2
    return len(shape) in (2, 3)
