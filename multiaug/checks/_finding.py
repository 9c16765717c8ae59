"""What an inspection finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing about records that does not fit what their spec says of them.

    Args:
        entry: the name of the entry.
        message: a sentence that says what was found, what was expected, and what to do.
        wrong: the records cannot be what the spec says, so they are refused; otherwise they may
            be meant so, and the finding is a warning.
        of_range: it matters only to what computes with the range of the entry.
    """

    entry: str
    message: str
    wrong: bool
    of_range: bool = False

    def __str__(self) -> str:
        return f"{self.entry}: {self.message}"
