"""Which files of a folder belong to which entry of which record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ParameterError, StoreError
from .._structure import refuse_frames
from ..decode._picture import shown
from ._folder import Folder, look_into, some
from ._folder_names import entries_of, is_left_out, is_split, role_of
from ._folder_records import (
    Found,
    aligned_stems,
    by_stem,
    by_word,
    label_ids_alone,
    matching,
    records_of,
)

if TYPE_CHECKING:
    from ...spec import DataSpec, EntrySpec

Entries = Mapping[str, "EntrySpec"]


@dataclass
class Layout:
    """The files of every record, and how they were found.

    Attributes:
        root: the folder that paths are told relative to.
        files: entry name -> its files, one for each record.
        classes: names of the class folders.
        origin: entry name -> where its files lie, for people.
        guessed: names were understood that are not those of the entries.
        skipped: what was left out, for people.
    """

    root: Path
    files: dict[str, list[Path]]
    classes: list[str] = field(default_factory=list)
    origin: dict[str, str] = field(default_factory=dict)
    guessed: bool = False
    skipped: str = ""

    def __str__(self) -> str:
        """For people: images/ -> image, masks/ -> mask; skipped 2 hidden."""
        text = ", ".join(f"{origin} -> {entry}" for entry, origin in self.origin.items())
        return text + (f"; skipped {self.skipped}" if self.skipped else "")


def layout_of(
    root: Path,
    spec: DataSpec,
    *,
    classes: str | None = None,
    folders: Mapping[str, str] | None = None,
) -> Layout:
    """Understand a folder, or refuse it with what was seen.

    Args:
        root: the folder.
        spec: what the entries are.
        classes: name of the scalar entry that folders stand for.
        folders: entry name -> folder, or pattern of files, relative to the root.

    Raises:
        StoreError: the layout is not known, or files lack their counterparts.
        ParameterError: ``classes`` or ``folders`` names no entry of the right kind.
    """
    refuse_frames(spec, shown(root), "a folder of pictures")
    entries = {n: e for n, e in spec.entries.items() if e.kind == "spatial" and e.time is None}
    if not entries:
        raise ParameterError(
            f"PictureSource: the spec {spec.name!r} has no pictures. Declare the pictures that are "
            "in the folder."
        )
    if folders is not None:
        if classes is not None:
            raise ParameterError(
                "PictureSource takes `classes` or `folders`, not both: open the folder that holds "
                "the class folders."
            )
        return _as_told(look_into(root), entries, folders)
    if classes is not None:
        return _by_class(look_into(root), spec, entries, classes)
    return _understood(look_into(root), spec, entries)


def _understood(folder: Folder, spec: DataSpec, entries: Entries) -> Layout:
    root, groups, loose = folder.root, folder.groups, folder.loose
    folder.refuse_unread(root)
    if not folder.files:
        raise StoreError(f"{shown(root)}: there are no pictures in it. Seen: {folder.seen()}.")
    if len(groups) > 1 and not loose and all(is_split(name) for name in groups):
        one = next(iter(groups))
        raise StoreError(
            f"{shown(root)} holds the parts of a data set: {folder.seen()}. Open each of them by "
            f"itself, such as {shown(root / one)}: together they would be one training set."
        )
    if not groups:
        return _paired(folder, entries, folder.files, root, "")
    matched = entries_of(list(groups), entries)
    for entry, names in matched.items():
        if len(names) > 1:
            raise _unknown(folder, entries, f"{some(names)} could each be {entry!r}")
    # Those of rows of a table, such as classes of boxes, are not what folders may stand for.
    values = [n for n, e in spec.entries.items() if e.kind == "value" and e.of is None]
    without = entries_of([name for name in folder.folders if name not in groups], entries)
    if not matched and not loose and len(groups) == 1 and not values and not without:
        inner = _understood(look_into(root / next(iter(groups))), spec, entries)
        inner.root, inner.guessed = root, True
        inner.origin = {e: f"{next(iter(groups))}/{where}" for e, where in inner.origin.items()}
        return inner
    if not matched:
        named = [name for name in groups if role_of(name)]
        if len(entries) == 1 and not values and not named:
            return _paired(folder, entries, folder.files, root, "**/")
        reason = "these folders have none of the usual names"
        raise _unknown(folder, entries, reason, values)
    return _by_entry(folder, entries, {entry: names[0] for entry, names in matched.items()})


def _by_entry(folder: Folder, entries: Entries, matched: dict[str, str]) -> Layout:
    """A folder for each entry."""
    root, groups, loose = folder.root, folder.groups, folder.loose
    found = {name: by_stem(groups[where], root / where) for name, where in matched.items()}
    origin = {name: f"{shown(where)}/" for name, where in matched.items()}
    guessed = any(name != where for name, where in matched.items())
    beside_ids = _leave_label_ids(found, entries)
    lacking = [n for n, e in entries.items() if n not in found and not e.optional]
    if len(lacking) == 1 and loose and entries[lacking[0]].groups[0].role == "intensity":
        found = {lacking[0]: by_stem(loose, root), **found}  # pictures, and masks/ beside them
        origin = {lacking[0]: "the folder itself", **origin}
        loose, guessed = [], True
    lacking = [n for n, e in entries.items() if n not in found and not e.optional]
    if lacking:
        raise _unknown(folder, entries, f"none of these is {lacking[0]!r}")
    beside = [name for name in groups if name not in matched.values()]
    left = [name for name in beside if is_left_out(name, groups)]
    unknown = [f"{name}/" for name in beside if name not in left]
    if unknown or loose:
        unknown += [file.name for file in loose]
        raise _unknown(folder, entries, f"what {some(unknown)} is was not understood")
    _refuse_other_kinds(folder, entries, found)
    depth = len(root.parts) + 1
    parts = {file.parts[depth] for name in matched.values() for file in groups[name]}
    if len(parts) > 1 and all(is_split(part) for part in parts):
        example = {name: f"{where}/{min(parts)}" for name, where in matched.items()}
        raise StoreError(
            f"{shown(root)} holds the parts {some(sorted(parts))} of a data set in each folder. "
            f"Open each of them by itself: folders={example!r}. Together they would be one "
            "training set."
        )
    aligned, stripped = aligned_stems(found, entries)
    for name in left:
        origin[f"left out ({len(groups[name])} pictures)"] = f"{name}/"
    files = records_of(root, aligned, origin)
    guessed |= stripped or bool(left)
    skipped = ", ".join(text for text in (beside_ids, folder.skipped()) if text)
    return Layout(root, files, [], origin, guessed, skipped)


def _leave_label_ids(found: Found, entries: Entries) -> str:
    """Take Cityscapes' renderings of label maps out; returns what was left out, for people."""
    said = []
    for name in found:
        if entries[name].groups[0].role == "label":
            found[name], words = label_ids_alone(found[name])
            said += [f"*_{word} beside *_labelIds" for word in words]
    return ", ".join(said)


