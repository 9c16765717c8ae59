"""A compiled pipeline: its stages, and what each of them needs to be known of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...spec import ALL_DTYPES, DataSpec
from ...transforms import Frame, Mixing, Occluding, Transform
from ...typing import SpatialShape
from ._mix import refuse_unmixable
from ._occlude import refuse_uncoverable
from ._spec_after import with_derived
from ._stages import stages_of
from ._structure import leaves
from ._traits import PipelineTraits


class Program:
    """The stages of a pipeline, for a spec and a frame.

    Args:
        traits: of the pipeline.
        spec: of the records.
        frame: (H, W) of their reference image.
        dtypes: of the entries that a record holds; none where there is no record.

    Attributes:
        stages: in order; the first is a run of warps and values, which may be empty.
        traits: of the transforms of each stage.
        out_spec: of the records that come out.

    Raises:
        ParameterError: transforms that do not fit the records where they stand.
    """

    def __init__(
        self,
        traits: PipelineTraits,
        spec: DataSpec,
        frame: SpatialShape,
        dtypes: Mapping[str, Any],
    ) -> None:
        self.stages = stages_of(traits.moving, spec, frame, dtypes)
        self.traits = tuple(PipelineTraits(stage.transforms) for stage in self.stages)
        last = self.stages[-1]
        self.out_spec = last.spec_after(dtypes, frame)
        for fitted in traits.finishing:
            fitted.check(Frame(last.out_frame, self.out_spec))
        present = set(dtypes)
        for stage in self.stages:
            _check_roles(stage.transforms, stage.spec, _present(stage.spec, present, dtypes))
            if stage.kind in ("derive", "occlude"):
                made = with_derived(stage.transforms, stage.spec).entries.keys()
                present |= made - stage.spec.entries.keys()


def _present(
    spec: DataSpec, names: Iterable[str], dtypes: Mapping[str, Any]
) -> dict[str, np.dtype[Any]]:
    """The dtypes of the entries that are there at a stage."""
    found = {}
    for name in names:
        entry = spec.entries.get(name)
        if entry is not None:
            declared = entry.dtype if entry.dtype != "bfloat16" else None
            found[name] = np.dtype(declared or dtypes.get(name, np.float32))
    return found


def _check_roles(
    transforms: Sequence[Transform], spec: DataSpec, dtypes: Mapping[str, np.dtype[Any]]
) -> None:
    for leaf in leaves(transforms):
        if isinstance(leaf, Occluding):
            refuse_uncoverable(leaf, spec, dtypes)
        elif isinstance(leaf, Mixing):
            refuse_unmixable(leaf, spec, dtypes)


def check_declared(transforms: Sequence[Transform], spec: DataSpec) -> DataSpec:
    """Refuse, when a pipeline is built, what its spec says no record can make right.

    Returns:
        The spec behind derivations and alterations.

    Raises:
        ParameterError: as `Program` does.
    """
    for transform in transforms:
        declared = {
            name: np.dtype(entry.dtype)
            for name, entry in spec.entries.items()
            if not entry.optional and entry.dtype in ALL_DTYPES and entry.dtype != "bfloat16"
        }
        _check_roles([transform], spec, declared)
        spec = with_derived([transform], spec)
    return spec
