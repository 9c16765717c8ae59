"""Statistics as a zarr group: whole or not there, every array with its checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from ..files import ATTRIBUTE, create_array, sha256_array, sha256_of
from ..typing import NDArray
from .covariance._blocks import aligned

if TYPE_CHECKING:
    import zarr

SCHEMA = "multiaug.statistics/1"
_CHUNK_BYTES = 16 * 2**20

Arrays = Mapping[str, NDArray]


def write_group(folder: Path, document: Mapping[str, Any], arrays: Arrays) -> str:
    """Write arrays and a document into an empty folder; the marker comes last.

    Returns:
        The SHA-256 by which the whole is known: of the document and every array's own.
    """
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=3)
    group.attrs[ATTRIBUTE] = {"schema": SCHEMA, "complete": False}
    digests = {}
    for name, array in arrays.items():
        _write_array(group, name, array)
        digests[name] = [array.dtype.name, list(array.shape), sha256_array(array)]
    sha256 = _digest(document, digests)
    group.attrs[ATTRIBUTE] = {
        "schema": SCHEMA,
        "complete": True,
        "sha256": sha256,
        "arrays": digests,
        "document": dict(document),
    }
    return sha256


def _write_array(group: zarr.Group, name: str, array: NDArray) -> None:
    row = max(1, array.nbytes // max(1, len(array))) if array.ndim else 1
    length = max(1, min(_CHUNK_BYTES // row, len(array))) if array.ndim else 0
    made = create_array(
        group,
        name,
        shape=array.shape,
        chunks=(length, *array.shape[1:]) if array.ndim else (),
        dtype=array.dtype,
        level=1,  # eigenvectors hardly compress
    )
    if not array.ndim:
        made[...] = array
    for start in range(0, len(array) if array.ndim else 0, max(1, length)):
        made[start : start + length] = array[start : start + length]


def read_group(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray], str]:
    """Read what `write_group` wrote.

    Returns:
        The document, the arrays, and the SHA-256 of the whole.

    Raises:
        StoreError: there is nothing, or something else; the file is incomplete, of another
            schema, truncated or changed.
    """
    marker = _marker(folder)
    document, listed = marker.get("document"), marker.get("arrays")
    damaged = f"{folder}: the statistics are damaged"
    if not isinstance(document, dict) or not isinstance(listed, dict):
        raise StoreError(f"{damaged}: the document is not there. Fit and save them again.")
    if _digest(document, listed) != marker.get("sha256"):
        raise StoreError(
            f"{damaged}: the document does not fit its checksum. They were changed after they "
            "were written: fit and save them again."
        )
    return document, _read_arrays(folder, listed, damaged), str(marker["sha256"])


def only_statistics(folder: Path) -> None:
    """What `Statistics.save` may replace: statistics, of any release, and nothing else.

    Raises:
        StoreError: something else stands there.
    """
    try:
        ours = str(_found(folder)["schema"]).startswith(SCHEMA.partition("/")[0])
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise StoreError(
            f"{folder} holds no statistics, so overwrite=True does not remove it. Choose another "
            "name, or remove it yourself."
        )


def _found(folder: Path) -> Any:
    return json.loads((folder / "zarr.json").read_text())["attributes"][ATTRIBUTE]


def _marker(folder: Path) -> dict[str, Any]:
    """The marker of a group; refuses what is not a complete file of a known schema."""
    if not folder.exists():
        raise StoreError(f"{folder}: there is nothing there. Check the path.")
    try:
        found = _found(folder)
        schema = found["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{folder}: these are not statistics that multiaug saved. Expected the folder that "
            "was given to save()."
        ) from error
    if schema != SCHEMA:
        raise StoreError(
            f"{folder}: the schema is {schema!r}, expected {SCHEMA!r}. Read it with the version "
            "that wrote it, or fit again."
        )
    if found.get("complete") is not True:
        raise StoreError(f"{folder}: writing the statistics was cut short. Fit and save again.")
    return dict(found)


def _read_arrays(folder: Path, listed: Mapping[str, Any], damaged: str) -> dict[str, NDArray]:
    import zarr

    arrays = {}
    try:
        group = zarr.open_group(folder, mode="r")
        for name in listed:
            node = group[name]
            assert isinstance(node, zarr.Array)
            arrays[name] = _read_array(node)
    except MemoryError:
        raise
    except Exception as error:  # whatever a codec finds in broken bytes
        raise StoreError(
            f"{damaged}: {name!r} cannot be read ({type(error).__name__}: {error}). Restore the "
            "folder from a copy, or fit again."
        ) from error
    for name, (dtype, shape, digest) in listed.items():
        array = arrays[name]
        known = array.dtype.name == dtype and list(array.shape) == shape
        if not known or sha256_array(array) != digest:
            raise StoreError(
                f"{damaged}: {name!r} does not fit its checksum: a chunk is lost or was changed. "
                "Restore the folder from a copy, or fit again."
            )
    return arrays


def _read_array(node: zarr.Array[Any]) -> NDArray:
    """All values, in memory that JAX can use as it is; no more than a chunk besides."""
    if not node.ndim:
        return np.asarray(node[...])
    found = aligned(node.shape, node.dtype)
    length = max(1, node.chunks[0])
    for start in range(0, len(found), length):
        found[start : start + length] = np.asarray(node[start : start + length])
    return found


def _digest(document: Mapping[str, Any], digests: Mapping[str, Any]) -> str:
    return sha256_of(SCHEMA, json.dumps([document, digests], sort_keys=True))
