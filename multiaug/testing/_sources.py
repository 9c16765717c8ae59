"""What every source of records owes the loaders, passes and people that read it."""

from __future__ import annotations

import gc
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MultiaugError, ParameterError
from ..loader import Loader
from ..spec import DataSpec, check_structure, check_values
from ..store import Block, ChunkedSource, SequentialSource, chunked, is_sequential, is_source
from ..typing import NDArray

# Records that are read again and again; of longer sources the first and the last ones.
_MOST = 64
_THREADS = 8
_WORDS = ("spec", "fingerprint", "__len__", "read")


def check_source(source: Any, seed: int = 0, *, pickles: bool = True) -> None:
    """Check a source, one of your own as well, against what loaders and passes rely on.

    Records agree with the spec in names, shapes and dtypes, and with ``structure``. They are the
    same by index, as a range, in any order, with repeats, in a scan of all blocks and of some, into
    memory that is there, in a `Loader`, when they are read again and from several threads at a
    time. Positions that do not exist, negative ones among them, are refused. What is handed out is
    memory of its own or cannot be written to, and stays as it is while others read. A copy by way
    of pickle, as worker processes get it, reads the same. ``row_access``, ``check`` and
    ``read_records`` are tried where they are there. Of a `SequentialSource` the records are the
    same each time, are as the spec says, and own their memory.

    Args:
        source: the source; or a function without arguments that opens it, to see as well that
            nothing of it stays open: files and threads.
        seed: of the order in which records are read.
        pickles: False for a source that worker processes cannot have.

    Raises:
        AssertionError: a promise is broken; the message says which one.
    """
    if callable(source) and not is_source(source) and not is_sequential(source):
        with _nothing_left_open(source):
            _check(source(), seed, pickles)
    else:
        _check(source, seed, pickles)


