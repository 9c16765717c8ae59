"""Which module of multiaug may import which: the rules, and a checker that only reads source.

Every import counts, wherever it stands: inside a function and under TYPE_CHECKING too. Only
cycles and optional packages look at what runs when a module is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "multiaug"

Modules = dict[str, tuple[Path, "list[Import]"]]

# Unit (a sub-package, or a module at the root; "" is the root itself) -> what it may import.
# Each set adds its own level to the one before.
_LEAVES = {
    "_arguments", "_forks", "_machine", "_pytrees", "_tables", "_version", "errors", "typing",
}  # fmt: skip
_GROUND = _LEAVES | {"files"}
_SPEC = _GROUND | {"spec"}
_CHECKS = _SPEC | {"checks"}
_GEOMETRY = _CHECKS | {"geometry"}
_SAMPLING = _GEOMETRY | {"_native", "sampling"}
_ROLES = _SAMPLING | {"roles"}
_TRANSFORMS = _ROLES | {"statistics", "transforms"}
_PIPELINE = _TRANSFORMS | {"pipeline", "runtime"}
_LOADER = _PIPELINE | {"store", "loader"}
_PASSES = _LOADER | {"passes"}
_TOP = _PASSES | {"", "elsewhere", "recipes"}
MAY_IMPORT: dict[str, set[str]] = {
    "_arguments": {"errors"},
    "_forks": {"errors"},
    "_machine": {"errors"},
    "_native": {"errors"},
    "_pytrees": set(),
    "_tables": set(),
    "_version": set(),
    "errors": set(),
    "typing": set(),
    "files": _LEAVES,
    "spec": _GROUND,
    "statistics": _GROUND | {"_native"},
    "checks": _SPEC,
    "store": _CHECKS | {"_native"},
    "geometry": _SPEC,
    "sampling": _GEOMETRY | {"_native"},
    "roles": _SAMPLING,
    "transforms": _ROLES | {"statistics"},
    "pipeline": _TRANSFORMS,
    "runtime": set(),
    "loader": _PIPELINE | {"store"},
    "passes": _LOADER,
    "recipes": _PIPELINE,
    "elsewhere": _PIPELINE,
    "distributed": _TOP,
    "keras": _TOP,
    "preview": _TOP,
    "compare": _TOP,
    "studio": _TOP | {"preview"},
    "command": _TOP | {"distributed", "keras", "preview", "studio", "compare"},
    "testing": _TOP | {"distributed", "keras", "preview"},
    # The root's export list, and `python -m multiaug`.
    "": _PASSES | {"compare", "distributed", "elsewhere", "keras", "preview", "recipes", "studio"},
    "__main__": {"", "command"},
}

WITHOUT_JAX = {
    "_arguments", "_forks", "_machine", "_native", "_tables", "_version", "checks", "errors",
    "files", "spec", "store",
}  # fmt: skip
JAX_FOR_TYPES_ONLY = {"typing"}
WITH_ZARR = {"files", "statistics", "store"}

# Never imported by importing multiaug: not installed with it, or installed by luck.
OPTIONAL = {
    "PIL", "albumentations", "cv2", "dask", "distributed", "h5py", "keras", "pyarrow", "scipy",
    "tensorflow", "tifffile", "torch", "xarray",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One name that a module imports, resolved to an absolute dotted path."""

    target: str
    line: int
    in_function: bool
    for_types: bool

    @property
    def runs(self) -> bool:
        """Whether importing the module performs it."""
        return not (self.in_function or self.for_types)

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]


def violations(root: Path) -> list[str]:
    """Every broken rule in the package below `root`, as `file:line: what is wrong`."""
    modules = read(root)
    found = []
    for name, (path, imports) in modules.items():
        place = path.relative_to(root.parent).as_posix()
        unit = unit_of(name)
        if unit not in MAY_IMPORT:
            found.append(f"{place}:1: {unit!r} has no place in the layers")
            continue
        for one in imports:
            found += [f"{place}:{one.line}: {rule}" for rule in _broken(name, unit, one, modules)]
    return sorted(found) + [f"cycle: {' -> '.join(cycle)}" for cycle in cycles(modules)]


def _broken(name: str, unit: str, one: Import, modules: Modules) -> Iterator[str]:
    if one.top == PACKAGE:
        other = unit_of(one.target, modules)
        if other == unit:
            return
        if other not in MAY_IMPORT[unit]:
            yield f"{unit or PACKAGE} must not import {other or PACKAGE}"
        elif other and _inside(one.target, modules):
            yield f"{one.target} is inside another sub-package; import from {PACKAGE}.{other}"
    elif one.top in {"jax", "jaxlib"}:
        if unit in WITHOUT_JAX or (unit in JAX_FOR_TYPES_ONLY and not one.for_types):
            yield f"{unit} must not import JAX"
    elif one.top == "zarr":
        if unit not in WITH_ZARR:
            yield f"{unit or PACKAGE} must not import zarr"
    elif one.top in OPTIONAL and one.runs:
        yield f"{one.top} is optional; import it in the function that needs it"


def unit_of(dotted: str, modules: Modules | None = None) -> str:
    """The unit of a module, or of a name imported from one; "" is the root itself.

    With `modules`, a second part that is no module is a name that the root exports.
    """
    parts = dotted.split(".")
    if len(parts) == 1 or (modules is not None and ".".join(parts[:2]) not in modules):
        return ""
    return parts[1]


def _inside(target: str, modules: Modules) -> bool:
    """Whether a target is below a unit's export list: in a file of it, or a private name."""
    parts = target.split(".")
    private = any(re.match(r"_(?!_)", part) for part in parts[2:])
    return private or len(parts) > 3 or (len(parts) == 3 and target in modules)


def read(root: Path) -> Modules:
    """All modules of the package in folder `root`, by dotted name, with what they import."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = (PACKAGE, *path.relative_to(root).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        package = name if is_package else name.rpartition(".")[0]
        modules[name] = (path, list(_imports(tree, package)))
    return modules


def _imports(
    node: ast.AST, package: str, *, in_function: bool = False, for_types: bool = False
) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            targets = [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            targets = [base if alias.name == "*" else f"{base}.{alias.name}" for alias in names]
        case ast.Call(
            func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(target)), *_],
        ) if not target.startswith("."):
            targets = [target]
        case _:
            targets = []
    for target in targets:
        yield Import(target, node.lineno, in_function, for_types)

    function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for field, value in ast.iter_fields(node):
        typed = field == "body" and isinstance(node, ast.If) and _is_type_checking(node.test)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _imports(
                    child,
                    package,
                    in_function=in_function or function,
                    for_types=for_types or typed,
                )


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def cycles(modules: Modules) -> list[list[str]]:
    """Groups of modules that need each other while they are being imported."""
    graph = {
        name: {_module(one.target, modules) for one in imports if one.runs} & modules.keys()
        for name, (_, imports) in modules.items()
    }
    return [sorted(group) for group in _components(graph) if _is_cycle(group, graph)]


def _module(target: str, modules: Modules) -> str:
    """The module that an import loads: the target itself, or what it is a name of."""
    return target if target in modules else target.rpartition(".")[0]


def _is_cycle(group: set[str], graph: dict[str, set[str]]) -> bool:
    return len(group) > 1 or any(name in graph[name] for name in group)


def _components(graph: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components; each graph here is small, so reachability will do."""
    reach = {name: _reachable(name, graph) for name in graph}
    groups = {frozenset({name} | {n for n in reach[name] if name in reach[n]}) for name in graph}
    return sorted((set(group) for group in groups), key=sorted)


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph[name]
    return seen
