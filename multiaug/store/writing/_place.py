"""What a place offers in which a store grows.

Each keeps a log of the blocks that are done. Until the marker of the store is complete, last of
all, readers refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..zarr._objects import Objects

if TYPE_CHECKING:
    import zarr

LOG = ".multiaug-log"
_T = TypeVar("_T")
Entry = Mapping[str, Any]


class Place(Protocol):
    """Where a store grows. Goes through pickle: workers write blocks."""

    held: bool
    """Whether nobody else can write to it meanwhile."""

    @property
    def dest(self) -> Any:
        """The destination, as the user named it."""

    @property
    def objects(self) -> Objects:
        """What is stored so far."""

    def begin(self, *, overwrite: bool) -> bool:
        """Refuse a destination that is taken; returns whether an unfinished store stands there.

        Raises:
            StoreError: something stands there that may not be replaced.
        """

    def found(self) -> Any:
        """The marker of what stands there; None where it has none."""

    def clear(self) -> None:
        """Remove the unfinished store."""

    def create(self, fill: Callable[[zarr.Group], None], zarr_version: int) -> None:
        """Make a group, and fill it; it is there when all of it is."""

    def group(self) -> zarr.Group:
        """The unfinished store, to write to."""

    def forget(self, keys: Iterable[str]) -> None:
        """Remove what an earlier attempt has left of some objects."""

    def flush(self, keys: Iterable[str]) -> dict[str, int]:
        """Force objects to the disk, where that can be; returns their sizes."""

    def log(self, entry: Entry) -> None:
        """Count a block as done."""

    def done(self, blocks: int) -> dict[int, Entry]:
        """The log: block -> its entry; without those whose objects are not there any more."""

    def commit(self, blocks: Iterable[int]) -> None:
        """Give the store its name, and remove the log."""

    def do(self, attempt: Callable[[], _T]) -> _T:
        """Try a few times, as disks and networks fail; then say what can be done."""


def new_group(store: Any, zarr_version: int) -> zarr.Group:
    import zarr

    return zarr.open_group(store, mode="w", zarr_format=3 if zarr_version == 3 else 2)


def is_incomplete(marker: Any) -> bool:
    return isinstance(marker, Mapping) and marker.get("complete") is False