def _refuse_other_kinds(folder: Folder, entries: Entries, found: Collection[str]) -> None:
    """Refuse folders that could be an entry which was not found, and hold no pictures."""
    without = [name for name in folder.folders if name not in folder.groups]
    for name, names in entries_of(without, entries).items():
        if name not in found:
            raise _unknown(folder, entries, f"{names[0]}/ could be {name!r} and holds no pictures")


def _paired(
    folder: Folder, entries: Entries, files: Sequence[Path], base: Path, where: str
) -> Layout:
    """One folder whose files say in their names what they are: a.png, a_mask.png."""
    found, words = by_word(files, base, entries, shown(folder.root))
    origin = {
        name: f"{where}*{_kind_of_word(words[name])}" if len(found) > 1 else f"{where}*"
        for name in found
    }
    lacking = [n for n, e in entries.items() if n not in found and not e.optional]
    if lacking:
        raise _unknown(folder, entries, f"there is no {lacking[0]!r}")
    _refuse_other_kinds(folder, entries, found)
    records = records_of(folder.root, found, origin)
    return Layout(folder.root, records, [], origin, len(found) > 1, folder.skipped())


def _by_class(folder: Folder, spec: DataSpec, entries: Entries, classes: str) -> Layout:
    """A folder for each class, in the order of their names."""
    entry = spec.entries.get(classes)
    if entry is None or entry.kind != "value":
        raise ParameterError(
            f"PictureSource.classes must name a scalar entry of the spec, got {classes!r}."
        )
    root, groups, loose = folder.root, folder.groups, folder.loose
    folder.refuse_unread(root)
    if not folder.files:
        raise StoreError(f"{shown(root)}: there are no pictures in it. Seen: {folder.seen()}.")
    if loose:
        raise StoreError(
            f"{shown(root)}: {some(f.name for f in loose)} is in no class folder. Expected every "
            "picture in a folder that is named after its class."
        )
    if all(is_split(name) for name in groups):
        raise StoreError(
            f"{shown(root)} holds the parts of a data set, not classes: {folder.seen()}. Open each "
            f"of them by itself, such as {shown(root / next(iter(groups)))}."
        )
    roles = {role_of(name) for name in groups}
    if len(roles) > 1 and None not in roles:
        raise StoreError(
            f"{shown(root)}: {folder.seen()} are not folders of classes. Open it without "
            "`classes`, or with `folders`."
        )
    empty = [name for name in folder.folders if name not in groups]
    if empty:
        raise StoreError(
            f"{shown(root)}: the class folder {some(empty)} holds no pictures. Remove it, or put "
            "pictures into it: the numbers of the classes depend on it."
        )
    found, words = by_word(folder.files, root, entries, shown(root))
    lacking = [n for n, e in entries.items() if n not in found and not e.optional]
    if lacking:
        raise _unknown(folder, entries, f"there is no {lacking[0]!r}")
    origin = {
        name: f"<class>/*{_kind_of_word(words[name])}" if len(found) > 1 else "<class>/*"
        for name in found
    }
    files = records_of(root, found, origin)
    return Layout(root, files, sorted(groups), origin, len(found) > 1, folder.skipped())


