"""What `Standardize` and `Whiten` share: finding the statistics of a channel group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import NotFittedError, ParameterError
from ..spec import ChannelGroup, DataSpec
from ..statistics import GroupStatistics, Statistics
from ._base import Frame


def check_statistics(value: Any, field_name: str) -> Statistics:
    """Refuse what `multiaug.fit` did not return."""
    if not isinstance(value, Statistics):
        raise NotFittedError(
            f"`{field_name}` must be what multiaug.fit or multiaug.load_statistics returned, "
            f"got {type(value).__name__}. Fit first: stats = multiaug.fit(source, ..)."
        )
    return value


def wanted_groups(
    statistics: Statistics, entries: tuple[str, ...] | None, name: str, owner: str
) -> dict[str, GroupStatistics]:
    """Groups of the entries that hold a statistic, by label.

    Raises:
        NotFittedError: an entry, or all of them, were not fitted.
    """
    found = {
        label: group
        for label, group in statistics.items()
        if name in group and (entries is None or group.entry in entries)
    }
    missing = set(entries or ()) - {group.entry for group in found.values()}
    if missing or not found:
        of = f" of {sorted(missing)[0]!r}" if missing else ""
        request = {"moments": "Moments", "zca": "ZCA", "stationary": "Stationary"}[name]
        raise NotFittedError(
            f"`{owner}` must have the {name}{of}, got statistics of "
            f"{ {label: sorted(group) for label, group in statistics.items()} }. "
            f"Fit multiaug.{request}()."
        )
    return found


def group_at(spec: DataSpec, found: GroupStatistics, owner: str) -> ChannelGroup:
    """The channel group of the spec that statistics are of.

    Raises:
        ParameterError: the spec has none like it.
    """
    entry = spec.entries.get(found.entry)
    for group in entry.groups if entry is not None else ():
        if group.start == found.start and group.role == "intensity":
            if group.count in (None, found.record_shape[-1]):
                return group
            break
    raise ParameterError(
        f"`{owner}` was fitted on {found.record_shape[-1]} intensity channels of {found.entry!r} "
        f"from channel {found.start}, which the spec {spec.name!r} does not have. Fit it on data "
        "of this spec."
    )


def check_channels(fitted: int, found: int | None, entry: str, owner: str) -> None:
    """Refuse another number of channels than the fitted one."""
    if found is not None and found != fitted:
        raise ParameterError(
            f"`{owner}` was fitted on {fitted} channels of {entry!r}, got {found}. Fit it on data "
            "like these."
        )


def check_frame(
    groups: Mapping[str, GroupStatistics], frame: Frame, owner: str, *, by_pixel: bool
) -> None:
    """Refuse a frame that is not the fitted one, and channels that are not the fitted ones."""
    for found in groups.values():
        group_at(frame.spec, found, owner)
        size = found.record_shape[:2]
        if by_pixel and found.entry == frame.spec.reference() and size != tuple(frame.shape):
            raise ParameterError(
                f"`{owner}` was fitted on {size[0]} x {size[1]} pixels of {found.entry!r}, got a "
                f"frame of {frame.shape[0]} x {frame.shape[1]}. Resize or crop to the fitted size "
                "before it, or fit after the same transforms: multiaug.fit(.., pipeline=..)."
            )
