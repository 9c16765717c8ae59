"""Programs of several stages: one after the other, each by who runs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from ...errors import ParameterError, RecordError, warn
from ...spec import DataSpec
from ...transforms import Deriving, Mixing, Transform
from ...typing import Array, SpatialShape
from ..buffers._indexed import gathered
from ..program._draws import Draws, draw
from ..program._fitted import untouched
from ..program._geometry import steps_of
from ..program._mix import mix, stays
from ..program._occlude import covered_pixels, occlude
from ..program._params import RecordParams
from ..program._program import Program
from ..program._reads import entries_read
from ..program._spec_after import BEFORE, mask_of
from ..program._stages import Stage
from ..program._structure import Run, gains_intrinsics
from ..program._ties import follow
from ..program._traits import PipelineTraits
from ._dispatch import execute

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


def run_program(program: Program, draws: Sequence[Draws], batch: Mapping[str, Any]) -> Batch:
    """Apply what a batch drew to it, stage by stage.

    Args:
        program: the stages.
        draws: of each of them.
        batch: the entries, leading N; scalars among them.
    """
    state: Batch = dict(batch)
    for place, drawn in enumerate(draws):
        state = _advance(program, place, _with_reads(program, place, drawn, state), state)
    return state


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
    state = None if batch is None else dict(batch)
    for place in range(max(reading, default=-1) + 1):
        draws[place] = _with_reads(program, place, draws[place], state)
        if state is not None and place < reading[-1]:
            state = _advance(program, place, draws[place], state)
    return draws


def _with_reads(program: Program, place: int, draws: Draws, state: Batch | None) -> Draws:
    """The draws of a stage; made here and now where they look at the records before it."""
    if draws.are_made or not program.traits[place].reads:
        return draws
    stage = program.stages[place]
    read = entries_read(stage.transforms, stage.spec, state)
    drawn = draw(stage.transforms, draws.words, stage.spec, stage.frame, stage.first, read)
    return Draws.given(drawn, stage.spec)


def _advance(program: Program, place: int, draws: Draws, state: Batch) -> Batch:
    """The records behind a stage."""
    stage, traits = program.stages[place], program.traits[place]
    if stage.kind == "warp":
        scale = traits.given_scale(stage.frame)
        run = Run(stage.spec, stage.frame, given_scale=scale, first=stage.first)
        return _warp(run, traits, draws, state)
    if stage.kind == "occlude":
        return {**state, **_occlude_batch(stage, draws, state)}
    if stage.kind == "mix":
        return {**state, **_mix_batch(stage, draws, state)}
    return _derive_batch(stage, state)


def check_derived(program: Program, batch: Mapping[str, Any]) -> None:
    """Refuse values that the derivations can make nothing of.

    Raises:
        RecordError: naming the entry and what was found.
    """
    for stage in program.stages:
        for transform in stage.transforms:
            if isinstance(transform, Deriving):
                given = {n: a for n, a in gathered(batch).items() if n in stage.spec.entries}
                transform.check_values(stage.spec, given)


# ---- runs of warps and values ------------------------------------------------------------------


def _warp(run: Run, traits: PipelineTraits, draws: Draws, state: Batch) -> Batch:
    """A run of warps and values, forwards or backwards, and what follows of earlier ones."""
    entries = run.spec.entries
    values = {n: v for n, v in state.items() if n in entries and entries[n].kind == "value"}
    moved = {n: v for n, v in state.items() if n in entries and n not in values}
    for name, entry in entries.items():
        if entry.kind == "spatial" and f"{name}_valid" in state and f"{name}{BEFORE}" in entries:
            moved[f"{name}{BEFORE}"] = state[f"{name}_valid"]
    if not moved or (not traits.moving and untouched(run.spec, moved)):
        return state
    done: Batch = dict(execute(run, traits, draws, moved, out=None, check=False))
    values = follow(run.spec, done, values, batched=True)
    return {**state, **_with_earlier(run.spec, state, done), **values}


def _with_earlier(spec: DataSpec, state: Batch, done: Batch) -> Batch:
    """What a run derived, together with what earlier ones did."""
    for name, entry in spec.entries.items():
        if entry.kind == "spatial" and f"{name}{BEFORE}" in done:
            before = jnp.asarray(done.pop(f"{name}{BEFORE}"))
            valid = f"{name}_valid"
            done[valid] = before & done[valid] if valid in done else before
        elif entry.kind == "points":
            for suffix in ("_visible", "_valid", "_mirrored"):
                if f"{name}{suffix}" in state and f"{name}{suffix}" in done:
                    pair = (jnp.asarray(state[f"{name}{suffix}"]), done[f"{name}{suffix}"])
                    done[f"{name}{suffix}"] = _both(suffix, *pair)
    return done


def _both(suffix: str, before: Array, after: Array) -> Array:
    if suffix == "_valid":
        return before  # rows that the record came with
    if suffix == "_mirrored":
        return before ^ after
    # Of a box, the share that is left of the share that was left.
    return before & after if before.dtype == bool else before * after


# ---- occlusions --------------------------------------------------------------------------------


def _occlude_batch(stage: Stage, draws: Draws, state: Batch) -> Batch:
    entries = stage.spec.entries
    suffixes = ("", "_visible", "_valid")
    wanted = {f"{n}{s}" for n, e in entries.items() for s in suffixes if e.kind != "value"}
    held, flat = _one_rank(stage.spec, {n: a for n, a in state.items() if n in wanted})
    done = _occlude(stage.transforms, draws.params.values, held, spec=stage.spec, frame=stage.frame)
    return _as_before(done, flat)


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
        steps = [step for step, _ in steps_of(transforms, values, frame)]
        return occlude(spec, frame, steps, record)

    return jax.vmap(one)(values, batch)


# ---- mixes -------------------------------------------------------------------------------------


def _mix_batch(stage: Stage, draws: Draws, state: Batch) -> Batch:
    if len(draws.words) == 1:
        owner = stage.transforms[0].owner
        warn(
            f"`{owner}` blends records of a batch, and was given one record: it is its own partner "
            "and stays as it is. Call Pipeline.batch, or use a Loader."
        )
    entries = stage.spec.entries
    names = {n for n in state if n in entries and not _stays(stage, n)}
    names |= {f"{n}_valid" for n in names if f"{n}_valid" in state}
    if not names:
        return {}
    held, flat = _one_rank(stage.spec, {n: state[n] for n in names})
    done = _mix(stage.transforms, draws.params.values, held, spec=stage.spec, frame=stage.frame)
    return _as_before(done, flat)


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


def _stays(stage: Stage, name: str) -> bool:
    """No transform of the stage mixes an entry."""
    return all(stays(m, stage.spec, name) for m in _mixings(stage))


def _mixings(stage: Stage) -> list[Mixing]:
    return [leaf for leaf in PipelineTraits(stage.transforms).leaves if isinstance(leaf, Mixing)]


# ---- derivations -------------------------------------------------------------------------------


def _derive_batch(stage: Stage, state: Batch) -> Batch:
    done = dict(state)
    for transform in stage.transforms:
        assert isinstance(transform, Deriving)
        used = gathered({n: a for n, a in done.items() if n in transform.sources})
        done |= _derive(transform, used, spec=stage.spec)
    return done


@partial(jax.jit, static_argnames=("spec",))
def _derive(transform: Deriving, batch: dict[str, Array], *, spec: DataSpec) -> dict[str, Array]:
    return transform.derive(spec, batch)


# ---- the way back ------------------------------------------------------------------------------


def invert_program(
    program: Program,
    draws: Sequence[Draws],
    batch: Mapping[str, Any],
    roles: Mapping[str, str],
    override: Any,
    *,
    validity: bool,
) -> Batch:
    """Bring a batch back through the stages.

    Args:
        program: the stages.
        draws: of each of them.
        batch: some entries behind the last stage, leading N.
        roles: entry name -> role of predictions.
        override: (spec, roles) -> the spec with these roles.
        validity: say where there are data, of every image.

    Raises:
        ParameterError: a stage that cannot be undone on an entry.
        RecordError: the camera of an entry is not known.
    """
    state: Batch = dict(batch)
    for place in reversed(range(len(program.stages))):
        stage, traits, drawn = program.stages[place], program.traits[place], draws[place]
        entries = stage.spec.entries
        spec = override(stage.spec, {n: r for n, r in roles.items() if n in entries})
        if stage.kind == "warp":
            if place:
                _need_camera(spec, traits, state)
            spec = _remembering(spec, frozenset(state), validity=validity)
            predicted = tuple(sorted(n for n in roles if n in entries))
            run = Run(spec, stage.frame, True, predicted, first=stage.first)
            state = _warp(run, traits, drawn, state)
        elif stage.kind == "occlude":
            state |= _uncover(stage, drawn, spec, state, validity=validity)
        elif stage.kind == "mix":
            for name in state:
                if name in entries and name not in roles and not _stays(stage, name):
                    _refuse(_mixings(stage)[0], name, "its values are those of two records")
        else:
            for transform in stage.transforms:
                assert isinstance(transform, Deriving)
                new = transform.out_spec(stage.spec).entries.keys() - entries.keys()
                for name in (new | transform.replaces) & state.keys():
                    if name in new or name not in roles:
                        _refuse(transform, name, "it was made of another entry")
    return state


def _refuse(transform: Transform, name: str, reason: str) -> None:
    raise ParameterError(
        f"`{transform.owner}` cannot be inverted on entry {name!r}: {reason}. Leave the entry out "
        "of the call; a prediction in its place is named in `roles`."
    )


def _need_camera(spec: DataSpec, traits: PipelineTraits, state: Batch) -> None:
    """Behind the first run, a default camera is one that earlier runs have moved."""
    if not gains_intrinsics(spec.camera) or not traits.moving or "intrinsics" in state:
        return
    declared = [n for n, e in spec.entries.items() if e.role == "intrinsics" and n in state]
    for name in () if declared else state:
        entry = spec.entries.get(name)
        if entry is not None and any(group.traits.needs_camera for group in entry.groups):
            raise RecordError(
                f"The entry {name!r} follows a camera that several stages have moved. Give the "
                "`intrinsics` that the pipeline returned with it."
            )


@lru_cache(maxsize=64)
def _remembering(spec: DataSpec, names: frozenset[str], *, validity: bool) -> DataSpec:
    """A spec with what later stages found of validity, and with the wish for it."""
    entries = []
    for entry in spec.entries.values():
        image = entry.kind == "spatial" and not entry.name.endswith(BEFORE)
        entries.append(replace(entry, validity=True) if validity and image else entry)
        mask = f"{entry.name}{BEFORE}"
        if image and f"{entry.name}_valid" in names and mask not in spec.entries:
            entries.append(mask_of(entry, mask))
    return DataSpec(spec.name, entries, spec.camera, spec.description)


def _uncover(stage: Stage, draws: Draws, spec: DataSpec, state: Batch, *, validity: bool) -> Batch:
    """What was covered stays so, as what was cropped away does; where that is can be said."""
    found: Batch = {}
    for name, entry in spec.entries.items():
        if name not in state or entry.kind != "spatial" or not (validity or entry.validity):
            continue
        shape = state[name].shape
        size = entry.image_shape(shape[1:])[:2]
        covered = _covered_of(
            stage.transforms, draws.params.values, name=name, size=size, frame=stage.frame
        )
        if entry.time is not None:
            covered = jnp.broadcast_to(covered[:, None], (*shape[:2], *size))
        before = state.get(f"{name}_valid")
        found[f"{name}_valid"] = ~covered if before is None else before & ~covered
    return found


@partial(jax.jit, static_argnames=("name", "size", "frame"))
def _covered_of(
    transforms: tuple[Transform, ...],
    values: Any,
    *,
    name: str,
    size: SpatialShape,
    frame: SpatialShape,
) -> Array:
    def one(values: Any) -> Array:
        steps = [step for step, _ in steps_of(transforms, values, frame)]
        return covered_pixels(steps, name, size, frame)

    return jax.vmap(one)(values)


# ---- shapes ------------------------------------------------------------------------------------


def _one_rank(spec: DataSpec, batch: Mapping[str, Any]) -> tuple[Batch, set[str]]:
    """A batch of arrays with an axis of channels for all images, and those that had none."""
    held = gathered(batch)
    images = {n: spec.entries[n] for n in held if n in spec.entries}
    flat = {
        n
        for n, entry in images.items()
        if entry.kind == "spatial" and len(entry.image_shape(held[n].shape[1:])) == 2
    }
    return {n: a[..., None] if n in flat else a for n, a in held.items()}, flat


def _as_before(batch: Mapping[str, Array], flat: Collection[str]) -> Batch:
    return {n: a[..., 0] if n in flat else a for n, a in batch.items()}
