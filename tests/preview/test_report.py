"""The page of a report: what its images show of boxes and flow, before and after."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import multiaug as ma
from multiaug.preview import report

SIDE = 48
BOX = (6, 10, 20, 30)  # x0, y0, x1, y1


class Images(HTMLParser):
    """The images of a page, in order: (alt, pixels)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, np.ndarray]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "img":
            data = base64.b64decode(given["src"].partition("base64,")[2])
            pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
            self.found.append((given["alt"], pixels))

    def of(self, start: str, end: str) -> np.ndarray:
        """The image whose alternative text begins and ends so; all of them are the same."""
        first, *others = [
            image for alt, image in self.found if alt.startswith(start) and alt.endswith(end)
        ]
        for other in others:
            np.testing.assert_array_equal(other, first)
        return first


@pytest.fixture
def page(tmp_path):
    """A report of a record whose flow goes right and whose box is left, mirrored."""
    spec = ma.DataSpec.from_dict(
        {
            "name": "tracks",
            "entries": {
                "image": {"role": "intensity", "channels": 3, "dtype": "uint8"},
                "flow": {"role": "flow", "channels": 2, "dtype": "float32"},
                "boxes": {"role": "boxes"},
            },
        }
    )
    flow = np.zeros((1, SIDE, SIDE, 2), np.float32)
    flow[..., 0] = 5  # all of it to the right
    records = {
        "image": np.full((1, SIDE, SIDE, 3), 90, np.uint8),
        "flow": flow,
        "boxes": np.array([[BOX]], np.float32),
    }
    source = ma.open_source(records, spec)
    path = tmp_path / "report.html"
    report(source, ma.Pipeline([ma.Flip("x", p=1)], spec), path, draws=3)
    return Images(path.read_text("utf-8"))


def test_boxes_are_where_the_image_has_gone(page):
    """The frame of the box, and nothing else, in the mirrored place."""
    x0, y0, x1, y1 = BOX
    for end, left, right in (("as it is", x0, x1), ("augmented", SIDE - 1 - x1, SIDE - 1 - x0)):
        panel = page.of("image:", f"marked: boxes; {end}")
        scale = len(panel) // SIDE
        rows, columns = np.nonzero(np.abs(panel - 90).max(-1) > 40)
        found = columns.min(), columns.max(), rows.min(), rows.max()
        for place, expected in zip(found, (left, right, y0, y1), strict=True):
            assert abs(place / scale - (expected + 0.5)) <= 2 / scale  # lines are two pixels wide
        inside = panel[
            (y0 + 2) * scale : (y1 - 1) * scale, (left + 2) * scale : (right - 1) * scale
        ]
        assert inside.size
        assert (abs(inside - 90) < 40).all()


def test_flow_is_turned_with_the_image(page):
    """Directions are hues: the mirrored flow goes left, half a circle away."""
    right, left = (hues(page.of("flow:", end)) for end in ("as it is", "augmented"))
    assert np.ptp(right) == np.ptp(left) == 0
    assert abs((left[0, 0] - right[0, 0]) % 256 - 128) <= 2


def hues(image: np.ndarray) -> np.ndarray:
    """Of the pixels that no frame of the page touches, in 256ths of the circle."""
    shown = Image.fromarray(image.astype(np.uint8)).convert("HSV")
    return np.asarray(shown)[4:-4, 4:-4, 0].astype(int)


def test_every_image_says_what_it_shows(page):
    assert all(alt for alt, _ in page.found)
    assert any("direction as hue" in alt for alt, _ in page.found)
