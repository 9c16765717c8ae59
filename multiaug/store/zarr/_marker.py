"""The completion marker: what a store written here says about itself, written last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import SpecError, StoreError
from ...files import ATTRIBUTE
from ...spec import DataSpec

if TYPE_CHECKING:
    import zarr

SCHEMA = "multiaug.store/1"


@dataclass(frozen=True)
class Marker:
    """The group attribute ``multiaug`` of a store.

    Args:
        records: number of records in every array.
        spec: what the entries are.
        chunk: records per chunk.
        sha256: array name -> digest of its values in C order.
        complete: False while the store is being written.
        digest_rows: None where ``sha256`` digests the values as one; a number where it digests
            the digests of blocks of as many records.
        provenance: what the records were made from, and how.
    """

    records: int
    spec: DataSpec
    chunk: int
    sha256: Mapping[str, str]
    complete: bool = True
    digest_rows: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def write(self, group: zarr.Group) -> None:
        """Put the marker on a group."""
        group.attrs[ATTRIBUTE] = self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The marker as JSON."""
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "complete": self.complete,
            "records": self.records,
            "chunk": self.chunk,
            "sha256": dict(self.sha256),
            "spec": self.spec.to_dict(),
        }
        if self.digest_rows is not None:
            document["digest_rows"] = self.digest_rows
        if self.provenance:
            document["provenance"] = dict(self.provenance)
        return document


def read_marker(group: zarr.Group, where: str) -> Marker | None:
    """Return the marker of a store; None for a store that was not written here.

    Raises:
        StoreError: the store is incomplete, of an unknown schema, or its marker is damaged.
    """
    found: Any = group.attrs.get(ATTRIBUTE)
    if found is None:
        return None
    if not isinstance(found, Mapping) or found.get("schema") != SCHEMA:
        schema = found.get("schema") if isinstance(found, Mapping) else found
        raise StoreError(
            f"{where}: attributes[{ATTRIBUTE!r}] has schema {schema!r}, expected {SCHEMA!r}. The "
            "store was written by another version: read it with that one, or write it again."
        )
    if found.get("complete") is not True:
        raise StoreError(
            f"{where}: the store is not complete: writing it was cut short. Write it again."
        )
    try:
        return Marker(
            records=int(found["records"]),
            spec=DataSpec.from_dict(found["spec"]),
            chunk=int(found["chunk"]),
            sha256=dict(found["sha256"]),
            digest_rows=found.get("digest_rows"),
            provenance=dict(found.get("provenance", {})),
        )
    except (KeyError, TypeError, SpecError) as error:
        raise StoreError(
            f"{where}: attributes[{ATTRIBUTE!r}] is damaged: {error}. Write the store again."
        ) from error
