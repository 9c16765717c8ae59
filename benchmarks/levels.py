"""Instruction sets: multiaug at its best, and limited to an older one, in the same process.

The library asks for its level in every call, so that two contenders can differ in it alone. Few
machines of users have AVX-512, and AVX2 forced shows there what those without it get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMES = ("base", "avx2", "avx512")
"""From the oldest; base is SSE2, or NEON on ARM."""


def best() -> str:
    """The best that this machine can run, or "none" where nothing was compiled."""
    library = _library()
    if library is None:
        return "none"
    library.multiaug_allow(len(NAMES) - 1)
    return NAMES[library.multiaug_level()]


def use(name: str = NAMES[-1]) -> None:
    """From now on no better one than this."""
    library = _library()
    if library is not None:
        library.multiaug_allow(NAMES.index(name))


def below(wanted: Sequence[str]) -> list[str]:
    """Those of `wanted` that this machine can run and that are not its best."""
    limit = best()
    return [] if limit == "none" else [n for n in wanted if NAMES.index(n) < NAMES.index(limit)]


def _library() -> Any:
    # The switch is not public: results do not depend on it, so nobody but tests and this needs it.
    from multiaug._native import library

    return library()
