"""PBM, PGM and PPM, in text and in bytes, with the numbers that they hold.

Pillow scales them to 0 .. 255 or 0 .. 65535, which makes other labels and other depths of them.
The formats: https://netpbm.sourceforge.net/doc/pnm.html.
"""

from __future__ import annotations

import re

import numpy as np

from ...typing import NDArray
from ._picture import ImageFile, refuse_bomb, shown

_GAP = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])+"
_BITS = re.compile(rb"(P[14])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)[ \t\r\n\v\f]")
_NUMBERS = re.compile(
    rb"(P[2356])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)[ \t\r\n\v\f]"
)


def is_pnm(head: bytes) -> bool:
    """Whether a file that begins so is one of these."""
    return re.match(rb"P[1-6][ \t\r\n#]", head) is not None


def read_pnm(file: ImageFile, most_pixels: int, *, labels: bool) -> tuple[NDArray, int | None]:
    """Decode a whole file.

    Args:
        file: which file.
        most_pixels: larger pictures are refused.
        labels: a bit is 0 or 1, where black is 1; otherwise black is 0 and white 255.

    Returns:
        (H, W) or (H, W, 3), uint8 or uint16; and the number that stands for white, None for bits.

    Raises:
        StoreError: there are more pixels than allowed.
        ValueError: it is damaged.
    """
    content = file.read_bytes()
    match = _BITS.match(content) or _NUMBERS.match(content)
    if match is None:
        raise ValueError("its header is not that of a PBM, PGM or PPM file")
    kind, width, height = match[1], int(match[2]), int(match[3])
    refuse_bomb(shown(file), width * height, most_pixels)
    body = content[match.end() :]
    if kind in (b"P1", b"P4"):
        bits = _bits(kind, body, width, height)
        return (bits if labels else (1 - bits) * np.uint8(255)), None
    largest = int(match[4])
    if not 0 < largest < 65536:
        raise ValueError(f"its largest value is {largest}, expected 1 to 65535")
    shape = (height, width, 3) if kind in (b"P3", b"P6") else (height, width)
    dtype = np.dtype(np.uint8 if largest < 256 else ">u2")
    count = int(np.prod(shape))
    if kind in (b"P2", b"P3"):
        words = re.sub(rb"#[^\r\n]*", b"", body).split()
        values = np.array(words[:count], np.uint32)
    else:
        values = np.frombuffer(body[: count * dtype.itemsize], dtype)
    if len(values) < count:
        raise ValueError(f"it ends after {len(values)} of {count} values")
    if values.size and values.max() > largest:
        raise ValueError(f"it holds {values.max()}, more than the largest value {largest}")
    return values.reshape(shape).astype(dtype.newbyteorder("=")), largest


def _bits(kind: bytes, body: bytes, width: int, height: int) -> NDArray:
    if kind == b"P1":
        digits = re.sub(rb"#[^\r\n]*|[^01]", b"", body)[: width * height]
        found = np.frombuffer(digits, np.uint8) - ord("0")
    else:
        row = -(-width // 8)
        whole = np.frombuffer(body[: row * height], np.uint8)
        whole = whole[: len(whole) // max(1, row) * row].reshape(-1, row)
        found = np.unpackbits(whole, axis=1)[:, :width].reshape(-1)
    if len(found) < width * height:
        raise ValueError(f"it ends after {len(found)} of {width * height} values")
    return found.reshape(height, width)
