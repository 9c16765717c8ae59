"""Programs of several stages: one after the other, each by who runs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import warn
from ...spec import DataSpec, EntrySpec
from ...transforms import Deriving, Geometric, Mixing, Transform
from ...typing import Array, SpatialShape
from ..buffers._indexed import gathered
from ..buffers._wide import lengthened, shortened, wide_in
from ..buffers._working import WorkingBatch
from ..program._alter import alter
from ..program._draws import Draws, draw, on_cpu
from ..program._fitted import untouched
from ..program._geometry import steps_of
from ..program._join import joins
from ..program._mix import mix, stays
from ..program._occlude import occlude
from ..program._overrides import DERIVED, one_more_axis
from ..program._params import RecordParams
from ..program._pointwise import is_touched
from ..program._program import Program
from ..program._reads import entries_read
from ..program._spec_after import BEFORE
from ..program._stages import Stage
from ..program._structure import Run, gains_intrinsics, leaves
from ..program._ties import follow
from ..program._traits import PipelineTraits
from ._dispatch import execute, is_traced
from ._host import derive_on_host, host_refuses, occlude_on_host
from ._host_mix import mix_on_host

Batch = dict[str, Any]


def draws_of(program: Program, words: Array, params: RecordParams | None) -> list[Draws]:
    """What every stage draws, from the words of keys or from given params."""
    found = []
    for stage in program.stages:
        transforms, first = stage.transforms, stage.first
        if params is None:
            found.append(Draws(words, transforms, stage.spec, stage.frame, first))
        else:
            values = params.values[first : first + len(transforms)]
            part = RecordParams(values, params.key, stage.frame, stage.out_frame)
            found.append(Draws.given(part, stage.spec))
    return found


def params_of(program: Program, draws: Sequence[Draws], frame: SpatialShape) -> RecordParams:
    """What all stages drew, as the params of the pipeline."""
    # A container of several stages drew the same in all of them.
    values = {
        place: value
        for stage, drawn in zip(program.stages, draws, strict=True)
        for place, value in enumerate(drawn.params.values, stage.first)
    }
    ordered = tuple(values[place] for place in sorted(values))
    return RecordParams(ordered, draws[0].words, frame, program.stages[-1].out_frame)


def run_program(
    program: Program,
    draws: Sequence[Draws],
    batch: Mapping[str, Any],
    out: Mapping[str, Any] | None = None,
    *,
    single: bool = False,
    begin: int = 0,
    end: int | None = None,
) -> Batch:
    """Apply what a batch drew to it, stage by stage.

    Args:
        program: the stages.
        draws: of each of them.
        batch: the entries, leading N; scalars among them.
        out: results of an earlier call, whose memory may be used on CPUs.
        single: it is one record without a leading axis, and so are the results.
        begin: the first stage to run; the batch is as the one before it left it.
        end: behind the last stage to run; None for all.
    """
    host = is_on_host(program, draws, batch)
    if single:
        more = np.asarray if host else lambda array: array
        batch = {n: one_more_axis(more(a)) for n, a in batch.items()}
    work = WorkingBatch(batch, out if host and not single else None)
    for place, drawn in list(enumerate(draws))[begin:end]:
        _advance(program, place, _with_reads(program, place, drawn, work.arrays), work, host=host)
    if not host:
        return {n: a[0] for n, a in work.arrays.items()} if single else work.arrays
    scalars = {n for n, e in program.out_spec.entries.items() if e.kind == "value"}
    return work.results(scalars, single=single)


def draws_along(program: Program, words: Array, batch: Mapping[str, Any] | None) -> list[Draws]:
    """What every stage draws, where some of them look at the records.

    Args:
        program: the stages.
        words: (N, w), of the keys.
        batch: the entries that are read, leading N; they go through the stages before the last one
            that reads.
    """
    draws = draws_of(program, words, None)
    reading = [place for place, traits in enumerate(program.traits) if traits.reads]
    host = is_on_host(program, draws, batch or {})
    work = None if batch is None else WorkingBatch(batch, None)
    for place in range(max(reading, default=-1) + 1):
        state = None if work is None else work.arrays
        draws[place] = _with_reads(program, place, draws[place], state)
        if work is not None and place < reading[-1]:
            _advance(program, place, draws[place], work, host=host)
    return draws


def is_on_host(program: Program, draws: Sequence[Draws], batch: Mapping[str, Any]) -> bool:
    """Eager, on CPUs."""
    traced = any(t.traced for t in program.traits) or is_traced(*(d.leaves for d in draws), batch)
    return on_cpu() and not traced


def _with_reads(program: Program, place: int, draws: Draws, state: Batch | None) -> Draws:
    """The draws of a stage; made here and now where they look at the records before it."""
    if draws.are_made or not program.traits[place].reads:
        return draws
    stage = program.stages[place]
    read = entries_read(stage.transforms, stage.spec, state)
    drawn = draw(stage.transforms, draws.words, stage.spec, stage.frame, stage.first, read)
    return Draws.given(drawn, stage.spec)


def _advance(program: Program, place: int, draws: Draws, work: WorkingBatch, *, host: bool) -> None:
    """Take a batch through a stage."""
    stage = program.stages[place]
    if stage.kind == "warp":
        moves = moves_of(program, place, work.arrays)
        out = work.memory_of(_last_made(program, place, moves, work.arrays)) if host else None
        warp_batch(moves, program.traits[place], draws, work, host=host, out=out)
        return
    if stage.kind == "mix":
        _say_alone(stage, len(draws.words))
    if host and host_refuses(stage, tuple(work.arrays)) is None:
        if stage.kind == "occlude":
            occlude_on_host(stage, draws.params.values, work)
        elif stage.kind == "mix":
            mix_on_host(stage, draws.params.values, work)
        else:
            derive_on_host(stage, work)
        return
    work.keep(_by_xla(stage, draws, work.arrays))


def _last_made(
    program: Program, place: int, moves: Moves, present: Collection[str]
) -> frozenset[str]:
    """The results of a run that no later stage makes anew: they go into memory of results."""
    later: set[str] = set()
    for following in range(place + 1, len(program.stages)):
        stage = program.stages[following]
        if stage.kind == "warp":
            later |= moves_of(program, following, present).names
        elif stage.kind == "mix":
            later |= {n for n in stage.spec.entries if not stays_in(stage, n)}
        elif stage.kind == "alter":
            later |= set(stage.spec.entries)
    made, again = (
        {f"{n}{s}" for n in names for s in ("", *DERIVED)} for names in (moves.names, later)
    )
    return frozenset(made - again)


# ---- runs of warps and values ------------------------------------------------------------------


class Moves(NamedTuple):
    """A run of warps and values.

    Args:
        run: its static side.
        names: the entries that it makes anew.
        alone: nothing else comes of it.
    """

    run: Run
    names: frozenset[str]
    alone: bool = False


def moves_of(program: Program, place: int, present: Collection[str]) -> Moves:
    """What a run of a program does; without geometry it leaves alone what it does not change.

    Args:
        program: the stages.
        place: of the run among them.
        present: the entries that are there.
    """
    stage, traits = program.stages[place], program.traits[place]
    scale = traits.given_scale(stage.frame)
    run = Run(stage.spec, stage.frame, given_scale=scale, first=stage.first)
    entries = stage.spec.entries
    names = frozenset(n for n in present if n in entries and entries[n].kind != "value")
    if any(isinstance(leaf, Geometric) for leaf in traits.leaves):
        return Moves(run, names)
    images = frozenset(n for n in names if entries[n].kind == "spatial")
    touched = frozenset(n for n in images if is_touched(run, n, traits.moving))
    if place:
        return Moves(replace(run, spec=_without_validity(stage.spec)), touched, alone=True)
    # What is derived of entries is derived once: by the first run, be it empty.
    tables = names - images
    # Places in an image may be in pixels of its own.
    sized = frozenset(entries[n].of or "" for n in tables) & images
    derived = frozenset(n for n in images if entries[n].validity)
    reference = stage.spec.reference(images)
    if gains_intrinsics(stage.spec.camera) and not tables and reference is not None:
        derived |= {reference}
    return Moves(run, touched | tables | sized | derived)


@lru_cache(maxsize=64)
def _without_validity(spec: DataSpec) -> DataSpec:
    """A spec for runs that move nothing: no data are lost, and none found."""
    entries = [replace(entry, validity=False) for entry in spec.entries.values()]
    return DataSpec(spec.name, entries, spec.camera, spec.description)


def warp_batch(
    moves: Moves,
    traits: PipelineTraits,
    draws: Draws,
    work: WorkingBatch,
    *,
    host: bool,
    out: Mapping[str, Any] | None = None,
) -> None:
    """A run of warps and values, forwards or backwards, and what follows of earlier ones."""
    run, entries = moves.run, moves.run.spec.entries
    moved = {n: v for n, v in work.arrays.items() if n in moves.names}
    for name, entry in entries.items():
        before, valid = f"{name}{BEFORE}", f"{name}_valid"
        known = entry.kind == "spatial" and before in entries and valid in work.arrays
        if known and not moves.alone:
            moved[before] = work.arrays[valid]
    if not moved or (not traits.moving and untouched(run.spec, moved)):
        return
    done: Batch = dict(execute(run, traits, draws, moved, out=out, check=False))
    values = {n: v for n, v in work.arrays.items() if n in entries and entries[n].kind == "value"}
    if moves.alone:
        done = {n: done[n] for n in moves.names}
    else:
        work.keep(follow(run.spec, done, values, batched=True))
        _join_earlier(run.spec, work.arrays, done, np if host else jnp)
    if host:
        work.update(done)
    else:
        work.keep(done)


def _join_earlier(spec: DataSpec, state: Batch, done: Batch, lib: Any) -> None:
    """Put what a run derived together with what earlier ones did."""
    for name, entry in spec.entries.items():
        if entry.kind == "spatial" and f"{name}{BEFORE}" in done:
            before = lib.asarray(done.pop(f"{name}{BEFORE}"))
            valid = f"{name}_valid"
            done[valid] = before & lib.asarray(done[valid]) if valid in done else before
        elif entry.kind == "points":
            for suffix in ("_visible", "_valid", "_mirrored"):
                derived = f"{name}{suffix}"
                if derived in state and derived in done:
                    before, after = lib.asarray(state[derived]), lib.asarray(done[derived])
                    done[derived] = _both(suffix, before, after)


def _both(suffix: str, before: Array, after: Array) -> Array:
    if suffix == "_valid":
        return before  # rows that the record came with
    if suffix == "_mirrored":
        return before ^ after
    # Of a box, the share that is left of the share that was left.
    return before & after if before.dtype == bool else before * after


# ---- occlusions, mixes, alterations and derivations in XLA -------------------------------------


def _by_xla(stage: Stage, draws: Draws, state: Batch) -> Batch:
    """The entries that a stage changes or makes."""
    static = {"spec": stage.spec, "frame": stage.frame}
    if stage.kind == "derive":
        return _derive_batch(stage, state)
    if stage.kind == "alter":
        return alter_batch(stage, draws.params.values, state)
    entries = stage.spec.entries
    if stage.kind == "occlude":
        suffixes = ("", "_visible", "_valid")
        names = {f"{n}{s}" for n, e in entries.items() for s in suffixes if e.kind != "value"}
        function = _occlude
    else:
        names = {n for n in state if n in entries and not stays_in(stage, n)}
        names |= {f"{n}{s}" for n in names for s in ("_valid", "_visible")}
        names |= {n for n in state if n in entries and entries[n].kind == "spatial"}
        function = _mix
    used = gathered({n: a for n, a in state.items() if n in names})
    if not used:
        return {}
    flat = {n for n, a in used.items() if n in entries and _lacks_channels(entries[n], a)}
    used = {n: a[..., None] if n in flat else a for n, a in used.items()}
    wide = wide_in(used)
    moved = {n for n in wide if any(joins(m, stage.spec, n) for m in mixings(stage))}
    if is_traced(draws.leaves, used):
        wide, moved = {}, set()
    used = shortened(stage.transforms[0].owner, used, moved)
    done = lengthened(function(stage.transforms, draws.params.values, used, **static), wide, moved)
    return {n: a[..., 0] if n in flat else a for n, a in done.items()}


def _lacks_channels(entry: EntrySpec, array: Any) -> bool:
    return entry.kind == "spatial" and len(entry.image_shape(array.shape[1:])) == 2


@partial(jax.jit, static_argnames=("spec", "frame"))
def _occlude(
    transforms: tuple[Transform, ...],
    values: Any,
    batch: dict[str, Array],
    *,
    spec: DataSpec,
    frame: SpatialShape,
) -> dict[str, Array]:
    def one(values: Any, record: dict[str, Array]) -> dict[str, Array]:
        return occlude(spec, frame, steps_of(transforms, values), record)

    return jax.vmap(one)(values, batch)


@partial(jax.jit, static_argnames=("spec", "frame"))
def _mix(
    transforms: tuple[Transform, ...],
    values: Any,
    batch: dict[str, Array],
    *,
    spec: DataSpec,
    frame: SpatialShape,
) -> dict[str, Array]:
    return mix(spec, frame, transforms, values, batch)


def alter_batch(stage: Stage, values: Any, state: Batch, *, back: bool = False) -> Batch:
    """The entries that alterations change, or bring back.

    Args:
        stage: the alterations.
        values: what the batch drew, leading N.
        state: the entries, leading N.
        back: undo them instead.
    """
    entries = stage.spec.entries
    wanted = {*entries, *(f"{n}_valid" for n, e in entries.items() if e.kind == "spatial")}
    used = gathered({n: a for n, a in state.items() if n in wanted})
    used = {n: a for n, a in used.items() if n not in wide_in(used)}  # they would be shortened
    flat = {n for n, a in used.items() if n in entries and _lacks_channels(entries[n], a)}
    used = {n: a[..., None] if n in flat else a for n, a in used.items()}
    done = _alter(stage.transforms, values, used, spec=stage.spec, back=back)
    return {n: a[..., 0] if n in flat else a for n, a in done.items()}


@partial(jax.jit, static_argnames=("spec", "back"))
def _alter(
    transforms: tuple[Transform, ...],
    values: Any,
    batch: dict[str, Array],
    *,
    spec: DataSpec,
    back: bool,
) -> dict[str, Array]:
    def one(values: Any, record: dict[str, Array]) -> dict[str, Array]:
        return alter(spec, steps_of(transforms, values), record, back=back)

    return jax.vmap(one)(values, batch)


def _derive_batch(stage: Stage, state: Batch) -> Batch:
    done = dict(state)
    for transform in stage.transforms:
        assert isinstance(transform, Deriving)
        used = gathered({n: a for n, a in done.items() if n in transform.sources})
        wide, moved = wide_in(used), transform.moves_rows_of
        if is_traced(used):  # results are traced, too: nothing can be put together again
            wide, moved = {}, frozenset()
        used = shortened(transform.owner, used, moved)
        done |= lengthened(_derive(transform, used, spec=stage.spec), wide, moved)
    return {n: a for n, a in done.items() if state.get(n) is not a}


@partial(jax.jit, static_argnames=("spec",))
def _derive(transform: Deriving, batch: dict[str, Array], *, spec: DataSpec) -> dict[str, Array]:
    return transform.derive(spec, batch)


# ---- mixes -------------------------------------------------------------------------------------


def mixings(stage: Stage) -> list[Mixing]:
    """The mixes of a stage."""
    return [leaf for leaf in leaves(stage.transforms) if isinstance(leaf, Mixing)]


def stays_in(stage: Stage, name: str) -> bool:
    """No transform of the stage mixes an entry."""
    return all(stays(mixing, stage.spec, name) for mixing in mixings(stage))


def _say_alone(stage: Stage, size: int) -> None:
    if size == 1:
        owner = mixings(stage)[0].owner
        warn(
            f"`{owner}` blends records of a batch, and was given one record: it is its own partner "
            "and stays as it is. Call Pipeline.batch, or use a Loader."
        )
