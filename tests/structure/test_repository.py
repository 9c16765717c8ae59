"""Files of the repository that must agree with each other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Spelt so that this file is not a finding of its own.
OUTSIDE = re.compile(r"\.\./" + r"shared\b|(?<![\w.~}/-])/" + r"work\b")


def tracked() -> list[Path]:
    """Files under version control; none where the sources came without it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_points_outside_the_repository():
    if not (files := tracked()):
        pytest.skip("not a git checkout")
    texts = {path: path.read_bytes().decode(errors="ignore") for path in files if path.is_file()}
    assert [
        str(path.relative_to(ROOT)) for path, text in texts.items() if OUTSIDE.search(text)
    ] == []


def test_pre_commit_runs_the_pinned_tools():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(pin.split("==") for pin in project["optional-dependencies"]["lint"])
    config = (ROOT / ".pre-commit-config.yaml").read_text()
    found = re.findall(r"repo: .*/(?:mirrors-)?(\w+)(?:-pre-commit)?\n +rev: v(\S+)", config)
    assert dict(found) == pinned


def test_every_tool_is_pinned():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    tools = {"hypothesis", "mypy", "pytest", "pytest-xdist", "ruff"}
    pinned = {
        pin.split("==")[0] for name in ("lint", "test") for pin in extras[name] if "==" in pin
    }
    # An oracle that is one release, the last one; and what is hundreds of megabytes.
    assert pinned == tools | {"Keras-Preprocessing", "torch"}
