"""What is said on stderr while networks are trained."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager

from ..passes import Bar


class Progress(AbstractContextManager["Progress"]):
    """A sentence before the first training, one after it, and a bar where somebody looks.

    Args:
        shown: None shows it on terminals.
        total: trainings.
        what: a training is.
    """

    def __init__(self, shown: bool | None, total: int, what: str) -> None:
        self._shown = sys.stderr.isatty() if shown is None else shown
        self._total, self._done, self._start = total, 0, time.perf_counter()
        self._bar: Bar | None = None
        self._say(f"{total} trainings, each {what}; compiling the network.")

    def begin(self, name: str) -> None:
        """A training begins."""
        if self._done == 0:
            self._start = time.perf_counter()
        if self._bar is not None:
            self._bar.describe(name)

    def end(self) -> None:
        """It has ended."""
        self._done += 1
        if self._done == 1 and self._total > 1:
            spent = time.perf_counter() - self._start
            rest = duration(spent * (self._total - 1))
            self._say(f"The first training took {duration(spent)}; the others will take {rest}.")
            self._bar = Bar(self._shown, "", self._total, unit="trainings")
            self._bar.update(1)
        elif self._bar is not None:
            self._bar.update(1)

    def _say(self, text: str) -> None:
        if self._shown:
            print(text, file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.__exit__(*error)


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(4.2), duration(250)
    ('about 4 s', 'about 4 min')
    """
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
