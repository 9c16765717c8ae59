"""kornia: warp_affine and remap on a whole batch; AugmentationSequential for the recipe."""

from __future__ import annotations

import kornia
import numpy as np
import torch
from kornia.geometry.transform import remap, warp_affine

from ..contender import Cannot, Form, Outputs, Peer
from ..work import Case
from ._torch import batched, host, moved, tensors


def _affine(case: Case) -> list[Form]:
    image, mask = tensors(case)
    matrix = torch.from_numpy(case.geometry.forward.astype(np.float32))
    size = case.row.out_shape

    def run(s: slice) -> Outputs:
        m = matrix[s]
        out = warp_affine(image[s], m, size, align_corners=True)
        return moved(case, out, s), warp_affine(mask[s], m, size, "nearest", align_corners=True)

    return batched(case, "warp_affine", run)


def _remap(case: Case) -> list[Form]:
    (image, mask), maps = tensors(case), torch.from_numpy(case.geometry.maps)

    def run(s: slice) -> Outputs:
        x, y = maps[s, 0], maps[s, 1]
        out = remap(image[s], x, y, align_corners=True)
        return moved(case, out, s), remap(mask[s], x, y, "nearest", align_corners=True)

    return batched(case, "remap", run)


def _forms(case: Case) -> list[Form]:
    works = {"a": _affine, "b": _remap, "e": _affine}
    if case.row.work not in works:
        raise Cannot("its random modules draw their own; see torch")
    return works[case.row.work](case)


PEERS = [
    Peer(
        "kornia",
        _forms,
        host,
        kornia.__version__,
        "geometry.warp_affine and geometry.remap on float32 NCHW tensors made beforehand",
        moves=True,
    )
]
