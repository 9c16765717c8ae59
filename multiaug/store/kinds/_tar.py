"""Shards of tar archives, as webdataset writes them: members of one name are a record."""

from __future__ import annotations

import json
import os
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._arguments import checked
from ...errors import CorruptChunkError, MultiaugError, ParameterError, RecordError, StoreError
from ...files import sha256_of, sha256_sample
from ...spec import SPEC_KIND
from ...typing import NDArray, SpatialShape
from .._candidate import files_of
from .._kinds import SourceTraits, register_source
from .._stream import RecordStream
from ..decode._picture import MOST_PIXELS, EncodedImage, shown
from ..folder._fit_images import ImageFitter
from ..folder._folder import PICTURES

if TYPE_CHECKING:
    from ...spec import DataSpec, EntrySpec

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_IMAGES = frozenset(ending[1:] for ending in PICTURES)
_NUMBERS = {"cls", "cls2", "index", "inx", "id", "txt"}
_VALUES = {*_NUMBERS, "json", "npy"}
_END = 1024  # bytes of zeros
_USUAL = {"i": np.dtype(np.int32), "f": np.dtype(np.float32)}
_TOLD: set[str] = set()


@register_source
class TarSource(RecordStream):
    """Records in tar archives: the members of a record are neighbours and have one name.

    ``000017.jpg`` and ``000017.cls`` are a record of an image and a class: the name ends at the
    first dot of the file's name, and the rest is the field. A field belongs to the entry that it
    names before its format (``mask.png``, ``points.npy``); ``jpg`` and the like alone are the image
    that the spec refers to, ``cls`` the only scalar. What was understood so is printed to stderr
    once. Formats are images, ``npy``, ``json`` (numbers, and lists of them), and ``cls``, ``txt``,
    ``index``, ``id`` (one number). Nothing is unpickled.

    Args:
        path: an archive, a folder of them, a list, or a pattern such as
            ``train-{000000..000011}.tar``; they are read in this order.
        spec: what the entries are.
        fields: entry name -> field, such as ``{"image": "jpg", "mask": "seg.png"}``; then all other
            fields are left alone. Without it a field that is not understood is an error.
        size: (height, width) to bring images to; see `PictureSource`.
        most_pixels: images that say they are larger are refused.

    Raises:
        StoreError: no archive, or one that is damaged or cut off.
        RecordError: a record lacks a field, or is not what the spec says.
        ParameterError: ``fields`` names no entry.
    """

    traits = SourceTraits("webdataset", "tar shards", suffixes=_SUFFIXES, folders=True)

    @checked(spec=SPEC_KIND)
    def __init__(
        self,
        path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        spec: DataSpec,
        *,
        fields: Mapping[str, str] | None = None,
        size: SpatialShape | None = None,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        self._shards, where = files_of(path, _SUFFIXES, "tar shards")
        self._fitter = ImageFitter(size, most_pixels, "TarSource")
        self._entries = dict(spec.entries)
        self._told = dict(fields) if fields is not None else None
        self._size = size
        for name in self._told or ():
            if name not in spec.entries:
                raise ParameterError(
                    f"TarSource.fields: the spec has no entry {name!r}; it has "
                    f"{list(spec.entries)}."
                )
        super().__init__(spec, where)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The files that are read."""
        return tuple(self._shards)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the archives' names and contents, of large ones of parts of them."""
        parts: list[bytes | str] = [f"multiaug.tar/1 {self._told} {self._size}"]
        for shard in self._shards:
            parts += [shard.name, sha256_sample(shard)]
        return sha256_of(*parts, *self._maps.identity)

    def records(self) -> Iterator[tuple[str, dict[str, NDArray]]]:
        """See `RecordStream.records`."""
        seen: set[str] = set()
        for shard in self._shards:
            for key, members in _grouped(shard):
                name = f"{shown(shard)}: {key}"
                if key in seen:
                    raise RecordError(
                        f"{name} comes twice. The members of a record must be neighbours in one "
                        "archive, and names must differ: sort the members (tar --sort=name)."
                    )
                seen.add(key)
                yield name, self._record(name, members)

    def _record(self, name: str, members: Mapping[str, bytes]) -> dict[str, NDArray]:
        places = self._places(name, members)
        return {
            entry: self._decoded(f"{name}.{field}", field, members[field], self._entries[entry])
            for entry, field in places.items()
        }

    def _places(self, name: str, members: Mapping[str, bytes]) -> dict[str, str]:
        """Entry name -> its field."""
        if self._told is not None:
            lacking = [
                f"{entry!r} ({field})"
                for entry, field in self._told.items()
                if field.lower() not in members and not self._entries[entry].optional
            ]
            if lacking:
                raise RecordError(
                    f"{name} has no field for {lacking[0]}; it has {sorted(members)}. Complete it, "
                    "or correct `fields`."
                )
            return {e: f.lower() for e, f in self._told.items() if f.lower() in members}
        places: dict[str, str] = {}
        for field in members:
            entry = _entry_of(field, self._entries)
            if entry is None:
                raise RecordError(
                    f"{name}: what the field {field!r} is was not understood. The spec has "
                    f"{list(self._entries)}. Say which field is what, as in "
                    "fields={'image': 'jpg', 'mask': 'mask.png'}; others are left alone then."
                )
            if entry in places:
                raise RecordError(
                    f"{name}: both {places[entry]!r} and {field!r} could be {entry!r}. Say which: "
                    f"fields={{{entry!r}: {field!r}}}."
                )
            places[entry] = field
        guessed = [f"{f} -> {e}" for e, f in places.items() if f.rpartition(".")[0] != e]
        text = f"multiaug: {self._where}: {', '.join(guessed)}"
        if guessed and text not in _TOLD:
            _TOLD.add(text)
            print(text, file=sys.stderr)
        return places

    def _decoded(self, name: str, field: str, content: bytes, entry: EntrySpec) -> NDArray:
        ending = field.rpartition(".")[2]
        if ending in _IMAGES:
            if entry.kind != "spatial":
                raise RecordError(f"{name} is an image, and {entry.name!r} is of {entry.role}.")
            return self._fitter.read(EncodedImage(name, content), entry)
        try:
            found = _value(ending, content)
        except MultiaugError:
            raise
        except Exception as error:
            raise CorruptChunkError(
                f"{name} cannot be read as {ending}: {type(error).__name__}: {error}. Replace it."
            ) from error
        if ending == "npy":
            return found
        dtype = np.dtype(entry.dtype or _USUAL.get(found.dtype.kind, found.dtype))
        cast = found.astype(dtype)
        if not (cast == found).all() and found.dtype.kind in "iu":
            raise RecordError(f"{name} holds {content[:40]!r}, which {dtype} cannot hold.")
        return cast


def _value(ending: str, content: bytes) -> NDArray:
    if ending == "npy":
        found: NDArray = np.load(BytesIO(content), allow_pickle=False)
        return found
    if ending == "json":
        value = json.loads(content)
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise RecordError(
                f"it holds {content[:60]!r}, expected a number or lists of numbers of one length. "
                "Write what is meant as a field of its own."
            )
        return array
    if ending not in _NUMBERS:
        raise RecordError(f"the format {ending!r} is not read; known are {sorted(_VALUES)}.")
    text = content.decode("ascii").strip()
    return np.asarray(int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text))


