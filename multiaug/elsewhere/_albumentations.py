"""Documents of albumentations, read as data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from .._arguments import Kind, checked, shown
from ..errors import ParameterError
from ..spec import SPEC_KIND, DataSpec
from ..transforms import OneOf, Shuffle, SomeOf, Transform
from . import (
    _albumentations_frames,
    _albumentations_geometry,
    _albumentations_occlusion,
    _albumentations_values,
)
from ._albumentations_boxes import filters_of
from ._call import Call
from ._rules import Counterpart, counterpart, counterparts
from ._translation import (
    Context,
    Translation,
    as_one,
    forced,
    in_container,
    kept,
    listed,
    of,
    with_chance,
)

# Importing them fills the table.
_RULES = (
    _albumentations_frames,
    _albumentations_geometry,
    _albumentations_occlusion,
    _albumentations_values,
)

_CLASS = "__class_fullname__"
LIBRARY = "albumentations"
_ALL = ("Compose", "ReplayCompose", "Sequential")
_CONTAINERS = (*_ALL, "OneOf", "OneOrOther", "SomeOf", "RandomOrder")


def _names_accepted(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    )


def _size_accepted(value: Any) -> bool:
    both = value if isinstance(value, list | tuple) else (value, value)
    return value is None or (
        len(both) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 2**20 for n in both)
    )


SKIP = Kind("a name or a sequence of names", _names_accepted)
SIZE = Kind("a positive integer, a pair (height, width) of them, or None", _size_accepted)
_DOCUMENT = Kind(
    "a dict",
    lambda value: isinstance(value, Mapping),
    "albumentations.to_dict(compose) makes one.",
)


def context_for(
    library: str, spec: DataSpec, size: int | Sequence[int] | None, skip: str | Sequence[str]
) -> Context:
    """See `Context`."""
    both: Any = (size, size) if isinstance(size, int) else size
    names = (skip,) if isinstance(skip, str) else skip
    return Context(library, spec, both and (both[0], both[1]), frozenset(names))


@checked(document=_DOCUMENT, spec=SPEC_KIND, size=SIZE, skip=SKIP)
def from_albumentations(
    document: Mapping[str, Any],
    spec: DataSpec,
    *,
    size: int | Sequence[int] | None = None,
    skip: str | Sequence[str] = (),
) -> Translation:
    """Translate a pipeline of albumentations, from its serialised form.

    The document is read as data, albumentations need not be installed. Settings of releases 1 and
    2 are understood. Interpolation, borders and fills are what the spec says; where albumentations
    was told otherwise, the differences say so.

    Args:
        document: what ``albumentations.to_dict(compose)`` gives, or the JSON of it.
        spec: of the records that the pipeline is for.
        size: (height, width) of the images, or one number for both; some settings are in pixels
            there and in fractions of the image here, such as ElasticTransform's.
        skip: names of transforms to leave out.

    Returns:
        The pipeline, and what differs in meaning.

    Raises:
        ParameterError: a transform or a setting without a counterpart, by name; a document that is
            none.

    Example:
        >>> import multiaug as ma
        >>> document = {
        ...     "__version__": "2.0.8",
        ...     "transform": {
        ...         "__class_fullname__": "Compose",
        ...         "p": 1.0,
        ...         "transforms": [{"__class_fullname__": "HorizontalFlip", "p": 0.5}],
        ...     },
        ... }
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> ma.from_albumentations(document, spec).pipeline.transforms
        (Flip(),)
    """
    context = context_for(LIBRARY, spec, size, skip)
    inner = document
    if "transform" in document:
        unknown = sorted(set(document) - {"__version__", "transform"})
        if unknown:
            raise ParameterError(f"An albumentations document has unknown keys {unknown}.")
        inner = document["transform"]
        context.major = _major(document.get("__version__", "2"))
    return context.finish(_read(inner, context, "$") or [])


def _major(version: Any) -> int:
    first = str(version).split(".", 1)[0]
    if first not in ("0", "1", "2"):
        raise ParameterError(
            f"`document.__version__` must be that of albumentations, 0 to 2, got {version!r}."
        )
    return int(first)


def _read(config: Any, context: Context, path: str) -> list[Transform] | None:
    """The transforms of a configuration; None where it is left out."""
    if not isinstance(config, Mapping) or not isinstance(config.get(_CLASS), str):
        found = config.get("__type__") if isinstance(config, Mapping) else None
        if found == "Lambda":
            raise ParameterError(
                f"albumentations' Lambda at {path} is a function, which documents do not hold. "
                "Write a transform of your own, as docs/how-to/own-transform.md says."
            )
        raise ParameterError(
            f"A transform of an albumentations document has {_CLASS!r}, and {path} is "
            f"{shown(config)}."
        )
    # Older releases wrote the module, too.
    name = config[_CLASS].rsplit(".", 1)[-1]
    if context.leaves_out(name):
        return None
    settings = {key: value for key, value in config.items() if key not in (_CLASS, "__version__")}
    call = Call(name, settings, context)
    p = float(call.take("p"))
    if call.take("always_apply", False):
        p = 1.0
    if name in _CONTAINERS:
        return _container(call, p, path)
    row = counterpart(LIBRARY, name)
    if row is None:
        refuse_name(LIBRARY, name, path)
    call.p = p
    return translate(row, call, path)


def translate(row: Counterpart, call: Call, path: str) -> list[Transform]:
    """The transforms of one call, with its chance; errors name it."""
    if row.differs:
        call.differs(row.differs)
    try:
        made = with_chance(row.rule(call), call.p)
    except ParameterError as error:
        raise ParameterError(f"{of(call.context.library)} {call.name} at {path}: {error}") from None
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise ParameterError(
            f"{of(call.context.library)} {call.name} at {path} has settings of another kind than "
            f"{call.context.library} writes: {error}."
        ) from error
    call.finish()
    return made


def refuse_name(library: str, name: str, path: str) -> NoReturn:
    """Refuse a transform.

    Raises:
        ParameterError: always.
    """
    known = [row.name for row in counterparts(library)]
    near = difflib.get_close_matches(name, known, 3)
    also = f" Translated are {listed(near)}, among others." if near else ""
    raise ParameterError(
        f"{of(library)} {name} at {path} has no counterpart here.{also} Leave it out with "
        f"`skip=({name!r},)`, or write a transform of your own, as "
        "docs/how-to/own-transform.md says."
    )


def _container(call: Call, p: float, path: str) -> list[Transform]:
    if call.name in ("Compose", "ReplayCompose"):
        _targets(call, path, p)
    configs = call.take("transforms")
    if not isinstance(configs, list | tuple):
        call.refuse("transforms", configs, "A list is meant.")
    children = [
        _read(one, call.context, f"{path}.transforms[{i}]") for i, one in enumerate(configs)
    ]
    if call.name in _ALL:
        call.finish()
        return in_container([one for made in children for one in made or ()], p)
    if call.name in ("OneOf", "OneOrOther"):
        return _one_of(call, children, [one.get("p", 1.0) for one in configs], p)
    return _some_of(call, [made for made in children if made is not None], p)


def _one_of(
    call: Call, children: list[list[Transform] | None], chances: list[float], p: float
) -> list[Transform]:
    call.finish()
    ran = [None if made is None else forced(made) for made in children]
    if call.name == "OneOrOther":
        ran, chances, p = [ran[0], ran[-1]], [p, 1 - p], 1.0
    ones, weights, share = kept(ran, chances)
    if not ones:
        return []
    return with_chance([OneOf(ones, None if len(set(weights)) == 1 else weights)], p * share)


def _some_of(call: Call, children: list[list[Transform]], p: float) -> list[Transform]:
    n = call.take("n", 1)
    call.needs("replace", False, remedy="No child runs twice here.")
    call.finish()
    if not any(children):
        return []
    if call.context.major < 2:
        call.differs("releases before 2 choose by the children's p; here all are as likely.")
        children = [forced(made) for made in children]
    ones = [as_one(made) for made in children]
    n = min(n, len(ones))
    if call.name == "RandomOrder" and n == len(ones):
        return with_chance([Shuffle([as_one(made) for made in children if made])], p)
    if call.name == "RandomOrder" and n > 1:
        call.differs(f"{n} of {len(ones)} run in random order there; here in the listed one.")
    return with_chance([SomeOf(ones, n)], p)


def _targets(call: Call, path: str, p: float) -> None:
    """What a Compose says of boxes, keypoints and further arrays: mostly the spec does here."""
    if boxes := call.take("bbox_params", None):
        if path == "$":
            call.context.last += filters_of(call, boxes)
            if p < 1 and call.context.last:
                call.differs("boxes are filtered in the records, too, on which it does not run.")
        else:
            call.differs("bbox_params inside of another container is not read, as it is there.")
    if call.take("keypoint_params", None):
        call.differs(
            "keypoint_params is not read: the spec says what keypoints are; none is dropped here, "
            "and `_visible` says what is still in view."
        )
    if targets := call.take("additional_targets", None):
        call.differs(f"additional_targets {sorted(targets)} are not read: the spec has roles.")
    mask = call.take("mask_interpolation", None)
    if mask is not None:
        call.differs("mask_interpolation is not read: the spec says how labels are sampled.")
    call.drop("is_check_shapes", "strict", "seed", "save_applied_params", "save_key")
