"""Records of different sizes that leave a run at one size: as one batch, in native code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..._machine import core_count
from ...sampling import Bound, Flight
from ...spec import check_values
from ...typing import NDArray
from ..buffers._outputs import Layout, Results, Target, address_of, sharing_devices
from ..program._draws import Draws
from ..program._structure import Run
from ..program._traits import PipelineTraits
from ._blocks import BLOCK
from ._native_plan import Planned
from ._native_program import NativeProgram, always
from ._native_programs import program_of
from ._threads import in_threads
from ._whole import of_one_rank

Record = Mapping[str, Any]


def run_mixed(
    runs: Sequence[Run],
    traits: PipelineTraits,
    words: Any,
    records: Sequence[Record],
    out: Mapping[str, Any] | None,
    *,
    check: bool,
) -> Results | None:
    """The results of records of different sizes; None where some are not native code's alone.

    Args:
        runs: the static side of every record.
        traits: the pipeline's.
        words: (N, w) uint32, of their keys.
        records: their images and tables, without a leading axis.
        out: results of an earlier call, whose memory may be used.
        check: refuse values that the spec does not allow.

    Raises:
        RecordError: there are such values.
    """
    shapes = [of_one_rank(run, _batch_of_one(r)) for run, r in zip(runs, records, strict=True)]
    programs = [
        program_of(
            run, traits, Draws(words[:1], traits.moving, run.spec, run.frame, run.first), one
        )
        for run, (one, _) in zip(runs, shapes, strict=True)
    ]
    # What is drawn for every frame of an entry (T, H, W, C) lies frame by frame.
    if any(p.each_size is not None or p.kernel is None or p.times for p in programs):
        return None
    if any(program.results != programs[0].results for program in programs):
        return None  # the memory of results is that of the first; who called says what differs
    layout = Layout(programs[0].results, len(records), shapes[0][1], sharing_devices(len(records)))
    target = Target(layout, out)
    bounds: dict[int, Bound] = {}
    plans: list[Planned] = []  # bounds point to their memory
    # Compiled functions are shared by most sizes, not by all: some are shrunk and others are not.
    for planner in {id(program.planner): program.planner for program in programs}.values():
        mine = [i for i, program in enumerate(programs) if program.planner is planner]
        for begin in range(0, len(mine), BLOCK):
            some = mine[begin : begin + BLOCK]
            block = np.array(some)[np.minimum(np.arange(BLOCK), len(some) - 1)]
            planned = _planned(programs, traits, words, records, block)
            plans.append(planned)
            for place, number in enumerate(some):
                bounds[number] = _pointed(
                    programs[number], records[number], planned, place, target.at(number), layout,
                    check=check,
                )  # fmt: skip
                for name, table in planned.tables.items():
                    row = target.view(name)[number, ...]
                    found = np.asarray(table)[place]
                    row[...] = found[: len(row)] if found.ndim else found
    _run(list(bounds.values()))
    del plans
    for number, (program, record) in enumerate(zip(programs, records, strict=True)):
        bounds[number].check_memory()
        if check:
            rest = {n: np.asarray(record[n])[None] for n in program.rest}
            sound = program.look(record, rest, single=True)
            if not sound or bounds[number].has_nonfinite:
                check_values(program.run.spec, record, batch=False)
    return target.arrays()


def _batch_of_one(record: Record) -> dict[str, NDArray]:
    """Shapes and dtypes of a record with a leading axis, without its values."""
    return {n: np.broadcast_to(np.zeros((), a.dtype), (1, *a.shape)) for n, a in record.items()}


def _planned(
    programs: Sequence[NativeProgram],
    traits: PipelineTraits,
    words: NDArray,
    records: Sequence[Record],
    block: NDArray,
) -> Planned:
    """The plan of a block of records, each with sizes of its own."""
    one = programs[block[0]]
    tables = {n: np.stack([np.asarray(records[i][n]) for i in block]) for n in one.rest}
    sizes = [programs[i].sizes for i in block]
    rows = np.stack([rows[0] for rows, _ in sizes if rows is not None])
    scales = np.stack([scales[0] for _, scales in sizes if scales is not None])
    found: Planned = one.planner.draw_and_plan(
        traits.settings, words[block], one.filled(tables), always(), rows, scales
    )
    return found


def _pointed(
    program: NativeProgram,
    record: Record,
    planned: Planned,
    place: int,
    places: Mapping[str, int],
    layout: Layout,
    *,
    check: bool,
) -> Bound:
    """One record, made ready to be sampled; it is the one at ``place`` of what was planned."""
    assert program.kernel is not None
    sources = {name: address_of(record[name]) for name, _, _ in program.native_pictures}
    bound = program.kernel.bound(
        1, layout.record_bytes, program.checks if check else {}, 1, planned.pointwise_programs
    )
    bound.point(sources, {}, places, planned.geometry, planned.pointwise_programs, first=place)
    return bound


def _run(bounds: Sequence[Bound]) -> None:
    """Sample records, by a thread for every core."""

    def work(some: Sequence[Bound]) -> None:
        flight = Flight(len(some))
        try:
            for bound in some:
                flight.add(bound, 0)
        finally:
            flight.finish()

    count = min(core_count(), len(bounds))
    in_threads([partial(work, bounds[i::count]) for i in range(count)])
