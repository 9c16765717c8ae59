"""What importing multiaug does, and that all it exports is documented."""

import ast
import importlib
import inspect
import typing
from dataclasses import dataclass
from pathlib import Path

import pytest

import multiaug

PACKAGE = Path(multiaug.__file__).parent

# What only some users need must not cost every import.
LAZY = (
    "PIL", "dask", "h5py", "jsonschema", "keras", "pyarrow", "scipy", "skimage", "tifffile",
    "torch", "tqdm", "xarray", "zarr",
)  # fmt: skip


def exports() -> list[tuple[str, str]]:
    """(module, name) of every `X as X` in an export list of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("__init__.py")):
        module = ".".join(("multiaug", *path.parent.relative_to(PACKAGE).parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [alias.name for alias in node.names if alias.asname == alias.name]
                found += [(module, name) for name in names if not name.startswith("_")]
    return found


def undocumented(name: str, value: object) -> list[str]:
    """The parts of an exported value that lack a docstring of their own; data needs none."""
    if not inspect.isclass(value):
        is_data = not (inspect.ismodule(value) or callable(value)) or typing.get_origin(value)
        return [] if is_data or value.__doc__ else [name]
    members = [
        f"{name}.{member}"
        for member, definition in vars(value).items()
        if not member.startswith("_")
        and (inspect.isroutine(definition) or isinstance(definition, property))
        # A method may keep the text of the one that it overrides.
        and not any(vars(base)[member].__doc__ for base in value.__mro__ if member in vars(base))
    ]
    own = vars(value).get("__doc__") or ""
    # A dataclass without a docstring gets its signature for one.
    is_written = own and not own.startswith(f"{value.__name__}(")
    return members if is_written else [name, *members]


def test_all_exports_are_documented():
    found = [
        missing
        for module, name in exports()
        for missing in undocumented(
            f"{module}.{name}", getattr(importlib.import_module(module), name)
        )
    ]
    assert found == []


def test_missing_docstrings_are_found():
    @dataclass
    class Bare:
        x: int

        def method(self): ...

    class Documented:
        """Has one."""

        @property
        def bare(self): ...

    class Overriding(list):
        """Inherits the text of append."""

        def append(self, item): ...

    assert undocumented("Bare", Bare) == ["Bare", "Bare.method"]
    assert undocumented("Documented", Documented) == ["Documented.bare"]
    assert undocumented("Overriding", Overriding) == []
    assert undocumented("f", lambda: None) == ["f"]
    assert undocumented("Pair", tuple[int, int]) == []
    assert undocumented("SIZE", 3) == []


IMPORT = """
import sys
import jax, numpy
from jax._src import xla_bridge
before, settings = set(sys.modules), dict(jax.config.values)
import multiaug
print(*set(sys.modules) - before)
import multiaug.keras
print(*set(sys.modules) - before)
assert not xla_bridge._backends, "a backend was started"
assert dict(jax.config.values) == settings, "a setting was changed"
try:
    jax.devices()
except RuntimeError as error:
    print(error)
"""


def test_import_is_lazy_starts_no_backend_and_sets_nothing(fresh_python):
    # Any computation would look for this platform, and fail.
    printed = fresh_python(IMPORT, JAX_PLATFORMS="none_of_that_name")
    library, keras, failed = (line.split() for line in printed.splitlines()[:3])
    assert "multiaug" in library
    assert sorted(set(library) & set(LAZY)) == []
    assert "multiaug.keras" in keras
    assert {"keras", "PIL", "pandas", "tensorflow", "torch"} & set(keras) == set()
    assert any("none_of_that_name" in word for word in failed)


@pytest.mark.parametrize("name", ["compare", "keras", "preview", "testing"])
def test_what_few_need_is_an_attribute_as_well(name):
    assert getattr(multiaug, name) is importlib.import_module(f"multiaug.{name}")
    assert name in dir(multiaug)
