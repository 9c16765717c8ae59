"""What recipes need of a spec: refused before anything is built, with the remedy."""

from __future__ import annotations

from ..errors import ParameterError
from ..pipeline import Pipeline, Views
from ..spec import DataSpec, EntrySpec
from ..transforms import Frame, Normalize, missing_colours

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet, in units of the range, of red, green and blue."""

Size = int | tuple[int, int]
Range = float | tuple[float, float]
Numbers = float | tuple[float, ...]


def with_role(spec: DataSpec, *roles: str) -> list[EntrySpec]:
    """The entries that have one of some roles, alone or among others."""
    return [e for e in spec.entries.values() if any(g.role in roles for g in e.groups)]


def need(owner: str, spec: DataSpec, role: str, remedy: str) -> list[EntrySpec]:
    """Entries with a role.

    Raises:
        ParameterError: there are none.
    """
    found = with_role(spec, role)
    if not found:
        held = sorted({group.role for entry in spec.entries.values() for group in entry.groups})
        raise ParameterError(
            f"`recipes.{owner}` needs an entry with role {role}, and the spec {spec.name!r} has "
            f"{', '.join(held)}. {remedy}"
        )
    return found


def need_image(owner: str, spec: DataSpec, *, channels: bool = False) -> list[EntrySpec]:
    """An image of intensity.

    Args:
        owner: name of the recipe.
        spec: of the records.
        channels: how many channels each has must be declared, too.

    Raises:
        ParameterError: there is none, or one whose number of channels is open.
    """
    remedy = 'Declare the image, such as "image": {"role": "intensity"}.'
    found = need(owner, spec, "intensity", remedy)
    for entry in found:
        if channels and entry.channels is None:
            raise ParameterError(
                f"`recipes.{owner}` draws for each channel, and the spec {spec.name!r} leaves open "
                f'how many {entry.name!r} has. Declare "channels".'
            )
    return found


def need_colours(owner: str, spec: DataSpec) -> None:
    """Channels that are named red, green and blue.

    Raises:
        ParameterError: there are none.
    """
    images = [entry.name for entry in need_image(owner, spec)]
    missing = missing_colours(spec, images)
    if missing is not None:
        raise ParameterError(f"`recipes.{owner}` changes colours, and must find {missing}")


def refuse_numbers(owner: str, made: Pipeline | Views) -> None:
    """Refuse a mean or a deviation of another number of channels, in the words of the recipe.

    Raises:
        ParameterError: naming the setting and the entry.
    """
    for pipeline in made.pipelines.values() if isinstance(made, Views) else (made,):
        for one in pipeline.transforms:
            if not isinstance(one, Normalize):
                continue
            try:
                one.check(Frame((1, 1), pipeline.spec))
            except ParameterError as error:
                raise ParameterError(
                    f"`recipes.{owner}` normalises images. {error} Give the recipe `mean` and "
                    "`std` of your channels, or one number for all."
                ) from None


def need_labels(owner: str, spec: DataSpec, why: str) -> list[EntrySpec]:
    """A label map.

    Raises:
        ParameterError: there is none.
    """
    return need(owner, spec, "label", f"{why} Declare the mask with role label, or leave it out.")


def need_ignore(owner: str, spec: DataSpec) -> None:
    """Labels must have a value for what is padded.

    Raises:
        ParameterError: one would be padded with class 0.
    """
    for entry in with_role(spec, "label"):
        for group in entry.groups:
            padded = group.role == "label" and group.border.startswith("constant")
            if padded and group.ignore is None and group.fill == (0.0,):
                raise ParameterError(
                    f"`recipes.{owner}` pads images that are smaller than its window, and padded "
                    f"pixels of {entry.name!r} would be of class 0. Declare the label that losses "
                    'skip, such as "ignore": 255, or "fill": 0 beside another border.'
                )


def need_depth(owner: str, spec: DataSpec) -> list[EntrySpec]:
    """A depth map.

    Raises:
        ParameterError: there is none.
    """
    remedy = 'Declare the depth map, such as "depth": {"role": "depth", "invalid": 0}.'
    return need(owner, spec, "depth", remedy)


def need_intrinsics(owner: str, spec: DataSpec) -> None:
    """Intrinsics in the record.

    Raises:
        ParameterError: there are none.
    """
    remedy = 'Declare the camera, such as "intrinsics": {"role": "intrinsics", "of": "depth"}.'
    need(owner, spec, "intrinsics", remedy)


def need_points(owner: str, spec: DataSpec) -> None:
    """A cloud: positions of pixels, or a table of points.

    Raises:
        ParameterError: there is none.
    """
    if not with_role(spec, "position", "points3d"):
        need(owner, spec, "position", "Declare the cloud: x, y and z with role position.")
