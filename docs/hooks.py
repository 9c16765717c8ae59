"""What the site makes of pages that are written for the repository, and tables that code makes."""

from __future__ import annotations

import csv
import posixpath
import re
from pathlib import Path
from typing import Any

_DOCS = Path(__file__).parent

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
    if page.file.src_uri == "reference/tables.md":
        markdown = markdown.replace("<!-- touched -->", touched())
        markdown = markdown.replace("<!-- peers -->", peers())
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
    lines = ["| transform | setting | what it may be |", "|---|---|---|"]
    for name, cls in transforms().items():
        for setting, info in cls.settings().items():
            text = str(info).replace("|", "\\|").replace("<", "&lt;")
            lines.append(f"| `{name}` | `{setting}` | {text} |")
            name = ""
    return "\n".join(lines).replace("| `` |", "| |")


def transforms() -> dict[str, Any]:
    """Every transform, by name."""
    import multiaug as ma
    from multiaug.transforms import Transform

    return {
        name: cls
        for name, cls in sorted(vars(ma).items())
        if isinstance(cls, type) and issubclass(cls, Transform) and cls is not Transform
    }


def touched() -> str:
    """A row for every transform: roles that it changes, as the gallery's tables found them."""
    rows = {}
    for line in (_DOCS / "catalogue.md").read_text("utf-8").splitlines():
        if match := re.match(r"\| `(\w+)` \| .* \| (.*) \|$", line):
            words = [word for word in match[2].split(", ") if word]
            rows[match[1]] = (
                {word for word in words if not word.startswith("new ")},
                [word.removeprefix("new ") for word in words if word.startswith("new ")],
            )
    roles = list(dict.fromkeys(role for found, _ in rows.values() for role in sorted(found)))
    order = ["intensity", "label", "depth", "direction", "position", "boxes", "keypoints"]
    roles.sort(key=lambda role: order.index(role) if role in order else len(order))
    lines = [f"| transform | {' | '.join(roles)} | makes |", "|---|" + ":-:|" * len(roles) + "---|"]
    for name, (found, made) in sorted(rows.items()):
        marks = " | ".join("x" if role in found else "" for role in roles)
        lines.append(f"| `{name}` | {marks} | {', '.join(made)} |")
    return "\n".join(lines)


def peers() -> str:
    """A row for every transform: its counterparts in other libraries."""
    from multiaug.elsewhere import counterparts

    with (_DOCS / "peers.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    libraries = list(table[0])[1:]
    translated = {
        library: {row.name: row.here.split() for row in counterparts(library)}
        for library in ("albumentations", "torchvision")
    }
    lines = [f"| transform | {' | '.join(libraries)} |", "|---|" + "---|" * len(libraries)]
    for row in table:
        cells = []
        for library in libraries:
            ours = translated.get(library, {})
            names = [f"**`{name}`**" for name in ours if row["transform"] in ours[name]]
            names += [f"`{name}`" for name in row[library].split()]
            cells.append(" ".join(names) or "-")
        lines.append(f"| `{row['transform']}` | {' | '.join(cells)} |")
    return "\n".join(lines)
