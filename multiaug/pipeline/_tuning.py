"""Settings of the process that make batches faster. All are opt-in: importing changes nothing."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def tune_malloc() -> bool:
    """Let the process keep large blocks of memory that it frees, for its next ones.

    glibc gives large blocks back to the system at once, and the system hands out new ones page
    by page, cleared: for a fresh batch of results that costs more than computing it. Afterwards
    the process stays as large as it ever was. Sets ``M_MMAP_MAX`` to 0 and ``M_TRIM_THRESHOLD``
    to its largest value, for the whole process and everything in it that allocates with malloc.

    Returns:
        True where it took effect; False on systems without glibc, where nothing is done.

    References:
        mallopt(3).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (AttributeError, OSError):  # another C library, such as musl
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def enable_compilation_cache(path: str | os.PathLike[str]) -> None:
    """Keep what XLA compiles in a folder, so that the next process need not compile it again.

    Sets JAX's own persistent cache for everything that this process compiles from now on.

    Args:
        path: the folder; made where it is missing. Processes of one machine may share it.
    """
    folder = Path(path).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Plans and draws compile in less than the second that JAX asks for by default.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # A cache that was looked for before the folder was known is not looked for again.
    compilation_cache.reset_cache()
