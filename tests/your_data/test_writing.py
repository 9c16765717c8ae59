"""Destinations: who may write, what is never removed, and that what was written opens."""

import json
import resource
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import ParameterError, StoreError
from multiaug.files import claimed
from multiaug.store import ArraySource, BlockWriter, write_zarr

RGB = ma.load_spec("rgb-segmentation")
PICTURES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)


def source_of(number: int) -> ma.store.Source:
    """Pictures of nothing but a number, so that stores can be told apart."""
    return ma.open_source({"image": np.full((10, 8, 8, 3), number, np.uint8)}, RGB)


def export(dest, number: int, **settings):
    return ma.export(source_of(number), None, dest, progress=False, **settings)


def stream(dest, number: int, **settings):
    records = ({"image": np.full((8, 8, 3), number, np.uint8)} for _ in range(10))
    return ma.convert(records, dest, RGB, **settings)


def ome(dest, number: int, **settings):
    return ma.write_ome(source_of(number), dest, **settings)


WRITERS = pytest.mark.parametrize("write", [export, stream, ome])


def number_in(dest) -> int:
    return int(ma.open_source(dest).read([0])["image"].max())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.row("`overwrite=True`")
@WRITERS
def test_overwriting(tmp_path, write):
    dest = tmp_path / "deep" / "a.zarr"
    write(dest, 1)
    with pytest.raises(StoreError, match="already exists"):
        write(dest, 2)
    (dest.parent / "a.zarr.old").mkdir()
    (dest.parent / "a.zarr.old" / "thesis").write_text("the only copy")
    write(dest, 3, overwrite=True)
    assert number_in(dest) == 3
    assert names(dest.parent) == ["a.zarr", "a.zarr.old"]
    assert (dest.parent / "a.zarr.old" / "thesis").exists()


@pytest.mark.row("a destination that is a folder of something else")
@WRITERS
def test_what_is_no_store_is_left_alone(tmp_path, write):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis").write_text("the only copy")
    with pytest.raises(StoreError, match="is not a zarr store, so overwrite=True does not remove"):
        write(tmp_path / "a.zarr", 1, overwrite=True)
    assert names(tmp_path) == ["a.zarr"]
    assert names(tmp_path / "a.zarr") == ["thesis"]


@pytest.mark.row("two processes that write to one destination")
@WRITERS
def test_one_writer_at_a_time(tmp_path, write):
    write(tmp_path / "a.zarr", 1)
    with (
        claimed(tmp_path / "a.zarr"),
        pytest.raises(StoreError, match=r"is taken. It is being written by process \d+"),
    ):
        write(tmp_path / "a.zarr", 2, overwrite=True)
    assert number_in(tmp_path / "a.zarr") == 1
    assert names(tmp_path) == ["a.zarr"]


@pytest.mark.row("a destination that is a symbolic link")
@WRITERS
def test_links(tmp_path, write):
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk" / "real.zarr", 1)
    (tmp_path / "link.zarr").symlink_to("disk/real.zarr")
    with pytest.raises(StoreError, match="already exists"):
        write(tmp_path / "link.zarr", 2)
    assert write(tmp_path / "link.zarr", 2, overwrite=True) == tmp_path / "link.zarr"
    assert (tmp_path / "link.zarr").is_symlink()
    assert number_in(tmp_path / "disk" / "real.zarr") == 2
    (tmp_path / "lost.zarr").symlink_to("unmounted/real.zarr")
    with pytest.raises(StoreError, match=r"is a symbolic link to unmounted/real\.zarr, which is"):
        write(tmp_path / "lost.zarr", 1)
    assert names(tmp_path) == ["disk", "link.zarr", "lost.zarr"]
    assert names(tmp_path / "disk") == ["real.zarr"]


class Interrupting(ArraySource):
    """Something happens while it is read."""

    happens = staticmethod(lambda: None)

    def read_range(self, *arguments, **settings):
        self.happens()
        return super().read_range(*arguments, **settings)


