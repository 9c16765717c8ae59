"""The command on a folder of images and masks, as somebody has it who has read nothing."""

import json
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from multiaug.command import main
from multiaug.compare._experiment import Experiment
from tests.nightly import NIGHTLY

PIPELINE = """
import multiaug as ma


def pipeline(spec):
    return ma.Pipeline([ma.Flip("x"), ma.Brightness(0.1)], spec)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """`data` with images and masks of 0 and 255, and a pipeline in `aug.py`."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / "data" / kind).mkdir(parents=True)
    for i in range(6):
        image = rng.integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(image).save(folder / "data" / "images" / f"{i}.png")
        mask = (image[..., 0] > 100).astype(np.uint8) * 255
        Image.fromarray(mask).save(folder / "data" / "masks" / f"{i}.png")
    (folder / "aug.py").write_text(PIPELINE)
    return folder


@pytest.fixture
def run(home, monkeypatch, capsys):
    monkeypatch.chdir(home)

    def call(*arguments):
        code = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_inspect_says_what_is_there_and_that_it_was_guessed(run):
    code, out, _ = run("inspect", "data")
    assert code == 0
    for text in ("6 records", "guess", "intensity", "label", "255 is class 1", "12 x 16 x 3"):
        assert text in out
    code, out, _ = run("inspect", "data", "--json", "--spec-out", "spec.json")
    assert code == 0
    assert json.loads(out)
    assert ma.load_spec("spec.json").entries["mask"].role == "label"


def test_preview_writes_a_sheet_and_a_page_that_asks_for_nothing(run, home):
    code, out, _ = run("preview", "data", "--pipeline", "aug.py", "--out", "seen")
    assert code == 0
    assert "contact_sheet.png" in out
    page = (home / "seen" / "report.html").read_text("utf-8")
    assert len(page) < 10_000_000

    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found += [v for k, v in attrs if k in ("src", "href", "srcset") and v]

    Links().feed(page)
    assert [link for link in Links.found if not link.startswith(("data:", "#"))] == []
    assert "url(http" not in page
    assert "Flip" in page


def test_convert_export_fit_and_bench(run, home):
    assert run("convert", "data", "train.zarr", "--chunk", "2")[0] == 0
    assert len(ma.open_source(home / "train.zarr")) == 6
    assert run("export", "train.zarr", "more.zarr", "--pipeline", "aug.py", "--copies", "2")[0] == 0
    assert len(ma.open_source(home / "more.zarr")) == 12
    code, out, _ = run("fit", "train.zarr", "--out", "stats", "--memory", "1GB", "--json")
    assert code == 0
    assert json.loads(out)
    stats = ma.load_statistics(home / "stats" if (home / "stats").is_dir() else home / "stats.zarr")
    values = np.stack([np.array(Image.open(p)) for p in (home / "data" / "images").iterdir()])
    mean = stats["image"].moments.finalize()["mean"]
    np.testing.assert_allclose(mean, values.mean((0, 1, 2)), rtol=1e-12)
    bench = ("bench", "train.zarr", "--pipeline", "aug.py", "--seconds", "0.1", "--batch-size", "2")
    code, out, _ = run(*bench, "--json")
    assert code == 0
    assert json.loads(out)


def test_a_run_can_be_repeated(run, home):
    given = ("--pipeline", "aug.py", "--seed", "3", "--out", "one", "--save")
    assert run("preview", "data", *given)[0] == 0
    saved = tomllib.loads((home / "multiaug.toml").read_text())
    assert (saved["source"], saved["pipeline"], saved["seed"]) == ("data", "aug.py", 3)
    assert run("preview", "--out", "two")[0] == 0
    sheets = [(home / name / "contact_sheet.png").read_bytes() for name in ("one", "two")]
    assert sheets[0] == sheets[1]
    (home / "multiaug.toml").unlink()


def test_errors_are_one_sentence_and_codes_differ(run):
    code, _, err = run("inspect", "nowhere")
    assert code == 1
    assert "nowhere" in err
    assert "Traceback" not in err
    assert run("preview", "data", "--pipeline", "no-such-recipe")[0] == 1
    assert run("inspect", "--no-such-option")[0] == 2
    assert run("no-such-command")[0] == 2
    code, _, err = run("inspect", "nowhere", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_specs_are_listed_shown_and_checked(run, home):
    code, out, _ = run("spec", "list")
    assert code == 0
    assert set(ma.shipped_specs()) <= set(out.split())
    assert "position" in run("spec", "show", "rgbxyz")[1]
    (home / "bad.json").write_text('{"name": "x", "entries": {"a": {"role": "intens"}}}')
    code, out, err = run("spec", "validate", "bad.json")
    assert code == 1
    assert "intensity" in out + err  # what was meant


def test_every_subcommand_has_help_with_an_example(run):
    from multiaug.command import subcommands

    for path in Path(subcommands.__file__).parent.glob("[!_]*.py"):
        code, out, _ = run(path.stem, "--help")
        assert code == 0
        assert "Example" in out or path.stem == "spec"


def test_the_version(run):
    assert ma.__version__ in run("--version")[1]


def test_compare_says_what_is_noise_and_draws_it(run, home, monkeypatch):
    if not NIGHTLY:  # compiling a network takes seconds, and tests/compare does
        monkeypatch.setattr(Experiment, "run", lambda self, *_: np.ones((2, self.folds, 1)) / 2)
    short = ("--steps", "1", "--folds", "2", "--seeds", "1")
    (home / "scenes.txt").write_text("a\na\nb\nb\nc\nc\n")
    given = ("--pipeline", "mild=aug.py", "--groups", "scenes.txt", "--out", "compared")
    code, out, err = run("compare", "data", *given, *short, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert list(found["scores"]) == ["none", "mild"]
    assert Path(found["plot"]).read_text("utf-8").startswith("<svg")
    assert "4 trainings" in err
    code, out, _ = run("compare", "data", *given, *short)
    assert code == 0
    assert "mild and none" in out
    assert "compare.svg" in out
    assert run("compare", "data")[0] == 2
    code, _, err = run("compare", "data", "--pipeline", "aug.py", "--set", "size=8")
    assert code == 2
    assert "none was named" in err
    code, _, err = run("compare", "data", "--pipeline", "aug.py", "--folds", "5")
    assert code == 1
    assert "needs at least 10 records" in err
