"""OneHot: class ids as vectors of shares, which can be blended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError, RecordError
from ..spec import DataSpec, EntrySpec, absent_row
from ..typing import Array, NDArray
from ._base import Frame, transform
from ._checked import flag, whole
from ._entry_names import entry_name, refuse_taken
from ._settings import setting
from ._stage_bases import Deriving, NewArray

SUFFIX = "_onehot"


@transform
class OneHot(Deriving):
    """Make an entry ``<name>_onehot`` of class ids: 1 at the place of the class, else 0; float32.

    Of a label map (H, W) it makes a map (H, W, classes) of role ``probability``, with its frames
    where it has ``time``; of scalar ids (...) a scalar (..., classes). The ignore value of a label
    map becomes all zeros, and so do rows of a table of ids that are not there (-1, or the largest
    number of unsigned ones; see ``capacity`` in the spec). Other ids outside of the classes are
    refused where values are checked, and all zeros where they are not.

    Args:
        entry: the label map, or the scalar.
        classes: how many there are; ids are 0 to classes - 1.
        replace: put the result in the place of the entry, under its name.

    Raises:
        ParameterError: the spec has no such entry, or lets it become an id beyond the classes.

    Example:
        >>> OneHot("mask", 21).entry
        'mask'
    """

    entry: str = setting(entry_name)
    classes: int = setting(whole, low=1)
    replace: bool = setting(flag, default=False)

    @property
    def result(self) -> str:
        """The name of the new entry."""
        return self.entry if self.replace else f"{self.entry}{SUFFIX}"

    @property
    def sources(self) -> frozenset[str]:
        """The entry."""
        return frozenset({self.entry})

    @property
    def replaces(self) -> frozenset[str]:
        """The entry, where it is replaced."""
        return frozenset({self.entry} if self.replace else ())

    def check(self, frame: Frame) -> None:
        """The entry must be there, and its fill and mirror pairs must be classes."""
        self.out_spec(frame.spec)

    def out_spec(self, spec: DataSpec) -> DataSpec:
        """The spec with the new entry, behind the one that it is made of."""
        source = self._source(spec)
        entries = []
        for entry in spec.entries.values():
            if entry is not source or not self.replace:
                entries.append(entry)
            if entry is source:
                entries.append(self._made_of(entry))
        return DataSpec(spec.name, entries, spec.camera, spec.description)

    def derive(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Array]:
        """The new entry, where the batch holds the old one."""
        if self.entry not in batch:
            return {}
        ids = jnp.asarray(batch[self.entry])
        source = self._source(spec)
        if source.kind == "spatial" and len(source.image_shape(ids.shape[1:])) == 3:
            ids = ids[..., 0]
        shares = jax.nn.one_hot(ids.astype(jnp.int32), self.classes, dtype=jnp.float32)
        ignore = source.groups[0].ignore
        if ignore is not None and ignore < self.classes:
            shares = jnp.where((ids == ignore)[..., None], 0, shares)
        return {self.result: shares}

    def derive_into(self, spec: DataSpec, batch: Mapping[str, NDArray], new: NewArray) -> None:
        """The same in NumPy: a row of a table for every id."""
        if self.entry not in batch:
            return
        source, ids = self._source(spec), batch[self.entry]
        if source.kind == "spatial" and ids.ndim == 4:
            ids = ids[..., 0]
        if ids.dtype == bool:
            ids = ids.view(np.uint8)
        ignore = source.groups[0].ignore
        if ids.dtype != np.uint8:
            ids = ids.astype(np.int64)
            # A row behind the classes is for what is none of them.
            ids = np.where((ids < 0) | (ids >= self.classes), self.classes, ids)
        rows = np.eye(max(256, self.classes + 1), self.classes, dtype=np.float32)
        if ignore is not None and 0 <= ignore < self.classes:
            rows[ignore] = 0
        out = new(self.result, (*ids.shape, self.classes), np.float32)
        np.take(rows, ids, axis=0, out=out, mode="clip")  # other modes make a copy first

    def check_values(self, spec: DataSpec, batch: Mapping[str, Any]) -> None:
        """Ids must be classes, or the ignore value."""
        array = batch.get(self.entry)
        if array is None or isinstance(array, jax.core.Tracer):
            return
        ids = np.asarray(array)
        if not ids.size:
            return
        entry = spec.entries[self.entry]
        self._check_dtype(ids.dtype)
        if ids.dtype == bool:
            ids = ids.astype(np.uint8)
        outside = (ids < 0) | (ids >= self.classes)
        ignore = entry.groups[0].ignore
        if ignore is not None:
            outside &= ids != ignore
        if entry.of is not None or entry.groups[0].capacity is not None:
            outside &= ids != absent_row(ids.dtype)
        if outside.any():
            found = sorted({int(i) for i in ids[outside].ravel()[:10_000]})
            others = " and others" if len(found) > 1 else ""
            remedy = "" if entry.kind == "value" else ', or declare it as "ignore" in the spec'
            raise RecordError(
                f"`OneHot` of {self.entry!r} must find ids 0 to {self.classes - 1}, got "
                f"{found[0]}{others}. Give it more classes{remedy}."
            )

    def _check_dtype(self, dtype: Any) -> None:
        if np.dtype(dtype).kind not in "bui":
            raise RecordError(
                f"`OneHot` of {self.entry!r} must find class ids of an integer dtype, got {dtype}. "
                "Convert them first."
            )

    def _source(self, spec: DataSpec) -> EntrySpec:
        entry = spec.entries.get(self.entry)
        if entry is None or entry.role not in ("label", "scalar"):
            role = "no such entry" if entry is None else f"one with role {entry.role}"
            raise ParameterError(
                f"`OneHot.entry` must name a label map or a scalar, got {self.entry!r}, {role}. "
                f"The spec has {sorted(spec.entries)}."
            )
        if not self.replace:
            remedy = "Say replace=True, or rename the entry of the spec."
            refuse_taken("OneHot", self.result, spec, remedy)
        return entry

    def _made_of(self, entry: EntrySpec) -> EntrySpec:
        group = entry.groups[0]
        if entry.kind == "value":
            return EntrySpec.of_role(
                self.result, "scalar", dtype="float32", of=entry.of, optional=entry.optional
            )
        fill = [int(v) for v in group.fill] if group.border.startswith("constant") else []
        paired = [i for pair in group.mirror_pairs for i in pair]
        for value, what in (
            (v, w) for vs, w in ((fill, "fill"), (paired, "mirror pair")) for v in vs
        ):
            if value != group.ignore and not 0 <= value < self.classes:
                raise ParameterError(
                    f"`OneHot.classes` must be more than the {what} {value} of {self.entry!r}, got "
                    f"{self.classes}. Give it more classes, or declare the value as its ignore."
                )
        return EntrySpec.of_role(
            self.result,
            "probability",
            channels=self.classes,
            dtype="float32",
            optional=entry.optional,
            time=entry.time,
            mirror_pairs=[list(p) for p in group.mirror_pairs],
        )
