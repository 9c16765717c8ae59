"""Reading .ply clouds: ascii and both byte orders, and how a grid of points is told in them.

References:
    Greg Turk, The PLY Polygon File Format; PCL's PLYWriter and the range images of Stanford for
    ``obj_info num_cols`` and ``range_grid``; rply as Open3D uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import CorruptChunkError, StoreError
from ...typing import NDArray, SpatialShape
from ._cloud_file import MOST_POINTS, Cloud, content_of, header_lines, refuse_too_many

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class _Element:
    """A table of the file.

    Args:
        name: of the table.
        count: its rows.
        fields: name and type of its columns; of lists the types of length and items.
    """

    name: str
    count: int
    fields: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether no column is a list."""
        return all(len(kinds) == 1 for _, kinds in self.fields)

    def dtype(self, order: str) -> np.dtype[np.void]:
        """Of a row, where no column is a list."""
        return np.dtype([(name, order + kinds[0]) for name, kinds in self.fields])


def read_ply(path: Path, shape: SpatialShape | None = None) -> Cloud:
    """Read an organised cloud.

    Args:
        path: the file.
        shape: (rows, columns) of the grid, for files that do not say it.

    Raises:
        StoreError: no .ply, a cloud whose grid is not known, or too many points.
        CorruptChunkError: header and data contradict each other.
    """
    content = content_of(path)
    order, elements, infos, start = _header(path, content)
    tables = _tables(path, content[start:], order, elements)
    vertices = tables.get("vertex")
    if vertices is None or not len(vertices):
        raise StoreError(f"{path}: there are no vertices in it. Expected an organised cloud.")
    grid = tables.get("range_grid")
    found = _shape(infos, tables.get("camera"))
    if shape is not None and found is not None and tuple(shape) != found:
        raise StoreError(
            f"{path} says that its grid has {found[0]} rows and {found[1]} columns, and `shape` is "
            f"{tuple(shape)}. Leave `shape` out."
        )
    rows, columns = shape or found or (0, 0)
    if (grid is None and rows * columns != len(vertices)) or rows < 2:
        raise StoreError(
            f"{path} holds {len(vertices):,} points"
            + (f", and a grid of {rows} x {columns} is told" if rows else "")
            + ": the cloud is not organised, so it has no pixels. If the points are a grid, row by "
            "row, give its size: open_source(path, spec, shape=(rows, columns)); else project them "
            "onto a camera first, and open the arrays: open_source({'xyz': points})."
        )
    fields = {}
    for name, values in vertices.items():
        if grid is not None:
            fields[name] = _on_grid(values, grid["place"], (rows, columns), path)
        else:
            fields[name] = values.reshape(rows, columns)
    return Cloud(fields)


class _Table(dict[str, NDArray]):
    """Columns by name; its length is the number of rows."""

    def __init__(self, columns: dict[str, NDArray], count: int) -> None:
        super().__init__(columns)
        self.count = count

    def __len__(self) -> int:
        return self.count


def _header(path: Path, content: bytes) -> tuple[str, list[_Element], dict[str, int], int]:
    """Byte order, tables, what ``obj_info`` says, and where the data begin."""
    lines, start = [], 0
    for line, behind in header_lines(content):
        start = behind
        lines.append(line)
        if line == "end_header" or lines[0] != "ply":
            break
    if not lines or lines[0] != "ply" or lines[-1] != "end_header":
        raise StoreError(f"{path} is not a .ply file: it has no header from ply to end_header.")
    order, elements, infos = "", [], {}
    for line in lines[1:-1]:
        words = line.split()
        key = words[0] if words else ""
        try:
            if key == "format":
                order = _ORDERS[words[1]]
            elif key == "element":
                elements.append(_Element(words[1], int(words[2])))
            elif key == "property":
                kinds = words[2:-1] if words[1] == "list" else words[1:-1]
                elements[-1].fields.append((words[-1], tuple(_TYPES[kind] for kind in kinds)))
            elif key == "obj_info" and len(words) == 3 and words[2].isdigit():
                infos[words[1]] = int(words[2])
        except (LookupError, ValueError) as error:
            raise CorruptChunkError(
                f"{path}: the line {line!r} of the header is none of .ply."
            ) from error
    if any(element.count < 0 for element in elements):
        raise CorruptChunkError(f"{path}: a table of its header has fewer than no rows.")
    refuse_too_many(path, max((element.count for element in elements), default=0), MOST_POINTS)
    return order, elements, infos, start


