"""Sources of other people: a class with the few members that matter, as all passes need it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .._machine import native
from ..errors import ParameterError, RecordError
from ..typing import NDArray
from ._source import (
    Block,
    BlockId,
    ChunkedSource,
    SequentialSource,
    Source,
    Structure,
    check_blocks,
    check_indices,
    check_out,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from typing_extensions import TypeIs

    from ..spec import DataSpec

_REQUIRED = ("spec", "fingerprint", "__len__", "read")
_CHUNKED = (*_REQUIRED, "blocks", "scan", "chunk", "structure", "remote", "read_range")
_SEQUENTIAL = ("spec", "fingerprint", "__iter__")
_BLOCK = 64


def is_source(data: object) -> TypeIs[Source]:
    """Whether something has the members that a source must have.

    On Python 3.11 ``isinstance(data, Source)`` computes the fingerprint to see that there is one.
    """
    return not isinstance(data, type) and not _lacking(data, _REQUIRED)


def is_sequential(data: object) -> TypeIs[SequentialSource]:
    """Whether something is a source that can only be read from front to end."""
    return not (isinstance(data, type) or is_source(data) or _lacking(data, _SEQUENTIAL))


def chunked(source: Any, owner: str = "source") -> ChunkedSource:
    """The source itself, or an adapter that adds what it lacks.

    Args:
        source: with ``spec``, ``fingerprint``, ``__len__`` and ``read(indices)`` at least.
        owner: the setting that it was given to, for errors.

    Raises:
        ParameterError: a member is missing.
    """
    if is_sequential(source):
        raise ParameterError(
            f"`{owner}` must be a source that is read by position, and the records of "
            f"{source!r} come in an order of their own. Write them once with "
            "multiaug.convert(source, 'train.zarr'), and open that."
        )
    lacking = _lacking(source, _REQUIRED)
    if lacking or isinstance(source, type):
        raise ParameterError(
            f"`{owner}` must be a source, got {_called(source)}"
            + (f", which has no {lacking[0]}" if 0 < len(lacking) < len(_REQUIRED) else "")
            + ". Open one with multiaug.open_source, or give a class of your own spec, "
            "fingerprint, __len__ and read(indices)."
        )
    return source if not _lacking(source, _CHUNKED) else Adapter(source)


def _called(source: object) -> str:
    if isinstance(source, type):
        return f"the class {source.__name__} itself"
    return f"a {type(source).__name__}"


def _lacking(data: object, names: Iterable[str]) -> list[str]:
    """Members that are not there; properties are not computed to find that out."""
    nothing = object()
    return [
        name
        for name in names
        if inspect.getattr_static(data, name, nothing) is nothing and not hasattr(data, name)
    ]


class Adapter:
    """A `ChunkedSource` of any source; each record is a chunk.

    Its blocks and scans are the source's own where it has both. What comes from the source is
    held to its first record: another shape or dtype is an error.

    Args:
        source: see `chunked`.
    """

    chunk = 1

    def __init__(self, source: Source) -> None:
        self._source: Any = source
        self._scans = not _lacking(source, ("blocks", "scan"))
        self.remote = bool(getattr(source, "remote", False))

    @property
    def spec(self) -> DataSpec:
        """See `Source`."""
        spec: DataSpec = self._source.spec
        return spec

    @property
    def fingerprint(self) -> str:
        """See `Source`."""
        return str(self._source.fingerprint)

    @cached_property
    def blocks(self) -> Any:
        """See `Source`."""
        return self._source.blocks if self._scans else range(-(-len(self) // _BLOCK))

    def __len__(self) -> int:
        return len(self._source)

    @cached_property
    def structure(self) -> Mapping[str, Structure]:
        """Of the first record."""
        first = {name: native(np.asarray(a)) for name, a in self._source.read([0]).items()}
        return {n: Structure(a.shape[1:], a.dtype) for n, a in first.items()}

    def scan(self, blocks: Iterable[BlockId] | None = None) -> Iterator[Block]:
        """See `Source`."""
        if not self._scans:
            numbers = check_blocks(blocks, len(self.blocks))
            for number in numbers:
                index = np.arange(number * _BLOCK, min((number + 1) * _BLOCK, len(self)))
                yield Block(number, index, self.read(index))
            return
        asked = list(self.blocks if blocks is None else blocks)
        found = iter(self._source.scan(asked))
        for expected in asked:
            block = next(found, None)
            if block is None or block.id != expected:
                raise RecordError(
                    f"{type(self._source).__name__}.scan(blocks) gave "
                    f"{'no block more' if block is None else f'block {block.id!r}'}, expected "
                    f"block {expected!r}: it must give the blocks that it is asked for, in order."
                )
            yield block

    def read_range(self, start: int, stop: int, out: Mapping[str, NDArray]) -> None:
        """See `ChunkedSource`."""
        self.read(np.arange(start, stop), out={n: a[: stop - start] for n, a in out.items()})

    def read(
        self, indices: ArrayLike, *, out: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray]:
        """See `ChunkedSource`."""
        rows = check_indices(indices, len(self))
        found = {n: native(np.asarray(a)) for n, a in self._source.read(rows).items()}
        wanted = {n: Structure((len(rows), *s.shape), s.dtype) for n, s in self.structure.items()}
        for name, expected in wanted.items():
            array = found.get(name)
            if array is None or (array.shape, array.dtype) != (expected.shape, expected.dtype):
                text = "nothing" if array is None else f"{array.dtype} {array.shape}"
                raise RecordError(
                    f"{type(self._source).__name__}.read gave {text} for {name!r}, expected "
                    f"{expected.dtype} {expected.shape} for {len(rows)} records like the first."
                )
        if out is None:
            return {name: found[name] for name in wanted}
        for name, array in check_out(out, self.structure, len(rows)).items():
            array[...] = found[name]
        return dict(out)