def _check(source: Any, seed: int, pickles: bool) -> None:
    name = f"`{type(source).__name__}"
    if is_sequential(source):
        _facts(source, name)
        _check_sequential(source, name, pickles)
        return
    lacking = [word for word in _WORDS if not hasattr(source, word)]
    assert not lacking, f"{name}` has no {lacking[0]}, which every source must have"
    _facts(source, name)
    count = len(source)
    assert count > 0, f"{name}.__len__` is {count}, expected records"
    whole = chunked(source)
    index = np.unique(np.r_[: min(count, _MOST // 2), max(0, count - _MOST // 2) : count])
    expected = _copied(whole.read(index))
    _agree_with_spec(whole, expected, len(index), name)
    _by_position(whole, index, expected, name, seed)
    _in_blocks(whole, index, expected, name)
    _into_memory(whole, index, expected, name)
    _refused(whole, count, name)
    _owned(whole, index, expected, name)
    _at_the_same_time(whole, index, expected, name, seed)
    _optional(source, index, expected, name)
    _in_a_loader(source, index, expected, name, seed)
    if pickles:
        copy = _pickled(source, name)
        _same(copy.read(index), expected, f"{name}` through pickle")
    _same(whole.read(index), expected, f"{name}.read`, at the end")
    assert source.fingerprint == source.fingerprint, f"{name}.fingerprint` changes"


def _facts(source: Any, name: str) -> None:
    spec = source.spec
    assert isinstance(spec, DataSpec), f"{name}.spec` is {type(spec).__name__}, expected a DataSpec"
    assert spec == spec.as_read(), (
        f"{name}.spec` maps `values`, which a source does as it reads: hand out spec.as_read()"
    )
    mark = source.fingerprint
    known = isinstance(mark, str) and bool(mark)
    assert known, f"{name}.fingerprint` is {mark!r}, expected text"
    assert source.fingerprint == mark, f"{name}.fingerprint` changes when it is asked again"


def _agree_with_spec(
    source: ChunkedSource, records: Mapping[str, NDArray], count: int, name: str
) -> None:
    structure = source.structure
    assert records.keys() == structure.keys(), (
        f"{name}.read` gives {sorted(records)}, and `structure` has {sorted(structure)}"
    )
    for entry, array in records.items():
        wanted = (count, *structure[entry].shape), structure[entry].dtype
        assert (array.shape, array.dtype) == wanted, (
            f"{name}.structure` says {wanted[1]} {wanted[0]} of {entry!r}, and `read` gives "
            f"{array.dtype} {array.shape}"
        )
    try:
        check_structure(source.spec, records, batch=True)
        check_values(source.spec, records, batch=True)
    except MultiaugError as error:
        raise AssertionError(f"{name}.read` gives what the spec does not allow: {error}") from error


def _by_position(
    source: ChunkedSource, index: NDArray, expected: Mapping[str, NDArray], name: str, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    orders = {
        "backwards": np.arange(len(index))[::-1],
        "in another order, with repeats": draw.integers(0, len(index), 2 * len(index)),
        "again": np.arange(len(index)),
    }
    for what, places in orders.items():
        found = source.read(index[places])
        _same(found, _rows(expected, places), f"{name}.read`, {what}")
    for place in draw.permutation(len(index))[:8]:
        found = source.read([int(index[place])])
        _same(found, _rows(expected, [place]), f"{name}.read`, record {index[place]} alone")
    nothing = source.read(np.zeros(0, np.int64))
    _same(nothing, _rows(expected, []), f"{name}.read` of no records")


def _in_blocks(
    source: ChunkedSource, index: NDArray, expected: Mapping[str, NDArray], name: str
) -> None:
    """Blocks cover the records in order; what they hold stays while later ones are read."""
    ids = list(source.blocks)
    first, last = ids[:2], ids[-1:]
    asked = [*last, *first] if len(ids) > 2 else ids[::-1]
    kept = list(source.scan(asked))
    assert [block.id for block in kept] == asked, (
        f"{name}.scan` gives the blocks {[block.id for block in kept]}, asked for {asked}"
    )
    for block in kept:
        _same_block(block, index, expected, name)
    covered = 0
    for block in source.scan():
        start = np.arange(covered, covered + len(block.index))
        assert np.array_equal(block.index, start), (
            f"{name}.scan`: block {block.id} holds the records {block.index.tolist()[:4]}.., "
            f"expected those from {covered} on"
        )
        _same_block(block, index, expected, name)
        covered += len(block.index)
    assert covered == len(source), (
        f"{name}.scan` gives {covered} records, and `len` says {len(source)}"
    )
    unfinished = source.scan()
    next(unfinished)
    if hasattr(unfinished, "close"):
        unfinished.close()


def _same_block(block: Block, index: NDArray, expected: Mapping[str, NDArray], name: str) -> None:
    inside, here, there = np.intersect1d(block.index, index, return_indices=True)
    if len(inside):
        found = {entry: array[here] for entry, array in block.items()}
        _same(found, _rows(expected, there), f"{name}.scan`, block {block.id}")


def _into_memory(
    source: ChunkedSource, index: NDArray, expected: Mapping[str, NDArray], name: str
) -> None:
    out = {n: np.full(a.shape, 1, a.dtype) for n, a in expected.items()}
    found = source.read(index, out=out)
    _same(out, expected, f"{name}.read(.., out=)`")
    assert all(found[n] is out[n] for n in out), f"{name}.read(.., out=)` returns other arrays"
    wrong = {n: np.zeros((a.shape[0] + 1, *a.shape[1:]), a.dtype) for n, a in expected.items()}
    with _refusal(f"{name}.read(.., out=)` takes arrays of another length"):
        source.read(index, out=wrong)
    run = 1
    while run < len(index) and index[run] == index[run - 1] + 1:
        run += 1
    for start, stop in {(0, run), (run // 2, run)} - {(0, 0)}:
        # Room for the decoder: whole chunks.
        room = -(-(stop - start) // source.chunk) * source.chunk
        arrays = {n: np.full((room, *a.shape[1:]), 1, a.dtype) for n, a in expected.items()}
        source.read_range(int(index[start]), int(index[stop - 1]) + 1, arrays)
        read = {n: a[: stop - start] for n, a in arrays.items()}
        _same(read, _rows(expected, slice(start, stop)), f"{name}.read_range`")


def _refused(source: ChunkedSource, count: int, name: str) -> None:
    for index, what in (
        ([-1], "-1"), ([0, count], f"{count}, which is past the end"), ([0.5], "0.5"),
        (0, "a single number"),
    ):  # fmt: skip
        with _refusal(f"{name}.read` takes the position {what}"):
            source.read(index)
    with _refusal(f"{name}.scan` takes a block that does not exist"):
        list(source.scan(["no block"]))  # type: ignore[list-item]


@contextmanager
def _refusal(otherwise: str) -> Iterator[None]:
    try:
        yield
    except ParameterError:
        return
    except Exception as error:
        raise AssertionError(
            f"{otherwise}: it raises {type(error).__name__} ({error}), expected a ParameterError"
        ) from error
    raise AssertionError(f"{otherwise}, expected a ParameterError")


def _owned(
    source: ChunkedSource, index: NDArray, expected: Mapping[str, NDArray], name: str
) -> None:
    """Writing to what was handed out changes nothing else."""
    first, second = source.read(index), source.read(index)
    for entry in first:
        assert not np.shares_memory(first[entry], second[entry]) or not (
            first[entry].flags.writeable or second[entry].flags.writeable
        ), f"{name}.read` hands out the same writable memory of {entry!r} twice"
    _spoil(first)
    _same(second, expected, f"{name}.read`, after an earlier result was written to")
    _same(source.read(index), expected, f"{name}.read`, after a result was written to")
    for block in source.scan(list(source.blocks)[:1]):
        _spoil(dict(block))
    _same(source.read(index), expected, f"{name}.read`, after a block was written to")


def _spoil(arrays: Mapping[str, NDArray]) -> None:
    for array in arrays.values():
        if array.flags.writeable:
            array.view(np.uint8 if array.ndim else array.dtype)[...] = 77


def _at_the_same_time(
    source: ChunkedSource, index: NDArray, expected: Mapping[str, NDArray], name: str, seed: int
) -> None:
    def read(number: int) -> None:
        places = np.random.default_rng((seed, number)).integers(0, len(index), 8)
        found = source.read(index[places])
        _same(found, _rows(expected, places), f"{name}.read` in several threads")

    def scan(number: int) -> None:
        for block in source.scan(list(source.blocks)[number % 2 : 2]):
            _same_block(block, index, expected, name)

    with ThreadPoolExecutor(_THREADS) as threads:
        work = [threads.submit(scan if n % 4 == 3 else read, n) for n in range(3 * _THREADS)]
        for future in work:
            future.result()


def _optional(source: Any, index: NDArray, expected: Mapping[str, NDArray], name: str) -> None:
    if hasattr(source, "row_access"):
        value = source.row_access
        assert isinstance(value, bool), f"{name}.row_access` is {value!r}, expected a bool"
    if hasattr(source, "check"):
        for deep in (False, True):
            try:
                source.check(deep=deep)
            except MultiaugError as error:
                raise AssertionError(
                    f"{name}.check(deep={deep})` refuses what reads: {error}"
                ) from error
    if hasattr(source, "read_records"):
        places = [len(index) - 1, 0]
        for place, record in zip(places, source.read_records(index[places]), strict=True):
            found = {n: np.asarray(a)[np.newaxis] for n, a in record.items()}
            _same(found, _rows(expected, [place]), f"{name}.read_records`")


def _in_a_loader(
    source: Any, index: NDArray, expected: Mapping[str, NDArray], name: str, seed: int
) -> None:
    loader = Loader(
        source, None, batch_size=4, seed=seed, indices=index, memory="1GiB", check=False
    )
    places = {int(number): place for place, number in enumerate(index)}
    seen: list[int] = []
    for batch in loader:
        numbers = [int(number) for number in np.asarray(batch["index"])]
        rows = [places[number] for number in numbers]
        found = {n: np.asarray(batch[n]) for n in expected}
        wanted = {n: a.astype(found[n].dtype, copy=False) for n, a in _rows(expected, rows).items()}
        _same(found, wanted, f"{name}` in a Loader")
        seen += numbers
    assert sorted(seen) == index.tolist(), f"{name}` in a Loader: records are missing or twice"


def _pickled(source: Any, name: str) -> Any:
    try:
        copy = pickle.loads(pickle.dumps(source))
    except Exception as error:
        raise AssertionError(
            f"{name}` does not go through pickle, as worker processes need it: {error}. Give "
            "it __reduce__, or check it with pickles=False"
        ) from error
    same = copy.fingerprint == source.fingerprint
    assert same, f"{name}` through pickle has another fingerprint"
    return copy


def _check_sequential(source: SequentialSource, name: str, pickles: bool) -> None:
    first: list[dict[str, NDArray]] = []
    kept: list[Mapping[str, NDArray]] = []
    for record in source:
        kept.append(record)
        first.append(_copied(record))
        if len(first) == _MOST:
            break
    assert first, f"{name}` has no records"
    for number, (record, copy) in enumerate(zip(kept, first, strict=True)):
        _same(record, copy, f"{name}`, record {number}, while others were read")
    rows = {n: np.stack([np.asarray(record[n]) for record in first]) for n in first[0]}
    try:
        check_structure(source.spec, rows, batch=True)
        check_values(source.spec, rows, batch=True)
    except MultiaugError as error:
        raise AssertionError(f"{name}` gives what the spec does not allow: {error}") from error
    for record in kept:
        _spoil(record)
    for number, (record, copy) in enumerate(zip(source, first, strict=False)):
        _same(record, copy, f"{name}`, record {number}, iterated again")
    with suppress(TypeError):
        count = len(source)  # type: ignore[arg-type]
        if count <= _MOST:
            assert count == len(first), f"{name}.__len__` is {count}, and it gives {len(first)}"
    if hasattr(source, "check"):
        source.check(deep=False)
    if pickles:
        again = next(iter(_pickled(source, name)))
        _same(again, first[0], f"{name}` through pickle")


@contextmanager
def _nothing_left_open(source: Callable[[], Any]) -> Iterator[None]:
    gc.collect()
    files, threads = _open_files(), threading.active_count()
    yield
    gc.collect()
    left = _open_files() - files
    assert not left, f"`{_title(source)}`: {sorted(left)[0]} stays open when the source is gone"
    more = threading.active_count() - threads
    assert more <= 0, f"`{_title(source)}`: {more} threads run on when the source is gone"


def _open_files() -> set[str]:
    """Files of the disk that this process has open, where the system says it."""
    folder = Path("/proc/self/fd")
    found = set()
    if folder.is_dir():
        for link in folder.iterdir():
            with suppress(OSError):
                target = os.readlink(link)  # noqa: PTH115
                found |= {target} if Path(target).is_file() else set()
    return found


def _title(source: Any) -> str:
    return str(getattr(source, "__qualname__", type(source).__name__))


def _copied(record: Mapping[str, NDArray]) -> dict[str, NDArray]:
    return {name: np.array(array) for name, array in record.items()}


def _rows(records: Mapping[str, NDArray], places: Any) -> dict[str, NDArray]:
    rows = places if isinstance(places, slice) else np.asarray(places, np.int64)
    return {name: array[rows] for name, array in records.items()}


def _same(found: Mapping[str, NDArray], expected: Mapping[str, NDArray], what: str) -> None:
    assert found.keys() == expected.keys(), (
        f"{what}: found the entries {sorted(found)}, expected {sorted(expected)}"
    )
    for name, array in expected.items():
        other = np.asarray(found[name])
        assert (other.shape, other.dtype) == (array.shape, array.dtype), (
            f"{what}: {name!r} is {other.dtype} {other.shape}, expected {array.dtype} {array.shape}"
        )
        same = np.array_equal(other, array, equal_nan=array.dtype.kind == "f")
        assert same, f"{what}: {name!r} has other values than `read` gave at first"
