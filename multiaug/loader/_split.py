"""Choosing records: splits by hash, and weights that balance classes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _arguments
from .._arguments import NUMBERS, SEED, Kind, checked
from ..errors import ParameterError
from ..typing import NDArray
from ._random import derive, hashed, uniform

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Apart from everything that loaders draw with the same seed.
_SPLIT = 0x5B1


def _are_records(value: Any) -> bool:
    return _arguments.whole(1).accepts(value) or _is_column(value)


def _is_column(value: Any) -> bool:
    """Whether it is a list of numbers or of text, also as data frames hold them."""
    if isinstance(value, str | bytes | Mapping):
        return False
    return np.ndim(np.asarray(value)) == 1


def _column(values: Any) -> NDArray:
    """Numbers or text (n,); columns of data frames hold text as objects."""
    array = np.asarray(values)
    if array.dtype.kind in "OT" and all(isinstance(value, str) for value in array):
        return array.astype(str)
    return array


def _are_shares(value: Any) -> bool:
    return NUMBERS.accepts(value) and np.ndim(value) == 1


@checked(
    records=Kind("a number of records, or an identity of each", _are_records),
    fractions=Kind("the share of each part", _are_shares),
    seed=SEED,
)
def hash_split(
    records: int | Sequence[str] | ArrayLike, fractions: Sequence[float], *, seed: int = 0
) -> tuple[NDArray, ...]:
    """Divide records into parts by a hash of their position or identity.

    Where a record goes depends on itself and the seed alone: data that are added later, or another
    order, move none of the others.

    Args:
        records: how many there are; or the identity of each, as text or whole numbers. Records
            with the same identity (frames of a video, pictures of a patient) stay together.
        fractions: the share of each part; they sum to 1.
        seed: another one makes another split.

    Returns:
        For each part the positions of its records, int64, ascending: `Loader`'s ``indices``.

    Raises:
        ParameterError: the fractions are not positive or do not sum to 1; a part is empty.

    Example:
        >>> train, validation = hash_split(1000, (0.9, 0.1))
        >>> len(train) + len(validation), 60 < len(validation) < 140
        (1000, True)
    """
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ParameterError(
            f"`hash_split.fractions` must be positive and sum to 1, got {list(fractions)}."
        )
    counted = isinstance(records, int | np.integer)
    counter = np.arange(int(records)) if counted else _identities(records)  # type: ignore[arg-type]
    unit = uniform(hashed(derive(seed, _SPLIT), counter))
    part = np.searchsorted(np.cumsum(shares)[:-1], unit, side="right")
    parts = tuple(np.flatnonzero(part == number) for number in range(len(shares)))
    for number, found in enumerate(parts):
        if not len(found):
            raise ParameterError(
                f"`hash_split`: part {number} of {fractions} gets none of {len(counter)} records. "
                "Raise its fraction, or take another seed."
            )
    return parts


def _identities(values: Sequence[str] | ArrayLike) -> NDArray:
    array = _column(values)
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ParameterError(
            "`hash_split.records` must be a number, or text or whole numbers for each record, got "
            f"{array.dtype} of shape {array.shape}."
        )
    if array.dtype.kind in "iu":
        return array.astype(np.uint64)
    names, inverse = np.unique(array, return_inverse=True)
    digests = [hashlib.sha256(str(name).encode()).digest()[:8] for name in names]
    words = np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)
    chosen: NDArray = words[inverse]
    return chosen


@checked(labels=Kind("one label for each record", _is_column))
def class_weights(labels: ArrayLike) -> NDArray:
    """Weights that let every class come equally often.

    Args:
        labels: (n,) the class of each record, whole numbers or text.

    Returns:
        float64 (n,), to be used as `Loader`'s ``weights``; 1 on average.

    Raises:
        ParameterError: not one label for each record.

    Example:
        >>> class_weights([0, 0, 0, 1]).tolist()
        [0.6666666666666666, 0.6666666666666666, 0.6666666666666666, 2.0]
    """
    array = _column(labels)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "biuU":
        raise ParameterError(
            "`class_weights.labels` must be whole numbers or text (n,), got "
            f"{array.dtype} of shape {array.shape}."
        )
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    weights: NDArray = len(array) / (len(counts) * counts[inverse].astype(np.float64))
    return weights
