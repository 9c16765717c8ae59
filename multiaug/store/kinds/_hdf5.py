"""HDF5 files: one dataset for each entry, the records on the first axis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._arguments import checked
from ...errors import CorruptChunkError, ParameterError, RecordError, StoreError, warn
from ...files import sha256_of, sha256_sample
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._kinds import SourceTraits, register_source
from .._rows import RowSource
from .._source import Structure
from ..decode._picture import shown

if TYPE_CHECKING:
    from ...spec import DataSpec

# Attributes by which other programs change what the numbers mean.
_PACKED = ("scale_factor", "add_offset", "_FillValue", "missing_value", "valid_range")


@register_source
class HDF5Source(RowSource):
    """Records in datasets of an HDF5 file, each with the records on its first axis.

    A dataset belongs to the entry of its name, in whatever group it is, as long as no other one
    has that name. Datasets that the spec does not declare, and all attributes, are left alone;
    ``ignored`` and ``repr`` list them. Chunks are decoded by h5py, one thread at a time.

    Args:
        path: the file; or an open ``h5py.File`` or group, of which the file is opened anew.
        spec: what the entries are.
        datasets: entry name -> path of its dataset, for other names: ``{"image": "/train/X"}``.

    Raises:
        StoreError: no HDF5 file, a dataset is missing, or they differ in length.
        RecordError: a dataset is not what the spec says.
        ParameterError: ``datasets`` names no entry, or several datasets have the name of one.
    """

    traits = SourceTraits(
        "hdf5", "HDF5 files", suffixes=(".h5", ".hdf5", ".hdf", ".he5"),
        types=("h5py.File", "h5py.Group"), packages=("h5py",), extra="hdf5",
    )  # fmt: skip

    @checked(spec=SPEC_KIND)
    def __init__(
        self,
        path: Any,
        spec: DataSpec,
        *,
        datasets: Mapping[str, str] | None = None,
    ) -> None:
        root = "/"
        if not isinstance(path, str | os.PathLike):
            path, root = path.file.filename, path.name
        self._path, self._root = Path(path), root
        self._arguments = (str(path), spec, datasets, root)
        self._h5py = self.traits.load(shown(self._path))
        self._open: dict[int, Any] = {}  # by process
        file = self._file()
        listed = _datasets(file[root])
        self._places = _places(listed, spec, datasets, shown(self._path))
        self.ignored = [name for name in listed if name not in self._places.values()]
        arrays = {n: listed[place] for n, place in self._places.items()}
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise RecordError(
                    f"{shown(self._path)}: {name!r} holds {array.dtype}, expected numbers. Convert "
                    "the dataset, or leave the entry out of the spec."
                )
            self._say_packed(name, array)
        chunks = [array.chunks[0] for array in arrays.values() if array.chunks]
        structures = {n: Structure(a.shape, a.dtype) for n, a in arrays.items()}
        super().__init__(spec, structures, shown(self._path), chunk=max(chunks, default=1))

    @property
    def roots(self) -> tuple[Path, ...]:
        """The file that is read."""
        return (self._path,)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the datasets' places and the file's content, of a large file of parts."""
        parts = [f"multiaug.hdf5/1 {self._places}", sha256_sample(self._path)]
        return sha256_of(*parts, *self._maps.identity)

    def rows(self, name: str, start: int, stop: int) -> NDArray:
        """See `RowSource.rows`."""
        place = self._places[name]
        try:
            found: NDArray = self._file()[self._root][place][start:stop]
        except OSError as error:
            raise CorruptChunkError(
                f"{self._where}: records {start} to {stop - 1} of {name!r} cannot be read: "
                f"{error}. Restore the file from a copy."
            ) from error
        return found

    def _file(self) -> Any:
        # A forked child must not use what its parent opened, nor close it.
        process = os.getpid()
        if process not in self._open:
            if not self._path.is_file():
                raise StoreError(f"{shown(self._path)}: there is nothing there. Check the path.")
            try:
                self._open[process] = self._h5py.File(self._path, "r")
            except OSError as error:
                raise StoreError(
                    f"{shown(self._path)} cannot be read as HDF5: {error}. If another program is "
                    "writing it, wait for its end; else restore it from a copy."
                ) from error
        return self._open[process]

    def _say_packed(self, name: str, array: Any) -> None:
        packed = [key for key in _PACKED if key in array.attrs]
        if packed:
            warn(
                f"{shown(self._path)}: {name!r} has the attributes {packed}, and attributes are "
                "not used here: its numbers are read as they are stored. Open it with xarray to "
                "have them used: open_source(xarray.open_dataset(path), spec)."
            )

    def __repr__(self) -> str:
        ignored = f", left alone: {self.ignored}" if self.ignored else ""
        return f"{super().__repr__()[:-1]}{ignored})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._arguments


def _reopen(path: str, spec: DataSpec, datasets: Mapping[str, str] | None, root: str) -> HDF5Source:
    if root == "/":
        return HDF5Source(path, spec, datasets=datasets)
    import h5py

    with h5py.File(path, "r") as file:
        return HDF5Source(file[root], spec, datasets=datasets)


def _datasets(group: Any) -> dict[str, Any]:
    """Path below the group -> dataset; links to other files are not followed."""
    found: dict[str, Any] = {}

    def add(name: str, node: Any) -> None:
        if hasattr(node, "shape") and node.shape is not None:
            found[name] = node

    group.visititems(add)
    return found


def _places(
    listed: Mapping[str, Any], spec: DataSpec, told: Mapping[str, str] | None, where: str
) -> dict[str, str]:
    """Entry name -> path of its dataset."""
    told = {name: place.strip("/") for name, place in (told or {}).items()}
    seen = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in listed.items())
    seen = seen or "no datasets"
    if unknown := sorted(told.keys() - spec.entries.keys()):
        raise ParameterError(
            f"HDF5Source.datasets: the spec has no entry {unknown[0]!r}; it has "
            f"{list(spec.entries)}."
        )
    places = {}
    for name, entry in spec.entries.items():
        by_name = [place for place in listed if place.rpartition("/")[2] == name]
        found = [told[name]] if name in told else [name] if name in by_name else by_name
        if len(found) > 1:
            raise ParameterError(
                f"{where}: several datasets are called {name!r}: {found}. Say which is meant: "
                f"datasets={{{name!r}: {found[0]!r}}}."
            )
        if found and found[0] in listed:
            places[name] = found[0]
        elif name in told or not entry.optional:
            raise StoreError(
                f"{where}: there is no dataset for {name!r}; found {seen}. Say which it is: "
                f"datasets={{{name!r}: 'group/name'}}."
            )
    return places
