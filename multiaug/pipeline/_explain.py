"""What a pipeline does to a record, who does it, and why: `Pipeline.explain`."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from .._tables import Lines, Report
from ..sampling import compiled_is_available, custom_call_refused
from ..spec import DataSpec
from ..transforms import Container, Occluding, Photometric, Transform
from ..typing import SpatialShape
from .backends._host import host_refuses
from .backends._native_program import NativeProgram
from .backends._native_programs import program_of
from .backends._staged import alter_batch, moves_of, run_program, stays_in
from .backends._whole import of_one_rank
from .program._draws import Draws, draw_values, on_cpu
from .program._params import RecordParams
from .program._program import Program
from .program._reads import entries_read
from .program._sizes import frames_along
from .program._stages import Stage
from .program._structure import leaves
from .program._traits import PipelineTraits

# Two records: a mix has partners.
_COUNT = 2
_KINDS = {
    "warp": "run of warps and values",
    "occlude": "occlusion",
    "mix": "mix",
    "alter": "altered entries",
    "derive": "derived entries",
    "fitted": "fitted transforms",
}
_FITTED = "whole batches are transformed by XLA and BLAS"

State = dict[str, jax.ShapeDtypeStruct]


@dataclass(frozen=True)
class EntryPlan:
    """Who does what to one entry in one stage.

    Args:
        stage: the number of the stage, from 1 on.
        entry: its name.
        resampled: by whom the image is resampled: ``native`` or ``xla``; ``plan`` for tables and
            matrices, which are moved by the compiled plan of a batch; None where it is not.
        values: by whom its values are changed or made: ``native``, ``numpy`` or ``xla``; None where
            they are not.
        reason: why native code does not do all of it; "" where it does.
        bytes_read: of one record's entry before the stage.
        bytes_written: and behind it.
    """

    stage: int
    entry: str
    resampled: str | None
    values: str | None
    reason: str
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class StagePlan:
    """One stage.

    Args:
        kind: ``warp``, ``occlude``, ``mix``, ``alter``, ``derive`` or ``fitted``.
        transforms: the names of its transforms.
        frame: (H, W) of the reference image before it.
        out_frame: and behind it.
        entries: what is done to each entry.
        each_size: why a run is compiled anew for every size of image; "" where it is not.
    """

    kind: str
    transforms: tuple[str, ...]
    frame: SpatialShape
    out_frame: SpatialShape
    entries: tuple[EntryPlan, ...]
    each_size: str = ""


@dataclass(frozen=True)
class Explanation:
    """How a pipeline runs on records of a shape; ``print`` shows it.

    Args:
        platform: ``cpu``, ``gpu`` or ``tpu``.
        stages: in order.
        traced: why calls inside a user's own jit, vmap or grad are run by XLA on CPUs; "" where
            native code runs there too.
    """

    platform: str
    stages: tuple[StagePlan, ...]
    traced: str

    @property
    def entries(self) -> tuple[EntryPlan, ...]:
        """Those of all stages."""
        return tuple(entry for stage in self.stages for entry in stage.entries)

    @property
    def resamples(self) -> dict[str, int]:
        """Entry name -> how often its image is resampled."""
        found = Counter(e.entry for e in self.entries if e.resampled in {"native", "xla"})
        return dict(found)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-ready data."""
        return {**asdict(self), "resamples": self.resamples}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        title, *lines = self._lines()
        return Report(title, (Lines(tuple(lines)),)).html()

    def _lines(self) -> Iterator[str]:
        yield f"A record on {self.platform}, in {len(self.stages)} stage(s)"
        for number, stage in enumerate(self.stages, start=1):
            size = " x ".join(map(str, stage.frame))
            after = " x ".join(map(str, stage.out_frame))
            names = ", ".join(stage.transforms) or "nothing"
            yield f"{number}. {_KINDS[stage.kind]}: {names} ({size} -> {after})"
            for plan in stage.entries:
                does = {None: [], "plan": ["moved by the plan"]}.get(
                    plan.resampled, [f"resampled: {plan.resampled}"]
                )
                does = [*does, f"values: {plan.values}"] if plan.values else does
                amount = f"{_bytes(plan.bytes_read)} read, {_bytes(plan.bytes_written)} written"
                yield f"   {plan.entry}: {', '.join(does) or 'handed on'}; {amount}"
                if plan.reason:
                    yield f"      because {plan.reason}"
            if stage.each_size:
                yield f"   compiled for each size of image, because {stage.each_size}"
        counts = ", ".join(f"{name} {count}" for name, count in self.resamples.items())
        yield f"resamples: {counts or 'none'}"
        if self.traced:
            yield f"inside jit, vmap and grad XLA does all of it, because {self.traced}"


