"""What a channel group must obey beyond the structure: rules that read its settings together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ._draft import SETTINGS, GroupDraft, known_settings
from ._dtypes import ALL_DTYPES, dtypes_for, holds
from ._mistakes import Finding, listed, one_of, show, suggest
from ._traits import ROLE_TRAITS

Findings = Iterator[Finding]


def settings_are_known(group: GroupDraft) -> Findings:
    """Every setting written in the group is one that the role understands."""
    known = known_settings(group.traits)
    for key in SETTINGS:
        if key in group.group and key not in known:
            yield Finding(
                group.path_of(key),
                f"a setting that {group.role} does not have",
                f"{listed(known) or 'no such key'} for {group.role}; {key} is for {_users(key)}",
            )


def methods_suit_the_role(group: GroupDraft) -> Findings:
    """Interpolation and border are among those the role allows."""
    choices = {"interpolation": group.traits.interpolations, "border": group.traits.borders}
    for key, allowed in choices.items():
        value = group.get(key)
        if allowed and value is not None and value not in allowed:
            text = f"{one_of(allowed)} for {group.role}{suggest(value, allowed)}"
            yield Finding(group.path_of(key), show(value), text)


def spline_has_no_invalid_values(group: GroupDraft) -> Findings:
    """Every coefficient of a spline depends on the whole picture, so on every invalid pixel."""
    if _is_spline(group) and group.invalid is not None:
        yield _no_spline(group, "no invalid value: the spline's prefilter spreads it")


def spline_has_no_max_jump(group: GroupDraft) -> Findings:
    """The taps of a spline are coefficients, not values that could be too far apart."""
    known = "max_jump" in group.traits.settings
    if _is_spline(group) and known and group.get("max_jump") is not None:
        yield _no_spline(group, "no max_jump: the spline blends coefficients, not neighbours")


def spline_has_no_fill_of_nan(group: GroupDraft) -> Findings:
    """What is outside is filtered with the picture, where the border is a constant."""
    if not _is_spline(group) or not any(ALL_DTYPES[name].kind == "f" for name in group.dtypes):
        return
    fill, border = group.get("fill"), group.get("border", group.traits.borders[0])
    if border in ("constant", "constant-hard") and "nan" in (
        fill if isinstance(fill, list) else [fill]
    ):
        yield _no_spline(group, "a fill that is a number: the spline's prefilter spreads NaN")


def count_suits_the_role(group: GroupDraft) -> Findings:
    """A group has as many channels, or a table as many columns, as the role says."""
    needed = group.traits.channels
    if group.traits.kind in ("matrix", "value"):
        if "channels" in group.group:
            shape = group.traits.shape
            rule = f"its shape is {shape}" if shape else "its shape is free"
            yield Finding(group.path_of("channels"), _channels(group), f"no channels: {rule}")
    elif needed is not None and group.count != needed:
        word = "channel" if group.traits.kind == "spatial" else "column"
        text = f"{needed} {word}{'s' * (needed > 1)} for {group.role}"
        yield Finding(group.path_of("channels"), _channels(group), text)


def invalid_fits_the_dtype(group: GroupDraft) -> Findings:
    """The invalid value is one that the array can hold."""
    if group.traits.may_be_invalid:
        yield from _fits(group, "invalid", group.get("invalid"))


def fill_fits_the_dtype(group: GroupDraft) -> Findings:
    """Every number of the fill is one that the array can hold."""
    if group.traits.kind == "spatial":
        fill = group.get("fill")
        for value in fill if isinstance(fill, list) else [fill]:
            if value != "invalid":
                yield from _fits(group, "fill", value)


def fill_is_complete(group: GroupDraft) -> Findings:
    """A list of fills has one number per channel; ``invalid`` needs an invalid value."""
    fill = group.get("fill")
    if isinstance(fill, list) and len(fill) > 1 and len(fill) != group.count:
        count = "a known number of channels" if group.count is None else f"{group.count}"
        text = f"one number, or a list with one number per channel ({count})"
        yield Finding(group.path_of("fill"), f"{len(fill)} numbers", text)
    if fill == "invalid" and group.traits.may_be_invalid and group.invalid is None:
        text = "a number, or an invalid value beside it"
        yield Finding(group.path_of("fill"), '"invalid", without an invalid value', text)


def ignore_fits_the_dtype(group: GroupDraft) -> Findings:
    """The ignore label is one that the array can hold."""
    if "ignore" in group.traits.settings:
        yield from _fits(group, "ignore", group.get("ignore"))


def values_fit_the_dtype(group: GroupDraft) -> Findings:
    """Both sides of a map of values are ones that the array can hold: it is mapped in place."""
    if "values" not in group.traits.settings:
        return
    values = group.get("values") or {}
    for stored in values:
        label = values[stored]
        for finding in (*_fits(group, "values", int(stored)), *_fits(group, "values", label)):
            yield finding._replace(found=f"{show(stored)}: {show(label)}")
            break


def mirror_pairs_are_disjoint(group: GroupDraft) -> Findings:
    """A mirror swaps ids in pairs, so that doing it twice changes nothing."""
    if "mirror_pairs" not in group.traits.settings:
        return
    path = group.path_of("mirror_pairs")
    seen: set[int] = set()
    for pair in group.get("mirror_pairs") or ():
        if pair[0] == pair[1]:
            yield Finding(path, show(pair), "two different numbers in a pair")
        for number in sorted(set(pair) & seen):
            yield Finding(path, f"{show(number)} in two pairs", "every number at most once")
        seen.update(pair)
    for number in sorted(seen):
        if group.traits.kind == "points" and number < 0:
            yield Finding(path, show(number), "indices of keypoints, counted from 0")
        elif group.traits.kind == "spatial":
            yield from _fits(group, "mirror_pairs", number)


def range_is_ordered(group: GroupDraft) -> Findings:
    """Black lies below white."""
    bounds = group.get("range")
    if bounds is not None and "range" in group.traits.settings and not bounds[0] < bounds[1]:
        yield Finding(group.path_of("range"), show(bounds), "[lo, hi] with lo < hi")


GROUP_RULES: tuple[Callable[[GroupDraft], Findings], ...] = (
    settings_are_known,
    methods_suit_the_role,
    spline_has_no_invalid_values,
    spline_has_no_max_jump,
    spline_has_no_fill_of_nan,
    count_suits_the_role,
    invalid_fits_the_dtype,
    fill_fits_the_dtype,
    fill_is_complete,
    ignore_fits_the_dtype,
    values_fit_the_dtype,
    mirror_pairs_are_disjoint,
    range_is_ordered,
)


def _is_spline(group: GroupDraft) -> bool:
    return group.get("interpolation") == "spline3" and "spline3" in group.traits.interpolations


def _no_spline(group: GroupDraft, remedy: str) -> Finding:
    text = f"another interpolation, or {remedy}"
    return Finding(group.path_of("interpolation"), '"spline3"', text)


def _fits(group: GroupDraft, key: str, value: Any) -> Findings:
    """A finding unless some dtype that the array may have holds the value."""
    suiting = [name for name in group.dtypes if name in dtypes_for([group.traits])]
    if value is None or not suiting or any(holds(name, value) for name in suiting):
        return
    text = _values_of(suiting[0]) if len(suiting) == 1 else f"a value of {listed(suiting)}"
    yield Finding(group.path_of(key), show(value), text)


def _values_of(name: str) -> str:
    dtype = ALL_DTYPES[name]
    if dtype.kind == "f":
        return f"a value of {name}, at most {dtype.hi:.8g} in size"
    return f"a whole number from {dtype.lo} to {dtype.hi}, which {name} can hold"


def _channels(group: GroupDraft) -> str:
    if group.names:
        return f"{len(group.names)} ({', '.join(group.names)})"
    return "any number" if group.count is None else f"{group.count}"


def _users(key: str) -> str:
    return listed(name for name, traits in ROLE_TRAITS.items() if key in known_settings(traits))
