"""What was handed to `open_source`, as the kinds of sources look at it."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .decode._picture import shown
from .folder._folder_names import is_split
from .zarr._group import is_address, is_store, looks_like_zarr, open_group

if TYPE_CHECKING:
    import zarr

    from ..spec import DataSpec

_LOOKED_AT = 1000
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_WILDCARDS = re.compile(r"[*?\[]")


class Candidate:
    """Data that some kind of source may recognise. Nothing is read but names.

    Args:
        data: what was given: a path, an address, a pattern, a list, a mapping or any object.
        settings: what else was given, of which some tell the kind.
        spec: what the entries are, where it was given.

    Attributes:
        data: see above.
        spec: see above.
        settings: see above.
    """

    def __init__(
        self, data: Any, settings: Mapping[str, Any], spec: DataSpec | None = None
    ) -> None:
        self.data = data
        self.spec = spec
        self.settings = settings

    @cached_property
    def address(self) -> bool:
        """An address such as s3://bucket/train.zarr."""
        return is_address(self.data)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that a path, a pattern or a list of paths names.

        Patterns have wildcards, or a range of numbers: ``train-{000000..000011}.tar``.

        Raises:
            StoreError: no file fits a pattern, or one of a list is not there.
        """
        if isinstance(self.data, list | tuple):
            if not self.data or not all(isinstance(part, str | os.PathLike) for part in self.data):
                return ()
            missing = [path for path in self.data if not Path(path).exists()]
            if missing:
                raise StoreError(f"{shown(missing[0])}: there is nothing there. Check the path.")
            found = tuple(Path(path) for path in self.data)
            return found if all(path.is_file() for path in found) else ()
        if not isinstance(self.data, str | os.PathLike) or self.address:
            return ()
        path = Path(self.data)
        if path.is_file():
            return (path,)
        return () if path.exists() else expanded(str(path))

    @cached_property
    def entries(self) -> dict[str, Path]:
        """Entry name -> file, where a mapping of paths was given."""
        given = self.data
        if not isinstance(given, Mapping) or not given:
            return {}
        paths = all(isinstance(value, str | os.PathLike) for value in given.values())
        return {name: Path(file) for name, file in given.items()} if paths else {}

    @cached_property
    def folder(self) -> Path | None:
        """The folder that was named, where it is none of zarr."""
        if not isinstance(self.data, str | os.PathLike) or self.address:
            return None
        path = Path(self.data)
        return path if path.is_dir() and not looks_like_zarr(path) else None

    @cached_property
    def is_zarr(self) -> bool:
        """An open store of zarr's, an address, or a folder with zarr's metadata in it."""
        if isinstance(self.data, str | os.PathLike):
            return self.address or looks_like_zarr(Path(self.data))
        return not isinstance(self.data, Mapping) and is_store(self.data)

    @cached_property
    def group(self) -> zarr.Group:
        """The group of zarr that was named; opened once, however many ask.

        Raises:
            StoreError: it cannot be opened.
        """
        return open_group(self.data)[0]

    @cached_property
    def endings(self) -> Counter[str]:
        """Endings of the files in the folder itself, in small letters, and how many have each."""
        return self._endings[0]

    @cached_property
    def endings_below(self) -> Counter[str]:
        """Endings of the files in the folder, and in those below it."""
        return self._endings[1]

    def ends(self, suffixes: Collection[str]) -> bool:
        """Whether files were named that all end so."""
        ends = tuple(suffixes)
        return bool(ends and self.files) and all(
            file.name.lower().endswith(ends) for file in self.files
        )

    def is_a(self, types: Collection[str]) -> bool:
        """Whether the data are of one of these types, by package and name: ``xarray.Dataset``."""
        return any(
            f"{cls.__module__.partition('.')[0]}.{cls.__name__}" in types
            for cls in type(self.data).__mro__
        )

    def seen(self) -> str:
        """What there is, for messages."""
        if self.folder is not None:
            kinds = self.endings_below.most_common(6)
            return ", ".join(f"{n} {ending or 'files without ending'}" for ending, n in kinds) or (
                "nothing"
            )
        if self.files:
            kinds = Counter(file.suffix.lower() or file.name for file in self.files).most_common(6)
            return ", ".join(f"{n} {ending}" for ending, n in kinds)
        return f"a {type(self.data).__name__}"

    @cached_property
    def _endings(self) -> tuple[Counter[str], Counter[str]]:
        direct: Counter[str] = Counter()
        found: Counter[str] = Counter()
        if self.folder is None:
            return direct, found
        for number, (_, below, names) in enumerate(os.walk(self.folder, followlinks=True)):
            below[:] = [name for name in below if not name.startswith(".")]
            found.update(Path(n).suffix.lower() for n in names if not n.startswith("."))
            direct = Counter(found) if number == 0 else direct
            if number > _LOOKED_AT:
                break
        return direct, found


def expanded(pattern: str) -> tuple[Path, ...]:
    """The files that a pattern names, in order; none where it has no wildcards and no range.

    Raises:
        StoreError: no file fits it, or one of a range of numbers is not there.
    """
    parts = _RANGE.split(pattern)
    if len(parts) == 1 and not _WILDCARDS.search(pattern):
        return ()
    numbers = [
        [f"{n:0{len(low)}d}" for n in range(int(low), int(high) + 1)]
        for low, high in zip(parts[1::3], parts[2::3], strict=True)
    ]
    found: list[Path] = []
    for chosen in itertools.product(*numbers):
        name = parts[0] + "".join(n + text for n, text in zip(chosen, parts[3::3], strict=True))
        files = sorted(glob.glob(name)) if _WILDCARDS.search(name) else [name]  # noqa: PTH207
        found += [Path(file) for file in files if Path(file).is_file()]
        if not found or not Path(files[-1] if files else name).is_file():
            raise StoreError(f"{shown(name)}: there is no such file. Check the pattern.")
    return tuple(found)


def _refuse_parts(files: Sequence[Path], folder: Path, suffix: str) -> None:
    """Refuse train-0.tar beside val-0.tar: together they would be one training set."""
    words = [re.match(r"[A-Za-z]*", file.name) for file in files]
    parts = sorted({word[0] for word in words if word is not None})
    if len(parts) > 1 and all(is_split(part) for part in parts):
        raise StoreError(
            f"{shown(folder)} holds the parts {', '.join(parts)} of a data set. Open each of them "
            f"by itself, such as {shown(folder / f'{parts[-1]}*{suffix}')!r}: together they would "
            "be one training set."
        )


def files_of(data: Any, suffixes: Collection[str], what: str) -> tuple[list[Path], str]:
    """The files that a path, a folder, a pattern or a list of paths names, and how to call them.

    Args:
        data: as it was given.
        suffixes: how files in a folder end.
        what: the files, for errors.

    Raises:
        StoreError: there are none, or a folder holds those of several parts of a data set.
    """
    candidate = Candidate(data, {})
    files = list(candidate.files)
    if candidate.folder is not None:
        ends = tuple(suffixes)
        listed = sorted(candidate.folder.iterdir())
        files = [f for f in listed if f.name.lower().endswith(ends) and f.name[0] != "."]
        _refuse_parts(files, candidate.folder, ends[0])
    where = shown(str(data)) if isinstance(data, str | os.PathLike) else f"the given {what}"
    if not files:
        exists = candidate.folder is not None
        raise StoreError(
            f"{where}: "
            + (
                f"there are no {what} in it."
                if exists
                else "there is nothing there. Check the path."
            )
        )
    return files, where
