"""What a mix makes of a record follows from the stream, whatever the batches are."""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import multiaug as ma
from multiaug.errors import ParameterError
from multiaug.loader import _groups
from multiaug.loader._groups import Joiner, Made, Piece
from multiaug.loader._read import Plan
from multiaug.loader._standing import Turn
from tests.loader.test_chunks import Counted
from tests.nightly import by_night

COUNT, AMONG, SEED = 75, 8, 3
SPEC = ma.DataSpec.from_dict(
    {
        "name": "mixed",
        "entries": {
            "image": {"role": "intensity", "dtype": "uint8", "channels": 3},
            "mask": {"role": "label", "dtype": "uint8"},
            "target": {"role": "scalar"},
            "id": {"role": "scalar", "dtype": "int64"},
        },
    }
)
KEEP = ["id", "mask"]


def arrays(count: int = COUNT) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        "image": draw.integers(0, 256, (count, 6, 8, 3), np.uint8),
        "mask": np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 6, 8)),
        "target": np.eye(4, dtype=np.float32)[np.arange(count) % 4],
        "id": np.arange(count) + 2**40,
    }


SOURCE = ma.ArraySource(arrays(), SPEC, block=4)
PIPELINE = ma.Pipeline(
    [ma.Flip("x"), ma.MixUp(keep=KEEP, p=0.5), ma.Brightness(0.1), ma.CutMix(keep="id")], SPEC
)


