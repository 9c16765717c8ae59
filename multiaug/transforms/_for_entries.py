"""ForEntries: transforms that some images of a record take part in, and others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ..typing import Key, SpatialShape
from ._base import Frame, Geometric, Params, Photometric, transform
from ._checked import names
from ._containers import Children, Expanded, Holder, children_of
from ._settings import Setting, setting
from ._stage_bases import check_names

# Behind the names of masks that the pipeline itself hands from stage to stage.
_BEFORE = "_valid_before"


def _images(value: Any, field_name: str) -> tuple[str, ...]:
    found = names(value, field_name)
    if not found:
        raise ParameterError(f"`{field_name}` must name at least one image, got {value!r}.")
    return found


@transform
class ForEntries(Holder):
    """Run transforms on some images, and on what belongs to them; all others stay as they are.

    Tables, cameras and scalars belong to the image that they are `of`. The images are moved by one
    draw; a second `ForEntries` has a draw of its own. It is a stage of its own: its images are
    resampled once more than by what stands before and behind. Images of a record show one field of
    view, so the frame that comes out must have the shape of the one that came in, as when a crop is
    brought back to the full size.

    Args:
        entries: the images.
        transforms: geometric and value transforms, in order.

    Raises:
        ParameterError: entries that are no images of the spec; transforms of other kinds, or that
            leave a frame of another shape; a place inside of another container.

    Example:
        >>> import multiaug as ma
        >>> wrist_stays = ForEntries("base", [ma.Crop((213, 213)), ma.Resize(224), ma.Rotate(5)])
        >>> wrist_stays.out_shape((224, 224))
        (224, 224)

    References:
        openpi turns the base camera of a robot, and not the cameras on its wrists.
    """

    entries: Setting[tuple[str, ...], str | Sequence[str]] = setting(_images)
    transforms: Children = setting(children_of, static=False)

    def check(self, frame: Frame) -> None:
        """The entries must be images, and the children fit and keep the frame."""
        inside, shape = self.sub_spec(frame.spec), frame.shape
        for child in self.children:
            child.check(Frame(shape, inside))
            shape = child.out_shape(shape)
        if shape != frame.shape:
            raise ParameterError(
                f"`ForEntries` must leave the frame of {frame.shape[0]} x {frame.shape[1]}, which "
                f"other entries keep, got {shape[0]} x {shape[1]}. Add "
                f"Resize({frame.shape}) at the end."
            )

    def out_shape(self, shape: SpatialShape) -> SpatialShape:
        """The frame stays."""
        return shape

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw the ``children``, each on the frame where it stands."""
        drawn, inside, shape = [], self.sub_spec(frame.spec), frame.shape
        for i, child in enumerate(self.children, start=1):
            here = frame._replace(shape=shape, spec=inside)
            drawn.append(child.sample(jax.random.fold_in(key, i), here))
            shape = child.out_shape(shape)
        return {"children": tuple(drawn)}

    def expand(self, params: Params) -> Expanded:
        """All children, always."""
        return [(c, p, None) for c, p in zip(self.children, params["children"], strict=True)]

    def sub_spec(self, spec: DataSpec) -> DataSpec:
        """The spec of the entries that take part.

        Raises:
            ParameterError: an entry that is no image of the spec.
        """
        check_names(self.owner, "entries", self.entries, spec)
        for name in self.entries:
            if spec.entries[name].kind != "spatial":
                raise ParameterError(
                    f"`ForEntries.entries` must name images, got {name!r} with role "
                    f"{spec.entries[name].role}. Tables go with the image that they are of."
                )
        return _part_of(spec, self.entries)


@lru_cache(maxsize=64)
def _part_of(spec: DataSpec, images: tuple[str, ...]) -> DataSpec:
    held = [entry for entry in spec.entries.values() if _belongs(entry, spec, images)]
    camera = spec.camera
    if spec.reference() not in images:
        # A default camera is that of the reference.
        camera = replace(camera, fov_degrees=None, intrinsics=None)
    return DataSpec(spec.name, held, camera, spec.description)


def _belongs(entry: EntrySpec, spec: DataSpec, images: tuple[str, ...]) -> bool:
    """Whether an entry is one of the images, or a table, a camera or a scalar of one."""
    if entry.kind == "spatial":
        return entry.name.removesuffix(_BEFORE) in images
    table = spec.entries.get(entry.of or "")
    if table is not None and table.kind != "spatial":
        return _belongs(table, spec, images)
    return (entry.of or spec.reference()) in images


def check_children(transform_: ForEntries) -> None:
    """Refuse children that are no steps of one run of warps and values."""
    todo = list(transform_.children)
    while todo:
        child = todo.pop()
        if isinstance(child, Holder):
            todo += child.children
        standing = isinstance(child, Photometric) and child.footprint != "point"
        if not isinstance(child, Holder | Geometric | Photometric) or standing:
            raise ParameterError(
                f"`ForEntries` holds geometric transforms and values changed pixel by pixel, got "
                f"{child.owner}. Put it outside, and name its `entries`."
            )
