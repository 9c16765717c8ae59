"""torchvision v2: its functionals on images and masks, bytes as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...contender import Cannot, Form, Peer
from ...peers.torchvision_v2 import PEERS as LOADED
from ...peers.torchvision_v2 import v2
from ..rows import AFFINE, Case
from ._torch import forms, host, tensor

f, Mode = v2.functional, v2.InterpolationMode


def _forms(case: Case) -> list[Form]:
    if not case.plain or case.cubic:
        raise Cannot("images and masks, linear")
    if case.row.resized is None and case.row.transforms != AFFINE:
        raise Cannot("no shuffled order per record")
    images = {n: tensor(a, _dtype(a)) for n, a in case.images.items()}
    modes = {n: Mode.NEAREST_EXACT if n == "mask" else Mode.BILINEAR for n in images}
    if case.row.resized is not None:
        step, size = case.row.resized, list(case.row.out_shape)

        def resize(s: slice) -> Sequence[torch.Tensor]:
            return [
                f.resize_image(t[s], size, modes[n], antialias=step.antialias)
                for n, t in images.items()
            ]

        return forms(case, "resize", list(images), resize)
    values = case.params.values
    columns = (values[0]["degrees"], values[1]["factor"], values[2]["px"], values[3]["on"])
    drawn = list(zip(*columns, strict=True))

    def one(image: torch.Tensor, label: bool, i: int) -> torch.Tensor:
        degrees, scale, px, flip = drawn[i]
        mode = Mode.NEAREST if label else Mode.BILINEAR
        shift = [float(v) for v in px]
        out = f.affine_image(image[i], -float(degrees), shift, float(scale[0]), [0.0, 0.0], mode)
        return f.horizontal_flip(out) if flip else out

    def warp(s: slice) -> Sequence[torch.Tensor]:
        numbers = range(case.row.batch)[s]
        return [torch.stack([one(t, n == "mask", i) for i in numbers]) for n, t in images.items()]

    return forms(case, "affine, then flip", list(images), warp)


def _dtype(array: Any) -> Any:
    return np.uint8 if array.dtype == np.uint8 else np.float32


PEERS = [
    Peer(
        "torchvision v2",
        _forms,
        host,
        LOADED[0].version,
        "functional.resize_image on a batch, affine_image and horizontal_flip per image, uint8 "
        "where the row is",
    )
]
