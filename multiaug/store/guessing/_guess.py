"""One function that guesses the spec of whatever `open_source` can open by a path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._arguments import PATH, checked, shown
from ...errors import StoreError
from ...spec import DataSpec
from .._candidate import Candidate
from .._open import open_source
from ..folder._folder import PICTURES
from ._arrays import guess_arrays, guess_npy
from ._clouds import guess_clouds
from ._images import guess_images


@dataclass(frozen=True)
class Guess:
    """A spec that was guessed, and how the data are to be opened with it.

    Args:
        data: what to give to `open_source`; the path that was looked at.
        spec: what the entries are taken for; None where the data carry a spec of their own.
        settings: further arguments of `open_source`.
        notes: one sentence for each thing that was guessed, for people.
    """

    data: Any
    spec: DataSpec | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def open(self, **settings: Any) -> Any:
        """Open the data with what was guessed.

        Args:
            settings: of `open_source`; they win over those that were guessed.
        """
        return open_source(self.data, self.spec, **{**self.settings, **settings})


@checked(path=PATH)
def guess_spec(path: str | os.PathLike[str]) -> Guess:
    """Guess what the records at a path are, from names, dtypes and the first values.

    Folders of images and masks, class folders, boxes of COCO, VOC and YOLO, organised .pcd clouds,
    .npy files and zarr arrays of the usual names need no spec by hand. What was guessed is in
    ``notes``; look at it, and write the spec down once it is right.

    Args:
        path: a file or folder.

    Raises:
        StoreError: nothing is there, or what it is cannot be guessed; the text says what to do.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import multiaug as ma
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "image.npy", np.zeros((4, 8, 8, 3), np.uint8))
        ...     guess = ma.guess_spec(folder)
        >>> guess.notes
        ('image.npy is taken for 4 records of intensity, uint8 (8, 8, 3), in the order r, g, b.',)
    """
    root = Path(path)
    if not root.exists():
        raise StoreError(f"{shown(str(path))}: there is nothing there. Check the path.")
    candidate = Candidate(path, {})
    if candidate.is_zarr:
        return _of_zarr(candidate)
    if candidate.folder is None:
        if root.suffix.lower() == ".npy":
            return Guess(*guess_npy(root, [root]))
        if root.suffix.lower() == ".pcd":
            return Guess(path, *guess_clouds([root]))
        raise _unknown(root, f"a {root.suffix or 'file without ending'} alone says too little")
    below = candidate.endings_below
    files = _files(root)
    if ".npy" in below and not below.keys() & PICTURES:
        return Guess(*guess_npy(root, [f for f in files if f.suffix.lower() == ".npy"]))
    if ".pcd" in below:
        return Guess(path, *guess_clouds([f for f in files if f.suffix.lower() == ".pcd"]))
    if below.keys() & PICTURES:
        return Guess(path, *guess_images(root))
    raise _unknown(root, f"seen: {candidate.seen()}")


def _of_zarr(candidate: Candidate) -> Guess:
    group = candidate.group
    if any("spec" in str(key) for key in _keys(group.attrs.asdict())) or "ome" in str(
        group.attrs.asdict()
    ):
        return Guess(candidate.data, None)
    arrays = dict(group.arrays())
    spec, notes = guess_arrays(candidate.data, arrays)
    return Guess(candidate.data, spec, {}, notes)


def _keys(attributes: Mapping[str, Any]) -> Iterator[str]:
    for key, value in attributes.items():
        yield key
        if isinstance(value, Mapping):
            yield from _keys(value)


def _files(root: Path) -> list[Path]:
    """Everything below a folder that is not hidden, in the order of the names."""
    found = (file for file in root.rglob("*") if file.is_file())
    return sorted(
        file
        for file in found
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
    )


def _unknown(root: Path, reason: str) -> StoreError:
    return StoreError(
        f"{shown(str(root))}: what its records are cannot be guessed: {reason}. Write a spec, "
        "beginning with one of `multiaug spec list`, and give it: --spec my-spec.json."
    )
