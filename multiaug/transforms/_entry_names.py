"""Settings that name one entry of a record, and names of new entries."""

from __future__ import annotations

from typing import Any

from ..errors import ParameterError
from ..spec import DataSpec


def entry_name(value: Any, field_name: str) -> str:
    """A name, which is looked up when the transform meets a spec."""
    if not isinstance(value, str):
        raise ParameterError(f"`{field_name}` must be the name of an entry, got {value!r}.")
    return value


def refuse_taken(
    owner: str, name: str, spec: DataSpec, remedy: str = "Rename the entry of the spec."
) -> None:
    """Refuse to make an entry that the spec has.

    Args:
        owner: the transform, or its setting, that names the new entry.
        name: of the new entry.
        spec: of the records where the transform stands.
        remedy: a whole sentence.

    Raises:
        ParameterError: it has one of that name.
    """
    if name in spec.entries:
        raise ParameterError(
            f"`{owner}` makes the entry {name!r}, which the spec has already. {remedy}"
        )
