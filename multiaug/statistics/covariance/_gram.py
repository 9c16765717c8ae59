"""Products of all pairs of records: the dual form, for more pixels than records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ...errors import NotFittedError, ParameterError
from ...typing import ArrayLike, NDArray
from .._needs import Needs, Subject
from .._state import (
    State,
    Statistic,
    centre_of,
    channel_count,
    check_batch,
    check_float_shift,
    check_shift,
    shift_vector,
)
from ..sums._numbers import kind_of
from ..whitening._spectrum import Centre, check_centre, eigh, refuse_constant
from ._pairs import PairBlocks

_TILE = 1024


@dataclass(frozen=True, kw_only=True)
class Gram(Statistic):
    """Products of every pair of n records: what whitening needs where n is less than d.

    Memory is n^2, whatever d is. Records come in pairs of blocks, each pair once, in any order
    and on any machine; integers are summed exactly.

    Args:
        record_shape: shape of one record.
        dtype: of the records.
        entries: see `multiaug.fit`.
        records: how many records there are, n.
        shift: floats are summed about this number; None takes one per pixel, near the mean of
            the first block.

    Raises:
        ParameterError: settings that contradict each other.

    References:
        L. Sirovich, Turbulence and the dynamics of coherent structures, 1987: the method of
        snapshots.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
        >>> a, b = rows[:12], rows[12:]
        >>> state = Gram((8, 8, 3), "uint8", records=20).init()
        >>> state = state.update(a, 0).update(b, 12).update(a, 0, b, 12)
        >>> state.is_complete, len(state.eigenvalues())
        (True, 20)
    """

    records: int = field(default=0)
    shift: float | None = None

    name: ClassVar[str] = "gram"
    takes_pairs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_float_shift(self, self.shift)
        if not isinstance(self.records, int | np.integer) or self.records < 0:
            raise ParameterError(
                f"`Gram.records` must be the number of records, got {self.records!r}."
            )

    def needs(self, subject: Subject) -> Needs:
        """Not by itself.

        Raises:
            ParameterError: always; ZCA asks for it.
        """
        raise ParameterError(
            "`fit` gathers pairs of records for multiaug.ZCA() with solver='dual', got Gram. Pass "
            "that, or update a Gram state by hand."
        )

    def init(self) -> GramState:
        """The state of no pairs."""
        number = np.int64 if self.exact else np.float64
        return GramState(
            statistic=self,
            gram=np.zeros((self.records, self.records), number),
            sum=np.zeros(self.size, number),
            channel_sums=np.zeros((self.records, channel_count(self.shape)), number),
            covered=np.zeros(self.records, bool),
        )

    def accumulator(self, state: GramState) -> PairBlocks:
        """Something that takes many pairs of blocks, beginning from a state."""
        return PairBlocks(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class GramState(State):
    """Products of the pairs seen.

    Args:
        statistic: the `Gram`.
        n: records whose block has been paired with itself.
        seen: ids of the pairs.
        shift: float64 (d,), what floats are about.
        gram: (n, n), products of x - shift; int64 where sums are exact, else float64. Only what
            lies on and above the diagonal blocks is filled.
        sum: (d,), of x - shift over the records.
        channel_sums: (n, C), of x - shift over the pixels of each record.
        covered: bool (n,), records that ``n`` counts.
        pairs: how many pairs of records are in, of n (n + 1) / 2.
    """

    statistic: Gram
    gram: NDArray
    sum: NDArray
    channel_sums: NDArray
    covered: NDArray
    pairs: int = 0
    shift: NDArray | None = None

    def update(  # type: ignore[override]
        self,
        batch: ArrayLike,
        index: int,
        other: ArrayLike | None = None,
        other_index: int = 0,
        *,
        chunk: Any = None,
        source: str = "",
    ) -> GramState:
        """The state after the pairs within a block of records, or between it and a later one.

        Args:
            batch: (m, ...), neighbouring records.
            index: position of the first of them.
            other: (k, ...), records behind them; None pairs the block with itself.
            other_index: position of the first of those.
            chunk: an id; the same one is refused a second time.
            source: what ``chunk`` is an id in.

        Raises:
            RecordError: another shape or dtype, NaN or infinity.
            ParameterError: positions outside the n records, overlapping blocks, or a pair that
                is there already.
        """
        rows = check_batch(self.statistic, batch, chunk)
        others = None if other is None else check_batch(self.statistic, other, chunk)
        self._check_place(rows, index, others, other_index)
        seen = self.seen if chunk is None else self.seen.add([chunk], source)
        own: dict[str, Any] = {k: a.copy() for k, a in self._mutable()}
        accumulator = PairBlocks(replace(self, **own))
        accumulator.add_pair(rows, index, others, other_index)
        return replace(accumulator.state(), seen=seen)

    @property
    def is_complete(self) -> bool:
        """Every pair of records has been seen."""
        n = self.statistic.records
        return n > 0 and self.pairs == n * (n + 1) // 2

    def mean(self) -> NDArray:
        """Mean record, float64, of the record's shape.

        Raises:
            NotFittedError: not every record has been seen.
        """
        return self._flat(self.centre_of("pixel"))

    def centre_of(self, centre: Centre) -> NDArray:
        """The mean that is subtracted, float64 (d,)."""
        check_centre(centre)
        self._require()
        mean = self.sum / self.n + shift_vector(self.statistic, self.shift)
        return centre_of(mean, self.statistic, centre)

    def decompose(self, centre: Centre = "pixel") -> tuple[NDArray, NDArray, float]:
        """Eigenvalues of the covariance and of the pairs' weights. The state is used up.

        Returns:
            Eigenvalues, float64 (r,), descending, above zero; weights (r, n), so that the
            eigenvector is ``weights @ (rows - mean)``; and the total variance.

        Raises:
            NotFittedError: pairs are missing, fewer than two records, or all are alike.
        """
        check_centre(centre)
        self._require()
        n = self.n
        if n < 2:
            raise NotFittedError(
                f"Whitening must know at least 2 records, got {n}. Fit it on more."
            )
        against = self._against(centre)
        gram = _as_float(self.gram)
        for i in range(n):  # by rows: no second matrix of this size
            row = gram[i, i:]
            row -= against[0][i] + against[0][i:] - against[1]
            row /= n
        _mirror(gram)
        total = float(np.trace(gram))
        refuse_constant(total, self._rounding())
        values, weights = eigh(gram)
        floor = n * np.finfo(np.float64).eps * values[0]
        rank = min(int((values > floor).sum()), n - 1 if centre == "pixel" else n)
        return values[:rank], weights[:rank], total

    def eigenvalues(self, centre: Centre = "pixel") -> NDArray:
        """Eigenvalues of the covariance, float64 (n,), descending, padded with 0."""
        values, _, _ = replace(self, gram=self.gram.copy()).decompose(centre)
        found = np.zeros(self.n)
        found[: len(values)] = values
        return found

    def finalize(self) -> NDArray:
        """The `eigenvalues` about the mean of each pixel; eigenvectors need the records again."""
        return self.eigenvalues()

    def arrays(self) -> dict[str, NDArray]:
        """``gram``, ``sum``, ``channel_sums``, ``covered`` and, of floats, ``shift``."""
        found = dict(self._mutable())
        return found if self.shift is None else {**found, "shift": self.shift}

    def attributes(self) -> dict[str, Any]:
        """The number of pairs."""
        return {"pairs": self.pairs}

    def _merged(self, other: GramState) -> GramState:
        check_shift(self, self.shift, other.shift)
        if (self.covered & other.covered).any():
            at = int(np.argmax(self.covered & other.covered))
            raise ParameterError(
                f"Record {at} is in both states and would be counted twice. Merge states of "
                "different pairs."
            )
        pairs = zip(self._mutable(), other._mutable(), strict=True)
        sums: dict[str, Any] = {name: a + b for (name, a), (_, b) in pairs}
        return replace(self, **sums, pairs=self.pairs + other.pairs)

    @property
    def is_empty(self) -> bool:
        """No pair has been seen."""
        return not self.pairs

    def _mutable(self) -> list[tuple[str, NDArray]]:
        return [(k, getattr(self, k)) for k in ("gram", "sum", "channel_sums", "covered")]

    def _require(self) -> None:
        if not self.is_complete:
            n = self.statistic.records
            raise NotFittedError(
                f"The Gram matrix must hold all {n * (n + 1) // 2} pairs of {n} records, got "
                f"{self.pairs}. Update it with the others."
            )

    def _against(self, centre: Centre) -> tuple[NDArray, float]:
        """x_i . m for every record and m . m, both about the shift; m is the centre."""
        if centre == "pixel":
            n = self.n
            diagonal = np.diagonal(self.gram)
            # Row sums of a matrix of which only the upper half is filled.
            upper = np.array([self.gram[i, i:].sum() for i in range(n)])
            columns = np.zeros(n, self.gram.dtype)
            for i in range(n):
                columns[i:] += self.gram[i, i:]
            rows = (upper + columns - diagonal) / n
            return rows, float(rows.mean())
        shift = shift_vector(self.statistic, self.shift)
        centred = self.centre_of(centre) - shift
        channels = channel_count(self.statistic.shape)
        if (
            kind_of(self.statistic.kind_name) in ("float", "wide")
            and np.ptp(centred.reshape(-1, channels), axis=0).any()
        ):
            raise ParameterError(
                'Gram of floats about centre="channel" must have one shift for all pixels. Give '
                "one: Gram(..., shift=value)."
            )
        mean = centred[:channels]
        return self.channel_sums @ mean, float(np.square(centred).sum())

    def _rounding(self) -> float:
        return 1e-13 * float(np.square(self.sum / self.n).sum())

    def _check_place(
        self, rows: NDArray, index: int, others: NDArray | None, other_index: int
    ) -> None:
        n, end = self.statistic.records, index + len(rows)
        last = end if others is None else other_index + len(others)
        if index < 0 or last > n or end > n or (others is not None and other_index < end):
            raise ParameterError(
                f"`Gram` must get blocks within {n} records, the second behind the first, got "
                f"positions {index} to {end - 1}"
                + (f" and {other_index} to {last - 1}." if others is not None else ".")
            )
        if others is None and self.covered[index:end].any():
            at = index + int(np.argmax(self.covered[index:end]))
            raise ParameterError(f"Record {at} has been seen. Update with each block once.")


def _as_float(gram: NDArray) -> NDArray:
    """The same memory as float64."""
    if gram.dtype == np.float64:
        return gram
    view: NDArray = gram.view(np.float64)
    for i in range(len(gram)):
        view[i] = gram[i].astype(np.float64)
    return view


def _mirror(matrix: NDArray) -> None:
    """Copy the upper triangle over the lower one, in blocks."""
    n = len(matrix)
    for start in range(0, n, _TILE):
        stop = min(start + _TILE, n)
        corner = matrix[start:stop, start:stop]
        corner[...] = np.triu(corner) + np.triu(corner, 1).T
        matrix[stop:, start:stop] = matrix[start:stop, stop:].T
