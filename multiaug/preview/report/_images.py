"""Images of the page: panels of a record as data URIs, with masks as outlines on images."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...spec import DataSpec, EntrySpec
from ...typing import NDArray
from .._marks import entry_of, outline_labels, tables_on
from .._render import Bands
from .._show import panels_of

Record = dict[str, NDArray]
SIDE = 256  # pixels: images are shown no larger
_SMALL = 12_000  # bytes: a PNG of so many is kept, as it is exact
_WORDS = {
    "label": "labels, one colour each",
    "depth": "depth, near is bright",
    "direction": "directions as colours",
    "position": "points, X Y Z as red green blue",
    "flow": "flow, direction as hue and length as saturation",
    "orientation": "angles as hue",
    "density": "density, more is bright",
    "intensity": "image",
}


class Panel(NamedTuple):
    """One image of the page.

    Args:
        name: above it.
        uri: the image itself.
        alt: what it shows, for those who do not see it.
        width: in pixels.
        height: in pixels.
    """

    name: str
    uri: str
    alt: str
    width: int
    height: int


def panels(
    spec: DataSpec,
    made: Sequence[Record],
    spec_before: DataSpec,
    before: Sequence[Record],
    what: str,
    bands: Bands | None = None,
) -> list[list[Panel]]:
    """The images of some records, all within the limits of the records as they were.

    Args:
        spec: of the records that are drawn.
        made: what is drawn.
        spec_before: of the records as they were.
        before: the records as they were.
        what: was done to them, for those who do not see the images.
        bands: as in `render`.
    """
    drawn = panels_of(spec, list(made), spec_before, list(before), bands)
    return [
        [_panel(name, image, spec, record, what) for name, image in images.items()]
        for images, record in zip(drawn, made, strict=True)
    ]


def _panel(name: str, image: NDArray, spec: DataSpec, record: Record, what: str) -> Panel:
    entry = entry_of(name, spec)
    groups = entry.groups
    role = groups[0].role if len(groups) == 1 else name.rpartition(" ")[2]
    said = _WORDS.get(role, role)
    if role == "intensity":
        outlined = [
            mask.name
            for mask in spec.entries.values()
            if mask.name in record and _outline(image, name, entry, record, mask)
        ]
        if outlined:
            said += f" with the outlines of {', '.join(outlined)}"
    if tables := [table.name for table in tables_on(spec, record, entry.name)]:
        said += f", marked: {', '.join(tables)}"
    small = _at_most(image, SIDE)
    height, width = small.shape[:2]
    return Panel(name, data_uri(small), f"{name}: {said}; {what}", width, height)


def _outline(image: NDArray, name: str, entry: EntrySpec, record: Record, mask: EntrySpec) -> bool:
    """Draw the borders between the labels of a mask, of the same frame."""
    if mask.kind != "spatial" or [g.role for g in mask.groups] != ["label"]:
        return False
    labels = np.asarray(record[mask.name])
    if mask.time is not None:
        if entry.time is None:
            return False
        labels = labels[int(name[name.index("[") + 1 : name.index("]")])]
    return outline_labels(image, labels, mask.groups[0])


def _at_most(image: NDArray, side: int) -> NDArray:
    """The image at a size for the page."""
    longest = max(image.shape[:2])
    if longest <= side:
        return image
    from PIL import Image

    scale = side / longest
    size = [max(1, round(n * scale)) for n in image.shape[1::-1]]
    shrunk: NDArray = np.asarray(Image.fromarray(image).resize((size[0], size[1])))
    return shrunk


def data_uri(image: NDArray) -> str:
    """The image in the address itself: exact where that is small, else as a good JPEG."""
    from PIL import Image

    opened = Image.fromarray(np.ascontiguousarray(image))
    exact = io.BytesIO()
    opened.save(exact, "PNG", optimize=True)
    if exact.tell() <= _SMALL:
        return "data:image/png;base64," + base64.b64encode(exact.getvalue()).decode()
    lossy = io.BytesIO()
    opened.save(lossy, "JPEG", quality=86, subsampling=0, optimize=True)
    kind, best = ("jpeg", lossy) if lossy.tell() < exact.tell() else ("png", exact)
    return f"data:image/{kind};base64," + base64.b64encode(best.getvalue()).decode()
