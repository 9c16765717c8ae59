"""Settings that name one entry of a record."""

from __future__ import annotations

from typing import Any

from ..errors import ParameterError


def entry_name(value: Any, field_name: str) -> str:
    """A name, which is looked up when the transform meets a spec."""
    if not isinstance(value, str):
        raise ParameterError(f"`{field_name}` must be the name of an entry, got {value!r}.")
    return value
