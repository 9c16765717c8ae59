"""The progress bar of passes."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any


class Bar(AbstractContextManager["Bar"]):
    """A bar with the rate and the time left.

    Args:
        shown: None shows it on terminals.
        name: what is being done.
        total: records, if that is known by now.
    """

    def __init__(self, shown: bool | None, name: str, total: int | None = None) -> None:
        self._bar: Any = None
        if sys.stderr.isatty() if shown is None else shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=total, desc=name, unit=" records", unit_scale=True, smoothing=0.1
            )

    def update(self, count: int) -> None:
        """So many records more are done."""
        if self._bar is not None:
            self._bar.update(count)

    def set_total(self, total: int) -> None:
        """Say where it ends."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
