"""The libraries, as their skilled users would use them; each record by itself, on all cores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from PIL import Image

from ..contender import Cannot, Form, Peer
from ..parallel import CORES, by_part, parts
from ..peers.torchvision_v2 import v2
from .rows import Case

Work = Callable[[int], Any]
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def _forms(case: Case, name: str, makes: Sequence[Work]) -> list[Form]:
    """One after the other with the library's threads, or with Python's, each with its own work.

    Args:
        case: whose records there are.
        name: of the way.
        makes: for each core, what makes of a record's number its result.
    """
    n = case.row.batch

    def own() -> list[Any]:
        return [makes[0](i) for i in range(n)]

    def threads() -> list[Any]:
        works = {part.start: make for part, make in zip(parts(n, CORES), makes, strict=False)}
        done = by_part(n, lambda part: [works[part.start](i) for i in part])
        return list(itertools.chain.from_iterable(done))  # type: ignore[arg-type]

    def use(count: int) -> Callable[[], None]:
        def enter() -> None:
            cv2.setNumThreads(count)
            torch.set_num_threads(count)

        return enter

    return [
        Form(f"{name}, own threads", own, enter=use(CORES)),
        Form(f"{name}, over records", threads, enter=use(1)),
    ]


# ---- albumentations ----------------------------------------------------------------------------


def _albumentations(case: Case) -> list[Form]:
    row = case.row.name
    if row == "dino":
        return _forms(
            case, "Compose for each view", [_albumentations_views(case, s) for s in _EACH]
        )
    makes: dict[str, Callable[[], list[Any]]] = {
        "mmseg": lambda: _mmseg(None),
        "mmseg-antialias": lambda: _mmseg("image"),
        "jitter-u8x3": lambda: [A.ColorJitter(0.4, 0.4, 0.2, 0.1, p=1)],
        "blur-u8x3": lambda: [A.GaussianBlur((13, 13), (1.5, 1.5), p=1)],
        "blur-f32x3": lambda: [A.GaussianBlur((13, 13), (1.5, 1.5), p=1)],
        "clahe-u8x1": lambda: [A.CLAHE((4.0, 4.0), (8, 8), p=1)],
    }
    if row not in makes:
        raise Cannot("has no such transform, or of the lightness alone")
    composes = [A.Compose(makes[row](), seed=seed) for seed in _EACH]

    def work(compose: Any) -> Work:
        if case.row.masked:
            return lambda i: compose(image=case.image[i], mask=case.mask[i])
        return lambda i: compose(image=case.image[i])

    return _forms(case, "Compose", [work(compose) for compose in composes])


_EACH = range(CORES)


def _mmseg(area: str | None) -> list[Any]:
    """A thousand pixels are brought to 256 to 1024, as ADE20K's shorter side is.

    It does not look for windows that one class fills, which ours does.
    """
    return [
        A.RandomScale((-0.75, 0), area_for_downscale=area, p=1),
        A.PadIfNeeded(512, 512, position="top_left", fill_mask=255),
        A.RandomCrop(512, 512),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(32 / 255, (0.5, 1.5), (0.5, 1.5), 18 / 180, p=0.94),
    ]


def _albumentations_views(case: Case, seed: int) -> Work:
    def view(side: int, scale: tuple[float, float], blur: float, solarize: float) -> Any:
        return A.Compose(
            [
                A.RandomResizedCrop((side, side), scale),
                A.HorizontalFlip(p=0.5),
                A.ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8),
                A.ToGray(p=0.2),
                A.GaussianBlur((9, 9), (0.1, 2.0), p=blur),
                A.Solarize((0.5, 0.5), p=solarize),
                A.Normalize(),
            ],
            seed=seed,
        )

    large, small = (0.32, 1.0), (0.05, 0.32)
    first, second = view(224, large, 1.0, 0.0), view(224, large, 0.1, 0.2)
    local = view(96, small, 0.5, 0.0)
    views = [first, second, *[local] * 8]
    return lambda i: [one(image=case.image[i])["image"] for one in views]


# ---- torchvision -------------------------------------------------------------------------------


def _torchvision(case: Case) -> list[Form]:
    compose: dict[str, Callable[[bool], Any]] = {
        "randaugment": lambda _: v2.RandAugment(2, 9),
        "jitter-u8x3": lambda _: v2.ColorJitter(0.4, 0.4, 0.2, 0.1),
        "blur-u8x3": lambda _: v2.GaussianBlur(13, 1.5),
        "blur-f32x3": lambda _: v2.GaussianBlur(13, 1.5),
        "dino": _torchvision_views,
    }
    if case.row.name not in compose:
        raise Cannot("has no such transform")
    make = compose[case.row.name]
    planar = torch.from_numpy(np.ascontiguousarray(np.moveaxis(case.image, -1, 1)))
    tensors = make(False)
    run = torch.no_grad()(lambda i: tensors(planar[i]))
    forms = _forms(case, "tensors", [run] * CORES)
    if case.row.dtype == "uint8" and not case.row.name.startswith("blur"):
        pillow = [Image.fromarray(image) for image in case.image]
        from_pillow = make(True)
        forms += _forms(case, "Pillow", [lambda i: from_pillow(pillow[i])] * CORES)
    return forms


def _torchvision_views(pillow: bool) -> Any:
    def view(side: int, scale: tuple[float, float], blur: float, solarize: float) -> Any:
        return v2.Compose(
            [
                v2.RandomResizedCrop(side, scale, antialias=True),
                v2.RandomHorizontalFlip(0.5),
                v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8),
                v2.RandomGrayscale(0.2),
                v2.RandomApply([v2.GaussianBlur(9, (0.1, 2.0))], blur),
                v2.RandomSolarize(128, solarize),
                *([v2.ToImage()] if pillow else []),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(**_IMAGENET),
            ]
        )

    large, small = (0.32, 1.0), (0.05, 0.32)
    views = [view(224, large, 1.0, 0.0), view(224, large, 0.1, 0.2)]
    views += [view(96, small, 0.5, 0.0)] * 8
    return lambda image: [one(image) for one in views]


# ---- batchgeneratorsv2 -------------------------------------------------------------------------


def _batchgenerators(case: Case) -> list[Form]:
    if case.row.name != "nnunet":
        raise Cannot("has no such recipe")
    image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(case.image, -1, 1)))
    labels = torch.from_numpy(case.mask[:, None].astype(np.int16))
    steps = _nnunet()
    run = torch.no_grad()(lambda i: steps(image=image[i].clone(), segmentation=labels[i].clone()))
    return _forms(case, "Compose", [run] * CORES)


def _nnunet() -> Any:
    """nnUNetTrainer.get_training_transforms for a square patch of two dimensions."""
    pi = float(np.pi)
    each = {"synchronize_channels": False, "p_per_channel": 1}
    steps: list[tuple[float, Any]] = [
        (0.1, GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True)),
        (0.2, GaussianBlurTransform((0.5, 1.0), False, False, p_per_channel=0.5, benchmark=True)),
        (0.15, MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), **each)),
        (0.15, ContrastTransform(BGContrast((0.75, 1.25)), preserve_range=True, **each)),
        (0.25, SimulateLowResolutionTransform((0.5, 1), False, True, (), None, 0.5)),
        (0.1, GammaTransform(BGContrast((0.7, 1.5)), p_invert_image=1, p_retain_stats=1, **each)),
        (0.3, GammaTransform(BGContrast((0.7, 1.5)), p_invert_image=0, p_retain_stats=1, **each)),
    ]
    spatial = SpatialTransform(
        (256, 256), 0, False, p_elastic_deform=0, p_rotation=0.2, rotation=(-pi, pi),
        p_scaling=0.2, scaling=(0.7, 1.4), p_synchronize_scaling_across_axes=1,
        bg_style_seg_sampling=False,
    )  # fmt: skip
    values = [RandomTransform(step, apply_probability=p) for p, step in steps]
    return ComposeTransforms([spatial, *values, MirrorTransform((0, 1))])


# ---- OpenCV ------------------------------------------------------------------------------------


def _opencv(case: Case) -> list[Form]:
    row = case.row.name
    if row.startswith("blur"):
        # Its kernel of bytes is 13 wide by default of 4 deviations, as ours.
        makes = [
            lambda i: cv2.GaussianBlur(case.image[i], (13, 13), 1.5, borderType=_REFLECT)
        ] * CORES
    elif row.startswith("clahe"):
        makes = [_clahe(case) for _ in _EACH]
    else:
        raise Cannot("has no such transform")
    return _forms(case, "a call for each record", makes)


_REFLECT = cv2.BORDER_REFLECT_101


def _clahe(case: Case) -> Work:
    clahe = cv2.createCLAHE(4.0, (8, 8))

    def work(i: int) -> Any:
        done = [clahe.apply(np.ascontiguousarray(p)) for p in cv2.split(case.image[i])]
        return cv2.merge(done)

    return work


# ---- what comes out ----------------------------------------------------------------------------


def _host(outputs: Any) -> Mapping[str, Any]:
    """(N, H, W, C) images; of views, the first."""
    images = []
    for one in outputs:
        found = one
        if isinstance(one, Mapping):
            found = one["image"]
        elif isinstance(one, list | tuple):
            found = one[0]
        array = np.asarray(found)
        planar = isinstance(found, torch.Tensor)
        array = np.moveaxis(array, 0, -1) if planar else array
        images.append(array if array.ndim == 3 else array[..., None])
    return {"image": np.stack(images)}


def _peer(name: str, forms: Callable[[Any], list[Form]], note: str, package: str = "") -> Peer:
    return Peer(name, forms, _host, version(package or name), note, draws="own")


PEERS = [
    _peer("albumentations", _albumentations, "Compose for each record, one for each thread"),
    _peer("torchvision", _torchvision, "v2, of CHW tensors and of Pillow's images made beforehand"),
    _peer("batchgeneratorsv2", _batchgenerators, "nnU-Net's transforms of CHW tensors"),
    _peer("opencv", _opencv, "a call for each record", "opencv-python-headless"),
]
