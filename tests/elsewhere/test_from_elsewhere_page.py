"""docs/from_elsewhere.md has the tables."""

from pathlib import Path

from multiaug.elsewhere import markdown

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from_elsewhere.md").read_text("utf-8")


def test_the_page_has_both_tables():
    for library in ("albumentations", "torchvision"):
        assert markdown(library) in PAGE
