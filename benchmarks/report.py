"""What a run leaves behind: results.json, results.md and chart.png."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .bars import bar, misses, ratios
from .chart import chart
from .contender import Peer
from .levels import best
from .work import KINDS, WORKS

SCHEMA = "multiaug.benchmarks/1"
Document = dict[str, Any]


def empty() -> Document:
    """A document without results."""
    return {"schema": SCHEMA, "about": {}, "rows": {}, "memory": {}, "startup": {}}


def load(folder: Path) -> Document:
    """What an earlier run left, or an empty document."""
    path = folder / "results.json"
    document = json.loads(path.read_text()) if path.is_file() else {}
    return document if document.get("schema") == SCHEMA else empty()


def about(args: argparse.Namespace, peers: Sequence[Peer], missing: dict[str, str]) -> Document:
    """The machine, the settings and the versions."""
    import jax

    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "multiaug")),
        "cpu": _cpu(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "devices": len(jax.local_devices()),
        "cores": args.cores,
        "level": best(),
        "malloc": args.malloc,
        "repeats": args.repeats,
        "within": args.within,
        "peers": {p.name: {"version": p.version, "note": p.note, "draws": p.draws} for p in peers},
        "missing": missing,
    }


def _git(*arguments: str) -> str:
    root = Path(__file__).parent
    command = ["git", "-C", str(root.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def save_json(document: Document, folder: Path) -> Path:
    """results.json alone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_text(json.dumps(document, indent=1))
    return path


def save(document: Document, folder: Path) -> list[Path]:
    """All three files; without matplotlib, no chart."""
    written = [save_json(document, folder), folder / "results.md"]
    written[1].write_text(markdown(document))
    try:
        written.append(chart(document, folder / "chart.png"))
    except (ImportError, LookupError) as error:
        print(f"no chart: {error}")
    return written


_GENERATOR = "## Against Keras' ImageDataGenerator, per picture with its mask"
_NO_MASKS = "## Against Keras' ImageDataGenerator without masks\n\nWe move them."
_MAPS_MADE = (
    "## Against OpenCV with maps made in the call\n\nIn the tables above the maps of b are made "
    "beforehand, which no training loop can do: every record bends in its own way."
)


def markdown(document: Document) -> str:
    """The whole report."""
    parts = [
        _heading(document),
        _bars(document),
        _every_row(document),
        _beside(document),
        _everybody(document),
        _against(document, "ImageDataGenerator", _GENERATOR),
        _against(document, "ImageDataGenerator, no masks", _NO_MASKS),
        _against(document, "opencv, maps made", _MAPS_MADE),
        _growth(document),
        _memory(document),
        _startup(document),
        _peers(document),
        _refusals(document),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Markdown; all columns but the first are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines)


def as_ratio(found: dict[str, float] | None) -> str:
    """A median, with its quartiles."""
    if not found:
        return "-"
    return f"**{found['median']:.2f}** ({found['q1']:.2f}-{found['q3']:.2f})"


def as_ms(seconds: float | None, batch: int) -> str:
    """Milliseconds a record, of the seconds of a batch."""
    return "-" if seconds is None else f"{1e3 * seconds / batch:.3g}"


def _heading(document: Document) -> str:
    a = document["about"]
    dirty = " with uncommitted changes" if a["changed"] else ""
    return (
        "# Results\n\n"
        f"{a['date']}, commit {a['commit']}{dirty}. {a['cpu']} ({a.get('level', '?')}), "
        f"{a['cores']} cores for everybody; "
        f"Python {a['python']}, JAX {a['jax']} with {a['devices']} CPU devices, "
        f"malloc {a['malloc']}.\n\n"
        "Times are milliseconds per picture with its mask, medians. A ratio is the fastest "
        "peer's turn over ours in the same repetition, its median and quartiles; above 1 "
        "multiaug is faster. How it is measured: [README](../README.md)."
    )


