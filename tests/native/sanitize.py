"""`make sanitize`: the library built with AddressSanitizer and UBSan, and random calls of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SANITIZED = [
    *("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"),
    "-fno-sanitize-recover=all",
]
PROCESSES = 2
REMEDY = "Install gcc with its sanitizers (Debian: apt-get install gcc libc6-dev)."


def compiler() -> list[str]:
    """One that has sanitizers, installed if that can be done here."""
    from hatch_build import system_compiler

    for attempt in range(2):
        command = system_compiler()
        if command is not None and runtime(command, "libasan.so") is not None:
            return command
        if attempt or os.name != "posix" or os.geteuid() or not shutil.which("apt-get"):
            break
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "gcc", "libc6-dev"], check=False)
    raise SystemExit(f"No compiler here has AddressSanitizer. {REMEDY}")


def runtime(command: list[str], name: str) -> str | None:
    """Where a library of the compiler is."""
    done = subprocess.run(
        [*command, f"-print-file-name={name}"], capture_output=True, text=True, check=False
    )
    found = Path(done.stdout.strip())
    return str(found.resolve()) if found.is_absolute() and found.exists() else None


def main(count: int) -> int:
    """Run at least so many calls; 0 where nothing was found."""
    from hatch_build import FLAGS, FOLDER, link

    command = compiler()
    flags = [flag for flag in FLAGS if not flag.startswith(("-O", "-g"))] + SANITIZED
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "libmultiaug.so")
        if not link(command, ROOT / FOLDER, flags, library):
            raise SystemExit(f"The library does not compile with sanitizers. {REMEDY}")
        # Both before Python: the one sees all memory, the other lets it find C++'s exceptions.
        first = [runtime(command, name) for name in ("libasan.so", "libstdc++.so.6")]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_PLATFORMS": "cpu",
            "PYTHONMALLOC": "malloc",
            "LD_PRELOAD": ":".join(path for path in first if path),
            # Python keeps much until its end; of the rest nothing is allocated by us.
            "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
            "MULTIAUG_SANITIZED": str(library),
        }
        driver = str(Path(__file__).with_name("random_calls.py"))
        share = -(-count // PROCESSES)
        running = [
            subprocess.Popen([sys.executable, driver, str(share), str(seed)], env=environment)
            for seed in range(PROCESSES)
        ]
        codes = [process.wait() for process in running]
    clean = not any(codes)
    print(f"sanitize: {count} calls, {'nothing found' if clean else f'exit codes {codes}'}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # hatchling, which hatch_build imports, is here for this alone
    sys.exit(main(int(sys.argv[1])))
