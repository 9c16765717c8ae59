"""Datasets of xarray, and NetCDF files through it: dimensions by their names."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import checked
from ...errors import ParameterError, RecordError, StoreError
from ...files import sha256_array, sha256_of
from ...spec import SPEC_KIND
from ...typing import NDArray
from .._kinds import SourceTraits, register_source
from .._packing import attributes_packing
from .._rows import RowSource
from .._source import Structure
from .._structure import axis_named
from ..decode._picture import shown

if TYPE_CHECKING:
    from ...spec import DataSpec, EntrySpec

_DIMS = ("record", "height", "width", "channel")
# Of data that are not in memory: read whole for the fingerprint up to so many bytes, and of larger
# ones so many records, or pieces of a file, spread over all of them.
_SMALL_BYTES = 64 * 2**20
_SAMPLED = 64
_BLOCK_BYTES = 2**24
_PIECE = 2**16
_TOLD: set[str] = set()


@register_source
class XarraySource(RowSource):
    """Records in variables of a dataset of xarray, read as they are asked for.

    Which dimension is what is told by their names (time, record or sample; y, lat or row; x, lon
    or column; band or channel), in any order; ``dims`` says it for other names. What was
    understood of dimensions in another order than records, rows, columns, channels is printed to
    stderr once. A dataset without a dimension of records is one record.

    Scale, offset and fill values by the CF conventions are honoured, whether xarray has decoded
    them or the attributes are still there: values without data get what the spec marks no data
    with.

    Args:
        data: a dataset, an array with the name of an entry (or of any name, for a spec that
            requires one entry), or the path of a NetCDF file.
        spec: what the entries are.
        dims: ``record``, ``height``, ``width``, ``channel`` -> name of the dimension.

    Raises:
        StoreError: a variable is missing, the file cannot be opened, or lengths differ.
        RecordError: a variable is not what the spec says.
        ParameterError: dimensions whose names are not known.
    """

    traits = SourceTraits(
        "xarray", "datasets of xarray", suffixes=(".nc", ".nc4", ".cdf"),
        types=("xarray.Dataset", "xarray.DataArray"), packages=("xarray",), extra="xarray",
    )  # fmt: skip

    @checked(spec=SPEC_KIND)
    def __init__(self, data: Any, spec: DataSpec, *, dims: Mapping[str, str] | None = None) -> None:
        self._arguments = (data, spec, dims)
        self._path = Path(data) if isinstance(data, str | os.PathLike) else None
        where = "the dataset" if self._path is None else shown(self._path)
        xarray = self.traits.load(where)
        if self._path is not None:
            data = _opened(xarray, self._path)
        if isinstance(data, xarray.DataArray):
            data = _as_dataset(data, spec)
        told = dict(dims or {})
        if unknown := sorted(told.keys() - set(_DIMS)):
            raise ParameterError(
                f"`XarraySource.dims` must name some of {list(_DIMS)}, got {unknown[0]!r}."
            )
        variables = _variables(data, spec, where)
        self.ignored = [str(name) for name in data.data_vars if name not in variables]
        self._variables = {}
        packings, moved = {}, []
        for name, variable in variables.items():
            entry = spec.entries[name]
            order = _order(variable, entry, told, f"{where}: {name!r}")
            single = [d for d in variable.dims if d not in order]  # of length 1
            found = variable.isel(dict.fromkeys(single, 0))
            if order != list(found.dims):
                moved.append(f"{name}{tuple(found.dims)} -> {tuple(order)}")
            if order[0] not in found.dims:
                moved.append(f"{name}{tuple(found.dims)} -> one record")
                found = found.expand_dims(order[0])
            found = found.transpose(*order)
            self._variables[name] = _narrowed(found, entry)
            packing = attributes_packing(
                dict(variable.attrs), np.dtype(found.dtype), entry, f"{where}/{name}"
            )
            if packing is not None:
                packings[name] = packing
        arrays = {n: Structure(v.shape, np.dtype(v.dtype)) for n, v in self._variables.items()}
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise RecordError(
                    f"{where}: {name!r} holds {array.dtype}, expected numbers. Convert the "
                    "variable, or leave the entry out of the spec."
                )
        super().__init__(spec, arrays, where, chunk=_chunk(self._variables), packings=packings)
        text = f"multiaug: {where}: read as {'; '.join(moved)}"
        if moved and text not in _TOLD:
            _TOLD.add(text)
            print(text, file=sys.stderr)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, shapes and dtypes, and of the values.

        Of objects of xarray all values count that are in memory, or take 64 MB at most; of larger
        ones those of 64 records, spread evenly from the first to the last one. Of files all bytes
        count up to 64 MB, of larger ones the size and 64 pieces of 64 KB, spread in the same way.
        """
        parts: list[bytes | str] = [
            f"multiaug.xarray/2 {[(n, v.dims, v.shape, str(v.dtype)) for n, v in self._named()]}",
            repr(self._packings),
        ]
        if self._path is not None:
            size = self._path.stat().st_size
            with self._path.open("rb") as opened:
                whole = size <= _SMALL_BYTES
                starts = range(0, size, _PIECE) if whole else _spread(size - _PIECE + 1)
                parts.append(str(size))
                for start in starts:
                    opened.seek(start)
                    parts.append(opened.read(_PIECE))
        else:
            for name, variable in self._named():
                whole = getattr(variable, "_in_memory", False) or variable.nbytes <= _SMALL_BYTES
                count, step = len(self), 1
                if whole:  # many at a time: a read of dask takes a millisecond
                    step = max(1, _BLOCK_BYTES * count // max(1, variable.nbytes))
                starts = range(0, count, step) if whole else _spread(count)
                parts += [sha256_array(self.rows(name, i, min(i + step, count))) for i in starts]
        return sha256_of(*parts, *self._maps.identity)

    def rows(self, name: str, start: int, stop: int) -> NDArray:
        """See `RowSource.rows`."""
        variable = self._variables[name]
        found: NDArray = np.asarray(variable[start:stop].values)
        return found

    def _named(self) -> list[tuple[str, Any]]:
        return sorted(self._variables.items())

    def __repr__(self) -> str:
        ignored = f", left alone: {self.ignored}" if self.ignored else ""
        return f"{super().__repr__()[:-1]}{ignored})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._arguments


def _spread(count: int) -> list[int]:
    """A few positions below a number, from the first to the last one."""
    return sorted({i * (count - 1) // (_SAMPLED - 1) for i in range(_SAMPLED)})


def _reopen(data: Any, spec: DataSpec, dims: Mapping[str, str] | None) -> XarraySource:
    return XarraySource(data, spec, dims=dims)


def _opened(xarray: Any, path: Path) -> Any:
    if not path.is_file():
        raise StoreError(f"{shown(path)}: there is nothing there. Check the path.")
    try:
        # Numbers as they are stored: they are unpacked here, a few records at a time.
        return xarray.open_dataset(path, decode_cf=False, cache=False)
    except Exception as error:  # engines have errors of their own
        raise StoreError(
            f"{shown(path)} cannot be read as NetCDF: {str(error).partition(chr(10))[0]} "
            "NetCDF 4 needs h5netcdf or netCDF4: pip install h5netcdf."
        ) from error


def _as_dataset(array: Any, spec: DataSpec) -> Any:
    required = [name for name, entry in spec.entries.items() if not entry.optional]
    name = array.name if array.name in spec.entries else None
    if name is None and len(required) != 1:
        raise ParameterError(
            f"open_source: one array cannot hold the entries {required} of the spec "
            f"{spec.name!r}. Pass a dataset with a variable for each."
        )
    return array.to_dataset(name=name or required[0])


def _variables(data: Any, spec: DataSpec, where: str) -> dict[str, Any]:
    found = {}
    for name, entry in spec.entries.items():
        if name in data.variables:
            found[name] = data[name].variable
        elif not entry.optional:
            raise StoreError(
                f"{where}: there is no variable {name!r}, which the spec declares; found "
                f"{[str(n) for n in data.data_vars]}. Rename one (dataset.rename), or the entry."
            )
    return found


def _order(variable: Any, entry: EntrySpec, told: Mapping[str, str], where: str) -> list[str]:
    """The dimensions of a variable: records, rows, columns and channels."""
    by_name: dict[str, str] = {}
    others: list[str] = []
    for dim in map(str, variable.dims):
        kind = next((k for k, name in told.items() if name == dim), None) or axis_named(dim)
        if kind is None or kind in by_name:
            others.append(dim)
        else:
            by_name[kind] = dim
    sizes = dict(zip(map(str, variable.dims), variable.shape, strict=True))
    others = [dim for dim in others if sizes[dim] > 1]
    listed = f"its dimensions are {sizes}"
    remedy = "Say what they are: dims={'record': 'name', 'height': 'name', 'width': 'name'}."
    if entry.kind != "spatial":
        record = by_name.get("record") or (str(variable.dims[0]) if variable.dims else "record")
        return [record, *(str(dim) for dim in variable.dims if str(dim) != record)]
    if not {"height", "width"} <= by_name.keys() or others:
        raise ParameterError(
            f"{where}: {listed}, and which are rows and columns is not known. {remedy}"
        )
    if entry.time is not None:
        raise ParameterError(
            f"{where}: the entry has frames, which are not read from named dimensions. Pass the "
            "arrays: open_source({name: dataset[name].values}, spec)."
        )
    record = by_name.get("record", "record")
    channel = [by_name["channel"]] if "channel" in by_name else []
    if entry.channels == 1 and channel and sizes[channel[0]] == 1:
        channel = []
    return [record, by_name["height"], by_name["width"], *channel]


def _narrowed(variable: Any, entry: EntrySpec) -> Any:
    """Numbers that xarray has unpacked to float64 as the entry declares them, or float32."""
    unpacked = {"scale_factor", "add_offset", "_FillValue"} & variable.encoding.keys()
    if np.dtype(variable.dtype) != np.float64 or not unpacked or entry.dtype == "float64":
        return variable
    return variable.astype(np.float32)


def _chunk(variables: Mapping[str, Any]) -> int:
    chunks = []
    for variable in variables.values():
        sizes: tuple[int, ...] = tuple(variable.encoding.get("chunksizes") or ())
        if len(sizes) == variable.ndim:
            chunks.append(int(sizes[0]))
    return max(chunks, default=1)
