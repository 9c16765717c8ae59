"""``python -m benchmarks.run``: measure rows, and write a table, a JSON file and a chart."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from . import levels

# Read by the libraries when they are first imported.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# Also for the processes that memory and start-up are measured in.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

MEMORY_PEERS = ("multiaug", "opencv")
# Timed against pictures of 224 however slow they are.
GENERATORS = ("ImageDataGenerator", "ImageDataGenerator, no masks")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--rows", nargs="*", default=[], help="patterns of names: 'a-*-224' 'd-u8x3-*'"
    )
    parser.add_argument("--peers", nargs="*", default=[], help="file names in peers/; ours stays")
    parser.add_argument("--quick", action="store_true", help="ten rows, few repetitions")
    parser.add_argument("--repeats", type=int, default=25, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=10, help="about, for the turns of a row")
    parser.add_argument(
        "--within",
        type=float,
        default=4,
        help="peers slower than this times the fastest get no turns",
    )
    parser.add_argument("--cores", type=int, default=2, help="for everybody")
    parser.add_argument(
        "--levels",
        nargs="*",
        default=["avx2"],
        choices=levels.NAMES,
        help="instruction sets that multiaug is limited to, beside the machine's best",
    )
    parser.add_argument("--devices", type=int, default=1, help="JAX CPU devices")
    parser.add_argument(
        "--malloc", choices=("default", "tuned"), default="default", help="for everybody"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--keep", action="store_true", help="keep rows that --out holds already")
    parser.add_argument("--list", action="store_true", help="name the rows, run nothing")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--no-startup", action="store_true")
    return parser.parse_args(argv)


def configure(args: argparse.Namespace) -> None:
    """Cores, devices and malloc: before any library starts its threads."""
    from . import parallel

    parallel.use_cores(args.cores)
    # In the environment: the processes of memory and start-up inherit it.
    os.environ["JAX_NUM_CPU_DEVICES"] = str(args.devices)
    if args.malloc == "tuned":
        _tune_malloc()


def _tune_malloc() -> None:
    import multiaug as ma

    ma.tune_malloc()


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    configure(args)
    from . import peers, report, work

    rows = work.choose(args.rows, quick=args.quick)
    if args.list:
        print("\n".join(row.name for row in rows))
        return
    if args.quick:
        args.repeats, args.seconds = min(args.repeats, 7), min(args.seconds, 4)
    only = ["floor", "ours", *args.peers] if args.peers else []
    loaded, missing = peers.load(only)
    loaded += peers.limited_to(levels.below(args.levels))
    for name, reason in missing.items():
        print(f"{name}: not here: {reason}")
    document = report.load(args.out) if args.keep else report.empty()
    document["about"] = report.about(args, loaded, missing)
    for row in rows:
        document["rows"][row.name] = measure_row(row, loaded, args)
        document["rows"] = work.in_order(document["rows"])
        # After every row: an interrupted run keeps what it has.
        report.save_json(document, args.out)
    _measure_processes(document, rows, args)
    for path in report.save(document, args.out):
        print(f"wrote {path}")


def measure_row(row: Any, peers: list[Any], args: argparse.Namespace) -> dict[str, Any]:
    """All contenders of one row."""
    from . import measure, work

    started = time.perf_counter()
    case = work.make_case(row)
    entrants, refused = measure.enter(case, peers)
    classic = {"a-u8x3-224", "a-f32x3-224", "a-f32x6-224"}
    always = GENERATORS if row.name in classic else ()
    measure.take_turns(measure.finalists(entrants, args.within, always), args.repeats, args.seconds)
    result = measure.row_result(case, entrants, refused)
    print(f"{row.name:14} {_line(result)}  ({time.perf_counter() - started:.0f} s)", flush=True)
    return result


def _line(result: dict[str, Any]) -> str:
    texts = []
    for mode, found in result["modes"].items():
        if found is None:
            texts.append(f"{mode}: -")
            continue
        ratio, n = found["ratio"], result["batch"] / 1e3
        texts.append(
            f"{mode}: {found['ours_s'] / n:.3f} ms, {found['peer']} {found['peer_s'] / n:.3f} ms, "
            f"x{ratio['median']:.2f} [{ratio['q1']:.2f}, {ratio['q3']:.2f}]"
        )
        texts += [f"{k}: x{v['ratio']['median']:.2f}" for k, v in found["levels"].items()]
    return "; ".join(texts)


def _measure_processes(document: dict[str, Any], rows: list[Any], args: argparse.Namespace) -> None:
    from . import memory, startup

    if not args.no_memory:
        sizes = {224} if args.quick else {224, 1024}
        for row in rows:
            if row.work == "a" and row.size in sizes:
                found = {peer: memory.measure(row.name, peer) for peer in MEMORY_PEERS}
                document["memory"][row.name] = found
                print(f"memory {row.name}: {found}", flush=True)
    if not args.no_startup:
        document["startup"] = startup.measure(1 if args.quick else 5)
        print(f"start-up: {document['startup']}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
