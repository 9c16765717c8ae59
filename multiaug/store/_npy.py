"""Arrays in .npy files, mapped into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._arguments import PATH, Kind, checked, one_of, whole
from ..errors import ParameterError, StoreError
from ..files import sha256_of, sha256_sample
from ..spec import SPEC_KIND
from ..typing import NDArray
from ._arrays import ArraySource
from ._candidate import Candidate
from ._kinds import SourceTraits, register_source
from ._ragged import refuse_objects
from .folder._folder import PICTURES, tells_images
from .folder._folder_names import role_of

if TYPE_CHECKING:
    from ..spec import DataSpec

Channels = Literal["last", "first"]


def _is_path_or_mapping(value: Any) -> bool:
    paths = value.values() if isinstance(value, Mapping) else (value,)
    return all(PATH.accepts(path) for path in paths)


@register_source
class NpySource(ArraySource):
    """Records in .npy files, one file per entry with a leading N, read as they are needed.

    Args:
        path: a folder with ``<entry>.npy`` for every entry, a single file for a spec whose only
            required entry it is, or a mapping from entry name to file.
        spec: what the entries are.
        channels: ``first`` for pictures stored as (N, C, H, W), or (N, T, C, H, W) where they have
            ``time``; they are handed out as (N, H, W, C) without being copied.
        block: records per block.

    Raises:
        StoreError: a file is missing, is no .npy file or shorter than it says; arrays differ in
            length.
        RecordError: an array is not what the spec says.
        ParameterError: ``channels`` is neither, or one file for several entries.
    """

    traits = SourceTraits("npy", ".npy files", suffixes=(".npy",), folders=True)

    @checked(
        path=Kind("a path, or a mapping from entry name to path", _is_path_or_mapping),
        spec=SPEC_KIND,
        channels=one_of("last", "first"),
        block=whole(1),
    )
    def __init__(
        self,
        path: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
        spec: DataSpec,
        *,
        channels: Channels = "last",
        block: int = 64,
    ) -> None:
        self._settings = (path, spec, channels, block)
        self._files = _files(path, spec)
        arrays = {name: _open(file, name, spec) for name, file in self._files.items()}
        if channels == "first":
            arrays = {n: _channels_last(n, a, spec) for n, a in arrays.items()}
        super().__init__(arrays, spec, block=block)

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """One file, a mapping of files, or a folder with some in itself and no word of images."""
        if candidate.entries:
            return not all(f.suffix.lower() in PICTURES for f in candidate.entries.values())
        if candidate.folder is not None and ".npy" in candidate.endings:
            return not tells_images(candidate) and not holds_records(candidate)
        return len(candidate.files) == 1 and candidate.ends((".npy",))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of names, headers and contents, of large files of parts of them."""
        parts: list[bytes | str] = ["multiaug.npy/1"]
        for name, file in sorted(self._files.items()):
            array = self._arrays[name]
            parts += [f"{name} {array.dtype.str} {array.shape}", sha256_sample(file)]
        return sha256_of(*parts, *self._maps.identity)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._settings  # a map would be copied into the pickle


def _reopen(path: Any, spec: DataSpec, channels: Channels, block: int) -> NpySource:
    return NpySource(path, spec, channels=channels, block=block)


def holds_records(candidate: Candidate) -> bool:
    """Whether the .npy files of a folder are records, as far as names and the spec tell."""
    spec, folder = candidate.spec, candidate.folder
    if spec is None or folder is None or ".npy" not in candidate.endings:
        return False
    stems = [path.stem for path in folder.iterdir() if path.suffix == ".npy"]
    required = [name for name, entry in spec.entries.items() if not entry.optional]
    named = any(stem in spec.entries or role_of(stem) for stem in stems)
    return len(required) == 1 and not named


def _files(
    path: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]], spec: DataSpec
) -> dict[str, Path]:
    if isinstance(path, Mapping):
        return {name: Path(file) for name, file in path.items()}
    root = Path(path)
    if root.is_dir():
        found = {name: root / f"{name}.npy" for name in spec.entries}
        present = {n: f for n, f in found.items() if f.is_file() or not spec.entries[n].optional}
        missing = [str(file) for file in present.values() if not file.is_file()]
        if missing:
            raise StoreError(
                f"{root}: {missing[0]} is not there. Expected one .npy file per entry, named "
                f"after it: {[f'{name}.npy' for name in spec.entries]}. If each file is a record, "
                "open it with kind='npy-records'."
            )
        return present
    required = [name for name, entry in spec.entries.items() if not entry.optional]
    if len(required) != 1:
        raise ParameterError(
            f"{root}: one file cannot hold the entries {required}. Pass a mapping from entry name "
            "to file, or the folder of files named after the entries."
        )
    return {required[0]: root}


def _open(file: Path, name: str, spec: DataSpec) -> NDArray:
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except FileNotFoundError as error:
        raise StoreError(f"{file}: there is nothing there. Check the path.") from error
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        # Also a file that is shorter than its header says: mapping it would end the process.
        raise StoreError(
            f"{file} cannot be read as .npy: {error}. Expected an array that np.save wrote, whole "
            f"and without pickled objects. {refuse_objects(spec, name)}"
        ) from error
    return array


def _channels_last(name: str, array: NDArray, spec: DataSpec) -> NDArray:
    entry = spec.entries.get(name)
    if entry is None or entry.kind != "spatial" or len(entry.image_shape(array.shape[1:])) != 3:
        return array
    moved: NDArray = np.moveaxis(array, -3, -1)
    return moved
