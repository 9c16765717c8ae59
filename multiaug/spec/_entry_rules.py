"""What an entry, and the entries and the camera together, must obey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ._draft import SETTINGS, EntryDraft, known_settings
from ._dtypes import dtypes_for
from ._mistakes import Finding, listed, one_of, show, suggest
from ._schema import Checked, WrongValueError

Findings = Iterator[Finding]

# The loader adds these to every batch.
_LOADER_KEYS = ("index", "copy")


def roles_are_given(entry: EntryDraft) -> Findings:
    """Every group has a role, its own or the entry's."""
    for group in entry.groups:
        if group.role is None:
            text = "a value; this key is required in each group, or once at the entry"
            yield Finding((*group.path, "role"), "nothing", text)


def only_pictures_have_groups(entry: EntryDraft) -> Findings:
    """Roles that are not pictures have an array of their own."""
    for group in entry.groups:
        if group.misplaced:
            text = f"a role of pixels: {group.role} needs an entry of its own"
            yield Finding(group.path_of("role"), show(group.role), text)


def shared_settings_are_known(entry: EntryDraft) -> Findings:
    """A setting that stands at the entry is understood by at least one of its groups."""
    if not entry.groups or any(group.single for group in entry.groups):
        return
    known = {key for group in entry.groups for key in known_settings(group.traits)}
    roles = listed(dict.fromkeys(group.traits.name for group in entry.groups), "and")
    for key in SETTINGS:
        if key in entry.entry and key not in known:
            found = f"a setting that none of {roles} has"
            yield Finding((*entry.path, key), found, "one that a group's role understands")


def dtype_suits_the_roles(entry: EntryDraft) -> Findings:
    """The one dtype of an array is allowed by the roles of all its groups."""
    traits = [group.traits for group in entry.groups]
    allowed = dtypes_for(traits)
    roles = listed(dict.fromkeys(fact.name for fact in traits), "and")
    dtype = entry.entry.get("dtype")
    if not allowed:
        text = "roles that share a dtype; put one of them in an entry of its own"
        yield Finding(entry.path, f"{roles}, which no dtype suits", text)
    elif dtype is not None and dtype not in allowed:
        text = f"{one_of(allowed)} for {roles}"
        yield Finding((*entry.path, "dtype"), show(dtype), text)


def several_groups_are_counted(entry: EntryDraft) -> Findings:
    """Only a group that has the array to itself may leave its number of channels open."""
    if len(entry.groups) > 1:
        for group in entry.groups:
            if group.count is None:
                text = "the number of channels, or their names: the array has other groups"
                yield Finding((*group.path, "channels"), "nothing", text)


def channel_names_are_distinct(entry: EntryDraft) -> Findings:
    """No two channels of an array share a name."""
    seen: set[str] = set()
    for group in entry.groups:
        for name in group.names:
            if name in seen:
                path = (*group.path, "channels")
                yield Finding(path, f"{show(name)} twice", "every channel name once")
            seen.add(name)


def flags_suit_the_kind(entry: EntryDraft) -> Findings:
    """``validity`` and ``time`` are for pictures, ``of`` for everything else."""
    if entry.entry.get("validity") and entry.kinds != {"spatial"}:
        yield Finding((*entry.path, "validity"), "true", "false: only pictures have a validity")
    if entry.entry.get("time") and entry.kinds != {"spatial"}:
        text = (
            "no such key: only images have frames; tables and matrices are one for each record, "
            "and a scalar may have any axes"
        )
        yield Finding((*entry.path, "time"), show(entry.entry["time"]), text)
    if entry.entry.get("of") is not None and entry.kinds & {"spatial"}:
        text = "no such key: only tables, matrices and scalars belong to another entry"
        yield Finding((*entry.path, "of"), show(entry.entry["of"]), text)


ENTRY_RULES: tuple[Callable[[EntryDraft], Findings], ...] = (
    roles_are_given,
    only_pictures_have_groups,
    shared_settings_are_known,
    dtype_suits_the_roles,
    several_groups_are_counted,
    channel_names_are_distinct,
    flags_suit_the_kind,
)


