"""Statistics of a data set, and an augmented copy of it, by the workers of a Dask cluster.

python examples/cluster/main.py                         # two workers on this machine
python examples/cluster/main.py --address tcp://host:8786 --out /shared/augmented.zarr
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import multiaug as ma


def make_source(path: Path, records: int) -> Path:
    """Pictures with a mask each: discs of random places and sizes on a ramp."""
    spec = ma.load_spec("rgb-segmentation")
    y, x = np.mgrid[:128, :128]

    def batches() -> Iterator[dict[str, np.ndarray]]:
        draw = np.random.default_rng(0)
        for _ in range(0, records, 32):
            centre, radius = draw.uniform(20, 108, (32, 2, 1, 1)), draw.uniform(5, 30, (32, 1, 1))
            mask = np.hypot(y - centre[:, 0], x - centre[:, 1]) < radius
            ramp = np.stack([x, y, x + y], axis=-1) // 2
            image = np.where(mask[..., None], 255 - ramp, ramp).astype(np.uint8)
            yield {"image": image, "mask": mask.astype(np.uint8)}

    return ma.write_zarr(batches(), spec, path, chunk=16, overwrite=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", help="of a running scheduler; by default one is started")
    parser.add_argument("--source", type=Path, help="a zarr data set that all workers can read")
    parser.add_argument("--out", type=Path, help="where to write, the same path for all workers")
    parser.add_argument("--records", type=int, default=512, help="of the data set made for you")
    parser.add_argument("--copies", type=int, default=2)
    arguments = parser.parse_args(argv)

    from distributed import Client, LocalCluster

    with tempfile.TemporaryDirectory() as folder:
        source = arguments.source or make_source(Path(folder, "discs.zarr"), arguments.records)
        out = arguments.out or Path(folder, "augmented.zarr")
        data = ma.open_source(source)
        pipeline = ma.Pipeline(
            [ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Flip("x"), ma.Brightness(0.2)], data.spec
        )
        cluster = arguments.address or LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
        start = time.perf_counter()
        with Client(cluster) as client:
            stats = ma.fit(data, ma.Moments(), progress=False, scheduler=client)
            ma.export(
                data, pipeline, out, copies=arguments.copies, shard_bytes="8MB", scheduler=client
            )
        for label, group in stats.items():
            print(f"mean of {label}:", *group.moments.channel_mean().round(1).tolist())
        written = ma.open_source(out)
        written.check(deep=True)
        print(
            f"{len(written)} records in {len(written.blocks)} shards, "
            f"{time.perf_counter() - start:.1f} s, every value verified: {out}"
        )
        if not arguments.address:
            cluster.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
