"""Exports: what is in them, that they go on after a kill, and what is refused."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import jax
import numpy as np
import pytest
import zarr

import multiaug as ma
from multiaug.errors import CorruptChunkError, ParameterError, RecordError, StoreError
from multiaug.passes import SerialRunner, ThreadRunner, as_runner
from multiaug.passes._export import _Task

ROOT = Path(__file__).resolve().parents[2]
SPEC = ma.DataSpec.from_dict(
    {
        "name": "export",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "depth": {"role": "depth", "dtype": "float32", "validity": True},
            "id": {"role": "scalar", "dtype": "int64"},
        },
        "camera": {"fov_degrees": 60},
    }
)
PIPELINE = ma.Pipeline([ma.Flip("x"), ma.Rotate(20), ma.Brightness(0.2)], SPEC)


def arrays(count: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(count)
    return {
        "image": draw.integers(0, 256, (count, 8, 8, 3), np.uint8),
        "depth": draw.uniform(1, 2, (count, 8, 8)).astype(np.float32),
        "id": np.arange(count) + 2**40,
    }


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


SIZES = {"copies": 2, "chunk": 2, "shard_bytes": 4000}


def run(dest, **settings) -> Path:
    source = ma.open_source(arrays(20), SPEC)
    return ma.export(source, PIPELINE, dest, **SIZES | settings)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("whole") / "out.zarr")


def test_rows_are_copies_of_records(exported):
    source = ma.open_source(exported)
    assert source.spec == SPEC
    assert len(source) == 40
    found, inputs = source.read(range(40)), arrays(20)
    for row in (0, 1, 7, 39):
        index, copy = divmod(row, 2)
        key = jax.random.fold_in(jax.random.key(0), 0)
        key = jax.random.fold_in(jax.random.fold_in(key, index), copy)
        expected = PIPELINE(key, {name: array[index] for name, array in inputs.items()})
        for name in found:
            np.testing.assert_array_equal(found[name][row], np.asarray(expected[name]))
    group = zarr.open_group(exported, mode="r")
    assert set(group) >= {"image", "depth", "depth_valid", "id", "intrinsics"}
    assert group["image"].chunks == (2, 8, 8, 3)
    assert group["image"].shards[0] == group["id"].shards[0] > 2
    assert group["image"].metadata.dimension_names == (
        "record",
        "image_y",
        "image_x",
        "image_channel",
    )


def test_the_same_bytes_whatever_made_them(tmp_path, exported):
    for name, settings in {
        "serial": {"scheduler": SerialRunner(), "batch_size": 3},
        "threads": {"scheduler": ThreadRunner(4), "batch_size": 40},
    }.items():
        assert files(run(tmp_path / name, **settings)) == files(exported)


def test_provenance(exported):
    marker = json.loads((exported / "zarr.json").read_text())["attributes"]["multiaug"]
    made = marker["provenance"]
    assert marker["complete"] is True
    assert made["source"] == ma.open_source(arrays(20), SPEC).fingerprint
    assert ma.Pipeline.from_dict(made["pipeline"]).transforms == PIPELINE.transforms
    assert (made["seed"], made["copies"]) == (0, 2)
    assert set(made["versions"]) == {"multiaug", "jax", "numpy", "numcodecs"}


def test_deep_checks(tmp_path):
    path = run(tmp_path / "a.zarr")
    source = ma.open_source(path)
    source.check(deep=True)
    other = run(tmp_path / "b.zarr", seed=1)
    shard = "image/c/1/0/0/0"
    (path / shard).write_bytes((other / shard).read_bytes())  # sound, but not what was written
    source.check()
    with pytest.raises(CorruptChunkError, match="'image' decodes, but its values have the SHA-256"):
        source.check(deep=True)


def test_a_random_order(tmp_path):
    data = {"image": arrays(30)["image"], "id": arrays(30)["id"]}
    spec = ma.DataSpec("x", [SPEC.entries["image"], SPEC.entries["id"]])
    path = ma.convert(data, tmp_path / "a.zarr", spec, shuffle_seed=3, chunk=4)
    found = ma.open_source(path).read(range(30))
    order = found["id"] - 2**40
    assert sorted(order) == list(range(30)) != order.tolist()
    np.testing.assert_array_equal(found["image"], data["image"][order])


SCRIPT = """
import sys, time
from tests.passes.test_export import run
from multiaug.store import BlockWriter
write = BlockWriter.write
def slowly(self, block, arrays):
    time.sleep(0.02)
    return write(self, block, arrays)
BlockWriter.write = slowly
print("ready", flush=True)
run(sys.argv[1])
"""


def killed_at(dest: Path, blocks: int, delay: float) -> bool:
    """Run an export in another process, and kill it a while after some blocks are done."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(dest)], cwd=ROOT, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    log = dest.with_name(f"{dest.name}.partial") / ".multiaug-log"
    while process.poll() is None:
        if log.is_file() and log.read_text().count("\n") >= blocks:
            time.sleep(delay)
            break
        time.sleep(0.001)
    was_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return was_running


