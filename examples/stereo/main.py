"""Augment coloured point clouds with normals, depth and labels, and check what came out.

    python examples/stereo/main.py --out out/demo

Cuts a stereo scene into records, stores them, reads them by chunk, augments them, measures
whether every point still falls on its pixel, draws a contact sheet and stores the result.
Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np
from augment import augment, carry_along, pipeline_for
from checks import Arrays, Report, check
from pictures import Row, write_sheet
from scene import Scene, load_scene
from windows import CHUNK, SIDE, Place, choose, write_windows

import multiaug as ma
from multiaug.files import replace_file
from multiaug.store import Source, open_source, write_zarr

LIMIT = 0.01  # pixels: what the library promises for the reprojection of an augmented cloud
SHOWN = 5  # records on the contact sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every step; returns 1 when the augmented cloud does not reproject, else 0."""
    options = parse(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    spec = ma.load_spec("stereo-normals")

    scene = step_scene()
    places = choose(scene, options.records)
    source = step_windows(out / "windows.zarr", scene, places, spec)
    batches, rate = step_augment(spec, source, options.seed)
    report, unmoved = step_check(spec, source, batches, options.seed)
    step_sheet(out / "contact_sheet.png", spec, source, places, batches)
    step_write(out / "augmented.zarr", spec, batches)

    summary = {
        **asdict(report),
        "unmoved": asdict(unmoved),
        "records": len(source),
        "records_per_second": rate,
    }
    replace_file(out / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
    print(f"\nLook at {out.resolve() / 'contact_sheet.png'}")
    if report.reprojection_max < LIMIT:
        return 0
    print(f"FAILED: the reprojection error is not below {LIMIT} px.", file=sys.stderr)
    return 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the results")
    parser.add_argument("--records", type=_positive, help="use so many windows, not all of them")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other augmentations")
    return parser.parse_args(arguments)


def step_scene() -> Scene:
    """Make the cloud of the whole picture."""
    scene = load_scene()
    height, width = scene.depth.shape
    print("1. Scene: 'motorcycle' of Middlebury Stereo 2014, as scikit-image ships it")
    say(f"{width} x {height} pixels; {np.isfinite(scene.depth).mean():.0%} have a depth,", end=" ")
    print(f"from {np.nanmin(scene.depth):.2f} to {np.nanmax(scene.depth):.2f} m")
    say("entries: colour and point cloud, normals, depth, depth bands, intrinsics")
    return scene


def step_windows(path: Path, scene: Scene, places: list[Place], spec: ma.DataSpec) -> Source:
    """Write the windows as a data set, and open it."""
    write_windows(path, scene, places, spec)
    source = open_source(path)
    print(f"\n2. Data set: {len(source)} windows of {SIDE} x {SIDE}, each with its own camera")
    say(f"{path}: {size_of(path):.0f} MB in chunks of {CHUNK} records")
    return source


def step_augment(spec: ma.DataSpec, source: Source, seed: int) -> tuple[list[Arrays], float]:
    """Augment every record; returns the batches and records per second."""
    pipeline = pipeline_for(spec)
    device = jax.devices()[0]
    print(f"\n3. Augmentation on {device.device_kind}, seed {seed}")
    say(" > ".join(type(transform).__name__ for transform in pipeline.transforms))
    result = augment(pipeline, source, seed)
    say(f"compiling took {result.compile_seconds:.1f} s, which is not in the next line")
    rate = result.records_per_second
    say(f"{len(source)} records in {result.seconds:.2f} s: {rate:.0f} records/s")
    return result.batches, rate


def step_check(
    spec: ma.DataSpec, source: Source, batches: list[Arrays], seed: int
) -> tuple[Report, Report]:
    """Measure what came out, beside what comes out when X, Y, Z are carried along as colours."""
    report = check(spec, batches)
    unmoved = check(spec, [carry_along(spec, block, seed) for block in source.scan()])
    print("\n4. Does the augmented cloud, seen by the augmented camera, fall on its pixels?")
    say(f"reprojection error over {report.pixels:,} points:", end=" ")
    print(f"at most {report.reprojection_max:.5f} px, {report.reprojection_mean:.5f} px on average")
    say(
        f"had the points been carried along like colours: {unmoved.reprojection_max:.1f} px,",
        end=" ",
    )
    print(f"{unmoved.reprojection_mean:.1f} px on average")
    say(f"depth channel against Z of the cloud: differs by at most {report.depth_max:.1e} of Z")
    say(f"normals: of length 1 to within {report.normals_max:.1e}, and across the surface of")
    say(f"the augmented cloud to within {report.normals_angle:.1f} degrees (median)")
    return report, unmoved


def step_sheet(
    path: Path, spec: ma.DataSpec, source: Source, places: list[Place], batches: list[Arrays]
) -> None:
    """Draw some records, picked at random but always the same, before and after."""
    chosen = np.sort(np.random.default_rng(7).permutation(len(source))[:SHOWN])
    before = source.read(chosen)
    after = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    rows = [
        Row(
            int(i),
            places[i],
            {n: a[k] for n, a in before.items()},
            {n: a[i] for n, a in after.items()},
        )
        for k, i in enumerate(chosen)
    ]
    write_sheet(path, spec, rows)
    print(f"\n5. Contact sheet: {path}")


def step_write(path: Path, spec: ma.DataSpec, batches: list[Arrays]) -> None:
    """Store the augmented records, and see that they can be read."""
    write_zarr(batches, spec, path, chunk=CHUNK, overwrite=True)
    again = open_source(path)
    last = again.read([len(again) - 1])
    for name, array in last.items():
        np.testing.assert_array_equal(array[0], batches[-1][name][-1], err_msg=name)
    print(f"\n6. Augmented data set: {path}")
    say(f"{size_of(path):.0f} MB; read again: {len(again)} records of {', '.join(last)}")


def size_of(folder: Path) -> float:
    """Megabytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def say(text: str, end: str = "\n") -> None:
    """Print a detail of the step."""
    print(f"   {text}", end=end)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
