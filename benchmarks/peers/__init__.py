"""The contenders, one file each; a file that cannot be loaded is a line in the report."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from ..contender import Peer

FILES = (
    "floor",
    "ours",
    "opencv",
    "numpy_only",
    "torch_grid",
    "kornia_warp",
    "torchvision_v2",
    "torchtransform_1",
    "albumentations_2",
    "batchgenerators_v2",
    "monai_resample",
    "augmax_chain",
    "keras_3",
    "keras_generator",
    "scipy_ndimage",
)


def load(
    only: Sequence[str] = (), files: Sequence[str] = FILES, package: str = __name__
) -> tuple[list[Peer], dict[str, str]]:
    """Peers that import, and for each file that does not, why."""
    peers: list[Peer] = []
    missing: dict[str, str] = {}
    for name in files:
        if only and name not in only:
            continue
        try:
            peers += importlib.import_module(f"{package}.{name}").PEERS
        # Broken builds raise anything: RuntimeError, OSError, AttributeError.
        except Exception as error:
            missing[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:150]}"
    return peers, missing


def limited_to(levels: Sequence[str]) -> list[Peer]:
    """For each of these instruction sets, multiaug once more."""
    from . import ours

    return [ours.limited_to(level) for level in levels]
