"""Files that are mapped into memory, and may be cut short meanwhile."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import StoreError


class MappedFiles:
    """The files behind arrays; whoever reads past the end of one is killed by the system (SIGBUS).

    Args:
        arrays: name -> array, of which some may be memory maps or views of such.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._files: list[tuple[str, mmap.mmap, int]] = []
        for name, array in arrays.items():
            whole: Any = array
            while isinstance(whole, np.ndarray) and isinstance(whole.base, np.ndarray):
                whole = whole.base
            held: Any = getattr(whole, "base", None)
            if isinstance(whole, np.memmap) and isinstance(held, mmap.mmap):
                start = whole.offset - whole.offset % mmap.ALLOCATIONGRANULARITY
                self._files.append((f"{whole.filename} ({name!r})", held, start + len(held)))

    def check(self) -> None:
        """Ask how long the files are, before they are read.

        Raises:
            StoreError: one is shorter than it was when it was mapped.
        """
        for label, held, end in self._files:
            if (size := held.size()) < end:
                raise StoreError(
                    f"{label} has {size:,} bytes, and had at least {end:,} when it was opened: "
                    "something has cut it short, or is writing it anew. Open it again when it is "
                    "complete; write new data to another file and rename that."
                )
