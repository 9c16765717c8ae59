"""Whether names in docs/peers.csv are in their packages: `python -m benchmarks.counterparts`.

Packages that cannot be imported are left out, and that is said.
"""

from __future__ import annotations

import csv
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from multiaug.elsewhere import counterparts

TABLE = Path(__file__).resolve().parents[1] / "docs" / "peers.csv"
# Where the names of a column are looked for; of `auto.AutoAugment` in the module `auto` of one.
MODULES = {
    "albumentations": ("albumentations",),
    "torchvision": ("torchvision.transforms.v2",),
    "kornia": ("kornia.augmentation", "kornia"),
    "MONAI": ("monai.transforms",),
    "Keras": ("keras.layers",),
    "batchgeneratorsv2": ("batchgeneratorsv2.transforms",),
}


def has(modules: tuple[ModuleType, ...], dotted: str) -> bool:
    """Whether one of some modules, or of the modules below them, has a name."""
    for module in modules:
        found: object = module
        for part in dotted.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return True
    return False


def with_children(name: str) -> Iterator[ModuleType]:
    """A module; of a package that exports nothing itself all that is below it."""
    module = importlib.import_module(name)
    yield module
    if name.startswith("batchgeneratorsv2"):
        for child in pkgutil.walk_packages(module.__path__, f"{name}.", lambda _: None):
            try:
                yield importlib.import_module(child.name)
            except ImportError as error:
                print(f"{child.name}: left out, {error}")


def main() -> int:
    """Print names that are not there; the exit code is their number."""
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = 0
    for library, places in MODULES.items():
        try:
            modules = tuple(module for place in places for module in with_children(place))
        except (ImportError, RuntimeError) as error:  # the latter of a torch that does not fit
            print(f"{library}: left out, {error}")
            continue
        names = {name for row in rows for name in row[library].split()}
        if library in ("albumentations", "torchvision"):
            names |= {row.name for row in counterparts(library)}
        absent = sorted(name for name in names if not has(modules, name))
        print(f"{library}: {len(names) - len(absent)} of {len(names)}", *absent)
        missing += len(absent)
    return missing


if __name__ == "__main__":
    sys.exit(main())
