"""The table of a run, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..measure import Entrant, paired
from ..report import as_ms, as_ratio, best_of, table
from .aims import aims
from .rows import Case


def row_result(
    case: Case, base: Case, entrants: Sequence[Entrant], refused: Mapping[str, str]
) -> dict[str, Any]:
    """What the JSON file says about a row; times are of a batch."""
    per_record = base.row.batch / case.row.batch
    return {
        "what": case.row.what,
        "batch": case.row.batch,
        "aim": case.row.aim,
        "out_bytes": case.out_bytes,
        "modes": {
            mode: _mode(entrants, mode == "recycled", per_record) for mode in ("fresh", "recycled")
        },
        "entrants": [e.as_data() for e in entrants],
        "refused": dict(refused),
    }


def _mode(entrants: Sequence[Entrant], recycled: bool, per_record: float) -> dict[str, Any] | None:
    timed = [e for e in entrants if e.samples]

    def best(group: Iterable[Entrant]) -> Entrant | None:
        return min(group, key=lambda e: e.seconds, default=None)

    same = [e for e in timed if e.form.recycled == recycled]
    ours = best(e for e in same if e.peer.name == "multiaug")
    base = best(e for e in same if e.peer.name == "base")
    floor = best(e for e in same if e.peer.floor)
    if ours is None or base is None or floor is None:
        return None
    # Peers that cannot write into given arrays stay in with fresh ones.
    rivals = [e for e in timed if not (e.peer.ours or e.peer.floor)]
    # One ratio per rival, of its best form that was timed in turns.
    allowed = [e for e in rivals if recycled or not e.form.recycled]
    names = dict.fromkeys(e.peer.name for e in allowed)
    each = {name: best(e for e in allowed if e.peer.name == name) for name in names}
    peer = best(allowed)
    to_base = paired([s * per_record for s in ours.samples], base.samples)
    return {
        "ours_s": ours.seconds,
        "first_s": ours.first,
        "to_base": to_base,
        "floor_s": floor.seconds,
        "over_floor": paired(ours.samples, floor.samples),
        "peer": f"{peer.peer.name}: {peer.form.name}" if peer else None,
        "peer_s": peer.seconds if peer else None,
        "ratio": paired(peer.samples, ours.samples) if peer else None,
        "ratios": {name: paired(e.samples, ours.samples) for name, e in each.items() if e},
        "levels": {e.peer.level: e.seconds for e in same if e.peer.level},
    }


def markdown(document: Mapping[str, Any]) -> str:
    """The whole report."""
    tables = (_heading, _aims, _costs, _peers, _everybody, _sizes, _uses)
    return "\n\n".join(part for make in tables if (part := make(document))) + "\n"


def _heading(document: Mapping[str, Any]) -> str:
    a = document["about"]
    dirty = " with uncommitted changes" if a["changed"] else ""
    return (
        f"# Kinds of record\n\n{a['date']}, commit {a['commit']}{dirty}. {a['cpu']} "
        f"({a['level']}), {a['cores']} cores for everybody; Python {a['python']}, "
        f"JAX {a['jax']}.\n\n"
        "Milliseconds a record, medians; ratios are of turns of the same repetition, with "
        "quartiles. What the columns are: [README](../README.md#kinds-of-record)."
    )


def _aims(document: Mapping[str, Any]) -> str:
    lines = [[*aim.texts, "yes" if aim.met else "**no**"] for aim in aims(document)]
    header = ["row", "what", "bar", "fresh", "recycled", "met"]
    return f"## Aims\n\n{table(header, lines)}" if lines else ""


def _modes(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return row["modes"]["fresh"] or {}, row["modes"]["recycled"] or {}


def _costs(document: Mapping[str, Any]) -> str:
    """Each row beside the base row."""
    rows = document["rows"]
    levels = sorted({k for row in rows.values() for m in _modes(row) for k in m.get("levels", {})})
    lines = []
    for name, row in rows.items():
        modes, n = _modes(row), row["batch"]
        if not modes[0]:
            continue
        lines.append(
            [
                name,
                row["what"],
                *(as_ms(mode.get("ours_s"), n) for mode in modes),
                *(as_ratio(mode.get("to_base")) for mode in modes),
                row["aim"] or "",
                *(as_ms(mode.get("levels", {}).get(k), n) for k in levels for mode in modes),
                f"{modes[0]['first_s']:.2f}",
            ]
        )
    header = ["row", "record", "fresh", "recycled", "times base, fresh", "recycled", "aim"]
    header += [f"{k}: {mode}" for k in levels for mode in ("fresh", "recycled")]
    return f"## Beside the base row\n\n{table([*header, 'first call, s'], lines)}" if lines else ""


def _peers(document: Mapping[str, Any]) -> str:
    """Each row beside the best peer that can do it, and the floor."""
    lines = []
    for name, row in document["rows"].items():
        fresh, again = modes = _modes(row)
        n = row["batch"]
        if not fresh:
            continue
        lines.append(
            [
                name,
                fresh["peer"] or "none can",
                as_ms(fresh["peer_s"], n),
                as_ratio(fresh["ratio"]),
                as_ms(again.get("peer_s"), n),
                as_ratio(again.get("ratio")),
                *(as_ms(mode.get("floor_s"), n) for mode in modes),
                *(_times(mode.get("over_floor")) for mode in modes),
            ]
        )
    header = ["row", "best peer", "its ms, fresh", "peer / multiaug", "its ms, recycled"]
    header += ["peer / multiaug", "memcpy, fresh", "recycled", "times memcpy, fresh", "recycled"]
    return f"## Beside the best peer and the floor\n\n{table(header, lines)}" if lines else ""


def _everybody(document: Mapping[str, Any]) -> str:
    """Each peer's best form, as `benchmarks.report` shows it."""
    names = list(document["about"]["peers"])
    lines = [
        [name, *(best_of(row, peer) for peer in names)] for name, row in document["rows"].items()
    ]
    if not lines:
        return ""
    intro = (
        "Milliseconds a record, fresh / recycled; in brackets, too far from the fastest for turns, "
        "best of three calls."
    )
    return f"## Every peer\n\n{intro}\n\n{table(['row', *names], lines)}"


def _times(found: Mapping[str, float] | None) -> str:
    return f"{found['median']:.1f}" if found else "-"


def _sizes(document: Mapping[str, Any]) -> str:
    """Records of many sizes, beside as many of one size."""
    lines = []
    for name, found in document["sizes"].items():
        if "error" in found:
            lines.append([name, found["error"], *["-"] * 4])
            continue
        lines.append(
            [
                name,
                f"{found['records']} of {found['asked']}",
                *(f"{found[k]:.2f}" for k in ("different_ns", "equal_ns", "ratio")),
                found["compilations"],
            ]
        )
    header = ["row", "records", "ns a pixel, all sizes", "one size", "ratio", "compilations"]
    return f"## Many sizes\n\n{table(header, lines)}" if lines else ""


def _uses(document: Mapping[str, Any]) -> str:
    """How the peers are used, and why they are not in a row."""
    peers = document["about"]["peers"]
    lines = [[name, p["version"], p["draws"], p["note"]] for name, p in peers.items()]
    lines += [[name, "not here", "-", why] for name, why in document["about"]["missing"].items()]
    text = f"## How each is used\n\n{table(['peer', 'version', 'geometry', 'use'], lines)}"
    wrong = [
        [name, who, why]
        for name, row in document["rows"].items()
        for who, why in row["refused"].items()
        if not why.startswith("cannot")
    ]
    return f"{text}\n\n{table(['row', 'peer', 'left out'], wrong)}" if wrong else text
