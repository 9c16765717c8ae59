"""Programs of several stages, backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np

from ...errors import ParameterError, RecordError
from ...spec import DataSpec
from ...transforms import Deriving, Transform
from ...typing import Array, NDArray, SpatialShape
from ..buffers._working import WorkingBatch
from ..program._draws import Draws
from ..program._geometry import steps_of
from ..program._occlude import covered_pixels, pixel_centres
from ..program._program import Program
from ..program._spec_after import BEFORE, mask_of
from ..program._stages import Stage
from ..program._steps import steps_of_batch
from ..program._structure import Run, gains_intrinsics
from ..program._traits import PipelineTraits
from ._fill import fill_boxes
from ._host import covered_boxes, host_refuses, wholly
from ._staged import Moves, alter_batch, is_on_host, mixings, stays_in, warp_batch

Batch = dict[str, Any]


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
    host = is_on_host(program, draws, batch)
    work = WorkingBatch(batch, None)
    for place in reversed(range(len(program.stages))):
        stage, traits, drawn = program.stages[place], program.traits[place], draws[place]
        entries = stage.spec.entries
        spec = override(stage.spec, {n: r for n, r in roles.items() if n in entries})
        state = work.arrays
        if stage.kind == "warp":
            if place:
                _need_camera(spec, traits, state)
            spec = _remembering(spec, frozenset(state), validity=validity)
            predicted = tuple(sorted(n for n in roles if n in entries))
            run = Run(spec, stage.frame, True, predicted, first=stage.first)
            names = frozenset(n for n in state if n in entries and entries[n].kind != "value")
            warp_batch(Moves(run, names), traits, drawn, work, host=host)
        elif stage.kind == "occlude":
            work.keep(_uncover(stage, drawn, spec, state, host=host, validity=validity))
        elif stage.kind == "alter":
            work.keep(alter_batch(stage._replace(spec=spec), drawn.params.values, state, back=True))
        elif stage.kind == "mix":
            for name in state:
                if name in entries and name not in roles and not stays_in(stage, name):
                    _refuse(mixings(stage)[0], name, "its values are those of two records")
        else:
            for transform in stage.transforms:
                assert isinstance(transform, Deriving)
                new = transform.out_spec(stage.spec).entries.keys() - entries.keys()
                for name in (new | transform.replaces) & state.keys():
                    if name in new or name not in roles:
                        _refuse(transform, name, "it was made of another entry")
    if not host:
        return work.arrays
    return work.results({n for n, e in program.stages[0].spec.entries.items() if e.kind == "value"})


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


def _uncover(
    stage: Stage, draws: Draws, spec: DataSpec, state: Batch, *, host: bool, validity: bool
) -> Batch:
    """What was covered stays so, as what was cropped away does; where that is can be said."""
    found: Batch = {}
    host = host and host_refuses(stage, ()) is None
    for name, entry in spec.entries.items():
        if name not in state or entry.kind != "spatial" or not (validity or entry.validity):
            continue
        shape = state[name].shape
        size = (shape[2], shape[3]) if entry.time is not None else (shape[1], shape[2])
        values, before = draws.params.values, state.get(f"{name}_valid")
        if host:
            covered: Any = _covered_on_host(stage, values, name, size)
            before = None if before is None else np.asarray(before)
        else:
            covered = _covered_of(stage.transforms, values, name=name, size=size, frame=stage.frame)
        if entry.time is not None:
            covered = np.broadcast_to(np.asarray(covered)[:, None], (*shape[:2], *size))
        found[f"{name}_valid"] = ~covered if before is None else before & ~covered
    return found


def _covered_on_host(stage: Stage, values: Any, name: str, size: SpatialShape) -> NDArray:
    """(N, h, w) bool: the pixels of an entry that a stage covers."""
    steps = steps_of_batch(stage.transforms, values)
    count = len(jax.tree.leaves(values)[0])
    covered: NDArray = np.zeros((count, *size, 1), bool)
    for step in steps:
        if step.transform.touches(name):  # type: ignore[attr-defined]
            boxes = covered_boxes(step, *pixel_centres(size, stage.frame), stage.frame)
            boxes = wholly(step, name, boxes)
            fill_boxes(covered, boxes, slice(None), np.ones((), bool))
    return covered[..., 0]


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
        return covered_pixels(steps_of(transforms, values), name, size, frame)

    return jax.vmap(one)(values)
