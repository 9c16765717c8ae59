"""The example runs from any folder, passes its own checks and writes only where it was told to."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multiaug.store import open_source

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "stereo"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the example as a user does, in a process and a folder of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE / "main.py"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("stereo")
    # An older result, which the run replaces.
    (folder / "out").mkdir()
    (folder / "out" / "contact_sheet.png").write_bytes(b"old")
    result = run(folder, "--out", "out", "--records", "3")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_it_writes_what_it_says_and_nothing_else(done):
    folder, _ = done
    assert [path.name for path in folder.iterdir()] == ["out"]
    expected = ["augmented.zarr", "contact_sheet.png", "summary.json", "windows.zarr"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == expected


def test_the_cloud_falls_on_its_pixels(done):
    folder, printed = done
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["records"] == 3
    assert summary["pixels"] > 50_000
    assert summary["reprojection_max"] < 0.01
    assert summary["depth_max"] < 1e-4
    assert summary["normals_max"] < 1e-4
    assert summary["normals_angle"] < 3
    assert summary["unmoved"]["reprojection_max"] > 1
    assert f"at most {summary['reprojection_max']:.5f} px" in printed


def test_the_stores_hold_the_same_records_before_and_after(done):
    folder, _ = done
    before, after = (
        open_source(folder / "out" / f"{name}.zarr") for name in ("windows", "augmented")
    )
    assert len(before) == len(after) == 3
    first, second = before.read(range(3)), after.read(range(3))
    assert {n: (a.shape, a.dtype) for n, a in first.items()} == {
        n: (a.shape, a.dtype) for n, a in second.items()
    }
    assert (first["rgbxyz"][..., :3] != second["rgbxyz"][..., :3]).any()
    facing = np.einsum("nhwc,nhwc->nhw", first["normals"], first["rgbxyz"][..., 3:])
    assert (facing[np.isfinite(facing)] < 0).all()


def test_the_contact_sheet_is_a_picture(done):
    folder, _ = done
    with Image.open(folder / "out" / "contact_sheet.png") as sheet:
        assert sheet.width > 8 * 256
        assert sheet.height > 3 * 256


def test_bad_arguments(monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setattr(sys, "argv", ["main.py", "--records", "0"])
    before = set(sys.modules)
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLE / "main.py"), run_name="__main__")
    finally:
        # Other examples have modules of the same names.
        for name in {path.stem for path in EXAMPLE.glob("*.py")} - before:
            sys.modules.pop(name, None)
    assert ended.value.code == 2
    assert "must be at least 1" in capsys.readouterr().err
