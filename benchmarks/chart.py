"""The ratios as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .work import WORKS


def chart(document: dict[str, Any], path: Path) -> Path:
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


def _panel(panel: Any, document: dict[str, Any], names: list[str], title: str) -> None:
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
