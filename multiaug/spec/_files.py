"""Reading spec documents from files, and the ones that are shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .._arguments import PATH, checked
from ..errors import Mistake, SpecError
from ._mistakes import listed, suggest
from ._schema import Checked, data_specs_folder
from ._spec import DataSpec


def shipped_specs() -> tuple[str, ...]:
    """Names that `load_spec` knows without a path, sorted."""
    names = (path.name.removesuffix(".json") for path in data_specs_folder().glob("*.json"))
    return tuple(sorted(name for name in names if not name.endswith(".schema")))


@checked(name_or_path=PATH)
def load_spec(name_or_path: str | os.PathLike[str]) -> DataSpec:
    """Read a spec: a shipped one by its name, or your own from a JSON file.

    >>> list(load_spec("rgbxyz").entries)
    ['rgbxyz', 'mask', 'intrinsics']

    Args:
        name_or_path: a name from `shipped_specs`, or the path of a JSON document; a shipped
            name wins over a file of the same name (write ``./rgbxyz`` for the file).

    Raises:
        SpecError: there is no such spec, the file is not JSON, or the document has mistakes;
            all of them at once, each with its JSON path.
    """
    shipped = shipped_specs()
    text = os.fspath(name_or_path)
    if text in shipped:
        path = data_specs_folder() / f"{text}.json"
    else:
        path = Path(text)
        if not path.is_file():
            expected = f"a JSON file, or a shipped name: {listed(shipped)}{suggest(text, shipped)}"
            raise SpecError(text, [Mistake("$", "no such file", expected)])
    return DataSpec.from_dict(_read_json(path), source=str(path))


def _read_json(path: Path) -> Any:
    """Parse strictly: UTF-8, and repeated keys are remembered to be refused."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_object)
    except OSError as error:
        mistake = Mistake("$", error.strerror or str(error), "a file that can be read")
    except UnicodeDecodeError as error:
        mistake = Mistake("$", f"byte {error.start} that is not UTF-8", "JSON in UTF-8")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        mistake = Mistake("$", f"invalid JSON at {place} ({error.msg})", "a JSON document")
    except RecursionError:
        mistake = Mistake("$", "objects nested too deeply to read", "a spec document")
    raise SpecError(str(path), [mistake])


def _object(pairs: list[tuple[str, Any]]) -> Checked:
    out = Checked(pairs)
    keys = [key for key, _ in pairs]
    out.repeated = tuple(key for key in out if keys.count(key) > 1)
    return out
