"""Which files belong together: by folder and name, by a pattern, or by a word in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StoreError
from ..decode._picture import shown
from ._folder import Folder, some, stem_of
from ._folder_names import entries_of, role_of, split_word

if TYPE_CHECKING:
    from ...spec import EntrySpec

Entries = Mapping[str, "EntrySpec"]
# Entry name -> stem that the files of a record have in common -> its files.
Found = dict[str, dict[str, list[Path]]]
_LABEL_IDS = "labelIds"
_BESIDE_LABEL_IDS = {"color", "instanceIds", "labelTrainIds"}


def matching(folder: Folder, where: str) -> dict[str, list[Path]]:
    """Files by what the wildcards of a pattern stand for, or by their stems in a folder."""
    if not any(sign in where for sign in "*?["):
        base = folder.root / where
        folder.refuse_unread(base)
        inside = [f for f in folder.files if base in f.parents or f == base]
        return by_stem(inside, base if base not in inside else folder.root)
    pattern = _as_regex(where.removeprefix("./"))
    found: dict[str, list[Path]] = {}
    for file in folder.files:
        match = pattern.fullmatch(file.relative_to(folder.root).as_posix())
        if match:
            parts = [part for part in match.groups() if part]
            named = Path("/".join(parts) or file.stem)
            # A wildcard that covers the ending covers more than the record's name.
            stem = str(named.with_suffix("")) if named.suffix == file.suffix else str(named)
            found.setdefault(stem_of(Path(stem + file.suffix), Path()), []).append(file)
    return found


def _as_regex(pattern: str) -> re.Pattern[str]:
    out = ""
    for part in re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", pattern):
        if part == "**/":
            out += "(?:(.*)/)?"
        elif part == "*":
            out += "([^/]*)"
        elif part == "?":
            out += "([^/])"
        elif part.startswith("["):
            out += f"({part.replace('[!', '[^', 1)})"
        else:
            out += re.escape(part)
    return re.compile(out)


def by_stem(files: Sequence[Path], base: Path) -> dict[str, list[Path]]:
    """Files by their names below a folder, without endings."""
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(stem_of(file, base), []).append(file)
    return found


def by_word(
    files: Sequence[Path], base: Path, entries: Entries, where: str
) -> tuple[Found, dict[str, set[str]]]:
    """Files of one folder by entry, told apart by words in their names."""
    split = {file: split_word(stem_of(file, base), entries) for file in files}
    first = next((n for n, e in entries.items() if e.groups[0].role == "intensity"), None)
    first = first or next(iter(entries))
    words = sorted({word for _, word in split.values() if word})
    named = {w: e for e, ws in entries_of(words, entries).items() for w in ws}
    others = {word for word in words if named.get(word, first) != first or _is_mask(word, entries)}
    if not others:
        return {first: _unpaired(files, base)}, {first: set()}
    bases = {stem for stem, word in split.values() if word not in others}
    found: Found = {}
    used: dict[str, set[str]] = {}
    for file, (stem, word) in split.items():
        if word in others and word not in named:
            if stem in bases:
                raise StoreError(
                    f"{where}: {shown(file.name)} looks like the {role_of(word)} of "
                    f"{shown(stem)}, and the spec has no such entry. Declare it, or move those "
                    "files elsewhere: they would become training pictures."
                )
            word, stem = "", stem_of(file, base)
        entry = named.get(word, first)
        used.setdefault(entry, set()).add(word)
        found.setdefault(entry, {}).setdefault(stem, []).append(file)
    if list(found) == [first]:
        return {first: _unpaired(files, base)}, {first: set()}
    return {name: found[name] for name in entries if name in found}, used


def _is_mask(word: str, entries: Entries) -> bool:
    """Whether a word is usual for something that the spec has no entry of."""
    role = role_of(word)
    return role not in (None, "intensity") and not any(
        role == entry.groups[0].role for entry in entries.values()
    )


def _unpaired(files: Sequence[Path], base: Path) -> dict[str, list[Path]]:
    """Files that are a record each, whatever they are called."""
    return {str(file.relative_to(base)): [file] for file in files}


def aligned_stems(found: Found, entries: Entries) -> tuple[Found, bool]:
    """Stems without a word that all files of an entry have: masks/a_mask.png is that of a.png."""
    if len({frozenset(stems) for stems in found.values()}) == 1:
        return found, False
    for most in (1, 3):  # a_gtFine_labelIds.png has two such words
        bare = {name: _bare(stems, entries, most) for name, stems in found.items()}
        alike = len({frozenset(stems) for stems in bare.values()}) == 1
        if alike or _shared(bare) > _shared(found):
            return bare, True
    return found, False


def _bare(stems: dict[str, list[Path]], entries: Entries, most: int) -> dict[str, list[Path]]:
    """Stems without up to so many words that all of them have."""
    for _ in range(most):
        parts = {stem: split_word(stem, entries) for stem in stems}
        words, bases = {word for _, word in parts.values()}, {base for base, _ in parts.values()}
        if len(words) > 1 or "" in words or len(bases) < len(stems):
            break
        stems = {base: stems[stem] for stem, (base, _) in parts.items()}
    return stems


def label_ids_alone(stems: dict[str, list[Path]]) -> tuple[dict[str, list[Path]], list[str]]:
    """Label maps of Cityscapes without what lies beside each: colours, instances.

    Returns:
        The stems that are left, and the words of those that are left out.
    """
    words = {stem: stem.rpartition("_")[2] for stem in stems}
    others = set(words.values()) - {_LABEL_IDS}
    if _LABEL_IDS not in words.values() or not others or not others <= _BESIDE_LABEL_IDS:
        return stems, []
    kept = {stem: files for stem, files in stems.items() if words[stem] == _LABEL_IDS}
    return kept, sorted(others)


def _shared(found: Found) -> int:
    return len(set.intersection(*(set(stems) for stems in found.values())))


def records_of(root: Path, found: Found, origin: Mapping[str, str]) -> dict[str, list[Path]]:
    """One file for each entry of every record; raises StoreError for any other number."""
    if len(found) > 1:
        for name, stems in found.items():
            for stem, files in stems.items():
                if len(files) > 1:
                    both = some(str(file.relative_to(root)) for file in files)
                    raise StoreError(
                        f"{shown(root)}: {both} are several files for {name!r} of one record, "
                        f"{shown(stem)}. Keep one of them."
                    )
        problems = _unmatched(found)
        if problems:
            raise StoreError(
                f"{shown(root)}, read as {_listed(origin)}: {'; '.join(problems)}. Every record "
                "needs one file of each, of the same name but for its ending. Add or move files, "
                "or say which they are, as in folders={'image': 'imgs', 'mask': 'ann/*.png'}."
            )
    # Alone, every file is a record, also two of the same name but for their endings.
    order = sorted(next(iter(found.values())), key=str if len(found) > 1 else Path)
    return {name: [file for stem in order for file in stems[stem]] for name, stems in found.items()}


def _unmatched(found: Found) -> list[str]:
    first, *others = found
    problems = []
    for name in others:
        for one, other in ((first, name), (name, first)):
            alone = sorted(set(found[one]) - set(found[other]))
            if alone:
                count = f"{len(alone)} {one}{'s' * (len(alone) > 1)}"
                problems.append(f"{count} without {other}: {some(alone)}")
    return problems


def _listed(origin: Mapping[str, str]) -> str:
    return ", ".join(f"{where} -> {name}" for name, where in origin.items())
