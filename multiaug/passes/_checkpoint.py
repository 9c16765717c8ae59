"""How far a pass has come, on disk: always whole, never counted twice."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ..errors import ParameterError, StoreError
from ..files import claimed, staged_directory, writing
from ..statistics import Item, SecondLook, describe_item, read_group, restore_item, write_group
from ..typing import NDArray

# Writing may take this share of the time at most.
_SHARE = 20
_NAME = re.compile(r"[0-9]{8}")
_REMAINS = re.compile(r"[0-9]{8}\.(tmp|old)-[0-9a-f]{32}")


class Checkpoint:
    """Numbered folders, of which the last whole one counts.

    A new one gets its name only when it is complete, and only then is the older one removed: at
    every moment there is one to continue from.

    Args:
        folder: where they are; None keeps none.
        settings: of the pass; a checkpoint of other settings is refused.
        every: seconds between two of them.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, settings: Mapping[str, Any], every: float
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._settings = settings
        self._every = every
        self._due = time.monotonic() + every
        self._number = 0
        self._ours: set[int] = set()  # those that are known to be checkpoints, and may be removed

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from writing to the same folder.

        Raises:
            StoreError: another one does, or the folder cannot be made.
        """
        with nullcontext() if self._folder is None else claimed(self._folder):
            yield

    @property
    def is_due(self) -> bool:
        """It is time for the next one."""
        return self._folder is not None and time.monotonic() >= self._due

    def load(self) -> tuple[dict[str, Any], list[Any]] | None:
        """What the last one says, and its states or second looks; None when there is none.

        Raises:
            ParameterError: it is of a pass with other settings.
            StoreError: it cannot be read.
        """
        if self._folder is None or not self._folder.exists():
            return None
        if not self._folder.is_dir():
            raise StoreError(f"The checkpoint {self._folder} is a file. Name a folder.")
        self._sweep()
        numbers = _numbers(self._folder)
        if not numbers:
            return None
        self._number = numbers[-1] + 1
        found = self._read(numbers)
        differing = [k for k, v in self._settings.items() if found["settings"].get(k) != v]
        if differing:
            raise ParameterError(
                f"The checkpoint {self._folder} is of another fit: it differs in "
                f"{', '.join(differing)}. Remove the folder, or name another one."
            )
        return found, found.pop("items")

    def _read(self, numbers: Sequence[int]) -> dict[str, Any]:
        assert self._folder is not None
        errors = []
        for number in reversed(numbers):
            try:
                document, arrays, _ = read_group(self._folder / _name(number))
            except StoreError as error:
                errors.append(error)
                continue
            self._ours.add(number)
            items = []
            for i, described in enumerate(document["items"]):
                own = {
                    key.removeprefix(f"{i}/"): array
                    for key, array in arrays.items()
                    if key.startswith(f"{i}/")
                }
                items.append(restore_item(described, own))
            return {**document, "items": items}
        raise errors[0]

    def save(self, progress: Mapping[str, Any], items: Sequence[Item | SecondLook]) -> None:
        """Write the next one, then remove the one before."""
        if self._folder is None:
            return
        started = time.monotonic()
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray] = {}
        for i, item in enumerate(items):
            arrays |= {f"{i}/{key}": array for key, array in item.arrays().items()}
        document = {
            **progress,
            "settings": dict(self._settings),
            "items": [describe_item(item) for item in items],
        }
        target = self._folder / _name(self._number)
        with staged_directory(target) as staged, writing(target):
            write_group(staged, document, arrays)
        for number in self._ours & set(_numbers(self._folder)):
            shutil.rmtree(self._folder / _name(number), ignore_errors=True)
        self._ours = {self._number}
        self._number += 1
        now = time.monotonic()
        self._due = now + max(self._every, _SHARE * (now - started) if self._every > 0 else 0)

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        assert self._folder is not None
        for path in self._folder.iterdir():
            if _REMAINS.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)


def _name(number: int) -> str:
    return f"{number:08d}"


def _numbers(folder: Path) -> list[int]:
    """Of the checkpoints in a folder; what else is there is somebody's own."""
    return sorted(int(path.name) for path in folder.iterdir() if _NAME.fullmatch(path.name))
