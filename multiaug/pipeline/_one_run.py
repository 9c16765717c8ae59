"""Pipelines of a single run of warps and values: what `Pipeline` asks of it.

`Programs` answers the same for pipelines of several stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..spec import DataSpec, check_structure
from ..typing import Array, Record, SpatialShape
from ._programs import check_before, given_params
from .backends._dispatch import call_in_c, execute, is_traced
from .backends._fast_path import FastPath
from .buffers._indexed import gathered
from .checks._values import check_record_values
from .program._draws import Draws, draw
from .program._fitted import finish, untouched
from .program._overrides import DERIVED, in_order, one_more_axis, override, with_validity
from .program._params import RecordParams
from .program._reads import entries_read
from .program._structure import Run, check_frames, gains_intrinsics
from .program._ties import follow
from .program._traits import PipelineTraits


class OneRun:
    """A run, for records of all frames.

    Args:
        traits: of the pipeline.
        spec: of its records.
    """

    def __init__(self, traits: PipelineTraits, spec: DataSpec) -> None:
        self._traits, self._spec = traits, spec

    def sample(
        self, words: Array, frame: SpatialShape, batch: Mapping[str, Any] | None
    ) -> RecordParams:
        """What records draw; see `Programs.sample`."""
        return self._draws(words, frame, batch).params

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
        """Run a batch or one record with what is given, or what is drawn from the words."""
        if params is None:
            draws = self._draws(words, frame, self._read(record, batched=batched))
        else:
            draws = Draws.given(params, self._spec)
        return self._execute(self._run(frame), draws, record, batched=batched, check=check, out=out)

    def repeat(
        self,
        frame: SpatialShape,
        words: Array,
        record: Mapping[str, Any],
        *,
        batched: bool,
        inspected: bool,
    ) -> FastPath | None:
        """How records like this one are run again, where native code does all of it."""
        values = [n for n in record if self._spec.entries[n].kind == "value"]
        moved = {n: a for n, a in record.items() if n not in values}
        if not moved or self._traits.finishing:
            return None
        draws = self._draws(words, frame, self._read(record, batched=batched))
        # Params are made for batches that are run in parts, and where draws read the record.
        if draws.are_made and not self._traits.reads:
            return None
        if not batched:  # only shapes are read: JAX would compile a new axis for each
            moved = {
                n: np.broadcast_to(np.zeros((), a.dtype), (1, *a.shape)) for n, a in moved.items()
            }
        run = self._run(frame)
        call = call_in_c(run, self._traits, draws, moved, single=not batched)
        if call is None:
            return None
        return FastPath(call, self._traits, run, values, inspected, single=not batched)

    def invert(
        self,
        params: RecordParams,
        record: Mapping[str, Any],
        roles: Mapping[str, str],
        *,
        validity: bool,
        check: bool,
    ) -> Record:
        """Undo the run."""
        spec = override(self._spec, roles)
        if validity:
            spec = with_validity(spec)
        derived = {f"{n}{s}" for n in spec.entries for s in DERIVED}
        if gains_intrinsics(spec.camera) and "intrinsics" not in spec.entries:
            derived.add("intrinsics")
        given = {n: v for n, v in record.items() if n in spec.entries or n not in derived}
        draws = Draws.given(given_params(params, given), self._spec)
        check_structure(
            spec, given, batch=params.batched, frame=params.out_shape, dtypes=False, partial=True
        )
        run = Run(spec, params.in_shape, inverse=True, resample_only=tuple(sorted(roles)))
        return self._execute(run, draws, given, batched=params.batched, check=check)

    def _run(self, frame: SpatialShape) -> Run:
        return Run(self._spec, frame, given_scale=self._traits.given_scale(frame))

    def _read(self, record: Mapping[str, Any], *, batched: bool) -> Mapping[str, Any]:
        """The record as a batch, where draws look at it."""
        if batched or not self._traits.reads:
            return record
        return {name: one_more_axis(array) for name, array in record.items()}

    def _draws(self, words: Array, frame: SpatialShape, batch: Mapping[str, Any] | None) -> Draws:
        check_frames(self._traits.all, self._spec, frame)
        moving = self._traits.moving
        if not self._traits.reads:
            return Draws(words, moving, self._spec, frame)
        read = entries_read(moving, self._spec, batch)
        return Draws.given(draw(moving, words, self._spec, frame, record=read), self._spec)

    def _execute(
        self,
        run: Run,
        draws: Draws,
        record: Mapping[str, Any],
        *,
        batched: bool,
        check: bool,
        out: Mapping[str, Any] | None = None,
    ) -> Record:
        """Apply ``draws``, of a leading N or 1, to a batch or to one record."""
        traits = self._traits
        check_before(traits, run.spec, record, batched=batched, check=check)
        # Scalars pass by: no 64-bit id may be cut down to JAX's default of 32 bits.
        values = {n: v for n, v in record.items() if run.spec.entries[n].kind == "value"}
        moved = {n: v for n, v in record.items() if n not in values}
        if not moved:
            return values
        if traits.finishing:
            out = None  # what came out of an earlier call is of another dtype and shape
        if batched and traits.finishing and not traits.moving and untouched(run.spec, moved):
            if check and not is_traced(draws.leaves, moved):
                check_record_values(run.spec, moved, batch=True)
            done = gathered(moved)
        elif batched:
            done = execute(run, traits, draws, moved, out=out, check=check)
        else:
            one = {n: one_more_axis(a) for n, a in moved.items()}
            done = execute(run, traits, draws, one, out=None, check=False)
        if traits.finishing and not run.inverse:
            done = finish(traits.finishing, self._spec, done)
        if not batched:
            done = {n: a[0] for n, a in done.items()}
        done |= follow(run.spec, done, values, batched=batched)
        return {n: done[n] for n in in_order(run.spec, tuple(done))}
