"""Does a peer do the row's work? Its results must be those of multiaug, which others test.

`benchmarks.check` has a reference of its own for images and masks. Here every role takes part,
so two libraries that were written apart are compared: a peer that skips a step, such as
turning the normals, is found out, and so would multiaug be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..check import WrongWork
from ..contender import Peer
from .ours import host
from .rows import Case

# Of the range of the values, and of labels; weights differ that much, and kernels of low-pass
# filters more.
_TOLERANCE, _SHRUNK, _LABELS = 0.02, 0.03, 0.05
_RECORDS = 3


def check(case: Case, peer: Peer, outputs: Mapping[str, NDArray[Any]]) -> None:
    """Raise `WrongWork` unless a peer that is given the geometry agrees with multiaug."""
    if peer.ours:
        return
    missing = sorted(set(case.images) - set(outputs))
    if missing:
        raise WrongWork(f"no {', '.join(missing)}")
    for name, found in outputs.items():
        shape = (case.row.batch, *case.row.out_shape, case.images[name].shape[-1])
        if found.shape != shape:
            raise WrongWork(f"{name} is {found.shape}, expected {shape}")
    # What draws its own, or adds noise, can be compared by shape alone.
    if peer.draws == "own" or case.row.name == "noise":
        return
    expected = host(case.expected)
    tolerance = _SHRUNK if case.row.out_shape < case.row.shape else _TOLERANCE
    for name, group in case.groups:
        channels = group.channel_slice()
        for i in range(min(_RECORDS, case.row.batch)):
            inside = _inside(case, i)
            pair = [a[name][i][..., channels][inside].astype(float) for a in (outputs, expected)]
            what = f"{name} of record {i}"
            if group.role == "label":
                _compare_labels(what, *pair)
                continue
            _compare(what, *pair, np.ptp(case.images[name][i][..., channels], (0, 1)), tolerance)


def _inside(case: Case, i: int) -> NDArray[np.bool_]:
    """Output pixels whose taps, also those of a cubic kernel, are all inside the source."""
    if case.geometry is None:
        return np.ones(case.row.out_shape, bool)
    x, y = case.geometry.positions(i)
    height, width = case.row.shape
    inside: NDArray[np.bool_] = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
    return inside


def _compare_labels(what: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    wrong = float(np.mean(found != expected))
    if wrong > _LABELS:
        raise WrongWork(f"{wrong:.1%} of {what} are other labels")


def _compare(
    what: str, found: NDArray[Any], expected: NDArray[Any], extent: NDArray[Any], tolerance: float
) -> None:
    # Channel by channel: what turns about the optical axis leaves the third as it was.
    error = np.max(np.median(np.abs(found - expected), axis=0) / extent)
    if not error <= tolerance:
        raise WrongWork(f"{what} is off by {error:.3g} of its range (median)")
