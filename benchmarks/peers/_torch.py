"""What the peers on PyTorch share: tensors made beforehand, threads, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..contender import Form, Outputs
from ..parallel import CORES, by_part
from ..work import Case

torch.set_num_threads(CORES)


def tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, C, H, W) pictures and (N, 1, H, W) masks, float32: what these libraries work on.

    Bytes are made float outside the clock, and not brought back: both in their favour.
    """
    image = np.ascontiguousarray(np.moveaxis(case.image, -1, 1), dtype=np.float32)
    return torch.from_numpy(image), torch.from_numpy(case.mask[:, None].astype(np.float32))


def normalised(case: Case) -> torch.Tensor:
    """(N, 2, 3) for `affine_grid(align_corners=True)`: backward, in [-1, 1]."""
    (height, width), side = case.geometry.out_shape, case.row.size
    n = case.row.batch
    matrix = np.tile(np.eye(3), (n, 1, 1))
    matrix[:, :2] = case.geometry.backward
    half = (side - 1) / 2
    to_unit = np.array([[1 / half, 0, -1], [0, 1 / half, -1], [0, 0, 1]])
    to_pixels = np.array(
        [[(width - 1) / 2, 0, (width - 1) / 2], [0, (height - 1) / 2, (height - 1) / 2], [0, 0, 1]]
    )
    return torch.from_numpy((to_unit @ matrix @ to_pixels)[:, :2].astype(np.float32))


def centred(case: Case) -> torch.Tensor:
    """(N, 3, 3) float64: forward, in pixels about the centres of both frames."""
    side = case.row.size
    return centred_of(case.geometry.forward, (side, side), case.geometry.out_shape)


def centred_of(
    forward: NDArray[np.float64], shape: tuple[int, int], out_shape: tuple[int, int]
) -> torch.Tensor:
    """(N, 3, 3) about the centres of frames of these (height, width), of (N, 2, 3) in pixels."""
    matrix = np.tile(np.eye(3), (len(forward), 1, 1))
    matrix[:, :2] = forward
    from_centre, to_centre = np.eye(3), np.eye(3)
    from_centre[:2, 2] = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    to_centre[:2, 2] = -(out_shape[1] - 1) / 2, -(out_shape[0] - 1) / 2
    return torch.from_numpy(to_centre @ matrix @ from_centre)


def grids(case: Case) -> torch.Tensor:
    """(N, H, W, 2) for `grid_sample(align_corners=True)`."""
    unit = case.geometry.maps * (2 / (case.row.size - 1)) - 1
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(unit, 1, -1)))


def host(outputs: Outputs) -> Mapping[str, NDArray[Any]]:
    """Channel-last arrays from tensors, parts of a batch, or lists of pictures."""
    image, mask = outputs
    join = torch.cat if isinstance(image, tuple) else torch.stack
    if isinstance(image, tuple | list):
        image, mask = join(list(image)), join(list(mask))
    return {
        "image": np.moveaxis(np.asarray(image), 1, -1),
        "mask": np.asarray(mask).reshape(mask.shape[0], *mask.shape[-2:]).astype(np.uint8),
    }


def batched(case: Case, name: str, run: Callable[[slice], Outputs]) -> list[Form]:
    """`run(slice)` does a run of records: with PyTorch's threads, and with Python's."""
    # Around the calls alone: it is a setting of a thread, and the process has other work.
    run = torch.no_grad()(run)

    def own() -> Outputs:
        return run(slice(None))

    def threads() -> Outputs:
        done = by_part(case.row.batch, lambda part: run(slice(part.start, part.stop)))
        return tuple(zip(*done, strict=True))

    return [Form(f"{name}, own threads", own), Form(f"{name}, over pictures", threads)]


def one_by_one(case: Case, name: str, run: Callable[[int], Outputs]) -> list[Form]:
    """`run(i)` does one record: one after the other with PyTorch's threads, or with Python's."""
    run = torch.no_grad()(run)

    def own() -> Outputs:
        done = [run(i) for i in range(case.row.batch)]
        return [d[0] for d in done], [d[1] for d in done]

    def threads() -> Outputs:
        done = by_part(case.row.batch, lambda part: [run(i) for i in part])
        flat = [d for part in done for d in part]  # type: ignore[attr-defined]
        return [d[0] for d in flat], [d[1] for d in flat]

    return [Form(f"{name}, own threads", own), Form(f"{name}, over pictures", threads)]


def moved(case: Case, image: torch.Tensor, run: slice) -> torch.Tensor:
    """The coordinates by hand, in place."""
    if case.geometry.motion is None:
        return image
    motion = torch.from_numpy(case.geometry.motion[run].astype(np.float32))
    xyz = image[:, 3:].flatten(2)
    image[:, 3:] = torch.bmm(motion, xyz).view_as(image[:, 3:])
    return image
