"""Nothing half-written is ever seen, and nothing temporary is left behind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from multiaug.errors import StoreError
from multiaug.files import (
    replace_file,
    sha256_array,
    sha256_file,
    sha256_of,
    staged_directory,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def anything(_target: Path) -> None:
    """Whatever stands there may be replaced."""


def test_replace_file_makes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    assert replace_file(path, b"one") == path
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["a.bin"]


def test_replace_file_keeps_the_old_content_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = replace_file(tmp_path / "a.bin", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match=r"a\.bin cannot be written: No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_replace_file_refuses_a_folder_and_a_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="folder cannot be written"):
        replace_file(tmp_path / "folder", b"")
    with pytest.raises(StoreError, match="No such file"):
        replace_file(tmp_path / "absent" / "a.bin", b"")
    with pytest.raises(StoreError, match="names no file"):
        replace_file("", b"")
    assert names(tmp_path) == ["folder"]


def test_staged_directory_appears_when_complete(tmp_path: Path) -> None:
    dest = tmp_path / "deep" / "run"
    with staged_directory(dest) as staged:
        (staged / "a").write_text("a")
        assert staged.name.startswith("run.tmp-")
        assert not dest.exists()
    assert names(dest.parent) == ["run"]
    assert names(dest) == ["a"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_staged_directory_leaves_nothing_when_interrupted(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), staged_directory(tmp_path / "run") as staged:
        (staged / "a").write_text("half")
        raise error
    assert names(tmp_path) == []


def test_staged_directory_refuses_an_existing_destination(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    refused = pytest.raises(StoreError, match=r"already exists.*overwrite=True")
    with refused, staged_directory(tmp_path / "run"):
        raise AssertionError("the block must not run")
    assert names(tmp_path) == ["run"]


def test_staged_directory_refuses_one_that_appeared_meanwhile(tmp_path: Path) -> None:
    dest = tmp_path / "run"
    with pytest.raises(StoreError, match="already exists"), staged_directory(dest):
        dest.mkdir()
        (dest / "theirs").write_text("")
    assert names(tmp_path) == ["run"]
    assert names(dest) == ["theirs"]


def test_staged_directory_replaces(tmp_path: Path) -> None:
    dest = tmp_path / "run"
    for content in ("old", "new"):
        with staged_directory(dest, may_replace=anything) as staged:
            (staged / content).write_text("")
    assert names(tmp_path) == ["run"]
    assert names(dest) == ["new"]


def test_a_failed_replacement_keeps_the_old_folder(tmp_path: Path) -> None:
    dest = tmp_path / "run"
    with staged_directory(dest) as staged:
        (staged / "old").write_text("")
    with pytest.raises(RuntimeError), staged_directory(dest, may_replace=anything):
        raise RuntimeError
    assert names(tmp_path) == ["run"]
    assert names(dest) == ["old"]


def test_a_failed_exchange_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "run"
    with staged_directory(dest) as staged:
        (staged / "old").write_text("")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if target == dest and ".tmp-" in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr("multiaug.files._atomic._swap", lambda one, two: False)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StoreError, match="no"), staged_directory(dest, may_replace=anything):
        pass
    assert names(tmp_path) == ["run"]
    assert names(dest) == ["old"]


def test_sha256(tmp_path: Path) -> None:
    path = replace_file(tmp_path / "a", b"abc")
    assert sha256_file(path) == hashlib.sha256(b"abc").hexdigest()
    assert sha256_of("ab", b"c") != sha256_of("a", b"bc")
    assert sha256_of("ab") == sha256_of(b"ab")
    with pytest.raises(StoreError, match="cannot be read"):
        sha256_file(tmp_path / "absent")


def test_sha256_of_arrays_depends_on_values_alone() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert sha256_array(array) == hashlib.sha256(array.tobytes()).hexdigest()
    assert sha256_array(array.T) == sha256_array(np.ascontiguousarray(array.T))
    assert sha256_array(array[:, :0]) == hashlib.sha256(b"").hexdigest()
