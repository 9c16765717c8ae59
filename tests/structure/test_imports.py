"""The import direction of the package, and the checker itself on small made-up packages."""

from pathlib import Path

import pytest

import multiaug
from tests.structure.checker import MAY_IMPORT, violations


def test_multiaug_follows_the_layers():
    assert violations(Path(multiaug.__file__).parent) == []


def test_no_two_units_may_import_each_other():
    units = MAY_IMPORT.keys() - {""}
    assert not [(a, b) for a in units for b in units if b in MAY_IMPORT[a] and a in MAY_IMPORT[b]]


def test_nothing_may_import_testing():
    assert not [unit for unit, others in MAY_IMPORT.items() if "testing" in others]


@pytest.fixture
def check(tmp_path: Path):
    """Write a package of {file: source}, with the units it needs, and return its violations."""

    def run(files: dict[str, str]) -> list[str]:
        root = tmp_path / "multiaug"
        base = dict.fromkeys(("__init__.py", "errors.py", "typing.py"), "")
        base |= {f"{file.partition('/')[0]}/__init__.py": "" for file in files if "/" in file}
        for file, source in (base | files).items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return violations(root)

    return run


ALLOWED = {
    "downwards": {"spec/_a.py": "from ..errors import SpecError", "files/_a.py": ""},
    "within a sub-package": {"spec/_a.py": "from ._b import x", "spec/_b.py": "x = 1"},
    "an exported name": {"roles/_a.py": "from ..spec import X", "spec/_m.py": ""},
    "a module at the root": {"files/_a.py": "from .. import errors\nfrom ..errors import E"},
    "transforms use statistics": {"transforms/_a.py": "from ..statistics import X"}
    | {"statistics/_b.py": "import jax\nimport zarr"},
    "the loader reads a store": {"loader/_a.py": "from ..store import X", "store/_b.py": ""},
    "zarr in store": {"store/_a.py": "import zarr.storage"},
    "JAX as a type": {
        "typing.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jax"
    },
    "optional, where used": {"preview/_a.py": "def f():\n    from PIL import Image"},
    "an export list": {"__init__.py": "from .spec import X as X", "spec/__init__.py": "X = 1"},
    "keras builds on the public names": {"keras/_a.py": "import multiaug as ma"},
    "a type that would be a cycle": {
        "spec/_a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ._b import B",
        "spec/_b.py": "from ._a import A",
    },
}

REFUSED = {
    "upwards": (
        {"spec/_a.py": "from ..roles import X", "roles/_b.py": ""},
        "multiaug/spec/_a.py:1: spec must not import roles",
    ),
    "upwards by absolute path": (
        {"spec/_a.py": "import multiaug.roles", "roles/_b.py": ""},
        "spec must not import roles",
    ),
    "upwards in a function": (
        {"geometry/_a.py": "def f():\n    from ..sampling import X", "sampling/_b.py": ""},
        "multiaug/geometry/_a.py:2: geometry must not import sampling",
    ),
    "upwards for a type": (
        {"spec/_a.py": "if TYPE_CHECKING:\n    from ..roles import X", "roles/_b.py": ""},
        "spec must not import roles",
    ),
    "the root from below": ({"spec/_a.py": "from .. import Pipeline"}, "must not import multiaug"),
    "the root by name": ({"spec/_a.py": "import multiaug"}, "must not import multiaug"),
    "testing": (
        {"keras/_a.py": "from ..testing import X", "testing/_b.py": ""},
        "keras must not import testing",
    ),
    "statistics know no spec": (
        {"statistics/_a.py": "from ..spec import X", "spec/_b.py": ""},
        "statistics must not import spec",
    ),
    "the pipeline knows no store": (
        {"pipeline/_a.py": "from ..store import X", "store/_b.py": ""},
        "pipeline must not import store",
    ),
    "a private file": (
        {"roles/_a.py": "from ..spec._model import X", "spec/_model.py": ""},
        "multiaug.spec._model.X is inside another sub-package",
    ),
    "a private file as a name": (
        {"roles/_a.py": "from ..spec import _model", "spec/_model.py": ""},
        "multiaug.spec._model is inside",
    ),
    "a private name": ({"roles/_a.py": "from ..spec import _x", "spec/_b.py": ""}, "is inside"),
    "everything from a private file": (
        {"roles/_a.py": "from ..spec._model import *", "spec/_model.py": ""},
        "is inside",
    ),
    "JAX in spec": ({"spec/_a.py": "import jax.numpy as jnp"}, "spec must not import JAX"),
    "JAX in a function of store": (
        {"store/_a.py": "def f():\n    from jax import Array"},
        "store must not import JAX",
    ),
    "JAX by its name": (
        {"files/_a.py": "def f():\n    return importlib.import_module('jax')"},
        "files must not import JAX",
    ),
    "JAX at run time in typing": (
        {"typing.py": "if TYPE_CHECKING:\n    pass\nelse:\n    import jax"},
        "multiaug/typing.py:4: typing must not import JAX",
    ),
    "zarr elsewhere": (
        {"loader/_a.py": "def f():\n    import zarr"},
        "loader must not import zarr",
    ),
    "optional at import": ({"preview/_a.py": "from PIL import Image"}, "PIL is optional"),
    "optional at import, in a try": (
        {"keras/_a.py": "try:\n    import keras\nexcept ImportError:\n    keras = None"},
        "keras is optional",
    ),
    "no place in the layers": ({"utils.py": ""}, "multiaug/utils.py:1: 'utils' has no place"),
    "a cycle of files": (
        {"spec/_a.py": "from ._b import x", "spec/_b.py": "from . import _a"},
        "cycle: multiaug.spec._a -> multiaug.spec._b",
    ),
    "a file and its own export list": (
        {"spec/__init__.py": "from ._a import A as A", "spec/_a.py": "from . import A"},
        "cycle: multiaug.spec -> multiaug.spec._a",
    ),
}


@pytest.mark.parametrize("files", ALLOWED.values(), ids=ALLOWED)
def test_checker_allows(check, files):
    assert check(files) == []


@pytest.mark.parametrize(("files", "message"), REFUSED.values(), ids=REFUSED)
def test_checker_refuses(check, files, message):
    found = check(files)
    assert len(found) == 1
    assert message in found[0]
