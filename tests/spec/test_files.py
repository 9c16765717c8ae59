"""Reading documents from files."""

import json
from pathlib import Path

import pytest

from multiaug.errors import SpecError
from multiaug.spec import DataSpec, load_spec, shipped_specs
from multiaug.spec._schema import data_specs_folder

SHIPPED = (
    "mnist",
    "multispectral-segmentation",
    "optical-flow",
    "rgb-segmentation",
    "rgbd",
    "rgbxyz",
    "rgbxyz-separate",
    "stereo-normals",
)

GOOD = '{"name": "n", "entries": {"image": {"role": "intensity"}}}'


def mistakes_of(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert caught.value.source == str(path)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_shipped_names():
    assert shipped_specs() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_documents(name):
    spec = load_spec(name)
    assert spec.name == name
    assert spec.description.endswith(".")
    assert spec.reference() is not None
    assert f"| `{name}` |" in (data_specs_folder() / "README.md").read_text("utf-8")


def test_example_of_the_readme():
    text = (data_specs_folder() / "README.md").read_text("utf-8")
    document = text.split("```json\n")[1].split("```")[0]
    assert DataSpec.from_dict(json.loads(document)).name == "my-robot"


def test_path(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(GOOD)
    assert load_spec(path) == load_spec(str(path))
    assert load_spec(path).name == "n"


def test_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert load_spec(path).name == "n"


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(SpecError, match='did you mean "rgbxyz"') as caught:
        load_spec("rgbxzy")
    assert all(name in str(caught.value) for name in SHIPPED)


def test_folder_is_no_file(tmp_path):
    assert "no such file" in mistakes_of(tmp_path)[0]


def test_invalid_json_names_the_place(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{\n  "name": "n",\n  "entries" {}\n}')
    assert "line 3, column 13" in mistakes_of(path)[0]


def test_not_utf8(tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes('{"name": "é"}'.encode("latin-1"))
    assert "UTF-8" in mistakes_of(path)[0]


def test_nested_too_deeply(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("[" * 100_000 + "]" * 100_000)
    assert "deep" in mistakes_of(path)[0]


def test_repeated_keys_are_all_found(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(
        '{"name": "n", "name": "m", "entries": {'
        '"a": {"role": "label", "dtype": "uint8", "dtype": "bool"}, "a": {"role": "label"},'
        '"b": {"channels": [{"role": "label", "role": "flow", "channels": 1}]}}}'
    )
    shown = mistakes_of(path)
    assert [text.split(":")[0] for text in shown] == [
        "$.name",
        "$.entries.a",
        "$.entries.b.channels[0].role",
    ]
    assert all("more than once" in text for text in shown)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(tmp_path, literal):
    path = tmp_path / "bad.json"
    entry = f'{{"role": "depth", "invalid": {literal}, "optional": 3}}'
    path.write_text(f'{{"name": "n", "entries": {{"a": {entry}}}}}')
    first, second = mistakes_of(path)
    assert first.startswith("$.entries.a.invalid: found")
    assert "finite" in first
    assert second.startswith("$.entries.a.optional")
