"""What the script `multiaug` runs: its help must not wait for JAX.

Whoever imports a part of multiaug runs `multiaug/__init__.py` first, which takes seconds. Here the
package stands in `sys.modules` as a module that has not run yet, so that `multiaug.command` can be
imported alone; it runs when somebody asks for one of its names.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def main() -> int:
    """Run the command with the arguments of this process; returns the exit code."""
    if "multiaug" not in sys.modules:
        _defer("multiaug")
    from multiaug.command import main as run

    return run()


def _defer(name: str) -> None:
    """Put a package into `sys.modules` whose `__init__` runs at the first use of its names."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:  # an installation that is broken: let the import say
        return
    package = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def run(attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = run
    sys.modules[name] = package


if __name__ == "__main__":
    sys.exit(main())
