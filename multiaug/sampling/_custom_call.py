"""Making the sampler known to XLA, where the running jaxlib can call it."""

from __future__ import annotations

import re
import threading
from ctypes import c_int
from pathlib import Path

import jax

from .._native import library

TARGET = "multiaug_custom_call"
FRESH = "multiaug_fresh_memory"
_HEADER = Path("xla", "ffi", "api", "c_api.h")
_VERSION = re.compile(r"#define\s+XLA_FFI_API_(MAJOR|MINOR)\s+(\d+)")

Version = tuple[int, int]


_lock = threading.Lock()
_outcome: list[str | None] = []  # one, once it is known


def custom_call_refused() -> str | None:
    """Why compiled programs of XLA cannot call the sampler; None where they can.

    The first call registers it.
    """
    # XLA refuses a name that it knows, so threads that begin together register it once.
    with _lock:
        if not _outcome:
            _outcome.append(register(running_version()))
    return _outcome[0]


def register(running: Version | None) -> str | None:
    """Make the sampler known to XLA; the reason where that cannot be.

    The CPU backend is started first: then a mistake is an error here. With a name that was
    registered before, and that it refuses, the backend would not start at all.

    Args:
        running: the version of the interface that jaxlib has.
    """
    found = library()
    if found is None:
        return "the compiled library is missing or switched off"
    ours = (c_int * 2)()
    found.multiaug_ffi_version(ours)
    refused = version_refused((ours[0], ours[1]), running)
    if refused is not None:
        return refused
    try:
        jax.devices("cpu")
        for name in (TARGET, FRESH):
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(found, name)))
    except Exception as error:  # whatever a jaxlib of later years raises: XLA's form is right, too
        return f"jaxlib refused to register it: {error}"
    return None


def running_version() -> Version | None:
    """The version of XLA's interface for custom calls that the running jaxlib has.

    It is read from the header that jaxlib comes with: XLA tells it to nobody who is not
    registered. None where there is no such header.
    """
    try:
        text = Path(jax.ffi.include_dir(), _HEADER).read_text(encoding="utf-8")
    except (OSError, RuntimeError):
        return None
    numbers = {name: int(value) for name, value in _VERSION.findall(text)}
    if numbers.keys() != {"MAJOR", "MINOR"}:
        return None
    return numbers["MAJOR"], numbers["MINOR"]


def version_refused(ours: Version, running: Version | None) -> str | None:
    """Why code for one version of the interface cannot be registered with another.

    Args:
        ours: the version that the library was written for.
        running: that of jaxlib; None where it is not known.
    """
    wanted = f"{ours[0]}.{ours[1]}"
    if running is None:
        return f"jaxlib does not say which custom calls it takes; {wanted} is needed"
    if running[0] != ours[0] or running < ours:
        return f"jaxlib takes custom calls of version {running[0]}.{running[1]}, not {wanted}"
    return None
