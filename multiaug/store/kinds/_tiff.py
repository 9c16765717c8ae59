"""One TIFF file for an entry: pages as records or as channels, bands, and GeoTIFF."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._arguments import checked
from ...errors import ParameterError, RecordError, StoreError
from ...files import sha256_of, sha256_sample
from ...spec import SPEC_KIND, DataSpec
from ...typing import NDArray
from .._candidate import Candidate
from .._kinds import SourceTraits, register_source
from .._packing import Packing
from .._rows import RowSource
from ..decode._geotiff import Georeference
from ..decode._picture import MOST_PIXELS, shown
from ..decode._tiff_stack import Pages, TiffStack
from ..folder._fit_images import is_label

if TYPE_CHECKING:
    from ...spec import EntrySpec

_SUFFIXES = (".tif", ".tiff", ".gtif", ".gtiff")


@register_source
class TiffSource(RowSource):
    """Records in TIFF files, one file for each entry; GeoTIFF among them.

    A file of one page is one record. Whether the pages of others are records or channels is not
    guessed: ``pages`` says it. Bands of a page, and axes that the file calls channels, become the
    channels; where the spec names channels and all of these are among the descriptions of the
    bands, they are chosen by name. Pixels are never resampled.

    A no-data value that the file declares becomes ``invalid`` (of labels ``ignore``) in the spec of
    the source; where the spec has one of its own, pixels without data get that.

    Args:
        path: a file, for a spec that requires one entry; or a mapping from entry name to file.
        spec: what the entries are.
        pages: ``records`` or ``channels``, for all files or by entry name.
        most_pixels: pages that say they are larger are refused.

    Attributes:
        georeference: entry name -> where the image lies and what its bands are.

    Raises:
        StoreError: a file cannot be read, or the files hold different numbers of records.
        RecordError: an image is not what the spec says, or the files lie in different places.
        ParameterError: it is not said what pages are.
    """

    traits = SourceTraits("tiff", "TIFF files", suffixes=_SUFFIXES, packages=("tifffile",))

    @checked(spec=SPEC_KIND)
    def __init__(
        self,
        path: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
        spec: DataSpec,
        *,
        pages: Pages | Mapping[str, Pages] | None = None,
        most_pixels: int = MOST_PIXELS,
    ) -> None:
        self._arguments = (path, spec, pages, most_pixels)
        self._files = _files(path, spec)
        first = next(iter(self._files.values()))
        self.traits.load(shown(first))
        for file in self._files.values():
            if not file.is_file():
                raise StoreError(f"{shown(file)}: there is nothing there. Check the path.")
        self._stacks = {
            name: TiffStack(
                file,
                pages=pages.get(name) if isinstance(pages, Mapping) else pages,
                labels=is_label(spec.entries[name]),
                channels=spec.entries[name].channels,
                names=_channel_names(spec.entries[name]),
                most_pixels=most_pixels,
            )
            for name, file in self._files.items()
        }
        self.georeference: dict[str, Georeference] = {
            name: stack.georeference for name, stack in self._stacks.items()
        }
        _compare_places(self.georeference, self._files)
        arrays = {name: stack.structure for name, stack in self._stacks.items()}
        where = shown(first) if len(self._files) == 1 else f"{shown(first)} and others"
        known = _with_nodata(spec, self._stacks)
        packings = {n: _packing(s, known.entries[n]) for n, s in self._stacks.items()}
        super().__init__(
            known, arrays, where, packings={n: p for n, p in packings.items() if p is not None}
        )

    @classmethod
    def recognises(cls, candidate: Candidate) -> bool:
        """One file, or a mapping of files."""
        if candidate.entries:
            return all(f.suffix.lower() in _SUFFIXES for f in candidate.entries.values())
        return len(candidate.files) == 1 and candidate.ends(_SUFFIXES)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The files that are read."""
        return tuple(self._files.values())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings and the files' contents, of large ones of parts of them."""
        parts: list[bytes | str] = [f"multiaug.tiff/1 {self._arguments[2]}"]
        for name, file in sorted(self._files.items()):
            parts += [name, sha256_sample(file)]
        return sha256_of(*parts, *self._maps.identity)

    def rows(self, name: str, start: int, stop: int) -> NDArray:
        """See `RowSource.rows`."""
        return self._stacks[name].read(start, stop)

    def __repr__(self) -> str:
        places = [
            f"{name}: {place.crs or 'no coordinate system'}, extent {place.extent}"
            for name, place in self.georeference.items()
            if place.extent is not None
        ]
        return f"{super().__repr__()[:-1]}{''.join(', ' + text for text in places)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._arguments


