"""What a cluster costs: ``python -m benchmarks.cluster``.

The same export by this process and by two workers of a LocalCluster, one thread each, in turns.
The ratio of the medians is the overhead of processes, messages and start-up of their programs;
the cluster itself is started before. The two results are compared byte for byte.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import multiaug as ma


def make_source(path: Path, records: int) -> ma.Source:
    spec = ma.load_spec("rgb-segmentation")
    draw = np.random.default_rng(0)
    image = draw.integers(0, 256, (64, 224, 224, 3), np.uint8) // 16
    batch = {"image": image, "mask": image[..., 0]}
    ma.write_zarr(path, (batch for _ in range(records // 64)), spec, chunk=16)
    return ma.open_source(path)


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=4096)
    parser.add_argument("--copies", type=int, default=2, help="more work: 60 s or so is wanted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args(argv)

    from distributed import Client, LocalCluster

    times: dict[str, list[float]] = {"one process": [], "two workers": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        source = make_source(Path(folder, "in.zarr"), args.records)
        pipeline = ma.Pipeline(
            [ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Flip("x"), ma.Brightness(0.2)], source.spec
        )
        same = True
        for _ in range(args.rounds):
            found = {}
            for name, scheduler in (("one process", None), ("two workers", client)):
                out = Path(folder, name.replace(" ", "-"))
                start = time.perf_counter()
                ma.export(source, pipeline, out, copies=args.copies, scheduler=scheduler)
                times[name].append(time.perf_counter() - start)
                found[name] = files(out)
                shutil.rmtree(out)
            same = same and found["one process"] == found["two workers"]
    medians = {name: statistics.median(found) for name, found in times.items()}
    document = {
        "seconds": times,
        "ratio": medians["two workers"] / medians["one process"],
        "same_bytes": same,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "cluster.json").write_text(json.dumps(document, indent=1))
    lines = [f"| {name} | {seconds:.1f} s |" for name, seconds in medians.items()]
    text = "\n".join(["| export by | median |", "|---|---:|", *lines, ""])
    text += f"\nRatio {document['ratio']:.2f}; the same bytes: {same}.\n"
    (args.out / "cluster.md").write_text(text)
    print(text)
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
