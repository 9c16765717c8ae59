"""torchvision v2: functional.affine, which takes angle, shift and scale for each picture."""

from __future__ import annotations

import numpy as np
import torch

from ..contender import Cannot, Form, Outputs, Peer
from ..parallel import CORES
from ..work import Case
from ._torch import host, one_by_one, tensors


def _load() -> tuple[object, str]:
    """The package, also beside a PyTorch that its compiled operators were not built for.

    Transforms of tensors use none of them, but registering their shapes on import fails.
    """
    register = torch.library.register_fake
    torch.library.register_fake = lambda *_, **__: lambda function: function
    try:
        import torchvision
        from torchvision.transforms import v2
    finally:
        torch.library.register_fake = register
    return v2, torchvision.__version__


v2, _VERSION = _load()
torch.set_num_threads(CORES)


def _forms(case: Case) -> list[Form]:
    works = {"a": _affine, "c": _exact, "d": _recipe}
    if case.row.work not in works:
        raise Cannot("no call takes a displacement grid per picture")
    return works[case.row.work](case)


def _bytes_or_floats(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    image, mask = tensors(case)
    # It has kernels of its own for bytes.
    return image.to(torch.uint8) if case.row.dtype == np.uint8 else image, mask.to(torch.uint8)


def _affine(case: Case) -> list[Form]:
    (image, mask), values = _bytes_or_floats(case), case.params.values
    f = v2.functional
    settings = []
    for degrees, scale, px, flip in zip(
        values[0]["degrees"], values[1]["factor"], values[2]["px"], values[3]["on"], strict=True
    ):
        affine = (-float(degrees), [float(v) for v in px], float(scale[0]), [0.0, 0.0])
        settings.append((affine, bool(flip)))

    def run(i: int) -> Outputs:
        affine, flip = settings[i]
        out = f.affine_image(image[i], *affine, interpolation=v2.InterpolationMode.BILINEAR)
        labels = f.affine_image(mask[i], *affine, interpolation=v2.InterpolationMode.NEAREST)
        if flip:
            return f.horizontal_flip(out), f.horizontal_flip(labels)
        return out, labels

    return one_by_one(case, "affine, then flip", run)


def _exact(case: Case) -> list[Form]:
    (image, mask), geometry = _bytes_or_floats(case), case.geometry
    f = v2.functional

    def run(i: int) -> Outputs:
        x0, y0, x1, y1 = (int(v) for v in geometry.box[i])
        pair = [f.crop(t[i], y0, x0, y1 - y0, x1 - x0) for t in (image, mask)]
        if geometry.flip[i]:
            return tuple(f.horizontal_flip(t) for t in pair)
        # A crop is a view; a batch needs the pixels.
        return tuple(t.contiguous() for t in pair)

    return one_by_one(case, "crop, then flip", run)


def _recipe(case: Case) -> list[Form]:
    raise Cannot("Compose resamples for each step and draws its own; see albumentations")


PEERS = [
    Peer(
        "torchvision v2",
        _forms,
        host,
        _VERSION,
        "functional.affine_image, crop and horizontal_flip per picture, on CHW tensors made "
        "beforehand (uint8 where the row is)",
    )
]
