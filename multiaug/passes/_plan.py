"""Before anything is read: what is gathered for which channels, by which solver, in how much."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from .._machine import bytes_text
from ..errors import ParameterError, warn
from ..statistics import ZCA, Covariance, Gram, LowRank, Moments, Statistic, held_dtype, kind_of
from ._records import Records, Target

_LOG = logging.getLogger("multiaug")

Solver = Literal["auto", "primal", "dual", "lowrank"]
SOLVERS = ("auto", "primal", "dual", "lowrank")

# The eigenvectors of more records take longer than a sketch of 512 directions would.
_MOST_DUAL = 12_000
_MOST_COMPONENTS = 512
# The interpreter, JAX, compiled programs and what they are reading.
_BASE = 300 * 10**6


@dataclass
class Task:
    """One statistic of one channel group.

    Args:
        target: the channels.
        statistic: what is gathered.
        name: under which it is found in the result.
        request: the ZCA that it serves.
        components: eigenvectors to keep, of a dual solver.
    """

    target: Target
    statistic: Statistic
    name: str
    request: ZCA | None = None
    components: int = 0

    @property
    def whitens(self) -> bool:
        """Pixels without data are refused or filled in: products need every pixel."""
        return not isinstance(self.statistic, Moments)


@dataclass
class Plan:
    """All that a fit will do.

    Args:
        tasks: in the order of the targets.
        solvers: label -> the solver of its ZCA and why.
        projected: bytes.
        block_rows: records of one side of a pair, where pairs are needed.
    """

    tasks: list[Task] = field(default_factory=list)
    solvers: dict[str, str] = field(default_factory=dict)
    projected: int = _BASE
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
    # Labels are names, and their mean is none. Only intensities are whitened.
    if isinstance(statistic, Moments) or statistic.entries is not None:
        found = [t for t in named if t.group.role != "label"]
    else:
        found = [t for t in named if t.group.role == "intensity"]
    if statistic.name in ("zca", "stationary"):
        found = [t for t in found if t.group.role == "intensity"]
    if not found:
        raise ParameterError(
            f"`{statistic.owner}` must have channels to gather, and the source has none of a role "
            f"that suits it among {[t.label for t in named]}."
        )
    return found


def _plan_one(
    plan: Plan, statistic: Statistic, target: Target, n: int, memory: int, solver: str
) -> None:
    where: dict[str, Any] = {
        "record_shape": target.record_shape,
        "dtype": target.dtype,
        "entries": None,
    }
    d = target.size
    if target.frames:
        statistic = _of_frames(statistic, target)
    if isinstance(statistic, ZCA):
        _plan_zca(plan, statistic, target, where, n, memory, solver)
        return
    if isinstance(statistic, Moments):
        bound = replace(statistic, invalid=target.group.invalid, **where)
        if statistic.per is None and bound.by_channel:
            warn(
                f"fit: moments of {target.label!r} are gathered by channel, because {d:,} numbers "
                f"a record would need {bytes_text(_moments_bytes(d))} by pixel. Say "
                "Moments(per='channel') if that is right, or Moments(per='pixel')."
            )
        plan.projected += _moments_bytes(bound.cells)
        plan.tasks.append(Task(target, bound, bound.name))
        return
    if isinstance(statistic, Covariance):
        plan.projected += 40 * d * d
    elif isinstance(statistic, Gram):
        raise ParameterError(
            "`fit` gathers pairs of records for multiaug.ZCA() with solver='dual', got Gram. Pass "
            "that, or update a Gram state by hand."
        )
    elif isinstance(statistic, LowRank):
        plan.projected += _lowrank_bytes(d, statistic.components)
    else:
        plan.projected += 40 * d * target.record_shape[-1] + 2**27
    plan.tasks.append(Task(target, replace(statistic, **where), statistic.name))


def _of_frames(statistic: Statistic, target: Target) -> Statistic:
    """What is gathered of all frames together: moments of channels.

    Raises:
        ParameterError: the statistic tells pixels apart, which are those of a frame.
    """
    if isinstance(statistic, Moments) and statistic.per != "pixel":
        return replace(statistic, per="channel")
    raise ParameterError(
        f"`fit` gathers Moments(per='channel') of the frames of {target.entry!r}, got "
        f"{statistic.owner}. Name the entries without time: entries=[..]; or open the frames as "
        'records of their own, arrays of shape (N * T, H, W, C) by a spec without "time".'
    )


def _plan_zca(
    plan: Plan,
    request: ZCA,
    target: Target,
    where: dict[str, Any],
    n: int,
    memory: int,
    solver: str,
) -> None:
    """Choose a solver by what fits: covariance, Gram matrix, low rank."""
    d, left = target.size, memory - plan.projected
    k_dual = _dual_components(request, n, d, memory)
    k_low = _lowrank_components(request, n, d, left)
    needs = {
        "primal": 40 * d * d,
        "dual": _dual_bytes(n, d, k_dual, _pair_rows(n, d, target, left) * row_bytes(target)),
        "lowrank": _lowrank_bytes(d, k_low) if k_low else _lowrank_bytes(d, 1),
    }
    fits = {name: need <= left for name, need in needs.items()}
    fits["lowrank"] = fits["lowrank"] and k_low > 0
    text = {name: bytes_text(need) for name, need in needs.items()}
    chosen = solver
    if solver == "auto":
        allowed = {**fits, "dual": fits["dual"] and n <= _MOST_DUAL}
        chosen = next((name for name in ("primal", "dual", "lowrank") if allowed[name]), "")
        if not chosen and fits["dual"]:
            chosen = "dual"
    if not chosen or not fits[chosen]:
        wanted = "no solver" if solver == "auto" else f"solver={solver!r} does not fit: it"
        raise ParameterError(
            f"fit: {wanted} for ZCA of {target.label!r}, {n} records of {d} numbers: primal needs "
            f"{text['primal']}, dual {text['dual']}, lowrank at least {text['lowrank']}, but "
            f"{bytes_text(max(left, 0))} of {bytes_text(memory)} is left. Raise memory, use fewer "
            "components or smaller pictures, or fit multiaug.Stationary(), another model that "
            "needs little."
        )
    plan.projected += needs[chosen]
    why = f"{chosen}, {text[chosen]} of {bytes_text(left)} (n = {n}, d = {d}"
    if chosen == "primal":
        plan.solvers[target.label] = f"{why}): d x d fits, and its states merge"
        statistic: Statistic = Covariance(
            deterministic=request.deterministic, range=request.range, **where
        )
        plan.tasks.append(Task(target, statistic, "covariance", request))
    elif chosen == "dual":
        plan.solvers[target.label] = (
            f"{why}), {k_dual} components: n x n fits, d x d needs {text['primal']}"
        )
        floats = kind_of(target.dtype) in ("float", "wide")
        shift = 0.0 if request.center == "channel" and floats else None
        statistic = Gram(records=n, shift=shift, **where)
        plan.tasks.append(Task(target, statistic, "gram", request, components=k_dual))
        plan.block_rows = _pair_rows(n, d, target, left)
    else:
        plan.solvers[target.label] = (
            f"{why}), {k_low} components: d x d needs {text['primal']}, n x n {text['dual']}"
        )
        plan.tasks.append(Task(target, LowRank(components=k_low, **where), "lowrank", request))


def _moments_bytes(cells: int) -> int:
    # What is added to, what is added, and blocks of rows.
    return 120 * cells + 2**25


def row_bytes(target: Target) -> int:
    """What one record takes as it is summed."""
    return target.size * np.dtype(held_dtype(target.dtype)).itemsize


def _pair_rows(n: int, d: int, target: Target, left: int) -> int:
    """Records of one side of a pair: two sides in a quarter of the memory."""
    fitting = max(1, int(max(left, 0) // 4 // (2 * row_bytes(target))))
    # As few blocks as fit, all about as long: every pair of blocks is read once.
    return -(-n // -(-n // min(n, fitting)))


def _dual_bytes(n: int, d: int, k: int, block: int) -> int:
    """The most of three stages: pairs, eigenvalues, eigenvectors."""
    # A block that stays; one that is read, in parts and joined; and tiles of both.
    pairs = 8 * n * n + 4 * block
    # The Gram matrix becomes its eigenvectors and stays until the records have been seen again.
    return max(pairs, 24 * n * n, 8 * n * n + 8 * n * k + 4 * d * k)


def _dual_components(request: ZCA, n: int, d: int, memory: int) -> int:
    if request.components is not None:
        return min(request.components, n)
    # What whitening uses by default: see `WhiteningRule`.
    return max(1, min(d if n > d else n // 8, memory // 4 // (4 * d)))


def _lowrank_bytes(d: int, k: int) -> int:
    # Two sketches, both stacked with a block of 512 records, and the sketch of that.
    return 4 * d * (10 * k + 2 * 512)


def _lowrank_components(request: ZCA, n: int, d: int, left: int) -> int:
    fitting = (left // (4 * d) - 2 * 512) // 10
    wanted = _MOST_COMPONENTS if request.components is None else request.components
    most = fitting if request.components is None else wanted
    return int(max(0, min(wanted, max(1, n // 8) if request.components is None else wanted, most)))
