"""Text, rules and pictures on a page, with Pillow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Colour = tuple[int, int, int]
Style = Literal["title", "group", "column", "label", "note"]

PAPER: Colour = (250, 250, 248)
INK: Colour = (32, 33, 36)
SOFT: Colour = (104, 106, 112)
RULE: Colour = (206, 206, 202)

# Size of the type and height of a line, in pixels.
_STYLES = {
    "title": (32, 62),
    "group": (24, 40),
    "column": (19, 32),
    "label": (19, 27),
    "note": (19, 27),
}


def key_data(text: str) -> list[str]:
    """Where a text may be broken: behind spaces, and behind _, - and / in names of entries."""
    return re.findall(r"[^\s_/-]*[\s_/-]*", text)[:-1]


class Typesetter:
    """A page that is measured first and started when its size is known."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self._image = Image
        self._draw_on = ImageDraw.Draw
        # Pillow's own font: no sheet depends on what is installed on the machine.
        self._fonts: dict[str, Any] = {
            style: ImageFont.load_default(size) for style, (size, _) in _STYLES.items()
        }
        self._draw = self._draw_on(Image.new("RGB", (1, 1)))
        self.sheet: Image.Image

    def start(self, width: int, height: int) -> None:
        """Begin the page."""
        self.sheet = self._image.new("RGB", (width, height), PAPER)
        self._draw = self._draw_on(self.sheet)

    def line(self, style: str) -> int:
        """Height of a line."""
        return _STYLES[style][1]

    def block_width(self, texts: Sequence[str], style: Style) -> int:
        """Width of the longest line of some texts."""
        lines = [line for text in texts for line in text.splitlines()]
        return max(
            (round(self._draw.textlength(line, self._fonts[style])) for line in lines), default=0
        )

    def wrap(self, text: str, style: Style, width: int) -> str:
        """The text in lines of at most so many pixels, as far as its words are no longer."""
        lines: list[str] = []
        for paragraph in text.splitlines():
            line = ""
            for word in key_data(paragraph):
                longer = line + word
                if line and self.block_width([longer.rstrip()], style) > width:
                    lines, line = [*lines, line.rstrip()], word
                else:
                    line = longer
            lines.append(line.rstrip())
        return "\n".join(lines)

    def block_height(self, text: str, style: Style) -> int:
        """Height of a text of several lines."""
        return len(text.splitlines()) * self.line(style)

    def write(self, place: tuple[int, int], text: str, style: Style, colour: Colour) -> None:
        """Write lines of text; ``place`` is the top left corner of the first."""
        x, y = place
        for number, line in enumerate(text.splitlines()):
            top = y + number * self.line(style)
            self._draw.text((x, top), line, colour, self._fonts[style])

    def rule(self, place: tuple[int, int], end: int, colour: Colour) -> None:
        """Draw a thin horizontal line from ``place`` to the column ``end``."""
        if end > place[0]:
            self._draw.line((*place, end, place[1]), colour)

    def place(self, picture: NDArray, place: tuple[int, int], cell: tuple[int, int]) -> None:
        """Put a picture (H, W, 3) in the middle of a cell (width, height)."""
        height, width = picture.shape[:2]
        x, y = place[0] + (cell[0] - width) // 2, place[1] + (cell[1] - height) // 2
        self.sheet.paste(self._image.fromarray(picture), (x, y))
