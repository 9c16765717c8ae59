"""Folders of .npy files with one record each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._arguments import PATH, checked
from ...errors import ParameterError, StoreError
from ...files import sha256_file, sha256_of
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._npy import holds_records
from .._ragged import refuse_objects
from .._record_source import RecordSource
from ..decode._picture import shown
from ..folder._folder import PICTURES, some

if TYPE_CHECKING:
    from ...spec import DataSpec


@register_source
class NpyRecordSource(RecordSource):
    """Records in .npy files of one record each: ``image/a.npy`` with ``mask/a.npy``.

    Files of a record have one name in the folders of all entries. The records are in the order of
    the names as text. One folder alone, with the files in it, holds the records of a spec with one
    required entry, unless a file has the name of an entry, or one that is usual for one, such as
    ``images.npy``: it is one file for each entry then, and ``kind="npy-records"`` says otherwise.

    Args:
        root: the folder.
        spec: what the entries are.
        folders: entry name -> folder, relative to the root; by default folders of the names of the
            entries, or the root itself for a spec of one required entry.

    Raises:
        StoreError: a folder is not there or has no .npy files, files lack their counterparts, or
            one is damaged.
        RecordError: an array is not what the spec says, or not like the first one.
        ParameterError: ``folders`` names no entry.
    """

    traits = SourceTraits("npy-records", "folders of .npy files with one record each")

    @checked(root=PATH, spec=SPEC_KIND)
    def __init__(
        self,
        root: str | os.PathLike[str],
        spec: DataSpec,
        *,
        folders: Mapping[str, str] | None = None,
    ) -> None:
        self._root = Path(root)
        self._declared = spec
        self.files = _files(self._root, spec, folders)
        names = [file.name for file in next(iter(self.files.values()))]
        super().__init__(spec, names, shown(str(self._root)))

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """A folder with .npy files below it, none in itself, and no images; or of records alone."""
        if holds_records(candidate):
            return True
        below = candidate.endings_below
        inside = ".npy" in below and ".npy" not in candidate.endings
        return candidate.folder is not None and inside and not below.keys() & PICTURES

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files."""
        parts = [
            part
            for name, files in self.files.items()
            for file in files
            for part in (name, file.name, sha256_file(file))
        ]
        return sha256_of("multiaug.npy-records/1", *parts, *self._maps.identity)

    def read_record(self, number: int) -> dict[str, NDArray]:
        return {name: self._array(name, files[number]) for name, files in self.files.items()}

    def _array(self, name: str, file: Path) -> NDArray:
        try:
            array: NDArray = np.load(file)
        except (ValueError, OSError, EOFError) as error:
            raise StoreError(
                f"{shown(str(file))} cannot be read as .npy: {error}. Expected an array that "
                f"np.save wrote, whole and without pickled objects. "
                f"{refuse_objects(self._declared, name)}"
            ) from error
        return array


def _files(root: Path, spec: DataSpec, folders: Mapping[str, str] | None) -> dict[str, list[Path]]:
    unknown = sorted(set(folders or {}) - set(spec.entries))
    if unknown:
        raise ParameterError(
            f"`NpyRecordSource.folders`: the spec has no entry {unknown[0]!r}; it has "
            f"{list(spec.entries)}."
        )
    required = [name for name, entry in spec.entries.items() if not entry.optional]
    places = {name: root / where for name, where in (folders or {}).items()}
    if folders is None:
        places = {name: root / name for name in spec.entries if (root / name).is_dir()}
        if not places and len(required) == 1:
            places = {required[0]: root}
    lacking = [name for name in required if name not in places]
    if lacking:
        raise StoreError(
            f"{shown(str(root))}: there is no folder for {lacking[0]!r}. Name its folder after "
            f"the entry, or say which it is: folders={{{lacking[0]!r}: 'folder'}}."
        )
    found = {name: sorted(place.glob("*.npy")) for name, place in places.items()}
    for name, files in found.items():
        if not files:
            raise StoreError(
                f"{shown(str(places[name]))}: there are no .npy files in it, where {name!r} was "
                "to be."
            )
    by_name = {name: {file.name for file in files} for name, files in found.items()}
    everything = set().union(*by_name.values())
    for name, names in by_name.items():
        if names != everything:
            raise StoreError(
                f"{shown(str(places[name]))}: {some(sorted(everything - names))} of other entries "
                f"have no file for {name!r}. Files of one record have one name in all folders."
            )
    return found
