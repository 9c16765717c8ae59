"""What a cluster costs: ``python -m benchmarks.cluster``.

The same export, and the same fit, by this process and by two workers of a LocalCluster, one thread
each, in turns. The ratio of the medians is the overhead of processes, messages and start-up of
their programs; the cluster itself is started before. The results are compared bit by bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import operator
import shutil
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import multiaug as ma


def make_source(path: Path, records: int) -> ma.Source:
    spec = ma.load_spec("rgb-segmentation")
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (64, 224, 224, 3), np.uint8) // 16
    batch = {"image": image, "mask": image[..., 0]}
    ma.write_zarr((batch for _ in range(records // 64)), spec, path, chunk=16)
    return ma.open_source(path)


def digests(path: Path) -> dict[str, bytes]:
    return {
        str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).digest()
        for f in path.rglob("*")
        if f.is_file()
    }


def taken(path: Path) -> dict[str, bytes]:
    """Digests of what was written, which is deleted."""
    found = digests(path)
    shutil.rmtree(path)
    return found


def same_statistics(one: ma.Statistics, two: ma.Statistics) -> bool:
    return all(
        np.array_equal(array, two[label][name].arrays()[key])
        for label, group in one.items()
        for name, item in group.items()
        for key, array in item.arrays().items()
    )


def make_floats(path: Path, records: int) -> ma.Source:
    """Records whose sums are float, so that their last bits depend on the order."""
    spec = ma.DataSpec.from_dict(
        {"name": "floats", "entries": {"image": {"role": "intensity", "channels": 3}}}
    )
    draw = np.random.default_rng(0)
    batch = {"image": draw.normal(100, 30, (2048, 32, 32, 3)).astype(np.float32)}
    ma.write_zarr((batch for _ in range(records // 2048)), spec, path, chunk=256)
    return ma.open_source(path)


def take_turns(jobs: dict[str, Any], rounds: int, look: Any, same: Any) -> dict[str, Any]:
    """Seconds of each job, in turns, and whether they gave the same, which is looked at untimed."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    equal = True
    for _ in range(rounds):
        found = []
        for name, job in jobs.items():
            start = time.perf_counter()
            result = job()
            seconds[name].append(time.perf_counter() - start)
            found.append(look(result))
        equal = equal and same(*found)
    medians = {name: statistics.median(all_of) for name, all_of in seconds.items()}
    one, two = medians.values()
    return {"seconds": seconds, "medians": medians, "ratio": two / one, "same": equal}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=8192, help="of the export")
    parser.add_argument("--copies", type=int, default=6, help="more work: 60 s at least are wanted")
    parser.add_argument("--rows", type=int, default=655_360, help="of the fit; likewise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", nargs="*", default=["export", "fit"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(argv)

    from distributed import Client, LocalCluster

    document: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        schedulers = {"one process": None, "two workers": client}
        if "export" in args.jobs:
            source = make_source(Path(folder, "in.zarr"), args.records)
            pipeline = ma.Pipeline(
                [ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Flip("x"), ma.Brightness(0.2)],
                source.spec,
            )

            def export(scheduler: Any) -> Path:
                out = Path(folder, "out.zarr")
                ma.export(source, pipeline, out, copies=args.copies, scheduler=scheduler)
                return out

            jobs = {name: partial(export, found) for name, found in schedulers.items()}
            document["export"] = take_turns(jobs, args.rounds, taken, operator.eq)
        if "fit" in args.jobs:
            floats = make_floats(Path(folder, "floats.zarr"), args.rows)

            def fit(scheduler: Any) -> ma.Statistics:
                return ma.fit(
                    floats,
                    ma.Moments(),
                    ma.statistics.Covariance(),
                    progress=False,
                    scheduler=scheduler,
                )

            jobs = {name: partial(fit, found) for name, found in schedulers.items()}
            document["fit"] = take_turns(jobs, args.rounds, lambda found: found, same_statistics)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "cluster.json").write_text(json.dumps(document, indent=1))
    lines = ["| job | one process | two workers | ratio | same bits |", "|---|---:|---:|---:|---|"]
    for name, row in document.items():
        one, two = row["medians"].values()
        lines.append(f"| {name} | {one:.1f} s | {two:.1f} s | {row['ratio']:.2f} | {row['same']} |")
    text = "\n".join([*lines, ""])
    (args.out / "cluster.md").write_text(text)
    print(text)
    return 0 if all(row["same"] for row in document.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
