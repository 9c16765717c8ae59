"""What JAX traces and compiles while a block of code runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import jax

# Of what only a check runs, once: to compile it is all that takes long.
QUICKLY = {"xla_backend_optimization_level": 0}

_SIGNS = ("Compiling ", "Finished tracing ")


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(_SIGNS):
            self.found.append(message)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Collect JAX's messages about what it traces and compiles in the block.

    Example:
        >>> import jax, numpy as np
        >>> double = jax.jit(lambda x: x * 2)
        >>> with compilations() as first:
        ...     _ = double(np.float32(1))
        >>> with compilations() as second:
        ...     _ = double(np.float32(2))
        >>> bool(first), second
        (True, [])
    """
    logger, collector = logging.getLogger("jax"), _Collector()
    propagates = logger.propagate
    logger.addHandler(collector)
    logger.propagate = False  # the messages are asked for here, not on the user's console
    try:
        with jax.log_compiles():
            yield collector.found
    finally:
        logger.propagate = propagates
        logger.removeHandler(collector)
