"""The formulation in C: reads pictures where the caller has them, writes results in their place.

Optional: it is compiled when the package is installed, and whatever it does not cover is left to
the formulations in JAX.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from ._displaced import controls_of, displaced, filled, is_spline, weights_of
from ._dtype import constant
from ._plan import Band, Job, LowPass, Task, pixel_matrix, ratio
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
        ("rules", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("in_bytes", "out_bytes")),
        *((name, ctypes.c_int32) for name in ("method", "type", "border", "size", "channels")),
        *((name, ctypes.c_int32) for name in ("stride", "joint", "numbered", "reread", "lowpass")),
        *((name, ctypes.c_float) for name in ("invalid", "reach_x", "reach_y")),
    ]


@layout("Group")
class _Group(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("lanes", "maps", "displaced", "field", "control")),
        *((name, ctypes.c_void_p) for name in ("along_x", "along_y")),
        ("plane", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("knots_x", "knots_y")),
        *((name, ctypes.c_int32) for name in ("n_lanes", "affine", "resized")),
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
        field: (N, 2, h or h + 1, w) positions in pixels, of records that are displaced.
        control: (N, 2, R, C) of a spline in their place, that is added before the matrix.
        numbers: per band what differs from record to record: intrinsics, matrices, and those of its
            rules; each or None.
        sigma: (N, 2) deviations of the low-pass along x and y; None where nothing is filtered.
    """

    maps: Array
    displaced: Array | None
    field: Array | None
    control: Array | None
    numbers: list[BandNumbers]
    sigma: Array | None = None


Geometry = list[Placed]


@dataclass(frozen=True)
class _Shared:
    """Jobs of the same sizes, and the parts of all of them."""

    sizes: tuple[SpatialShape, SpatialShape]
    jobs: tuple[Job, ...]
    parts: tuple[Part, ...]