def test_kills(tmp_path, exported):
    """At random moments; then the same command again gives the same bytes."""
    many = hypothesis.settings().max_examples >= 100
    draw = np.random.default_rng(0)
    whole = files(exported)
    for number in range(20 if many else 1):
        dest = tmp_path / f"{number}.zarr"
        killed_at(dest, int(draw.integers(1, 7)), draw.random() * 0.05)
        partial = dest.with_name(f"{dest.name}.partial")
        if not dest.exists():
            with pytest.raises(StoreError, match="not complete"):
                ma.open_source(partial, SPEC)
            before = {f: f.stat().st_mtime_ns for f in partial.rglob("c/*/*") if f.is_file()}
            done = [json.loads(x) for x in (partial / ".multiaug-log").read_text().splitlines() if
                    x.endswith("}")]  # fmt: skip
            run(dest)
            assert len(done) >= 1
            kept = {str(partial / key) for entry in done for key in entry["sizes"]}
            for file, changed in before.items():
                if str(file) in kept:
                    assert (dest / file.relative_to(partial)).stat().st_mtime_ns == changed
        assert files(dest) == whole
        assert not partial.exists()


def test_records_of_zeros_are_written(tmp_path):
    data = {name: np.zeros_like(array) for name, array in arrays(9).items()}
    path = ma.convert(data, tmp_path / "a.zarr", SPEC, chunk=1, shard_bytes=2000)
    source = ma.open_source(path)
    source.check(deep=True)
    assert not any(array.any() for array in source.read(range(9)).values())


