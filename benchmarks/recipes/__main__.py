"""``python -m benchmarks.recipes``: published recipes beside the libraries that are used for them.

All contenders of a row take turns in one process::

    python -m benchmarks.recipes --rows randaugment 'blur-*' --seconds 4
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import time
from pathlib import Path
from typing import Any

# Read by the libraries when they are first imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("--rows", nargs="*", default=[], help="patterns of names: 'blur-*' mmseg")
    parser.add_argument("--repeats", type=int, default=25, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=8, help="about, for the turns of a row")
    parser.add_argument("--within", type=float, default=2, help="peers slower than that: no turns")
    parser.add_argument("--cores", type=int, default=2, help="for everybody")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recipes.md"))
    args = parser.parse_args(argv)
    args.malloc = "default"
    return args


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    from .. import parallel

    parallel.use_cores(args.cores)
    from .. import report
    from . import peers, rows

    chosen = [
        row
        for row in rows.ROWS
        if not args.rows or any(fnmatch.fnmatch(row.name, pattern) for pattern in args.rows)
    ]
    lines = [measure_row(row, args) for row in chosen]
    about = report.about(args, peers.PEERS, {})
    head = ["row", "what", "batch", "multiaug, ms a record", "peer", "peer / multiaug", "bar"]
    text = (
        f"# Recipes\n\n{about['date']}, commit {about['commit']}. {about['cpu']}, "
        f"{about['cores']} cores for everybody. Fresh results; medians of turns, ratios of turns "
        f"of the same repetition, with quartiles.\n\n{report.table(head, lines)}\n"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    print(f"wrote {args.out}")


def measure_row(row: Any, args: argparse.Namespace) -> list[str]:
    """All contenders of one row, in turns, as a line of the table."""
    from .. import measure
    from . import check, peers, rows

    started = time.perf_counter()
    case = rows.Case(row)
    contenders = [check.ours(case), *peers.PEERS]
    entrants, refused = measure.enter(case, contenders, check.check)
    for name, reason in refused.items():
        if not reason.startswith("cannot"):
            print(f"{row.name}: {name}: {reason}")
    finalists = measure.finalists(entrants, args.within)
    measure.take_turns(finalists, args.repeats, args.seconds)
    ours = next(e for e in entrants if e.peer.ours)
    rivals = sorted((e for e in finalists if not e.peer.ours), key=lambda e: e.seconds)
    if not rivals:
        raise SystemExit(f"{row.name}: no peer does it")
    best = rivals[0]
    ratio = measure.paired(best.samples, ours.samples)
    texts = [
        row.name,
        row.what,
        str(row.batch),
        f"{1e3 * ours.seconds / row.batch:.3f}",
        best.label,
        f"{ratio['median']:.2f} ({ratio['q1']:.2f}, {ratio['q3']:.2f})",
        f"{row.bar:g}, {'met' if ratio['median'] >= row.bar else 'not met'}",
    ]
    others = ", ".join(f"{e.label} {1e3 * e.seconds / row.batch:.3f}" for e in rivals)
    print(f"{' | '.join(texts)}  [{others}; {time.perf_counter() - started:.0f} s]", flush=True)
    return texts


if __name__ == "__main__":
    main()
