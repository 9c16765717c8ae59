"""What files of clouds have in common, whatever their format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import StoreError
from ...typing import NDArray

_HEADER_BYTES = 64 * 1024
MOST_POINTS = 2**27


@dataclass(frozen=True)
class Cloud:
    """A cloud as it is in the file.

    Args:
        fields: field name -> values (H, W); fields of several values are (H, W, count).
        viewpoint: where the sensor was: x, y, z and a quaternion, w first; None where the file
            says nothing, or the origin.
    """

    fields: dict[str, NDArray]
    viewpoint: tuple[float, ...] | None = None


def content_of(path: Path) -> bytes:
    """All bytes of a file.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


def header_lines(content: bytes) -> Iterator[tuple[str, int]]:
    """Lines of as much as a header may be, each with the place behind it."""
    start = 0
    while start < min(len(content), _HEADER_BYTES):
        end = content.find(b"\n", start)
        if end < 0:
            return
        line = content[start:end].decode("ascii", "replace").strip()
        start = end + 1
        yield line, start


def refuse_too_many(path: Path, points: int, most: int) -> None:
    """Take no memory for what a header says and no file holds.

    Raises:
        StoreError: there are more points than are allowed.
    """
    if points > most:
        raise StoreError(
            f"{path} says that it has {points:,} points, more than the {most:,} allowed."
        )
