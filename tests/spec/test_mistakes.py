"""Every mistake of a document is found, where it is, together with all others."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiaug.errors import SpecError
from multiaug.spec import DataSpec

BASE = {
    "schema": "multiaug.spec/1",
    "name": "everything",
    "description": "One entry of each role.",
    "camera": {"policy": "refit", "fov_degrees": 60},
    "entries": {
        "image": {
            "role": "intensity",
            "dtype": "uint8",
            "channels": ["r", "g", "b"],
            "range": [0, 255],
        },
        "cloud": {
            "dtype": "float32",
            "channels": [
                {"role": "intensity", "channels": ["r", "g", "b"], "fill": [0, 0, 1]},
                {"role": "position", "channels": ["x", "y", "z"], "invalid": "nan"},
            ],
            "max_jump": 0.1,
        },
        "depth": {"role": "depth", "dtype": "uint16", "invalid": 0},
        "mask": {
            "role": "label",
            "dtype": "uint8",
            "ignore": 255,
            "mirror_pairs": [[1, 2], [3, 4]],
            "optional": True,
        },
        "normals": {"role": "direction", "dtype": "float32"},
        "flow": {"role": "flow", "dtype": "float32", "validity": True},
        "angle": {"role": "orientation", "dtype": "float32", "unit": "radians", "period": 180},
        "count": {"role": "density", "dtype": "float32", "channels": 1},
        "joints": {"role": "keypoints", "of": "image", "mirror_pairs": [[0, 1]]},
        "objects": {"role": "boxes", "dtype": "float32", "box_convention": "coco"},
        "points": {"role": "points3d"},
        "K": {"role": "intrinsics", "of": "image"},
        "T": {"role": "extrinsics"},
        "digit": {"role": "scalar", "dtype": "int64"},
    },
}

GONE = object()

# (path to change, new value or GONE, path reported, part of what was found, of what was expected)
MISTAKES = [
    # The document itself.
    ("schema", "multiaug.spec/2", "$.schema", "spec/2", '"multiaug.spec/1"'),
    ("name", GONE, "$.name", "nothing", "required"),
    ("name", "", "$.name", '""', "not empty"),
    ("name", 3, "$.name", "3", "a string"),
    ("description", None, "$.description", "null", "a string"),
    ("entries", {}, "$.entries", "{}", "at least one entry"),
    ("entries", [], "$.entries", "[]", "an object"),
    ("entries", GONE, "$.entries", "nothing", "required"),
    ("entires", {}, "$.entires", "unknown", 'did you mean "entries"?'),
    ("colour", {}, "$.colour", "unknown", "one of $schema, schema, name"),
    # Keys and types of an entry.
    ("entries.image", 3, "$.entries.image", "3", "an object"),
    ("entries.image.role", GONE, "$.entries.image.role", "nothing", "required"),
    ("entries.image.role", "intensty", "$.entries.image.role", "intensty", 'mean "intensity"?'),
    ("entries.image.rolle", 1, "$.entries.image.rolle", "unknown", 'did you mean "role"?'),
    ("entries.image.dtype", "uint32", "$.entries.image.dtype", "uint32", '"uint8"'),
    ("entries.image.dtype", "unit8", "$.entries.image.dtype", "unit8", 'did you mean "uint8"?'),
    ("entries.image.dtype", "int64", "$.entries.image.dtype", "int64", "for intensity"),
    ("entries.image.channels", 0, "$.entries.image.channels", "0", "at least 1"),
    ("entries.image.channels", True, "$.entries.image.channels", "true", "a whole number"),
    ("entries.image.channels", 2.5, "$.entries.image.channels", "2.5", "a whole number"),
    ("entries.image.channels", [], "$.entries.image.channels", "[]", "at least 1 items"),
    ("entries.image.channels", ["r", 1], "$.entries.image.channels[1]", "1", "a string"),
    ("entries.image.channels", ["r", ""], "$.entries.image.channels[1]", '""', "not empty"),
    ("entries.image.channels", ["r", "r"], "$.entries.image.channels", '"r" twice', "once"),
    ("entries.image.optional", "yes", "$.entries.image.optional", '"yes"', "true or false"),
    ("entries.image.validity", 1, "$.entries.image.validity", "1", "true or false"),
    # Names.
    *[
        (("entries", name), {"role": "scalar"}, f"$.entries{shown}", json.dumps(name), "file name")
        for name, shown in {
            "": '[""]',
            "a/b": '["a/b"]',
            "..": '[".."]',
            "a\\b": '["a\\\\b"]',
            ".hidden": '[".hidden"]',
            "__meta": ".__meta",
            "a\n": '["a\\n"]',
            "a.": '["a."]',
            "a?": '["a?"]',
        }.items()
    ],
    ("entries.mask_valid", {"role": "scalar"}, "$.entries.mask_valid", "mask_valid", "results add"),
    (
        "entries.joints_visible",
        {"role": "scalar"},
        "$.entries.joints_visible",
        "joints_visible",
        "to joints",
    ),
    ("entries.index", {"role": "scalar"}, "$.entries.index", "index", "the loader adds"),
    (
        "entries.intrinsics",
        {"role": "scalar"},
        "$.entries.intrinsics",
        "the name",
        "gain intrinsics",
    ),
    # Settings that the role does not have.
    ("entries.mask.max_jump", 1, "$.entries.mask.max_jump", "label does not have", "is for depth"),
    ("entries.mask.invalid", 0, "$.entries.mask.invalid", "label does not have", "is for depth"),
    ("entries.depth.range", [0, 1], "$.entries.depth.range", "depth does not", "for intensity"),
    ("entries.depth.unit", "degrees", "$.entries.depth.unit", "depth does not", "for orientation"),
    ("entries.K.fill", 0, "$.entries.K.fill", "intrinsics does not have", "no such key"),
    ("entries.K.border", "edge", "$.entries.K.border", "intrinsics does not have", "no such key"),
    ("entries.digit.ignore", 1, "$.entries.digit.ignore", "scalar does not have", "for label"),
    ("entries.joints.box_convention", "coco", "$.entries.joints.box_convention", "does not", "for"),
    ("entries.cloud.ignore", 1, "$.entries.cloud.ignore", "none of intensity and position", "one"),
    (
        "entries.cloud.channels.1.range",
        [0, 1],
        "$.entries.cloud.channels[1].range",
        "position does not",
        "for intensity",
    ),
    # Methods.
    (
        "entries.depth.interpolation",
        "cubic",
        "$.entries.depth.interpolation",
        "cubic",
        '"ray", "linear" or "nearest" for depth',
    ),
    (
        "entries.mask.interpolation",
        "linear",
        "$.entries.mask.interpolation",
        "linear",
        '"nearest" or "majority" for label',
    ),
    (
        "entries.image.interpolation",
        "bilinear",
        "$.entries.image.interpolation",
        "bilinear",
        'did you mean "linear"?',
    ),
    ("entries.cloud.border", "wrap", "$.entries.cloud.border", "wrap", "for position"),
    ("entries.depth.border", "mirror", "$.entries.depth.border", "mirror", "for depth"),
    ("entries.depth.border", "reflekt", "$.entries.depth.border", "reflekt", 'mean "reflect"?'),
    # Channels against roles.
    ("entries.depth.channels", 2, "$.entries.depth.channels", "2", "1 channel for depth"),
    ("entries.flow.channels", ["u"], "$.entries.flow.channels", "1 (u)", "2 channels for flow"),
    ("entries.joints.channels", 3, "$.entries.joints.channels", "3", "2 columns for keypoints"),
    ("entries.K.channels", 3, "$.entries.K.channels", "3", "no channels: its shape is (3, 3)"),
    ("entries.digit.channels", 3, "$.entries.digit.channels", "3", "its shape is free"),
    (
        "entries.cloud.channels.1.channels",
        4,
        "$.entries.cloud.channels[1].channels",
        "4",
        "3 channels for position",
    ),
    (
        "entries.cloud.channels.1.channels",
        ["x", "y", "r"],
        "$.entries.cloud.channels[1].channels",
        '"r" twice',
        "once",
    ),
    (
        "entries.cloud.channels.1.channels",
        [{"role": "position"}],
        "$.entries.cloud.channels[1].channels[0]",
        '{"role": "position"}',
        "a string",
    ),
    ("entries.cloud.channels.1", "xyz", "$.entries.cloud.channels[1]", '"xyz"', "an object"),
    ("entries.cloud.channels.0.role", GONE, "$.entries.cloud.channels[0].role", "nothing", "each"),
    (
        "entries.cloud.channels.1.role",
        "boxes",
        "$.entries.cloud.channels[1].role",
        '"boxes"',
        "an entry of its own",
    ),
    (
        "entries.cloud.channels.0.dtype",
        "uint8",
        "$.entries.cloud.channels[0].dtype",
        "in a group",
        "at the entry",
    ),
    # dtypes.
    ("entries.mask.dtype", "float32", "$.entries.mask.dtype", "float32", "for label"),
    ("entries.flow.dtype", "int16", "$.entries.flow.dtype", "int16", '"float16"'),
    ("entries.cloud.dtype", "uint8", "$.entries.cloud.dtype", "uint8", "intensity and position"),
    (
        "entries.packed",
        {"channels": [{"role": "label"}, {"role": "flow"}]},
        "$.entries.packed",
        "label and flow",
        "an entry of its own",
    ),
    # Values against dtypes.
    ("entries.depth.invalid", "nan", "$.entries.depth.invalid", '"nan"', "from 0 to 65535"),
    ("entries.depth.invalid", -1, "$.entries.depth.invalid", "-1", "from 0 to 65535"),
    ("entries.depth.invalid", 0.5, "$.entries.depth.invalid", "0.5", "a whole number"),
    ("entries.depth.invalid", "none", "$.entries.depth.invalid", '"none"', '"nan"'),
    ("entries.depth.invalid", True, "$.entries.depth.invalid", "true", "a number"),
    ("entries.image.fill", "nan", "$.entries.image.fill", '"nan"', "from 0 to 255"),
    ("entries.image.fill", 256, "$.entries.image.fill", "256", "from 0 to 255"),
    ("entries.image.fill", [0, 0], "$.entries.image.fill", "2 numbers", "per channel (3)"),
    ("entries.image.fill", [], "$.entries.image.fill", "[]", "at least 1"),
    ("entries.image.fill", ["red"], "$.entries.image.fill[0]", '"red"', '"nan"'),
    ("entries.image.fill", "ignore", "$.entries.image.fill", '"ignore"', '"nan" or "invalid"'),
    ("entries.image.fill", "invalid", "$.entries.image.fill", "without an invalid", "a number"),
    ("entries.flow.fill", 1e300, "$.entries.flow.fill", "1e+300", "float32"),
    ("entries.mask.ignore", 256, "$.entries.mask.ignore", "256", "from 0 to 255"),
    ("entries.mask.ignore", 1.5, "$.entries.mask.ignore", "1.5", "a whole number"),
    ("entries.mask.fill", -1, "$.entries.mask.fill", "-1", "from 0 to 255"),
    # Stored values.
    ("entries.mask.values", {"255": 300}, "$.entries.mask.values", '"255": 300', "from 0 to 255"),
    ("entries.mask.values", {"-1": 0}, "$.entries.mask.values", '"-1": 0', "from 0 to 255"),
    ("entries.mask.values", {"white": 1}, "$.entries.mask.values", '"white"', "whole numbers"),
    ("entries.mask.values", {"01": 1}, "$.entries.mask.values", '"01"', "whole numbers"),
    ("entries.mask.values", {"255": "x"}, '$.entries.mask.values["255"]', '"x"', "a whole number"),
    ("entries.mask.values", {}, "$.entries.mask.values", "{}", "at least one"),
    ("entries.mask.values", [255, 1], "$.entries.mask.values", "[255, 1]", "an object"),
    ("entries.depth.values", {"1": 2}, "$.entries.depth.values", "a setting that", "for label"),
    # Pairs.
    ("entries.mask.mirror_pairs", [[1, 1]], "$.entries.mask.mirror_pairs", "[1, 1]", "different"),
    ("entries.mask.mirror_pairs", [[1, 2], [2, 3]], "$.entries.mask.mirror_pairs", "2 in", "once"),
    ("entries.mask.mirror_pairs", [[1, 256]], "$.entries.mask.mirror_pairs", "256", "to 255"),
    ("entries.mask.mirror_pairs", [[1]], "$.entries.mask.mirror_pairs[0]", "[1]", "at least 2"),
    ("entries.mask.mirror_pairs", [[1, 2, 3]], "$.entries.mask.mirror_pairs[0]", "3", "at most 2"),
    ("entries.mask.mirror_pairs", [[1, 2], 3], "$.entries.mask.mirror_pairs[1]", "3", "a list"),
    ("entries.joints.mirror_pairs", [[0, -1]], "$.entries.joints.mirror_pairs", "-1", "from 0"),
    # Ranges and steps.
    ("entries.image.range", [255, 0], "$.entries.image.range", "[255, 0]", "lo < hi"),
    ("entries.image.range", [1, 1], "$.entries.image.range", "[1, 1]", "lo < hi"),
    ("entries.image.range", [0], "$.entries.image.range", "[0]", "at least 2 items"),
    ("entries.image.range", [0, "1"], "$.entries.image.range[1]", '"1"', "a number"),
    ("entries.image.range", [0, float("inf")], "$.entries.image.range[1]", "Infinity", "finite"),
    ("entries.cloud.max_jump", 0, "$.entries.cloud.max_jump", "0", "above 0"),
    ("entries.cloud.max_jump", float("nan"), "$.entries.cloud.max_jump", "NaN", "finite"),
    ("entries.depth.max_jump", -1, "$.entries.depth.max_jump", "-1", "above 0"),
    ("entries.depth.under_elastic", "yes", "$.entries.depth.under_elastic", "yes", '"resample"'),
    ("entries.angle.unit", "degree", "$.entries.angle.unit", "degree", 'did you mean "degrees"?'),
    ("entries.angle.period", 90, "$.entries.angle.period", "90", "360 or 180"),
    ("entries.objects.box_convention", "voc", "$.entries.objects.box_convention", "voc", '"coco"'),
    # Between entries.
    ("entries.joints.of", "imgae", "$.entries.joints.of", '"imgae"', 'did you mean "image"?'),
    ("entries.joints.of", "K", "$.entries.joints.of", '"K"', "the name of a picture"),
    ("entries.mask.of", "image", "$.entries.mask.of", '"image"', "no such key"),
    ("entries.joints.validity", True, "$.entries.joints.validity", "true", "only pictures"),
    ("entries.K2", {"role": "intrinsics"}, "$.entries.K2.role", "intrinsics", '"K" is one'),
    ("entries.T2", {"role": "extrinsics"}, "$.entries.T2.role", "extrinsics", '"T" is one'),
    # The camera.
    ("camera", "pinhole", "$.camera", "pinhole", "an object"),
    ("camera.policy", "refitt", "$.camera.policy", "refitt", 'did you mean "refit"?'),
    ("camera.policy", "fixed", "$.camera.policy", "fixed", 'the extrinsics "T"'),
    ("camera.frame", "wrld", "$.camera.frame", "wrld", '"world"'),
    ("camera.mirror", True, "$.camera.mirror", "true", '"refuse"'),
    ("camera.fov_degrees", 180, "$.camera.fov_degrees", "180", "below 180"),
    ("camera.fov_degrees", 0, "$.camera.fov_degrees", "0", "above 0"),
    ("camera.fov_degrees", float("nan"), "$.camera.fov_degrees", "NaN", "finite"),
    ("camera.refit_intrinsics", True, "$.camera.refit_intrinsics", "true", '"none"'),
    ("camera", {"fx": 500, "fy": 500}, "$.camera.cx", "beside fx and fy", "fx, fy, cx and cy"),
    (
        "camera",
        {"fx": -1, "fy": 1, "cx": 0, "cy": 0},
        "$.camera.fx",
        "-1",
        "above 0",
    ),
    (
        "camera",
        {"fov_degrees": 60, "fx": 1, "fy": 1, "cx": 0, "cy": 0},
        "$.camera",
        "given twice",
        "but not both",
    ),
]


def ident(mistake: tuple) -> str:
    path = mistake[0] if isinstance(mistake[0], str) else ".".join(mistake[0])
    return f"{path}={'gone' if mistake[1] is GONE else mistake[1]}".encode(
        "unicode_escape"
    ).decode()


def keys_of(path: str | tuple[str, ...]) -> list[str | int]:
    parts = path.split(".") if isinstance(path, str) else list(path)
    return [int(part) if part.isdigit() else part for part in parts]


def change(document: dict, path: str | tuple[str, ...], value: object) -> None:
    *parents, last = keys_of(path)
    for key in parents:
        document = document[key]
    if value is GONE:
        del document[last]
    else:
        document[last] = value


def mistakes_of(document: object) -> list:
    with pytest.raises(SpecError) as caught:
        DataSpec.from_dict(document, source="a test")
    return list(caught.value.mistakes)


def test_base_is_valid():
    assert len(DataSpec.from_dict(BASE).entries) == len(BASE["entries"])


@pytest.mark.parametrize("mistake", MISTAKES, ids=ident)
def test_one_mistake(mistake):
    path, value, reported, found, expected = mistake
    document = copy.deepcopy(BASE)
    change(document, path, value)
    first = next(m for m in mistakes_of(document) if m.path == reported)
    assert found in first.found
    assert expected in first.expected


@pytest.mark.parametrize("mistake", MISTAKES, ids=ident)
def test_one_mistake_is_one_report(mistake):
    """Nothing is reported twice, and nothing that merely follows from a mistake."""
    path, value, reported, *_ = mistake
    document = copy.deepcopy(BASE)
    change(document, path, value)
    paths = [m.path for m in mistakes_of(document)]
    allowed = {
        "$.camera.cx": {"$.camera.cy"},
    }
    assert set(paths) <= {reported} | allowed.get(reported, set())
    assert len(paths) == len(set(paths))


def area(mistake: tuple) -> str:
    """The part of the document that a mistake is in; mistakes in one could hide each other."""
    keys = keys_of(mistake[0])
    return str(keys[1]) if keys[0] == "entries" and len(keys) > 1 else str(keys[0])


LOCAL = [m for m in MISTAKES if len(keys_of(m[0])) > 2 or area(m) in ("schema", "colour")]


@given(st.lists(st.sampled_from(LOCAL), min_size=2, max_size=6, unique_by=area))
def test_all_mistakes_at_once(mistakes):
    document = copy.deepcopy(BASE)
    for path, value, *_ in mistakes:
        change(document, path, value)
    assert {m[2] for m in mistakes} <= {m.path for m in mistakes_of(document)}


def test_mistakes_are_in_the_order_of_the_document():
    document = copy.deepcopy(BASE)
    for path, value in {
        "entries.digit.channels": 3,
        "entries.image.dtype": "uint32",
        "camera.policy": "x",
        "entries.depth.invalid": -1,
        "entries.image.range": [1, 0],
    }.items():
        change(document, path, value)
    assert [m.path for m in mistakes_of(document)] == [
        "$.camera.policy",
        "$.entries.image.dtype",
        "$.entries.image.range",
        "$.entries.depth.invalid",
        "$.entries.digit.channels",
    ]


def test_two_mistakes_in_one_entry():
    """A value of the wrong type does not hide that another is not allowed."""
    document = copy.deepcopy(BASE)
    change(document, "entries.depth.optional", 3)
    change(document, "entries.depth.interpolation", "cubic")
    change(document, "entries.depth.max_jmp", 3)
    assert {m.path for m in mistakes_of(document)} == {
        "$.entries.depth.optional",
        "$.entries.depth.interpolation",
        "$.entries.depth.max_jmp",
    }


def test_world_frame_needs_a_moving_camera():
    entries = {"xyz": {"role": "position"}}
    camera = {"policy": "fixed", "frame": "world"}
    (mistake,) = mistakes_of({"name": "n", "camera": camera, "entries": entries})
    assert mistake.path == "$.camera.policy"
    assert "world" in mistake.expected


SPLINE = {"role": "intensity", "dtype": "float32", "channels": 2, "interpolation": "spline3"}


@pytest.mark.parametrize(
    ("settings", "remedies"),
    [
        ({"invalid": -1}, ["no invalid value"]),
        ({"max_jump": 2}, ["no max_jump"]),
        ({"fill": "nan"}, ["a fill that is a number"]),
        ({"fill": [0, "nan"]}, ["a fill that is a number"]),
        ({"invalid": "nan", "fill": "invalid"}, ["no invalid value"]),
        (
            {"invalid": "nan", "max_jump": 2, "fill": "nan"},
            ["no invalid value", "no max_jump", "a fill that is a number"],
        ),
    ],
    ids=str,
)
def test_splines_need_whole_pictures(settings, remedies):
    mistakes = mistakes_of({"name": "n", "entries": {"a": {**SPLINE, **settings}}})
    assert {m.path for m in mistakes} == {"$.entries.a.interpolation"}
    assert {m.found for m in mistakes} == {'"spline3"'}
    for mistake, remedy in zip(mistakes, remedies, strict=True):
        assert mistake.expected.startswith(f"another interpolation, or {remedy}")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"invalid": None, "fill": [0, 1]},
        {"fill": "nan", "border": "edge"},
    ],
    ids=str,
)
def test_splines_of_whole_pictures(settings):
    """A border other than a constant never reads the fill."""
    assert DataSpec.from_dict({"name": "n", "entries": {"a": {**SPLINE, **settings}}})


def test_splines_among_groups():
    """A setting of the entry counts where the group's role knows it, and at its own place."""
    groups = [{"channels": 1, "interpolation": "spline3"}, {"role": "position"}]
    entry = {"role": "intensity", "max_jump": 1, "channels": groups}
    (mistake,) = mistakes_of({"name": "n", "entries": {"a": entry}})
    assert mistake.path == "$.entries.a.channels[0].interpolation"


