"""Paired timing: every contender of a row in one process, turn by turn."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from .check import WrongWork, check
from .contender import Cannot, Form, Peer
from .work import Case

T = TypeVar("T")

# Of a contender's turn: short calls are repeated within it until the clock is fine enough.
_TURN_SECONDS, _MOST_CALLS = 0.01, 64
# OpenMP threads spin for a while after their work; the next one shall not pay for it.
_SETTLE_SECONDS = 0.002
# Times the fastest so far: two calls tell enough.
_HOPELESS = 10
# A peer's forms this close to its best are all timed, and the best of them counts.
_CLOSE, _MOST_FORMS = 2.0, 4


@dataclass
class Entrant:
    """One form of one peer in one row."""

    peer: Peer
    form: Form
    first: float
    estimate: float
    samples: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median of a batch; of the calibration, where it was too slow for the turns."""
        return statistics.median(self.samples) if self.samples else self.estimate

    @property
    def label(self) -> str:
        return f"{self.peer.name}: {self.form.name}"

    def as_data(self) -> dict[str, Any]:
        """For the JSON file; times are of a batch."""
        return {
            "peer": self.peer.name,
            "form": self.form.name,
            "recycled": self.form.recycled,
            "geometry": self.peer.draws,
            "first_s": self.first,
            "median_s": self.seconds,
            "turns": len(self.samples),
            "samples_s": self.samples,
        }


Check = Callable[[Any, Peer, Any], None]


def enter(
    case: Any, peers: Iterable[Peer], checked: Check = check
) -> tuple[list[Entrant], dict[str, str]]:
    """Check and calibrate every form; and say why the others do not take part.

    Args:
        case: a row with its data.
        peers: all that may have a form for it.
        checked: raises `WrongWork` for outputs that are not those of the row.
    """
    entrants: list[Entrant] = []
    refused: dict[str, str] = {}
    fastest = float("inf")
    for peer in peers:
        if case.moves and not (peer.moves or peer.ours or peer.floor):
            refused[peer.name] = "cannot: does not move coordinates"
            continue
        forms, reason = _attempt(partial(peer.forms, case))
        if reason:
            refused[peer.name] = reason
        # One form may fail where another does the work.
        for form in forms or []:
            entrant, reason = _attempt(partial(_calibrated, case, peer, form, fastest, checked))
            if entrant:
                entrants.append(entrant)
                fastest = fastest if peer.floor else min(fastest, entrant.estimate)
            else:
                refused[f"{peer.name}: {form.name}"] = reason
    return entrants, refused


def _attempt(make: Callable[[], T]) -> tuple[T | None, str]:
    """A result, or the reason why there is none."""
    try:
        return make(), ""
    except Cannot as reason:
        return None, f"cannot: {reason}"
    except WrongWork as reason:
        return None, f"wrong result: {reason}"
    # Whatever a library raises is its line in the table, not the end of the run.
    except Exception as error:
        text = (str(error).splitlines() or [""])[0][:120]
        return None, f"failed: {type(error).__name__}: {text}"


def _calibrated(case: Any, peer: Peer, form: Form, fastest: float, checked: Check) -> Entrant:
    form.enter()
    started = time.perf_counter()
    outputs = form.call()
    first = time.perf_counter() - started
    if not peer.floor:
        checked(case, peer, peer.host(outputs))
    del outputs
    # The second call of something stateful may compile once more.
    estimate = min(_timed(form, 1) for _ in range(2))
    if estimate < min(1, _HOPELESS * fastest):
        estimate = min(estimate, *(_timed(form, 1) for _ in range(2)))
    return Entrant(peer, form, first, estimate)