def _tables(path: Path, body: bytes, order: str, elements: list[_Element]) -> dict[str, _Table]:
    """The tables up to the last one that is needed; faces are not."""
    wanted = {"vertex", "camera", "range_grid"}
    last = max((i for i, e in enumerate(elements) if e.name in wanted), default=-1)
    found: dict[str, _Table] = {}
    words = body.split() if not order else []
    place = 0
    for element in elements[: last + 1]:
        try:
            if element.is_plain and order:
                dtype = element.dtype(order)
                rows = (
                    np.frombuffer(body, dtype, element.count, place)
                    if element.count
                    else (np.zeros(0, dtype))
                )
                place += element.count * dtype.itemsize
                columns = {name: rows[name] for name, _ in element.fields}
            elif element.is_plain:
                width = len(element.fields)
                if len(words) < place + element.count * width:
                    raise ValueError(f"{len(words) - place} numbers are left")
                table = np.array(words[place : place + element.count * width])
                table = table.reshape(element.count, width)
                place += element.count * width
                columns = {
                    name: table[:, i].astype("f8" if "f" in kinds[0] else "i8").astype(kinds[0])
                    for i, (name, kinds) in enumerate(element.fields)
                }
            else:
                columns, place = _lists(element, body, words, order, place)
        except (ValueError, IndexError) as error:
            raise CorruptChunkError(
                f"{path}: the table {element.name!r} of {element.count} rows cannot be read: "
                f"{error}. The file was cut off."
            ) from error
        found[element.name] = _Table(columns, element.count)
    return found


def _lists(
    element: _Element, body: bytes, words: list[bytes], order: str, place: int
) -> tuple[dict[str, NDArray], int]:
    """Rows of one list of at most one number: that number, or -1; other lists are refused."""
    if len(element.fields) != 1:
        raise ValueError("lists beside other columns are not read")
    (_, (length, item)) = element.fields[0]
    out = np.full(element.count, -1, np.int64)
    size, step = np.dtype(length).itemsize, np.dtype(item).itemsize
    for row in range(element.count):
        if order:
            count = int(np.frombuffer(body, order + length, 1, place)[0])
            place += size
            if count:
                out[row] = np.frombuffer(body, order + item, 1, place)[0]
            place += count * step
        else:
            count = int(words[place])
            if count:
                out[row] = int(words[place + 1])
            place += 1 + count
    return {"place": out}, place


def _shape(infos: dict[str, int], camera: _Table | None) -> SpatialShape | None:
    if "num_rows" in infos and "num_cols" in infos:
        return infos["num_rows"], infos["num_cols"]
    if camera is not None and {"viewportx", "viewporty"} <= camera.keys():
        return int(camera["viewporty"][0]), int(camera["viewportx"][0])
    return None


def _on_grid(values: NDArray, places: NDArray, shape: SpatialShape, path: Path) -> NDArray:
    """Values where the grid has a point; NaN, or 0 of integers, elsewhere."""
    if len(places) != shape[0] * shape[1] or places.max(initial=-1) >= len(values):
        raise CorruptChunkError(
            f"{path}: the range_grid of {len(places)} places and {len(values)} points does not "
            f"agree with {shape[0]} rows and {shape[1]} columns."
        )
    empty = np.nan if values.dtype.kind == "f" else 0
    out = np.full(len(places), empty, values.dtype.newbyteorder("="))
    out[places >= 0] = values[places[places >= 0]]
    return out.reshape(shape)
