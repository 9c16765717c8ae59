"""torchtransform: a chain is one grid; with its own draws, and with the geometry given."""

from __future__ import annotations

import torch
import torchtransform as tt

from ..contender import Cannot, Form, Outputs, Peer
from ..work import ELASTIC, Case, Row
from ._torch import batched, centred, host, moved, tensors


class Given(tt.CanvasTransform):  # type: ignore[misc]
    """A matrix per record, about the centres of both frames; as its README says to write one."""

    def __init__(self, matrices: torch.Tensor, shape: tuple[int, int]) -> None:
        super().__init__()
        self.matrices, self.shape = matrices, shape

    def get_output_shape(self, _: tt.Context) -> tuple[int, ...]:
        return self.shape

    def get_matrices(self, _: tt.Context, __: tuple[int, ...]) -> torch.Tensor:
        return self.matrices


def affine() -> list[tt.Transform]:
    """Work a, drawn by itself."""
    shift = tt.Translate((-0.1, 0.1), (-0.1, 0.1), relative=True)
    return [tt.Rotate((-30, 30)), tt.Scale((0.8, 1.25)), shift, tt.HorizontalFlip()]


def _elastic(row: Row) -> tt.Transform:
    # Waves as long and as high as those of the control grid.
    spacing, amount = row.size / ELASTIC["grid"][0], ELASTIC["amount"] * row.size
    return tt.ElasticWarp(magnitude=amount / 2, spacing=spacing)


def _recipe(row: Row) -> list[tt.Transform]:
    return [
        tt.RandomResizedCrop(row.size, scale=(0.25, 1.0)),
        tt.HorizontalFlip(),
        tt.Rotate((-15, 15)),
        tt.Maybe(_elastic(row), p=0.3),
        tt.Brightness((0.8, 1.2)),
        tt.Contrast((0.8, 1.2)),
        tt.Gamma((0.8, 1.25)),
        tt.GaussianNoise((0.0, 0.05)),
    ]


def _chain(row: Row) -> tt.Compose:
    if row.work == "a":
        return tt.Compose(*affine())
    if row.work == "b":
        return tt.Compose(*affine(), _elastic(row))
    if row.work == "c":
        return tt.Compose(tt.RandomCrop(row.out_shape), tt.HorizontalFlip())
    return tt.Compose(*_recipe(row))


def _data(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Bytes as they are, which it gives back as bytes; others as floats, 0 to 1 for its colours."""
    image, mask = tensors(case)
    if case.row.dtype.name == "uint8":
        image = image.to(torch.uint8)
    elif case.row.work == "d":
        image = image / case.row.white
    return image, mask.to(torch.uint8)


def _drawn(case: Case) -> list[Form]:
    if case.moves:
        raise Cannot("who moves coordinates by hand must know the geometry")
    (image, mask), chain = _data(case), _chain(case.row)

    def run(s: slice) -> Outputs:
        out = chain(image=image[s], mask=tt.Mask(mask[s]))
        return out["image"], out["mask"]

    return batched(case, "Compose", run)


def _given(case: Case) -> list[Form]:
    if case.row.work not in "ace":
        raise Cannot("its warps and colours draw their own")
    (image, mask), matrices = _data(case), centred(case)

    def run(s: slice) -> Outputs:
        chain = Given(matrices[s], case.row.out_shape)
        out = chain(image=image[s], mask=tt.Mask(mask[s]))
        return moved(case, out["image"], s), out["mask"]

    return batched(case, "a matrix transform", run)


PEERS = [
    Peer(
        "torchtransform",
        _drawn,
        host,
        tt.__version__,
        "Compose on a batch of NCHW tensors made beforehand, bytes as bytes, others float32",
        draws="own",
        moves=True,
    ),
    Peer(
        "torchtransform, given",
        _given,
        host,
        tt.__version__,
        "one transform of its own kind that is given the matrices",
        moves=True,
    ),
]
