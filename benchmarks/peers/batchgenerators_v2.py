"""batchgeneratorsv2: SpatialTransform and MirrorTransform per picture, as nnU-Net uses them."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

from ..contender import Cannot, Form, Outputs, Peer
from ..work import ELASTIC, Case
from ._torch import host, one_by_one, tensors


def _spatial(case: Case) -> SpatialTransform:
    side, work = case.row.size, case.row.work
    turn = math.radians(15 if work == "d" else 30)
    scaling = (0.5, 1.0) if work == "d" else (0.8, 1.25)
    return SpatialTransform(
        patch_size=case.row.out_shape,
        # The centre moves by a tenth of the side: the translation.
        patch_center_dist_from_border=[0.4 * side] * 2,
        random_crop=True,
        p_elastic_deform={"b": 1.0, "d": 0.3}.get(work, 0.0),
        elastic_deform_scale=(1 / (2 * ELASTIC["grid"][0]),) * 2,
        elastic_deform_magnitude=(0.0, ELASTIC["amount"] * side),
        p_rotation=1,
        rotation=(-turn, turn),
        p_scaling=1,
        scaling=scaling,
        p_synchronize_scaling_across_axes=1,
        bg_style_seg_sampling=False,
        mode_seg="nearest",
    )


def _photometric(work: str) -> list[Any]:
    if work != "d":
        return []
    return [
        MultiplicativeBrightnessTransform((0.8, 1.2), synchronize_channels=True, p_per_channel=1),
        ContrastTransform(BGContrast((0.8, 1.2)), True, synchronize_channels=True),
        GammaTransform(
            (0.8, 1.25),
            p_invert_image=0,
            synchronize_channels=True,
            p_per_channel=1,
            p_retain_stats=0,
        ),
        GaussianNoiseTransform((0, 0.05), p_per_channel=1, synchronize_channels=True),
    ]


def _forms(case: Case) -> list[Form]:
    work = case.row.work
    if work not in "abd":
        raise Cannot("crops are the loader's business there" if work == "c" else "no coordinates")
    image, mask = tensors(case)
    labels = mask.to(torch.int16)
    steps = ComposeTransforms([_spatial(case), MirrorTransform((1,)), *_photometric(work)])

    def run(i: int) -> Outputs:
        done = steps(image=image[i], segmentation=labels[i])
        return done["image"], done["segmentation"]

    return one_by_one(case, "Compose", run)


PEERS = [
    Peer(
        "batchgeneratorsv2",
        _forms,
        host,
        version("batchgeneratorsv2"),
        "SpatialTransform (mode_seg nearest) + MirrorTransform on float32 CHW tensors made "
        "beforehand; results stay a list",
        draws="own",
    )
]