@pytest.mark.row("a destination that appears meanwhile")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_destination_that_appears(tmp_path, overwrite):
    dest = tmp_path / "a.zarr"

    def appear() -> None:
        dest.mkdir(exist_ok=True)
        (dest / "thesis").write_text("the only copy")

    source = Interrupting({"image": PICTURES}, RGB)
    source.happens = appear
    with pytest.raises(StoreError, match=r"The finished store is kept as .*a.zarr.partial"):
        ma.export(source, None, dest, progress=False, overwrite=overwrite)
    assert names(dest) == ["thesis"]
    dest.rename(tmp_path / "thesis")
    source.happens = lambda: pytest.fail("everything is there")
    path = ma.export(source, None, dest, progress=False)
    np.testing.assert_array_equal(ma.open_source(path).read(range(40))["image"], PICTURES)
    assert names(tmp_path) == ["a.zarr", "thesis"]


@pytest.mark.row("a folder `<dest>.partial` of your own")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_where_the_store_would_grow(tmp_path, overwrite):
    (tmp_path / "a.zarr.partial").mkdir()
    (tmp_path / "a.zarr.partial" / "thesis").write_text("the only copy")
    export(tmp_path / "b.zarr.partial", 1)  # a finished store of that name
    for name in ("a.zarr", "b.zarr"):
        with pytest.raises(StoreError, match="that is no unfinished store of ours"):
            export(tmp_path / name, 2, overwrite=overwrite)
    assert (tmp_path / "a.zarr.partial" / "thesis").exists()
    assert number_in(tmp_path / "b.zarr.partial") == 1


@pytest.mark.row("writing to the source itself, or inside it")
def test_the_source_itself(tmp_path):
    path = export(tmp_path / "a.zarr", 1)
    source = ma.open_source(path)
    for dest in (path, path / "inside", tmp_path):
        for write in (
            lambda to: ma.export(source, None, to, progress=False, overwrite=True),
            lambda to: ma.write_ome(source, to, overwrite=True),
        ):
            with pytest.raises(StoreError, match="lie in one another"):
                write(dest)
    store = zarr.storage.MemoryStore()
    export(store, 1)
    for data, place in ((ma.open_source(store), store), (source, zarr.storage.LocalStore(path))):
        with pytest.raises(StoreError, match="is the source itself"):
            ma.export(data, None, place, overwrite=True, progress=False)
    with pytest.raises(StoreError, match="lie in one another"):
        ma.export(source, None, zarr.storage.LocalStore(path / "a"), progress=False)
    assert number_in(path) == number_in(store) == 1


@pytest.mark.row("a disk that is full")
@WRITERS
def test_a_disk_that_is_full(tmp_path, write):
    """A limit on file sizes fails in the same place as a full disk."""
    write(tmp_path / "a.zarr", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StoreError, match=r"a.zarr.* cannot be written: File too large"):
            write(tmp_path / "a.zarr", 2, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert number_in(tmp_path / "a.zarr") == 1
    write(tmp_path / "a.zarr", 2, overwrite=True)
    assert number_in(tmp_path / "a.zarr") == 2
    assert names(tmp_path) == ["a.zarr"]


def test_two_writers_of_one_remote_place(monkeypatch):
    """There is no lock behind zarr's store API: who comes second sees it at the end."""
    store, write = zarr.storage.MemoryStore(), BlockWriter.write

    def overtaken(self, block, arrays):
        with monkeypatch.context() as patch:
            patch.setattr(BlockWriter, "write", write)
            export(store, 2, overwrite=True)
        return write(self, block, arrays)

    monkeypatch.setattr(BlockWriter, "write", overtaken)
    with pytest.raises(StoreError, match="another process writes to it"):
        export(store, 1)


@pytest.mark.row("saving statistics")
def test_statistics(tmp_path):
    stats = ma.fit(source_of(3), ma.Moments(), progress=False)
    data = export(tmp_path / "data.zarr", 1)
    with pytest.raises(StoreError, match="holds no statistics, so overwrite=True does not remove"):
        stats.save(data, overwrite=True)
    assert number_in(data) == 1
    path = stats.save(tmp_path / "stats.zarr")
    with pytest.raises(StoreError, match="already exists"):
        stats.save(path)
    with claimed(path), pytest.raises(StoreError, match="is taken"):
        stats.save(path, overwrite=True)
    stats.save(path, overwrite=True)
    assert ma.load_statistics(path)["image"].moments.n == 10
    assert names(tmp_path) == ["data.zarr", "stats.zarr"]


@pytest.mark.row("a checkpoint of a fit")
def test_checkpoints(tmp_path):
    folder = tmp_path / "checkpoint"
    for year in ("20240101", "2019"):
        (folder / year).mkdir(parents=True)
        (folder / year / "thesis").write_text("the only copy")
    fit = {"progress": False, "checkpoint": folder, "checkpoint_every": 0}
    with pytest.raises(StoreError):  # a folder of that name may be a checkpoint that is damaged
        ma.fit(source_of(1), ma.Moments(), **fit)
    (folder / "20240101").rename(folder / "new year")
    ma.fit(source_of(1), ma.Moments(), **fit)
    ma.fit(source_of(1), ma.Moments(), **fit)
    assert {"2019", "new year"} <= set(names(folder))
    assert len([name for name in names(folder) if name.isdigit()]) == 2
    with claimed(folder), pytest.raises(StoreError, match="is taken"):
        ma.fit(source_of(1), ma.Moments(), **fit)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"is a file. Name a folder"):
        ma.fit(source_of(1), ma.Moments(), **{**fit, "checkpoint": tmp_path / "file"})


