"""Modes of JAX that users switch on for their own programs, and the library's work in them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
T = TypeVar("T")

_MODES = ("jax_enable_x64", "jax_debug_nans", "jax_debug_infs")


def in_own_modes(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function without JAX's 64-bit mode and without its search for NaN.

    All computations are in 32 bits: a record gets the same draws, and the same bits, whatever the
    mode. And NaN is a value here, "no data": what a program for a batch hands on from one step to
    the next, or returns, is no mistake. A thread has modes of its own, so what others run needs
    this as well.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        on = [name for name in _MODES if getattr(jax.config, name)]
        if not on:
            return function(*args, **kwargs)
        with ExitStack() as stack:
            for name in on:
                stack.enter_context(_switched(name, to=False))
            return function(*args, **kwargs)

    return run


def in_64_bits() -> AbstractContextManager[Any]:
    """JAX's 64-bit mode."""
    return _switched("jax_enable_x64", to=True)


def _switched(name: str, *, to: bool) -> AbstractContextManager[Any]:
    short = name.removeprefix("jax_")
    # Before JAX 0.8 the 64-bit mode was among the experiments.
    place = jax if hasattr(jax, short) else import_module("jax.experimental")
    found: AbstractContextManager[Any] = getattr(place, short)(to)
    return found
