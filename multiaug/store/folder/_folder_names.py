"""What people call folders and files of pictures, masks and the like."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...spec import EntrySpec

_SPLITS = {
    "train", "training", "trn", "tr", "val", "valid", "validation", "dev", "test", "testing",
    "tst", "ts", "trainval", "eval", "stage1",
}  # fmt: skip
# Words beside the one that says what is in a folder: img_dir, masks_png.
_FILLERS = {
    "dir", "folder", "png", "jpg", "jpeg", "tif", "tiff", "gif", "set", "data", "prepped", "aug",
}  # fmt: skip
_BY_ROLE = {
    "intensity": "image img im jpegimage picture pic photo rgb color colour input frame scan "
    "leftimg8bit original sat",
    "label": "mask msk label lbl labelid annotation ann annot seg segm segmentation "
    "segmentationclass segmentationmask segmask gt groundtruth gtfine target",
    "depth": "depth depthmap",
    "direction": "normal normalmap",
    "flow": "flow opticalflow",
    "density": "density densitymap",
}
# Beside SegmentationClass of PASCAL VOC: other labels of the same pictures.
_BESIDE = {"segmentationobject": "segmentationclass"}


def plain(name: str) -> str:
    """A name in lower case, in the singular, without the words of splits and formats."""
    words = [word.lower() for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    kept = [word for word in words if word not in _SPLITS and word not in _FILLERS]
    joined = "".join(kept)
    return joined.removesuffix("s") if len(joined) > 2 else joined


_AFFIXES = (
    r"(?P<base>.+)[_\-. ](?P<word>[A-Za-z0-9]+)",
    r"(?P<word>[A-Za-z0-9]+)[_\-. ](?P<base>.+)",
)

_ROLE_OF = {plain(word): role for role, words in _BY_ROLE.items() for word in words.split()}


def is_split(name: str) -> bool:
    """Whether a folder is called after a part of a data set: train, val, test."""
    return re.sub(r"(?<=[a-z])(?:19|20)\d\d$", "", name.lower()) in _SPLITS


def role_of(name: str) -> str | None:
    """The role that a name is usual for."""
    return _ROLE_OF.get(plain(name))


def is_left_out(name: str, others: Collection[str]) -> bool:
    """Whether a folder is known to hold something else, beside one that is read."""
    beside = _BESIDE.get(plain(name))
    return beside is not None and plain(beside) in {plain(other) for other in others}


def entries_of(names: Collection[str], entries: Mapping[str, EntrySpec]) -> dict[str, list[str]]:
    """Entry name -> the names that are its own, or else those that are usual for its role."""
    found = {e: [n for n in names if _is_own(n, e)] for e in entries}
    found = {entry: own for entry, own in found.items() if own}
    free = [n for n in names if not any(n in own for own in found.values())]
    for role in _BY_ROLE:
        usual = [name for name in free if role_of(name) == role]
        alike = [n for n, e in entries.items() if e.groups[0].role == role and n not in found]
        if usual and len(alike) == 1:
            found[alike[0]] = usual
    pure = [name for name in free if not plain(name)]  # train beside train_masks
    lacking = [n for n, e in entries.items() if e.groups[0].role == "intensity" and n not in found]
    if found and len(pure) == 1 and len(lacking) == 1:
        found[lacking[0]] = pure
    # A folder of the role's usual name beside one of the entry's own may be either.
    for role in _BY_ROLE:
        alike = [n for n, e in entries.items() if e.groups[0].role == role]
        if len(alike) == 1 and alike[0] in found:
            own = found[alike[0]]
            own += [n for n in free if role_of(n) == role and n not in own]
    return {entry: found[entry] for entry in entries if entry in found}


def split_word(stem: str, known: Collection[str] = ()) -> tuple[str, str]:
    """A file's stem without the word that says what it is, and that word: a_mask, image-7.

    Args:
        stem: with the folders before it.
        known: names of entries, beside the usual words.

    Returns:
        The stem and "" where there is no such word.
    """
    folder, slash, name = stem.rpartition("/")
    for pattern in _AFFIXES:
        match = re.fullmatch(pattern, name)
        word = match["word"] if match else ""
        if match and (role_of(word) or any(_is_own(word, name) for name in known)):
            return folder + slash + match["base"], word.lower()
    return stem, ""


def _is_own(name: str, entry: str) -> bool:
    return name == entry or (plain(name) != "" and plain(name) == plain(entry))
