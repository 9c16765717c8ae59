"""`DataSpec`: what a record holds, as one hashable value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .._arguments import TEXT, Kind, check_argument, checked, instance, is_iterable, optional
from .._tables import Report, Reported
from ..errors import SpecError
from ._document import (
    SCHEMA_VERSION,
    Document,
    read_document,
    write_camera,
    write_entry,
)
from ._mistakes import Finding, in_document_order
from ._model import CameraSpec, ChannelGroup, Entries, EntrySpec


def _are_entries(value: Any) -> bool:
    if not isinstance(value, Mapping | list):
        return False
    entries = value.values() if isinstance(value, Mapping) else value
    return all(isinstance(entry, EntrySpec) for entry in entries)


_ENTRIES = Kind(
    "entries, or a mapping from name to entry",
    _are_entries,
    "Make each with EntrySpec.of_role, or the spec with DataSpec.from_dict.",
)


@dataclass(frozen=True, eq=False, init=False, repr=False)
class DataSpec(Reported):
    """Names the entries of a record and says what the values of each mean.

    >>> spec = DataSpec("pictures", [EntrySpec.of_role("image", "intensity", channels=3)])
    >>> spec.reference()
    'image'

    Args:
        name: what to call the spec.
        entries: the entries in order; a mapping from name to `EntrySpec`, or only these.
        camera: how cameras behave under the geometry.
        description: one sentence for people.

    Raises:
        SpecError: the entries or the camera contradict themselves, their roles or each other;
            all mistakes at once.
    """

    name: str
    entries: Entries
    camera: CameraSpec
    description: str
    _hash: int = field(init=False, repr=False)

    @checked(
        name=TEXT,
        camera=optional(instance(CameraSpec, "a CameraSpec")),
        description=TEXT,
    )
    def __init__(
        self,
        name: str,
        entries: Mapping[str, EntrySpec] | Iterable[EntrySpec],
        camera: CameraSpec | None = None,
        description: str = "",
    ) -> None:
        source = f"DataSpec {name!r}"
        given = [*entries] if is_iterable(entries) else entries
        check_argument("DataSpec.entries", given, _ENTRIES)
        listed = _listed(given, source)
        self._fill(Document(name, description, listed, camera or CameraSpec()))
        read = read_document(self.to_dict(), source)
        pairs = zip(listed, read.entries, strict=True)
        findings = [finding for old, new in pairs for finding in _diff(old, new)]
        if findings:
            raise SpecError(source, in_document_order(findings, self.to_dict()))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], source: str = "DataSpec.from_dict") -> DataSpec:
        """Read a spec from a JSON document that is already in memory.

        Args:
            document: the object, as in ``data_specs/*.json``.
            source: what error messages call the document.

        Raises:
            SpecError: with every mistake of the document at once, each with its JSON path.
        """
        spec = object.__new__(cls)
        spec._fill(read_document(document, source))
        return spec

    def to_dict(self) -> dict[str, Any]:
        """The spec as a JSON document; `from_dict` makes an equal spec of it.

        What the roles chose by default is written out, so that a document keeps its meaning.
        """
        return {
            "schema": SCHEMA_VERSION,
            "name": self.name,
            "description": self.description,
            "camera": write_camera(self.camera),
            "entries": {name: write_entry(entry) for name, entry in self.entries.items()},
        }

    def as_read(self) -> DataSpec:
        """The spec of records that a source has read: their `values` are labels already.

        It is the spec that every source carries, and that is written beside records, so that
        nothing is mapped twice.
        """
        if not any(group.values for entry in self.entries.values() for group in entry.groups):
            return self
        entries = tuple(
            replace(entry, groups=tuple(replace(group, values=()) for group in entry.groups))
            for entry in self.entries.values()
        )
        return _rebuild(Document(self.name, self.description, entries, self.camera))

    def of_images(self) -> DataSpec:
        """The spec of records that hold one frame in the place of each entry with ``time``."""
        if all(entry.time is None for entry in self.entries.values()):
            return self
        entries = tuple(replace(entry, time=None) for entry in self.entries.values())
        return _rebuild(Document(self.name, self.description, entries, self.camera))

    def reference(self, present: Collection[str] | None = None) -> str | None:
        """Name of the entry whose frame the geometry refers to.

        Args:
            present: the names that a record holds; by default every declared entry.

        Returns:
            The first picture with role intensity, else the first picture, else None.
        """
        pictures = [
            entry
            for name, entry in self.entries.items()
            if entry.kind == "spatial" and (present is None or name in present)
        ]
        for entry in pictures:
            if any(group.role == "intensity" for group in entry.groups):
                return entry.name
        return pictures[0].name if pictures else None

    def __repr__(self) -> str:
        """Python that makes it, with ``from multiaug import *``."""
        from ._text import as_python  # which reads the shipped ones, and so imports this

        return as_python(self)

    def _report(self) -> Report:
        from ._text import report_of

        return report_of(self)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, DataSpec):
            return NotImplemented
        return self._hash == other._hash and self._key() == other._key()

    def __reduce__(self) -> tuple[Any, ...]:
        # The hash of a string differs from one process to the next, so it must not travel.
        entries = tuple(self.entries.values())
        return _rebuild, (Document(self.name, self.description, entries, self.camera),)

    def _key(self) -> tuple[object, ...]:
        return self.name, self.description, self.entries, self.camera

    def _fill(self, document: Document) -> None:
        set_field = object.__setattr__
        set_field(self, "name", document.name)
        set_field(self, "entries", Entries(document.entries))
        set_field(self, "camera", document.camera)
        set_field(self, "description", document.description)
        # Hashed on every call of a jitted function, hence only once here.
        set_field(self, "_hash", hash(self._key()))


def _rebuild(document: Document) -> DataSpec:
    """A spec of parts that were checked when it, or the one it was made from, was built."""
    spec = object.__new__(DataSpec)
    spec._fill(document)
    return spec


def _listed(
    entries: Mapping[str, EntrySpec] | Iterable[EntrySpec], source: str
) -> tuple[EntrySpec, ...]:
    """The entries in order; refuses what a document could not even say."""
    findings: list[Finding] = []
    if isinstance(entries, Mapping):
        for name, entry in entries.items():
            if entry.name != name:
                text = f"{entry.name!r}, which the entry calls itself"
                findings.append(Finding(("entries", name), f"the key {name!r}", text))
        entries = entries.values()
    listed = tuple(entries)
    for name, count in Counter(entry.name for entry in listed).items():
        if count > 1:
            text = "every name once"
            findings.append(Finding(("entries", name), f"{count} entries of this name", text))
    findings.extend(
        Finding(("entries", entry.name, "groups"), "none", "at least one channel group")
        for entry in listed
        if not entry.groups
    )
    if findings:
        raise SpecError(source, [finding.mistake() for finding in findings])
    return listed


def _diff(old: EntrySpec, new: EntrySpec) -> Iterator[Finding]:
    """Fields of a hand-made entry that no document leads to, such as channels left out."""
    for index, (mine, read) in enumerate(zip(old.groups, new.groups, strict=True)):
        for name in (f.name for f in fields(ChannelGroup)):
            found, expected = getattr(mine, name), getattr(read, name)
            if found != expected:
                text = f"{expected!r} here; EntrySpec.of_role fills it in"
                path = ("entries", old.name, "groups", index, name)
                yield Finding(path, repr(found), text)


SPEC_KIND = instance(DataSpec, "a DataSpec", "Load one with multiaug.load_spec.")
"""What arguments called ``spec`` may be."""
