"""Pictures of values, each role in the way that shows what its values mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from .._arguments import NUMBERS, RECORD, checked, instance, optional
from ..errors import ParameterError, RecordError
from ..spec import SPEC_KIND, ChannelGroup
from ..typing import NDArray
from ._colours import INVALID, colour_ramp, hue_circle, label_colours, to_uint8

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..spec import DataSpec

Limits: TypeAlias = tuple[NDArray | float, NDArray | float]
"""What the darkest and the brightest colour stand for; per channel for positions."""

Bands: TypeAlias = "int | str | Sequence[int | str]"
"""One channel, or three for red, green and blue, by name or number."""


@checked(values=NUMBERS, group=instance(ChannelGroup, "a channel group"))
def render(
    values: ArrayLike,
    group: ChannelGroup,
    limits: Limits | None = None,
    bands: Bands | None = None,
) -> NDArray:
    """Make a picture of one channel group.

    intensity: as it is (1 or 2 channels: the first in gray; more: the first three; or ``bands``),
    a band without data black; label: one colour each, 0 black, the ignore label gray; depth: near
    is bright, in even steps of 1/Z; direction: (x, -y, -z) from [-1, 1] to RGB, so that surfaces
    facing the camera are bluish; position: X, Y, Z to RGB; flow: direction to hue, length to
    saturation; orientation: angle to hue; density: more is bright. Pixels without data are dark
    gray.

    Args:
        values: (H, W) or (H, W, C), the channels of the group alone.
        group: what the values mean.
        limits: (lo, hi) that the colours span; by default those of `limits_of`, which compares
            several pictures.
        bands: one or three channels of an intensity to show, as red, green and blue: names, or
            numbers from 0 within the group.

    Returns:
        uint8 (H, W, 3).

    Raises:
        RecordError: the values are not a picture.
        ParameterError: no such bands.
    """
    if group.role == "intensity":
        return _render_intensity(values, group, limits, bands)
    picture = _as_picture(values)
    known = group.has_data(picture)
    if group.role == "label":
        return label_colours(picture[..., 0], group.ignore)
    shown = np.where(known[..., None], picture, np.nan).astype(np.float64)
    if group.role == "direction":
        colours = to_uint8(0.5 + 0.5 * np.nan_to_num(shown) * [1, -1, -1])
    elif group.role == "flow":
        colours = _render_flow(shown, limits or limits_of([values], group))
    elif group.role == "orientation":
        colours = _render_orientation(shown[..., 0], group)
    else:
        colours = _render_scaled(shown, limits or limits_of([values], group), group.role)
    return np.where(known[..., None], colours, INVALID)


def limits_of(
    pictures: Iterable[ArrayLike], group: ChannelGroup, bands: Bands | None = None
) -> Limits:
    """Return the limits within which some pictures of one channel group can be compared.

    Args:
        pictures: arrays (H, W) or (H, W, C), the channels of the group alone.
        group: what the values mean.
        bands: as in `render`.

    Returns:
        The declared range of intensities; without one the dtype's range for integers and 0 to 1
        for floats, or, where the values shown use little of it or lie outside, such as heights
        in metres, their 1st and 99th percentile; 0 and the largest length of flows; else the 1st
        and 99th percentile of the valid values, from 0 for densities and per channel for
        positions.
    """
    arrays = [_as_picture(picture) for picture in pictures]
    if group.role == "intensity":
        return group.range or _stretched(arrays, group, bands)
    valid = np.concatenate([array[group.has_data(array)] for array in arrays]).astype(np.float64)
    if not len(valid):
        return 0.0, 1.0
    if group.role == "flow":
        return 0.0, float(np.linalg.norm(valid, axis=-1).max())
    if group.role == "density":
        return 0.0, float(valid.max())
    lo, hi = np.percentile(valid, [1, 99], axis=0)
    return (lo, hi) if group.role == "position" else (float(lo[0]), float(hi[0]))


@checked(spec=SPEC_KIND, record=RECORD, limits=optional(RECORD))
def render_record(
    spec: DataSpec,
    record: Mapping[str, ArrayLike],
    limits: Mapping[str, Limits] | None = None,
    bands: Bands | None = None,
) -> dict[str, NDArray]:
    """Make a picture of every channel group of every spatial entry of a record.

    Args:
        spec: what the entries are.
        record: entry name -> array, without a leading N. Entries that are absent are left out.
        limits: panel name -> limits; see `record_limits`.
        bands: as in `render`, of all intensities with more than three channels.

    Returns:
        Panel name -> uint8 (H, W, 3). A panel is named after its entry, ``<entry>[<time>]`` for
        the first and the last frame of an entry with ``time``; where an entry has several groups,
        it is followed by the role: ``<entry> <role>``.
    """
    limits = limits or {}
    return {
        panel.name: render(
            panel.values(record),
            panel.group,
            limits.get(panel.name),
            _bands_of(panel.values(record), panel.group, bands),
        )
        for panel in _panels(spec, record)
    }


def record_limits(
    spec: DataSpec, *records: Mapping[str, ArrayLike], bands: Bands | None = None
) -> dict[str, Limits]:
    """Return limits by which the pictures of some records can be compared.

    Args:
        spec: what the entries are.
        records: entry name -> array; all with the same entries.
        bands: as in `render_record`.

    Returns:
        Panel name -> limits, for `render_record`.
    """
    panels = list(_panels(spec, records[0]))
    return {
        panel.name: limits_of(
            [
                other.values(record)
                for record in records
                for other in panels  # the frames of an entry are compared, too
                if (other.entry, other.group) == (panel.entry, panel.group)
            ],
            panel.group,
            _bands_of(panel.values(records[0]), panel.group, bands),
        )
        for panel in panels
    }


class _Panel(NamedTuple):
    """One image of one channel group.

    Args:
        name: of the panel.
        entry: what is shown.
        group: of its channels.
        time: which frame; None of entries without.
    """

    name: str
    entry: str
    group: ChannelGroup
    time: int | None

    def values(self, record: Mapping[str, ArrayLike]) -> NDArray:
        """(H, W) or (H, W, C), the channels of the group alone."""
        array = np.asarray(record[self.entry])
        array = array if self.time is None else array[self.time]
        return array[..., self.group.channel_slice()] if array.ndim == 3 else array


def _panels(spec: DataSpec, record: Mapping[str, ArrayLike]) -> Iterator[_Panel]:
    for entry in spec.entries.values():
        if entry.kind != "spatial" or entry.name not in record:
            continue
        last = len(np.asarray(record[entry.name])) - 1
        times = [None] if entry.time is None else sorted({0, last})
        for time in times:
            name = entry.name if time is None else f"{entry.name}[{time}]"
            for group in entry.groups:
                shown = f"{name} {group.role}" if len(entry.groups) > 1 else name
                yield _Panel(shown, entry.name, group, time)


def _as_picture(values: ArrayLike) -> NDArray:
    array = np.asarray(values)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] == 0:
        raise RecordError(
            f"render: found values of shape {array.shape}, expected (H, W) or (H, W, C). Take one "
            "record out of a batch."
        )
    return array


def _bands_of(values: ArrayLike, group: ChannelGroup, bands: Bands | None) -> Bands | None:
    """The bands of the channels of a group, where there are more than can be shown at once."""
    array = np.asarray(values)
    many = group.role == "intensity" and array.ndim == 3 and array.shape[-1] > 3
    return bands if many else None


def _shown(picture: NDArray, group: ChannelGroup, bands: Bands | None) -> NDArray:
    """The one or three channels (H, W, 1 or 3) of an intensity that are shown; NaN for no data."""
    count = picture.shape[-1]
    if bands is None:
        places = [0, 1, 2] if count >= 3 else [0]
    else:
        asked = [bands] if isinstance(bands, int | str) else list(bands)
        known: dict[int | str, int] = {
            **{i: i for i in range(count)},
            **{n: i for i, n in enumerate(group.names)},
        }
        if len(asked) not in (1, 3) or any(band not in known for band in asked):
            names = ", ".join(group.names) if group.names else f"0 to {count - 1}"
            raise ParameterError(
                f"`bands` must be one or three of {names}, got {bands!r}. Three are red, green, "
                "blue."
            )
        places = [known[band] for band in asked]
    part = picture[..., places]
    shown: NDArray = part.astype(np.float64)
    shown[~np.isfinite(shown)] = np.nan
    if isinstance(group.invalid, int | float):
        shown[part == part.dtype.type(group.invalid)] = np.nan
    return shown


def _render_intensity(
    values: ArrayLike, group: ChannelGroup, limits: Limits | None, bands: Bands | None
) -> NDArray:
    shown = _shown(_as_picture(values), group, bands)
    lo, hi = limits or limits_of([values], group, bands)
    colours = to_uint8(np.nan_to_num((shown - lo) / _positive(np.subtract(hi, lo))))
    colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
    return np.where(np.isnan(shown).all(-1, keepdims=True), INVALID, colours)


def _stretched(arrays: list[NDArray], group: ChannelGroup, bands: Bands | None) -> Limits:
    """What black and white are where the spec does not say."""
    lo, hi = _dtype_range(arrays[0].dtype)
    shown = np.concatenate([_shown(array, group, bands).ravel() for array in arrays])
    shown = shown[np.isfinite(shown)]
    if not shown.size or arrays[0].dtype.itemsize == 1:
        return lo, hi
    low, high = np.percentile(shown, [1, 99])
    extent = hi - lo
    if arrays[0].dtype.kind in "iu":
        fits = high - low > extent / 8 or low == high
    else:
        # A few highlights above white are no other unit.
        least, most = np.percentile(shown, [10, 90])
        fits = least >= lo - extent / 2 and most <= hi + extent
    return (lo, hi) if fits else (float(low), float(high))


def _render_scaled(shown: NDArray, limits: Limits, role: str) -> NDArray:
    lo, hi = limits
    if role == "depth" and lo > 0:
        # Even steps of 1/Z are even steps of disparity: detail nearby is not lost to the far end.
        shown, lo, hi = -1 / np.maximum(shown, 1e-12), -1 / lo, -1 / hi
    scaled = (shown - lo) / _positive(np.subtract(hi, lo))
    if role == "position":
        return to_uint8(np.nan_to_num(scaled))
    return colour_ramp(1 - scaled[..., 0] if role == "depth" else scaled[..., 0])


def _render_flow(flow: NDArray, limits: Limits) -> NDArray:
    turn = np.arctan2(-flow[..., 1], flow[..., 0]) / (2 * np.pi)  # counter-clockwise as seen
    return hue_circle(turn, np.linalg.norm(flow, axis=-1) / _positive(limits[1]))


def _render_orientation(angle: NDArray, group: ChannelGroup) -> NDArray:
    degrees = np.rad2deg(angle) if group.unit == "radians" else angle
    return hue_circle(degrees / group.period, np.ones_like(degrees))


def _dtype_range(dtype: np.dtype[Any]) -> Limits:
    if dtype.kind in "iu":
        return 0.0, float(2 ** (8 * dtype.itemsize - (dtype.kind == "i")) - 1)
    return 0.0, 1.0


def _positive(span: NDArray | float) -> NDArray:
    """Keep a division by the span of constant values finite."""
    return np.maximum(span, 1e-12)