class TestGoingOn:
    """An unfinished store is taken up only by what began it."""

    @pytest.fixture
    def begun(self, tmp_path, monkeypatch) -> Path:
        write = ma.store.BlockWriter.write

        def fail(self, block, arrays):
            if block == 2:
                raise KeyboardInterrupt
            return write(self, block, arrays)

        with monkeypatch.context() as patch:
            patch.setattr(ma.store.BlockWriter, "write", fail)
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path / "a.zarr", scheduler=SerialRunner())
        assert not (tmp_path / "a.zarr").exists()
        return tmp_path / "a.zarr"

    def blocks(self, monkeypatch) -> list[int]:
        written = []
        write = ma.store.BlockWriter.write

        def spy(self, block, arrays):
            written.append(block)
            return write(self, block, arrays)

        monkeypatch.setattr(ma.store.BlockWriter, "write", spy)
        return written

    def test_finished_blocks_are_kept(self, begun, exported, monkeypatch):
        written = self.blocks(monkeypatch)
        run(begun)
        assert min(written) == 2
        assert files(begun) == files(exported)

    def test_a_file_that_was_cut_is_written_again(self, begun, exported, monkeypatch):
        shard = begun.with_name("a.zarr.partial") / "image" / "c" / "0" / "0" / "0" / "0"
        shard.write_bytes(shard.read_bytes()[:-1])
        written = self.blocks(monkeypatch)
        run(begun)
        assert sorted(written)[:2] == [0, 2]
        assert files(begun) == files(exported)

    def test_what_was_being_written_is_removed(self, begun, exported):
        """Everything is written beside its name first: chunks, metadata and the log."""
        unfinished = begun.with_name("a.zarr.partial")
        shard = unfinished / "image" / "c" / "2" / "0" / "0"
        shard.mkdir(parents=True, exist_ok=True)
        for folder, name in ((shard, "0"), (unfinished, "zarr")):
            (folder / f"{name}.3e585d15a9ea432a903417d516b63c75.partial").write_bytes(b"some")
        (unfinished / ".multiaug-log.tmp-3e585d15a9ea432a903417d516b63c75").write_bytes(b"some")
        run(begun)
        assert files(begun) == files(exported)

    def test_a_line_that_was_cut(self, begun, exported, monkeypatch):
        log = begun.with_name("a.zarr.partial") / ".multiaug-log"
        log.write_text(log.read_text()[:-9])
        written = self.blocks(monkeypatch)
        run(begun)
        assert min(written) == 1
        assert files(begun) == files(exported)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"seed": 1}, r"its provenance.seed is 0, expected 1"),
            ({"copies": 1}, "its records is 40, expected 20"),
            ({"chunk": 1}, "its chunk is 2, expected 1"),
        ],
    )
    def test_something_else(self, begun, settings, message):
        with pytest.raises(StoreError, match=f"unfinished store of something else: {message}"):
            run(begun, **settings)
        assert begun.with_name("a.zarr.partial").exists()
        run(begun, **settings, overwrite=True)

    def test_something_else_without_a_finished_block(self, begun):
        """There is nothing to lose, so what a kill has left is replaced."""
        partial = begun.with_name("a.zarr.partial")
        (partial / ".multiaug-log").unlink()
        run(begun, seed=1)
        assert len(ma.open_source(begun)) == 40
        assert not partial.exists()

    @pytest.mark.parametrize(("first", "kept"), [(0, False), (20, True)])
    def test_a_failure_leaves_nothing_but_finished_blocks(self, tmp_path, monkeypatch, first, kept):
        made = _Task.make

        def fail(self, start, stop):
            if start >= first:
                raise RecordError("a record is not like the others")
            return made(self, start, stop)

        monkeypatch.setattr(_Task, "make", fail)
        with pytest.raises(RecordError, match="not like the others"):
            run(tmp_path / "a.zarr", scheduler=SerialRunner())
        assert (tmp_path / "a.zarr.partial").exists() is kept
        assert not (tmp_path / "a.zarr").exists()

    def test_another_source(self, begun):
        other = arrays(20) | {"id": np.arange(20)}
        with pytest.raises(StoreError, match=r"provenance.source is"):
            ma.export(ma.open_source(other, SPEC), PIPELINE, begun, **SIZES)

    def test_a_disk_that_is_full(self, begun, exported):
        """A limit on file sizes fails in the same place as a full disk."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
        try:
            with pytest.raises(StoreError, match="Make room and run the same command again"):
                run(begun)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not begun.exists()
        run(begun)
        assert files(begun) == files(exported)


class TestRefusals:
    """What would lose data, or give something else than asked for."""

    def test_an_existing_destination(self, tmp_path, exported):
        path = run(tmp_path / "a.zarr", seed=1)
        with pytest.raises(StoreError, match=r"already exists.*overwrite=True"):
            run(path)
        assert files(path) != files(exported)
        run(path, overwrite=True)
        assert files(path) == files(exported)
        assert sorted(f.name for f in tmp_path.iterdir()) == ["a.zarr"]

    def test_what_is_no_store_is_left_alone(self, tmp_path):
        (tmp_path / "thesis").mkdir()
        with pytest.raises(StoreError, match="is not a zarr store"):
            run(tmp_path / "thesis", overwrite=True)

    def test_the_source_itself(self, exported):
        source = ma.open_source(exported)
        for dest in (exported, exported / "inside", exported.parent):
            with pytest.raises(StoreError, match="lie in one another"):
                ma.convert(source, dest, overwrite=True)

    @pytest.mark.parametrize("bad", [{"copies": 0}, {"seed": -1}, {"batch_size": 0}, {"chunk": 0}])
    def test_settings(self, tmp_path, bad):
        with pytest.raises(ParameterError, match=f"`export.{next(iter(bad))}` must be"):
            run(tmp_path / "a", **bad)

    def test_a_scheduler_of_another_kind(self):
        with pytest.raises(ParameterError, match=r"must be None, a dask.distributed.Client"):
            as_runner(object())


class TestConvert:
    """Data of other kinds."""

    def test_arrays_and_stores(self, tmp_path):
        first = ma.convert(arrays(20), tmp_path / "a.zarr", SPEC, chunk=4)
        second = ma.convert(first, tmp_path / "b.zarr", chunk=5)
        for name, array in ma.open_source(second).read(range(20)).items():
            np.testing.assert_array_equal(array, arrays(20)[name])

    def test_records(self, tmp_path):
        data = arrays(7)
        records = [{name: array[i] for name, array in data.items()} for i in range(7)]
        path = ma.convert(iter(records), tmp_path / "a.zarr", SPEC, chunk=3)
        for name, array in ma.open_source(path).read(range(7)).items():
            np.testing.assert_array_equal(array, data[name])
        with pytest.raises(RecordError, match="record 5: 'depth' is float32"):
            bad = [*records[:5], records[5] | {"depth": np.zeros((4, 4), np.float32)}]
            ma.convert(bad, tmp_path / "b.zarr", SPEC)
        with pytest.raises(RecordError, match="record 2: found the entries"):
            ma.convert([*records[:2], {"image": records[0]["image"]}], tmp_path / "b.zarr", SPEC)
        with pytest.raises(RecordError, match="record 0: found a int"):
            ma.convert([1, 2], tmp_path / "b.zarr", SPEC)
        assert not (tmp_path / "b.zarr").exists()
        with pytest.raises(ParameterError, match="carry no spec"):
            ma.convert(iter(records), tmp_path / "b.zarr")

    def test_map_batches(self):
        data = arrays(7)
        records = ({name: array[i] for name, array in data.items()} for i in range(7))
        found = list(ma.map_batches(records, PIPELINE, batch_size=3, seed=4))
        source = ma.open_source(data, SPEC)
        expected = list(ma.Loader(source, PIPELINE, batch_size=3, seed=4, shuffle=None))
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one["index"], two["index"])
            np.testing.assert_array_equal(one["image"], two["image"])
