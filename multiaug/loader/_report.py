"""What a notebook shows of a loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._tables import Report, Table

if TYPE_CHECKING:
    from ._loader import Loader


def report_of(loader: Loader) -> Report:
    """Its settings and where it stands; the source and the pipeline folded away."""
    index, count = loader.shard
    settings: dict[str, Any] = {
        "batch_size": loader.batch_size,
        "steps an epoch": len(loader),
        "epoch": loader.epoch,
        "seed": loader.seed,
        "drop_last": loader.drop_last,
        "window": loader.window,
    }
    if count > 1:
        settings["shard"] = f"{index} of {count}"
    rows = tuple((name, str(value)) for name, value in settings.items())
    inside: tuple[Any, ...] = (loader.source, loader.pipeline)
    nested = tuple(one._report() for one in inside if hasattr(one, "_report"))
    title = f"Loader of {len(loader.source)} records"
    return Report(title, (Table(("setting", "value"), rows),), "", nested)