def _every_row(document: Document) -> str:
    """Fresh beside recycled: fresh is what a call without ``out=`` gets."""
    levels = _levels(document)
    rows = []
    for name, row in document["rows"].items():
        n, (fresh, again) = row["batch"], _both(row)
        if not fresh:
            continue
        others = [_level(mode, level) for level in levels for mode in (fresh, again)]
        rows.append(
            [
                name,
                *(as_ms(mode.get("ours_s"), n) for mode in (fresh, again)),
                as_ms(fresh["peer_s"], n),
                f"{fresh['peer']}: {fresh['form']}",
                as_ms(again.get("peer_s"), n),
                *(as_ratio(mode.get("ratio")) for mode in (fresh, again)),
                *others,
            ]
        )
    if not rows:
        return ""
    header = ["row", "multiaug, fresh", "recycled", "fastest peer, fresh", "which", "recycled"]
    header += ["**ratio, fresh**", "recycled"]
    header += [f"{level}: {mode}" for level in levels for mode in ("fresh", "recycled")]
    works = ", ".join(f"{letter}: {what}" for letter, what in WORKS.items())
    limited = f" Columns {', '.join(levels)}: multiaug limited to that." if levels else ""
    return (
        f"## Every row\n\n{works}.\n\nPeers that cannot write into given arrays stay in with "
        f"fresh ones.{limited}\n\n{table(header, rows)}"
    )


def _both(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was found with fresh outputs and with recycled ones, or nothing."""
    return row["modes"]["fresh"] or {}, row["modes"]["recycled"] or {}


def _levels(document: Document) -> list[str]:
    """The instruction sets that multiaug was limited to in any row."""
    modes = (mode for row in document["rows"].values() for mode in _both(row))
    return list(dict.fromkeys(level for mode in modes for level in mode.get("levels", {})))


def _level(mode: dict[str, Any], level: str) -> str:
    found = mode.get("levels", {}).get(level)
    return as_ratio(found["ratio"] if found else None)


def _bars(document: Document) -> str:
    """Rows that miss their bar."""
    rows = document["rows"]
    measured = [name for name, row in rows.items() if ratios(row)]
    missed = misses(rows)
    levels = ["best", *_levels(document)]
    lines = [
        [
            name,
            f"{bar(rows[name]['work'], rows[name]['size']):.1f}",
            *(f"{found[level]:.2f}" if level in found else "-" for level in levels),
        ]
        for name, found in missed.items()
    ]
    if not measured:
        return ""
    text = (
        f"## Bars\n\nFresh outputs, fastest peer / multiaug: {len(measured) - len(missed)} of "
        f"{len(measured)} rows meet their bar at every level."
    )
    return f"{text}\n\n{table(['row', 'bar', *levels], lines)}" if lines else text


def _beside(document: Document) -> str:
    """What else was timed of multiaug, and the floor."""
    rows = []
    for name, row in document["rows"].items():
        n, (fresh, again) = row["batch"], _both(row)
        if not fresh:
            continue
        floors = [mode.get("over_floor", {}).get("median") for mode in (fresh, again)]
        rows.append(
            [
                name,
                as_ms(fresh["apply_s"], n),
                *(as_ms(mode.get("floor_s"), n) for mode in (fresh, again)),
                *("-" if floor is None else f"{floor:.1f}" for floor in floors),
                f"{fresh['first_s']:.2f}",
            ]
        )
    if not rows:
        return ""
    header = ["row", "geometry given, fresh", "memcpy, fresh", "recycled"]
    header += ["times memcpy, fresh", "recycled", "first call, s"]
    return f"## Beside them: geometry given, the floor, compile time\n\n{table(header, rows)}"


def _everybody(document: Document) -> str:
    """Each peer's best form, whatever it needs; those without turns in brackets."""
    names: dict[str, None] = {}
    for row in document["rows"].values():
        names.update(dict.fromkeys(e["peer"] for e in row["entrants"]))
    rows = []
    for name, row in document["rows"].items():
        rows.append([name, *(best_of(row, peer) for peer in names)])
    intro = (
        "## Everybody, fresh / recycled outputs\n\nThe better form of each; one number where it "
        "has no way to recycle. In brackets: too far from the fastest peer (more than "
        f"{document['about']['within']:g} times) for turns, best of three calls."
    )
    return f"{intro}\n\n{table(['row', *names], rows)}" if rows else ""


def best_of(row: dict[str, Any], peer: str) -> str:
    """Milliseconds of a peer's better form, fresh and, where it can, recycled."""
    texts = []
    for recycled in (False, True):
        forms = [e for e in row["entrants"] if e["peer"] == peer and e["recycled"] == recycled]
        best = min(forms, key=lambda e: (not e["turns"], e["median_s"]), default=None)
        if best:
            text = as_ms(best["median_s"], row["batch"])
            texts.append(text if best["turns"] else f"({text})")
    return " / ".join(texts) or "-"


def _against(document: Document, peer: str, intro: str) -> str:
    """Rows in which one peer had turns; it has fresh outputs, we have both."""
    rows = []
    for name, row in document["rows"].items():
        n = row["batch"]
        fresh, recycled = (row["modes"][mode] or {"ratios": {}} for mode in ("fresh", "recycled"))
        found = fresh["ratios"].get(peer)
        if found:
            own = (e for e in row["entrants"] if e["peer"] == peer and e["turns"])
            theirs = min(e["median_s"] for e in own if not e["recycled"])
            again = as_ratio(recycled["ratios"].get(peer))
            rows.append([name, as_ms(fresh["ours_s"], n), as_ms(theirs, n), as_ratio(found), again])
    header = ["row", "multiaug, fresh", peer, "ratio, fresh", "ratio, recycled"]
    return f"{intro}\n\n{table(header, rows)}" if rows else ""


def _growth(document: Document) -> str:
    """Milliseconds per megapixel and channel: flat lines are linear growth."""
    kinds = [k for k, (dtype, _) in KINDS.items() if dtype == "float32" and k != "rgbxyz"]
    rows = []
    for work in WORKS:
        for kind in kinds:
            cells = [_growth_cell(document, f"{work}-{kind}-{s}") for s in (224, 512, 1024)]
            if any(cells):
                rows.append([f"{work}-{kind}", *(c or "-" for c in cells)])
    if not rows:
        return ""
    intro = (
        "## Growth\n\nMilliseconds per megapixel-channel: multiaug fresh / recycled / fastest peer "
        "fresh; the byte of mask per pixel is in the time."
    )
    return f"{intro}\n\n{table(['row', '224', '512', '1024'], rows)}"


def _growth_cell(document: Document, name: str) -> str:
    row = document["rows"].get(name)
    fresh, again = _both(row) if row else ({}, {})
    if not row or not fresh:
        return ""
    unit = row["batch"] * row["size"] ** 2 * row["channels"] / 1e6
    seconds = fresh["ours_s"], again.get("ours_s"), fresh["peer_s"]
    return " / ".join("-" if s is None else f"{1e3 * s / unit:.2f}" for s in seconds)


def _memory(document: Document) -> str:
    if not document["memory"]:
        return ""
    peers = list(next(iter(document["memory"].values())))
    rows = []
    for name, found in document["memory"].items():
        sized = next((f for f in found.values() if "peak" in f), None)
        if sized is None:
            rows.append([name, "-", "-", *(f["error"] for f in found.values())])
            continue
        cells = [_memory_cell(found[p], sized["in"] + sized["out"]) for p in peers]
        rows.append([name, _mb(sized["in"]), _mb(sized["out"]), *cells])
    intro = (
        "## Peak memory of a batch\n\nMB that a warm call adds to what is resident, results "
        "included, inputs not; and times the bytes of inputs and outputs."
    )
    return f"{intro}\n\n{table(['row', 'inputs', 'outputs', *peers], rows)}"


def _memory_cell(found: dict[str, Any], both: int) -> str:
    if "peak" not in found:
        return str(found["error"])
    return f"{_mb(found['peak'])} (x{found['peak'] / both:.2f})"


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f}"


