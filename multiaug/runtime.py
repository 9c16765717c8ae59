"""Settings of the process that make batches faster. All are opt-in: importing changes nothing."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1
_MMAP_MAX = 65536


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
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    _TUNED.set()
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


_TUNED = threading.Event()  # for good
_KEEPING = threading.Lock()
_keepers = 0


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """As after `tune_malloc`, while the block runs; then memory goes back to the system.

    Only where the environment has set ``MALLOC_TRIM_THRESHOLD_``, as Dask does for its workers: it
    has every block of 128 kB and more come from the system, page by page, each time that it is
    needed, and that setting can be put back. Elsewhere, and after `tune_malloc`, nothing is done.
    Several threads may be in such blocks at a time.

    References:
        mallopt(3), malloc_trim(3).
    """
    global _keepers
    mallopt, trim = _glibc("mallopt"), _glibc("malloc_trim")
    before = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    if mallopt is None or trim is None or _TUNED.is_set() or not before.isdigit():
        yield
        return
    with _KEEPING:
        _keepers += 1
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        with _KEEPING:
            _keepers -= 1
            if not _keepers:
                mallopt(_M_MMAP_MAX, int(os.environ.get("MALLOC_MMAP_MAX_", _MMAP_MAX)))
                mallopt(_M_TRIM_THRESHOLD, min(int(before), _NEVER))
                trim(0)


def _glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where that is another one."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL("libc.so.6"), name)
    except (AttributeError, OSError):  # such as musl
        return None
    return found


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