def _timed(form: Form, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        form.call()
    return (time.perf_counter() - started) / calls


def finalists(
    entrants: Sequence[Entrant], within: float, always: Sequence[str] = ()
) -> list[Entrant]:
    """Who is timed in turns: us, the floor, and peers near enough to be the fastest.

    Args:
        entrants: all that run.
        within: times the calibration of the fastest peer that a form is compared with, fresh with
            fresh.
        always: names of peers that stay whatever they need.
    """
    rivals = [e for e in entrants if not (e.peer.ours or e.peer.floor)]
    limits = {
        recycled: within
        * min((e.estimate for e in rivals if recycled or not e.form.recycled), default=0.0)
        for recycled in (False, True)
    }
    chosen = [e for e in entrants if e.peer.ours or e.peer.floor]
    for name in dict.fromkeys(e.peer.name for e in rivals):
        own = sorted((e for e in rivals if e.peer.name == name), key=lambda e: e.estimate)
        for recycled in (False, True):
            group = [e for e in own if e.form.recycled == recycled]
            near = [e for e in group if e.estimate <= _CLOSE * group[0].estimate][:_MOST_FORMS]
            kept = [e for e in near if e.estimate <= limits[recycled]]
            chosen += kept or (group[:1] if name in always else [])
    return chosen


def take_turns(entrants: Sequence[Entrant], repeats: int, seconds: float, seed: int = 0) -> None:
    """Fill `samples`: in each repetition everybody has one turn, in a random order.

    Args:
        entrants: who takes part.
        repeats: turns for each; fewer, but at least 5, where they would take too long.
        seconds: about how long all turns may take.
        seed: of the order.
    """
    calls = [_calls(e) for e in entrants]
    cost = sum((n + 1) * e.estimate + _SETTLE_SECONDS for n, e in zip(calls, entrants, strict=True))
    repeats = max(min(repeats, int(seconds / cost)), min(repeats, 5))
    order = list(zip(entrants, calls, strict=True))
    shuffler = random.Random(seed)
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            shuffler.shuffle(order)
            for entrant, n in order:
                time.sleep(_SETTLE_SECONDS)
                entrant.form.enter()
                # Off the clock: threads wake up, caches hold what this contender left there.
                entrant.form.call()
                entrant.samples.append(_timed(entrant.form, n))
    finally:
        gc.enable()


def _calls(entrant: Entrant) -> int:
    return int(np.clip(round(_TURN_SECONDS / entrant.estimate), 1, _MOST_CALLS))


def paired(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of the ratios of turns of the same repetition."""
    ratios = np.array(slow) / np.array(fast)
    low, middle, high = (float(q) for q in np.percentile(ratios, [25, 50, 75]))
    return {"median": middle, "q1": low, "q3": high, "turns": len(ratios)}


def row_result(case: Case, entrants: Sequence[Entrant], refused: dict[str, str]) -> dict[str, Any]:
    """What the JSON file says about a row."""
    row = case.row
    modes = {mode: _mode(entrants, mode == "recycled") for mode in ("fresh", "recycled")}
    return {
        "work": row.work,
        "kind": row.kind,
        "size": row.size,
        "batch": row.batch,
        "channels": row.channels,
        "in_bytes": case.image.nbytes + case.mask.nbytes,
        "out_bytes": row.out_bytes,
        "modes": modes,
        "entrants": [e.as_data() for e in entrants],
        "refused": refused,
    }


def _mode(entrants: Sequence[Entrant], recycled: bool) -> dict[str, Any] | None:
    """Us against the fastest peer; with recycled outputs, peers that cannot stay fresh."""
    timed = [e for e in entrants if e.samples]

    def best(group: Iterable[Entrant]) -> Entrant | None:
        return min(group, key=lambda e: e.seconds, default=None)

    allowed = [e for e in timed if recycled or not e.form.recycled]
    ours = best(e for e in timed if e.peer.name == "multiaug" and e.form.recycled == recycled)
    given = best(
        e for e in timed if e.peer.name == "multiaug apply" and e.form.recycled == recycled
    )
    floor = best(e for e in timed if e.peer.floor and e.form.recycled == recycled)
    rivals = [e for e in allowed if not (e.peer.ours or e.peer.floor)]
    peer = best(rivals)
    if ours is None or floor is None or peer is None:
        return None
    # One line per rival, each in its best form.
    per_peer = {
        n: best(e for e in rivals if e.peer.name == n) for n in {e.peer.name for e in rivals}
    }
    return {
        "ours_s": ours.seconds,
        "first_s": ours.first,
        "apply_s": given.seconds if given else None,
        "floor_s": floor.seconds,
        "over_floor": paired(ours.samples, floor.samples),
        "peer": peer.peer.name,
        "form": peer.form.name,
        "peer_s": peer.seconds,
        "ratio": paired(peer.samples, ours.samples),
        "apply_ratio": paired(peer.samples, given.samples) if given else None,
        "levels": {
            e.peer.level: {"ours_s": e.seconds, "ratio": paired(peer.samples, e.samples)}
            for e in timed
            if e.peer.level and e.form.recycled == recycled
        },
        "ratios": {n: paired(e.samples, ours.samples) for n, e in per_peer.items() if e},
    }
