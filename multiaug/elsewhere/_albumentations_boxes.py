"""What a Compose of albumentations says of boxes, as `FilterBoxes` at the end of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..spec import DataSpec
from ..transforms import FilterBoxes, Transform
from ._call import Call
from ._translation import listed

# albumentations drops boxes of which nothing is in view, whatever the thresholds.
_IN_VIEW = 1e-6
_CONVENTIONS = {"coco": "coco", "pascal_voc": "edges"}


def filters_of(call: Call, given: Any) -> list[Transform]:
    """Filters for all tables of boxes of the spec; none where it has no boxes.

    Args:
        call: the Compose, which says what differs.
        given: its ``bbox_params``.

    Raises:
        ParameterError: settings without a counterpart, by name.
    """
    if call.context.leaves_out("bbox_params"):
        return []
    if not isinstance(given, Mapping):
        call.refuse("bbox_params", given, "A dict is meant.")
    spec = call.context.spec
    tables = [name for name, entry in spec.entries.items() if entry.role == "boxes"]
    if not tables:
        call.differs("bbox_params is not read: the spec has no boxes.")
        return []
    inner = Call("bbox_params", given, call.context)
    size, area, visible = _thresholds(inner)
    _say_format(inner, spec, tables)
    _say_labels(inner, spec, tables)
    if inner.take("clip", False):
        inner.differs("clip is not read: boxes that reach beyond the image on arrival stay.")
    if inner.take("filter_invalid_bboxes", False):
        inner.differs(
            "filter_invalid_bboxes is not read: boxes whose corners are reversed are refused here."
        )
    if inner.take("check_each_transform", True):
        inner.differs(
            "check_each_transform filters behind every geometry there; here once, in the end, by "
            "the share that all of it together left in view."
        )
    inner.needs("max_accept_ratio", None, remedy="No limit of the ratio of sides is here.")
    inner.needs("bbox_type", "hbb", remedy="Boxes are upright here.")
    inner.finish()
    inner.differs(
        "boxes that are filtered stay as rows of NaN, with labels of -1 and `_valid` False, where "
        "albumentations shortens the list."
    )
    return [FilterBoxes(name, _labels_of(spec, name), size, area, visible) for name in tables]


def _thresholds(inner: Call) -> tuple[float, float, float]:
    """The least side, the least area, both in pixels, and the least share that is visible."""
    found = [
        inner.take(key, 0.0) for key in ("min_width", "min_height", "min_area", "min_visibility")
    ]
    names = ("min_width", "min_height", "min_area", "min_visibility")
    for key, value in zip(names, found, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            inner.refuse(key, value, "A number from 0 on is meant.")
    width, height, area, visible = (float(value) for value in found)
    if visible > 1:
        inner.refuse("min_visibility", visible, "A share from 0 to 1 is meant.")
    if width != height:
        inner.refuse(
            "min_width",
            width,
            f"min_height is {height:g}, and `FilterBoxes.min_size` is one for both sides. Give "
            "both the same, or",
        )
    return width, area, max(visible, _IN_VIEW)


def _say_format(inner: Call, spec: DataSpec, tables: list[str]) -> None:
    """The spec says what the columns are."""
    form = inner.take("format", None, old=("coord_format",))
    for name in tables:
        convention = spec.entries[name].groups[0].convention
        if _CONVENTIONS.get(str(form)) != convention:
            inner.differs(
                f"format {form!r} is not read: {name!r} are pixels in the columns of the spec's "
                f'"box_convention", {convention!r}.'
            )


def _say_labels(inner: Call, spec: DataSpec, tables: list[str]) -> None:
    """All that describes rows of boxes goes with them."""
    fields = inner.take("label_fields", None) or []
    here = {label for name in tables for label in _labels_of(spec, name)}
    if unknown := sorted(set(fields) - here):
        inner.differs(
            f"label_fields {listed(unknown)} are no scalars of the boxes in the spec, which has "
            f'{sorted(here)}: declare them with "of" if they are to go with their boxes.'
        )
    if more := sorted(here - set(fields)):
        inner.differs(f"{listed(more)} go with their boxes, as the spec says, too.")


def _labels_of(spec: DataSpec, name: str) -> list[str]:
    return [n for n, e in spec.entries.items() if e.kind == "value" and e.of == name]
