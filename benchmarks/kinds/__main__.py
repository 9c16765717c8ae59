"""``python -m benchmarks.kinds``: a table of kinds of record, each beside one plain record.

All contenders of a row take turns in one process, the base row among them::

    python -m benchmarks.kinds --quick
    python -m benchmarks.kinds --rows normals 'spec-*' --seconds 4
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .. import levels

# Read by the libraries when they are first imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ONE_CORE, SIZES = "one-core", ("sizes-call", "sizes-loader")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinds", description=__doc__)
    parser.add_argument("--rows", nargs="*", default=[], help="patterns of names: 'spec-*' flow")
    parser.add_argument("--quick", action="store_true", help="six rows, few repetitions, 20 sizes")
    parser.add_argument("--repeats", type=int, default=25, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=8, help="about, for the turns of a row")
    parser.add_argument("--within", type=float, default=3, help="peers slower than that: no turns")
    parser.add_argument("--cores", type=int, default=2, help="for everybody")
    parser.add_argument("--peers", nargs="*", default=[], help="file names in kinds/peers")
    parser.add_argument("--levels", nargs="*", default=["avx2"], choices=levels.NAMES)
    parser.add_argument("--sizes", type=int, default=1000, help="records of different sizes")
    parser.add_argument("--size-seconds", type=float, default=300, help="most for many sizes")
    parser.add_argument("--json", type=Path, help="write the results there, too")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/kinds.md"))
    parser.add_argument("--list", action="store_true", help="name the rows, run nothing")
    args = parser.parse_args(argv)
    args.malloc = "default"
    if args.quick:
        args.repeats, args.seconds = min(args.repeats, 5), min(args.seconds, 2)
        args.sizes, args.size_seconds = min(args.sizes, 20), min(args.size_seconds, 20)
    return args


def wanted(name: str, args: argparse.Namespace) -> bool:
    """Whether a row that is measured in a way of its own was asked for."""
    return not args.rows or any(fnmatch.fnmatch(name, pattern) for pattern in args.rows)


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    from .. import parallel

    parallel.use_cores(args.cores)
    from .. import report as about
    from ..peers import load
    from . import aims, peers, report, rows, sizes

    chosen = rows.choose(args.rows, quick=args.quick)
    others = [name for name in (ONE_CORE, *SIZES) if wanted(name, args)]
    if args.list:
        print("\n".join([*(row.name for row in chosen), *others]))
        return
    loaded, missing = load(args.peers, peers.FILES, peers.__name__)
    for name, reason in missing.items():
        print(f"{name}: not here: {reason}")
    document: dict[str, Any] = {
        "about": about.about(args, loaded, missing),
        "rows": {},
        "sizes": {},
    }
    base = rows.make_case(rows.all_rows()[0])
    for row in chosen:
        document["rows"][row.name] = measure_row(row, base, loaded, args)
    if ONE_CORE in others:
        document["rows"][ONE_CORE] = one_core(args)
    for name in others:
        if name in SIZES:
            document["sizes"][name] = sizes.measure(name, args.sizes, args.size_seconds)
            print(f"{name}: {document['sizes'][name]}", flush=True)
    for aim in aims.aims(document):
        print(" | ".join([*aim.texts, "met" if aim.met else "NOT MET"]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(report.markdown(document))
    print(f"wrote {args.out}")
    if args.json:
        args.json.write_text(json.dumps(document, indent=1))


def measure_row(row: Any, base: Any, loaded: list[Any], args: argparse.Namespace) -> dict[str, Any]:
    """All contenders of one row, in turns."""
    from .. import measure
    from . import aims, check, ours, report, rows

    started = time.perf_counter()
    case = rows.make_case(row)
    contenders = ours.contenders(base, levels.below(args.levels))
    entrants, refused = measure.enter(case, [*contenders, *loaded], check.check)
    finalists = measure.finalists(entrants, args.within, aims.RIVALS)
    measure.take_turns(finalists, args.repeats, args.seconds)
    result = report.row_result(case, base, entrants, refused)
    print(f"{row.name:16} {_line(result)}  ({time.perf_counter() - started:.0f} s)", flush=True)
    return result


def _line(result: dict[str, Any]) -> str:
    texts = []
    for mode, found in result["modes"].items():
        if found:
            peer = f", {found['peer']} x{found['ratio']['median']:.2f}" if found["peer"] else ""
            ms = 1e3 * found["ours_s"] / result["batch"]
            texts.append(f"{mode}: {ms:.3f} ms, base x{found['to_base']['median']:.2f}{peer}")
    return "; ".join(texts) or f"not measured: {result['refused']}"


def one_core(args: argparse.Namespace) -> dict[str, Any]:
    """One record a call in a process that has one core, as a worker of a loader has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.json"
        options = [
            "--rows",
            "one",
            "--cores",
            "1",
            "--json",
            str(path),
            "--out",
            f"{folder}/one.md",
        ]
        options += ["--repeats", str(args.repeats), "--seconds", str(args.seconds)]
        options += ["--within", str(args.within)]
        options += ["--levels", *args.levels, "--peers", *args.peers]
        command = [sys.executable, "-m", "benchmarks.kinds", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{ONE_CORE}: {done.stderr.strip().splitlines()[-1]}")
        result: dict[str, Any] = json.loads(path.read_text())["rows"]["one"]
    result["what"] += ", in a process with one core"
    print(f"{ONE_CORE:16} {_line(result)}", flush=True)
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
