"""Statistics as a picture: what they hold, and what whitening with them does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import NUMBERS, PATH, TEXT, checked, instance, optional
from .._forks import refuse_forked_child
from ..errors import NotFittedError, ParameterError
from ..statistics import (
    GroupStatistics,
    MomentsState,
    Spectrum,
    Statistics,
    gains_of,
    operator_of,
    whiten,
)
from ..statistics import WhiteningRule as Rule
from ..typing import NDArray
from ._sheet import contact_sheet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_SIDE = 128
_COLUMNS = 6
_SOFT, _LINE, _PAPER = (206, 206, 202), (52, 101, 164), (250, 250, 248)


@checked(
    statistics=instance(Statistics, "statistics", "multiaug.fit gathers them."),
    label=optional(TEXT),
    records=optional(NUMBERS),
    path=optional(PATH),
)
def statistics_sheet(
    statistics: Statistics,
    label: str | None = None,
    *,
    records: ArrayLike | None = None,
    path: str | os.PathLike[str] | None = None,
) -> NDArray:
    """Draw the statistics of one channel group.

    Mean and deviation of every pixel (or of every channel, side by side), the spectrum with the
    share of the variance that is captured, the leading components, and pictures before and after
    whitening.

    Args:
        statistics: what `multiaug.fit` returned.
        label: of the channel group; None takes the first.
        records: (n, H, W, C), pictures to whiten; None leaves that row out.
        path: also write the sheet there, as PNG; an older file is replaced.

    Returns:
        The sheet, uint8 (H, W, 3).

    Raises:
        ParameterError: no such group.
        NotFittedError: the group has neither moments nor ZCA.
    """
    labels = list(statistics)
    label = labels[0] if label is None else label
    if label not in labels:
        raise ParameterError(f"`statistics_sheet.label` must be one of {labels}, got {label!r}.")
    group = statistics[label]
    spectrum = group.get("zca")
    rows: list[tuple[str, list[NDArray]]] = []
    if "moments" in group:
        moments = group.moments
        rows.append(("mean,\ndeviation", [_picture(values) for values in _mean_and_std(moments)]))
    if isinstance(spectrum, Spectrum):
        rows[-1:] = [_first_row(rows, spectrum)]
        shape = spectrum.record_shape
        leading = [_signed(v.reshape(shape)) for v in spectrum.vectors[:_COLUMNS]]
        rows.append(("leading\ncomponents", leading))
        if records is not None:
            first = np.atleast_1d(np.asarray(records))[:_COLUMNS]
            rows += _before_after(spectrum, first.astype(first.dtype.newbyteorder("="), copy=False))
    if not rows:
        raise NotFittedError(
            f"The statistics of {label!r} hold {sorted(group)}, of which there is no picture. Fit "
            "multiaug.Moments() or multiaug.ZCA()."
        )
    blank = np.full((_SIDE, _SIDE, 3), _PAPER, np.uint8)
    width = max(len(pictures) for _, pictures in rows)
    return contact_sheet(
        [pictures + [blank] * (width - len(pictures)) for _, pictures in rows],
        labels=[name for name, _ in rows],
        title=f"{label}: {statistics.info.get('records', '?')} records",
        note=_note(group),
        path=path,
    )


def _mean_and_std(moments: MomentsState) -> tuple[NDArray, NDArray]:
    """Of every pixel; of moments by channel one pixel for each, in a row."""
    if not moments.statistic.by_channel:
        return moments.mean(), moments.std()
    return moments.channel_mean()[None], moments.channel_std()[None]


def _note(group: GroupStatistics) -> str:
    spectrum = group.get("zca")
    if not isinstance(spectrum, Spectrum):
        return ""
    share = np.cumsum(spectrum.eigenvalues) / spectrum.total
    half = int(np.searchsorted(share, min(0.5, share[-1]))) + 1
    return (
        f"{spectrum.method}, n = {spectrum.n}, d = {spectrum.d}. Of the variance, "
        f"{share[half - 1]:.0%} lie along {half} directions, {share[-1]:.1%} along all "
        f"{len(share)} that are held.\nPlots: eigenvalues (both axes logarithmic), share of the "
        "variance captured (0 to 1)."
    )


def _first_row(
    rows: Sequence[tuple[str, list[NDArray]]], spectrum: Spectrum
) -> tuple[str, list[NDArray]]:
    """The row of the moments with two plots behind it."""
    values = spectrum.eigenvalues[spectrum.eigenvalues > spectrum.floor]
    x = np.log(np.arange(1, len(values) + 1))
    share = np.cumsum(spectrum.eigenvalues) / spectrum.total
    plots = [
        _plot(x, np.log(values), None),
        _plot(np.arange(len(share)) + 1.0, share, (0.0, 1.0)),
    ]
    held = rows[-1][1] if rows else [_picture(spectrum.mean.reshape(spectrum.record_shape))]
    return ("mean, spread,\nspectrum, share" if rows else "mean, spectrum,\nshare", held + plots)


def _before_after(spectrum: Spectrum, records: NDArray) -> list[tuple[str, list[NDArray]]]:
    if records.shape[1:] != spectrum.record_shape:
        raise ParameterError(
            f"`statistics_sheet.records` must have shape (n, {spectrum.record_shape}), got "
            f"{records.shape}."
        )
    rule = Rule()
    refuse_forked_child("Whitening")
    operator: dict[str, Any] = operator_of(gains_of(spectrum, rule), rule)
    white = np.asarray(whiten(operator, records.reshape(len(records), -1)))
    return [
        ("before", [_picture(record.astype(np.float64)) for record in records]),
        ("after", [_signed(row.reshape(spectrum.record_shape)) for row in white]),
    ]


def _picture(values: NDArray) -> NDArray:
    """Values stretched from their smallest to their largest."""
    lo, hi = np.nanmin(values), np.nanmax(values)
    return _fit((values - lo) / (hi - lo if hi > lo else 1))


def _signed(values: NDArray) -> NDArray:
    """Values about 0, which is grey; three standard deviations are black and white."""
    spread = 3 * float(np.nanstd(values)) or 1.0
    return _fit(values / (2 * spread) + 0.5)


def _fit(values: NDArray) -> NDArray:
    """Values in [0, 1] as a picture of some 128 pixels a side; three channels are colours."""
    if values.ndim == 2:
        values = values[..., None]
    colours = values[..., :3] if values.shape[-1] >= 3 else values[..., :1]
    shown = np.nan_to_num(np.broadcast_to(colours, (*values.shape[:2], 3)))
    picture = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    larger = max(picture.shape[:2])
    if larger >= _SIDE:
        step = -(-larger // (2 * _SIDE))
        return np.ascontiguousarray(picture[::step, ::step])
    factor = max(1, _SIDE // larger)
    enlarged: NDArray = picture.repeat(factor, 0).repeat(factor, 1)
    return enlarged


def _plot(x: NDArray, y: NDArray, limits: tuple[float, float] | None) -> NDArray:
    """A curve in a frame."""
    side = _SIDE
    picture = np.full((side, side, 3), 255, np.uint8)
    picture[[0, side // 2, -1]] = _SOFT
    picture[:, [0, -1]] = _SOFT
    lo, hi = limits or (float(y.min()), float(y.max()))
    across = np.linspace(x[0], x[-1] if len(x) > 1 else x[0] + 1, 8 * side)
    height = (np.interp(across, x, y) - lo) / (hi - lo if hi > lo else 1)
    columns = np.clip(np.linspace(2, side - 3, len(across)).round().astype(int), 0, side - 1)
    rows = np.clip(((1 - height) * (side - 5) + 2).round().astype(int), 1, side - 2)
    for below in (0, 1):
        picture[np.minimum(rows + below, side - 2), columns] = _LINE
    return picture
