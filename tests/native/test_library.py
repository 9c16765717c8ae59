"""A library that is there and cannot be used is said, with the remedy."""

import pytest

from multiaug import MultiaugWarning, _native

pytestmark = [
    pytest.mark.cpu,
    pytest.mark.skipif(not _native.compiled_is_available(), reason="nothing was compiled"),
]


def test_a_library_of_another_version(monkeypatch):
    monkeypatch.setattr(_native, "_ABI", -1)
    with pytest.warns(MultiaugWarning, match="another version of multiaug.*run by XLA"):
        assert _native.library.__wrapped__() is None


def test_a_library_of_another_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(_native, "_LIBRARY", tmp_path / "lib.so")
    (tmp_path / "lib.so").write_bytes(b"no library")
    with pytest.warns(MultiaugWarning, match="cannot be loaded.*run by XLA"):
        assert _native.library.__wrapped__() is None