def explain(
    traits: PipelineTraits, spec: DataSpec, frame: SpatialShape, record: Mapping[str, Any]
) -> Explanation:
    """How a pipeline runs.

    Args:
        traits: the pipeline's.
        spec: of the records.
        frame: (H, W) of the reference image.
        record: the entries of one, of which only shapes and dtypes are read.
    """
    state: State = {
        name: jax.ShapeDtypeStruct((_COUNT, *array.shape), np.dtype(array.dtype))
        for name, array in record.items()
        if spec.entries[name].kind != "value"
    }
    scalars = {
        name: np.zeros((_COUNT, *array.shape), array.dtype)
        for name, array in record.items()
        if name not in state
    }
    dtypes = {name: array.dtype for name, array in state.items()}
    program = Program(traits, spec, frame, dtypes)
    plans = []
    for number, (stage, mine) in enumerate(zip(program.stages, program.traits, strict=True), 1):
        each_size = ""
        if stage.kind == "warp":
            entries, after, each_size = _warp(program, number, state, scalars)
            if not on_cpu():
                each_size = "accelerators run a program of one size"
        else:
            after = _after(program, stage, mine, state, scalars)
            who, reason = _who(stage, [*state, *scalars])
            if stage.kind == "alter":
                altered = _altered(stage, mine, state, scalars)
                made = {n: s for n, s in after.items() if n in altered}
                each_size = reason
            else:
                made = {n: s for n, s in after.items() if _is_changed(stage, n, state)}
            entries = _other(number, state, made, who, reason)
        owners = tuple(_name(t) for t in stage.transforms)
        if owners or stage.kind != "warp" or len(program.stages) == 1:
            frames = stage.frame, stage.out_frame
            plans.append(StagePlan(stage.kind, owners, *frames, entries, each_size))
        state = after
    if traits.finishing:
        out = plans[-1].out_frame
        owners = tuple(t.owner for t in traits.finishing)
        entries = _other(len(plans) + 1, state, state, "xla", _FITTED)
        plans.append(StagePlan("fitted", owners, out, out, entries))
    refused = custom_call_refused() if on_cpu() else None
    return Explanation(jax.default_backend(), tuple(plans), refused or "")


def _warp(
    program: Program, number: int, state: State, scalars: Mapping[str, Any]
) -> tuple[tuple[EntryPlan, ...], State, str]:
    stage, traits = program.stages[number - 1], program.traits[number - 1]
    entries = stage.spec.entries
    run, names, alone = moves_of(program, number - 1, state)
    if len(program.stages) == 1:
        names = frozenset(state)
    draws = _draws(stage, traits, {**scalars, **_blank(state)})
    moved = {n: s for n, s in _blank(state).items() if n in entries and n in names}
    if not moved:
        return (), state, ""
    batch, flat = of_one_rank(run, moved)
    native = program_of(run, traits, draws, batch)
    after = {
        name: jax.ShapeDtypeStruct(
            (_COUNT, *(s.shape[:-1] if name in flat else s.shape)), np.dtype(s.dtype)
        )
        for name, s in native.results.items()
        if not alone or name in moved
    }
    plans = []
    for name in state:
        if name not in moved:
            continue
        resampled: str | None = "plan"
        values: str | None = None
        reasons: list[str] = []
        if entries[name].kind == "spatial":
            resampled, values, reasons = _image(name, traits, native)
            resampled = None if alone else resampled
        written = sum(_size(s) for n, s in after.items() if n == name or n.startswith(f"{name}_"))
        plans.append(
            EntryPlan(
                number, name, resampled, values, "; ".join(reasons), _size(state[name]), written
            )
        )
    return tuple(plans), {**state, **after}, native.each_size or ""


def _draws(stage: Stage, traits: PipelineTraits, record: Mapping[str, Any]) -> Draws:
    """Draws of a stage, of which only shapes and dtypes are asked for."""
    words: Any = np.zeros((_COUNT, 2), np.uint32)
    if not traits.reads:
        return Draws(words, stage.transforms, stage.spec, stage.frame, stage.first)
    drawing = partial(
        draw_values,
        stage.transforms,
        spec=stage.spec,
        first=stage.first,
        frames=frames_along(stage.transforms, stage.frame),
    )
    read = entries_read(stage.transforms, stage.spec, record)
    values = jax.tree.map(_zeros, jax.eval_shape(drawing, words, read))
    return Draws.given(RecordParams(values, words, stage.frame, stage.out_frame), stage.spec)


