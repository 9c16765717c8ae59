"""Before anything is read: what is gathered for which channels, by which solver, in how much."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .._machine import bytes_text
from ..errors import ParameterError
from ..statistics import Statistic, Subject
from ._records import Records, Target

_LOG = logging.getLogger("multiaug")

Solver = Literal["auto", "primal", "dual", "lowrank"]
SOLVERS = ("auto", "primal", "dual", "lowrank")

# The interpreter, JAX, compiled programs and what they are reading.
_BASE = 300 * 10**6


@dataclass
class Task:
    """One statistic of one channel group.

    Args:
        target: the channels.
        statistic: what is gathered; its name is the one in the result.
        look: see `multiaug.statistics.Needs`.
        derived: likewise.
    """

    target: Target
    statistic: Statistic
    look: Callable[[Any], Any] | None = None
    derived: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Under which it is found in the result."""
        return self.statistic.name


@dataclass
class Plan:
    """All that a fit will do.

    Args:
        tasks: in the order of the targets.
        solvers: label -> how it is whitened and why.
        projected: bytes.
        gathered: bytes of them that the statistics take.
        block_rows: records of one side of a pair, where pairs are needed.
    """

    tasks: list[Task] = field(default_factory=list)
    solvers: dict[str, str] = field(default_factory=dict)
    projected: int = _BASE
    gathered: int = 0
    block_rows: int = 0


def make_plan(records: Records, statistics: Sequence[Statistic], memory: int, solver: str) -> Plan:
    """Decide everything.

    Raises:
        ParameterError: nothing to fit, unknown entries, or more memory than is allowed.
    """
    if solver not in SOLVERS:
        raise ParameterError(f"`fit.solver` must be one of {', '.join(SOLVERS)}, got {solver!r}.")
    if not statistics:
        raise ParameterError(
            "`fit` must be told what to gather, got nothing. Pass multiaug.Moments() or "
            "multiaug.ZCA(), or both."
        )
    plan, targets = Plan(), records.targets()
    for statistic in statistics:
        if not isinstance(statistic, Statistic):
            raise ParameterError(
                f"`fit` must be told statistics such as multiaug.Moments(), got {statistic!r}."
            )
        for target in _targets_of(statistic, targets, records):
            _plan_one(plan, statistic, target, records.n, memory, solver)
    names = [(task.target.label, task.name) for task in plan.tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(
            f"`fit` must gather each statistic once, got two {twice[1]} of {twice[0]!r}."
        )
    if plan.projected > memory:
        raise ParameterError(
            f"fit needs {bytes_text(plan.projected)} for "
            f"{', '.join(f'{name} of {label}' for label, name in names)} and, "
            f"{bytes_text(_BASE)} of it, for Python, JAX and what is read, but allowed is "
            f"{bytes_text(memory)}. Raise memory, or fit fewer statistics at a time."
        )
    for label, reason in plan.solvers.items():
        _LOG.info("fit: %s: %s", label, reason)
    _LOG.info("fit: %s of %s projected", bytes_text(plan.projected), bytes_text(memory))
    return plan


def _targets_of(statistic: Statistic, targets: Sequence[Target], records: Records) -> list[Target]:
    """The channel groups that a statistic is gathered for."""
    unknown = sorted(set(statistic.entries or ()) - {target.entry for target in targets})
    if unknown:
        raise ParameterError(
            f"`{statistic.owner}.entries` must name pictures of the source, got {unknown[0]!r}. It "
            f"has {sorted({target.entry for target in targets})}."
        )
    named = [t for t in targets if statistic.entries is None or t.entry in statistic.entries]
    asked = statistic.entries is not None
    found = [t for t in named if statistic.suits(t.group.role, named=asked)]
    if not found:
        raise ParameterError(
            f"`{statistic.owner}` must have channels to gather, and the source has none of a role "
            f"that suits it among {[t.label for t in named]}."
        )
    return found


def _plan_one(
    plan: Plan, statistic: Statistic, target: Target, n: int, memory: int, solver: str
) -> None:
    wanted = statistic.of_frames() if target.frames else statistic
    if wanted is None:
        raise ParameterError(
            f"`fit` gathers Moments(per='channel') of the frames of {target.entry!r}, got "
            f"{statistic.owner}. Name the entries without time: entries=[..]; or open the frames "
            'as records of their own, arrays of shape (N * T, H, W, C) by a spec without "time".'
        )
    subject = Subject(
        label=target.label,
        record_shape=target.record_shape,
        dtype=target.dtype,
        role=target.group.role,
        invalid=target.group.invalid,
        records=n,
        memory=memory,
        left=memory - plan.projected,
        solver=solver,
    )
    needs = wanted.needs(subject)
    plan.projected += needs.nbytes
    plan.gathered += needs.nbytes
    plan.block_rows = needs.block_rows or plan.block_rows
    if needs.reason:
        plan.solvers[target.label] = needs.reason
    plan.tasks.append(Task(target, needs.statistic, needs.look, needs.derived))