class Compiled:
    """A task for the compiled sampler.

    Args:
        groups: the jobs by their sizes.
        dtypes: of the arrays.
        warp: the map of the records, of which only static parts are read.
        affine: the matrix has no perspective.
        scales: per group, (x, y) pixels of the source per reference pixel, and of the result.
        low: antialiasing of the run.
    """

    def __init__(
        self,
        groups: Sequence[_Shared],
        dtypes: Mapping[str, np.dtype[Any]],
        *,
        warp: Map,
        affine: bool,
        scales: Sequence[tuple[tuple[float, float], tuple[float, float]]],
        low: LowPass | None = None,
    ) -> None:
        self._bent = warp.dense
        self._spline = warp.dense and is_spline(warp)
        # Positions may be a field in memory, computed in JAX.
        self.dense = self._bent and not self._spline
        self._groups, self._dtypes, self._low = tuple(groups), dtypes, low
        self._kept: list[NDArray] = []
        self._rules: list[RulesStruct | None] = []  # per band, that of a general one
        parts = [part for group in groups for part in group.parts]
        self._lanes = self._lane_array(parts, dtypes)
        self._structs = (_Group * len(groups))()
        for struct, group, scale in zip(self._structs, groups, scales, strict=True):
            (struct.h_in, struct.w_in), (struct.h_out, struct.w_out) = group.sizes
            struct.n_lanes, struct.affine = len(group.parts), affine
            struct.resized = warp.resized
            (struct.scale_x, struct.scale_y), (struct.out_scale_x, struct.out_scale_y) = scale
            struct.radius = 0 if low is None else max(low.radius)
            if self._spline:
                along_x, along_y = weights = weights_of(warp, group.sizes[1])
                struct.along_x, struct.along_y = along_x.ctypes.data, along_y.ctypes.data
                struct.knots_x, struct.knots_y = len(along_x), along_y.shape[1]
                self._kept += weights
        # Of one record: pixels of its largest picture, and numbers of all results. A low-pass reads
        # all of a source, of which little may be left.
        self.pixels = max(math.prod(size) for g in groups for size in self._worked_on(g))
        self.values = sum(
            max(math.prod(size) for size in self._worked_on(g)) * int(job.bands[-1].channels.stop)
            for g in groups
            for job in g.jobs
        )

    def _worked_on(self, group: _Shared) -> Sequence[SpatialShape]:
        return group.sizes if self._filters(group) else group.sizes[1:]

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
            lane.reach_x, lane.reach_y = (step / 2 for step in job.longest_step)
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
        sizes = [group.sizes[1] for group in self._groups]
        return [jax.ShapeDtypeStruct((length, 2, h + h % 2, w), np.float32) for h, w in sizes]

    def geometry(self, views: Any, fields: Sequence[Array]) -> Geometry:
        """What `Bound.point` has to be told of some records. Traceable.

        Args:
            views: as for `resample`.
            fields: memory to write positions to, of the shapes that the method `fields` names.
        """
        bent = displaced(views) if self._bent else None
        found = []
        for i, group in enumerate(self._groups):
            maps = jax.vmap(lambda view, g=group: pixel_matrix(view.warp, *g.sizes))(views)
            field = None
            if bent is not None and self.dense:
                field = filled(views, group.sizes, bent, fields[i])
            control = controls_of(views.warp, group.sizes[1]) if self._spline else None
            sigma = None
            if self._filters(group):
                sigma = jax.vmap(lambda view, g=group: _deviations(view.warp, g.sizes))(views)
            numbers = _numbers(views, group, self._dtypes)
            found.append(Placed(maps, bent, field, control, numbers, sigma))
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
            self._groups, self._structs, self._lanes, self._rules, self._dtypes, size, results,
            checks or {}, blocks, pointwise_programs or {},
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
        dtypes: Mapping[str, np.dtype[Any]],
        size: int,
        results: Mapping[str, int],
        checks: Mapping[str, NDArray],
        blocks: int,
        pointwise_programs: Mapping[str, Sequence[PointwiseProgram]],
    ) -> None:
        self.size, self.blocks = size, blocks
        own = type(structs).from_buffer_copy(structs)
        bound = type(lanes).from_buffer_copy(lanes)
        at, each = ctypes.addressof(bound), iter(bound)
        self._groups, self._lanes = list(own), []
        # Rules point to the numbers of a batch: every batch under way has its own.
        self._rules = [None if r is None else RulesStruct.from_buffer_copy(r) for r in rules]
        for lane, one in zip(bound, self._rules, strict=True):
            if one is not None:
                lane.rules = ctypes.addressof(one)
        pictures: dict[str, tuple[Job, Any, int]] = {}
        for struct, group in zip(own, groups, strict=True):
            struct.lanes = at
            at += len(group.parts) * ctypes.sizeof(_ChannelBand)
            for job, band in group.parts:
                lane = next(each)
                pixel = lane.stride * lane.size
                lane.in_bytes = math.prod(job.size_in) * pixel
                lane.out_bytes = results[job.name]
                lane.reread = job.name in pointwise_programs
                skipped = int(band.channels.start) * lane.size
                # See `sampled_into`.
                behind = results[job.name] - math.prod(job.size_out) * pixel
                self._lanes.append((lane, job.name, skipped, behind + skipped))
                pictures[job.name] = job, lane, behind
        looked_at = (_Check * len(checks))()
        self._checks = list(zip(looked_at, checks, strict=True))
        fines = []
        for check, name in self._checks:
            fine = np.tile(checks[name].astype(np.int32), 8)
            fines.append(fine)
            check.nan_is_fine, check.period = fine.ctypes.data, len(fine)
            check.in_bytes = pictures[name][1].in_bytes
            check.length = check.in_bytes // np.dtype(np.float32).itemsize
        reread = (PointwiseStruct * sum(map(len, pointwise_programs.values())))()
        self._changed: list[tuple[BoundPointwise, str, int, int]] = []
        for name, several in pointwise_programs.items():
            job, lane, behind = pictures[name]
            for i, how in enumerate(several):
                change = BoundPointwise(
                    reread[len(self._changed)], how, dtypes[name], size,
                    math.prod(job.size_out), lane.stride, results[name], job.size_out[1],
                )  # fmt: skip
                self._changed.append((change, name, i, behind))
        self._left = np.zeros(size if self._changed else 0, np.int32)
        self._kept = own, bound, looked_at, reread, fines
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
    ) -> None:
        """Name the memory of a batch; it must stay until the batch has run.

        Args:
            sources: name -> address of (N, H, W, C), contiguous; of (M, H, W, C) with ``rows``.
            rows: name -> address of (N,) int64, which records of its array are read.
            results: name -> address of (N, h, w, C), contiguous; written to.
            geometry: of these records, or of more; computed, or on the way.
            pointwise_programs: as for `Compiled.bound`, of these records.
        """
        lanes, rules = iter(self._lanes), iter(self._rules)
        for struct, placed in zip(self._groups, geometry, strict=True):
            struct.maps = _place_of(placed.maps)
            if placed.displaced is not None:
                struct.displaced = _place_of(placed.displaced)
            if placed.control is not None:
                struct.control = _place_of(placed.control)
            if placed.field is not None:
                struct.field = _place_of(placed.field)
                struct.plane = placed.field.shape[2] * placed.field.shape[3]
            if placed.sigma is not None:
                struct.sigma = _place_of(placed.sigma)
            for rays, matrix, numbers in placed.numbers:
                lane, name, skipped, behind = next(lanes)
                one = next(rules)
                lane.source, lane.rows = sources[name] + skipped, rows.get(name)
                lane.out = results[name] + behind
                if rays is not None:
                    lane.rays = _place_of(rays)
                if matrix is not None:
                    lane.matrix = _place_of(matrix)
                if one is not None and numbers is not None:
                    one.numbers = _place_of(numbers)
        for check, name in self._checks:
            check.source, check.rows = sources[name], rows.get(name)
        for change, name, i, behind in self._changed:
            how, out = pointwise_programs[name][i], results[name]
            change.point(out + behind, out, _place_of(how.numbers), _place_of(how.words))
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


