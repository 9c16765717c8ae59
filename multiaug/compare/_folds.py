"""Folds of a cross validation, which keep groups whole and spread classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ParameterError
from ..typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def group_ids(
    groups: ArrayLike | Callable[[int], object] | None, positions: NDArray, count: int
) -> NDArray | None:
    """(n,) integers, equal for records that belong together; None where nothing was said.

    Args:
        groups: an id for each record of the source, or a function of a record's position.
        positions: (n,) of the records that are used.
        count: of records in the source.

    Raises:
        ParameterError: not one id for each record.
    """
    if groups is None:
        return None
    if callable(groups):
        ids = [groups(int(i)) for i in positions]
    else:
        array = np.asarray(groups)
        if array.shape != (count,):
            raise ParameterError(
                f"`compare.groups` must be one id for each of the {count} records, got an array of "
                f"shape {array.shape}. It may also be the name of an entry, or a function of a "
                "record's position."
            )
        ids = array[positions].tolist()
    # Ids are compared, not sorted: they may be of several kinds.
    numbers: dict[object, int] = {}
    try:
        return np.array([numbers.setdefault(one, len(numbers)) for one in ids], np.int64)
    except TypeError as error:
        raise ParameterError(
            "`compare.groups` must be ids that can be told apart, such as text or integers: "
            f"{error}."
        ) from error


def make_folds(
    folds: int, count: int, groups: NDArray | None, classes: NDArray | None, seed: int | list[int]
) -> NDArray:
    """(n,) integers: which fold each record is validated in.

    Groups are dealt out whole, the largest first, each to the fold that has least. Without groups,
    records of a class are dealt out in turn, so that every fold has its share of each class.

    Args:
        folds: how many.
        count: of records.
        groups: (n,), see `group_ids`.
        classes: (n,) the class of each record, where there is one for each.
        seed: another one makes other folds.

    Raises:
        ParameterError: there are fewer records, or groups, than folds.
    """
    generator = np.random.default_rng(seed)
    if groups is None:
        if count < 2 * folds:
            raise ParameterError(
                f"`compare.folds` is {folds}, which needs at least {2 * folds} records, found "
                f"{count}. Lower folds, or add records."
            )
        order = generator.permutation(count)
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
        dealt = np.empty(count, np.int64)
        dealt[order] = np.arange(count) % folds
        return dealt
    sizes = Counter(groups.tolist())
    if len(sizes) < folds:
        raise ParameterError(
            f"`compare.groups` must be at least as many groups as there are folds, found "
            f"{len(sizes)} for {folds} folds. Lower folds, or make smaller groups."
        )
    names = generator.permutation(np.array(list(sizes)))
    held, place = np.zeros(folds, np.int64), {}
    for name in sorted(names.tolist(), key=lambda name: -sizes[name]):
        place[name] = int(np.argmin(held))
        held[place[name]] += sizes[name]
    return np.array([place[name] for name in groups.tolist()], np.int64)


def same_division(one: NDArray, other: NDArray) -> bool:
    """Whether two divisions into folds are the same, whatever the folds are called."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))
