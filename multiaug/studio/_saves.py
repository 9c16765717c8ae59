"""Pipelines saved as JSON in one folder, none of them over somebody else's change."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..files import replace_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_ENDING = ".json"
_LARGEST = 16 * 2**20


class ConflictError(Exception):
    """What is saved is not what the page has seen last."""


class Saves:
    """The folder that pipelines are saved in; no other file is read or written.

    Args:
        folder: an existing folder; None where nothing can be saved.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self.folder = None if folder is None else Path(folder).resolve()
        if self.folder is not None and not self.folder.is_dir():
            raise StoreError(
                f"{folder}: there is no such folder. Make it before the studio starts."
            )
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Of the pipelines that are saved, in order."""
        if self.folder is None:
            return []
        files = [path for path in self.folder.iterdir() if path.suffix == _ENDING]
        return sorted(
            path.stem
            for path in files
            if _NAME.fullmatch(path.stem) and path.is_file() and not path.is_symlink()
        )

    def load(self, name: str) -> tuple[Any, str]:
        """A saved document, and the tag that `save` asks for.

        Raises:
            StoreError: no such name, or no JSON in the file.
        """
        path = self._path(name)
        try:
            content = self._content(path)
            return json.loads(content), tag_of(content)
        except FileNotFoundError as error:
            raise StoreError(f"{name}: there is no pipeline of this name in the folder.") from error
        except (OSError, ValueError) as error:
            raise StoreError(f"{path.name}: this is not a JSON document ({error}).") from error

    def save(self, name: str, document: Mapping[str, Any], tag: str | None) -> str:
        """Write a document under a name.

        Args:
            name: letters, digits, spaces, dots, dashes and underscores.
            document: JSON-ready data.
            tag: of what the page has loaded or saved last under this name; None where it has not.

        Returns:
            The tag of what is saved now.

        Raises:
            ConflictError: something else is saved there.
            StoreError: no folder, a name that is none, or the disk refuses.
        """
        path = self._path(name)
        content = (json.dumps(document, indent=2) + "\n").encode()
        with self._lock:
            try:
                there: str | None = tag_of(self._content(path))
            except FileNotFoundError:
                there = None
            if there is not None and there != tag:
                if tag is None:
                    raise ConflictError(
                        f"{path.name} exists already. Load it first, or save under another name."
                    )
                raise ConflictError(
                    f"{path.name} was changed by somebody else since you loaded it. Load it again, "
                    "or save under another name."
                )
            if there is None and tag is not None:
                raise ConflictError(
                    f"{path.name} was removed meanwhile. Save once more to write it anew."
                )
            if there is None:
                _create(path, content)
            else:
                replace_file(path, content)
        return tag_of(content)

    def _path(self, name: str) -> Path:
        if self.folder is None:
            raise StoreError(
                "Nothing can be saved: the studio was started without a folder. Start it with "
                "save_to=FOLDER, or copy the JSON."
            )
        if not _NAME.fullmatch(name) or name.endswith((".", " ")):
            raise StoreError(
                f"{name[:80]!r} is no name of a pipeline. Use up to 64 letters, digits, spaces, "
                "dots, dashes and underscores, the first a letter or a digit."
            )
        return self.folder / f"{name}{_ENDING}"

    def _content(self, path: Path) -> bytes:
        """What a file holds; a link would lead out of the folder."""
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise StoreError(f"{path.name}: this is too large for a pipeline.")
        return content


def tag_of(content: bytes) -> str:
    """What tells contents of files apart."""
    return hashlib.sha256(content).hexdigest()[:32]


def _create(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet; whoever made it meanwhile keeps it."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        replace_file(staged, content)
        os.link(staged, path)
    except FileExistsError as error:
        raise ConflictError(f"{path.name} exists already. Save under another name.") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        staged.unlink(missing_ok=True)
