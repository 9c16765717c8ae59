"""One writer at a time, and what a kill leaves behind is in nobody's way."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from multiaug.errors import StoreError
from multiaug.files import claimed, discard, staged_directory, writing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(dest: Path, content: str) -> None:
    """A folder of two files, so that it can be half removed; an old one is replaced."""
    with staged_directory(dest, may_replace=lambda target: None) as staged:
        for name in ("a", "b"):
            (staged / name).write_text(content)


def content(dest: Path) -> str:
    assert names(dest) == ["a", "b"]
    (found,) = {(dest / name).read_text() for name in ("a", "b")}
    return found


class KilledError(BaseException):
    """Nothing runs after it, not even what tidies up."""


class TestKills:
    """At any moment of a replacement."""

    @pytest.fixture(params=["swap", "two renames"])
    def atomic(self, request, monkeypatch) -> bool:
        if request.param == "two renames":
            monkeypatch.setattr("multiaug.files._atomic._swap", lambda one, two: False)
        return request.param == "swap"

    def kill_at(self, patch, moment: int) -> None:
        """Die before call number ``moment`` of what changes the disk, and do nothing from then."""
        from multiaug.files import _atomic

        calls = iter(range(10**6))

        def dying(real):
            def call(*args, **kwargs):
                if next(calls) >= moment:
                    raise KilledError
                return real(*args, **kwargs)

            return call

        def half(path, **kwargs):
            if next(calls) >= moment:
                raise KilledError
            (path / "a").unlink(missing_ok=True)
            if next(calls) >= moment:
                raise KilledError
            real_rmtree(path, **kwargs)

        real_rmtree = shutil.rmtree
        for name in ("rename", "mkdir", "unlink"):
            patch.setattr(Path, name, dying(getattr(Path, name)))
        patch.setattr(_atomic, "_swap", dying(_atomic._swap))
        patch.setattr(shutil, "rmtree", half)

    def test_old_or_new_and_the_same_command_finishes(self, tmp_path, monkeypatch, atomic):
        for moment in range(40):
            dest = tmp_path / str(moment) / "run"
            write(dest, "old")
            (dest.parent / "run.old").write_text("the user's own")
            try:
                with monkeypatch.context() as patch:
                    self.kill_at(patch, moment)
                    write(dest, "new")
                killed = False
            except KilledError:
                killed = True
            if atomic or dest.exists():
                assert content(dest) in ("old", "new")
            write(dest, "new")
            assert content(dest) == "new"
            assert names(dest.parent) == ["run", "run.old"]
            if not killed:
                return
        raise AssertionError("more calls than expected")

    def test_what_was_moved_aside_comes_back(self, tmp_path):
        """Killed between two renames: without overwriting, the old one is what is there."""
        write(tmp_path / "run", "old")
        (tmp_path / "run").rename(tmp_path / f"run.old-{32 * '0'}")
        with pytest.raises(StoreError, match="already exists"), staged_directory(tmp_path / "run"):
            pass
        assert content(tmp_path / "run") == "old"

    def test_discard(self, tmp_path):
        write(tmp_path / "run.partial", "old")
        discard(tmp_path / "run.partial", tmp_path / "run")
        assert names(tmp_path) == []


class TestClaims:
    """Who may write."""

    def test_two_at_once(self, tmp_path):
        with (
            claimed(tmp_path / "run"),
            pytest.raises(StoreError, match=r"is taken.*process \d+ on .*, since 2"),
            claimed(tmp_path / "run"),
        ):
            pass
        assert names(tmp_path) == []

    def test_a_lock_of_the_dead(self, tmp_path):
        owner = {"schema": "multiaug.lock/1", "pid": 1, "host": socket.gethostname()}
        lock = tmp_path / ".run.lock"
        lock.write_text(json.dumps({**owner, "started": "0", "since": "yesterday"}))
        with claimed(tmp_path / "run"):
            pass
        lock.write_text("")  # killed before it could write its name
        with claimed(tmp_path / "run"):
            pass
        assert names(tmp_path) == []

    def test_a_lock_of_another_machine(self, tmp_path):
        owner = {"schema": "multiaug.lock/1", "pid": 7, "host": "elsewhere", "started": "0"}
        (tmp_path / ".run.lock").write_text(json.dumps({**owner, "since": "yesterday"}))
        message = r"process 7 on elsewhere, since yesterday. If that process is gone, remove .*lock"
        with pytest.raises(StoreError, match=message), claimed(tmp_path / "run"):
            pass

    def test_a_file_of_that_name(self, tmp_path):
        (tmp_path / ".run.lock").write_text("the user's own")
        with pytest.raises(StoreError, match="something else stands"), claimed(tmp_path / "run"):
            pass
        assert (tmp_path / ".run.lock").read_text() == "the user's own"

    def test_links(self, tmp_path):
        write(tmp_path / "disk" / "run", "old")
        (tmp_path / "link").symlink_to(tmp_path / "disk" / "run")
        write(tmp_path / "link", "new")
        assert (tmp_path / "link").is_symlink()
        assert content(tmp_path / "disk" / "run") == "new"
        assert names(tmp_path) == ["disk", "link"]
        (tmp_path / "dangling").symlink_to(tmp_path / "unmounted" / "run")
        (tmp_path / "circle").symlink_to(tmp_path / "circle")
        for name in ("dangling", "circle"):
            with pytest.raises(StoreError, match=r"is a symbolic link to .*, which is not there"):
                write(tmp_path / name, "new")
        assert names(tmp_path) == ["circle", "dangling", "disk", "link"]

    @pytest.mark.parametrize("name", ["", ".", "..", "/"])
    def test_names_of_nothing(self, name):
        with pytest.raises(StoreError, match="names no file or folder"), claimed(name):
            pass

    def test_a_parent_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="cannot be written"), claimed(tmp_path / "file/run"):
            pass


def test_a_full_disk_is_named(tmp_path):
    message = r"run cannot be written: No space.*Make room"
    with pytest.raises(StoreError, match=message), writing(tmp_path / "run"):
        raise OSError(28, "No space left on device")
