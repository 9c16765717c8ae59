"""torchtransform: one chain for pictures and masks, its low-pass by mipmap in the same pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchtransform as tt

from ...contender import Cannot, Form, Peer
from ...peers._torch import centred_of
from ...peers.torchtransform_1 import Given
from ..rows import AFFINE, Case
from ._torch import forms, host, tensor


def _forms(case: Case) -> list[Form]:
    if not case.plain:
        raise Cannot("pictures, masks, points and boxes")
    if case.row.resized is None and case.row.transforms != AFFINE:
        raise Cannot("no shuffled order per record")
    image = tensor(case.images["image"], _dtype(case))
    mask = tensor(case.images["mask"], "uint8") if "mask" in case.images else None
    mode = "bicubic" if case.cubic else "bilinear"
    step = case.row.resized
    matrices = None
    if case.geometry is not None:
        matrices = centred_of(case.geometry.forward, case.row.shape, case.row.out_shape)

    def run(s: slice) -> Sequence[torch.Tensor]:
        chain = tt.Resize(case.row.out_shape) if matrices is None else None
        chain = chain or Given(matrices[s], case.row.out_shape)
        antialias = step is not None and step.antialias
        pictures = tt.Image(image[s], mode=mode, antialias=antialias)
        if mask is None:
            return [chain(image=pictures)["image"]]
        out = chain(image=pictures, mask=tt.Mask(mask[s]))
        return [out["image"], out["mask"]]

    names = ["image"] if mask is None else ["image", "mask"]
    return forms(case, "one chain", names, run)


def _dtype(case: Case) -> str:
    name = case.images["image"].dtype.name
    return name if name in ("uint8", "float16") else "float32"


PEERS = [
    Peer(
        "torchtransform",
        _forms,
        host,
        tt.__version__,
        "a transform of its own kind that is given the matrices, or Resize, on NCHW tensors",
    )
]
