"""What the site makes of pages that are written for the repository, and tables that code makes."""

from __future__ import annotations

import csv
import json
import posixpath
import re
from pathlib import Path
from typing import Any

_DOCS = Path(__file__).parent

_FETCHED = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^>]*>'
    r'|<link\b[^>]*\brel="(?:stylesheet|preconnect|icon)"[^>]*\bhref="(?:https?:)?//[^>]*>'
)
_PYTHON = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_RELATIVE = re.compile(r"(\]\()((?!https?:|#)[^)#\s]+)((?:#[^)]*)?\))")
_LINK = re.compile(r"(\]\()(\.\./[^)#\s]+)((?:#[^)]*)?\))")


def on_files(files: Any, *, config: Any) -> Any:
    """Every tutorial is there as a notebook, made of the same page."""
    from mkdocs.structure.files import File  # tests read the tables without it

    for file in list(files.documentation_pages()):
        if file.src_uri.startswith("tutorials/") and file.name != "index":
            text = json.dumps(notebook(file.content_string, config), indent=1)
            uri = file.src_uri.removesuffix(".md") + ".ipynb"
            files.append(File.generated(config, uri, content=text))
    return files


def notebook(markdown: str, config: Any) -> dict[str, Any]:
    """A tutorial as a notebook: blocks of Python are cells, and links are absolute."""

    def absolute(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs/tutorials", match[2]))
        if not target.startswith("docs/"):
            return f"{match[1]}{config.repo_url}/blob/main/{target}{match[3]}"
        page = re.sub(r"\.md$", ".html", target.removeprefix("docs/"))
        return f"{match[1]}{config.site_url}{page}{match[3]}"

    cells: list[dict[str, Any]] = []
    for index, part in enumerate(_PYTHON.split(markdown)):
        kind = "code" if index % 2 else "markdown"
        text = part.strip() if kind == "code" else _RELATIVE.sub(absolute, part).strip()
        if not text:
            continue
        cell = {"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}}
        cell["source"] = text.splitlines(keepends=True)
        cells.append(cell | ({"execution_count": None, "outputs": []} if index % 2 else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Links to files of the repository that are no pages lead to the repository."""
    here = posixpath.dirname(page.file.src_uri)

    def outside(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", here, match[2]))
        if target.startswith("docs/"):
            return match[0]
        return f"{match[1]}{config.repo_url}/blob/main/{target}{match[3]}"

    markdown = _LINK.sub(outside, markdown)
    if here == "tutorials" and page.file.name != "index":
        download = f"[Download this page as a notebook]({page.file.name}.ipynb)"
        markdown = re.sub(r"\A(# .+\n)", rf"\1\n{download}\n", markdown)
    if page.file.src_uri == "catalogue.md":  # sheets are wider than pages: a click shows them whole
        markdown = re.sub(r"^(!\[[^\]]*\](\([^)]*\)))$", r"[\1]\2", markdown, flags=re.MULTILINE)
    if page.file.src_uri == "reference/roles.md":
        markdown = markdown.replace("<!-- roles -->", roles())
    if page.file.src_uri == "reference/transforms.md":
        markdown = markdown.replace("<!-- settings -->", settings())
    if page.file.src_uri == "reference/tables.md":
        page.meta["hide"] = ["toc"]  # the tables are wide
        markdown = markdown.replace("<!-- touched -->", touched())
        markdown = markdown.replace("<!-- peers -->", peers())
    return markdown


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Pages fetch nothing: neither what the theme asks the forge for, nor anything else."""
    output = output.replace(' data-md-component="source"', "")  # stars and releases
    if match := _FETCHED.search(output):
        raise ValueError(f"{page.file.src_uri} fetches from the network: {match[0]}")
    return output


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
