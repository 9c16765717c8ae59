"""The formulation in C: reads pictures where the caller has them, writes results in their place.

Optional: it is compiled when the package is installed, and whatever it does not cover is left to
the formulations in JAX.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._native import layout, library
from ..geometry import Map, Projective
from ..typing import Array, NDArray, SpatialShape
from ._axis import CLASSIC
from ._bands import Part, count_of, is_plain, resolve_slices, rim_value
from ._blend import deviations
from ._displaced import (
    SegmentArrays,
    SegmentStruct,
    controls_of,
    displaced,
    filled,
    is_pushed_natively,
    knots_of,
    segment_arrays,
    segment_structs,
    weights_of,
)
from ._dtype import constant
from ._plan import Band, Job, LowPass, Task, ratio, scales_between
from ._pointwise import BoundPointwise, PointwiseProgram, PointwiseStruct
from ._rules import TYPES, NativeRules, RulesStruct, refusal, rules_struct

# As in warp.h.
_BORDERS = ("constant", "edge", "reflect", "mirror", "wrap", "constant-hard", "wrap-classic")
_NEAREST, _LINEAR, _NAN_AWARE, _GENERAL = 0, 1, 2, 3
_FAST_TYPES = ("uint8", "uint16", "float32")
_MAX_NAN_AWARE, _MAX_PERIOD = 8, 2048


@layout("ChannelBand")
class _ChannelBand(ctypes.Structure):
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
class _Group(ctypes.Structure):
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
class _Batch(ctypes.Structure):
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


class _State(ctypes.Structure):
    """A batch and what its threads share; in Python only."""

    _fields_ = [
        ("batch", _Batch),
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
class _Shared:
    """Jobs of the same sizes, and the parts of all of them."""

    sizes: InAndOut
    jobs: tuple[Job, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> _Shared:
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


class Compiled:
    """A task for the compiled sampler.

    Args:
        groups: the jobs by their sizes.
        dtypes: of the arrays.
        warp: the map of the records, of which only static parts are read.
        frames: (height, width) of the frame before the map and behind it.
        low: antialiasing of the run.
        times: name -> how many images a record has of an entry, (T, H, W, C), which are read alike;
            of entries that are missing it has one.

    Attributes:
        dense: positions are a field in memory, computed in JAX.
        scales: (groups, 3, 3) float32, what every number of a matrix between reference pixels is
            multiplied by to be one between those of the images.
        pixels: of one record's largest entry.
        values: elements of all results of one record.
    """

    def __init__(
        self,
        groups: Sequence[_Shared],
        dtypes: Mapping[str, np.dtype[Any]],
        *,
        warp: Map,
        frames: InAndOut,
        low: LowPass | None = None,
        times: Mapping[str, int] | None = None,
    ) -> None:
        self._times = times or {}
        self._bent = warp.dense
        self._knots = knots_of(warp)
        self.dense = self._bent and self._knots is None
        self._dtypes, self._low = dtypes, low
        self._affine = all(s.affine for s in warp.segments if isinstance(s, Projective))
        self._resized = warp.resized
        self._kept: list[NDArray] = []
        self._rules: list[RulesStruct | None] = []  # per band, that of a general one
        self._groups = tuple(groups)
        self._segments = [
            segment_structs(warp) if warp.dense and group.moves_ends else () for group in groups
        ]
        self._lanes = self._lane_array([part for group in groups for part in group.parts], dtypes)
        self._set_sizes(frames)

    def of_sizes(
        self,
        images: Mapping[str, Job],
        frames: InAndOut,
        low: LowPass | None,
        times: Mapping[str, int],
    ) -> Compiled:
        """The same task for images of other sizes, of which the same ones share theirs.

        Args:
            images: name -> a job, of which the sizes and the longest step are taken.
            frames: (height, width) of the frame before the map and behind it.
            low: antialiasing of the run; None where this one has none.
            times: see `Compiled`.
        """
        found = object.__new__(Compiled)
        found.__dict__.update(self.__dict__)
        found._low, found._times = low, times
        found._groups = tuple(
            _Shared.of([_job_of_size(job, images[job.name]) for job in group.jobs])
            for group in self._groups
        )
        found._kept = list(self._kept)
        found._lanes = type(self._lanes).from_buffer_copy(self._lanes)
        found._set_sizes(frames)
        return found

    def _set_sizes(self, frames: InAndOut) -> None:
        before, after = frames
        self._structs = (_Group * len(self._groups))()
        self.scales: NDArray = np.empty((len(self._groups), 3, 3), np.float32)
        lanes = iter(self._lanes)
        for i, (struct, group) in enumerate(zip(self._structs, self._groups, strict=True)):
            (struct.h_in, struct.w_in), (struct.h_out, struct.w_out) = group.sizes
            struct.n_lanes, struct.affine = len(group.parts), self._affine
            struct.resized = self._resized
            scale_in, scale_out = ratio(group.sizes[0], before), ratio(group.sizes[1], after)
            struct.scale_x, struct.scale_y = scale_in
            struct.out_scale_x, struct.out_scale_y = scale_out
            self.scales[i] = scales_between(scale_in, scale_out)
            struct.radius = 0 if self._low is None else max(self._low.radius)
            struct.planes = 6 if group.needs_jacobian else 2
            for job, _ in group.parts:
                lane = next(lanes)
                lane.reach_x, lane.reach_y = (step / 2 for step in job.longest_step)
            if self._knots is not None:
                weights = weights_of(self._knots, after, group.sizes[1])
                along_x, along_y, slope_x, slope_y = weights
                struct.along_x, struct.along_y = along_x.ctypes.data, along_y.ctypes.data
                struct.knots_x, struct.knots_y = len(along_x), along_y.shape[1]
                if group.needs_jacobian:
                    struct.slope_x, struct.slope_y = slope_x.ctypes.data, slope_y.ctypes.data
                self._kept += weights
        # A low-pass reads all of a source, of which little may be left.
        worked_on = [
            (job, max(map(math.prod, self._worked_on(g))) * self._times.get(job.name, 1))
            for g in self._groups
            for job in g.jobs
        ]
        self.pixels = max(pixels for _, pixels in worked_on)
        self.values = sum(pixels * int(job.bands[-1].channels.stop) for job, pixels in worked_on)

    def _worked_on(self, group: _Shared) -> Sequence[SpatialShape]:
        splines = any(band.method == "spline3" for _, band in group.parts)
        return group.sizes if splines or self._filters(group) else group.sizes[1:]

    def _filters(self, group: _Shared) -> bool:
        return any(self._is_filtered(band) for _, band in group.parts)

    def _is_filtered(self, band: Band) -> bool:
        return self._low is not None and band.lowpass and _is_blended_as_it_is(band)

    def _lane_array(self, parts: Sequence[Part], dtypes: Mapping[str, Any]) -> Any:
        lanes = (_ChannelBand * len(parts))()
        for lane, (job, band) in zip(lanes, parts, strict=True):
            dtype = dtypes[job.name]
            fill = np.ascontiguousarray(rim_value(band, dtype))
            self._kept.append(fill)
            lane.fill = fill.ctypes.data
            lane.border = _BORDERS.index(band.border)
            lane.type = TYPES.index(dtype.name)
            lane.size, lane.channels = dtype.itemsize, count_of(band)
            lane.stride = int(job.bands[-1].channels.stop)
            lane.method = _method(band, dtype)
            lane.lowpass = self._is_filtered(band)
            lane.joint = band.joint and (band.invalid is not None or band.encode is not None)
            if lane.method == _GENERAL:
                rules, held = rules_struct(band, dtype, count_of(band))
                lane.joint = band.joint
                lane.rules = ctypes.addressof(rules)
                self._kept += held
                self._rules.append(rules)
            else:
                self._rules.append(None)
            lane.numbered = isinstance(band.invalid, float)
            lane.invalid = (
                float(constant(band.invalid, dtype)) if isinstance(band.invalid, float) else np.nan
            )
        return lanes

    def fields(self, length: int) -> list[jax.ShapeDtypeStruct]:
        """The memory that `geometry` needs for the positions of so many records; per group."""
        if not self.dense:
            return []
        # An even number of rows: they are computed in two blocks.
        found = [
            (struct.planes, *group.sizes[1])
            for struct, group in zip(self._structs, self._groups, strict=True)
        ]
        return [jax.ShapeDtypeStruct((length, p, h + h % 2, w), np.float32) for p, h, w in found]

    def geometry(
        self, views: Any, sizes: Any, fields: Sequence[Array], scales: Array | None = None
    ) -> Geometry:
        """What `Bound.point` has to be told of some records. Traceable.

        Args:
            views: as for `resample`.
            sizes: of the records: ``sizes.images[name]`` are those of an image as it comes in and
                as it leaves, static or data.
            fields: memory to write positions to, of the shapes that the method `fields` names.
            scales: (N, groups, 3, 3) float32, `scales` of every record; None where all have those
                of this task.
        """
        bent = displaced(views) if self._bent else None
        found = []
        matrices = jax.vmap(lambda view: view.warp.matrix().backward)(views)
        for i, group in enumerate(self._groups):
            name = group.jobs[0].name
            maps = matrices * (self.scales[i : i + 1] if scales is None else scales[:, i])
            field = control = sigma = None
            if bent is not None and self.dense:
                field = filled(views, group.sizes, bent, fields[i])
            if self._knots is not None:
                control = jax.vmap(
                    lambda view, sizes, n=name: controls_of(view.warp, sizes.images[n][1])
                )(views, sizes)
            if self._filters(group):
                sigma = jax.vmap(
                    lambda view, sizes, n=name: _deviations(view.warp, sizes.images[n])
                )(views, sizes)
            numbers = _numbers(views, group, self._dtypes)
            segments = segment_arrays(views) if self._segments[i] else []
            found.append(Placed(maps, bent, field, control, numbers, sigma, segments))
        return found

    def bound(
        self,
        size: int,
        results: Mapping[str, int],
        checks: Mapping[str, NDArray] | None = None,
        blocks: int = 1,
        pointwise_programs: Mapping[str, Sequence[PointwiseProgram]] | None = None,
    ) -> Bound:
        """Room for what C is told of a batch; it serves for one batch after the other.

        Args:
            size: how many records, N.
            results: name -> bytes of one record's result: more than are sampled, where a
                recolouring makes numbers wider.
            checks: float32 entry -> (C,) bool, the channels in which NaN means no data.
            blocks: how many pieces a record is cut into for threads to share.
            pointwise_programs: name -> what is done to its channels once they are sampled; only
                static parts, and the shapes of arrays, are read.
        """
        return Bound(
            self._groups, self._structs, self._lanes, self._rules, self._segments, self._dtypes,
            self._times, size, results, checks or {}, blocks, pointwise_programs or {},
        )  # fmt: skip

    @property
    def constants(self) -> Sequence[NDArray]:
        """Arrays that the structures of every `Bound` point to."""
        return self._kept


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
        groups: Sequence[_Shared],
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
        bound = (_ChannelBand * sum(images))()
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
            struct.lanes = ctypes.addressof(bound) + used * ctypes.sizeof(_ChannelBand)
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
        self._state = state = _State()
        place = ctypes.addressof(state)
        state.batch = _Batch(
            ctypes.addressof(own), ctypes.addressof(looked_at), ctypes.addressof(reread),
            self._left.ctypes.data, place + _State.next.offset, place + _State.has_nonfinite.offset,
            place + _State.no_memory.offset, size, len(own), len(looked_at), len(reread), blocks,
        )  # fmt: skip
        state.job.batch = place
        self.job = place + _State.job.offset

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
            struct.maps = _place_of(placed.maps, first)
            if placed.displaced is not None:
                struct.displaced = _place_of(placed.displaced, first)
            if placed.control is not None:
                struct.control = _place_of(placed.control, first)
            if placed.field is not None:
                struct.field = _place_of(placed.field, first)
                struct.plane = placed.field.shape[2] * placed.field.shape[3]
            if placed.sigma is not None:
                struct.sigma = _place_of(placed.sigma, first)
            for segment, array in zip(moving, placed.segments, strict=True):
                for name, part in array._asdict().items():
                    if part is not None:
                        setattr(segment, name, _place_of(part, first))
            for rays, matrix, numbers in placed.numbers:
                one = next(rules)
                for lane, name, read, written in next(lanes):
                    lane.source, lane.rows = sources[name] + read, rows.get(name)
                    lane.out = results[name] + written
                    if rays is not None:
                        lane.rays = _place_of(rays, first)
                    if matrix is not None:
                        lane.matrix = _place_of(matrix, first)
                if one is not None and numbers is not None:
                    one.numbers = _place_of(numbers, first)
        for check, name in self._checks:
            check.source, check.rows = sources[name], rows.get(name)
        for change, name, i in self._changed:
            how = pointwise_programs[name][i]
            places = _place_of(how.numbers, first), _place_of(how.words, first)
            change.point(results[name], *places, how.words.shape)
        self._left.fill(self.blocks)
        self._state.next = self._state.has_nonfinite = self._state.no_memory = 0

    def description(self) -> _Batch:
        """What the library is told of the batch, but for what its threads share while they run."""
        found = _Batch.from_buffer_copy(self._state.batch)
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


def _place_of(array: Any, first: int = 0) -> int:
    """Of elements that JAX, or NumPy, has computed. What NumPy looks at cannot be donated."""
    if isinstance(array, np.ndarray):
        place: int = array.ctypes.data
    else:
        place = array.block_until_ready().unsafe_buffer_pointer()
    return place + first * (array.nbytes // len(array)) if first else place


def _numbers(views: Any, group: _Shared, dtypes: Mapping[str, Any]) -> list[BandNumbers]:
    found = []
    for job, band in group.parts:
        native = band.native
        if native is None or not native.needs_numbers:
            found.append(BandNumbers())
        elif _method(band, dtypes[job.name]) == _GENERAL:
            found.append(BandNumbers(rules=native.numbers(views)))
        else:
            rays, matrix = (
                None if of is None else jax.vmap(of)(views) for of in (native.k, native.matrix)
            )
            found.append(BandNumbers(rays, matrix))
    return found


def _job_of_size(job: Job, like: Job) -> Job:
    return replace(
        job, size_in=like.size_in, size_out=like.size_out, longest_step=like.longest_step
    )


def _deviations(warp: Map, sizes: InAndOut) -> Array:
    """(2,) of the low-pass along x and y."""
    scales = ratio(sizes[0], warp.in_shape), ratio(sizes[1], warp.out_shape)
    return jnp.stack(deviations(warp, *scales))


def can_check(channels: int) -> bool:
    """Whether `Compiled.bound` can check pictures of so many channels."""
    return 8 * channels <= _MAX_PERIOD


class Division(NamedTuple):
    """Who resamples the entries of a task.

    Args:
        native: what native code does; None where that is nothing.
        refused: name -> why XLA resamples an entry.
    """

    native: Compiled | None
    refused: dict[str, str]


def divide(
    task: Task,
    shapes: Mapping[str, jax.ShapeDtypeStruct],
    views: Any,
    times: Mapping[str, int] | None = None,
) -> Division:
    """Decide who resamples every entry: the one place where that is decided.

    Args:
        task: what to do.
        shapes: of the arrays, with or without a leading N.
        views: only static parts are read.
        times: see `Compiled`; `Compiled.geometry` does not depend on them.
    """
    dtypes = {name: np.dtype(shape.dtype) for name, shape in shapes.items()}
    warp = views.warp
    unknown = not is_pushed_natively(warp)
    refused: dict[str, str] = {}
    by_sizes: dict[InAndOut, list[Job]] = {}
    for job in task.jobs:
        job = resolve_slices(job, shapes[job.name].shape[-1])
        reason = _refusal(task, job, dtypes[job.name], unknown=unknown)
        if reason is not None:
            refused[job.name] = reason
        else:
            by_sizes.setdefault((job.size_in, job.size_out), []).append(job)
    if not by_sizes:
        return Division(None, refused)
    groups = [_Shared.of(members) for members in by_sizes.values()]
    frames = warp.in_shape, warp.out_shape
    native = Compiled(groups, dtypes, warp=warp, frames=frames, low=task.low, times=times)
    return Division(native, refused)


def _refusal(task: Task, job: Job, dtype: np.dtype[Any], *, unknown: bool) -> str | None:
    """Why native code cannot resample an entry; None where it can."""
    if library() is None:
        return "there is no native library (it was not compiled, or MULTIAUG_COMPILED=0)"
    if job.validity and job.has_frames:
        return "its frames come with entries of valid pixels, which XLA computes"
    if job.name in task.undone:
        return "its values are undone first, which XLA does"
    if max(*job.size_in, *job.size_out) >= 1 << 24 or math.prod(job.size_in) >= 1 << 31:
        return "it has more pixels than native code counts"
    for band in job.bands:
        blended = band.method not in {"nearest", "majority"}
        if task.low is not None and band.lowpass and blended and not _is_blended_as_it_is(band):
            return f"its low-pass is of encoded values or before {band.method}, which XLA does"
        reason = refusal(band, dtype, count_of(band), unknown=unknown)
        if reason is not None:
            return reason
    return None


def _is_blended_as_it_is(band: Band) -> bool:
    """Native code can low-pass what is read: it is neither picked, nor encoded, nor moved."""
    native = band.native or NativeRules()
    encoded = native.encode or native.decode or native.move
    return band.method in {"linear", "cubic", "spline3"} and not encoded


def _method(band: Band, dtype: np.dtype[Any]) -> int:
    """The quickest native method that reads a band as its rules have it."""
    native, general = band.native or NativeRules(), _GENERAL
    if band.method == "nearest":
        plain = band.invalid is None and band.fill is not None and not native.move
        return _NEAREST if plain else general
    if band.method != "linear":
        return general
    words = (native.encode, native.decode, native.move)
    if is_plain(band) and words == ("", "", ""):
        return _LINEAR if dtype.name in _FAST_TYPES else general
    if words[:2] not in {("", ""), ("ray", "ray")} or words[2] not in {"", "matrix"}:
        return general
    known = band.invalid is not None or band.fill is None
    encoded_fill = native.encode != "" and band.border == "constant" and band.fill is not None
    if dtype != np.float32 or band.max_jump is not None or not known or encoded_fill:
        return general
    classic = band.border in CLASSIC
    return general if classic or count_of(band) > _MAX_NAN_AWARE else _NAN_AWARE
