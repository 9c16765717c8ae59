"""What terminals and notebooks show of specs, sources, pipelines, loaders, statistics and draws."""

from html.parser import HTMLParser

import jax
import numpy as np
import pytest

import multiaug as ma

SPEC = ma.load_spec("rgb-segmentation")


@pytest.fixture(scope="module")
def source():
    image = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3)).astype(np.uint8)
    return ma.ArraySource({"image": image}, SPEC)


class Page(HTMLParser):
    """Open elements at each end tag must be closed in order; texts are kept."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(shown):
    page = Page()
    page.feed(shown._repr_html_())
    page.close()
    assert page.open == []
    return page


def test_a_printed_spec_is_a_table_of_its_groups():
    lines = str(ma.load_spec("rgbxyz")).splitlines()
    assert lines[0] == "Spec 'rgbxyz': 3 entries"
    columns = lines[1]
    intensity, position = lines[2], lines[3]
    assert intensity.startswith("rgbxyz")
    assert not position[: columns.index("role")].strip()
    at = columns.index("no data")
    assert intensity[at : at + 3].strip() == ""
    assert position[at : at + 3] == "nan"


def test_all_settings_of_a_spec_are_told():
    spec = ma.DataSpec.from_dict(
        {
            "name": "all",
            "camera": {"mirror": "refuse", "fov_degrees": 60},
            "entries": {
                "video": {"role": "intensity", "channels": 3, "time": True, "range": [0, 1]},
                "mask": {
                    "role": "label", "ignore": 9, "values": {"255": 1}, "mirror_pairs": [[2, 3]],
                    "optional": True,
                },
                "cloud": {"role": "position", "channels": 3, "max_jump": 0.5, "invalid": 0},
                "boxes": {"role": "boxes", "box_convention": "coco", "capacity": 7, "of": "video"},
            },
        }
    )  # fmt: skip
    said = str(spec)
    for text in (
        "any number of frames", "range 0 .. 1", "ignore 9", "255 -> 1", "mirror pairs 2-3",
        "optional", "max_jump 0.5", "convention coco", "up to 7 rows", "of video",
        "mirrors refused", "60 degrees",
    ):  # fmt: skip
        assert text in said


def test_names_from_data_are_escaped_in_html():
    spec = ma.DataSpec("<script>alert(1)</script>", SPEC.entries)
    page = read(spec)
    assert "script" not in page.tags
    assert any("<script>" in text for text in page.texts)


def test_a_pipeline_shows_what_is_inside_of_containers_and_how_to_make_it():
    inside = ma.OneOf([ma.Scale((0.8, 1.25)), ma.Flip("y")])
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Maybe(inside, p=0.25)], SPEC)
    texts = read(pipeline).texts
    for text in ("Pipeline of 2 transforms", "Rotate", "degrees=(-30.0, 30.0)", "2.1.2", "0.25"):
        assert text in texts
    assert repr(pipeline) in texts
    assert f"Spec {SPEC.name!r}: 2 entries" in texts


def test_a_source_says_its_records_shapes_and_what_is_missing(source):
    said = str(source).splitlines()
    assert said[0] == "ArraySource: 6 records"
    assert "8 x 8 x 3" in said[2]
    assert said[-1] == "Declared, and not there: mask."
    assert "ArraySource: 6 records" in read(source).texts


def test_a_loader_shows_where_it_stands_and_what_it_is_made_of(source):
    loader = ma.Loader(source, ma.Pipeline([ma.Flip("x")], SPEC), batch_size=2, seed=5)
    texts = read(loader).texts
    assert {"Loader of 6 records", "seed", "5", "Pipeline of 1 transform"} <= set(texts)


def test_statistics_draws_and_views_are_shown(source):
    stats = ma.fit(source, ma.Moments(), progress=False)
    assert any("mean" in text for text in read(stats).texts)
    pipeline = ma.Pipeline([ma.Rotate(30), ma.Maybe(ma.Scale((0.8, 1.25)))], SPEC)
    params = pipeline.sample(jax.random.key(0), (8, 8))
    texts = read(params).texts
    assert "degrees" in texts
    assert f"{float(params.values[0]['degrees']):.4g}"[:4] in "".join(texts)
    assert "Views of a record" in read(ma.Views({"global": (pipeline, 2)})).texts


def test_draws_are_shown_while_they_are_traced():
    pipeline = ma.Pipeline([ma.Rotate(30)], SPEC)
    shown = []

    @jax.jit
    def draw(key):
        params = pipeline.sample(key, (8, 8))
        shown.append(read(params).texts)
        return params.values[0]["degrees"]

    draw(jax.random.key(0))
    assert "degrees" in shown[0]
