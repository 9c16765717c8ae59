"""The formulation in C: reads pictures where the caller has them, writes results in their place.

Optional: it is compiled when the package is installed, and whatever it does not cover is left to
the formulations in JAX.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._native import library
from ..geometry import Map, Projective
from ..typing import Array, NDArray, SpatialShape
from ._axis import CLASSIC
from ._bands import Part, count_of, is_plain, resolve_slices, rim_value
from ._blend import deviations
from ._bound import (
    BandNumbers,
    Bound,
    ChannelBandStruct,
    Geometry,
    GroupStruct,
    InAndOut,
    Placed,
    SharedJobs,
)
from ._displaced import (
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
from ._pointwise import PointwiseProgram
from ._rules import TYPES, NativeRules, RulesStruct, refusal, rules_struct

# As in warp.h.
_BORDERS = ("constant", "edge", "reflect", "mirror", "wrap", "constant-hard", "wrap-classic")
_NEAREST, _LINEAR, _NAN_AWARE, _GENERAL = 0, 1, 2, 3
_FAST_TYPES = ("uint8", "uint16", "float32")
_MAX_NAN_AWARE, _MAX_PERIOD = 8, 2048


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
        groups: Sequence[SharedJobs],
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
            SharedJobs.of([_job_of_size(job, images[job.name]) for job in group.jobs])
            for group in self._groups
        )
        found._kept = list(self._kept)
        found._lanes = type(self._lanes).from_buffer_copy(self._lanes)
        found._set_sizes(frames)
        return found

    def _set_sizes(self, frames: InAndOut) -> None:
        before, after = frames
        self._structs = (GroupStruct * len(self._groups))()
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

    def _worked_on(self, group: SharedJobs) -> Sequence[SpatialShape]:
        splines = any(band.method == "spline3" for _, band in group.parts)
        return group.sizes if splines or self._filters(group) else group.sizes[1:]

    def _filters(self, group: SharedJobs) -> bool:
        return any(self._is_filtered(band) for _, band in group.parts)

    def _is_filtered(self, band: Band) -> bool:
        return self._low is not None and band.lowpass and _is_blended_as_it_is(band)

    def _lane_array(self, parts: Sequence[Part], dtypes: Mapping[str, Any]) -> Any:
        lanes = (ChannelBandStruct * len(parts))()
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


def _numbers(views: Any, group: SharedJobs, dtypes: Mapping[str, Any]) -> list[BandNumbers]:
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
    groups = [SharedJobs.of(members) for members in by_sizes.values()]
    frames = warp.in_shape, warp.out_shape
    native = Compiled(groups, dtypes, warp=warp, frames=frames, low=task.low, times=times)
    return Division(native, refused)


def is_counted(size_in: SpatialShape, size_out: SpatialShape) -> bool:
    """Whether native code counts the pixels of an image, in 32 bits, and its sides in float32."""
    return max(*size_in, *size_out) < 1 << 24 and math.prod(size_in) < 1 << 31


def _refusal(task: Task, job: Job, dtype: np.dtype[Any], *, unknown: bool) -> str | None:
    """Why native code cannot resample an entry; None where it can."""
    if library() is None:
        return "there is no native library (it was not compiled, or MULTIAUG_COMPILED=0)"
    if job.validity and job.has_frames:
        return "its frames come with entries of valid pixels, which XLA computes"
    if job.name in task.undone:
        return "its values are undone first, which XLA does"
    if not is_counted(job.size_in, job.size_out):
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
