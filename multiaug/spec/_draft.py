"""A channel group and an entry on their way from JSON to the model: defaults are filled in here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ._dtypes import ALL_DTYPES, dtypes_for
from ._mistakes import Path
from ._model import ChannelGroup, EntrySpec, Fill, Invalid
from ._schema import WRONG, Checked, WrongValueError
from ._traits import ROLE_TRAITS, RoleTraits

# JSON key -> field of ChannelGroup, for all keys that belong to a group and have a default.
SETTINGS = {
    "range": "range",
    "invalid": "invalid",
    "ignore": "ignore",
    "values": "values",
    "mirror_pairs": "mirror_pairs",
    "interpolation": "interpolation",
    "border": "border",
    "fill": "fill",
    "max_jump": "max_jump",
    "under_elastic": "under_elastic",
    "unit": "unit",
    "period": "period",
    "box_convention": "convention",
    "capacity": "capacity",
}


def known_settings(traits: RoleTraits) -> tuple[str, ...]:
    """The JSON keys that a role understands, besides role and channels."""
    sampled = traits.kind == "spatial"
    special = {
        "interpolation": sampled,
        "border": sampled,
        "fill": sampled,
        "invalid": traits.may_be_invalid,
    }
    return tuple(key for key in SETTINGS if special.get(key, key in traits.settings))


@dataclass
class GroupDraft:
    """One group as written, with the entry's settings as its defaults.

    Args:
        path: where the group stands; the entry's own path for an entry of one role.
        entry: the entry's object in the document.
        group: the group's object; the same as `entry` for an entry of one role.
        entry_path: where the entry stands.
    """

    path: Path
    entry: Checked
    group: Checked
    entry_path: Path

    @property
    def single(self) -> bool:
        """True when the entry itself is the group."""
        return self.group is self.entry

    @property
    def misplaced(self) -> bool:
        """True for a role that cannot share an array, put among groups all the same."""
        role = dict.get(self.group, "role", dict.get(self.entry, "role"))
        return not self.single and role in ROLE_TRAITS and ROLE_TRAITS[role].kind != "spatial"

    @property
    def role(self) -> str | None:
        """The role, or None when neither the group nor the entry names one."""
        role: str | None = self.get("role")
        return role

    @property
    def traits(self) -> RoleTraits:
        """The facts of the role; the rules that ask are skipped when it is missing."""
        if self.role is None:
            raise WrongValueError
        return ROLE_TRAITS[self.role]

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names, or ()."""
        channels = self.group.get("channels")
        return tuple(channels) if isinstance(channels, list) else ()

    @property
    def count(self) -> int | None:
        """Number of channels; None is any number."""
        channels = self.group.get("channels")
        if isinstance(channels, list):
            return len(channels)
        return self.traits.channels if channels is None else int(channels)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes that the array may have, as far as this group's role is concerned."""
        dtype = self.entry.get("dtype")
        return dtypes_for([self.traits]) if dtype is None else (dtype,)

    @property
    def invalid(self) -> Invalid:
        """The invalid value; by default NaN where the role has that and the dtype can."""
        given = self.get("invalid", WRONG)
        if given is not WRONG:
            return float(given) if isinstance(given, int | float) else given
        floating = any(ALL_DTYPES[name].kind == "f" for name in self.dtypes)
        return self.traits.default_invalid if floating else None

    @property
    def fill(self) -> Fill:
        """What ``constant`` puts outside the picture."""
        given = self.get("fill")
        if given is None:
            given = self.traits.default_fill
            if given == "invalid" and self.invalid is None:
                given = 0.0  # there is no better choice without an invalid value
        if given == "ignore":
            given = self.get("ignore") or 0
        if given == "invalid":
            return "invalid"
        values = given if isinstance(given, list) else [given]
        return tuple("nan" if value == "nan" else float(value) for value in values)

    def get(self, key: str, default: Any = None) -> Any:
        """A setting: the group's own, or else the entry's where the role understands it."""
        if key in self.group or self.single:
            return self.group.get(key, default)
        if key == "role" or key in known_settings(self.traits):
            return self.entry.get(key, default)
        return default

    def path_of(self, key: str) -> Path:
        """Where a setting stands, or would stand."""
        at_entry = key == "dtype" or (key not in self.group and key in self.entry)
        return (*(self.entry_path if at_entry else self.path), key)

    def build(self, start: int) -> ChannelGroup:
        """The finished group; only for drafts without mistakes."""
        known = known_settings(self.traits)
        values = {SETTINGS[key]: self.get(key) for key in known if self.get(key) is not None}
        values.update(start=start, count=self.count, names=self.names)
        if "range" in values:
            values["range"] = tuple(float(bound) for bound in values["range"])
        if "mirror_pairs" in values:
            values["mirror_pairs"] = tuple((int(a), int(b)) for a, b in values["mirror_pairs"])
        if "values" in values:
            pairs = ((int(stored), int(label)) for stored, label in values["values"].items())
            values["values"] = tuple(sorted(pairs))
        for key, cast in (("ignore", int), ("max_jump", float), ("period", int), ("capacity", int)):
            if key in values:
                values[key] = cast(values[key])
        if "fill" in known:
            values.setdefault("interpolation", self.traits.interpolations[0])
            values.setdefault("border", self.traits.borders[0])
            values["fill"] = self.fill
        if "invalid" in known:
            values["invalid"] = self.invalid
        return ChannelGroup(role=self.traits.name, **values)


@dataclass
class EntryDraft:
    """One entry as written.

    Args:
        name: the entry's name.
        path: where it stands.
        entry: its object in the document.
    """

    name: str
    path: Path
    entry: Checked
    groups: list[GroupDraft] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.groups = list(self._groups())

    def _groups(self) -> Iterator[GroupDraft]:
        channels = dict.get(self.entry, "channels")
        if isinstance(channels, list) and any(isinstance(item, dict) for item in channels):
            for index, group in enumerate(channels):
                yield GroupDraft((*self.path, "channels", index), self.entry, group, self.path)
        elif channels is not WRONG or "role" in self.entry:
            yield GroupDraft(self.path, self.entry, self.entry, self.path)

    @property
    def kinds(self) -> set[str]:
        """The kinds of the roles in the entry; the rules that ask are skipped without any."""
        if not self.groups:
            raise WrongValueError
        return {group.traits.kind for group in self.groups}

    def build(self) -> EntrySpec:
        """The finished entry; only for drafts without mistakes."""
        groups: list[ChannelGroup] = []
        start = 0
        for draft in self.groups:
            groups.append(draft.build(start))
            start += draft.count or 0
        entry = self.entry
        time = entry.get("time")
        return EntrySpec(
            self.name,
            tuple(groups),
            dtype=entry.get("dtype"),
            optional=entry.get("optional", False),
            of=entry.get("of"),
            validity=entry.get("validity", False),
            time=int(time) if isinstance(time, float) else time,
        )
