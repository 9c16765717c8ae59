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

from .contender import Peer
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
        written.append(warp(document, folder / "chart.png"))
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
        *(_table(document, mode) for mode in ("fresh", "recycled")),
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


def _lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    table = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in table)


def _ratio(found: dict[str, float] | None) -> str:
    if not found:
        return "-"
    return f"**{found['median']:.2f}** ({found['q1']:.2f}-{found['q3']:.2f})"


def _ms(seconds: float | None, batch: int) -> str:
    return "-" if seconds is None else f"{1e3 * seconds / batch:.3g}"


def _heading(document: Document) -> str:
    a = document["about"]
    dirty = " with uncommitted changes" if a["changed"] else ""
    return (
        "# Results\n\n"
        f"{a['date']}, commit {a['commit']}{dirty}. {a['cpu']}, {a['cores']} cores for everybody; "
        f"Python {a['python']}, JAX {a['jax']} with {a['devices']} CPU devices, "
        f"malloc {a['malloc']}.\n\n"
        "Times are milliseconds per picture with its mask, medians. A ratio is the fastest "
        "peer's turn over ours in the same repetition, its median and quartiles; above 1 "
        "multiaug is faster. How it is measured: [README](../README.md)."
    )


def _table(document: Document, mode: str) -> str:
    rows = []
    for name, row in document["rows"].items():
        found, n = row["modes"][mode], row["batch"]
        if found is None:
            continue
        rows.append(
            [
                name,
                _ms(found["ours_s"], n),
                _ms(found["apply_s"], n),
                _ms(found["peer_s"], n),
                f"{found['peer']}: {found['form']}",
                _ratio(found["ratio"]),
                _ms(found["floor_s"], n),
                f"{found['over_floor']['median']:.1f}",
                f"{found['first_s']:.2f}",
            ]
        )
    title = {
        "fresh": "## Every row, fresh outputs",
        "recycled": "## Every row, recycled outputs\n\nPeers that cannot write into given arrays "
        "take part as they are.",
    }[mode]
    if not rows:
        return (
            f"{title}\n\nNothing of multiaug was measured with recycled outputs."
            if mode == "recycled"
            else ""
        )
    header = ["row", "multiaug", "geometry given", "fastest peer", "which", "ratio", "memcpy"]
    header += ["times memcpy", "first call, s"]
    works = ", ".join(f"{letter}: {what}" for letter, what in WORKS.items())
    return f"{title}\n\n{works}.\n\n{_lines(header, rows)}"


def _everybody(document: Document) -> str:
    """Each peer's best form, whatever it needs; those without turns in brackets."""
    names: dict[str, None] = {}
    for row in document["rows"].values():
        names.update(dict.fromkeys(e["peer"] for e in row["entrants"]))
    rows = []
    for name, row in document["rows"].items():
        cells = []
        for peer in names:
            own = [e for e in row["entrants"] if e["peer"] == peer and not e["recycled"]]
            best = min(own, key=lambda e: (not e["turns"], e["median_s"]), default=None)
            text = _ms(best["median_s"], row["batch"]) if best else "-"
            cells.append(text if best is None or best["turns"] else f"({text})")
        rows.append([name, *cells])
    intro = (
        "## Everybody, fresh outputs\n\nThe better form of each. In brackets: too far from the "
        f"fastest peer (more than {document['about']['within']:g} times) for turns, best of three "
        "calls."
    )
    return f"{intro}\n\n{_lines(['row', *names], rows)}" if rows else ""


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
            again = _ratio(recycled["ratios"].get(peer))
            rows.append([name, _ms(fresh["ours_s"], n), _ms(theirs, n), _ratio(found), again])
    header = ["row", "multiaug, fresh", peer, "ratio, fresh", "ratio, recycled"]
    return f"{intro}\n\n{_lines(header, rows)}" if rows else ""


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
        "## Growth\n\nMilliseconds per megapixel-channel, multiaug / fastest peer, fresh outputs; "
        "the byte of mask per pixel is in the time."
    )
    return f"{intro}\n\n{_lines(['row', '224', '512', '1024'], rows)}"


def _growth_cell(document: Document, name: str) -> str:
    row = document["rows"].get(name)
    found = row["modes"]["fresh"] if row else None
    if not row or not found:
        return ""
    unit = row["batch"] * row["size"] ** 2 * row["channels"] / 1e6
    return f"{1e3 * found['ours_s'] / unit:.2f} / {1e3 * found['peer_s'] / unit:.2f}"


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
    return f"{intro}\n\n{_lines(['row', 'inputs', 'outputs', *peers], rows)}"


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
    return f"{intro}\n\n{_lines(['', 'median', 'range'], rows)}"


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
    return f"{intro}\n\n{_lines(['peer', 'version', 'geometry', 'use'], rows)}"


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
    return f"## Who is not in which row\n\n{_lines(['peer', 'rows', 'why'], rows)}" if rows else ""


def warp(document: Document, path: Path) -> Path:
    """Ratios against the fastest peer of each row, a panel per work."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = [n for n, row in document["rows"].items() if row["modes"]["fresh"]]
    if not names:
        raise LookupError("no row was measured")
    works = [w for w in WORKS if any(n.startswith(w) for n in names)]
    counts = [sum(n.startswith(w) for n in names) for w in works]
    figure, panels = plt.subplots(
        len(works),
        1,
        figsize=(9, 1.2 + sum(0.24 * c + 0.6 for c in counts)),
        gridspec_kw={"height_ratios": [c + 1 for c in counts]},
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for work, panel in zip(works, panels[:, 0], strict=True):
        _panel(panel, document, [n for n in names if n.startswith(work)], WORKS[work])
    panels[0, 0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    panels[-1, 0].set_xlabel("time of the fastest peer / time of multiaug (above 1: we lead)")
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


_COLOURS = {"fresh": "#1f5fa8", "recycled": "#e07b1f"}


def _panel(panel: Any, document: Document, names: list[str], title: str) -> None:
    for mode, offset in (("fresh", -0.15), ("recycled", 0.15)):
        found = [(i, document["rows"][n]["modes"][mode]) for i, n in enumerate(names)]
        found = [(i, f) for i, f in found if f]
        if not found:
            continue
        middle = [f["ratio"]["median"] for _, f in found]
        spread = [
            [m - f["ratio"]["q1"] for m, (_, f) in zip(middle, found, strict=True)],
            [f["ratio"]["q3"] - m for m, (_, f) in zip(middle, found, strict=True)],
        ]
        at = [i + offset for i, _ in found]
        style = {"fmt": "o", "ms": 4, "color": _COLOURS[mode], "label": f"{mode} outputs"}
        panel.errorbar(middle, at, xerr=spread, elinewidth=1.5, **style)
    labels = [_tick(document["rows"][n], n) for n in names]
    panel.set_yticks(range(len(names)), labels, fontsize=7)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    panel.set_xticks(ticks, [f"{t:g}" for t in ticks])
    panel.minorticks_off()
    panel.axvline(1, color="black", linewidth=1)
    panel.axvline(2, color="grey", linewidth=0.8, linestyle="--")
    panel.grid(axis="x", linewidth=0.3)
    panel.set_title(title, loc="left", fontsize=9)


def _tick(row: dict[str, Any], name: str) -> str:
    return f"{name[2:]}  vs {row['modes']['fresh']['peer']}"
