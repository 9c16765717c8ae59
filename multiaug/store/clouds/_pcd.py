"""Reading .pcd clouds: headers that may lie, three encodings, no other library.

References:
    The Point Cloud Data file format, version 0.7; LZF by Marc Lehmann.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import CorruptChunkError, StoreError
from ...typing import NDArray
from ._cloud_file import MOST_POINTS, Cloud, content_of, header_lines, refuse_too_many

_TYPES = {("F", 4), ("F", 8), *((kind, size) for kind in "IU" for size in (1, 2, 4, 8))}
_PADDING = "\0"  # begins names that no field has


def read_pcd(path: Path, most_points: int = MOST_POINTS) -> Cloud:
    """Read an organised cloud.

    Args:
        path: the file; data are ``ascii``, ``binary`` or ``binary_compressed``.
        most_points: clouds that say they are larger are refused before memory is taken.

    Raises:
        StoreError: no .pcd, an unorganised cloud, or too many points.
        CorruptChunkError: header and data contradict each other.
    """
    content = content_of(path)
    header, start = _header(path, content)
    fields = _fields(path, header)
    width, height = _number(path, header, "WIDTH"), _number(path, header, "HEIGHT")
    points = _number(path, header, "POINTS") if "POINTS" in header else width * height
    if points != width * height:
        raise CorruptChunkError(
            f"{path}: POINTS is {points}, expected WIDTH x HEIGHT = {width * height}. The header "
            "is damaged."
        )
    refuse_too_many(path, points, most_points)
    if height < 2:
        raise StoreError(
            f"{path}: HEIGHT is {height}: the cloud is not organised, so it has no pixels. "
            "Project it onto a camera first, and open the arrays: open_source({'xyz': points})."
        )
    encoding = header.get("DATA", ["?"])[0]
    body = memoryview(content)[start:]
    dtype = np.dtype([(name, kind, (count,)) for name, kind, count in fields])
    if encoding == "ascii":
        columns = _from_text(path, bytes(body), fields, points)
    elif encoding == "binary":
        if len(body) < points * dtype.itemsize:
            raise _short(path, len(body), points * dtype.itemsize)
        table = np.frombuffer(body, dtype, points)
        columns = {name: table[name] for name, _, _ in fields}
    elif encoding == "binary_compressed":
        columns = _from_compressed(path, body, fields, points, dtype.itemsize)
    else:
        raise StoreError(
            f"{path}: DATA is {encoding!r}, expected ascii, binary or binary_compressed."
        )
    shaped = {n: c.reshape(height, width, -1) for n, c in columns.items() if n[0] != _PADDING}
    single = {n: c[..., 0] if c.shape[2] == 1 else c for n, c in shaped.items()}
    return Cloud(single, _viewpoint(path, header))


def _header(path: Path, content: bytes) -> tuple[dict[str, list[str]], int]:
    """Lines up to and with DATA, and where the data begin."""
    found: dict[str, list[str]] = {}
    for line, start in header_lines(content):
        if not line or line.startswith("#"):
            continue
        key, *values = line.split()
        found[key] = values
        if key == "DATA":
            return found, start
    raise StoreError(f"{path} is not a .pcd file: it has no header that ends with DATA.")


def _number(path: Path, header: dict[str, list[str]], key: str) -> int:
    try:
        value = int(header[key][0])
    except (KeyError, IndexError, ValueError) as error:
        raise StoreError(f"{path}: the header has no whole number {key}.") from error
    if value < 1:
        raise StoreError(f"{path}: {key} is {value}, expected at least 1.")
    return value


def _fields(path: Path, header: dict[str, list[str]]) -> list[tuple[str, str, int]]:
    """Name, NumPy dtype and count of every field."""
    names = header.get("FIELDS") or header.get("COLUMNS") or []
    sizes, kinds = header.get("SIZE", []), header.get("TYPE", [])
    counts = header.get("COUNT", ["1"] * len(names))
    if not names or not len(names) == len(sizes) == len(kinds) == len(counts):
        raise CorruptChunkError(
            f"{path}: FIELDS, SIZE, TYPE and COUNT have {len(names)}, {len(sizes)}, {len(kinds)} "
            f"and {len(counts)} values, expected the same number."
        )
    fields = []
    for number, (name, size, kind, count) in enumerate(
        zip(names, sizes, kinds, counts, strict=True)
    ):
        # Some programs write the type as a small letter, which PCL reads, too.
        known = size.isdigit() and (kind.upper(), int(size)) in _TYPES
        if not known or not count.isdigit() or not 0 <= int(count) <= 4096:
            raise CorruptChunkError(
                f"{path}: field {name!r} has TYPE {kind!r}, SIZE {size!r} and COUNT {count!r}, "
                "which no .pcd file has."
            )
        if int(count) == 0:  # what PCL makes of padding at the end of a point
            continue
        unique = name if name not in names[:number] else f"{name}_{number}"
        found = f"{_PADDING}{number}" if name == "_" else unique
        fields.append((found, f"<{kind.lower()}{size}", int(count)))
    return fields


def _viewpoint(path: Path, header: dict[str, list[str]]) -> tuple[float, ...] | None:
    try:
        found = tuple(float(number) for number in header.get("VIEWPOINT", []))
    except ValueError as error:
        raise CorruptChunkError(f"{path}: VIEWPOINT holds no numbers: {error}.") from error
    return found if found and found != (0, 0, 0, 1, 0, 0, 0) else None


def _from_text(
    path: Path, body: bytes, fields: list[tuple[str, str, int]], points: int
) -> dict[str, NDArray]:
    width = sum(count for _, _, count in fields)
    words = body.split()
    if len(words) < points * width:
        raise _short(path, len(words), points * width, "numbers")
    table = np.array(words[: points * width]).reshape(points, width)
    columns, first = {}, 0
    for name, kind, count in fields:
        text = table[:, first : first + count]
        if name in ("rgb", "rgba") and kind == "<f4" and _are_digits(text):
            kind = "<u4"  # the bits of a colour, printed as a whole number under TYPE F
        try:
            # By way of Python's numbers for integers: 64 bits do not fit a float.
            columns[name] = text.astype(np.dtype(kind) if "f" in kind else np.int64).astype(kind)
        except ValueError as error:
            raise CorruptChunkError(f"{path}: field {name!r} holds no numbers: {error}.") from error
        first += count
    return columns


def _are_digits(words: NDArray) -> bool:
    """Whether all words are whole numbers, and one is none that a float of colours has."""
    found: NDArray = np.char.isdigit(words)
    return bool(found.all()) and int(words.astype(np.uint64).max()) > 255


def _from_compressed(
    path: Path, body: memoryview, fields: list[tuple[str, str, int]], points: int, itemsize: int
) -> dict[str, NDArray]:
    """Two sizes, then all values of the first field, of the second, and so on, as LZF."""
    if len(body) < 8:
        raise _short(path, len(body), 8)
    packed, size = (int(n) for n in np.frombuffer(body, "<u4", 2))
    if size != points * itemsize:
        raise CorruptChunkError(
            f"{path}: the data say that they unpack to {size} bytes, expected {points * itemsize} "
            "by the header."
        )
    if packed > len(body) - 8:
        raise _short(path, len(body) - 8, packed)
    try:
        content = unpack_lzf(bytes(body[8 : 8 + packed]), size)
    except (IndexError, ValueError) as error:
        raise CorruptChunkError(f"{path}: the data cannot be unpacked: {error}.") from error
    columns, first = {}, 0
    for name, kind, count in fields:
        length = points * count * np.dtype(kind).itemsize
        values = np.frombuffer(content, kind, points * count, first)
        columns[name] = values.reshape(points, count)
        first += length
    return columns


def unpack_lzf(packed: bytes, size: int) -> bytearray:
    """Unpack LZF data to exactly ``size`` bytes.

    Raises:
        ValueError: they are damaged.
        IndexError: they are cut off.
    """
    out = bytearray(size)
    here, there, end = 0, 0, len(packed)
    while here < end:
        control = packed[here]
        here += 1
        if control < 32:  # so many bytes as they are
            length = control + 1
            if there + length > size or here + length > end:
                raise ValueError("a run goes past the end")
            out[there : there + length] = packed[here : here + length]
            here += length
        else:  # bytes that stood earlier
            length = control >> 5
            if length == 7:
                length += packed[here]
                here += 1
            length += 2
            back = there - ((control & 31) << 8) - packed[here] - 1
            here += 1
            if back < 0 or there + length > size:
                raise ValueError("a reference leaves the data")
            distance = there - back
            if distance >= length:
                out[there : there + length] = out[back : back + length]
            else:  # it reads what it writes: a pattern that repeats
                pattern = bytes(out[back:there])
                repeats = -(-length // distance)
                out[there : there + length] = (pattern * repeats)[:length]
        there += length
    if there != size:
        raise ValueError(f"it unpacks to {there} bytes, expected {size}")
    return out


def _short(path: Path, found: int, expected: int, unit: str = "bytes") -> CorruptChunkError:
    return CorruptChunkError(
        f"{path} holds {found} {unit} of data, expected {expected} by the header. It was cut off."
    )