def loader(source=SOURCE, pipeline=PIPELINE, *, batch_size, **settings) -> ma.Loader:
    """Of narrow windows and small groups, without a warning of either."""
    settings = {"mix_among": AMONG, "seed": SEED, "window": 3, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return ma.Loader(source, pipeline, batch_size=batch_size, **settings)


Records = dict[tuple[int, int], dict[str, np.ndarray]]


def records(batches) -> Records:
    """(index, copy) -> the arrays of a record, in their order."""
    found: Records = {}
    for batch in batches:
        arrays = {name: np.asarray(array) for name, array in batch.items()}
        for i, pair in enumerate(zip(arrays["index"], arrays["copy"], strict=True)):
            found[tuple(map(int, pair))] = {name: array[i] for name, array in arrays.items()}
    return found


def check_same(found: Records, expected: Records) -> None:
    assert list(found) == list(expected)
    for pair, record in expected.items():
        assert record.keys() == found[pair].keys()
        for name, array in record.items():
            np.testing.assert_array_equal(found[pair][name], array, err_msg=f"{pair} {name}")


def groups_of(length: int) -> list[slice]:
    """Their places; the last one takes what is left over, too."""
    starts = range(0, max(1, length // AMONG) * AMONG, AMONG)
    return [slice(a, a + AMONG if a + 2 * AMONG <= length else length) for a in starts]


def by_hand(epoch: int = 0, **settings) -> Records:
    """Whole groups of the order, each of them one batch of the pipeline; of a single stream."""
    whole = loader(pipeline=None, batch_size=1000, **settings)
    order = records(batch for _ in range(epoch + 1) for batch in whole if whole.epoch == epoch)
    pairs, made = list(order), []
    for places in groups_of(len(pairs)):
        index, copy = np.array(pairs[places]).T
        batch = {n: a[index] for n, a in arrays().items()}
        result = PIPELINE.batch(ma.record_keys(SEED, epoch, index, copy), batch)
        made.append({**result, "index": index, "copy": copy})
    return records(made)


@pytest.fixture(scope="module")
def expected() -> Records:
    return by_hand()


def test_groups():
    assert [(s.start, s.stop) for s in groups_of(19)] == [(0, 8), (8, 19)]
    assert [(s.start, s.stop) for s in groups_of(5)] == [(0, 5)]


@pytest.mark.parametrize(
    ("batch", "settings"),
    [
        (1, {"threads": 1, "prefetch": 0}),
        (7, {"threads": 1}),
        (7, {"threads": 4, "prefetch": 5}),
        (8, {}),
        (64, {"threads": 4}),
        (1000, {"prefetch": 0}),
    ],
)
def test_batches_of_all_sizes_have_the_same_mixes(expected, batch, settings):
    batches = list(loader(batch_size=batch, **settings))
    assert [len(b["index"]) for b in batches[:-1]] == [batch] * (COUNT // batch - (batch == 1))
    check_same(records(batches), expected)


def test_two_groups_at_a_time(expected, monkeypatch):
    """As large ones are augmented; twice, with memory that was used before."""
    monkeypatch.setattr("multiaug.loader._budget._SMALL_BATCH", 0)
    monkeypatch.setattr("multiaug.loader._budget.core_count", lambda: 2)
    several = loader(batch_size=5)
    kept = [list(several) for _ in range(2)]
    check_same(records(kept[0]), expected)
    check_same(records(kept[1]), by_hand(1))


@pytest.mark.parametrize(
    "settings",
    [
        {"copies": 2},
        {"indices": np.arange(0, 60, 3)},
        {"weights": np.arange(COUNT)},
        {"shuffle": "full"},
        {"shuffle": None},
        {"indices": [4, 9, 11]},  # fewer than a group
    ],
    ids=lambda s: " ".join(s),
)
def test_every_kind_of_stream(settings):
    check_same(records(loader(batch_size=6, **settings)), by_hand(**settings))


def test_a_last_batch_that_is_not_full_is_left_out(expected):
    found = records(loader(batch_size=7, drop_last=True))
    check_same(found, dict(list(expected.items())[:70]))


def test_hosts():
    """Groups are those of the streams, so as many hosts as there are make the same of them."""
    settings = {"streams": 4, "copies": 2, "indices": np.arange(64)}
    one = records(loader(batch_size=12, shard=(0, 1), **settings))
    several = [records(loader(batch_size=6, shard=(i, 2), **settings)) for i in range(2)]
    several = {pair: record for part in several for pair, record in part.items()}
    check_same({pair: several[pair] for pair in one}, one)
    assert len(several) == len(one) == 128


def test_restarts(expected):
    """In the middle of groups, with batches of another size; and in the next epoch."""
    for step, before, after in [(1, 5, 64), (3, 7, 1), (9, 8, 7), (2, 32, 3)]:
        first = loader(batch_size=before)
        loop = iter(first)
        seen = records(next(loop) for _ in range(step))
        state = json.loads(json.dumps(first.state()))
        first.close()
        second = loader(batch_size=after)
        second.restore(state)
        rest = records(second)
        assert not rest.keys() & seen.keys()
        check_same({**seen, **rest}, expected)
    check_same(records(second), by_hand(1))


def test_states():
    state = loader(batch_size=5).state()
    assert state["mix_among"] == AMONG
    with pytest.raises(ParameterError, match=r"its mix_among is 8, here it is 9.*mix_among=8"):
        loader(batch_size=5, mix_among=9).restore(state)
    with pytest.raises(ParameterError, match=r"its mix_among is 8, here it is 'batch'"):
        loader(batch_size=5, mix_among="batch").restore(state)
    with pytest.raises(ParameterError, match=r"state\['mix_among'\]` must be .*, got 1\."):
        loader(batch_size=5).restore({**state, "mix_among": 1})
    older = {name: value for name, value in state.items() if name != "mix_among"}
    loader(batch_size=5).restore({**older, "position": 20})
    # Where nothing is mixed it is not part of the stream.
    unmixed = loader(pipeline=None, batch_size=5)
    assert "mix_among" not in unmixed.state()
    unmixed.restore(state)


@pytest.mark.parametrize("parts", [2, 3])
def test_workers(expected, parts):
    """They make the groups that their batches need, and take turns at the same batches."""
    several = loader(batch_size=5)
    turn = several.ticket(Turn(0, 0, 0, 0))
    shares = [records(b for _, b in several.share_of(i, parts, turn)) for i in range(parts)]
    joined = {pair: record for share in shares for pair, record in share.items()}
    check_same({pair: joined[pair] for pair in expected}, expected)
    assert sum(map(len, shares)) == COUNT


def test_partners_of_the_batch():
    """On request, as `Pipeline.batch` has them: then batches of another size are other mixes."""
    settings = {"mix_among": "batch", "indices": np.arange(48)}
    one, other = (records(loader(batch_size=n, **settings)) for n in (16, 24))
    pairs = list(one)[:16]
    index, copy = np.array(pairs).T
    batch = {n: a[index] for n, a in arrays().items()}
    made = PIPELINE.batch(ma.record_keys(SEED, 0, index, copy), batch)
    check_same(
        {pair: one[pair] for pair in pairs}, records([{**made, "index": index, "copy": copy}])
    )
    assert any((one[pair]["image"] != other[pair]["image"]).any() for pair in one)


def test_views():
    views = ma.Views({"mixed": PIPELINE, "plain": ma.Pipeline([ma.Flip("y")], SPEC)})
    found = []
    for size in (7, 64):
        batches = list(loader(pipeline=views, batch_size=size, indices=np.arange(32)))
        for name in ("mixed", "plain"):
            labels = [{"index": b["index"], "copy": b["copy"]} for b in batches]
            flat = [{**b[name][0], **a} for b, a in zip(batches, labels, strict=True)]
            found.append(records(flat))
    for one, other in zip(found[:2], found[2:], strict=True):
        check_same(one, other)
    assert len(found[0]) == 32


def test_shapes():
    """Asked for without a word of records that are alone."""
    shapes = loader(batch_size=5, mix_among="batch").shapes()
    assert shapes["image"] == ((6, 8, 3), np.uint8)
    assert loader(batch_size=5).shapes() == shapes


@pytest.mark.parametrize("pieces", ["CutMix", "Mosaic", "CopyPaste"])
def test_masks_hold_only_labels_that_were_there(pieces):
    """At every pixel, the label and the colour of one record of the group."""
    entries = {name: SPEC.entries[name] for name in ("image", "mask")}
    spec = ma.DataSpec("pieces", list(entries.values()))
    given = {name: arrays()[name] for name in entries}
    given["image"] = np.broadcast_to(given["mask"][..., None], given["image"].shape)
    mix = {"CutMix": ma.CutMix, "Mosaic": ma.Mosaic, "CopyPaste": ma.CopyPaste}[pieces]
    if pieces == "CopyPaste":  # ids are counted on, so classes are another map
        ids = np.zeros(given["mask"].shape, np.uint16)
        ids[:, 2:5, 3:6] = 1
        given["ids"] = ids
        ids_entry = ma.EntrySpec.of_role("ids", "label", dtype="uint16")
        spec = ma.DataSpec("pieces", [*entries.values(), ids_entry])
        mix = partial(ma.CopyPaste, "ids", 1.0)
    source = ma.ArraySource(given, spec, block=4)
    some = {"indices": np.arange(0, COUNT, 2)[:32]}
    found = records(loader(source, ma.Pipeline([mix()], spec), batch_size=7, **some))
    pairs, mixed = list(found), 0
    for places in groups_of(len(pairs)):
        there = {index for index, _ in pairs[places]}
        for pair in pairs[places]:
            mask = found[pair]["mask"]
            assert set(np.unique(mask).tolist()) <= there
            np.testing.assert_array_equal(found[pair]["image"], np.stack([mask] * 3, -1))
            mixed += (mask != pair[0]).any()
            if pieces == "CopyPaste":
                assert set(np.unique(found[pair]["ids"]).tolist()) <= {0, 1, 2}
    assert mixed > len(pairs) // 2


def test_partners_are_even_over_the_group():
    """Each of the other records of the group as often as another one, 4,800 times."""
    count = 1600
    spec = ma.DataSpec.from_dict(
        {"name": "ids", "entries": {"mask": {"role": "label", "dtype": "uint16"}}}
    )
    mask = np.broadcast_to(np.arange(count, dtype=np.uint16)[:, None, None], (count, 2, 2))
    source = ma.ArraySource({"mask": mask}, spec)
    mosaic = ma.Pipeline([ma.Mosaic(center=(0.4, 0.6))], spec)
    (batch,) = loader(source, mosaic, batch_size=count, window=None)
    found, index = np.asarray(batch["mask"]), np.asarray(batch["index"])
    place = np.empty(count, int)
    place[index] = np.arange(count)
    places = place[found.reshape(count, 4)]
    own = np.arange(count)[:, None]
    assert (places // AMONG == own // AMONG).all()
    assert ((places == own).sum(1) == 1).all()  # a quarter is its own
    counts = np.bincount(((places - own) % AMONG)[places != own], minlength=AMONG)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-3


def test_cameras_stay_those_of_the_record():
    """What follows a camera is refused, and a camera that is to be kept is not mixed."""
    entries = {"image": SPEC.entries["image"].to_dict()}
    k = {"role": "intrinsics", "dtype": "float32"}
    depth = {"role": "depth", "dtype": "float32"}
    spec = ma.DataSpec.from_dict({"name": "seen", "entries": {**entries, "k": k}})
    given = {name: arrays()[name] for name in entries}
    focal = 5 + np.arange(COUNT, dtype=np.float32)
    given["k"] = np.zeros((COUNT, 3, 3), np.float32)
    given["k"][:, 0, 0], given["k"][:, 1, 1], given["k"][:, 2, 2] = focal, focal, 1
    source = ma.ArraySource(given, spec, block=4)
    for mix in (ma.MixUp, ma.CutMix, ma.Mosaic):
        with pytest.raises(ParameterError, match=r"'k': .*no common meaning"):
            ma.Pipeline([mix()], spec)
    deep = ma.DataSpec.from_dict({"name": "deep", "entries": {**entries, "k": k, "z": depth}})
    with pytest.raises(ParameterError, match="'z': its values follow the camera"):
        ma.Pipeline([ma.CutMix(keep="k")], deep)
    with pytest.raises(ParameterError, match="'z': "):
        ma.Pipeline([ma.MixUp(keep="k")], deep)
    some = {"indices": np.arange(0, COUNT, 2)[:32]}
    found = records(loader(source, ma.Pipeline([ma.CutMix(keep="k")], spec), batch_size=7, **some))
    assert any((record["image"] != given["image"][i]).any() for (i, _), record in found.items())
    for (index, _), record in found.items():
        np.testing.assert_array_equal(record["k"], given["k"][index])


@pytest.mark.parametrize("batch", [16, pytest.param(3, marks=by_night)])
def test_nothing_further_is_read(batch):
    """Groups are neighbours of the stream, whose chunks are read once, as without a mix."""
    source = Counted(399, 7)
    mix = ma.Pipeline([ma.MixUp(keep="label")], source.spec)
    found = records(loader(source, mix, batch_size=batch, window=6))
    assert len(found) == 399
    assert set(source.reads.values()) == {1}


@pytest.mark.parametrize("shuffle", ["block", pytest.param("full", marks=by_night)])
def test_damaged_records_are_left_out_of_their_groups(tmp_path, shuffle):
    path = ma.write_zarr([arrays()], SPEC, tmp_path / "a.zarr", chunk=4)
    (path / "mask" / "c" / "2" / "0" / "0").write_bytes(b"gone")
    settings = {"on_corrupt": "skip", "skip_limit": 0.1, "shuffle": shuffle}
    source = ma.open_source(path)
    reference = loader(source, batch_size=1, **settings)
    expected = records(reference)
    assert sorted(expected) == [(i, 0) for i in range(COUNT) if not 8 <= i < 12]
    several = loader(source, batch_size=7, **settings)
    batches = list(several)
    assert sum(7 - len(b["index"]) for b in batches[:-1]) <= 4
    check_same(records(batches), expected)
    assert reference.skipped == several.skipped == 4
    # Of several workers that read the same group each counts what its own batches lack.
    workers = loader(source, batch_size=7, **settings)
    turns = [workers.ticket(workers._standing.join(0, 0, 3)) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:  # the last batch waits for all others
        shares = threads.map(lambda i: list(workers.share_of(i, 3, turns[i])), range(3))
    assert sum(len(b["index"]) for share in shares for _, b in share) == COUNT - 4
    assert workers.skipped == 4


def test_memory():
    """Groups are counted, and what does not fit is refused by the name of the setting."""
    with pytest.raises(ParameterError, match=r"groups of mix_among records .*lower mix_among,"):
        loader(batch_size=2, mix_among=64, memory="40KB", threads=1)
    small, large = (loader(batch_size=2, mix_among=n, memory="8MB").memory for n in (4, 64))
    assert small < large
    as_batches = loader(batch_size=64, mix_among="batch", memory="8MB").memory
    assert as_batches < large
    with pytest.raises(ParameterError, match=r"mix_among` must be .*at least 2, or 'batch'"):
        loader(batch_size=2, mix_among=1)


def test_pieces_on_accelerators(monkeypatch):
    """They are cut and joined there; the same code runs on this machine."""
    monkeypatch.setattr(_groups, "_is_on_host", lambda array: not isinstance(array, jax.Array))
    given = {name: array[:11] for name, array in arrays().items()}
    put = {name: given[name] if name == "id" else jnp.asarray(given[name]) for name in given}
    places = np.arange(11)
    group = Made(Plan(0, places, places), put)
    for pieces in [(2, 9), (8, 11), (0, 1)], [(0, 7), (5, 8), (10, 11)]:
        joined = Joiner(20)([Piece(group, *piece) for piece in pieces])
        assert list(joined) == list(given)
        for name, array in given.items():
            assert isinstance(joined[name], type(put[name]))
            wanted = np.concatenate([array[slice(*piece)] for piece in pieces])
            np.testing.assert_array_equal(np.asarray(joined[name]), wanted)
    assert Joiner(20)([Piece(group, 0, 11)]) == put
