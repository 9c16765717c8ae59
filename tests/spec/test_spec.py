"""DataSpec: reading, writing, building in Python, hashing."""

import copy
import json
import os
import pickle
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.errors import SpecError
from multiaug.spec import (
    BORDERS,
    INTERPOLATIONS,
    ROLE_TRAITS,
    CameraSpec,
    ChannelGroup,
    DataSpec,
    EntrySpec,
    RoleTraits,
    load_spec,
    register_role,
    shipped_specs,
)
from multiaug.spec._dtypes import holds


def entry(**settings) -> EntrySpec:
    return EntrySpec.from_dict("a", settings)


def group(**settings) -> ChannelGroup:
    (only,) = entry(**settings).groups
    return only


def test_shorthand_resolves_to_the_defaults_of_the_role():
    position = group(role="position", dtype="float32")
    assert (position.count, position.interpolation, position.border) == (3, "ray", "constant")
    assert (position.invalid, position.fill) == ("nan", "invalid")
    mask = group(role="label", dtype="uint8", ignore=255)
    assert (mask.count, mask.interpolation, mask.fill) == (1, "nearest", (255.0,))
    assert group(role="label").fill == (0.0,)
    assert group(role="intensity").count is None
    assert group(role="keypoints").fill == (0.0,)


@pytest.mark.parametrize(
    ("settings", "invalid", "fill"),
    [
        ({"dtype": "uint16"}, None, (0.0,)),
        ({"dtype": "uint16", "invalid": 0}, 0.0, "invalid"),
        ({"dtype": "uint16", "invalid": 0, "fill": 7}, 0.0, (7.0,)),
        ({"dtype": "bfloat16"}, "nan", "invalid"),
        ({"dtype": "float32", "invalid": None}, None, (0.0,)),
        ({"dtype": "float32", "invalid": -1}, -1.0, "invalid"),
        ({"dtype": "float32", "fill": "nan"}, "nan", ("nan",)),
        ({}, "nan", "invalid"),
    ],
)
def test_invalid_and_fill_of_depth(settings, invalid, fill):
    depth = group(role="depth", **settings)
    assert depth.invalid == invalid
    assert depth.fill == fill


def test_a_group_for_any_dtype_adapts_to_one():
    depth = group(role="depth")
    assert depth.for_dtype("float16") is depth
    assert depth.for_dtype("uint16") == replace(depth, invalid=None, fill=(0.0,))
    marked = group(role="depth", invalid=0)
    assert marked.for_dtype("uint16") is marked


@pytest.mark.parametrize(
    ("settings", "dtype", "invalid", "fill"),
    [
        # No integer is NaN, whether NaN is the invalid value too or not.
        ({"fill": "nan", "invalid": None}, "uint8", None, (0.0,)),
        ({"fill": "nan", "invalid": -1}, "int16", -1.0, (0.0,)),
        ({"fill": "nan"}, "bool", None, (0.0,)),
        ({"fill": ["nan", 2], "channels": 2, "invalid": "nan"}, "uint8", None, (0.0, 2.0)),
        ({"fill": 7, "invalid": "nan"}, "uint8", None, (7.0,)),
        # Rounded or clipped, these would mark pixels that do hold something.
        ({"fill": "invalid", "invalid": -1}, "uint8", None, (0.0,)),
        ({"fill": "invalid", "invalid": -1}, "int16", -1.0, "invalid"),
        ({"fill": 7, "invalid": 0.5}, "int32", None, (7.0,)),
        ({"fill": "invalid", "invalid": 70000}, "uint16", None, (0.0,)),
        # Floats hold all but the largest.
        ({"fill": "nan", "invalid": 0.5}, "float16", 0.5, ("nan",)),
        ({"fill": "invalid", "invalid": -9999}, "float16", -9999.0, "invalid"),
        ({"fill": "invalid", "invalid": -3.4e38}, "float16", None, (0.0,)),
        ({"fill": "invalid", "invalid": -3.4028235e38}, "float32", -3.4028235e38, "invalid"),
    ],
)
def test_a_dtype_drops_what_it_cannot_hold(settings, dtype, invalid, fill):
    adapted = group(role="intensity", **settings).for_dtype(dtype)
    assert (adapted.invalid, adapted.fill) == (invalid, fill)
    assert adapted.for_dtype(dtype) is adapted


