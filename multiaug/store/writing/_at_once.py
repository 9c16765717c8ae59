"""Where a store is written in one go: a folder, or behind zarr's store API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StoreError
from ...files import staged_directory, writing
from ..zarr._group import Destination, is_store, only_stores
from ..zarr._objects import FileObjects, Objects
from ._place import new_group
from ._store_place import StorePlace

if TYPE_CHECKING:
    import zarr


@contextmanager
def staged_group(dest: Destination, *, overwrite: bool) -> Iterator[tuple[zarr.Group, Objects]]:
    """A new group for what is written in one go, and cannot be resumed.

    Args:
        dest: a folder, which gets its name at the end; or an open store of zarr's, where the
            marker that the caller completes is the commit.
        overwrite: replace what multiaug wrote there before.

    Yields:
        The group, and the objects below it.

    Raises:
        StoreError: something stands there that may not be replaced, or it cannot be written.
    """
    if is_store(dest):
        place = StorePlace(dest)
        if place.begin(overwrite=overwrite):
            if not overwrite:
                raise StoreError(
                    f"{dest} holds an unfinished store. Finish it by the command that began it, "
                    "choose another place, or ask for it to be replaced (overwrite=True)."
                )
            place.clear()
        yield place.do(lambda: new_group(dest, 3)), place.objects
        return
    target = Path(dest)
    with staged_directory(target, may_replace=only_stores if overwrite else None) as staged:
        with writing(target):
            group = new_group(staged, 3)
        yield group, FileObjects(staged)
