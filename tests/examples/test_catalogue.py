"""The catalogue shows every transform there is, and its docs say what the example makes."""

import importlib.util
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from tests.nightly import by_night

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def example():
    """The example as a module; what it puts on the path is taken off again."""
    before = [*sys.path]
    path = ROOT / "examples" / "catalogue.py"
    specification = importlib.util.spec_from_file_location("catalogue_example", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # its dataclasses look themselves up
    specification.loader.exec_module(module)
    yield module
    sys.path[:] = before
    sys.modules.pop("scene", None)
    sys.modules.pop("catalogue_settings", None)
    sys.modules.pop(specification.name)


@pytest.fixture(scope="module")
def stages(example):
    """The whole catalogue, with statistics of next to nothing."""
    rng = np.random.default_rng(0)
    images = {"image": rng.integers(0, 256, (4, 8, 8, 3), np.uint8)}
    spec = ma.DataSpec("small", [example.SPEC.entries["image"]])
    source = ma.open_source(images, spec)
    return example.stages(ma.fit(source, ma.Moments(), ma.Stationary(), progress=False))


def test_every_transform_is_shown_once(stages):
    shown = [one.name for stage in stages for one in stage.shown]
    exported = {
        name
        for name, item in vars(ma.transforms).items()
        if isinstance(item, type)
        and issubclass(item, ma.transforms.Transform)
        and not inspect.isabstract(item)
    }
    assert len(shown) == len(set(shown))
    assert set(shown) == exported


def test_every_transform_has_weaker_settings_or_none_on_purpose(example, stages):
    settings = sys.modules["catalogue_settings"]
    shown = {one.name: one for stage in stages for one in stage.shown}
    assert set(settings.WEAKER) | settings.ALONE == set(shown)
    assert not set(settings.WEAKER) & settings.ALONE
    for name, one in shown.items():
        weaker = one.weaker()
        assert len(weaker) == (2 if name in settings.WEAKER else 0)
        drawn = {(repr(each.transform), each.seed) for each in (one, *weaker)}
        assert len(drawn) == len(weaker) + 1
        assert {each.name for each in weaker} <= {name}
        assert max(len(line) for line in example.label_of(one).splitlines()) <= 36


def test_the_docs_have_a_line_for_each(example, stages):
    text = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    for stage in stages:
        assert f"## {stage.title}\n\n![{stage.title}](images/{stage.file})" in text
        for shown in stage.shown:
            assert text.count(f"\n| `{shown.name}` | {example.what_it_does(shown)} | ") == 1


def test_the_sheets_are_there_and_small(stages):
    sheets = [DOCS / "images" / stage.file for stage in stages]
    assert sum(sheet.stat().st_size for sheet in sheets) < 3_500_000
    for sheet, stage in zip(sheets, stages, strict=True):
        with Image.open(sheet) as image:
            assert image.height > 100 * (len(stage.shown) + 1)


def test_some_of_it(example, tmp_path, capsys):
    assert example.main(["--out", str(tmp_path), "Invert", "CopyPaste"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "catalogue-values.jpg", "catalogue-mixing.jpg",
    }  # fmt: skip
    text = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(rows) == 2
    assert all(row in text for row in rows)


def test_unknown_names_are_refused(example, tmp_path, capsys):
    with pytest.raises(SystemExit):
        example.main(["--out", str(tmp_path), "Rotat"])
    assert "'Rotat'" in capsys.readouterr().err


@by_night
def test_the_docs_are_what_the_example_prints(example, tmp_path, capsys):
    assert example.main(["--out", str(tmp_path)]) == 0
    text = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    assert text.rstrip().endswith(capsys.readouterr().out.rstrip())
