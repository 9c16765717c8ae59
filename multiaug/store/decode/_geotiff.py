"""What a TIFF says of itself beside its pixels: bands, no data, and where on the earth it lies.

References:
    OGC GeoTIFF 1.1 (19-008r4), sections 6 and 7; GDAL, "GTiff -- GeoTIFF File Format", for
    GDAL_METADATA and GDAL_NODATA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ...typing import NDArray

_SCALE, _TIEPOINT, _TRANSFORMATION, _KEYS = 33550, 33922, 34264, 34735
_METADATA, _NODATA = 42112, 42113
_RASTER_TYPE, _GEOGRAPHIC, _PROJECTED = 1025, 2048, 3072
_POINT = 2  # the tiepoint is the centre of a pixel and not its corner
_USER_DEFINED = 32767


@dataclass(frozen=True)
class Georeference:
    """Where an image lies, and what its bands are.

    Args:
        transform: (3, 3) from (column, row, 1), counted from the corner of the first pixel, to
            coordinates of the map; None where the file does not say.
        extent: (left, bottom, right, top) in coordinates of the map, or None.
        crs: the coordinate reference system as ``EPSG:code``, or None.
        bands: descriptions of the bands, "" for those that have none; empty where none has one.
        nodata: the number for pixels without data, or None.
        scaled: the file has a scale or an offset by which its numbers become others.
    """

    transform: NDArray | None = None
    extent: tuple[float, float, float, float] | None = None
    crs: str | None = None
    bands: tuple[str, ...] = ()
    nodata: float | None = None
    scaled: bool = False


def georeference_of(page: Any, bands: int) -> Georeference:
    """Read the tags of a page of tifffile.

    Args:
        page: the first page of the image.
        bands: how many there are.
    """
    tags = page.tags
    keys = _geo_keys(tags.valueof(_KEYS))
    transform = _transform(tags, point=keys.get(_RASTER_TYPE) == _POINT)
    extent = None
    if transform is not None:
        width, height = page.imagewidth, page.imagelength
        corners = transform @ np.array([[0, width, 0, width], [0, 0, height, height], [1] * 4])
        low, high = corners[:2].min(axis=1), corners[:2].max(axis=1)
        extent = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    code = keys.get(_PROJECTED) or keys.get(_GEOGRAPHIC)
    crs = f"EPSG:{code}" if code and code != _USER_DEFINED else None
    items = _items(tags.valueof(_METADATA))
    nodata = number_of(tags.valueof(_NODATA))
    return Georeference(
        transform, extent, crs, _descriptions(items, bands), nodata, _is_scaled(items)
    )


def number_of(text: object) -> float | None:
    """The number that GDAL writes as text; None where it is none."""
    try:
        return float(str(text).strip(" \0"))
    except ValueError:
        return None


def _geo_keys(directory: Any) -> dict[int, int]:
    """The keys of GeoTIFF whose values are short integers."""
    values = [int(value) for value in directory] if directory is not None else []
    keys = (values[i : i + 4] for i in range(4, len(values) - 3, 4))
    return {key: value for key, place, _, value in keys if place == 0}


def _transform(tags: Any, *, point: bool) -> NDArray | None:
    full, scale, tie = (tags.valueof(tag) for tag in (_TRANSFORMATION, _SCALE, _TIEPOINT))
    matrix = np.eye(3)
    if full is not None and len(full) == 16:
        rows = np.asarray(full, np.float64).reshape(4, 4)
        matrix[:2] = rows[:2][:, [0, 1, 3]]
    elif scale is not None and tie is not None and len(tie) == 6:
        # Rows count downwards, northings upwards.
        matrix[0, 0], matrix[1, 1] = scale[0], -scale[1]
        matrix[:2, 2] = tie[3] - tie[0] * scale[0], tie[4] + tie[1] * scale[1]
    else:
        return None
    if point:
        matrix[:2, 2] -= matrix[:2, :2] @ (0.5, 0.5)
    return matrix


def _items(text: object) -> list[ElementTree.Element]:
    """What GDAL writes about bands, as XML."""
    if not isinstance(text, str) or "DOCTYPE" in text:
        return []
    try:
        return list(ElementTree.fromstring(text.strip(" \0\n")).iter("Item"))
    except ElementTree.ParseError:
        return []


def _is_scaled(items: list[ElementTree.Element]) -> bool:
    neutral = {"scale": 1.0, "offset": 0.0}
    return any(number_of(one.text) != neutral.get(one.get("role", ""), number_of(one.text))
               for one in items)  # fmt: skip


def _descriptions(items: list[ElementTree.Element], bands: int) -> tuple[str, ...]:
    found = [""] * bands
    for item in items:
        place = item.get("sample", "")
        if item.get("role") == "description" and place.isdigit() and int(place) < bands:
            found[int(place)] = (item.text or "").strip()
    return tuple(found) if any(found) else ()