def test_one_mistake_of_a_spline_hides_no_other():
    settings = {"max_jump": -2, "invalid": 0, "fill": "nan"}
    mistakes = mistakes_of({"name": "n", "entries": {"a": {**SPLINE, **settings}}})
    assert [m.path.rpartition(".")[2] for m in mistakes] == [
        "interpolation",
        "interpolation",
        "max_jump",
    ]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"dtype": "uint8", "fill": "nan"}, "fill"),
        ({"role": "position", "channels": 3, "max_jump": 2}, "interpolation"),
        ({"fill": "invalid"}, "fill"),
    ],
    ids=str,
)
def test_splines_are_not_blamed_for_other_mistakes(settings, path):
    (mistake,) = mistakes_of({"name": "n", "entries": {"a": {**SPLINE, **settings}}})
    assert mistake.path == f"$.entries.a.{path}"


def test_open_channels_stand_alone():
    groups = [{"role": "intensity"}, {"role": "depth"}]
    (mistake,) = mistakes_of({"name": "n", "entries": {"a": {"channels": groups}}})
    assert mistake.path == "$.entries.a.channels[0].channels"


@pytest.mark.parametrize("document", [None, 3, [], "rgbxyz"])
def test_not_an_object(document):
    (mistake,) = mistakes_of(document)
    assert mistake.path == "$"


def test_what_json_cannot_say():
    document = {"name": "n", "entries": {"a": {"role": {1, 2}}, 3: {}}}
    shown = [str(m) for m in mistakes_of(document)]
    assert any("a Python set" in text for text in shown)
    assert any("the key 3" in text for text in shown)


def test_message_names_source_and_counts():
    with pytest.raises(SpecError, match=r"^a test: 2 mistakes\n  \$\.name: found nothing"):
        DataSpec.from_dict({"entries": {}}, source="a test")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "channels", "x"]), children, max_size=3)
    ),
    max_leaves=6,
)


def paths_of(value: object, path: tuple = ()) -> list[tuple]:
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(p for key, child in children for p in paths_of(child, (*path, key)))]


@given(st.sampled_from(paths_of(BASE)[1:]), JSON_VALUES)
def test_any_value_anywhere_is_read_or_refused(path, value):
    """No document makes the reader itself fail."""
    document = copy.deepcopy(BASE)
    node = document
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    try:
        spec = DataSpec.from_dict(document)
    except SpecError:
        return
    assert DataSpec.from_dict(spec.to_dict()) == spec
