"""Pipelines of several stages: what `Pipeline` asks of their programs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from .._machine import native
from ..checks import refuse_behind
from ..spec import DataSpec, check_structure, role_generation
from ..transforms import Deriving
from ..typing import Array, Record, SpatialShape
from .backends._dispatch import is_traced
from .backends._staged import draws_along, draws_of, params_of, run_program
from .backends._undone import invert_program
from .buffers._indexed import gathered
from .checks._arguments import check_count
from .checks._inspect import kind_of
from .checks._values import check_record_values, on_host
from .program._fitted import finish
from .program._geometry import check_camera
from .program._overrides import DERIVED, in_order, one_more_axis, override
from .program._params import RecordParams
from .program._program import Program
from .program._structure import refuse_dense
from .program._traits import PipelineTraits

# Frames and dtypes whose stages are remembered.
_MOST = 64


class Programs:
    """The programs of a pipeline of several stages, by frames and dtypes of records.

    Args:
        traits: of the pipeline.
        spec: of its records.
    """

    def __init__(self, traits: PipelineTraits, spec: DataSpec) -> None:
        self._traits, self.spec = traits, spec
        self._known: dict[Hashable, Program] = {}

    def of(self, frame: SpatialShape, record: Mapping[str, Any]) -> Program:
        """The stages, for records of a frame and of dtypes."""
        key = frame, kind_of(record)
        if key not in self._known:
            if len(self._known) >= _MOST:
                self._known.clear()
            dtypes = {name: array.dtype for name, array in record.items()}
            self._known[key] = Program(self._traits, self.spec, frame, dtypes)
        return self._known[key]

    def sample(
        self, words: Array, frame: SpatialShape, batch: Mapping[str, Any] | None
    ) -> RecordParams:
        """What all stages draw.

        Args:
            words: (N, w), of the keys.
            frame: (H, W) of the reference image.
            batch: the entries that are read, leading N; a stage reads them as they are before it.
        """
        program = self.of(frame, batch or {})
        return params_of(program, draws_along(program, words, batch), frame)

    def run(
        self,
        frame: SpatialShape,
        words: Array,
        params: RecordParams | None,
        record: Mapping[str, Any],
        *,
        batched: bool,
        check: bool,
        out: Mapping[str, Any] | None = None,
    ) -> Record:
        """Run a program of several stages on a batch or on one record."""
        check_before(self._traits, self.spec, record, batched=batched, check=False)
        return self.run_known(
            self.of(frame, record), words, params, record, batched=batched, check=check, out=out
        )

    def run_known(
        self,
        program: Program,
        words: Array,
        params: RecordParams | None,
        record: Mapping[str, Any],
        *,
        batched: bool,
        check: bool,
        out: Mapping[str, Any] | None = None,
    ) -> Record:
        """`run`, of records whose structure is known to be right."""
        if check:
            self._check_values(program, record, batched=batched)
        draws, finishing = draws_of(program, words, params), self._traits.finishing
        if not finishing:
            done = run_program(program, draws, record, out, single=not batched)
        else:  # what came out of an earlier call is of another dtype and shape
            batch = record if batched else {n: one_more_axis(a) for n, a in record.items()}
            done = self._finished(program, run_program(program, draws, batch))
            done = done if batched else {n: a[0] for n, a in done.items()}
        return {n: done[n] for n in in_order(program.out_spec, tuple(done))}

    def run_of_sizes(
        self,
        frames: Sequence[SpatialShape],
        words: Array,
        groups: Sequence[tuple[Sequence[int], Mapping[str, Any]]],
        *,
        check: bool,
    ) -> Record | None:
        """Records of different sizes, which a mix needs together: up to it by size, then as one.

        Args:
            frames: (H, W) of the reference image of every record.
            words: (N, w), of the keys.
            groups: numbers of records of one size, and these as a batch.
            check: as in `Pipeline.batch`.

        Returns:
            None where they are of different sizes at the mix, too.
        """
        parts, sizes = [], set()
        for some, batch in groups:
            program = self.of(frames[some[0]], batch)
            check_before(self._traits, self.spec, batch, batched=True, check=False)
            if check:
                self._check_values(program, batch, batched=True)
            at = next(i for i, stage in enumerate(program.stages) if stage.kind == "mix")
            draws = draws_of(program, words[np.array(some)], None)
            parts.append(run_program(program, draws, batch, end=at))
            shapes = tuple((n, np.shape(a)[1:]) for n, a in parts[-1].items())
            sizes.add((program.stages[at].frame, shapes))
        if len(sizes) > 1:
            return None
        back = np.argsort([i for some, _ in groups for i in some], kind="stable")
        state = {n: np.concatenate([np.asarray(p[n]) for p in parts])[back] for n in parts[0]}
        done = run_program(program, draws_of(program, words, None), state, begin=at)
        done = self._finished(program, done)
        return {n: done[n] for n in in_order(program.out_spec, tuple(done))}

    def _check_values(self, program: Program, record: Mapping[str, Any], *, batched: bool) -> None:
        if not is_traced(*record.values()):
            images = {n: a for n, a in record.items() if self.spec.entries[n].kind != "value"}
            check_record_values(self.spec, images, batch=batched)
            refuse_behind(self.spec, on_host(record), batch=batched)
            check_derived(program, record)

    def _finished(self, program: Program, done: Record) -> Record:
        if self._traits.finishing:
            scalars = {n for n, e in program.out_spec.entries.items() if e.kind == "value"}
            images = {n: a for n, a in done.items() if n not in scalars}
            done |= finish(self._traits.finishing, program.out_spec, images)
        return done

    def repeat(
        self,
        frame: SpatialShape,
        _words: Array,
        record: Mapping[str, Any],
        *,
        batched: bool,
        inspected: bool,
    ) -> StagedPath:
        """How records like this one are run again, without a look at their structure."""
        return StagedPath(self, self.of(frame, record), batched, inspected)

    def invert(
        self,
        params: RecordParams,
        record: Mapping[str, Any],
        roles: Mapping[str, str],
        *,
        validity: bool,
        check: bool,
    ) -> Record:
        """`invert` through a program of several stages."""
        program = self.of(params.in_shape, {})
        spec = override(program.out_spec, roles)
        derived = {f"{n}{s}" for n in spec.entries for s in DERIVED}
        given = {n: v for n, v in record.items() if n in spec.entries or n not in derived}
        drawn = given_params(params, given)
        batched = params.batched
        check_structure(
            spec, given, batch=batched, frame=params.out_shape, dtypes=False, partial=True
        )
        check_before(self._traits, spec, given, batched=batched, check=check)
        batch = given if batched else {n: one_more_axis(a) for n, a in given.items()}
        if check and batched and not is_traced(*given.values()):
            images = {n: a for n, a in batch.items() if spec.entries[n].kind != "value"}
            check_record_values(spec, images, batch=True)
        draws = draws_of(program, drawn.key, drawn)
        done = invert_program(program, draws, batch, roles, override, validity=validity)
        if not batched:
            done = {n: a[0] for n, a in done.items()}
        return {n: done[n] for n in in_order(self.spec, tuple(done))}


@dataclass(frozen=True)
class StagedPath:
    """How a pipeline of several stages runs records of a structure that it has checked.

    Args:
        programs: the pipeline's.
        program: the stages.
        batched: the records have a leading N.
        inspected: records of this kind have been found plausible.
        roles: see `role_generation`.
    """

    programs: Programs
    program: Program
    batched: bool
    inspected: bool
    roles: int = field(default_factory=role_generation)

    def __call__(
        self,
        words: Array,
        batch: Mapping[str, Any],
        out: Mapping[str, Any] | None,
        *,
        check: bool,
    ) -> Record:
        """`Pipeline.batch`, or `Pipeline.__call__` with ``words`` (w,)."""
        if not self.batched:
            words = np.asarray(words)[np.newaxis]  # type: ignore[assignment]
        return self.programs.run_known(
            self.program, words, None, batch, batched=self.batched, check=check, out=out
        )


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


def check_before(
    traits: PipelineTraits, spec: DataSpec, record: Mapping[str, Any], *, batched: bool, check: bool
) -> None:
    """What is asked of a record at the door, before it is known who runs it.

    Raises:
        RecordError: it has no camera where the geometry needs one, or values that no role has.
        ParameterError: an entry that cannot follow a dense displacement.
    """
    for name in record if traits.dense else ():
        refuse_dense(traits.all, name, spec.entries[name])
    check_camera(spec, record, projective=traits.projective)
    if check and not is_traced(*record.values()):
        if not batched:
            check_record_values(spec, record, batch=False)
        refuse_behind(spec, on_host(record), batch=batched)


def given_params(params: RecordParams, record: Mapping[str, Any]) -> RecordParams:
    """Params that have been drawn, in this machine's byte order and with a leading N."""
    params = jax.tree.map(native, params)
    if not params.batched:
        return jax.tree.map(one_more_axis, params)  # type: ignore[no-any-return]
    check_count(params.key, record)
    return params
