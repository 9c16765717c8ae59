"""A comparison as a picture: SVG that needs no other file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..typing import NDArray
from ._interval import percent

if TYPE_CHECKING:
    from ._comparison import Comparison

_PAPER, _INK, _SOFT, _RULE = "#fafaf8", "#202124", "#686a70", "#cececa"
# Of folds; blue, orange, green .. of Okabe and Ito, "Color Universal Design", 2008.
_FOLDS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_BETTER, _WORSE, _NOISE = "#00734f", "#a63a00", "#686a70"
_ROW, _TOP, _BOTTOM = 52, 78, 84
_NAMES_LEFT, _PANEL, _GAP, _RIGHT = 16, 320, 48, 136
_FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


class _Axis:
    """A horizontal axis.

    Args:
        left: where it begins, in pixels.
        values: that it must hold.
        limits: that it must not pass.
    """

    def __init__(self, left: float, values: Iterable[float], limits: tuple[float, float]) -> None:
        found = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(found), max(found)
        margin = 0.06 * (high - low) or 0.05
        self.left = left
        self.low, self.high = max(low - margin, limits[0]), min(high + margin, limits[1])

    def at(self, value: float) -> float:
        """Where a value lies, in pixels; beyond the ends at the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * _PANEL

    def ticks(self) -> list[float]:
        """Round values, some five of them."""
        raw = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def draw(found: Comparison) -> str:
    """The picture: scores of every training on the left, differences from the baseline right."""
    longest = max(len(name) for name in found.names)
    left = _NAMES_LEFT + min(260, max(60, 8 * longest)) + 16
    width = left + 2 * _PANEL + _GAP + _RIGHT
    height = _TOP + _ROW * len(found.names) + _BOTTOM
    scores = _Axis(left, [*found.scores.ravel().tolist(), found.chance], (0.0, 1.0))
    pairs = found.scores[1:] - found.scores[:1]
    ends = [end for d in found.differences.values() for end in (d.low, d.high)]
    # An interval that is much wider than the scores would make everything else a point.
    far = 3 * max(float(np.abs(pairs).max()), 0.01)
    near = [min(max(end, -far), far) for end in ends]
    apart = _Axis(left + _PANEL + _GAP, [*pairs.ravel().tolist(), *near, 0.0], (-1.0, 1.0))
    _, folds, seeds = found.scores.shape
    parts = [
        _text(_NAMES_LEFT, 28, f"{found.metric} of {found.target}", 17, weight=600),
        _text(
            _NAMES_LEFT,
            48,
            f"{found.records} records, {folds} folds x {seeds} seeds, {found.steps} steps; "
            "a dot is a training, its colour the fold",
            12.5,
            _SOFT,
        ),
        *_frame(scores, height, f"{found.metric} in validation"),
        *_frame(apart, height, f"difference from {found.baseline}"),
        _line(
            scores.at(found.chance),
            _TOP,
            scores.at(found.chance),
            height - _BOTTOM,
            _SOFT,
            1,
            "4 3",
        ),
        _line(apart.at(0), _TOP, apart.at(0), height - _BOTTOM, _INK, 1.2),
        *_legend(found, height),
    ]
    for number, name in enumerate(found.names):
        middle = _TOP + _ROW * (number + 0.5)
        shown = name if len(name) <= 32 else f"{name[:31]}…"
        parts.append(_text(left - 14, middle + 4.5, shown, 14, anchor="end"))
        parts += _dots(scores, found.scores[number], middle)
        mean = scores.at(float(found.scores[number].mean()))
        parts.append(_line(mean, middle - 15, mean, middle + 15, _INK, 2.5))
        if number:
            parts += _difference(found, apart, pairs[number - 1], name, middle)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img" font-family="{_FONT}" '
        f'style="max-width:100%;height:auto">\n<title>{escape(" ".join(found.sentences()))}</title>'
        f'\n<rect width="100%" height="100%" fill="{_PAPER}"/>\n{body}\n</svg>\n'
    )


def _difference(
    found: Comparison, axis: _Axis, pairs: NDArray, name: str, middle: float
) -> list[str]:
    """Pairs of trainings as dots, the interval of their mean, and the verdict."""
    one = found.differences[name]
    if one.is_noise:
        colour, verdict = _NOISE, "within the noise"
    else:
        colour, verdict = (_BETTER, "better") if one.mean > 0 else (_WORSE, "worse")
    low, high, mean = axis.at(one.low), axis.at(one.high), axis.at(one.mean)
    parts = [
        *_dots(axis, pairs, middle - 8),
        _line(low, middle + 12, high, middle + 12, colour, 3),
        f'<circle cx="{mean:.1f}" cy="{middle + 12:.1f}" r="5" fill="{colour}"/>',
        _text(axis.left + _PANEL + 12, middle + 4.5, verdict, 13, colour, weight=600),
    ]
    # An end that the axis does not reach is an arrow.
    for end, place, sign in ((one.low, low, -1), (one.high, high, 1)):
        if axis.low <= end <= axis.high:
            parts.append(_line(place, middle + 7, place, middle + 17, colour, 2))
        else:
            tip, back = place + 2 * sign, place - 7 * sign
            corners = ((tip, middle + 12), (back, middle + 6), (back, middle + 18))
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
            parts.append(f'<polygon points="{points}" fill="{colour}"/>')
    return parts


def _dots(axis: _Axis, values: NDArray, middle: float) -> list[str]:
    """One for each fold and seed; seeds below each other."""
    folds, seeds = values.shape
    dots = []
    for fold in range(folds):
        colour = _FOLDS[fold % len(_FOLDS)] if folds <= len(_FOLDS) else _FOLDS[0]
        for seed in range(seeds):
            value = float(values[fold, seed])
            if not math.isfinite(value):
                continue
            y = middle + 14 * ((seed + 0.5) / seeds - 0.5)
            dots.append(
                f'<circle cx="{axis.at(value):.1f}" cy="{y:.1f}" r="4" fill="{colour}" '
                f'fill-opacity="0.75" stroke="{_PAPER}" stroke-width="0.8"/>'
            )
    return dots


def _frame(axis: _Axis, height: int, title: str) -> list[str]:
    """Ticks, their lines, and what the axis is."""
    bottom = height - _BOTTOM
    parts = []
    ticks = axis.ticks()
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)) if len(ticks) > 1 else 2
    for tick in ticks:
        x = axis.at(tick)
        parts.append(_line(x, _TOP, x, bottom, _RULE, 0.8))
        # Adding 0 makes 0 of -0.
        parts.append(
            _text(x, bottom + 17, f"{round(tick, digits) + 0:.{digits}f}", 12, _SOFT, "middle")
        )
    parts.append(_text(axis.left, _TOP - 8, title, 13, _INK, weight=600))
    return parts


def _legend(found: Comparison, height: int) -> Sequence[str]:
    wide = next(iter(found.differences.values())).confidence
    return [
        _text(
            _NAMES_LEFT,
            height - 40,
            f"Upright bars: means. Dashed: always naming the most frequent class "
            f"({found.chance:.3f}).",
            12.5,
            _SOFT,
        ),
        _text(
            _NAMES_LEFT,
            height - 20,
            f"Right: pairs of trainings, and the {percent(wide)} interval of their mean, corrected "
            "for shared records; an arrow where it goes on.",
            12.5,
            _SOFT,
        ),
    ]


def _line(
    x0: float, y0: float, x1: float, y1: float, colour: str, width: float, dashes: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str = _INK,
    anchor: str = "start",
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