def test_groups_follow_one_another():
    packed = entry(
        channels=[
            {"role": "intensity", "channels": ["r", "g", "b"]},
            {"role": "position"},
            {"role": "depth", "channels": 1},
        ]
    )
    assert [g.channel_slice() for g in packed.groups] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert packed.channels == 7
    assert packed.role == "intensity+position+depth"
    assert packed.groups[0].names == ("r", "g", "b")


def test_settings_at_the_entry_are_defaults_of_the_groups_that_know_them():
    packed = entry(
        role="intensity",
        max_jump=0.5,
        under_elastic="resample",
        channels=[{"channels": 3}, {"role": "position", "max_jump": 0.1}],
        interpolation="nearest",
        fill=1,
    )
    colour, position = packed.groups
    assert (colour.role, colour.max_jump, colour.under_elastic) == ("intensity", 0.5, "refuse")
    assert (position.max_jump, position.under_elastic) == (0.1, "resample")
    assert colour.interpolation == position.interpolation == "nearest"
    assert colour.fill == position.fill == (1.0,)


def test_allowed_dtypes():
    assert entry(role="label").dtypes == ("bool", "uint8", "uint16", "int16", "int32")
    assert entry(role="flow").dtypes == ("float16", "bfloat16", "float32")
    assert entry(role="flow", dtype="float16").dtypes == ("float16",)
    assert {"int64", "float64"} <= set(entry(role="scalar").dtypes)
    assert "float64" not in entry(role="intensity").dtypes


def test_reference_prefers_intensity():
    spec = load_spec("rgbd")
    assert spec.reference() == "image"
    assert spec.reference({"mask", "depth"}) == "depth"
    assert spec.reference(["intrinsics"]) is None
    depth_first = DataSpec("n", reversed(list(spec.entries.values())[:2]))
    assert list(depth_first.entries) == ["depth", "image"]
    assert depth_first.reference() == "image"


@pytest.mark.parametrize("name", shipped_specs())
def test_round_trip(name):
    spec = load_spec(name)
    document = json.loads(json.dumps(spec.to_dict(), allow_nan=False))
    again = DataSpec.from_dict(document)
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_dict() == document
    assert DataSpec(spec.name, spec.entries, spec.camera, spec.description) == spec
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec


CHOSEN = st.sampled_from


@st.composite
def entries(draw: st.DrawFn) -> dict:
    """A valid entry of any role, with settings drawn where it has them."""
    role = draw(CHOSEN(sorted(ROLE_TRAITS)))
    traits = ROLE_TRAITS[role]
    out = {"role": role}
    if "f" in traits.dtype_kinds:
        out["dtype"] = draw(CHOSEN(["float16", "bfloat16", "float32"]))
    if traits.kind in ("spatial", "points") and traits.channels is None:
        out["channels"] = draw(CHOSEN([1, 3, ["a", "b"]]))
    if traits.kind == "spatial":
        out["border"] = draw(CHOSEN(traits.borders))
        out["fill"] = draw(st.integers(0, 100))
        out["interpolation"] = draw(CHOSEN([m for m in traits.interpolations if m != "spline3"]))
    if traits.may_be_invalid and "dtype" in out:
        out["invalid"] = draw(CHOSEN(["nan", None, -1, 0.5]))
    choices = {
        "range": [[0, 1], [-1.5, 2]],
        "ignore": [0, 255],
        "values": [{"255": 1}, {"0": 1, "255": 0, "-1": 2}],
        "mirror_pairs": [[], [[1, 2]], [[1, 2], [4, 3]]],
        "max_jump": [1, 0.5],
        "under_elastic": ["refuse", "resample"],
        "unit": ["degrees", "radians"],
        "period": [180, 360],
        "box_convention": ["edges", "coco", "pascal"],
        "capacity": [1, 40],
    }
    for key in sorted(traits.settings):
        if draw(st.booleans()):
            out[key] = draw(CHOSEN(choices[key]))
    return out | draw(st.fixed_dictionaries({}, optional={"optional": st.booleans()}))


