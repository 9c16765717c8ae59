"""Contact sheets: what is where, and what is refused."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from multiaug.errors import ParameterError, StoreError
from multiaug.preview import contact_sheet


def plain(colour: tuple[int, int, int], height: int = 24, width: int = 32) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


RED, GREEN, BLUE = plain((200, 0, 0)), plain((0, 200, 0)), plain((0, 0, 200))


def place_of(sheet: np.ndarray, picture: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((sheet == picture[0, 0]).all(axis=-1))
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def test_pictures_stand_in_rows_and_columns() -> None:
    sheet = contact_sheet([[RED, GREEN], [BLUE, plain((9, 9, 9))]], ["one", "two"])
    red, green, blue = (place_of(sheet, picture) for picture in (RED, GREEN, BLUE))
    assert (red[1] - red[0], red[3] - red[2]) == (24, 32)
    assert red[:2] == green[:2]
    assert red[3] < green[2]
    assert red[2:] == blue[2:]
    assert red[1] < blue[0]


def test_a_smaller_picture_is_centred() -> None:
    sheet = contact_sheet([[plain((1, 2, 3), 40, 60), RED]])
    large, small = place_of(sheet, plain((1, 2, 3))), place_of(sheet, RED)
    assert small[0] - large[0] == large[1] - small[1] == 8


def test_headings_labels_and_notes_make_room_for_themselves() -> None:
    bare = contact_sheet([[RED, GREEN]])
    full = contact_sheet(
        [[RED, GREEN]],
        ["one", "two"],
        labels=["record 1\nturned by 10°"],
        groups=[("source", 1), ("augmented", 1)],
        title="A sheet",
        note="two\nlines",
    )
    assert full.shape[0] > bare.shape[0] + 100
    assert full.shape[1] > bare.shape[1] + 60
    assert place_of(full, RED)[2] > place_of(bare, RED)[2]
    assert (
        place_of(full, GREEN)[2] - place_of(full, RED)[3]
        > place_of(bare, GREEN)[2] - place_of(bare, RED)[3]
    )


def test_nothing_is_cut_off() -> None:
    sheet = contact_sheet([[RED]], title="A title much wider than the only picture below it")
    assert (sheet[:, -10:] == sheet[0, 0]).all()


def test_the_file_holds_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")
    sheet = contact_sheet([[RED, GREEN]], path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(path.read_bytes()))), sheet)
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        contact_sheet([[RED]], path=tmp_path / "absent" / "sheet.png")


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        ([], {}, "at least one picture"),
        ([[]], {}, "at least one picture"),
        ([[RED], [RED, GREEN]], {}, "2 pictures in row 1 and 1 in row 0"),
        ([[RED]], {"columns": ["a", "b"]}, "columns must cover 1, as the rows do, got 2"),
        ([[RED]], {"labels": ["a", "b"]}, "labels must cover 1"),
        ([[RED]], {"groups": [("a", 2)]}, "groups must cover 1"),
        ([[RED.astype(np.float32)]], {}, r"float32 \(24, 32, 3\), expected uint8"),
        ([[RED[..., 0]]], {}, "expected uint8"),
    ],
)
def test_what_does_not_go_together_is_refused(rows: Any, settings: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        contact_sheet(rows, **settings)