def names_do_not_collide(entries: Mapping[str, EntryDraft], camera: Checked) -> Findings:
    """No entry has the name of something that the pipeline or the loader adds."""
    for name, entry in entries.items():
        for suffix in ("_visible", "_valid", "_mirrored"):
            stem = name.removesuffix(suffix)
            if stem != name and stem in entries and _adds(entries[stem], suffix):
                text = f"another name: results add {name} to {stem}"
                yield Finding(entry.path, f"the name {show(name)}", text)
        if name in _LOADER_KEYS:
            text = "another name: the loader adds this key to every batch"
            yield Finding(entry.path, f"the name {show(name)}", text)


def of_names_a_picture(entries: Mapping[str, EntryDraft], camera: Checked) -> Findings:
    """``of`` names a spatial entry of the same spec; that of a scalar a table."""
    for entry in entries.values():
        try:
            of = entry.entry.get("of")
            kind = "points" if entry.kinds == {"value"} else "spatial"
            if of is None or (of in entries and entries[of].kinds == {kind}):
                continue
        except WrongValueError:
            continue
        if kind == "points":
            tables = [name for name, other in entries.items() if _is_of(other, kind)]
            text = f"the table whose rows it describes: {one_of(tables) or 'there is none'}"
            yield Finding((*entry.path, "of"), show(of), text + suggest(of, tables))
            continue
        pictures = [name for name, other in entries.items() if _is_of(other, "spatial")]
        text = f"the name of a picture: {one_of(pictures) or 'there is none'}"
        yield Finding((*entry.path, "of"), show(of), text + suggest(of, pictures))


def one_camera_per_record(entries: Mapping[str, EntryDraft], camera: Checked) -> Findings:
    """At most one entry of intrinsics and one of extrinsics."""
    for role in ("intrinsics", "extrinsics"):
        for name in _with_role(entries, role)[1:]:
            first = _with_role(entries, role)[0]
            text = f"one entry of {role} at most, and {show(first)} is one"
            yield Finding((*entries[name].path, "role"), show(role), text)


def fixed_camera_stays(entries: Mapping[str, EntryDraft], camera: Checked) -> Findings:
    """Under policy ``fixed`` space is deformed, which leaves no world to be in."""
    if camera.get("policy") != "fixed":
        return
    text = '"refit" or "none" with {}: under "fixed" coordinates are deformed in the camera frame'
    if camera.get("frame") == "world":
        yield Finding(("camera", "policy"), '"fixed"', text.format('frame "world"'))
    for name in _with_role(entries, "extrinsics"):
        yield Finding(("camera", "policy"), '"fixed"', text.format(f"the extrinsics {show(name)}"))


def camera_is_given_once(entries: Mapping[str, EntryDraft], camera: Checked) -> Findings:
    """The default camera is a field of view or four numbers, not both."""
    if "fov_degrees" in camera and any(key in camera for key in ("fx", "fy", "cx", "cy")):
        text = "fov_degrees, or fx, fy, cx and cy, but not both"
        yield Finding(("camera",), "a default camera given twice", text)
    if camera.get("refit_intrinsics") and camera.get("policy", "refit") != "none":
        text = 'false, or policy "none": "refit" always returns them and "fixed" keeps them'
        yield Finding(("camera", "refit_intrinsics"), "true", text)
    has_default = "fov_degrees" in camera or "fx" in camera
    entry = entries.get("intrinsics")
    if has_default and entry is not None and "intrinsics" not in _with_role(entries, "intrinsics"):
        text = "another name: with a default camera, results gain intrinsics"
        yield Finding(entry.path, 'the name "intrinsics"', text)


SPEC_RULES: tuple[Callable[[Mapping[str, EntryDraft], Checked], Findings], ...] = (
    names_do_not_collide,
    of_names_a_picture,
    one_camera_per_record,
    fixed_camera_stays,
    camera_is_given_once,
)


def _adds(entry: EntryDraft, suffix: str) -> bool:
    """Results may have this beside the entry."""
    return suffix != "_mirrored" or _is_of(entry, "points")


def _is_of(entry: EntryDraft, kind: str) -> bool:
    try:
        return entry.kinds == {kind}
    except WrongValueError:
        return False


def _with_role(entries: Mapping[str, EntryDraft], role: str) -> list[str]:
    """Names of the entries of one role; entries without a legible role have none."""
    names = []
    for name, entry in entries.items():
        if any(dict.get(group.group, "role") == role for group in entry.groups):
            names.append(name)
    return names
