"""Compositions of torchvision.transforms.v2, read by class names and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._arguments import checked, shown
from ..errors import ParameterError
from ..spec import SPEC_KIND, DataSpec
from ..transforms import OneOf, Shuffle, Transform
from . import _torchvision_rules, _torchvision_values
from ._albumentations import SIZE, SKIP, context_for, refuse_name, translate
from ._call import Call
from ._rules import counterpart
from ._translation import Context, Translation, as_one, in_container, kept, with_chance

_RULES = (_torchvision_rules, _torchvision_values)  # importing them fills the table

LIBRARY = "torchvision"
_MODULE = "torchvision.transforms.v2"
_CONTAINERS = ("Compose", "RandomApply", "RandomChoice", "RandomOrder")
_REMEDIES = {
    "MixUp": "ma.MixUp mixes records; put it into the pipeline.",
    "CutMix": "ma.CutMix mixes records; put it into the pipeline.",
    "LinearTransformation": "ma.Whiten takes correlations out, with the statistics of ma.fit.",
    "ScaleJitter": "ma.RandomScaledCrop scales, then crops or pads to one size.",
    "RandomZoomOut": "ma.RandomScaledCrop scales, then crops or pads to one size.",
    "RandomResize": "ma.RandomScaledCrop scales, then crops or pads to one size.",
    "RandomIoUCrop": "ma.BoxSafeCrop keeps a share of the boxes.",
}


@checked(spec=SPEC_KIND, size=SIZE, skip=SKIP)
def from_torchvision(
    composition: Any,
    spec: DataSpec,
    *,
    size: int | Sequence[int] | None = None,
    skip: str | Sequence[str] = (),
) -> Translation:
    """Translate a composition of torchvision.transforms.v2.

    It is read by the names of classes and their attributes; torchvision is not imported here.
    Interpolation, borders and fills are what the spec says; where torchvision was told otherwise,
    the differences say so.

    Args:
        composition: a transform of ``torchvision.transforms.v2``, or a sequence of them.
        spec: of the records that the pipeline is for.
        size: (height, width) of the images, or one number for both; some settings are in pixels
            there and in fractions of the image here: those of ElasticTransform.
        skip: names of transforms to leave out.

    Returns:
        The pipeline, and what differs in meaning.

    Raises:
        ParameterError: a transform or a setting without a counterpart, by name; an object that is
            no transform of torchvision's.
    """
    context = context_for(LIBRARY, spec, size, skip)
    if isinstance(composition, list | tuple):
        found = [
            made
            for i, one in enumerate(composition)
            for made in _read(one, context, f"composition[{i}]") or ()
        ]
    else:
        found = _read(composition, context, "composition") or []
    return context.finish(found)


def _read(transform: Any, context: Context, path: str) -> list[Transform] | None:
    """The transforms of an object; None where it is left out."""
    kind = type(transform)
    name, module = kind.__name__, str(kind.__module__)
    if name == "Sequential" and module.startswith("torch.nn"):
        return [
            made
            for i, one in enumerate(transform)
            for made in _read(one, context, f"{path}[{i}]") or ()
        ]
    if not module.startswith(_MODULE):
        remedy = "Take the class of that name from there." if "torchvision" in module else ""
        if context.leaves_out(name):
            return None
        raise ParameterError(
            f"`from_torchvision.composition` must be of {_MODULE}, got {shown(transform)} from "
            f"{module!r} at {path}. {remedy}".rstrip()
        )
    if context.leaves_out(name):
        return None
    attributes = vars(transform)
    settings = {
        key: value
        for key, value in {**attributes, **attributes.get("_modules", {})}.items()
        if not key.startswith("_") and key not in ("training", "call_super_init", "dump_patches")
    }
    call = Call(name, settings, context)
    if name in _CONTAINERS:
        return _container(call, path)
    row = counterpart(LIBRARY, name)
    if row is None:
        if name in _REMEDIES:
            raise ParameterError(
                f"torchvision's {name} at {path} has no counterpart that does the same. "
                f"{_REMEDIES[name]} `skip=({name!r},)` leaves it out."
            )
        refuse_name(LIBRARY, name, path)
    call.p = float(call.take("p", 1.0))
    return translate(row, call, path)


def _container(call: Call, path: str) -> list[Transform]:
    children = [
        _read(one, call.context, f"{path}.transforms[{i}]")
        for i, one in enumerate(call.take("transforms"))
    ]
    p = call.take("p", 1.0)
    call.finish()
    if call.name in ("Compose", "RandomApply"):
        return in_container([one for made in children for one in made or ()], p)
    if call.name == "RandomOrder":
        some = [as_one(made) for made in children if made]
        return [Shuffle(some)] if some else []
    ones, weights, share = kept(children, p)
    if not ones:
        return []
    return with_chance([OneOf(ones, None if len(set(weights)) == 1 else weights)], share)
