"""Whether a peer does the row's work: by values where there is nothing to draw, else by shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import multiaug as ma

from ..check import WrongWork
from ..contender import Form, Peer
from .rows import Case, form_of

_EDGE = 8  # borders differ in their names


def ours(case: Case) -> Peer:
    """Multiaug."""
    form = Form("batch", form_of(case))
    return Peer("multiaug", lambda _: [form], _host, ma.__version__, "the full call", ours=True)


def _host(outputs: Any) -> Mapping[str, NDArray[Any]]:
    """The images, and of views the first."""
    first = next(iter(outputs.values())) if "image" not in outputs else outputs
    array = np.asarray((first[0] if isinstance(first, list) else first)["image"])
    return {"image": array if array.ndim == 4 else array[..., None]}


def check(case: Case, peer: Peer, outputs: Mapping[str, NDArray[Any]]) -> None:
    """Raise `WrongWork` unless a peer's images are of our shape, and of our values where exact."""
    if peer.ours:
        return
    expected, found = _host(case.expected)["image"], outputs["image"]
    if found.shape != expected.shape:
        raise WrongWork(f"images are {found.shape}, expected {expected.shape}")
    if case.row.levels is not None:
        inside = (slice(None), slice(_EDGE, -_EDGE), slice(_EDGE, -_EDGE))
        white = 255 if case.row.dtype == "uint8" else float(np.ptp(expected))
        off = np.abs(found[inside].astype(float) - expected[inside].astype(float))
        levels = float(np.quantile(off, 0.999)) * 255 / white
        if levels > case.row.levels:
            raise WrongWork(f"values are off by {levels:.1f} of 255 levels")
