"""multiaug on a GPU, beside PyTorch and kornia on the same one: batches that are there already.

Pictures and masks lie in the memory of the GPU, as each library likes them, and the results stay
there. The others are given the geometry, as tensors made beforehand; multiaug draws it in the timed
call. All are timed turn by turn in one process, and checked first against SciPy in float64::

    XLA_PYTHON_CLIENT_PREALLOCATE=false python -m benchmarks.accelerator --json gpu.json

Two times stand for each: of a call that is waited for, and of one of twenty that are queued and
waited for together, as training does it. Needs PyTorch for CUDA, kornia, and JAX for CUDA;
``--device cpu`` runs the same on a CPU, to see that it runs.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import kornia
import numpy as np
import torch
from kornia.geometry.transform import warp_affine
from numpy.typing import NDArray
from torch.nn.functional import affine_grid, grid_sample

import multiaug as ma

from .contender import Cannot, Form, Outputs, Peer
from .measure import Entrant, enter, paired, take_turns
from .peers._torch import grids, normalised, tensors
from .work import Case, Row, make_case

QUEUED = 20
# Batches that fill a GPU, or do not: side and number of records.
SHAPES = ((32, 256), (224, 32), (224, 128), (512, 8))
KINDS = ("u8x3", "f32x3", "f32x6", "f32x12")


@dataclass(frozen=True)
class DeviceRow(Row):
    """A row of `benchmarks.work` with a batch of its own size."""

    records: int = 32

    @property
    def name(self) -> str:
        return f"{super().name}x{self.records}"

    @property
    def batch(self) -> int:
        return self.records


def rows() -> list[DeviceRow]:
    """The whole table: affine work on all kinds, the recipe on some, points that move."""
    found = [DeviceRow("a", kind, side, n) for kind in KINDS for side, n in SHAPES]
    found += [DeviceRow("e", "rgbxyz", side, n) for side, n in SHAPES]
    return found + [
        DeviceRow("d", kind, side, n) for kind in ("u8x3", "f32x6") for side, n in SHAPES
    ]


def queued(call: Callable[[], Outputs], wait: Callable[[Outputs], Outputs]) -> list[Form]:
    """The two forms of something that returns before its work is done."""

    def many() -> Outputs:
        outputs = None
        for _ in range(QUEUED):
            outputs = call()
        return wait(outputs)

    return [Form("waited for", lambda: wait(call())), Form("queued", many)]


def ours(device: jax.Device) -> list[Peer]:
    """The full call, the same without its check, and the call with params drawn ahead."""

    def host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
        image = outputs["rgbxyz"] if "rgbxyz" in outputs else outputs["image"]
        return {"image": np.asarray(image), "mask": np.asarray(outputs["mask"])}

    def full(case: Case) -> list[Form]:
        keys, record = jax.device_put((case.keys, case.record), device)
        return queued(lambda: case.pipeline.batch(keys, record), jax.block_until_ready)

    def unchecked(case: Case) -> list[Form]:
        keys, record = jax.device_put((case.keys, case.record), device)
        run = partial(case.pipeline.batch, keys, record, check=False)
        return queued(run, jax.block_until_ready)

    def given(case: Case) -> list[Form]:
        params, record = jax.device_put((case.params, case.record), device)
        return queued(lambda: case.pipeline.apply(params, record), jax.block_until_ready)

    return [
        Peer("multiaug", full, host, ma.__version__, "pipeline.batch, checks on", ours=True),
        Peer("multiaug unchecked", unchecked, host, ma.__version__, "check=False", ours=True),
        Peer("multiaug apply", given, host, ma.__version__, "params drawn ahead", ours=True),
    ]


def others(device: torch.device) -> list[Peer]:
    """PyTorch and kornia on float32 NCHW tensors; bytes become floats outside the clock."""

    def wait(outputs: Outputs) -> Outputs:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return outputs

    def host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
        image, mask = (part.cpu().numpy() for part in outputs)
        return {"image": np.moveaxis(image, 1, -1), "mask": mask[:, 0].astype(np.uint8)}

    def there(array: NDArray[Any] | torch.Tensor) -> torch.Tensor:
        tensor = array if isinstance(array, torch.Tensor) else torch.from_numpy(array)
        return tensor.to(device)

    def mover(case: Case) -> Callable[[torch.Tensor], torch.Tensor]:
        if case.geometry.motion is None:
            return lambda image: image
        motion = there(case.geometry.motion.astype(np.float32))

        def move(image: torch.Tensor) -> torch.Tensor:
            image[:, 3:] = torch.bmm(motion, image[:, 3:].flatten(2)).view_as(image[:, 3:])
            return image

        return move

    def sampled(image: torch.Tensor, mask: torch.Tensor, grid: torch.Tensor) -> Outputs:
        return (
            grid_sample(image, grid, "bilinear", "zeros", align_corners=True),
            grid_sample(mask, grid, "nearest", "zeros", align_corners=True),
        )

    def with_grids(case: Case) -> list[Form]:
        (image, mask), move = map(there, tensors(case)), mover(case)
        if case.row.work == "d":
            return queued(recipe(case, image, mask), wait)
        theta = there(normalised(case))

        def run() -> Outputs:
            grid = affine_grid(theta, [*mask.shape[:2], *case.row.out_shape], align_corners=True)
            out, labels = sampled(image, mask, grid)
            return move(out), labels

        return queued(run, wait)

    def recipe(case: Case, image: torch.Tensor, mask: torch.Tensor) -> Callable[[], Outputs]:
        grid, white = there(grids(case)), case.row.white
        drawn = there(case.geometry.photometry.astype(np.float32))[..., None, None, None]
        brightness, contrast, gamma, deviation = drawn.unbind(1)

        def run() -> Outputs:
            out, labels = sampled(image, mask, grid)
            mean = out.mean((1, 2, 3), keepdim=True).div_(white).add_(brightness)
            out.mul_((1 + contrast) / white).add_(mean + (1 + contrast) * (brightness - mean))
            out.clamp_(0, 1).pow_(gamma).addcmul_(torch.randn_like(out), deviation)
            return out.mul_(white).clamp_(0, white), labels

        return run

    def by_kornia(case: Case) -> list[Form]:
        if case.row.work == "d":
            raise Cannot("its random modules draw their own; see torch")
        (image, mask), move = map(there, tensors(case)), mover(case)
        matrix, size = there(case.geometry.forward.astype(np.float32)), case.row.out_shape

        def run() -> Outputs:
            out = warp_affine(image, matrix, size, align_corners=True)
            return move(out), warp_affine(mask, matrix, size, "nearest", align_corners=True)

        return queued(run, wait)

    return [
        Peer("torch", with_grids, host, torch.__version__, "affine_grid, grid_sample", moves=True),
        Peer("kornia", by_kornia, host, kornia.__version__, "warp_affine", moves=True),
    ]


def measure(case: Case, peers: Sequence[Peer], repeats: int, seconds: float) -> dict[str, Any]:
    """One row: seconds of a batch by peer and form, and the ratios of paired turns."""
    entrants, refused = enter(case, peers)
    take_turns(entrants, repeats, seconds)
    for entrant in entrants:
        if entrant.form.name == "queued":
            entrant.samples = [s / QUEUED for s in entrant.samples]
    result: dict[str, Any] = {"refused": refused, "forms": {}, "ratios": {}}
    for form in ("waited for", "queued"):
        own = {e.peer.name: e for e in entrants if e.form.name == form}
        result["forms"][form] = {name: _summary(entrant) for name, entrant in own.items()}
        if "multiaug" in own:
            result["ratios"][form] = {
                name: paired(e.samples, own["multiaug"].samples)
                for name, e in own.items()
                if name != "multiaug"
            }
    return result


def _summary(entrant: Entrant) -> dict[str, float]:
    low, _, high = statistics.quantiles(entrant.samples, n=4)
    return {
        "median_s": entrant.seconds,
        "q1_s": low,
        "q3_s": high,
        "first_s": entrant.first,
        "turns": len(entrant.samples),
    }


def program(case: Case) -> dict[str, int]:
    """What the compiled call is: kernels, and bytes besides its arguments.

    Of the call inside a user's own `jit`, which is the same work in one program.
    """
    run = jax.jit(lambda keys, record: case.pipeline.batch(keys, record))
    done = run.lower(case.keys, case.record).compile()
    entry = (done.as_text() or "").split("\nENTRY ")[-1]
    memory = done.memory_analysis()
    return {
        "kernels": sum(" fusion(" in line or " custom-call(" in line for line in entry.split("\n")),
        "temporary_bytes": memory.temp_size_in_bytes,
        "output_bytes": memory.output_size_in_bytes,
    }


def torch_peak(case: Case, peer: Peer) -> int | None:
    """Bytes that a call of PyTorch holds at most, besides its arguments; of CUDA alone."""
    if not torch.cuda.is_available():
        return None
    call = peer.forms(case)[0].call
    call()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    return torch.cuda.max_memory_allocated() - before


def line(name: str, found: Mapping[str, Any]) -> str:
    """One line of the table: microseconds, and times of ours."""
    cells = []
    for form in ("waited for", "queued"):
        times, ratios = found["forms"][form], found["ratios"].get(form, {})
        cells += [
            f"{times[peer]['median_s'] * 1e6:,.0f}" if peer in times else ""
            for peer in ("multiaug", "multiaug unchecked", "multiaug apply", "torch", "kornia")
        ]
        for peer in ("torch", "kornia"):
            ratio = ratios.get(peer)
            cells.append(
                f"{ratio['median']:.2f} ({ratio['q1']:.2f}, {ratio['q3']:.2f})" if ratio else ""
            )
    return f"| {name} | " + " | ".join(cells) + " |"


HEAD = ("multiaug", "unchecked", "apply", "torch", "kornia", "torch / ours", "kornia / ours")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="*", default=[], help="patterns of names: a-*-224x32")
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--seconds", type=float, default=3.0, help="about, of a row's turns")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-memory", action="store_true", help="compile nothing again for it")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_grad_enabled(False)
    device = jax.devices(options.device)[0]
    peers = [*ours(device), *others(torch.device(options.device))]
    chosen = [
        row
        for row in rows()
        if not options.rows or any(fnmatch.fnmatch(row.name, p) for p in options.rows)
    ]
    about = {"device": device.device_kind, "jax": jax.__version__, "torch": torch.__version__}
    about |= {"kornia": kornia.__version__, "multiaug": ma.__version__, "queued": QUEUED}
    results: dict[str, Any] = {"about": about, "rows": {}}
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("| µs a batch | " + " | ".join([*HEAD, *(f"queued: {h}" for h in HEAD)]) + " |")
    print("|---" * (2 * len(HEAD) + 1) + "|")

    def prepared(row: Row) -> tuple[Case, dict[str, int]]:
        case = make_case(row)
        return case, {} if options.no_memory else program(case)

    # Pictures take longer to make than to augment, and nothing is timed yet.
    with ThreadPoolExecutor() as pool:
        ready = list(pool.map(prepared, chosen))
    while ready:
        case, about_program = ready.pop(0)
        found = measure(case, peers, options.repeats, options.seconds)
        if not options.no_memory:
            found["program"] = about_program
            found["torch_peak_bytes"] = torch_peak(case, peers[3])
        results["rows"][case.row.name] = found
        print(line(case.row.name, found), flush=True)
        for who, why in found["refused"].items():
            if not why.startswith("cannot"):
                print(f"  {who}: {why}")
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
