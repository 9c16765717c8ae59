"""A destination of one's own is one class, and goes on after a stop like ours."""

from contextlib import contextmanager

import numpy as np
import pytest

import multiaug as ma
from multiaug.store import Contents, Sink

SPEC = ma.load_spec("rgb-segmentation")
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)


class NpzFolder:
    """A file .npz for every block."""

    def __init__(self, dest):
        self.dest = dest

    @contextmanager
    def open(self, contents: Contents):
        yield NpzWriter(self.dest, contents)


class NpzWriter:
    def __init__(self, dest, contents: Contents):
        self.dest, self.contents = dest, contents
        self.block_count = -(-contents.records // contents.block)

    def rows(self, block):
        return block * self.contents.block, min(
            (block + 1) * self.contents.block, self.contents.records
        )

    def begin(self, *, overwrite):
        self.dest.mkdir(exist_ok=overwrite or not (self.dest / "spec.json").exists())
        return {int(path.stem) for path in self.dest.glob("*.npz")}

    def write(self, block, arrays):
        if block in getattr(self, "broken", ()):
            raise OSError("unplugged")
        np.savez(self.dest / "tmp", **arrays)
        (self.dest / "tmp.npz").rename(self.dest / f"{block}.npz")
        return {"block": block}

    def finish_block(self, entry):
        pass

    def finish(self):
        (self.dest / "spec.json").write_text(str(self.contents.spec.to_dict()))


def test_a_sink(tmp_path, monkeypatch):
    sink = NpzFolder(tmp_path / "out")
    assert isinstance(sink, Sink)
    pipeline = ma.Pipeline([ma.Flip("x")], SPEC)
    settings = {"copies": 2, "chunk": 2, "shard_bytes": 200, "scheduler": ma.passes.SerialRunner()}
    source = ma.open_source({"image": IMAGES}, SPEC)
    monkeypatch.setattr(NpzWriter, "broken", {3}, raising=False)
    with pytest.raises(OSError, match="unplugged"):
        ma.export(source, pipeline, sink, **settings)
    monkeypatch.setattr(NpzWriter, "broken", {0}, raising=False)  # it is not made again
    assert ma.export(source, pipeline, sink, **settings) == tmp_path / "out"
    blocks = [np.load(tmp_path / "out" / f"{i}.npz")["image"] for i in range(5)]
    found = ma.open_source(ma.export(source, pipeline, tmp_path / "a", copies=2)).read(range(20))
    np.testing.assert_array_equal(np.concatenate(blocks), found["image"])
