"""Checks of a loader's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..errors import ParameterError
from ..files import sha256_of
from ..typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def check_count(name: str, value: Any, least: int) -> int:
    """The value as an int.

    Raises:
        ParameterError: it is none, or less than ``least``.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise ParameterError(
            f"`Loader.{name}` must be a whole number, at least {least}, got {value!r}."
        )
    return int(value)


def check_shard(
    shard: tuple[int, int] | None, streams: int | None, batch_size: int
) -> tuple[tuple[int, int], int]:
    """Host and number of hosts, and the number of streams.

    Raises:
        ParameterError: there is no such host, or streams or records do not divide evenly.
    """
    if shard is None:
        shard = jax.process_index(), jax.process_count()
    pair = tuple(shard) if isinstance(shard, tuple | list) else ()
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) for v in pair):
        raise ParameterError(f"`Loader.shard` must be (host, hosts), got {shard!r}.")
    host, hosts = int(pair[0]), int(pair[1])
    if not 0 <= host < hosts:
        raise ParameterError(
            f"`Loader.shard` must be (i, n) with 0 <= i < n, got {shard!r}. Hosts count from 0."
        )
    streams = hosts if streams is None else check_count("streams", streams, 1)
    if streams % hosts:
        raise ParameterError(
            f"`Loader.streams` must be a multiple of the number of hosts, got {streams} streams "
            f"and {hosts} hosts."
        )
    if batch_size % (streams // hosts):
        raise ParameterError(
            f"`Loader.batch_size` must be a multiple of the {streams // hosts} streams of each "
            f"host, got {batch_size}. Every stream gives equally many records to a batch."
        )
    return (host, hosts), streams


def check_draws(indices: ArrayLike | None, count: int) -> NDArray | None:
    """How often each record is among the indices; None for all of them once.

    Raises:
        ParameterError: no integers, none at all, or positions that do not exist.
    """
    if indices is None:
        return None
    found = np.asarray(indices)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not found.size:
        raise ParameterError(
            "`Loader.indices` must be one-dimensional integers, at least one, got "
            f"{found.dtype} of shape {found.shape}. np.flatnonzero makes them of a mask."
        )
    outside = (found < 0) | (found >= count)
    if outside.any():
        raise ParameterError(f"`Loader.indices` must be in [0, {count}), got {found[outside][0]}.")
    return np.bincount(found.astype(np.int64), minlength=count)


def check_weights(weights: ArrayLike | None, count: int, draws: NDArray | None) -> NDArray | None:
    """Weights of all records, 0 for those that are not chosen.

    Raises:
        ParameterError: another number of them, negative ones, or nothing above 0.
    """
    if weights is None:
        return None
    found = np.asarray(weights, np.float64)
    if found.shape != (count,):
        raise ParameterError(
            f"`Loader.weights` must be ({count},), one for each record, got {found.shape}."
        )
    if not np.isfinite(found).all() or (found < 0).any():
        raise ParameterError("`Loader.weights` must be finite and not negative.")
    if draws is not None:
        found = found * draws
    if not found.sum() > 0:
        raise ParameterError("`Loader.weights` must be above 0 for at least one record.")
    return found


def digest(*arrays: NDArray | None) -> str:
    """Text that differs where arrays do; none of none."""
    if all(array is None for array in arrays):
        return ""
    return sha256_of(*(b"" if array is None else array.tobytes() for array in arrays))
