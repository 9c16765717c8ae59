"""Opening a zarr group, and telling what is wrong when it is none."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..._arguments import Kind
from ...errors import StoreError
from ._objects import patiently

if TYPE_CHECKING:
    import zarr
    from typing_extensions import TypeIs
    from zarr.abc.store import Store

    from ...spec import DataSpec

Destination: TypeAlias = "str | os.PathLike[str] | Store"
"""A folder, or an open store of zarr's."""

# Two letters at least: C:\\data is a path.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_METADATA = ("zarr.json", ".zgroup", ".zarray")


def is_address(path: object) -> bool:
    """Return whether a path is an address such as s3://bucket/train.zarr."""
    return isinstance(path, str) and bool(_ADDRESS.match(path))


def is_store(dest: Destination) -> TypeIs[Store]:
    """Return whether something is an open store of zarr's."""
    if isinstance(dest, str | os.PathLike):
        return False
    from zarr.abc.store import Store

    return isinstance(dest, Store)


def _is_destination(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) or is_store(value)


DESTINATION_KIND = Kind("a path, or an open store of zarr", _is_destination)
"""What arguments that are a `Destination` may be."""


def looks_like_zarr(path: Path) -> bool:
    """Return whether a folder has zarr metadata in it."""
    return any((path / name).is_file() for name in _METADATA)


def only_stores(target: Path) -> None:
    """What ``overwrite=True`` may remove: a zarr store, and nothing else.

    Raises:
        StoreError: something else stands there.
    """
    if not looks_like_zarr(target):
        raise StoreError(
            f"{target} is not a zarr store, so overwrite=True does not remove it. Choose another "
            "name, or remove it yourself."
        )


def refuse_inside(source: Any, dest: Destination) -> None:
    """A store must not grow inside the data that it is made from, nor around them.

    Args:
        source: may have ``roots``, the folders that it reads, and a ``group`` of zarr's.
        dest: a folder, or a store of zarr's.

    Raises:
        StoreError: it would.
    """
    if is_store(dest):
        group = getattr(source, "group", None)
        # By name: a group that is open for reading has a read-only copy of its store.
        if group is not None and str(group.store) == str(dest):
            raise StoreError(f"{dest} is the source itself. Write to another store.")
        root = getattr(dest, "root", None)  # of a folder
        if not isinstance(root, Path):
            return
        dest = root
    two = Path(dest).resolve()
    for path in getattr(source, "roots", ()):
        one = Path(path).resolve()
        if one == two or one in two.parents or two in one.parents:
            raise StoreError(
                f"{dest} and the source {path} lie in one another. Write to another folder."
            )


def open_group(path: str | os.PathLike[str] | Store) -> tuple[zarr.Group, str]:
    """Open a zarr group for reading; returns it with what to call it in errors.

    Raises:
        StoreError: there is no such folder, or it is not a group of version 2 or 3.
    """
    import zarr  # half a second, which users of arrays in memory need not wait for
    from zarr.abc.store import Store

    if isinstance(path, Store):
        return _open(path, str(path))
    if is_address(path):
        return _open(_remote(str(path)), str(path))
    folder = Path(path)
    if not folder.exists():
        raise StoreError(f"{folder}: there is nothing there. Check the path.")
    if not folder.is_dir() or not looks_like_zarr(folder):
        raise StoreError(
            f"{folder}: this is not a zarr store. Expected the folder of a zarr group, with a "
            "zarr.json (version 3) or a .zgroup (version 2) in it."
        )
    return _open(zarr.storage.LocalStore(folder, read_only=True), str(folder))


def _open(store: Store, where: str) -> tuple[zarr.Group, str]:
    import zarr

    foreign = not isinstance(store, zarr.storage.LocalStore)

    def attempt() -> zarr.Group | zarr.Array[Any]:
        # Consolidated metadata may be older than the arrays: of another length, or of arrays that
        # are gone. Each array is asked for its own.
        try:
            return zarr.open_group(store, mode="r", use_consolidated=False)
        except (FileNotFoundError, ValueError):
            return zarr.open_array(store, mode="r")

    try:
        node = patiently(attempt, foreign=foreign)
    except Exception as error:  # broken JSON, unknown codecs and formats all end up here
        raise StoreError(f"{where}: the zarr metadata cannot be read: {error}.") from error
    if not isinstance(node, zarr.Group):
        raise StoreError(
            f"{where}: this is a single zarr array. Expected a group with one array per entry: "
            f"give the folder above it ({Path(where).parent}) if that is one."
        )
    return node, where


def _remote(address: str) -> Store:
    """The store at an address such as s3://bucket/train.zarr."""
    import zarr

    try:
        return zarr.storage.FsspecStore.from_url(address, read_only=True)
    except ImportError as error:
        raise StoreError(
            f"{address}: reading from other machines needs fsspec and its driver for "
            f"{address.partition('://')[0]}: pip install 'multiaug[remote]'. Or open the store "
            "yourself (zarr.storage.ObjectStore with obstore) and pass it instead of an address."
        ) from error


def open_arrays(group: zarr.Group, spec: DataSpec, where: str) -> dict[str, zarr.Array[Any]]:
    """Open the arrays of the declared entries that are in the group.

    Raises:
        StoreError: a required entry is not there or is not an array, or its metadata is broken.
    """
    arrays = {}
    for name, entry in spec.entries.items():
        node = _node(group, name, where)
        if node is not None:
            arrays[name] = node
        elif not entry.optional:
            raise StoreError(
                f"{where}: there is no array {name!r}, which the spec declares; found "
                f"{names_in(group)}. Add it, or declare the entry as optional."
            )
    return arrays


def names_in(group: zarr.Group) -> list[str]:
    """Names of arrays and groups in a group."""
    try:
        return sorted(name for name, _ in group.members())
    except Exception:  # some stores cannot be listed; an error's text need not be complete
        return []


def _node(group: zarr.Group, name: str, where: str) -> zarr.Array[Any] | None:
    import zarr

    try:
        node = patiently(lambda: group[name], foreign=True)
    except Exception as error:
        # A codec that is not known is a KeyError as well, in some releases of zarr.
        if isinstance(error, KeyError) and not _is_there(group, name):
            return None
        raise StoreError(f"{where}/{name}: the metadata cannot be read: {error}.") from error
    if not isinstance(node, zarr.Array):
        raise StoreError(f"{where}/{name}: this is a group. Expected an array (N, ...).")
    return node


def _is_there(group: zarr.Group, name: str) -> bool:
    """Whether a member of a group has metadata."""
    from zarr.core.sync import sync

    folder = f"{group.path}/{name}" if group.path else name
    return any(sync(group.store.exists(f"{folder}/{file}")) for file in _METADATA)
