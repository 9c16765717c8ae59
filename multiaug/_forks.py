"""Processes that were forked off while JAX ran: there it would wait for ever.

JAX works in threads, of which a fork copies none but its locks as they are. A child that calls JAX
waits for threads that it does not have, without a word. So whatever calls JAX asks here first.
"""

from __future__ import annotations

import os
import sys

from .errors import ParameterError

_jax_ran = False  # at the latest fork
_is_stuck = False  # this process is a child of such a fork


def refuse_forked_child(what: str) -> None:
    """Raise in a process that was forked off another one in which JAX ran.

    Args:
        what: cannot be used here; the subject of the message.

    Raises:
        ParameterError: JAX would wait for ever.
    """
    if _is_stuck:
        raise ParameterError(
            f"{what} cannot be used in a forked child: JAX ran in the process that this one was "
            "forked off, its threads do not survive a fork, and it would wait for them for ever. "
            "Start processes with the method 'spawn' or 'forkserver' (PyTorch: "
            "DataLoader(..., multiprocessing_context='spawn'); Keras: workers without "
            "use_multiprocessing), or fork before anything has run in JAX."
        )


def _before() -> None:
    global _jax_ran
    bridge = sys.modules.get("jax._src.xla_bridge")
    # A JAX that does not say so has run.
    ran = getattr(bridge, "backends_are_initialized", lambda: bridge is not None)
    _jax_ran = bool(ran())


def _in_child() -> None:
    global _is_stuck
    _is_stuck = _is_stuck or _jax_ran


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