@given(st.lists(entries(), min_size=1, max_size=4), st.data())
def test_any_valid_document_round_trips(listed, data):
    roles = [e["role"] for e in listed]
    if max(roles.count("intrinsics"), roles.count("extrinsics")) > 1:
        return
    spec = DataSpec.from_dict({"name": "n", "entries": {f"e{i}": e for i, e in enumerate(listed)}})
    assert DataSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert DataSpec("n", spec.entries) == spec
    for e in spec.entries.values():
        assert EntrySpec.from_dict(e.name, e.to_dict()) == e


@pytest.mark.parametrize(
    "camera",
    [
        CameraSpec(),
        CameraSpec("fixed", fov_degrees=60.0),
        CameraSpec("none", "world", "refuse", refit_intrinsics=True),
        CameraSpec(intrinsics=(500.0, 501.0, 320.0, 240.0)),
    ],
)
def test_cameras_round_trip(camera):
    spec = DataSpec("n", [entry(role="position")], camera)
    assert DataSpec.from_dict(spec.to_dict()).camera == camera
    assert camera.has_default == (camera.fov_degrees is not None or camera.intrinsics is not None)


def test_of_role():
    made = EntrySpec.of_role("xyz", "position", channels=("x", "y", "z"), dtype="float32", fill=0)
    assert made == EntrySpec.from_dict(
        "xyz", {"role": "position", "channels": ["x", "y", "z"], "dtype": "float32", "fill": 0}
    )
    assert EntrySpec.of_role("d", "depth", dtype="float32", invalid=None).groups[0].invalid is None
    assert EntrySpec.of_role("k", "keypoints", of="xyz", optional=True).of == "xyz"
    with pytest.raises(SpecError, match=r"\$\.entries\.m\.max_jmp.*did you mean \"max_jump\""):
        EntrySpec.of_role("m", "position", max_jmp=1)


def test_built_in_python_is_checked_like_a_document():
    bad = replace(EntrySpec.of_role("d", "depth", dtype="uint16"), dtype="int64", of="x")
    with pytest.raises(SpecError) as caught:
        DataSpec("mine", [bad], CameraSpec("fixed", "world", fov_degrees=200.0))
    assert caught.value.source == "DataSpec 'mine'"
    assert {m.path for m in caught.value.mistakes} == {
        "$.camera.policy",
        "$.camera.fov_degrees",
        "$.entries.d.of",
        "$.entries.d.dtype",
    }


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        ([EntrySpec("a", ())], "$.entries.a.groups"),
        ([EntrySpec.of_role("a", "label")] * 2, "$.entries.a"),
        ({"b": EntrySpec.of_role("a", "label")}, "$.entries.b"),
        ([EntrySpec("a", (ChannelGroup("nonsense"),))], "$.entries.a.role"),
        ([EntrySpec("a", (ChannelGroup("intensity"),))], "$.entries.a.interpolation"),
        (
            [EntrySpec("a", (replace(group(role="intensity", channels=3), start=3),))],
            "$.entries.a.groups[0].start",
        ),
        (
            [EntrySpec("a", (replace(group(role="intensity", channels=3), names=("r",)),))],
            "$.entries.a.groups[0].count",
        ),
        (
            [EntrySpec("a", (replace(group(role="position"), count=None),))],
            "$.entries.a.groups[0].count",
        ),
        (
            [EntrySpec("a", (replace(group(role="label"), max_jump=1.0),))],
            "$.entries.a.max_jump",
        ),
        ([], "$.entries"),
    ],
)
def test_what_only_python_can_get_wrong(entries, path):
    with pytest.raises(SpecError) as caught:
        DataSpec("n", entries)
    assert path in [m.path for m in caught.value.mistakes]


def test_lists_do_not_break_hashing():
    by_list = ChannelGroup("label", count=1, fill=[0.0], mirror_pairs=[[1, 2]], names=["m"])
    by_tuple = ChannelGroup("label", count=1, fill=(0.0,), mirror_pairs=((1, 2),), names=("m",))
    assert hash(by_list) == hash(by_tuple)
    assert hash(EntrySpec("a", [by_list])) == hash(EntrySpec("a", (by_tuple,)))


