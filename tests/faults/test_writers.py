"""Every writer under faults at every file operation: what is there then, and whether it goes on.

    python -m pytest tests/faults/test_writers.py -rP    # prints the counts of each case

A fault is planted by an audit hook, which Python calls before each file operation: from the
operation with a given number on, a disk is full, a device is broken, somebody presses Ctrl-C, or
the process is no more, so that nothing of it runs that could tidy up.
"""

import _thread
import errno
import os
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import StoreError
from tests.nightly import NIGHTLY

RGB = ma.load_spec("rgb-segmentation")
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class KilledError(BaseException):
    """The process is no more: nothing catches it, and whatever is still tried fails as well."""


class Plan:
    """Which file operation below a folder fails, and how; counts them meanwhile."""

    def __init__(self, folder, at, fault):
        self.folder, self.at, self.fault, self.count = str(folder), at, fault, 0
        self.interrupted = False

    def see(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITES:
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if not isinstance(path, str | os.PathLike) or not os.fspath(path).startswith(self.folder):
            return
        self.count += 1
        if self.count < self.at:
            return
        # Other threads, such as that of zarr's event loop, would not end on these: Python
        # interrupts the main thread alone, and a killed process has none that waits for them.
        main = threading.current_thread() is threading.main_thread()
        if self.fault == "kill" and main:
            raise KilledError
        if self.fault == "interrupt":
            if not self.interrupted:
                self.interrupted = True
                if main:
                    raise KeyboardInterrupt
                _thread.interrupt_main()
            return
        # A full disk lets go of files; a broken one does nothing any more.
        if self.fault == "full" and event in {"os.remove", "os.rmdir", "os.rename"}:
            return
        number = errno.ENOSPC if self.fault == "full" else errno.EIO
        raise OSError(number, os.strerror(number), str(path))


_PLANS = []


def _hook(event, arguments):
    if _PLANS:
        _PLANS[-1].see(event, arguments)


@contextmanager
def planted(folder, at, fault):
    if not hasattr(sys, "_multiaug_hooked"):
        sys.addaudithook(_hook)  # it cannot be taken back, so there is one that does nothing mostly
        sys._multiaug_hooked = True
    plan = Plan(folder, at, fault)
    _PLANS.append(plan)
    try:
        yield plan
    finally:
        _PLANS.remove(plan)


def source_of(number):
    return ma.open_source({"image": np.full((10, 4, 4, 3), number, np.uint8)}, RGB)


def exported(dest, number):
    ma.export(source_of(number), None, dest, chunk=4, progress=False, overwrite=True)


def through_a_store(dest, number):
    exported(zarr.storage.LocalStore(dest), number)


def streamed_through_a_store(dest, number):
    streamed(zarr.storage.LocalStore(dest), number)


def ome_through_a_store(dest, number):
    ma.write_ome(source_of(number), zarr.storage.LocalStore(dest), version="0.4", overwrite=True)


def converted(dest, number):
    records = ({"image": np.full((4, 4, 3), number, np.uint8)} for _ in range(10))
    ma.convert(records, dest, RGB, chunk=4, overwrite=True)


def streamed(dest, number):
    batches = ({"image": np.full((5, 4, 4, 3), number, np.uint8)} for _ in range(2))
    ma.write_zarr(batches, RGB, dest, chunk=4, overwrite=True)


def ome(dest, number):
    ma.write_ome(source_of(number), dest, overwrite=True)


def statistics(dest, number):
    ma.fit(source_of(number), ma.Moments(), progress=False).save(dest, overwrite=True)


def checkpointed(dest, number):
    """What a fit leaves behind is no result: only that it goes on counts."""
    stats = ma.fit(
        source_of(number), ma.Moments(), progress=False, checkpoint=dest, checkpoint_every=0
    )
    assert stats["image"].moments.finalize()["mean"].tolist() == [number] * 3


def image_number(dest):
    values = ma.open_source(dest).read(range(10))["image"]
    assert values.min() == values.max()
    return int(values[0, 0, 0, 0])


def mean_number(dest):
    return int(ma.load_statistics(dest)["image"].moments.finalize()["mean"][0])


def number_or_none(number_in, dest):
    """What can be read there; None where it is refused as incomplete."""
    try:
        return number_in(dest)
    except StoreError:
        return None


# Writer -> (how what it wrote is read, whether the old result stays until the new one is whole).
WRITERS = {
    exported: (image_number, True),
    converted: (image_number, True),
    streamed: (image_number, True),
    ome: (image_number, True),
    statistics: (mean_number, True),
    # There is no renaming behind zarr's store API: the new result grows where the old one was.
    through_a_store: (image_number, False),
    streamed_through_a_store: (image_number, False),
    ome_through_a_store: (image_number, False),
}
FAULTS = ("full", "broken", "interrupt", "kill")


def attempt(write, dest, at, fault):
    """Overwrite 1 by 2 under a fault; returns the error, and how many operations there were."""
    try:
        with planted(dest.parent, at, fault) as plan:
            write(dest, 2)
            time.sleep(0)  # where an interrupt comes that another thread has asked for
    except BaseException as error:  # KilledError and KeyboardInterrupt are none of Exception
        return error, plan.count
    return None, plan.count


def positions(count):
    """All of them by night; by day one amid the arrays, and one where the result gets its name."""
    return range(1, count + 1) if NIGHTLY else (count // 2, count - 3)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_faults(tmp_path, write, fault):
    number_in, keeps_the_old = WRITERS[write]
    dest = tmp_path / "try" / "a"
    write(dest, 1)
    error, count = attempt(write, dest, sys.maxsize, fault)
    assert error is None
    assert number_in(dest) == 2
    counts = dict.fromkeys(("old", "new", "incomplete", "said", "done all the same"), 0)
    for at in positions(count):
        folder = tmp_path / f"{at}"
        dest = folder / "a"
        write(dest, 1)
        error, _ = attempt(write, dest, at, fault)
        if error is None:
            # What failed was of no consequence, such as taking away the lock.
            counts["done all the same"] += 1
            assert number_in(dest) == 2
        elif fault in ("full", "broken"):
            assert isinstance(error, StoreError), (at, error)
            assert str(folder) in str(error)
            counts["said"] += 1
        else:
            # Or what another thread said that could not write any more.
            killed = (KilledError, StoreError)
            assert isinstance(error, killed if fault == "kill" else KeyboardInterrupt), (at, error)
        found = number_or_none(number_in, dest)
        assert found in ((1, 2) if keeps_the_old else (1, 2, None)), at
        counts[{1: "old", 2: "new", None: "incomplete"}[found]] += 1
        write(dest, 2)
        assert number_in(dest) == 2
        assert [path.name for path in folder.iterdir()] == ["a"], at
    print(f"{write.__name__}, {fault}: {count} file operations, {counts}")


@pytest.mark.parametrize("fault", FAULTS)
def test_checkpoints_under_faults(tmp_path, fault):
    error, count = attempt(checkpointed, tmp_path / "try" / "a", sys.maxsize, fault)
    assert error is None
    for at in positions(count):
        dest = tmp_path / f"{at}" / "a"
        error, _ = attempt(checkpointed, dest, at, fault)
        if fault in ("full", "broken"):
            assert error is None or isinstance(error, StoreError), (at, error)
        checkpointed(dest, 2)
    print(f"checkpointed, {fault}: {count} file operations, goes on after each")


def test_the_hook_sees_what_writers_do(tmp_path):
    """Without this, all of the above would pass if Python no longer told of file operations."""
    for write in (*WRITERS, checkpointed):
        _, count = attempt(write, tmp_path / write.__name__ / "a", sys.maxsize, "full")
        assert count > 5
