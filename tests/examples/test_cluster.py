"""The cluster example, on two processes of this machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.nightly import by_night

ROOT = Path(__file__).resolve().parents[2]


@by_night
def test_it_runs(tmp_path):
    pytest.importorskip("distributed")
    out = tmp_path / "out.zarr"
    done = subprocess.run(
        [sys.executable, "examples/cluster/main.py", "--records", "64", "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "128 records" in done.stdout
    assert "every value verified" in done.stdout
