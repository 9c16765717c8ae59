"""Opening a zarr group, and telling what is wrong when it is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError

if TYPE_CHECKING:
    import zarr

    from ..spec import DataSpec

_METADATA = ("zarr.json", ".zgroup", ".zarray")


def looks_like_zarr(path: Path) -> bool:
    """Return whether a folder has zarr metadata in it."""
    return any((path / name).is_file() for name in _METADATA)


def open_group(path: Path) -> zarr.Group:
    """Open a zarr group for reading.

    Raises:
        StoreError: there is no such folder, or it is not a group of version 2 or 3.
    """
    import zarr  # half a second, which users of arrays in memory need not wait for

    if not path.exists():
        raise StoreError(f"{path}: there is nothing there. Check the path.")
    if not path.is_dir() or not looks_like_zarr(path):
        raise StoreError(
            f"{path}: this is not a zarr store. Expected the folder of a zarr group, with a "
            "zarr.json (version 3) or a .zgroup (version 2) in it."
        )
    try:
        node = zarr.open(path, mode="r")
    except Exception as error:  # broken JSON, unknown codecs and formats all end up here
        raise StoreError(f"{path}: the zarr metadata cannot be read: {error}.") from error
    if not isinstance(node, zarr.Group):
        raise StoreError(
            f"{path}: this is a single zarr array. Expected a group with one array per entry: "
            f"give the folder above it ({path.parent}) if that is one."
        )
    return node


def open_arrays(group: zarr.Group, spec: DataSpec, path: Path) -> dict[str, zarr.Array[Any]]:
    """Open the arrays of the declared entries that are in the group.

    Raises:
        StoreError: a required entry is not there or is not an array, or its metadata is broken.
    """
    arrays = {}
    for name, entry in spec.entries.items():
        if looks_like_zarr(path / name):
            arrays[name] = _open_array(group, name, path)
        elif not entry.optional:
            raise StoreError(
                f"{path}: there is no array {name!r}, which the spec declares; found "
                f"{_names(path)}. Add it, or declare the entry as optional."
            )
    return arrays


def _names(path: Path) -> list[str]:
    return sorted(node.name for node in path.iterdir() if looks_like_zarr(node))


def _open_array(group: zarr.Group, name: str, path: Path) -> zarr.Array[Any]:
    import zarr

    try:
        node = group[name]
    except Exception as error:
        raise StoreError(f"{path / name}: the metadata cannot be read: {error}.") from error
    if not isinstance(node, zarr.Array):
        raise StoreError(f"{path / name}: this is a group. Expected an array (N, ...).")
    return node
