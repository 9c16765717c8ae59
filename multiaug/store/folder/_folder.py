"""What lies in a folder, without what systems and programs leave behind in it."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ...errors import StoreError
from .._candidate import Candidate
from ..decode._picture import shown

PICTURES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm",
    ".pgm", ".pbm", ".pnm",
}  # fmt: skip
# Pictures too, which are not read: to leave them out would lose records.
_UNREAD = {
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".exr", ".pfm", ".tga", ".dng",
    ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".dcm", ".nii",
}  # fmt: skip
# Beside whatever is hidden, "._a.png" of macOS and ".ipynb_checkpoints" among it.
_JUNK = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "__pycache__",
    "$recycle.bin", "system volume information",
}  # fmt: skip


@dataclass
class Folder:
    """Everything below a folder; links are followed.

    Attributes:
        root: the folder.
        files: what ends as wanted, in the order of the names.
        others: how many files of another kind there are, by the folder below the root that they
            are in ("" for the root itself) and by their ending.
        folders: names of the folders directly below.
        unread: pictures of a kind that is not read.
        junk: how many hidden files and folders, and such as systems leave behind, were skipped.
    """

    root: Path
    files: list[Path] = field(default_factory=list)
    others: dict[str, Counter[str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    junk: int = 0
    unread: list[Path] = field(default_factory=list)

    @cached_property
    def loose(self) -> list[Path]:
        """The files in the folder itself."""
        depth = len(self.root.parts) + 1
        return [file for file in self.files if len(file.parts) == depth]

    @cached_property
    def groups(self) -> dict[str, list[Path]]:
        """The files below every folder directly below, where there are any."""
        depth = len(self.root.parts)
        found: dict[str, list[Path]] = {}
        for file in self.files:
            if len(file.parts) > depth + 1:
                found.setdefault(file.parts[depth], []).append(file)
        return found

    def seen(self) -> str:
        """What was found, for messages."""
        groups, loose = self.groups, len(self.loose)
        parts = [f"{shown(name)}/ ({_counted(len(files))})" for name, files in groups.items()]
        for name in self.folders:
            if name not in groups:
                kinds = _kinds(self.others.get(name, Counter())) or "empty"
                parts.append(f"{shown(name)}/ ({kinds})")
        if loose:
            parts.append(f"{_counted(loose)} in the folder itself")
        if len(parts) > 12:
            parts = [*parts[:12], f"{len(parts) - 12} more"]
        return ", ".join(parts) or "nothing"

    def refuse_unread(self, base: Path) -> None:
        """Raise StoreError for pictures below a folder that are of a kind which is not read."""
        below = [file for file in self.unread if base in file.parents]
        if below:
            raise StoreError(
                f"{shown(self.root)}: {_counted(len(below))} of a kind that is not read, such as "
                f"{shown(below[0].relative_to(self.root))}. Write them as PNG or TIFF, or move "
                "them elsewhere."
            )

    def skipped(self) -> str:
        """What was left out, for people; empty where nothing was."""
        others = sum((sum(kinds.values()) for kinds in self.others.values()), 0)
        parts = [f"{others} of other kinds"] * bool(others) + [f"{self.junk} hidden"] * bool(
            self.junk
        )
        return ", ".join(parts)


def look_into(root: Path, endings: Collection[str] = PICTURES) -> Folder:
    """List a folder and all below it.

    Raises:
        StoreError: it is not there, or a link in it leads nowhere or in a circle.
    """
    if not root.is_dir():
        raise StoreError(f"{shown(root)}: there is no such folder. Check the path.")
    found = Folder(root)
    try:
        _walk(root, "", (_identity(root),), endings, found)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{shown(error.filename)} cannot be opened: {error.strerror}.") from error
    found.files.sort(key=lambda file: str(file))
    found.folders.sort()
    return found


def _walk(
    folder: Path,
    top: str,
    above: tuple[tuple[int, int], ...],
    endings: Collection[str],
    found: Folder,
) -> None:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        name = entry.name.lower()
        path = folder / entry.name
        if name.startswith(".") or name in _JUNK:
            found.junk += 1
        elif entry.is_dir():
            if _identity(path) in above:
                raise StoreError(
                    f"{shown(path)} is a link to a folder that it is in itself. Remove it."
                )
            if not top:
                found.folders.append(entry.name)
            _walk(path, top or entry.name, (*above, _identity(path)), endings, found)
        elif (ending := path.suffix.lower()) in endings:
            if not entry.is_file():
                raise StoreError(f"{shown(path)} is a link that leads nowhere. Mend or remove it.")
            found.files.append(path)
        else:
            if ending in _UNREAD:
                found.unread.append(path)
            found.others.setdefault(top, Counter())[ending] += 1


def tells_images(candidate: Candidate) -> bool:
    """Whether settings say that a folder is one of images, whatever else is in it."""
    told = {"folders", "classes"} & set(candidate.settings)
    return bool(told and candidate.endings_below.keys() & PICTURES)


def stem_of(file: Path, folder: Path) -> str:
    """The file's name below a folder, without its ending, as the same text on every system."""
    name = str(file.relative_to(folder).with_suffix(""))
    return unicodedata.normalize("NFC", name)


def some(names: Iterable[str], most: int = 4) -> str:
    """The first of some names, and how many more there are."""
    listed = [shown(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _counted(number: int) -> str:
    return "1 picture" if number == 1 else f"{number} pictures"


def _kinds(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {ending or 'files'}" for ending, count in kinds.most_common(3))