def _entry_of(field: str, entries: Mapping[str, EntrySpec]) -> str | None:
    """The entry that a field names, or else the only one of its kind."""
    named, _, ending = field.rpartition(".")
    if ending not in _IMAGES | _VALUES:
        return None
    if named:
        return next((entry for entry in entries if entry.lower() == named), None)
    if ending in _IMAGES:
        images = [n for n, e in entries.items() if e.groups[0].role == "intensity"]
        return images[0] if len(images) == 1 else None
    values = [n for n, e in entries.items() if e.kind == "value"]
    return values[0] if ending in ("cls", "index", "inx", "id") and len(values) == 1 else None


def _grouped(shard: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Neighbouring members of one name, as field -> content; fields in small letters."""
    try:
        _refuse_cut(shard)
        with tarfile.open(shard, "r|*") as archive:
            yield from _groups(archive, shard)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, StoreError):
            raise
        if isinstance(error, FileNotFoundError):
            raise StoreError(f"{shown(shard)}: there is nothing there. Check the path.") from error
        raise CorruptChunkError(
            f"{shown(shard)} cannot be read as a tar archive: {error}. Restore it from a copy."
        ) from error


def _groups(archive: tarfile.TarFile, shard: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    key, members = "", dict[str, bytes]()
    for member in archive:
        if member.isdir() or _is_hidden(member.name):
            continue
        if not member.isfile():
            raise StoreError(
                f"{shown(shard)}: {shown(member.name)} is a link or a device, which is not read. "
                "Write the file itself (tar --dereference)."
            )
        folder, slash, name = member.name.rpartition("/")
        stem, _, field = name.partition(".")
        if members and key != folder + slash + stem:
            yield key, members
            members = {}
        key = folder + slash + stem
        if field.lower() in members:
            raise StoreError(f"{shown(shard)}: {shown(member.name)} comes twice. Remove one.")
        opened = archive.extractfile(member)
        assert opened is not None
        members[field.lower()] = opened.read()
    if members:
        yield key, members


def _is_hidden(name: str) -> bool:
    """Files of systems: ._a.jpg and .DS_Store of macOS."""
    return name.rpartition("/")[2].startswith(".") or name.startswith("__MACOSX/")


def _refuse_cut(shard: Path) -> None:
    """An archive that was cut between two members reads as a whole one with fewer records."""
    if shard.name.lower().endswith((".gz", ".tgz")):
        return  # whose own end is checked as it is unpacked
    with shard.open("rb") as opened:
        opened.seek(max(0, shard.stat().st_size - _END))
        if opened.read().strip(b"\0"):
            raise CorruptChunkError(
                f"{shown(shard)} has no end mark: the archive was cut off, so records would be "
                "missing. Restore it from a copy, or write it anew."
            )
