"""Tables of images in Parquet, as Hugging Face writes them: encoded images, labels and numbers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from ..folder._folder_names import entries_of

if TYPE_CHECKING:
    from ...spec import DataSpec, EntrySpec

_USUAL = {"i": np.dtype(np.int32), "f": np.dtype(np.float32)}
_TOLD: set[str] = set()


@register_source
class ParquetSource(RecordStream):
    """Records in rows of Parquet files, read a row group at a time.

    A column belongs to the entry of its name, or of one that is usual for its role (``img``,
    ``annotation``), which is printed to stderr once; other columns are left alone, as ``ignored``
    and ``repr`` say. Images are encoded files: bytes, or a struct of ``bytes`` and ``path``. Others
    are numbers, or lists of numbers of one length.

    Args:
        path: a file, a folder of them, a list, or a pattern; they are read in this order.
        spec: what the entries are.
        columns: entry name -> column, for other names.
        size: (height, width) to bring images to; see `PictureSource`.
        most_pixels: images that say they are larger are refused.

    Attributes:
        class_names: column -> names of the classes that its numbers stand for, where the file has
            them.
        ignored: columns that are not read.

    Raises:
        StoreError: no Parquet file, a damaged one, or a column is missing.
        RecordError: a row lacks a value, or is not what the spec says.
        ParameterError: ``columns`` names no entry.
    """

    traits = SourceTraits(
        "parquet", "Parquet files", suffixes=(".parquet",), folders=True,
        packages=("pyarrow.parquet",), extra="parquet",
    )  # fmt: skip

    @checked(spec=SPEC_KIND)
    def __init__(
        self,
        path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        spec: DataSpec,
        *,
        columns: Mapping[str, str] | None = None,
        size: SpatialShape | None = None,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        self._files, where = files_of(path, self.traits.suffixes, "Parquet files")
        self.traits.load(where)
        self._fitter = ImageFitter(size, most_pixels, "ParquetSource")
        self._size = size
        self._entries = dict(spec.entries)
        super().__init__(spec, where)
        schema = self._opened(self._files[0], lambda file: file.schema_arrow)
        self._columns = _columns(list(schema.names), spec, columns, where)
        self.ignored = [name for name in schema.names if name not in self._columns.values()]
        self.class_names = _class_names(schema.metadata or {})
        self._length: int = sum(
            self._opened(file, lambda opened: opened.metadata.num_rows) for file in self._files
        )
        guessed = [f"{c} -> {e}" for e, c in self._columns.items() if c != e]
        text = f"multiaug: {where}: {', '.join(guessed)}"
        if guessed and columns is None and text not in _TOLD:
            _TOLD.add(text)
            print(text, file=sys.stderr)

    def __len__(self) -> int:
        return self._length

    @property
    def roots(self) -> tuple[Path, ...]:
        """The files that are read."""
        return tuple(self._files)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files' names and contents, of large files of parts of them."""
        parts: list[bytes | str] = [f"multiaug.parquet/1 {self._columns} {self._size}"]
        for file in self._files:
            parts += [file.name, sha256_sample(file)]
        return sha256_of(*parts, *self._maps.identity)

    def records(self) -> Iterator[tuple[str, dict[str, NDArray]]]:
        """See `RecordStream.records`."""
        wanted = list(self._columns.values())
        for path in self._files:
            row = 0
            groups = self._opened(path, lambda file: file.num_row_groups)
            for group in range(groups):
                table = self._opened(
                    path, lambda file, g=group: file.read_row_group(g, columns=wanted)
                )
                for place in range(table.num_rows):
                    name = f"{shown(path)}: row {row + place}"
                    yield (
                        name,
                        {
                            entry: self._decoded(
                                f"{name}, column {column!r}",
                                table.column(column)[place].as_py(),
                                self._entries[entry],
                            )
                            for entry, column in self._columns.items()
                        },
                    )
                row += table.num_rows

    def _opened(self, path: Path, read: Any) -> Any:
        parquet = self.traits.load(shown(path))
        try:
            with parquet.ParquetFile(path) as file:
                return read(file)
        except MultiaugError:
            raise
        except FileNotFoundError as error:
            raise StoreError(f"{shown(path)}: there is nothing there. Check the path.") from error
        except KeyError as error:
            raise StoreError(
                f"{shown(path)}: there is no column {error}, which the first file has."
            ) from error
        except Exception as error:  # of Arrow, of many kinds
            raise CorruptChunkError(
                f"{shown(path)} cannot be read as Parquet: {error}. Restore it from a copy."
            ) from error

    def _decoded(self, name: str, value: Any, entry: EntrySpec) -> NDArray:
        if isinstance(value, Mapping) and value.get("bytes") is None and value.get("path"):
            raise RecordError(
                f"{name} names the file {value['path']!r} and does not hold it. Embed the images: "
                "datasets' `embed_external_files`, or open the folder that they are in."
            )
        content = value.get("bytes") if isinstance(value, Mapping) else value
        if content is None:
            raise RecordError(
                f"{name} is empty (null). Fill it or leave the row out before it is converted."
            )
        if isinstance(content, bytes):
            if entry.kind != "spatial":
                raise RecordError(f"{name} holds bytes, and {entry.name!r} is of {entry.role}.")
            return self._fitter.read(EncodedImage(name, content), entry)
        try:
            found = np.asarray(content)
        except ValueError as error:
            raise RecordError(f"{name} holds lists of several lengths: {error}.") from error
        if found.dtype.kind not in "biuf" and found.size:
            raise RecordError(
                f"{name} holds {type(content).__name__} ({str(content)[:40]!r}), expected numbers, "
                "lists of numbers or encoded images."
            )
        dtype = np.dtype(entry.dtype or _USUAL.get(found.dtype.kind, found.dtype))
        cast = found.astype(dtype)
        if found.dtype.kind in "iu" and not (cast == found).all():
            raise RecordError(f"{name} holds {content!r}, which {dtype} cannot hold.")
        return cast


def _columns(
    names: list[str], spec: DataSpec, told: Mapping[str, str] | None, where: str
) -> dict[str, str]:
    """Entry name -> its column."""
    for unknown in told or ():
        if unknown not in spec.entries:
            raise ParameterError(
                f"ParquetSource.columns: the spec has no entry {unknown!r}; it has "
                f"{list(spec.entries)}."
            )
    usual = entries_of([n for n in names if n not in spec.entries], spec.entries)
    found = {}
    for name, entry in spec.entries.items():
        if told and name in told:
            listed = [told[name]]
        elif name in names:
            listed = [name]
        else:
            listed = [] if told is not None else usual.get(name, [])
        if len(listed) > 1:
            raise StoreError(
                f"{where}: the columns {listed} could each be {name!r}. Say which: "
                f"columns={{{name!r}: {listed[0]!r}}}."
            )
        if listed and listed[0] in names:
            found[name] = listed[0]
        elif not entry.optional or (told and name in told):
            raise StoreError(
                f"{where}: there is no column for {name!r}; found {names}. Say which it is: "
                f"columns={{{name!r}: 'name'}}."
            )
    return found


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """What Hugging Face's datasets write beside the schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, Mapping) and isinstance(feature.get("names"), list)
        }
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