def _place_of(array: Any) -> int:
    """Of numbers that JAX has computed. An array that NumPy looks at cannot be donated."""
    return array.block_until_ready().unsafe_buffer_pointer()  # type: ignore[no-any-return]


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


def _deviations(warp: Map, sizes: tuple[SpatialShape, SpatialShape]) -> Array:
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


def divide(task: Task, shapes: Mapping[str, jax.ShapeDtypeStruct], views: Any) -> Division:
    """Decide who resamples every entry: the one place where that is decided.

    Args:
        task: what to do.
        shapes: of the arrays, with or without a leading N.
        views: only static parts are read.
    """
    dtypes = {name: np.dtype(shape.dtype) for name, shape in shapes.items()}
    warp = views.warp
    refused: dict[str, str] = {}
    by_sizes: dict[tuple[SpatialShape, SpatialShape], list[Job]] = {}
    for job in task.jobs:
        job = resolve_slices(job, shapes[job.name].shape[-1])
        reason = _refusal(task, job, dtypes[job.name], dense=warp.dense)
        if reason is not None:
            refused[job.name] = reason
        else:
            by_sizes.setdefault((job.size_in, job.size_out), []).append(job)
    groups = [
        _Shared(sizes, tuple(members), tuple((j, band) for j in members for band in j.bands))
        for sizes, members in by_sizes.items()
    ]
    if not groups:
        return Division(None, refused)
    scales = [(ratio(g.sizes[0], warp.in_shape), ratio(g.sizes[1], warp.out_shape)) for g in groups]
    affine = all(s.affine for s in warp.segments if isinstance(s, Projective))
    native = Compiled(groups, dtypes, warp=warp, affine=affine, scales=scales, low=task.low)
    return Division(native, refused)


def _refusal(task: Task, job: Job, dtype: np.dtype[Any], *, dense: bool) -> str | None:
    """Why native code cannot resample an entry; None where it can."""
    if library() is None:
        return "there is no native library (it was not compiled, or MULTIAUG_COMPILED=0)"
    if job.name in task.undone:
        return "its values are undone first, which XLA does"
    if job.validity:
        return "it comes with an entry of valid pixels, which XLA computes"
    if max(*job.size_in, *job.size_out) >= 1 << 24 or math.prod(job.size_in) >= 1 << 31:
        return "it has more pixels than native code counts"
    for band in job.bands:
        blended = band.method not in {"nearest", "majority"}
        if task.low is not None and band.lowpass and blended and not _is_blended_as_it_is(band):
            return f"its low-pass is of encoded values or before {band.method}, which XLA does"
        reason = refusal(band, dtype, count_of(band), dense=dense)
        if reason is not None:
            return reason
    return None


def _is_blended_as_it_is(band: Band) -> bool:
    """Native code can low-pass what is read: it is neither picked, nor encoded, nor moved."""
    native = band.native or NativeRules()
    encoded = native.encode or native.decode or native.move
    return band.method in {"linear", "cubic"} and not encoded


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