FLOATS = ma.DataSpec.from_dict(
    {
        "name": "floats",
        "entries": {
            "image": {
                "role": "intensity",
                "channels": 3,
                "dtype": "float32",
                "range": [0, 255],
                "validity": True,
            },
            "mask": {"role": "label", "dtype": "uint8", "optional": True},
        },
    }
)


@pytest.mark.row("results of another dtype than the records")
def test_what_is_written_opens(tmp_path):
    pictures = {"image": PICTURES[:, :4, :4]}
    levels = ma.open_source(pictures, RGB)
    source = ma.open_source({"image": pictures["image"].astype(np.float32)}, FLOATS)
    stats = ma.fit(levels, ma.ZCA(), progress=False)
    stats.save(tmp_path / "stats")
    for data, transform in (
        (levels, ma.Whiten(stats)),
        (source, ma.Maybe(ma.Normalize(0.5, 0.25))),  # 0 .. 255 does not hold any more
    ):
        pipeline = ma.Pipeline([transform], data.spec)
        path = ma.export(data, pipeline, tmp_path / "a", progress=False, overwrite=True)
        found = ma.open_source(path)
        entry = found.spec.entries["image"]
        assert (entry.dtype, entry.groups[0].range) == ("float32", None)
        assert found.read([0])["image"].dtype == np.float32
    flipped = ma.Pipeline([ma.Flip("x")], FLOATS)
    unchanged = ma.export(source, flipped, tmp_path / "c", progress=False)
    assert ma.open_source(unchanged).spec == FLOATS
    pca = ma.Pipeline([ma.Whiten(stats, method="pca")], RGB)
    with pytest.raises(ParameterError, match="`export` writes pictures, but Whiten makes rows"):
        ma.export(levels, pca, tmp_path / "d")


def test_a_shuffled_export_sorts_once(tmp_path, monkeypatch):
    """Not for every batch: that would be quadratic."""
    sorted_once, order = [], ma.passes._export.random_order

    def counting(*arguments):
        sorted_once.append(threading.get_ident())
        return order(*arguments)

    monkeypatch.setattr("multiaug.passes._export.random_order", counting)
    source = ma.open_source({"image": PICTURES}, RGB)
    path = ma.export(
        source,
        None,
        tmp_path / "a",
        shuffle_seed=3,
        copies=2,
        batch_size=4,
        shard_bytes=4000,
        progress=False,
    )
    rows = order(80, 3)(np.arange(80)) // 2
    np.testing.assert_array_equal(ma.open_source(path).read(range(80))["image"], PICTURES[rows])
    assert len(sorted_once) == 1


def test_the_marker_of_a_stream(tmp_path):
    """An array that a source does not read is written, too, and listed with its digest."""
    batches = [{"image": PICTURES, "image_valid": np.ones((40, 8, 8), bool)}]
    path = write_zarr(batches, RGB, tmp_path / "a.zarr")
    marker = json.loads((path / "zarr.json").read_text())["attributes"]["multiaug"]
    assert set(marker["sha256"]) == {"image", "image_valid"} == set(zarr.open_group(path))
