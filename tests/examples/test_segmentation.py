"""The example trains, on what it says, and prints its table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = ("--steps", "2", "--seeds", "1", "--rows", "coordinates moved")
ROOT = Path(__file__).resolve().parents[2]


# Compiling the gradient of a U-Net takes half a minute.
@pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "nightly", reason="nightly only")
def test_it_trains_and_prints_its_table(tmp_path):
    pytest.importorskip("equinox")
    pytest.importorskip("optax")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    script = str(ROOT / "examples" / "segmentation" / "main.py")
    done = subprocess.run(
        [sys.executable, script, *SETTINGS, "--json", "table.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "table.json").read_text())
    assert list(table) == ["RGBXYZ, augmented, coordinates moved"]
    assert all(0 <= score <= 1 for arm in table.values() for score in arm["unseen"])
    assert done.stdout.count("| RGB") == 1