def _image(
    name: str, traits: PipelineTraits, native: NativeProgram
) -> tuple[str, str | None, list[str]]:
    """Who resamples an image, who changes its values, and why that is not native code."""
    if not on_cpu():
        platform = jax.default_backend()
        return "xla", None, [f"batches on {platform} are one program of XLA"]
    reasons = [native.refused[name]] if name in native.refused else []
    resampled = "xla" if reasons else "native"
    changed = [t for t in leaves(traits.moving) if isinstance(t, Photometric) and t.touches(name)]
    intensity = any(g.role == "intensity" for g in native.run.spec.entries[name].groups)
    if not changed or not intensity:
        return resampled, None, reasons
    if reasons or name not in native.touched:
        return resampled, "xla" if reasons else "native", reasons
    unknown = [t.owner for t in changed if not t.described]
    if unknown:
        reasons.append(f"`{unknown[0]}` computes values in Python, and names no operations")
    else:
        reasons.append("its dtype, channels or steps are more than native value operations take")
    return resampled, "xla", reasons


def _who(stage: Stage, names: Sequence[str]) -> tuple[str, str]:
    """Who runs a stage that is no run of warps, and why that is not native code."""
    if not on_cpu():
        return "xla", f"batches on {jax.default_backend()} are one program of XLA"
    refused = host_refuses(stage, names)
    if refused is not None:
        return "xla", refused
    # Rows of a table are copied by NumPy; C does the same no faster.
    return ("native" if stage.kind != "derive" and compiled_is_available() else "numpy"), ""


def _is_changed(stage: Stage, name: str, state: State) -> bool:
    """A stage that is no run of warps changes an entry, or makes it."""
    base = next((b for s in ("_valid", "_visible") if (b := name.removesuffix(s)) != name), name)
    base = base if base in stage.spec.entries else name
    if name not in state:
        return True
    if stage.kind == "derive" or base not in stage.spec.entries:
        return False
    if stage.kind == "mix":
        return not stays_in(stage, base) and stage.spec.entries[base].kind == "spatial"
    covering = [leaf for leaf in leaves(stage.transforms) if isinstance(leaf, Occluding)]
    if not any(leaf.touches(base) for leaf in covering):
        return False
    return stage.spec.entries[base].kind == "spatial" or name == f"{base}_visible"


def _altered(
    stage: Stage, traits: PipelineTraits, state: State, scalars: Mapping[str, Any]
) -> frozenset[str]:
    """The entries that alterations change."""
    drawn = _draws(stage, traits, {**scalars, **_blank(state)}).shapes.values
    return frozenset(jax.eval_shape(partial(alter_batch, stage), drawn, {**state, **scalars}))


def _other(
    number: int, state: State, changed: State, who: str, reason: str
) -> tuple[EntryPlan, ...]:
    """The entries that another stage than a run changes, or makes."""
    plans = []
    for name, shape in changed.items():
        size = _size(state[name]) if name in state else 0
        plans.append(EntryPlan(number, name, None, who, reason, size, _size(shape)))
    return tuple(plans)


def _after(
    program: Program,
    stage: Stage,
    traits: PipelineTraits,
    state: State,
    scalars: Mapping[str, Any],
) -> State:
    """The shapes behind a stage that is no run."""
    alone = copy.copy(program)
    alone.stages, alone.traits = (stage,), (traits,)

    def run(words: Any, batch: Any) -> Any:
        draws = Draws(words, stage.transforms, stage.spec, stage.frame, stage.first)
        done = run_program(alone, [draws], {**batch, **(scalars if traits.reads else {})})
        return {name: array for name, array in done.items() if name not in scalars}

    words = jax.ShapeDtypeStruct((_COUNT, 2), np.uint32)
    found: State = jax.eval_shape(run, words, state)
    # JAX sorts names.
    return {name: found[name] for name in dict.fromkeys([*state, *found]) if name in found}


def _name(transform: Transform) -> str:
    """Its name; of a container, with the names of what is inside of it in this stage."""
    if not isinstance(transform, Container):
        return transform.owner
    return f"{transform.owner}({', '.join(leaf.owner for leaf in leaves([transform]))})"


def _is_matrix(spec: DataSpec, name: str) -> bool:
    return name in spec.entries and spec.entries[name].kind == "matrix"


def _blank(state: State) -> dict[str, Any]:
    """Arrays of these shapes that take no memory."""
    return {name: _zeros(shape) for name, shape in state.items()}


def _zeros(shape: Any) -> Any:
    return np.broadcast_to(np.zeros((), shape.dtype), shape.shape)


def _size(shape: jax.ShapeDtypeStruct) -> int:
    """Bytes of one record."""
    found: int = math.prod(shape.shape[1:]) * np.dtype(shape.dtype).itemsize
    return found


def _bytes(count: int) -> str:
    if count < 10_000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 10_000_000 else f"{count / 1e6:.1f} MB"