def _startup(document: Document) -> str:
    if not document["startup"]:
        return ""
    rows = []
    for name, found in document["startup"].items():
        samples = found.get("samples_s")
        spread = f"{min(samples):.2f}-{max(samples):.2f}" if samples else found["error"]
        rows.append([name, f"{found['median_s']:.2f}" if samples else "-", spread])
    intro = (
        "## Start-up\n\nSeconds from the start of the process to the first augmented batch, 32 "
        "pictures of 224 x 224 x 3 with masks."
    )
    return f"{intro}\n\n{table(['', 'median', 'range'], rows)}"


def _peers(document: Document) -> str:
    rows = [
        [name, p["version"], p["draws"], p["note"]]
        for name, p in document["about"]["peers"].items()
    ]
    rows += [[name, "not here", "-", why] for name, why in document["about"]["missing"].items()]
    intro = (
        "## How each is used\n\nGeometry `given`: the very maps that multiaug draws. `own`: drawn "
        "by the peer, from the same distribution as far as it goes."
    )
    return f"{intro}\n\n{table(['peer', 'version', 'geometry', 'use'], rows)}"


def _refusals(document: Document) -> str:
    """Reason -> the rows it is for, shortened where it is for all of a work."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for name, row in document["rows"].items():
        for peer, why in row["refused"].items():
            reasons.setdefault((peer, why), []).append(name)
    rows = [
        [peer, ", ".join(names) if len(names) <= 4 else f"{len(names)} rows", why]
        for (peer, why), names in sorted(reasons.items())
        if not peer.startswith("multiaug") or not why.startswith("cannot")
    ]
    return f"## Who is not in which row\n\n{table(['peer', 'rows', 'why'], rows)}" if rows else ""
