"""OpenCV: one warp or resize per entry, and by hand what roles ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import multiaug as ma

from ...contender import Cannot, Form, Peer, as_is
from ...parallel import CORES, over
from ..rows import NOISY, VALUES, Case

Image = NDArray[Any]
One = Callable[[int, dict[str, Image]], None]
_METHODS = {"nearest": cv2.INTER_NEAREST, "cubic": cv2.INTER_CUBIC}


def _plane(image: Image) -> Image:
    """One channel is a plane for OpenCV."""
    return image[..., 0] if image.shape[-1] == 1 else image


def _forms(case: Case) -> list[Form]:
    if any(a.dtype == np.float16 for a in case.images.values()):
        raise Cannot("warps no float16")
    one = _resize(case) if case.row.resized else _warp(case)
    kept = case.outputs()

    def by_library(out: dict[str, Image]) -> dict[str, Image]:
        for i in range(case.row.batch):
            one(i, {n: a[i] for n, a in out.items()})
        return out

    def by_python(out: dict[str, Image]) -> dict[str, Image]:
        over(case.row.batch, lambda i: one(i, {n: a[i] for n, a in out.items()}))
        return out

    forms = []
    for label, fill, threads in (
        ("library threads", by_library, CORES),
        ("over records", by_python, 1),
    ):

        def enter(threads: int = threads) -> None:
            cv2.setNumThreads(threads)

        def fresh(fill: Any = fill) -> dict[str, Image]:
            return fill(case.outputs())

        def recycled(fill: Any = fill) -> dict[str, Image]:
            return fill(kept)

        forms += [Form(label, fresh, False, enter), Form(label, recycled, True, enter)]
    return forms


def _resize(case: Case) -> One:
    step, size = case.row.resized, case.row.out_shape[::-1]
    assert step is not None
    smaller = step.antialias and size[0] < case.row.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    methods = {
        name: cv2.INTER_NEAREST_EXACT if group.role == "label" else method
        for name, group in case.groups
    }

    def one(i: int, out: dict[str, Image]) -> None:
        for name, image in case.images.items():
            cv2.resize(_plane(image[i]), size, _plane(out[name]), 0, 0, methods[name])

    return one


def _warp(case: Case) -> One:
    assert case.geometry is not None
    matrices, size = list(case.geometry.backward), case.row.out_shape[::-1]
    steps = [step for name, group in case.groups if (step := _by_hand(case, name, group))]
    values = _values(case) if case.row.transforms[-1:] == (ma.Shuffle(VALUES),) else None
    if case.row.transforms[-1:] == (ma.Shuffle(NOISY),):
        raise Cannot("noise is no table of 256")
    methods = {n: _METHODS.get(g.interpolation, cv2.INTER_LINEAR) for n, g in case.groups}

    def one(i: int, out: dict[str, Image]) -> None:
        for name, image in case.images.items():
            flags = methods[name] | cv2.WARP_INVERSE_MAP
            cv2.warpAffine(_plane(image[i]), matrices[i], size, _plane(out[name]), flags)
        for step in steps:
            step(i, out)
        if values is not None:
            values(i, out["image"])

    return one


def _by_hand(case: Case, name: str, group: Any) -> One | None:
    """What follows the warp of a channel group, by its role; depth keeps its Z under these maps."""
    channels = group.channel_slice()
    if group.role in ("position", "direction", "flow"):
        turns = case.jacobians if group.role == "flow" else case.motions

        def turn(i: int, out: dict[str, Image]) -> None:
            array = out[name]
            if array.shape[-1] == len(turns[i]):
                cv2.transform(array, turns[i], array)
            else:
                array[..., channels] = array[..., channels] @ turns[i].T
            if group.role == "direction":
                lengths = np.sqrt(np.einsum("hwc,hwc->hw", array, array))
                array /= np.maximum(lengths, 1e-12)[..., None]

        return turn
    if group.role == "label" and group.mirror_pairs:
        table, mirrored = np.arange(256, dtype=np.uint8), case.mirrored
        for a, b in group.mirror_pairs:
            table[[a, b]] = b, a

        def swap(i: int, out: dict[str, Image]) -> None:
            if mirrored[i]:
                cv2.LUT(out[name], table, out[name])

        return swap
    return None


def _values(case: Case) -> Callable[[int, Image], None]:
    """The six in their drawn order as one table of 256 per channel; means by histogram."""
    drawn = case.params.values[-1]
    numbers = [next(iter(child.values())) for child in drawn["children"]]
    levels = np.arange(256, dtype=np.float32) / 255

    def change(i: int, image: Image) -> None:
        table = np.tile(levels[:, None], 3)
        histograms = [cv2.calcHist([image], [c], None, [256], [0, 256]) for c in range(3)]
        counts = np.stack([h.ravel() for h in histograms], axis=1)
        for k in drawn["order"][i]:
            step, number = VALUES[k], numbers[k][i]
            if isinstance(step, ma.Contrast):
                mean = (table * counts).sum() / counts.sum()
                table = mean + (1 + number) * (table - mean)
            elif isinstance(step, ma.Gamma):
                table = np.sign(table) * np.abs(table) ** number
            else:
                table = table + number
        whole = (np.clip(table, 0, 1) * 255 + 0.5).astype(np.uint8)
        cv2.LUT(image, whole[None], image)

    return change


PEERS = [
    Peer(
        "opencv",
        _forms,
        as_is,
        cv2.__version__,
        "warpAffine or resize (INTER_AREA where it shrinks) per entry; transform and LUT for what "
        "roles ask for",
    )
]
