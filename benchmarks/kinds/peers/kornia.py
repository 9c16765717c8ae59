"""kornia: warp_affine and resize on a batch."""

from __future__ import annotations

from collections.abc import Sequence

import kornia
import numpy as np
import torch
from kornia.geometry.transform import resize, warp_affine

from ...contender import Cannot, Form, Peer
from ..rows import AFFINE, Case
from ._torch import forms, host, tensor


def _forms(case: Case) -> list[Form]:
    if not case.plain:
        raise Cannot("images and masks")
    if case.row.resized is None and case.row.transforms != AFFINE:
        raise Cannot("its random modules draw their own")
    images = {n: tensor(a) for n, a in case.images.items()}
    size, step = case.row.out_shape, case.row.resized
    if step is not None:
        modes = {n: "nearest-exact" if n == "mask" else "bilinear" for n in images}
        low = {n: step.antialias and n != "mask" for n in images}

        def shrink(s: slice) -> Sequence[torch.Tensor]:
            return [resize(t[s], size, modes[n], antialias=low[n]) for n, t in images.items()]

        return forms(case, "resize", list(images), shrink)
    assert case.geometry is not None
    matrix = torch.from_numpy(case.geometry.forward.astype(np.float32))
    modes = {n: "nearest" if n == "mask" else "bilinear" for n in images}
    if case.cubic:
        modes["image"] = "bicubic"

    def warp(s: slice) -> Sequence[torch.Tensor]:
        m = matrix[s]
        return [warp_affine(t[s], m, size, modes[n], align_corners=True) for n, t in images.items()]

    return forms(case, "warp_affine", list(images), warp)


PEERS = [
    Peer(
        "kornia",
        _forms,
        host,
        kornia.__version__,
        "geometry.warp_affine and geometry.resize on float32 NCHW tensors made beforehand",
    )
]
