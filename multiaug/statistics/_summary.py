"""Statistics in words, for `print`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._collection import GroupStatistics, Statistics
    from .moments._moments import MomentsState
    from .whitening._spectrum import Spectrum


def summarise(statistics: Statistics) -> str:
    """A few lines for each channel group."""
    info = statistics.info
    where = f" ({statistics.path})" if statistics.path else " (not saved)"
    lines = [f"Statistics of {info.get('records', '?')} records{where}"]
    if info.get("skipped"):
        lines.append(f"  {info['skipped']} records left out for NaN or infinity")
    # Files of older releases have another word for it.
    copies = info.get("copies", info.get("rounds", 1))
    if copies > 1:
        lines.append(f"  after augmentation, {copies} copies of each")
    for label, group in statistics.items():
        shape = " x ".join(map(str, group.record_shape))
        lines.append(f"{label}: {group.role}, {group.dtype}, {shape}")
        for item in group.values():
            lines += [f"  {line}" for line in item.summary(group)]
    for label, reason in dict(info.get("solvers", {})).items():
        lines.append(f"solver of {label}: {reason}")
    return "\n".join(lines)


def moments_lines(state: MomentsState, group: GroupStatistics) -> Iterator[str]:
    """A table of the channels."""
    if not state.n:
        yield "moments: no records"
        return
    table: Mapping[str, Any] = state.finalize()
    if state.statistic.by_channel:
        yield "moments by channel: means of pixels are not held"
    yield f"moments: {'channel':>10} {'mean':>10} {'std':>10} {'min':>10} {'max':>10} {'valid':>7}"
    whole = state.n * (state.statistic.size // len(table["mean"]))
    for c in range(len(table["mean"])):
        name = group.names[c] if c < len(group.names) else str(group.start + c)
        share = table["count"][c] / whole
        row = [table[k][c] if share else np.nan for k in ("mean", "std", "minimum", "maximum")]
        yield (
            "         " + f"{name:>10} " + " ".join(f"{v:>10.4g}" for v in row) + f" {share:>7.1%}"
        )
        if c == 15 and len(table["mean"]) > 17:
            yield f"         and {len(table['mean']) - 16} more channels"
            return


def spectrum_lines(spectrum: Spectrum) -> Iterator[str]:
    """What the components hold of the variance."""
    values = spectrum.eigenvalues
    share = np.cumsum(values) / spectrum.total if spectrum.total > 0 else np.zeros(len(values))
    yield (
        f"zca: {spectrum.method}, n = {spectrum.n}, d = {spectrum.d}, centred by "
        f"{spectrum.centre}, {len(values)} components, rank {spectrum.rank}"
    )
    marks = [k for k in (1, 4, 16, 64, 256, 1024) if k < len(values)] + [len(values)]
    yield "     variance captured: " + ", ".join(f"{k}: {share[k - 1]:.1%}" for k in marks)
    if spectrum.rank:
        smallest = values[spectrum.rank - 1]
        yield f"     eigenvalues {values[0]:.4g} to {smallest:.4g}"
    if spectrum.method == "lowrank":
        yield (
            f"     at least {spectrum.captured_at_least:.4f} of what {len(values)} directions can "
            f"capture; what is not held has no eigenvalue above {spectrum.bound:.4g}"
        )
    if spectrum.n <= spectrum.d:
        yield "     fewer records than pixels: the rest of the variance is not known"
