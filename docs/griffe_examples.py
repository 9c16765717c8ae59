"""Examples of docstrings as code: Griffe reads a section of that name in the plural alone."""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^(\s*)Example:$", re.MULTILINE)


class ExampleSections(griffe.Extension):
    """Calls sections ``Example:`` as Griffe calls them."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the headings of a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub(r"\1Examples:", obj.docstring.value)
