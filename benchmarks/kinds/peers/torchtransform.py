"""torchtransform: one chain for images and masks, with a low-pass by mipmap in the same pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torchtransform as tt

from ...contender import Cannot, Form, Peer
from ...peers._torch import centred_of
from ...peers.torchtransform_1 import Given
from ..rows import AFFINE, Case
from ._torch import forms, host, tensor


def _forms(case: Case) -> list[Form]:
    if not case.plain:
        raise Cannot("images, masks, points and boxes")
    if case.row.resized is None and case.row.transforms != AFFINE:
        raise Cannot("no shuffled order per record")
    # Half precision would be that of its grid, too: it comes back as NaN.
    as_bytes = case.images["image"].dtype == np.uint8
    image = tensor(case.images["image"], np.uint8 if as_bytes else np.float32)
    mask = tensor(case.images["mask"], np.uint8) if "mask" in case.images else None
    mode = "bicubic" if case.cubic else "bilinear"
    step = case.row.resized
    matrices = None
    if case.geometry is not None:
        matrices = centred_of(case.geometry.forward, case.row.shape, case.row.out_shape)

    def run(s: slice) -> Sequence[torch.Tensor]:
        chain = tt.Resize(case.row.out_shape) if matrices is None else None
        chain = chain or Given(matrices[s], case.row.out_shape)
        antialias = step is not None and step.antialias
        images = tt.Image(image[s], mode=mode, antialias=antialias)
        if mask is None:
            return [chain(image=images)["image"]]
        out = chain(image=images, mask=tt.Mask(mask[s]))
        return [out["image"], out["mask"]]

    names = ["image"] if mask is None else ["image", "mask"]
    return forms(case, "one chain", names, run)


PEERS = [
    Peer(
        "torchtransform",
        _forms,
        host,
        tt.__version__,
        "a transform of its own kind that is given the matrices, or Resize, on NCHW tensors",
    )
]
