"""What native code does to records of a kind: for one size, or for all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...sampling import Compiled, Job, LowPass, can_check
from ...spec import check_values, is_sound
from ...transforms import Transform
from ...typing import Array, NDArray
from ..buffers._scratch import Scratch
from ..checks._values import nan_is_fine
from ..program._draws import Draws
from ..program._sizes import Sizes, sizes_of
from ..program._structure import Run, antialiasing, least_scale, longest_step
from ..program._traits import PipelineTraits
from ._blocks import BLOCK, fitting, part_length
from ._native_plan import Pictures, Planned, Planner, images_of, times_of

if TYPE_CHECKING:
    from ._native import CompiledCall

# Calls that a program remembers: batches of other sizes, such as a last one.
_MOST_CALLS = 16


@cache
def always() -> Array:
    """True, where a compiled function need not fetch it."""
    return jnp.asarray(True)


class Rows(NamedTuple):
    """Rows of a table: those that records have, and those that are planned for."""

    there: int
    planned: int


class Shrinking(NamedTuple):
    """How far records of a frame are shrunk at most: see `least_scale` and `antialiasing`."""

    scale: float
    low: LowPass | None

    @classmethod
    def of(cls, run: Run, transforms: tuple[Transform, ...]) -> Shrinking:
        """That of a run."""
        scale = least_scale(transforms, run)
        return cls(scale, None if run.inverse else antialiasing(transforms, scale))


class NativeProgram:
    """A pipeline for records of one shape: what native code does, and what it leaves to XLA.

    Args:
        run: the static side.
        kernel: what is sampled by native code; None where that is nothing.
        refused: name -> why XLA resamples an image.
        pictures: what the records hold.
        rest: their entries that are no pictures, and the rows of those that are tables.
        sampled: what the kernel makes of one record.
        results: what comes of one record.
        touched: results of the kernel that XLA changes.
        planner: plans blocks of records.

    Attributes:
        images: one image of each picture, which plans are made for.
        times: how many frames pictures have, where that is said.
        finished: results that come from XLA.
        by_part: records are run in parts, of which some work is done in JAX.
        checks: see `Compiled.bound`; `look` looks at other values that may not be allowed.
        has_run: what it calls has been compiled.
        each_size: why it serves records of this size alone; None where sizes are data of the plan.
        sizes: (BLOCK, n, 2) and (BLOCK, groups, 3, 3), what `planner` is given where they are data.
    """

    def __init__(
        self,
        run: Run,
        kernel: Compiled | None,
        refused: Mapping[str, str],
        pictures: Pictures,
        rest: Mapping[str, Rows | None],
        sampled: Mapping[str, jax.ShapeDtypeStruct],
        results: Mapping[str, jax.ShapeDtypeStruct],
        touched: frozenset[str],
        planner: Planner,
    ) -> None:
        self.run, self.kernel, self.pictures = run, kernel, pictures
        self.images, self.times = images_of(pictures), times_of(pictures)
        self.rest, self.rows = tuple(rest), {n: rows for n, rows in rest.items() if rows}
        self.refused, self.sampled, self.results, self.touched = refused, sampled, results, touched
        self.native_pictures = tuple(p for p in pictures if p[0] not in refused)
        from_xla = {*touched, *refused, *(f"{name}_valid" for name in refused)}
        self.finished = {n: s for n, s in results.items() if n in from_xla}
        self.by_part = bool(self.finished) or (kernel is not None and kernel.dense)
        self.has_run = False
        self.each_size: str | None = None
        self.sizes: tuple[NDArray, NDArray] | tuple[None, None] = (None, None)
        entries = run.spec.entries
        self.checks = {
            name: nan_is_fine(entries[name], shape[-1])
            for name, shape, dtype in self.native_pictures
            if dtype == np.float32 and can_check(shape[-1])
        }
        self._looked_at = [
            name
            for name, _, dtype in pictures
            if name not in self.checks and not np.issubdtype(dtype, np.integer)
        ]
        self.planner = planner
        self._begin()

    def _begin(self) -> None:
        """Forget what belongs to records of one size."""
        self._idle: list[Scratch] = []
        self._calls: dict[tuple[int, frozenset[str], bool], CompiledCall] = {}

    def of_sizes(
        self,
        run: Run,
        sizes: Sizes,
        shrinking: Shrinking,
        rows: Mapping[str, Rows],
        times: Mapping[str, int],
    ) -> NativeProgram:
        """The same program for records of other sizes: nothing is compiled.

        Args:
            run: the static side of those records.
            sizes: theirs.
            shrinking: how far they are shrunk.
            rows: of their tables; as many are planned for as here.
            times: how many frames their images have, where that is said.
        """
        found = object.__new__(NativeProgram)
        found.__dict__.update(self.__dict__)
        found._begin()
        found.run, found.rows = run, dict(rows)

        def frames(name: str) -> tuple[int, ...]:
            return (times[name],) if name in times else ()

        found.pictures = found.native_pictures = tuple(
            (name, (*frames(name), *sizes.images[name][0], shape[-1]), dtype)
            for name, shape, dtype in self.pictures
        )
        found.images, found.times = images_of(found.pictures), dict(times)
        scales = np.zeros((0, 3, 3), np.float32)
        if self.kernel is not None:
            jobs = _jobs_of(sizes, shrinking.scale)
            frames_of = sizes.before, sizes.after
            found.kernel = self.kernel.of_sizes(jobs, frames_of, shrinking.low, times)
            scales = found.kernel.scales
        found.sizes = sizes.packed(BLOCK), np.repeat(scales[np.newaxis], BLOCK, axis=0)

        def result(name: str, shape: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            image = name.removesuffix("_valid")
            if name not in sizes.images and image in sizes.images:
                whole = (*frames(image), *sizes.images[image][1])
                return jax.ShapeDtypeStruct(whole, shape.dtype)
            if name in sizes.images:
                whole = (*frames(name), *sizes.images[name][1], shape.shape[-1])
                return jax.ShapeDtypeStruct(whole, shape.dtype)
            table = rows.get(_owner(name, self.rest))
            if table is not None and shape.shape[:1] == (table.planned,):
                return jax.ShapeDtypeStruct((table.there, *shape.shape[1:]), shape.dtype)
            return shape

        found.sampled = {n: result(n, s) for n, s in self.sampled.items()}
        found.results = {n: result(n, s) for n, s in self.results.items()}
        return found

    def filled(self, rest: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Tables with as many rows as are planned for; those behind the last one are absent."""
        found = dict(rest)
        for name, rows in self.rows.items():
            if rows.there != rows.planned:
                table = rest[name]
                full = np.full((len(table), rows.planned, *table.shape[2:]), np.nan, table.dtype)
                full[:, : rows.there] = table
                found[name] = full
        return found

    def call(self, size: int, flat: frozenset[str], *, single: bool = False) -> CompiledCall:
        """For batches of a size; see `CompiledCall`."""
        from ._native import CompiledCall

        found = self._calls.get((size, flat, single))
        if found is None:
            if len(self._calls) >= _MOST_CALLS:
                self._calls.clear()
            found = CompiledCall(self, size, flat, single=single)
            self._calls[size, flat, single] = found
        return found

    def look(self, batch: Mapping[str, Any], rest: Mapping[str, NDArray], *, single: bool) -> bool:
        """Whether pictures that C does not look at are sound.

        Raises:
            RecordError: an entry that is no picture is not.
        """
        if rest and single:
            check_values(self.run.spec, {n: a[0] for n, a in rest.items()}, batch=False)
        elif rest:
            check_values(self.run.spec, rest, batch=True)
        entries = self.run.spec.entries
        return all(is_sound(entries[name], np.asarray(batch[name])) for name in self._looked_at)

    def planned(
        self, traits: PipelineTraits, given: Sequence[Any], *, drawn: bool
    ) -> list[Planned]:
        """Plans of blocks, from (params, rest), or from (words, rest) of which they are drawn."""
        settings, planner = traits.settings, self.planner
        if not drawn:
            return [planner.draw_and_plan(settings, *own, always(), *self.sizes) for own in given]
        return [
            planner.plan(settings, params.values, params.key, rest, *self.sizes)
            for params, rest in given
        ]

    def trace(self, traits: PipelineTraits, draws: Draws, rest: Mapping[str, Any]) -> None:
        """Trace the plan with sizes as data: it fails where Python has to know them."""
        images = {name: (shape[0], shape[1]) for name, shape, _ in self.images}
        rows = sizes_of(self.run, traits.moving, images).packed(BLOCK)
        scales = np.zeros((BLOCK, 0 if self.kernel is None else len(self.kernel.scales), 3, 3))

        def block(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((BLOCK, *leaf.shape[1:]), leaf.dtype)

        tables = {n: block(rest[n]) for n in self.rest}
        extra = tables, rows, scales.astype(np.float32)
        if draws.are_made:
            values, words = jax.tree.map(block, (draws.params.values, draws.params.key))
            self.planner.plan.eval_shape(traits.settings, values, words, *extra)
        else:
            words, (tables, *others) = block(draws.words), extra
            self.planner.draw_and_plan.eval_shape(traits.settings, words, tables, always(), *others)

    def part_length(self) -> int:
        """Records of a part."""
        if self.finished:
            sizes = (math.prod(shape) * dtype.itemsize for _, shape, dtype in self.pictures)
            return part_length(sum(sizes))
        assert self.kernel is not None
        return fitting(sum(field.size * 4 for field in self.kernel.fields(1)))

    def scratch(self) -> Scratch:
        """Memory for a part."""
        try:
            return self._idle.pop()
        except IndexError:
            return Scratch()

    def give_back(self, memory: Scratch) -> None:
        """It can be used for another part."""
        self._idle.append(memory)

    def release(self) -> None:
        """Give back the memory that no thread is using."""
        self._idle.clear()

    def forget(self) -> None:
        """Let go of the calls, which point back."""
        self._calls.clear()


def _jobs_of(sizes: Sizes, scale: float) -> dict[str, Job]:
    """The images to resample, of which only sizes and steps are said."""
    jobs = {}
    for name, (before, after) in sizes.images.items():
        job = Job(name, before, after, ())
        step = longest_step(job, sizes.before, sizes.after, scale)
        jobs[name] = replace(job, longest_step=step)
    return jobs


def _owner(result: str, entries: Sequence[str]) -> str:
    """The entry that a result comes of."""
    found = [n for n in entries if result == n or result.startswith(f"{n}_")]
    return max(found, key=len, default="")
