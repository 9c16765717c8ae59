"""albumentations 2.0.8: Compose per record, drawing its own."""

from __future__ import annotations

import itertools
from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from ...contender import Cannot, Form, Outputs, Peer
from ...parallel import CORES, by_part, parts
from ..rows import AFFINE, VALUES, Case


def _steps(case: Case) -> list[Any]:
    if case.row.resized is not None:
        if not case.row.resized.antialias:
            return [A.Resize(*case.row.out_shape)]
        return [A.Resize(*case.row.out_shape, interpolation=cv2.INTER_AREA)]
    affine = A.Affine(
        rotate=(-30, 30),
        scale=(0.8, 1.25),
        translate_percent=(-0.1, 0.1),
        keep_ratio=True,
        interpolation=cv2.INTER_CUBIC if case.cubic else cv2.INTER_LINEAR,
        p=1,
    )
    return [affine, A.HorizontalFlip(0.5), *_values(case)]


def _values(case: Case) -> list[Any]:
    if case.row.transforms == AFFINE:
        return []
    noisy = case.row.transforms[-1].transforms != VALUES
    last = A.GaussNoise(std_range=(0, 0.05), p=1) if noisy else A.RandomGamma((91, 110), p=1)
    bright = [A.RandomBrightnessContrast(b, c, p=1) for b, c in ((0.2, 0), (0, 0.2), (0.1, 0))]
    others = [A.RandomGamma((80, 125), p=1), A.RGBShift(25, 25, 25, p=1)]
    return [A.RandomOrder([*bright, *others, last], n=6, p=1)]


def _forms(case: Case) -> list[Form]:
    if not case.plain:
        raise Cannot("images and masks, without roles")
    if case.images["image"].dtype not in (np.uint8, np.float32):
        raise Cannot("uint8 and float32 only")
    # Each thread draws from a pipeline of its own: they are not made to be shared.
    pipelines = [A.Compose(_steps(case), seed=s) for s in range(CORES)]
    images = {n: a[..., 0] if a.shape[-1] == 1 else a for n, a in case.images.items()}

    def run(part: range, pipeline: Any) -> list[Any]:
        return [pipeline(**{n: a[i] for n, a in images.items()}) for i in part]

    def whole() -> Outputs:
        return run(range(case.row.batch), pipelines[0])

    def threads() -> Outputs:
        starts = {p.start: k for k, p in enumerate(parts(case.row.batch, CORES))}
        done = by_part(case.row.batch, lambda part: run(part, pipelines[starts[part.start]]))
        return list(itertools.chain.from_iterable(done))  # type: ignore[arg-type]

    return [
        Form("Compose, library threads", whole, enter=lambda: cv2.setNumThreads(CORES)),
        Form("Compose, over records", threads, enter=lambda: cv2.setNumThreads(1)),
    ]


def _host(outputs: Outputs) -> dict[str, Any]:
    arrays = {name: np.stack([one[name] for one in outputs]) for name in outputs[0]}
    return {n: a[..., None] if a.ndim == 3 else a for n, a in arrays.items()}


PEERS = [
    Peer(
        "albumentations",
        _forms,
        _host,
        A.__version__,
        "Compose per record, a Compose per thread; results stay a list, stacking is not timed",
        draws="own",
    )
]
