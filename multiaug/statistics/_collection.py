"""What `fit` returns: statistics of every channel group, to be saved, printed and applied."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from .._arguments import PATH, TEXT, checked, optional
from .._tables import Lines, Report
from ..errors import NotFittedError, ParameterError, StoreError, old_arguments
from ..files import staged_directory, writing
from ..typing import NDArray
from ._file import only_statistics, read_group, write_group
from ._look import LOOKS, SecondLook
from ._state import State, statistic_class
from ._summary import summarise
from .covariance._covariance import CovarianceState
from .moments._moments import MomentsState
from .whitening._spectrum import Centre, Spectrum

Item: TypeAlias = State | Spectrum


@dataclass(frozen=True, eq=False)
class GroupStatistics(Mapping[str, Item]):
    """Statistics of one channel group of one entry, by name.

    ``moments`` is a `MomentsState`, ``covariance`` a `CovarianceState`, ``zca`` a `Spectrum`,
    ``stationary`` a `StationaryState`; only what was fitted is there.

    Args:
        entry: name of the entry.
        start: first channel of the group.
        role: what its values mean.
        names: names of its channels, or ().
        record_shape: (H, W, C) of the group in one record.
        dtype: of its values.
        held: the statistics.
    """

    entry: str
    start: int
    role: str
    names: tuple[str, ...]
    record_shape: tuple[int, ...]
    dtype: str
    held: Mapping[str, Item] = field(repr=False)

    # Arrays are compared by their owners; two groups are the same one or they are not.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __getitem__(self, name: str) -> Item:
        return self.held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)

    @property
    def moments(self) -> MomentsState:
        """Moments of every pixel and channel.

        Raises:
            NotFittedError: they were not fitted.
        """
        found = self._need("moments", "multiaug.Moments()")
        assert isinstance(found, MomentsState)
        return found

    @old_arguments(centre="center")
    def spectrum(self, center: Centre = "pixel") -> Spectrum:
        """Eigenvalues and eigenvectors about one kind of mean.

        Raises:
            NotFittedError: ZCA was not fitted, or about the other mean and without a covariance.
        """
        found = self._need("zca", "multiaug.ZCA()")
        assert isinstance(found, Spectrum)
        if found.centre == center:
            return found
        held = self.held.get("covariance")
        if isinstance(held, CovarianceState):
            return held.spectrum(center)
        raise NotFittedError(
            f"The statistics of {self.entry!r} are centred by {found.centre}, and without the "
            f"records they cannot be by {center}. Fit multiaug.ZCA(center={center!r}), or whiten "
            f"with center={found.centre!r}."
        )

    def _need(self, name: str, remedy: str) -> Item:
        if name not in self.held:
            raise NotFittedError(
                f"The statistics of {self.entry!r} hold {sorted(self.held)}, not {name!r}. "
                f"Fit {remedy}."
            )
        return self.held[name]


class Statistics(Mapping[str, GroupStatistics]):
    """Statistics of a data set, by channel group: ``image``, or ``rgbxyz[0:3]``.

    Args:
        groups: label -> statistics of the group.
        info: where they are from: the source's fingerprint, records, what was left out, the
            solver and why.
        path: where they are saved; None if nowhere yet.
        sha256: by which the saved file is known.
    """

    def __init__(
        self,
        groups: Mapping[str, GroupStatistics],
        info: Mapping[str, Any] | None = None,
        *,
        path: str | None = None,
        sha256: str | None = None,
    ) -> None:
        self._groups = dict(groups)
        self.info = dict(info or {})
        self.path = path
        self.sha256 = sha256

    def __getitem__(self, label: str) -> GroupStatistics:
        try:
            return self._groups[label]
        except KeyError:
            raise KeyError(f"{label!r}; the statistics hold {sorted(self._groups)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def __repr__(self) -> str:
        held = {label: sorted(group) for label, group in self._groups.items()}
        return f"Statistics({held}, path={self.path!r})"

    def __str__(self) -> str:
        return summarise(self)

    def _repr_html_(self) -> str:
        title, *lines = summarise(self).splitlines()
        return Report(title, (Lines(tuple(lines)),)).html()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        return self is other or (self.sha256 is not None and self.sha256 == other.sha256)

    def __hash__(self) -> int:
        return id(self) if self.sha256 is None else hash(self.sha256)

    def __add__(self, other: Statistics) -> Statistics:
        """Statistics of the records of both.

        Raises:
            ParameterError: other groups or statistics, or ones that do not merge.
        """
        if not isinstance(other, Statistics):
            return NotImplemented
        if self.keys() != other.keys():
            raise ParameterError(
                f"Only statistics of the same groups can be merged, got {sorted(self)} and "
                f"{sorted(other)}."
            )
        groups = {label: _merge(label, self[label], other[label]) for label in self}
        keys = ("records", "skipped")
        counts = {k: self.info.get(k, 0) + other.info.get(k, 0) for k in keys}
        return Statistics(groups, {**counts, "merged": True})

    @checked(path=PATH)
    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a zarr group; it is whole or not there, and carries checksums.

        Args:
            path: the folder to make.
            overwrite: replace statistics that stand there; anything else is refused.

        Raises:
            StoreError: something stands there, or it cannot be written.
        """
        target = Path(path)
        document, arrays = to_document(self)
        only = only_statistics if overwrite else None
        with staged_directory(target, may_replace=only) as staged, writing(target):
            sha256 = write_group(staged, document, arrays)
        self.path, self.sha256 = str(path), sha256
        return target

    def reference(self) -> dict[str, str]:
        """Path and SHA-256, for documents that refer to the statistics.

        Raises:
            NotFittedError: they were not saved.
        """
        if self.path is None or self.sha256 is None:
            raise NotFittedError(
                "Statistics that a document refers to must be saved, got ones in memory only. "
                "Call stats.save('stats.zarr') first."
            )
        return {"path": self.path, "sha256": self.sha256}


