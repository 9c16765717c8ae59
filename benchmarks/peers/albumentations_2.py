"""albumentations 2.0.8, the last release under the MIT licence: Compose per picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np

from ..contender import Cannot, Form, Outputs, Peer
from ..parallel import CORES, by_part, parts
from ..work import ELASTIC, Case, Row

_AFFINE = {
    "rotate": (-30, 30),
    "scale": (0.8, 1.25),
    "translate_percent": (-0.1, 0.1),
    "keep_ratio": True,
    "p": 1,
}


def _affine(_: Row) -> list[Any]:
    return [A.Affine(**_AFFINE), A.HorizontalFlip(0.5)]


def _elastic(row: Row) -> list[Any]:
    return [A.Affine(**_AFFINE), A.HorizontalFlip(0.5), _field(row, 1.0)]


def _field(row: Row, p: float) -> Any:
    # Waves as long and as high as those of the control grid.
    spacing = row.size / ELASTIC["grid"][0]
    amount = ELASTIC["amount"] * row.size
    return A.ElasticTransform(alpha=amount * spacing, sigma=spacing / 2, approximate=True, p=p)


def _grid(row: Row) -> list[Any]:
    # Coarse and piecewise linear: the cheapest of its displacements.
    return [
        A.Affine(**_AFFINE),
        A.HorizontalFlip(0.5),
        A.GridDistortion(num_steps=ELASTIC["grid"][0], distort_limit=0.15, p=1),
    ]


def _exact(row: Row) -> list[Any]:
    return [A.RandomCrop(*row.out_shape), A.HorizontalFlip(0.5)]


def _recipe(row: Row) -> list[Any]:
    return [
        A.RandomResizedCrop((row.size, row.size), scale=(0.25, 1.0)),
        A.HorizontalFlip(0.5),
        A.Rotate(15, border_mode=cv2.BORDER_CONSTANT, p=1),
        _field(row, 0.3),
        A.RandomBrightnessContrast(0.2, 0.2, p=1),
        A.RandomGamma((80, 125), p=1),
        A.GaussNoise(std_range=(0, 0.05), p=1),
    ]


_WORKS: dict[str, dict[str, Callable[[Row], list[Any]]]] = {
    "a": {"Affine": _affine},
    "b": {"ElasticTransform": _elastic, "GridDistortion": _grid},
    "c": {"RandomCrop": _exact},
    "d": {"Compose": _recipe},
}


def _forms(case: Case) -> list[Form]:
    if case.row.work not in _WORKS:
        raise Cannot("does not move coordinates")
    if case.row.dtype == np.uint16:
        raise Cannot("uint8 and float32 only")
    forms = []
    for name, make in _WORKS[case.row.work].items():
        forms += _two_forms(case, name, make)
    return forms


def _two_forms(case: Case, name: str, make: Callable[[Row], list[Any]]) -> list[Form]:
    # Each thread draws from a pipeline of its own: they are not made to be shared.
    pipelines = [A.Compose(make(case.row), seed=s) for s in range(CORES)]
    image = case.image if case.row.channels > 1 else case.image[..., 0]

    def run(part: range, pipeline: Any) -> list[Any]:
        return [pipeline(image=image[i], mask=case.mask[i]) for i in part]

    def gather(done: Any) -> Outputs:
        return [d["image"] for d in done], [d["mask"] for d in done]

    def own() -> Outputs:
        return gather(run(range(case.row.batch), pipelines[0]))

    def threads() -> Outputs:
        starts = {part.start: p for part, p in zip(parts(case.row.batch, CORES), pipelines)}  # noqa: B905
        done = by_part(case.row.batch, lambda part: run(part, starts[part.start]))
        return gather(list(itertools.chain.from_iterable(done)))  # type: ignore[arg-type]

    return [
        Form(f"{name}, own threads", own, enter=lambda: cv2.setNumThreads(CORES)),
        Form(f"{name}, over pictures", threads, enter=lambda: cv2.setNumThreads(1)),
    ]


def _host(outputs: Outputs) -> dict[str, Any]:
    image, mask = (np.stack(arrays) for arrays in outputs)
    return {"image": image[..., None] if image.ndim == 3 else image, "mask": mask}


PEERS = [
    Peer(
        "albumentations",
        _forms,
        _host,
        A.__version__,
        "Compose per picture, a Compose per thread; results stay a list, stacking is not timed",
        draws="own",
    )
]