def test_equality():
    spec = load_spec("rgbxyz")
    assert spec == load_spec("rgbxyz")
    assert spec != load_spec("rgbd")
    assert spec != "rgbxyz"
    assert spec.entries != list(spec.entries)
    assert spec != DataSpec(spec.name, spec.entries, spec.camera, "another description")
    assert len({spec, load_spec("rgbxyz")}) == 1


def test_hash_does_not_travel_between_processes(fresh_python):
    spec = load_spec("rgbxyz")
    here = hash(spec)
    make = "import pickle, sys; from multiaug.spec import load_spec; s = load_spec('rgbxyz'); "
    read = f"t = pickle.loads(bytes.fromhex('{pickle.dumps(spec).hex()}')); "
    check = "print(t == s, hash(t) == hash(s), hash(t.entries) == hash(s.entries), hash(s))"
    # Any seed but the one of this process, which may be random.
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    *same, there = fresh_python(make + read + check, PYTHONHASHSEED=seed).split()
    assert same == ["True"] * 3
    assert int(there) != here


def test_schema_lists_what_the_registry_knows():
    from multiaug.spec._document import SCHEMA_VERSION
    from multiaug.spec._draft import SETTINGS
    from multiaug.spec._dtypes import ALL_DTYPES
    from multiaug.spec._schema import data_specs_folder

    schema = json.loads((data_specs_folder() / "dataspec.schema.json").read_text("utf-8"))
    parts = schema["$defs"]
    assert parts["role"]["enum"] == sorted(ROLE_TRAITS)
    assert set(parts["dtype"]["enum"]) == set(ALL_DTYPES)
    assert tuple(parts["interpolation"]["enum"]) == INTERPOLATIONS
    assert tuple(parts["border"]["enum"]) == BORDERS
    assert schema["properties"]["schema"]["const"] == SCHEMA_VERSION
    # A setting may stand in a group and, as a default, at the entry.
    own = {"role", "channels"}
    assert set(parts["group"]["properties"]) == own | set(SETTINGS)
    entry_only = {"dtype", "optional", "of", "validity", "time"}
    assert set(parts["entry"]["properties"]) == own | set(SETTINGS) | entry_only


def test_every_role_uses_known_words():
    from multiaug.spec._draft import SETTINGS

    for traits in ROLE_TRAITS.values():
        assert traits.settings <= set(SETTINGS)
        assert set(traits.interpolations) <= set(INTERPOLATIONS)
        assert set(traits.borders) <= set(BORDERS)
        assert (traits.kind == "spatial") == bool(traits.interpolations) == bool(traits.borders)


def test_schema_is_itself_valid():
    from jsonschema import Draft202012Validator

    from multiaug.spec._schema import data_specs_folder

    schema = json.loads((data_specs_folder() / "dataspec.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    for path in data_specs_folder().glob("*.json"):
        if path.name != "dataspec.schema.json":
            Draft202012Validator(schema).validate(json.loads(path.read_text("utf-8")))


def test_entries_are_a_value():
    entries = load_spec("rgbxyz").entries
    again = pickle.loads(pickle.dumps(entries))
    assert again == entries
    assert hash(again) == hash(entries)
    assert list(again) == ["rgbxyz", "mask", "intrinsics"]
    assert repr(entries).startswith("Entries([EntrySpec(name='rgbxyz'")
    assert "image" not in entries


def test_a_new_role_is_understood_at_once(monkeypatch):
    traits = RoleTraits(
        "heat", "spatial", interpolations=("linear",), borders=("edge",), settings={"range"}
    )
    monkeypatch.setitem(ROLE_TRAITS, "heat", traits)
    made = group(role="heat", channels=2, range=[0, 40])
    assert (made.count, made.interpolation, made.border) == (2, "linear", "edge")
    with pytest.raises(ValueError, match="role 'heat' is already registered"):
        register_role(traits)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_floats_hold_what_is_rounded_to_them(name):
    """Beyond the largest by less than half a step; the rest would be infinite."""
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    largest = float(ml_dtypes.finfo(dtype).max)
    step = largest - float(np.nextafter(dtype.type(largest), dtype.type(0)))
    with np.errstate(over="ignore"):
        for value in (largest, largest + 0.499 * step, largest + 0.5 * step, 2 * largest):
            finite = bool(np.isfinite(np.float64(value).astype(dtype)))
            assert (holds(name, value), holds(name, -value)) == (finite, finite), value
