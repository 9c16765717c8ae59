"""Install the peers, one by one: ``python benchmarks/install.py``.

One `pip install -r` would install none of them when one is not to be had.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]


def requirements(text: str) -> list[list[str]]:
    """The arguments of `pip install` for each line."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [line for line in lines if line]


def main() -> None:
    path = Path(__file__).with_name("requirements.txt")
    wanted = requirements(path.read_text())
    together = [line[0] for line in wanted if len(line) == 1]
    alone = [line for line in wanted if len(line) > 1]
    # Together is quicker, and lets pip choose versions that suit all of them.
    if not _install(together, loud=False):
        alone = wanted
    for line in alone:
        if not _install(line, loud=True):
            print(f"left out: {' '.join(line)}")


def _install(line: list[str], *, loud: bool) -> bool:
    done = subprocess.run([*_PIP, *line], capture_output=True, text=True, check=False)
    if done.returncode and loud:
        print("\n".join(done.stderr.strip().splitlines()[-3:]), file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    main()