def _as_told(folder: Folder, entries: Entries, folders: Mapping[str, str]) -> Layout:
    """Folders or patterns that the caller gives."""
    root = folder.root
    if not isinstance(folders, Mapping) or not folders:
        raise ParameterError(
            "PictureSource.folders must map entry names to folders or patterns, such as "
            f"{{'image': 'imgs', 'mask': 'ann/*.png'}}, got {folders!r}."
        )
    for name, where in folders.items():
        if name not in entries:
            raise ParameterError(
                f"PictureSource.folders: the spec has no picture {name!r}; it has {list(entries)}."
            )
        if not isinstance(where, str) or Path(where).is_absolute() or ".." in Path(where).parts:
            raise ParameterError(
                f"PictureSource.folders[{name!r}] must be a folder or a pattern below "
                f"{shown(root)}, got {where!r}."
            )
    lacking = [n for n, e in entries.items() if n not in folders and not e.optional]
    if lacking:
        raise ParameterError(
            f"PictureSource.folders must name {lacking[0]!r} too: the spec requires it."
        )
    found = {}
    for name, where in folders.items():
        found[name] = matching(folder, where)
        if not found[name]:
            raise StoreError(
                f"{shown(root)}: there are no pictures at {where!r}, where {name!r} was to be. "
                f"Seen: {folder.seen()}."
            )
    beside_ids = _leave_label_ids(found, entries)
    aligned, _ = aligned_stems(found, entries)
    origin = dict(folders)
    files = records_of(root, {n: aligned[n] for n in entries if n in aligned}, origin)
    named = {file for listed in files.values() for file in listed}
    skipped = [f"{len(folder.files) - len(named)} pictures"] * (len(named) < len(folder.files))
    skipped += [text for text in (beside_ids, folder.skipped()) if text]
    return Layout(root, files, [], origin, False, ", ".join(skipped))


def _unknown(
    folder: Folder, entries: Entries, reason: str, values: Collection[str] = ()
) -> StoreError:
    example = {name: "imgs" if i == 0 else "ann/*.png" for i, name in enumerate(list(entries)[:2])}
    remedy = f"Say which folder, or which files, hold what: folders={example!r}"
    if values:
        remedy += f"; if folders are classes, classes={next(iter(values))!r}"
    return StoreError(
        f"{shown(folder.root)}: {reason}. Seen: {folder.seen()}. The spec has "
        f"{', '.join(entries)}. {remedy}."
    )


def _kind_of_word(words: Collection[str]) -> str:
    named = sorted(word for word in words if word)
    return f" with {' or '.join(named)}" if named else ""
