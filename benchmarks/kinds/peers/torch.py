"""PyTorch: one grid and one grid_sample for all channels that are blended, one for labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate

from ...contender import Cannot, Form, Peer
from ..rows import AFFINE, Case
from ._torch import forms, host, normalised, tensor


def _forms(case: Case) -> list[Form]:
    if case.row.resized is not None:
        return _resize(case)
    if case.row.transforms != AFFINE:
        raise Cannot("no shuffled order per record")
    return _warp(case)


def _resize(case: Case) -> list[Form]:
    step, size = case.row.resized, case.row.out_shape
    assert step is not None
    images = {n: tensor(a) for n, a in case.images.items()}
    labels = {n for n, group in case.groups if group.role == "label"}

    def run(s: slice) -> Sequence[torch.Tensor]:
        return [
            interpolate(t[s], size, mode="nearest-exact")
            if n in labels
            else interpolate(t[s], size, mode="bilinear", antialias=step.antialias)
            for n, t in images.items()
        ]

    return forms(case, "interpolate", list(images), run)


def _warp(case: Case) -> list[Form]:
    groups = dict(case.groups)
    blended = [n for n, g in groups.items() if g.role != "label"]
    labels = [n for n, g in groups.items() if g.role == "label"]
    methods = {"cubic": "bicubic"}
    image = torch.cat([tensor(case.images[n]) for n in blended], 1)
    masks = torch.cat([tensor(case.images[n]) for n in labels], 1) if labels else None
    mode = methods.get(groups[blended[0]].interpolation, "bilinear")
    widths = [case.images[n].shape[-1] for n in blended]
    theta, size = normalised(case), case.row.out_shape
    motions, jacobians = (torch.from_numpy(a) for a in (case.motions, case.jacobians))
    mirrored, tables = torch.from_numpy(case.mirrored), _tables(case)

    def run(s: slice) -> Sequence[torch.Tensor]:
        grid = affine_grid(theta[s], [len(theta[s]), 1, *size], align_corners=True)
        out = grid_sample(image[s], grid, mode, "zeros", align_corners=True)
        done = dict(zip(blended, out.split(widths, 1), strict=True))
        for name, group in case.groups:
            part = done[name][:, group.channel_slice()] if name in done else None
            if group.role in ("position", "direction", "flow"):
                turn = (jacobians if group.role == "flow" else motions)[s]
                part[:] = torch.bmm(turn, part.flatten(2)).view_as(part)
            if group.role == "direction":
                part.div_(part.norm(dim=1, keepdim=True).clamp_(min=1e-12))
        if masks is not None:
            moved = grid_sample(masks[s], grid, "nearest", "zeros", align_corners=True)
            for k, name in enumerate(labels):
                label = moved[:, k : k + 1]
                if name in tables:
                    on = mirrored[s]
                    label[on] = tables[name][label[on].long()]
                done[name] = label
        return list(done.values())

    return forms(case, "affine_grid + grid_sample", [*blended, *labels], run)


def _tables(case: Case) -> dict[str, torch.Tensor]:
    """Label ids after a mirror, of entries with pairs."""
    tables = {}
    for name, group in case.groups:
        if group.role == "label" and group.mirror_pairs:
            tables[name] = torch.arange(256, dtype=torch.float32)
            for a, b in group.mirror_pairs:
                tables[name][a], tables[name][b] = b, a
    return tables


PEERS = [
    Peer(
        "torch",
        _forms,
        host,
        torch.__version__,
        "affine_grid, one grid_sample for all that is blended, one for labels, bmm for what turns; "
        "interpolate for sizes; float32 NCHW tensors made beforehand",
    )
]