def _reopen(path: Any, spec: DataSpec, pages: Any, most_pixels: int) -> TiffSource:
    return TiffSource(path, spec, pages=pages, most_pixels=most_pixels)


def _files(path: Any, spec: DataSpec) -> dict[str, Path]:
    if isinstance(path, Mapping):
        for name in path:
            if name not in spec.entries:
                raise RecordError(
                    f"{shown(str(path[name]))}: the spec declares no {name!r}; it has "
                    f"{list(spec.entries)}."
                )
        return {name: Path(file) for name, file in path.items()}
    required = [name for name, entry in spec.entries.items() if not entry.optional]
    if len(required) != 1:
        raise ParameterError(
            f"{shown(path)}: one file cannot hold the entries {required}. Pass a mapping from "
            "entry name to file."
        )
    return {required[0]: Path(path)}


def _channel_names(entry: EntrySpec) -> tuple[str, ...]:
    return tuple(name for group in entry.groups for name in group.names)


def _compare_places(places: Mapping[str, Georeference], files: Mapping[str, Path]) -> None:
    """Images of one record that say where they lie must lie in the same place."""
    known = {name: place for name, place in places.items() if place.extent is not None}
    first = next(iter(known), None)
    for name, place in known.items():
        one, other = known[str(first)], place
        assert one.extent is not None
        assert other.extent is not None
        assert one.transform is not None
        pixel = float(np.abs(one.transform[:2, :2]).max())
        apart = float(np.abs(np.subtract(one.extent, other.extent)).max())
        if apart > pixel or (one.crs and other.crs and one.crs != other.crs):
            raise RecordError(
                f"{shown(files[name])} covers {other.extent} in {other.crs}, and "
                f"{shown(files[str(first)])} covers {one.extent} in {one.crs}: they do not lie on "
                "each other. Bring them to one grid first (gdalwarp, rasterio); nothing is "
                "resampled here."
            )


def _with_nodata(spec: DataSpec, stacks: Mapping[str, TiffStack]) -> DataSpec:
    """The spec with what the files declare as no data, where it declares nothing itself."""
    entries = dict(spec.entries)
    for name, stack in stacks.items():
        number = stack.nodata
        entry = entries[name]
        if number is None:
            continue
        groups = []
        for group in entry.groups:
            if group.role == "label":
                free = group.ignore is None and number != 0  # 0 is what stands for background
                groups.append(replace(group, ignore=int(number)) if free else group)
            elif group.traits.may_be_invalid and group.invalid is None:
                fill: Any = "invalid" if set(group.fill) <= {0.0} else group.fill
                invalid: Any = "nan" if np.isnan(number) else number
                groups.append(replace(group, invalid=invalid, fill=fill))
            else:
                groups.append(group)
        entries[name] = replace(entry, groups=tuple(groups))
    return DataSpec(spec.name, entries, spec.camera, spec.description)


def _packing(stack: TiffStack, entry: EntrySpec) -> Packing | None:
    """Pixels without data get the mark of the spec, where that is another one."""
    number, dtype = stack.nodata, stack.structure.dtype
    if number is None or np.isnan(number):
        return None
    if entry.role == "label" and number == 0:
        return None
    groups = [group.for_dtype(dtype.name) for group in entry.groups]
    known = [group.ignore if group.role == "label" else group.invalid for group in groups]
    if all(mark != "nan" and mark is not None and mark == number for mark in known):
        return None
    if any(mark is None for mark in known):  # a role that knows no such mark
        return None
    return Packing(entry.name, dtype, dtype, 1.0, 0.0, (number,), None, None, tuple(entry.groups))
