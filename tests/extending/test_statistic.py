"""A statistic of one's own is one file: fitted, resumed, merged, saved, loaded and printed."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

import multiaug as ma
from multiaug.errors import ParameterError, StoreError
from multiaug.statistics import REGISTRY, Accumulator, Needs, State, Statistic
from multiaug.store import ArraySource
from tests.passes.test_checkpoint import CutError, stop_after
from tests.passes.test_scheduled import Shuffled

SPEC = ma.DataSpec.from_dict(
    {
        "name": "images",
        "entries": {
            "image": {"role": "intensity", "channels": 3, "dtype": "uint8"},
            "mask": {"role": "label", "dtype": "uint8"},
        },
    }
)
DRAW = np.random.default_rng(0)
ARRAYS = {
    "image": DRAW.integers(0, 256, (70, 4, 5, 3), np.uint8),
    "mask": DRAW.integers(0, 9, (70, 4, 5), np.uint8),
}


@dataclass(frozen=True, kw_only=True)
class Histogram(Statistic):
    """How often each level occurs, in each channel."""

    bins: int = 256

    name: ClassVar[str] = "tally"

    def suits(self, role, *, named):
        return role in ("intensity", "label")

    def needs(self, subject):
        if np.dtype(subject.dtype) != np.uint8:
            raise ParameterError(f"`Histogram` counts uint8, got {subject.dtype}.")
        return Needs(self.bound(subject), 3 * 8 * self.bins * subject.record_shape[-1])

    def init(self):
        return HistogramState(statistic=self, counts=np.zeros((self.shape[-1], self.bins), int))

    def accumulator(self, state):
        return Counting(state)


@dataclass(frozen=True, eq=False, kw_only=True)
class HistogramState(State):
    """Counts, int64 (C, bins)."""

    counts: np.ndarray = field(default=None)

    def _merged(self, other):
        return replace(self, counts=self.counts + other.counts)

    def arrays(self):
        return {"counts": self.counts}

    def finalize(self):
        return self.counts / self.counts.sum(1, keepdims=True)

    def summary(self, group):
        return [f"histogram: {(self.counts > 0).sum()} levels in {self.n} records"]


class Counting(Accumulator):
    """Counts batches."""

    def __init__(self, state):
        self._state, self._counts, self._n = state, state.counts.copy(), state.n

    def add(self, batch):
        for channel, counts in enumerate(self._counts):
            levels = batch[..., channel] // (256 // len(counts))
            counts += np.bincount(levels.reshape(-1), minlength=len(counts))
        self._n += len(batch)

    def state(self):
        return replace(self._state, counts=self._counts, n=self._n)


def counted(array, bins):
    """By NumPy, of all records at once."""
    channels = array.reshape(-1, array.shape[-1]).T
    return np.stack([np.histogram(c, bins, (0, 256))[0] for c in channels])


def fit(source=None, bins=16, **settings):
    source = ArraySource(ARRAYS, SPEC, block=8) if source is None else source
    return ma.fit(source, Histogram(bins=bins), progress=False, **settings)


def test_it_is_fitted_saved_and_loaded(tmp_path):
    stats = ma.fit(ma.open_source(ARRAYS, SPEC), ma.Moments(), Histogram(), progress=False)
    assert sorted(stats["image"]) == ["moments", "tally"]
    assert list(stats["mask"]) == ["tally"]
    stats.save(tmp_path / "stats")
    saved = ma.load_statistics(tmp_path / "stats")
    for found in (stats, saved):
        counts = found["image"]["tally"].counts
        np.testing.assert_array_equal(counts, counted(ARRAYS["image"], 256))
        mask = found["mask"]["tally"]
        np.testing.assert_array_equal(mask.counts, counted(ARRAYS["mask"][..., None], 256))
        np.testing.assert_allclose(mask.finalize().sum(), 1)
        assert "histogram: 9 levels in 70 records" in str(found)


def test_it_goes_on_after_a_stop_and_on_a_cluster(tmp_path):
    wanted = counted(ARRAYS["image"], 16)
    settings = {"checkpoint": tmp_path / "fit", "checkpoint_every": 0.0}
    cut = stop_after(ArraySource(ARRAYS, SPEC, block=8), 4)
    with pytest.raises(CutError):
        fit(cut, **settings)
    left = stop_after(ArraySource(ARRAYS, SPEC, block=8), 5)  # of nine
    np.testing.assert_array_equal(fit(left, **settings)["image"]["tally"].counts, wanted)
    found = fit(scheduler=Shuffled())
    np.testing.assert_array_equal(found["image"]["tally"].counts, wanted)
    with pytest.raises(ParameterError, match="another fit: it differs in statistics"):
        fit(bins=8, **settings)


def test_it_is_merged():
    parts = [
        fit(ma.open_source({k: a[rows] for k, a in ARRAYS.items()}, SPEC))
        for rows in (slice(30), slice(30, None))
    ]
    both = (parts[0] + parts[1])["image"]["tally"]
    np.testing.assert_array_equal(both.counts, counted(ARRAYS["image"], 16))
    assert both.n == 70


def test_memory_and_dtypes_are_its_own_affair():
    with pytest.raises(ParameterError, match=r"fit needs .* for tally of image"):
        fit(memory="200MB")
    floats = {name: array.astype(np.float32) for name, array in ARRAYS.items()}
    spec = SPEC.to_dict()
    for entry in spec["entries"].values():
        entry.pop("dtype")
    with pytest.raises(ParameterError, match="counts uint8, got float32"):
        fit(ma.open_source({"image": floats["image"]}, ma.DataSpec.from_dict({**spec, "entries": {
            "image": spec["entries"]["image"]}})))  # fmt: skip


def test_namesakes_are_refused():
    with pytest.raises(ParameterError, match=r"name 'moments', which is taken by multiaug\."):

        class Mine(Histogram):
            name = "moments"

    with pytest.raises(ParameterError, match="'tally', which is taken by"):

        class Other(Histogram):
            """Has the name of its parent."""

    with pytest.raises(ParameterError, match="'spectrum', which is taken by one of multiaug's"):

        class Spectrum(Histogram):
            name = "spectrum"

    assert REGISTRY["tally"] is Histogram


def test_a_file_of_an_unknown_statistic(tmp_path, monkeypatch):
    fit().save(tmp_path / "stats")
    monkeypatch.delitem(REGISTRY, "tally")
    with pytest.raises(StoreError, match=r"statistic 'tally'.*Import the module"):
        ma.load_statistics(tmp_path / "stats")
