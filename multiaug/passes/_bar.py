"""The progress bar of passes and comparisons."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any


class Bar(AbstractContextManager["Bar"]):
    """A bar with the rate and the time left.

    Args:
        shown: None shows it on terminals.
        name: what is being done.
        total: how many, if that is known by now.
        unit: what is counted.
    """

    def __init__(
        self, shown: bool | None, name: str, total: int | None = None, unit: str = "records"
    ) -> None:
        self._bar: Any = None
        if sys.stderr.isatty() if shown is None else shown:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=total,
                desc=name,
                unit=f" {unit}",
                unit_scale=unit == "records",
                smoothing=0.1,
                # A file of many lines is read by nobody.
                mininterval=0.1 if sys.stderr.isatty() else 30,
            )

    def update(self, count: int) -> None:
        """So many more are done."""
        if self._bar is not None:
            self._bar.update(count)

    def set_total(self, total: int) -> None:
        """Say where it ends."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()

    def describe(self, text: str) -> None:
        """Say what is being done now."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
