"""What is learned from what: found in the spec, or named by the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..spec import DataSpec, EntrySpec
from ._network import Kind

# What a label may be computed from is no input: probabilities and densities mostly are targets.
_INPUT_ROLES = ("intensity", "depth", "position", "direction", "flow")
_REMEDY = (
    "compare trains on a label map, or on one class for each record (an integer `scalar` entry)."
)


@dataclass(frozen=True)
class LearningTask:
    """What the network predicts, and what it sees.

    Args:
        kind: of the prediction.
        target: the entry with the labels.
        ignore: the label that counts nowhere.
        inputs: the images that the network sees.
        unused: other images, which it does not see.
    """

    kind: Kind
    target: str
    ignore: int | None
    inputs: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def metric(self) -> str:
        """The name of the score."""
        return "mean IoU" if self.kind == "segmentation" else "accuracy"


def find_task(
    spec: DataSpec,
    record: Mapping[str, Any],
    target: str | None,
    inputs: Sequence[str] | None,
    groups: str | None,
) -> LearningTask:
    """The task that the entries of a record leave.

    Args:
        spec: what the entries are.
        record: one of the source.
        target: the entry to predict; None finds it.
        inputs: the entries to predict it from; None takes all images of usual inputs.
        groups: the entry that says which records belong together, which is no target.

    Raises:
        ParameterError: there is no such entry, nothing to predict, or several candidates.
    """
    present = [entry for name, entry in spec.entries.items() if name in record]
    entry = _target_of(spec, present, record, target, groups)
    kind: Kind = "segmentation" if entry.kind == "spatial" else "classification"
    images = [one for one in present if one.kind == "spatial" and one is not entry]
    usual = [one.name for one in images if all(g.role in _INPUT_ROLES for g in one.groups)]
    if inputs is None:
        chosen = tuple(usual)
        if not chosen:
            raise ParameterError(
                f"`compare.source` must have an image to learn from (roles "
                f"{', '.join(_INPUT_ROLES)}), found {_listed(present)}. Name entries with inputs=."
            )
    else:
        chosen = tuple(dict.fromkeys(inputs))
        names = [one.name for one in images]
        unknown = [name for name in chosen if name not in names]
        if unknown or not chosen:
            raise ParameterError(
                f"`compare.inputs` must be images of the records other than the target, which are "
                f"{names}, got {list(inputs)}."
            )
    unused = tuple(one.name for one in images if one.name not in chosen)
    return LearningTask(kind, entry.name, entry.groups[0].ignore, chosen, unused)


def _target_of(
    spec: DataSpec,
    present: Sequence[EntrySpec],
    record: Mapping[str, Any],
    target: str | None,
    groups: str | None,
) -> EntrySpec:
    maps = [one for one in present if _is_label_map(one)]
    classes = [one for one in present if _is_class(one, record) and one.name != groups]
    if target is not None:
        found = [one for one in maps + classes if one.name == target]
        if not found:
            raise ParameterError(
                f"`compare.target` must be a label map or a class for each record, of which there "
                f"are {[one.name for one in maps + classes]}, got {target!r}. {_REMEDY}"
            )
        return found[0]
    candidates = maps or classes
    if not candidates:
        raise ParameterError(
            f"`compare.source` must have something to predict, found {_listed(present)}. {_REMEDY}"
        )
    if len(candidates) > 1:
        raise ParameterError(
            f"`compare.source` has {len(candidates)} entries that could be predicted, "
            f"{[one.name for one in candidates]}. Name one with target=."
        )
    return candidates[0]


def _is_label_map(entry: EntrySpec) -> bool:
    return entry.time is None and [group.role for group in entry.groups] == ["label"]


def _is_class(entry: EntrySpec, record: Mapping[str, Any]) -> bool:
    value = np.asarray(record[entry.name])
    return entry.role == "scalar" and value.shape in ((), (1,)) and value.dtype.kind in "biu"


def _listed(entries: Sequence[EntrySpec]) -> str:
    return ", ".join(f"{one.name} ({one.role})" for one in entries) or "nothing"
