"""By what files are recognised again."""

import pytest

from multiaug.errors import StoreError
from multiaug.files import _digest, sha256_sample


def test_a_sample_sees_sizes_and_changes_in_every_piece(tmp_path, monkeypatch):
    path = tmp_path / "a"
    content = bytearray(1000)
    path.write_bytes(content)
    first = sha256_sample(path)
    content[500] = 1
    path.write_bytes(content)
    assert sha256_sample(path) != first  # a small file is read whole
    monkeypatch.setattr(_digest, "_WHOLE", 100)
    monkeypatch.setattr(_digest, "_PIECES", 10)
    monkeypatch.setattr(_digest, "_PIECE", 4)
    seen = sha256_sample(path)
    for start in (0, 1000 - 4, 996 * 3 // 9):  # the ends, and a piece in between
        changed = bytearray(content)
        changed[start] ^= 255
        path.write_bytes(changed)
        assert sha256_sample(path) != seen
    for start in range(0, 880, 110):  # whatever is as long as the distance of two pieces
        changed = bytearray(content)
        changed[start : start + 115] = b"\xff" * 115
        path.write_bytes(changed)
        assert sha256_sample(path) != seen
    path.write_bytes(content + b"\0")
    assert sha256_sample(path) != seen
    with pytest.raises(StoreError, match="cannot be read"):
        sha256_sample(tmp_path / "nothing")