@checked(path=PATH, sha256=optional(TEXT))
def load_statistics(path: str | os.PathLike[str], *, sha256: str | None = None) -> Statistics:
    """Read statistics that `Statistics.save` wrote.

    Args:
        path: the folder.
        sha256: what is expected; None takes whatever is there.

    Raises:
        StoreError: there is nothing, or something else; the file is incomplete, truncated,
            changed, of an unknown schema, or not the expected one.
    """
    document, arrays, found = read_group(Path(path))
    if sha256 is not None and sha256 != found:
        raise StoreError(
            f"{path}: the statistics are not the expected ones: SHA-256 {found[:12]}.., expected "
            f"{sha256[:12]}... Restore the file that the pipeline was saved with."
        )
    return from_document(document, arrays, path=str(path), sha256=found)


def to_document(statistics: Statistics) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Statistics as JSON-ready data and arrays by name."""
    groups: list[dict[str, Any]] = []
    arrays: dict[str, NDArray] = {}
    for number, (label, group) in enumerate(statistics.items()):
        items = {}
        for name, item in group.items():
            items[name] = describe_item(item)
            arrays |= {f"{number}/{name}/{key}": a for key, a in item.arrays().items()}
        groups.append(
            {
                "label": label,
                "entry": group.entry,
                "start": group.start,
                "role": group.role,
                "names": list(group.names),
                "record_shape": list(group.record_shape),
                "dtype": group.dtype,
                "items": items,
            }
        )
    return {"info": statistics.info, "groups": groups}, arrays


def describe_item(item: Item | SecondLook) -> dict[str, Any]:
    """One statistic less its arrays, JSON-ready; or half a second look, of a checkpoint."""
    if isinstance(item, Spectrum):
        return {"kind": "spectrum", **item.attributes()}
    if isinstance(item, SecondLook):
        described = item.statistic.to_dict()
        name = item.statistic.name
        return {"kind": item.name, "of": name, "statistic": described, **item.attributes()}
    return {
        "kind": item.statistic.name,
        "statistic": item.statistic.to_dict(),
        "n": item.n,
        "seen": item.seen.to_dict(),
        **item.attributes(),
    }


def restore_item(document: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Any:
    """The inverse of what `describe_item` does, with the item's arrays."""
    kind = document["kind"]
    attributes = {k: v for k, v in document.items() if k not in ("kind", "of", "statistic")}
    if kind == "spectrum":
        return Spectrum.restore(attributes, arrays)
    if kind in LOOKS:
        statistic = statistic_class(document["of"]).from_dict(document["statistic"])
        return LOOKS[kind].restore(statistic, attributes, arrays)
    return statistic_class(kind).from_dict(document["statistic"]).restore(attributes, arrays)


def from_document(
    document: Mapping[str, Any],
    arrays: Mapping[str, NDArray],
    *,
    path: str | None = None,
    sha256: str | None = None,
) -> Statistics:
    """The inverse of `to_document`."""
    groups = {}
    for number, held in enumerate(document["groups"]):
        items = {}
        for name, described in held["items"].items():
            prefix = f"{number}/{name}/"
            own = {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
            items[name] = restore_item(described, own)
        settings = {k: v for k, v in held.items() if k not in ("label", "items")}
        settings |= {k: tuple(held[k]) for k in ("names", "record_shape")}
        groups[held["label"]] = GroupStatistics(**settings, held=items)
    return Statistics(groups, document["info"], path=path, sha256=sha256)


def _merge(label: str, mine: GroupStatistics, theirs: GroupStatistics) -> GroupStatistics:
    if mine.keys() != theirs.keys():
        raise ParameterError(
            f"Only equal sets of statistics can be merged, got {sorted(mine)} and "
            f"{sorted(theirs)} of {label!r}."
        )
    items: dict[str, Item] = {}
    for name, item in mine.items():
        other = theirs[name]
        if isinstance(item, State) and isinstance(other, State):
            items[name] = item.merge(other)
    if "zca" in mine:
        held, spectrum = items.get("covariance"), mine["zca"]
        if not isinstance(held, CovarianceState) or not isinstance(spectrum, Spectrum):
            raise ParameterError(
                f"Only statistics that hold a covariance can be merged, got a spectrum of "
                f"{label!r} by {getattr(spectrum, 'method', '')}. Fit both data sets at once, or "
                "with solver='primal'."
            )
        items["zca"] = held.spectrum(spectrum.centre)
    ordered = {name: items[name] for name in mine}
    settings = {
        k: getattr(mine, k) for k in ("entry", "start", "role", "names", "record_shape", "dtype")
    }
    return GroupStatistics(**settings, held=ordered)
