"""What a source promises is tried: each test plants one lie, which must be found and named."""

import numpy as np
import pytest

import multiaug as ma
from multiaug.store import ArraySource, Block, RecordStream
from multiaug.testing import check_source

SPEC = ma.DataSpec.from_dict(
    {
        "name": "small",
        "entries": {"image": {"role": "intensity", "dtype": "uint8", "channels": 3}},
    }
)
COUNT = 70  # more than one block


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (COUNT, 4, 5, 3)).astype(np.uint8)


class Least:
    """No more than a source must have."""

    spec = SPEC
    fingerprint = "least"

    def __len__(self):
        return COUNT

    def read(self, indices):
        return {"image": images()[np.asarray(indices)]}


def test_what_is_true_passes():
    check_source(ma.open_source({"image": images()}, SPEC))
    check_source(Least())
    check_source(Bound({"image": images()}, SPEC), pickles=False)


OPENED = []


class Counting(ArraySource):
    """Says another thing every time it is asked."""

    asked = 0

    @property
    def fingerprint(self):
        Counting.asked += 1
        return str(Counting.asked)


class Slice(ArraySource):
    """Reads a run of neighbours from one row too far."""

    def read_range(self, start, stop, out):
        super().read_range(min(start + 1, COUNT - 1), min(stop + 1, COUNT), out)


class Sorted(ArraySource):
    """Gives records in the order of the data and not in that of the positions."""

    def read(self, indices, *, out=None):
        found = super().read(np.sort(np.asarray(indices)))
        for name in out or ():
            out[name][...] = found[name]
        return out or found


class FromTheEnd(ArraySource):
    """Takes -1 for the last record, as lists do."""

    def read(self, indices, *, out=None):
        indices = np.asarray(indices)
        return super().read(indices % COUNT if indices.dtype.kind == "i" else indices, out=out)


class OtherBlocks(ArraySource):
    """Gives blocks in its own order."""

    def scan(self, blocks=None):
        return super().scan(None if blocks is None else sorted(blocks))


class LosingBlocks(ArraySource):
    """Leaves out the last block."""

    def scan(self, blocks=None):
        yield from super().scan(self.blocks[:-1] if blocks is None else blocks)


class ReusedBlocks(ArraySource):
    """Gives every block in the same memory."""

    def scan(self, blocks=None):
        room = np.empty((64, 4, 5, 3), np.uint8)
        for block in super().scan(blocks):
            count = len(block.index)
            room[:count] = block["image"]
            yield Block(block.id, block.index, {"image": room[:count]})


class Shared(ArraySource):
    """Hands out its own memory, which can be written to."""

    def read(self, indices, *, out=None):
        if out is None and np.array_equal(indices, np.r_[:32, COUNT - 32 : COUNT]):
            return {"image": self.kept}
        return super().read(indices, out=out)

    kept = images()[np.r_[:32, COUNT - 32 : COUNT]]


class Narrow(ArraySource):
    """Says that records are smaller than they are."""

    @property
    def structure(self):
        return {"image": ma.store.Structure((4, 4, 3), np.dtype(np.uint8))}


class Forgets(ArraySource):
    """Reads into memory that is there only now and then."""

    def read(self, indices, *, out=None):
        if out is not None and len(indices) > 8:
            return dict(out)
        return super().read(indices, out=out)


class Unsafe(ArraySource):
    """Keeps what it is asked for in a place that all threads share."""

    def read(self, indices, *, out=None):
        import time

        self._asked = indices
        time.sleep(0.001)
        return super().read(self._asked, out=out)


class Pickled(ArraySource):
    """Comes back from another process with other records."""

    def __reduce__(self):
        return ArraySource, ({"image": images()[::-1]}, SPEC)


class Bound(ArraySource):
    """Cannot go to another process."""

    def __reduce__(self):
        raise TypeError("it has a thread")


class Refusing(ArraySource):
    """Calls its own data damaged."""

    def check(self, *, deep=False):
        raise ma.StoreError("damaged")


class Random(ArraySource):
    """Says which rows are cheap by a word and not by a bool."""

    row_access = "yes"


LIES = {
    Counting: "fingerprint` changes",
    Slice: "read_range`|read`.*other values",
    Sorted: "read`, backwards: 'image' has other values",
    FromTheEnd: "read` takes the position -1, expected a ParameterError",
    OtherBlocks: "scan` gives the blocks",
    LosingBlocks: "scan` gives 64 records, and `len` says 70",
    ReusedBlocks: "scan`, block 1: 'image' has other values",
    Shared: "hands out the same writable memory of 'image' twice",
    Narrow: "structure` says uint8 .*4, 4, 3",
    Forgets: r"read\(.., out=\)`: 'image' has other values",
    Unsafe: "in several threads",
    Pickled: "through pickle has another fingerprint",
    Bound: "does not go through pickle, .*it has a thread",
    Refusing: r"check\(deep=False\)` refuses what reads: damaged",
    Random: "row_access` is 'yes', expected a bool",
}


@pytest.mark.parametrize("liar", LIES, ids=lambda liar: liar.__name__)
def test_lies_are_found(liar):
    with pytest.raises(AssertionError, match=f"`{liar.__name__}.*({LIES[liar]})"):
        check_source(liar({"image": images()}, SPEC))


def test_lies_of_a_source_with_the_least_members():
    class Wide(Least):
        """Gives what the spec does not allow."""

        def read(self, indices):
            return {"image": images()[np.asarray(indices)].astype(np.float64)}

    class Mapped(Least):
        """Leaves to others what a source maps."""

        spec = ma.DataSpec.from_dict(
            {"name": "m", "entries": {"image": {"role": "label", "values": {"255": 1}}}}
        )

    with pytest.raises(AssertionError, match=r"`Wide.read` gives what the spec does not allow"):
        check_source(Wide())
    with pytest.raises(AssertionError, match=r"`Mapped.spec` maps `values`"):
        check_source(Mapped())
    with pytest.raises(AssertionError, match=r"`object` has no spec"):
        check_source(object())


def test_files_that_stay_open(tmp_path):
    (tmp_path / "a").write_bytes(b"x")

    def leaky():
        OPENED.append((tmp_path / "a").open("rb"))
        return ma.open_source({"image": images()}, SPEC)

    try:
        with pytest.raises(AssertionError, match=r"leaky`: .*/a stays open"):
            check_source(leaky)
    finally:
        OPENED.pop().close()


class Stream(RecordStream):
    """Records in an order of their own."""

    fingerprint = "stream"
    room = np.zeros((4, 5, 3), np.uint8)

    def __init__(self):
        super().__init__(SPEC, "the stream")

    def records(self):
        for number, image in enumerate(images()[:5]):
            yield str(number), {"image": image}


def test_lies_of_sequential_sources():
    check_source(Stream())

    class Once(Stream):
        """Can be read once only."""

        given = False

        def __iter__(self):
            first, self.given = not self.given, True
            return (
                {"image": record["image"] if first else record["image"] + 1}
                for record in super().__iter__()
            )

    class Reused(Stream):
        """Gives every record in the same memory."""

        def __iter__(self):
            for record in super().__iter__():
                self.room[...] = record["image"]
                yield {"image": self.room}

    with pytest.raises(AssertionError, match=r"`Once`, record 0, iterated again: 'image' has"):
        check_source(Once())
    with pytest.raises(AssertionError, match=r"`Reused`, record 0, while others were read"):
        check_source(Reused())
