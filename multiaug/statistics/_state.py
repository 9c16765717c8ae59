"""What a statistic and its state are: descriptions and data, never changed in place."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .._arguments import NUMBERS, check_argument, shown
from .._machine import native
from ..errors import ParameterError, RecordError, StoreError
from ..typing import ArrayLike, NDArray
from ._needs import Needs, Subject
from ._seen import ChunkId, Seen
from .sums._numbers import first_bad, held_dtype, integer_shift, is_exact, kind_of

if TYPE_CHECKING:
    from ._collection import GroupStatistics

S = TypeVar("S", bound="State")
T = TypeVar("T", bound="Statistic")

_LARGEST = 1e12
_RESERVED = ("spectrum",)  # kinds in files that are no statistics

REGISTRY: dict[str, type[Statistic]] = {}
"""Statistics by the name that files use."""


@dataclass(frozen=True, kw_only=True)
class Statistic(ABC):
    """A description of what is gathered; `fit` fills in shape and dtype where they are left open.

    Args:
        record_shape: shape of one record, such as (32, 32, 3).
        dtype: NumPy name of the records' dtype.
        entries: for `fit`: names of the entries to gather it for; None for those that suit it.
    """

    record_shape: tuple[int, ...] | None = field(default=None, kw_only=False)
    dtype: str | None = field(default=None, kw_only=False)
    entries: tuple[str, ...] | None = None

    name: ClassVar[str] = ""
    """By which results and files know it."""
    takes_holes: ClassVar[bool] = False
    """It leaves pixels without data out by itself; for others `fit` refuses them or fills them."""
    takes_pairs: ClassVar[bool] = False
    """It is made of pairs of blocks, by `PairBlocks`."""
    merges_slowly: ClassVar[bool] = False
    """Adding two states up takes as long as hundreds of records."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name:
            refuse_namesake(cls, cls.name, REGISTRY, "statistic")
            REGISTRY[cls.name] = cls

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        if self.record_shape is not None:
            given: Any = self.record_shape
            shape = tuple(given) if isinstance(given, list | tuple) else ()
            if not shape or any(not isinstance(s, int | np.integer) or s < 1 for s in shape):
                raise ParameterError(
                    f"`{self.owner}.record_shape` must be lengths >= 1, got {self.record_shape!r}."
                )
            set_field(self, "record_shape", tuple(int(s) for s in shape))
        if self.dtype is not None:
            named: Any = self.dtype
            if not isinstance(named, str | type | np.dtype):
                raise ParameterError(
                    f"`{self.owner}.dtype` must be the name of a dtype, got {shown(named)}."
                )
            name = named if isinstance(named, str) else np.dtype(named).name
            kind_of(name)
            set_field(self, "dtype", name)
        if self.entries is not None:
            listed: Any = self.entries
            held = (listed,) if isinstance(listed, str) else listed
            if not isinstance(held, list | tuple) or not all(isinstance(e, str) for e in held):
                raise ParameterError(
                    f"`{self.owner}.entries` must be names of entries, got {self.entries!r}."
                )
            set_field(self, "entries", tuple(held))

    @property
    def owner(self) -> str:
        """The name used in errors."""
        return type(self).__name__

    @property
    def shape(self) -> tuple[int, ...]:
        """The record's shape.

        Raises:
            ParameterError: it was left open.
        """
        if self.record_shape is None or self.dtype is None:
            raise ParameterError(
                f"`{self.owner}` must know the shape and dtype of a record, got neither. Write "
                f"{self.owner}((32, 32, 3), 'uint8'), or hand it to multiaug.fit as it is."
            )
        return self.record_shape

    @property
    def size(self) -> int:
        """Numbers per record, d."""
        return math.prod(self.shape)

    @property
    def kind_name(self) -> str:
        """The dtype; see `shape`."""
        _ = self.shape
        assert self.dtype is not None
        return self.dtype

    @property
    def exact(self) -> bool:
        """Its states have the same bits in any order."""
        return is_exact(self.kind_name)

    @property
    def order_free(self) -> bool:
        """Not even the cutting into batches changes a bit."""
        return self.exact

    @property
    def sums_in_threads(self) -> bool:
        """Accumulators add up in the thread that calls them: several can have one each."""
        return False

    def suits(self, role: str, *, named: bool) -> bool:
        """Whether `fit` gathers it for channels of a role.

        Args:
            role: of the channels.
            named: ``entries`` says which entries it is for.
        """
        return role == "intensity" or (named and role != "label")

    def of_frames(self: T) -> T | None:
        """What is gathered of the frames of clips, all together; None where that means nothing."""
        return None

    def needs(self, subject: Subject) -> Needs:
        """What `fit` gathers for it, and what that takes.

        Raises:
            ParameterError: it cannot be gathered of this.
        """
        bound = self.bound(subject)
        return Needs(bound, bound.held_bytes())

    def bound(self: T, subject: Subject) -> T:
        """The same for the shape and dtype of these channels."""
        return replace(self, record_shape=subject.record_shape, dtype=subject.dtype, entries=None)

    def held_bytes(self) -> int:
        """What a fit of it holds: what is added to, what is added, and what adds."""
        return 3 * sum(array.nbytes for array in self.init().arrays().values())

    @abstractmethod
    def init(self) -> State:
        """The state of no records."""

    @abstractmethod
    def accumulator(self, state: Any) -> Accumulator:
        """Something that takes many batches, beginning from a state."""

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-ready data."""
        return {
            item.name: list(value) if isinstance(value, tuple) else value
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Statistic:
        """The inverse of `to_dict`."""
        # Older files say what sums of floats are about; their states say it, too.
        known = {item.name for item in fields(cls)} | (set(document) - {"shift"})
        settings: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in document.items() if k in known
        }
        return cls(**settings)

    def restore(self, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> State:
        """A state from its count and chunks, `State.attributes` and `State.arrays`."""
        seen = Seen.from_dict(attributes["seen"])
        return type(self.init())(statistic=self, **{**attributes, **arrays, "seen": seen})


class Accumulator(ABC):
    """Takes batches in place of a chain of states; one owner, never shared."""

    @abstractmethod
    def add(self, batch: NDArray) -> None:
        """Take records (n, ...), any number, already checked."""

    @abstractmethod
    def state(self) -> Any:
        """The state so far; it shares memory with what is added later, so save or copy it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class State(ABC):
    """What is known of the records seen so far.

    Args:
        statistic: what is gathered.
        n: how many records.
        seen: the chunks they came in, as far as they were named.
    """

    statistic: Any
    n: int = 0
    seen: Seen = field(default_factory=Seen)

    def update(self: S, batch: ArrayLike, *, chunk: ChunkId | None = None, source: str = "") -> S:
        """The state after some more records.

        Args:
            batch: (n, ...), any number of records of the statistic's shape and dtype.
            chunk: an id; the same one is refused a second time.
            source: what ``chunk`` is an id in: a source's fingerprint.

        Raises:
            RecordError: another shape or dtype, NaN or infinity, with the position.
            ParameterError: the chunk has been seen.
        """
        rows = check_batch(self.statistic, batch, chunk)
        seen = self.seen if chunk is None else self.seen.add([chunk], source)
        accumulator = self.statistic.accumulator(self)
        accumulator.add(rows)
        found: S = replace(accumulator.state(), seen=seen)
        return found

    def merge(self: S, other: S) -> S:
        """The state of the records of both.

        Raises:
            ParameterError: different statistics, shapes, dtypes or settings, or chunks in common.
        """
        if type(other) is not type(self) or self.statistic.to_dict() != other.statistic.to_dict():
            raise ParameterError(
                f"Only states of the same statistic can be merged, got {_text(self)} and "
                f"{_text(other)}{_difference(self, other)}."
            )
        seen = self.seen.union(other.seen)
        if self.is_empty or other.is_empty:
            return replace(other if self.is_empty else self, seen=seen)
        return replace(self._merged(other), n=self.n + other.n, seen=seen)

    def __add__(self: S, other: S) -> S:
        return self.merge(other) if isinstance(other, State) else NotImplemented

    @property
    def is_empty(self) -> bool:
        """Nothing has been counted."""
        return not self.n

    @abstractmethod
    def _merged(self: S, other: S) -> S:
        """Both together; neither is empty, and they are of the same statistic."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray]:
        """The numbers of the state, by name."""

    def attributes(self) -> dict[str, Any]:
        """What else the state holds, JSON-ready."""
        return {}

    @abstractmethod
    def finalize(self) -> Any:
        """What people wanted to know.

        Raises:
            NotFittedError: too few records.
        """

    def summary(self, group: GroupStatistics) -> Iterable[str]:
        """Lines that `print` shows of it."""
        return [f"{self.statistic.name}: {self.n} records"]

    def _flat(self, array: NDArray) -> NDArray:
        return array.reshape(self.statistic.shape)


def refuse_namesake(cls: type, name: str, registry: Mapping[str, type], kind: str) -> None:
    """Refuse a name that another class has; the same class defined again takes its own.

    Raises:
        ParameterError: another class has it.
    """
    earlier = registry.get(name)
    here = f"{cls.__module__}.{cls.__qualname__}"
    if name in _RESERVED:
        there = "one of multiaug's own"
    elif earlier is None or (there := f"{earlier.__module__}.{earlier.__qualname__}") == here:
        return
    raise ParameterError(
        f"The {kind} {here} has the name {name!r}, which is taken by {there}, and files tell them "
        "apart by their names. Give it another name."
    )


def statistic_class(name: str) -> type[Statistic]:
    """The statistic of a name that a file uses.

    Raises:
        StoreError: there is none.
    """
    found = REGISTRY.get(name)
    if found is None:
        raise StoreError(
            f"The file holds the statistic {name!r}, and none of that name is known, only "
            f"{', '.join(sorted(REGISTRY))}. Import the module that defines it first."
        )
    return found


def _text(state: Any) -> str:
    if not isinstance(state, State):
        return repr(state)
    s = state.statistic
    return f"{s.owner} of {s.dtype} {s.record_shape}"


def _difference(one: State, other: Any) -> str:
    """The settings in which two states of one kind differ, in words."""
    if type(one) is not type(other):
        return ""
    a, b = one.statistic.to_dict(), other.statistic.to_dict()
    differing = [name for name in sorted(a | b) if a.get(name) != b.get(name)]
    return f", which differ in {', '.join(differing)}"


def check_float_shift(statistic: Statistic, shift: float | None) -> None:
    """Refuse a shift for sums that are about a fixed one."""
    if shift is not None and statistic.dtype is not None and is_exact(statistic.dtype):
        raise ParameterError(
            f"`{statistic.owner}.shift` is for floats; sums of {statistic.dtype} are about "
            f"{integer_shift(statistic.dtype)}. Leave it out."
        )


def check_shift(state: State, mine: NDArray | None, theirs: NDArray | None) -> None:
    """Refuse states about different shifts: their sums do not add up."""
    if mine is not None and theirs is not None and not np.array_equal(mine, theirs):
        raise ParameterError(
            f"Only states about the same shift can be merged, got two {_text(state)} about "
            "different ones. Give both the same: "
            f"{state.statistic.owner}(..., shift=value)."
        )


def check_batch(statistic: Statistic, batch: ArrayLike, chunk: ChunkId | None) -> NDArray:
    """The records of a batch, (n, ...).

    Raises:
        RecordError: another shape or dtype, NaN or infinity.
    """
    check_argument(f"{statistic.owner}.update.batch", batch, NUMBERS)
    rows: NDArray = native(np.asarray(batch))
    shape = statistic.shape
    if rows.shape[1:] != shape or rows.ndim != len(shape) + 1:
        raise RecordError(
            f"{statistic.owner}: a batch must have shape (n, {', '.join(map(str, shape))}), got "
            f"{rows.shape}. One statistic is about records of one shape."
        )
    if rows.dtype.name != statistic.dtype:
        raise RecordError(
            f"{statistic.owner}: a batch must be {statistic.dtype}, got {rows.dtype.name}. "
            "Convert it, or gather statistics for each dtype apart."
        )
    bad = first_bad(rows, nan=getattr(statistic, "invalid", None) != "nan")
    if bad is not None:
        where = f"chunk {chunk}, " if chunk is not None else ""
        raise RecordError(
            f"{statistic.owner}: found {rows[bad]} at {where}record {bad[0]}, position {bad[1:]}, "
            "expected finite numbers. Repair the record, or leave it out: "
            "multiaug.fit(..., invalid='skip') drops and counts such records."
        )
    return rows


def refuse_large(statistic: Statistic, rows: NDArray) -> None:
    """Refuse values of which sums of squares leave the range of float32, whatever n and d are.

    Raises:
        RecordError: a value above 1e12, with its record.
    """
    if statistic.exact or not rows.size or max(rows.max(), -rows.min()) <= _LARGEST:
        return
    at = np.unravel_index(int(np.argmax(np.abs(rows))), rows.shape)
    raise RecordError(
        f"{statistic.owner}: found {rows[at]:g} at record {at[0]}, expected values up to 1e12: "
        "sums of squares of larger ones leave the range of float32. Rescale the data, or fit "
        "multiaug.ZCA() with solver='primal' or 'dual', which sum them in float64."
    )


def as_rows(batch: NDArray) -> NDArray:
    """Records as rows (n, d) of a dtype, and in an order of bytes, that are computed with."""
    rows = batch.reshape(len(batch), math.prod(batch.shape[1:]))
    return rows.astype(held_dtype(batch.dtype.name), copy=False)


def channel_count(shape: tuple[int, ...]) -> int:
    """The length of the channel axis: the last, except that (h, w) has a single channel."""
    return 1 if len(shape) == 2 else shape[-1]


def centre_of(mean: NDArray, statistic: Statistic, centre: str) -> NDArray:
    """What is subtracted, float64 (d,), of the mean of every pixel."""
    flat = mean.reshape(-1)
    if centre == "pixel":
        return flat
    channels = flat.reshape(-1, channel_count(statistic.shape)).mean(0)
    return np.resize(channels, statistic.size)


def shift_vector(statistic: Statistic, shift: NDArray | None) -> NDArray:
    """What the sums are about, float64 (d,)."""
    if shift is not None:
        return shift
    return np.full(statistic.size, float(integer_shift(statistic.kind_name)))
