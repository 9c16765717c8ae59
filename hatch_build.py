"""Compiles the code for CPUs when the package is built or installed from source.

Without a compiler on the machine, the build asks for `ziglang`, which brings one from the package
index. Where nothing compiles, the package is complete all the same: JAX does the work, slower.
``MULTIAUG_PURE=1`` builds that on purpose: the wheel for machines that no other wheel is made for.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("multiaug", "_native")
LIBRARY = FOLDER / "libmultiaug.so"
SOURCES = ("warp", "pointwise", "stages", "moments")  # once per instruction set
ONCE = ("chunks", "dispatch", "ffi", "pool", "records")
FLAGS = [
    *("-O3", "-g0", "-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Wno-psabi"),
    "-Wno-maybe-uninitialized",  # rows are worked on by eights, whatever stands behind the last
    # No errno, no traps: square roots and comparisons are then single instructions. No fused
    # multiplications: the same bits with and without them.
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
]


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled library to wheels and editable installations."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: a compiler, if the machine has none."""
        needed = self.target_name == "wheel" and not pure_wanted()
        return ["ziglang>=0.13"] if needed and not system_compiler() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and mark the wheel as one for this platform."""
        if self.target_name != "wheel":
            return
        if pure_wanted():
            # The folder may hold a library of an earlier build, which git and so hatch ignore.
            return
        if not compile_library(Path(self.root)):
            self.app.display_warning("multiaug: not compiled; batches will run in JAX, slower.")
            return
        build_data["artifacts"].append(f"/{LIBRARY.as_posix()}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag()}"


def pure_wanted() -> bool:
    """Whether a wheel without compiled code was asked for."""
    return os.environ.get("MULTIAUG_PURE", "0") not in ("", "0")


def platform_tag() -> str:
    """The platform as wheels name it. A Python for two processors compiles for one of them here."""
    found = sysconfig.get_platform().replace("universal2", platform.machine())
    return found.translate(str.maketrans("-.", "__"))


def system_compiler() -> list[str] | None:
    """The compiler that ``CC`` names, or the first one found that can make a shared library."""
    named = os.environ.get("CC")
    for command in [shlex.split(named)] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]) and _works(command):
            return command
    return None


def _works(command: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "try.c")
        source.write_text("#include <math.h>\nfloat f(float x) { return floorf(x); }\n")
        arguments = ["-shared", "-fPIC", str(source), "-o", str(Path(folder, "try.so"))]
        return _run([*command, *arguments])


def compile_library(root: Path) -> bool:
    """Compile into the source tree; True when the library is there."""
    commands = [system_compiler()]
    if importlib.util.find_spec("ziglang") is not None:
        # Of its own accord it takes whatever the machine has, also for code of other machines.
        commands.append([sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"])
    return any(command is not None and _compile(command, root) for command in commands)


def _compile(command: list[str], root: Path) -> bool:
    with tempfile.TemporaryDirectory() as made:
        library = Path(made, "lib.so")
        if not link(command, root / FOLDER, FLAGS, library):
            return False
        # Moved in one step: a process that has the old library open keeps it.
        new = root / LIBRARY.with_suffix(".new")
        shutil.copyfile(library, new)
        new.replace(root / LIBRARY)
    return True


def link(command: list[str], folder: Path, common: list[str], library: Path) -> bool:
    """Make a library of the sources in a folder, with some flags for all of them."""
    levels: dict[str, list[str]] = {"base": []}
    if platform.machine() in {"x86_64", "AMD64"}:
        levels["avx2"] = ["-mavx2", "-mfma"]
        wide = [f"-mavx512{part}" for part in ("f", "bw", "dq", "vl")]
        # Loops that the compiler makes vectors of stay at eight numbers.
        levels["avx512"] = [*levels["avx2"], *wide, "-mprefer-vector-width=256"]
    with tempfile.TemporaryDirectory() as made:
        objects, jobs = [], []
        for name, (level, flags) in itertools.product(SOURCES, levels.items()):
            objects.append(str(Path(made, f"{name}-{level}.o")))
            source = ["-c", str(folder / f"{name}.c"), "-o", objects[-1]]
            jobs.append([*command, *common, *flags, f"-DLEVEL={level}", *source])
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            if not all(threads.map(_run, jobs)):
                return False
        once = [str(folder / f"{name}.c") for name in ONCE]
        defined = [f"-DWITH_{level.upper()}" for level in levels]
        linked = ["-shared", "-pthread", *defined, *once, *objects, "-o", str(library)]
        return _run([*command, *common, *linked])


def _run(command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(" ".join(command), done.stderr, sep="\n", file=sys.stderr)
    return done.returncode == 0
