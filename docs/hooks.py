"""What the site makes of pages that are written for the repository, and tables that code makes."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(\]\()(\.\./[^)#\s]+)((?:#[^)]*)?\))")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Links to files of the repository that are no pages lead to the repository."""
    here = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", here, match[2]))
        if target.startswith("docs/"):
            return match[0]
        return f"{match[1]}{config.repo_url}/blob/main/{target}{match[3]}"

    markdown = _LINK.sub(outside, markdown)
    if page.file.src_uri == "reference/roles.md":
        markdown = markdown.replace("<!-- roles -->", roles())
    if page.file.src_uri == "reference/transforms.md":
        markdown = markdown.replace("<!-- settings -->", settings())
    return markdown


def roles() -> str:
    """A row for every role."""
    from multiaug.spec import ROLE_TRAITS

    kinds = {"b": "bool", "i": "signed", "u": "unsigned", "f": "floats"}
    lines = [
        "| role | kind | channels | dtypes | sampled by | borders | no data |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, traits in sorted(ROLE_TRAITS.items()):
        row = [
            f"`{name}`",
            traits.kind,
            "any" if traits.channels is None else str(traits.channels),
            ", ".join(kinds.get(kind, kind) for kind in traits.dtype_kinds),
            ", ".join(traits.interpolations) or "not sampled",
            ", ".join(traits.borders),
            str(traits.default_invalid) if traits.may_be_invalid else "",
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def settings() -> str:
    """A row for every setting of every transform."""
    import multiaug as ma
    from multiaug.transforms import Transform

    lines = ["| transform | setting | what it may be |", "|---|---|---|"]
    for name in sorted(vars(ma)):
        cls = getattr(ma, name)
        if isinstance(cls, type) and issubclass(cls, Transform):
            for setting, info in cls.settings().items():
                text = str(info).replace("|", "\\|").replace("<", "&lt;")
                lines.append(f"| `{name}` | `{setting}` | {text} |")
                name = ""
    return "\n".join(lines).replace("| `` |", "| |")
