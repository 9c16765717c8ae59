"""PyTorch: affine_grid and grid_sample on a whole batch."""

from __future__ import annotations

import torch
from torch.nn.functional import affine_grid, grid_sample

from ..contender import Form, Outputs, Peer
from ..work import Case
from ._torch import batched, grids, host, moved, normalised, tensors


def _sample(image: torch.Tensor, mask: torch.Tensor, grid: torch.Tensor) -> Outputs:
    return (
        grid_sample(image, grid, "bilinear", "zeros", align_corners=True),
        grid_sample(mask, grid, "nearest", "zeros", align_corners=True),
    )


def _affine(case: Case) -> list[Form]:
    (image, mask), theta = tensors(case), normalised(case)

    def run(s: slice) -> Outputs:
        size = [*mask[s].shape[:2], *case.row.out_shape]
        grid = affine_grid(theta[s], size, align_corners=True)
        out, labels = _sample(image[s], mask[s], grid)
        return moved(case, out, s), labels

    return batched(case, "affine_grid + grid_sample", run)


def _grid(case: Case) -> list[Form]:
    (image, mask), grid = tensors(case), grids(case)

    def run(s: slice) -> Outputs:
        out, labels = _sample(image[s], mask[s], grid[s])
        return moved(case, out, s), labels

    return batched(case, "grid_sample", run)


def _exact(case: Case) -> list[Form]:
    (image, mask), geometry = tensors(case), case.geometry

    def run(s: slice) -> Outputs:
        height, width = case.row.out_shape
        source = image[s], mask[s]
        n = source[0].shape[0]
        out = tuple(t.new_empty((n, t.shape[1], height, width)) for t in source)
        for i, (box, flip) in enumerate(zip(geometry.box[s], geometry.flip[s], strict=True)):
            x0, y0, x1, y1 = box
            for t, o in zip(source, out, strict=True):
                window = t[i, :, y0:y1, x0:x1]
                o[i] = window.flip(-1) if flip else window
        if case.geometry.motion is not None:
            out[0][torch.tensor(geometry.flip[s]), 3] *= -1
        return out

    return batched(case, "slices", run)


def _recipe(case: Case) -> list[Form]:
    (image, mask), grid = tensors(case), grids(case)
    drawn = torch.from_numpy(case.geometry.photometry.astype("float32"))[..., None, None, None]
    white = case.row.white

    def run(s: slice) -> Outputs:
        whole, labels = _sample(image[s], mask[s], grid[s])
        out = whole if case.geometry.motion is None else whole[:, :3]
        brightness, contrast, gamma, deviation = drawn[s].unbind(1)
        mean = out.mean((1, 2, 3), keepdim=True).div_(white).add_(brightness)
        out.mul_((1 + contrast) / white).add_(mean + (1 + contrast) * (brightness - mean))
        out.clamp_(0, 1).pow_(gamma).addcmul_(torch.randn_like(out), deviation)
        out.mul_(white).clamp_(0, white)
        return moved(case, whole, s), labels

    return batched(case, "grid_sample + in-place", run)


_WORKS = {"a": _affine, "b": _grid, "c": _exact, "d": _recipe, "e": _affine}

PEERS = [
    Peer(
        "torch",
        lambda case: _WORKS[case.row.work](case),
        host,
        torch.__version__,
        "affine_grid + grid_sample on float32 NCHW tensors made beforehand; in b and d the "
        "sampling grids are made beforehand too",
        moves=True,
    )
]
