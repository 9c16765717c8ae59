"""The errors that multiaug raises, one child per kind of mistake, and its warnings."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = f"{Path(__file__).parent}{os.sep}"


class MultiaugError(ValueError):
    """Root of every error that multiaug raises on purpose."""


class ParameterError(MultiaugError):
    """A setting of a transform or a call is outside what it can mean."""


class RecordError(MultiaugError):
    """A record or a batch does not hold what its spec declares."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in a document.

    Args:
        path: JSON path of the offending value, such as ``$.entries.image.dtype``.
        found: what stands there.
        expected: what may stand there, and what to do.
    """

    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, expected {self.expected}"


class SpecError(MultiaugError):
    """A spec is wrong; carries all of its mistakes at once.

    Args:
        source: the file, or a description of where the document came from.
        mistakes: every mistake found, each with its JSON path.
    """

    def __init__(self, source: str, mistakes: Sequence[Mistake]) -> None:
        self.source = source
        self.mistakes = tuple(mistakes)
        lines = "".join(f"\n  {mistake}" for mistake in self.mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        super().__init__(f"{source}: {count}{lines}")


class NotFittedError(MultiaugError):
    """Statistics are used before they were fitted."""


class StoreError(MultiaugError, OSError):
    """A data set on disk cannot be read or written."""


class MissingChunkError(StoreError):
    """A chunk that the metadata promises is not in the store."""


class CorruptChunkError(StoreError):
    """A chunk is there but cannot be decoded, or its checksum is wrong."""


class MultiaugWarning(UserWarning):
    """Something was guessed, left out or cannot be known; the text says what to do about it."""


def warn(message: str, category: type[Warning] = MultiaugWarning) -> None:
    """Warn at the line of the caller's own code, whatever path the call took through multiaug.

    Python shows a warning once for each line and text, so a loop is told once.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE)
