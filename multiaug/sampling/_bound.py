"""A batch as the native sampler is told of it: structures, the memory they point to, the call."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .._native import layout, library
from ..typing import Array, NDArray, SpatialShape
from ._bands import Part
from ._displaced import SegmentArrays, SegmentStruct
from ._plan import Job
from ._pointwise import BoundPointwise, PointwiseProgram, PointwiseStruct
from ._rules import RulesStruct


@layout("ChannelBand")
class ChannelBandStruct(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("source", "out", "fill", "rows", "rays", "matrix")),
        *((name, ctypes.c_void_p) for name in ("rules", "coefficients")),
        *((name, ctypes.c_int64) for name in ("in_bytes", "out_bytes")),
        *((name, ctypes.c_int32) for name in ("method", "type", "border", "size", "channels")),
        *((name, ctypes.c_int32) for name in ("stride", "joint", "numbered", "reread", "lowpass")),
        *((name, ctypes.c_float) for name in ("invalid", "reach_x", "reach_y")),
    ]


@layout("Validity")
class _Validity(ctypes.Structure):
    _fields_ = [("out", ctypes.c_void_p), ("first", ctypes.c_int32), ("n_bands", ctypes.c_int32)]


@layout("Group")
class GroupStruct(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("lanes", "validities", "segments", "maps")),
        *((name, ctypes.c_void_p) for name in ("displaced", "field", "control")),
        *((name, ctypes.c_void_p) for name in ("along_x", "along_y", "slope_x", "slope_y")),
        ("plane", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("planes", "knots_x", "knots_y")),
        *((name, ctypes.c_int32) for name in ("n_lanes", "n_validities", "n_segments")),
        *((name, ctypes.c_int32) for name in ("affine", "resized")),
        *((name, ctypes.c_int32) for name in ("h_in", "w_in", "h_out", "w_out")),
        *((name, ctypes.c_float) for name in ("scale_x", "scale_y", "out_scale_x", "out_scale_y")),
        ("radius", ctypes.c_int32),
        ("sigma", ctypes.c_void_p),
    ]


@layout("Check")
class _Check(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("source", "rows", "nan_is_fine")),
        *((name, ctypes.c_int64) for name in ("in_bytes", "length")),
        ("period", ctypes.c_int32),
    ]


@layout("Batch")
class BatchStruct(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("groups", "checks", "pointwise", "left")),
        *((name, ctypes.c_void_p) for name in ("next", "has_nonfinite", "no_memory")),
        ("n_records", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("n_groups", "n_checks", "n_pointwise", "blocks")),
    ]


class _Job(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("batch", "next")),
        *((name, ctypes.c_int32) for name in ("wanted", "helping")),
    ]


class BatchState(ctypes.Structure):
    """A batch and what its threads share; in Python only."""

    _fields_ = [
        ("batch", BatchStruct),
        ("next", ctypes.c_int64),  # the next piece of work
        ("has_nonfinite", ctypes.c_int32),
        ("no_memory", ctypes.c_int32),
        ("job", _Job),
    ]


class BandNumbers(NamedTuple):
    """What native code is told of a band for each record.

    Args:
        rays: (N, 3, 3) intrinsics of a band that is blended on rays by the quick method.
        matrix: (N, 3, 3) that its values are multiplied by.
        rules: (N, NUMBERS) of a band that has rules; see `NativeRules.numbers`.
    """

    rays: Array | None = None
    matrix: Array | None = None
    rules: Array | None = None


class Placed(NamedTuple):
    """Where the lanes of a group are read.

    Args:
        maps: (N, 3, 3) backward, between centred pixels.
        displaced: (N,) int32, whether a record is not read by its matrix alone; None where none is.
        field: (N, 2, h or h + 1, w) positions in pixels, of records that are displaced; (N, 6, ..)
            with the Jacobian of the backward map.
        control: (N, 2, R, C) of a spline in their place, that is added before the matrix.
        numbers: per band what differs from record to record: intrinsics, matrices, and those of its
            rules; each or None.
        sigma: (N, 2) deviations of the low-pass along x and y; None where nothing is filtered.
        segments: see `segment_arrays`, where values need more of the map than positions.
    """

    maps: Array
    displaced: Array | None
    field: Array | None
    control: Array | None
    numbers: list[BandNumbers]
    sigma: Array | None = None
    segments: Sequence[SegmentArrays] = ()


Geometry = list[Placed]


InAndOut = tuple[SpatialShape, SpatialShape]


@dataclass(frozen=True)
class SharedJobs:
    """Jobs of the same sizes, and the parts of all of them."""

    sizes: InAndOut
    jobs: tuple[Job, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> SharedJobs:
        """Of jobs whose sizes are the same."""
        parts = tuple((job, band) for job in jobs for band in job.bands)
        return cls((jobs[0].size_in, jobs[0].size_out), tuple(jobs), parts)

    @property
    def needs_jacobian(self) -> bool:
        """Some values follow the Jacobian of the map."""
        return any(band.needs_jacobian for _, band in self.parts)

    @property
    def moves_ends(self) -> bool:
        """Some values are vectors whose ends are moved."""
        return any(
            band.native is not None and band.native.move == "flow-ends" for _, band in self.parts
        )

    def validities(self, times: Mapping[str, int]) -> list[tuple[str, int, int]]:
        """Entries of which is said where they show something: name, first band, how many bands."""
        found, first = [], 0
        for job in self.jobs:
            if job.validity:
                found.append((job.name, first, len(job.bands)))
            first += len(job.bands) * times.get(job.name, 1)
        return found


class Bound:
    """A batch for C; see `Compiled.bound`.

    After `point`, `Flight` does the work. By one thread at a time.

    Attributes:
        job: its address, for the library.
        size: how many records.
        blocks: how many pieces a record is cut into.
    """

    def __init__(
        self,
        groups: Sequence[SharedJobs],
        structs: Any,
        lanes: Any,
        rules: Sequence[RulesStruct | None],
        segments: Sequence[Sequence[SegmentStruct]],
        dtypes: Mapping[str, np.dtype[Any]],
        times: Mapping[str, int],
        size: int,
        results: Mapping[str, int],
        checks: Mapping[str, NDArray],
        blocks: int,
        pointwise_programs: Mapping[str, Sequence[PointwiseProgram]],
    ) -> None:
        self.size, self.blocks = size, blocks
        own = type(structs).from_buffer_copy(structs)
        self._groups = list(own)
        # Rules point to the numbers of a batch: every batch under way has its own.
        self._rules = [None if r is None else RulesStruct.from_buffer_copy(r) for r in rules]
        # Each of several images of an entry has bands of its own, which differ in their places.
        images = [times.get(job.name, 1) for group in groups for job, _ in group.parts]
        bound = (ChannelBandStruct * sum(images))()
        self._lanes: list[list[tuple[Any, str, int, int]]] = [[] for _ in images]
        pictures: dict[str, tuple[Job, Any, int]] = {}
        used = first = 0
        shown: list[Any] = []
        self._shown: list[tuple[Any, str]] = []
        self._segments: list[Any] = []
        for struct, group, its in zip(own, groups, segments, strict=True):
            said = group.validities(times)
            valid = (_Validity * len(said))(*(_Validity(None, *where) for _, *where in said))
            self._shown += zip(valid, (name for name, *_ in said), strict=True)
            if said:
                struct.validities, struct.n_validities = ctypes.addressof(valid), len(said)
            moving = (SegmentStruct * len(its))(*its)
            if its:
                struct.segments, struct.n_segments = ctypes.addressof(moving), len(its)
            shown.append(valid)
            self._segments.append(moving)
            struct.lanes = ctypes.addressof(bound) + used * ctypes.sizeof(ChannelBandStruct)
            struct.n_lanes = -used
            for job in group.jobs:
                count = times.get(job.name, 1)
                for time in range(count):
                    for part, band in enumerate(job.bands, first):
                        bound[used] = lanes[part]
                        lane, used = bound[used], used + 1
                        rule = self._rules[part]
                        if rule is not None:
                            lane.rules = ctypes.addressof(rule)
                        pixel = lane.stride * lane.size
                        read, written = (math.prod(s) * pixel for s in (job.size_in, job.size_out))
                        lane.in_bytes = count * read
                        lane.out_bytes = results[job.name]
                        lane.reread = job.name in pointwise_programs
                        skipped = int(band.channels.start) * lane.size
                        # See `sampled_into`.
                        behind = results[job.name] - count * written
                        places = time * read + skipped, behind + time * written + skipped
                        self._lanes[part].append((lane, job.name, *places))
                        pictures[job.name] = job, lane, behind
                first += len(job.bands)
            struct.n_lanes += used
        looked_at = (_Check * len(checks))()
        self._checks = list(zip(looked_at, checks, strict=True))
        fines = []
        for check, name in self._checks:
            fine = np.tile(checks[name].astype(np.int32), 8)
            fines.append(fine)
            check.nan_is_fine, check.period = fine.ctypes.data, len(fine)
            check.in_bytes = pictures[name][1].in_bytes
            check.length = check.in_bytes // np.dtype(np.float32).itemsize
        count = sum(times.get(n, 1) * len(several) for n, several in pointwise_programs.items())
        reread = (PointwiseStruct * count)()
        self._changed: list[tuple[BoundPointwise, str, int]] = []
        for name, several in pointwise_programs.items():
            job, lane, behind = pictures[name]
            pixels = math.prod(job.size_out)
            # Values that get wider make room for those behind them: one image after the other.
            for time in range(times.get(name, 1)):
                for i, how in enumerate(several):
                    change = BoundPointwise(
                        reread[len(self._changed)], how, dtypes[name], size,
                        pixels, lane.stride, results[name], job.size_out[1], behind, time,
                    )  # fmt: skip
                    self._changed.append((change, name, i))
        self._left = np.zeros(size if self._changed else 0, np.int32)
        self._kept = own, bound, looked_at, reread, *shown, *self._segments, fines
        self._state = state = BatchState()
        place = ctypes.addressof(state)
        state.batch = BatchStruct(
            ctypes.addressof(own), ctypes.addressof(looked_at), ctypes.addressof(reread),
            self._left.ctypes.data, place + BatchState.next.offset,
            place + BatchState.has_nonfinite.offset, place + BatchState.no_memory.offset,
            size, len(own), len(looked_at), len(reread), blocks,
        )  # fmt: skip
        state.job.batch = place
        self.job = place + BatchState.job.offset

    def point(
        self,
        sources: Mapping[str, int],
        rows: Mapping[str, int],
        results: Mapping[str, int],
        geometry: Geometry,
        pointwise_programs: Mapping[str, Sequence[PointwiseProgram]],
        first: int = 0,
    ) -> None:
        """Name the memory of a batch; it must stay until the batch has run.

        Args:
            sources: name -> address of (N, H, W, C), contiguous; of (M, H, W, C) with ``rows``.
            rows: name -> address of (N,) int64, which records of its array are read.
            results: name -> address of (N, h, w, C), contiguous; written to.
            geometry: of these records, or of more; computed, or on the way.
            pointwise_programs: as for `Compiled.bound`, of these records; see `BoundPointwise`.
            first: of the records of ``geometry`` and ``pointwise_programs``, the one to begin with.
        """
        lanes, rules = iter(self._lanes), iter(self._rules)
        self._pointed = pointwise_programs
        for valid, name in self._shown:
            valid.out = results[f"{name}_valid"]
        for struct, moving, placed in zip(self._groups, self._segments, geometry, strict=True):
            struct.maps = place_of(placed.maps, first)
            if placed.displaced is not None:
                struct.displaced = place_of(placed.displaced, first)
            if placed.control is not None:
                struct.control = place_of(placed.control, first)
            if placed.field is not None:
                struct.field = place_of(placed.field, first)
                struct.plane = placed.field.shape[2] * placed.field.shape[3]
            if placed.sigma is not None:
                struct.sigma = place_of(placed.sigma, first)
            for segment, array in zip(moving, placed.segments, strict=True):
                for name, part in array._asdict().items():
                    if part is not None:
                        setattr(segment, name, place_of(part, first))
            for rays, matrix, numbers in placed.numbers:
                one = next(rules)
                for lane, name, read, written in next(lanes):
                    lane.source, lane.rows = sources[name] + read, rows.get(name)
                    lane.out = results[name] + written
                    if rays is not None:
                        lane.rays = place_of(rays, first)
                    if matrix is not None:
                        lane.matrix = place_of(matrix, first)
                if one is not None and numbers is not None:
                    one.numbers = place_of(numbers, first)
        for check, name in self._checks:
            check.source, check.rows = sources[name], rows.get(name)
        for change, name, i in self._changed:
            how = pointwise_programs[name][i]
            places = place_of(how.numbers, first), place_of(how.words, first)
            change.point(results[name], *places, how.words.shape)
        self._left.fill(self.blocks)
        self._state.next = self._state.has_nonfinite = self._state.no_memory = 0

    def description(self) -> BatchStruct:
        """What the library is told of the batch, but for what its threads share while they run."""
        found = BatchStruct.from_buffer_copy(self._state.batch)
        found.left = found.next = found.has_nonfinite = found.no_memory = None
        return found

    def memory(self) -> list[Any]:
        """Arrays and structures that the description points to."""
        *structures, fines = self._kept
        rules = [one for one in self._rules if one is not None]
        return [*structures, *rules, *fines, *(change.kinds for change, *_ in self._changed)]

    @property
    def has_nonfinite(self) -> bool:
        """Some checked number is not finite where it must be."""
        return bool(self._state.has_nonfinite)

    def check_memory(self) -> None:
        """Refuse results of which some are missing.

        Raises:
            MemoryError: a thread found no memory for the rows that it filters, or for values.
        """
        if self._state.no_memory:
            raise MemoryError(
                "There is no memory to filter images of this size, or to sort their values."
            )


class Flight:
    """Batches that are run in C, whose memory must stay until that has ended.

    Args:
        count: the most batches.

    Attributes:
        finish: work until nothing is left to do, and wait for the helpers. To be called whatever
            happens, first thing in a ``finally``: no function of Python is run on the way to C, so
            Ctrl-C is noticed before the call or after it, and no thread stays at work on memory
            that is about to be freed.
    """

    def __init__(self, count: int) -> None:
        held = library()
        assert held is not None
        self._library = held
        self._jobs = (ctypes.c_void_p * count)()
        self._bounds: list[Bound] = []  # jobs are in their memory
        self.finish: Callable[[], None] = partial(held.multiaug_finish, self._jobs, count)

    def add(self, bound: Bound, helpers: int) -> None:
        """Have a batch run: by `finish`, and until then by threads of the library."""
        self._bounds.append(bound)
        self._jobs[len(self._bounds) - 1] = bound.job
        if helpers:
            self._library.multiaug_start(bound.job, helpers)


def place_of(array: Any, first: int = 0) -> int:
    """Of elements that JAX, or NumPy, has computed. What NumPy looks at cannot be donated."""
    if isinstance(array, np.ndarray):
        place: int = array.ctypes.data
    else:
        place = array.block_until_ready().unsafe_buffer_pointer()
    return place + first * (array.nbytes // len(array)) if first else place
