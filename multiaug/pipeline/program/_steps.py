"""The steps of a stage that is no run of warps: with what one record drew, or a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ...transforms import Container, Maybe, OneOf, Shuffle, SomeOf, Step, Transform
from ._geometry import steps_of
from ._stages import Part

# What these hold is found by position from the end, so that a leading axis of records may be there.
_KNOWN = (Maybe, OneOf, Part, Shuffle, SomeOf)


def steps_of_batch(transforms: Sequence[Transform], drawn: Any) -> list[Step]:
    """The leaf transforms as they run, with what a batch drew: nothing is compiled.

    Their params have a leading N and are NumPy arrays; ``on`` of a step is (N,) bool, or None.
    The containers are ones that `unknown_container` passes.
    """
    values = jax.tree.map(np.asarray, drawn)
    return steps_of(transforms, values)


def unknown_container(transforms: Sequence[Transform]) -> str | None:
    """The name of a container that may know single records only; None where there is none."""
    for transform in transforms:
        if not isinstance(transform, Container):
            continue
        if not isinstance(transform, _KNOWN):
            return transform.owner
        inside = [transform.whole] if isinstance(transform, Part) else transform.children
        found = unknown_container(inside)
        if found is not None:
            return found
    return None
