"""Random calls of the compiled library: every method, dtype, border and step, with exact memory.

`make sanitize` runs thousands of them under AddressSanitizer and UBSan. Nothing is computed in JAX,
which would take a second per case: geometry and numbers are random arrays in its place.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np

from multiaug import _native
from multiaug.geometry import Map, Projective
from multiaug.sampling import (
    Band,
    Compiled,
    Flight,
    Job,
    LowPass,
    NativeRules,
    PointwiseProgram,
    can_run_pointwise,
    elements_of,
    run_pointwise,
)
from multiaug.sampling._bound import BandNumbers, Placed, SharedJobs
from multiaug.sampling._compiled import _BORDERS, _GENERAL, _method
from multiaug.sampling._displaced import SegmentArrays, SegmentStruct
from multiaug.sampling._pointwise import sampled_into
from multiaug.sampling._rules import NUMBERS as NUMBERS_OF_RULES
from multiaug.sampling._rules import refusal
from multiaug.store.codecs import Chain
from multiaug.store.codecs._step import step_of
from multiaug.store.zarr._many import _Chunks

# As stores hold chunks, by the name of the codec.
_ENCODED: dict[str, Callable[[np.ndarray], Any]] = {
    "none": lambda row: row,
    "zstd": numcodecs.Zstd(checksum=True).encode,
    "lz4": numcodecs.LZ4().encode,
    "blosc": numcodecs.Blosc("lz4").encode,
}
LEVELS = (0, 1, 2)  # instruction sets; those that the machine lacks are replaced
OPERATIONS = (
    *("scale_shift", "scale_shift_by_channel", "scale_about_mean", "scale_about_means"),
    *("scale_about_grey_mean", "power_law", "power_law_by_channel", "clip", "noise"),
    *("blend_with_grey", "hue_saturation_value", "quantize", "solarize", "curve"),
    *("normalize_record", "equalize", "bias_field", "local", "clahe"),
)


def _zeros(view: Any) -> Any:
    """In the place of what a role computes of a record: the numbers are drawn instead."""


class Held:
    """An array where the library expects one of JAX."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = np.ascontiguousarray(array)
        self.shape = self.array.shape

    def block_until_ready(self) -> Held:
        return self

    def unsafe_buffer_pointer(self) -> int:
        return self.array.ctypes.data


class Calls:
    """Makes random calls, and counts them.

    Args:
        seed: of everything.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.counts: Counter[str] = Counter()
        held = _native.library()
        assert held is not None
        self.library = held

    def run(self, count: int) -> Counter[str]:
        """At least so many calls."""
        kinds: list[Callable[[], None]] = [self.warp, self.warp, self.warp, self.run_pointwise]
        kinds += [self.scatter, self.chunks]
        while self.counts.total() < count:
            self.library.multiaug_allow(self.pick(LEVELS))
            kinds[self.random.integers(len(kinds))]()
        self.library.multiaug_allow(max(LEVELS))
        return self.counts

    def pick(self, options: Any) -> Any:
        return options[self.random.integers(len(options))]

    def side(self) -> int:
        return int(self.pick([1, 2, 3, 7, 8, 9, 16, 31, 64, 65, 130]))

    def values(self, shape: tuple[int, ...], dtype: np.dtype[Any], mark: Any = None) -> np.ndarray:
        """Random numbers of a dtype; some of them are not finite, or the mark."""
        if dtype.kind == "b":
            found = self.random.random(shape) < 0.5
        elif dtype.kind in "iu":
            info = np.iinfo(dtype)
            found = self.random.integers(info.min, info.max, shape, dtype, endpoint=True)
        else:
            found = self.random.normal(size=shape).astype(dtype)
            odd = self.random.random(shape) < self.pick([0, 0.05, 0.5, 1])
            found[odd] = self.pick([np.nan, np.inf, -np.inf, float(np.finfo(dtype).max) / 3, -0.0])
        if isinstance(mark, float) and (mark >= 0 or dtype.kind in "if"):
            found[self.random.random(shape) < 0.2] = mark
        return found

    def maps(self, count: int, *, affine: bool) -> np.ndarray:
        """(N, 3, 3) matrices: gentle ones, copies, flips, wild ones, and what is no number."""
        maps = np.broadcast_to(np.eye(3, dtype=np.float32), (count, 3, 3)).copy()
        for one in maps:
            kind = self.random.integers(8)
            if kind == 0:
                one[:2, 2] = self.random.integers(-5, 6, 2)
                one[0, 0], one[1, 1] = self.pick([1, -1]), self.pick([1, -1])
            elif kind < 4:
                one[:2, :2] += self.random.normal(0, 0.4, (2, 2))
                one[:2, 2] = self.random.normal(0, 20, 2)
            elif kind < 6:
                one[[0, 1], [0, 1]] = self.random.normal(0, self.pick([0.5, 3]), 2)
                one[:2, 2] = self.random.normal(0, self.pick([1, 20]), 2)
            elif kind == 6:
                one[:2] = self.random.normal(0, 10.0 ** self.random.integers(0, 30), (2, 3))
            else:
                one[self.pick([0, 1]), self.pick([0, 1, 2])] = self.pick([np.nan, np.inf, -np.inf])
            if not affine:
                one[2, :2] = self.random.normal(0, 0.01, 2)
        return maps

    def band(self, dtype: np.dtype[Any], start: int, count: int) -> Band | None:
        """A rule for some channels, if the library covers it."""
        mark = self.pick([None, None, "nan", 0.0, -1.0])
        fill = self.pick([None, (0.0,), tuple(float(i % 2) for i in range(count))])
        native = self.rules(dtype, count)
        method = self.pick(["nearest", "linear", "linear", "cubic", "spline3", "majority"])
        if native.encode:
            method = "linear"
        if native.move == "area":
            method = "area"
        if native.move == "mirror-pairs" or method == "majority":
            integer = dtype.kind in "iu" and count == 1
            if not integer:
                native, method = NativeRules(), "linear"
            else:
                method = self.pick(["nearest", "majority"])
        act = (lambda values, context: values) if native != NativeRules() else None
        found = Band(
            slice(start, start + count),
            method,
            self.pick(_BORDERS),
            (0.0,) * count if method == "area" else fill,
            mark,
            bool(self.pick([True, False])),
            max_jump=self.pick([None, None, 1.0]),
            encode=act if native.encode else None,
            decode=act if native.decode else None,
            move=act if native.move else None,
            needs_jacobian=native.move in {"angle", "area"},
            native=native,
        )
        return found if refusal(found, dtype, count, unknown=False) is None else None

    def rules(self, dtype: np.dtype[Any], count: int) -> NativeRules:
        """What the values of a band may mean."""
        floats = dtype.kind == "f"
        kinds = [NativeRules()] * 3
        if count == 3 and floats:
            ray = self.pick(["ray", "world-ray"])
            move = {"move": "matrix", "matrix": _zeros}
            kinds += [
                NativeRules(ray, ray, k=_zeros, pose=_zeros, jump=True),
                NativeRules("ray", "ray", k=_zeros, jump=True, **move),
                NativeRules(**move),
                NativeRules(decode="unit", **move),
                NativeRules(decode="unit", move="unit-matrix", matrix=_zeros),
            ]
        if count == 2 and floats:
            kinds += [NativeRules(move=m, matrix=_zeros) for m in ("flow", "flow-ends")]
        if count == 1:
            depth = {"move": "depth", "k": _zeros, "matrix": _zeros}
            kinds += [
                NativeRules("reciprocal", "reciprocal", jump=True, **depth),
                NativeRules("angle", "angle", "angle", turns=0.03, radians=0.02, period=180.0),
                NativeRules(move="area"),
                NativeRules(move="mirror-pairs", mirrored=_zeros, pairs=((1, 2), (200, 3))),
            ]
        return self.pick(kinds)

    def job(self, name: str, sizes: tuple[Any, Any], dtype: np.dtype[Any]) -> Job:
        """A picture of one to three bands."""
        bands, start = [], 0
        while not bands or (len(bands) < 3 and self.random.random() < 0.4):
            count = int(self.pick([1, 1, 2, 3, 3, 4, 5, 8, 11]))
            found = self.band(dtype, start, count)
            if found is not None:
                bands.append(found)
                start += count
        return Job(name, *sizes, tuple(bands), validity=bool(self.pick([True, False])))

    def steps(self, count: int, band: Band, dtype: np.dtype[Any]) -> PointwiseProgram | None:
        """What is done to the values of a band."""
        channels = band.channels.stop - band.channels.start
        kinds = tuple(self.pick(OPERATIONS) for _ in range(self.random.integers(1, 6)))
        if not can_run_pointwise(dtype, kinds, channels):
            return None
        length = sum(1 + elements_of(kind, channels) for kind in kinds)
        numbers = self.random.normal(0, 2, (count, length)).astype(np.float32)
        numbers[self.random.random(numbers.shape) < 0.05] = self.pick([0, np.nan, np.inf, 1e30])
        words = self.random.integers(0, 2**32, (count, kinds.count("noise"), 2), np.uint32)
        wider = np.dtype(self.pick([dtype, np.dtype(np.float32)]))
        invalid = band.invalid if isinstance(band.invalid, float) or dtype == np.float32 else None
        return PointwiseProgram(
            Held(numbers), Held(words), kinds, band.channels.start, channels, invalid, wider
        )

    def placed(
        self, count: int, group: SharedJobs, struct: Any, dtypes: dict[str, Any], *, affine: bool
    ) -> Placed:
        """Where a group is read: by matrices, by a field, or by a spline."""
        (h, w), bent = group.sizes[1], self.random.integers(3)
        on = field = control = None
        if bent:
            on = Held(self.random.integers(0, 2, count, np.int32))
        if bent == 1:
            size = (count, struct.planes, h + h % 2, w)
            positions = self.random.normal(0, self.pick([5, 1e3, 1e30]), size)
            field = Held(positions.astype(np.float32))
        if bent == 2:
            rows, columns = (int(n) for n in self.random.integers(4, 9, 2))
            sizes = [(columns, w), (h, rows)] * 2
            self.along = [self.random.random(size).astype(np.float32) for size in sizes]
            struct.along_x, struct.along_y = (a.ctypes.data for a in self.along[:2])
            if group.needs_jacobian:
                struct.slope_x, struct.slope_y = (a.ctypes.data for a in self.along[2:])
            struct.knots_x, struct.knots_y = columns, rows
            knots = self.random.normal(0, 10, (count, 2, rows, columns))
            control = Held(knots.astype(np.float32))
        numbers = []
        for job, band in group.parts:
            native = band.native or NativeRules()
            if not native.needs_numbers:
                numbers.append(BandNumbers())
            elif _method(band, dtypes[job.name]) == _GENERAL:
                rules = self.random.normal(0, 2, (count, NUMBERS_OF_RULES)).astype(np.float32)
                rules[self.random.random(rules.shape) < 0.05] = self.pick([0, np.nan, np.inf, 1e30])
                numbers.append(BandNumbers(rules=Held(rules)))
            else:
                rays, matrix = (
                    None if of is None else Held(self.maps(count, affine=True))
                    for of in (native.k, native.matrix)
                )
                numbers.append(BandNumbers(rays, matrix))
        sigma = np.abs(self.random.normal(0, self.pick([0.3, 2, 50]), (count, 2)))
        sigma[self.random.random(sigma.shape) < 0.2] = self.pick([0, 1e-30, 1e30, np.nan, np.inf])
        filtered = Held(sigma.astype(np.float32)) if self.random.random() < 0.5 else None
        maps = Held(self.maps(count, affine=affine))
        segments = self.segments(count, group.sizes[0]) if group.moves_ends and bent else []
        self.moving = (SegmentStruct * len(segments))(*(struct for struct, _ in segments))
        struct.segments, struct.n_segments = ctypes.addressof(self.moving), len(segments)
        arrays = [array for _, array in segments]
        return Placed(maps, on, field, control, numbers, filtered, arrays)

    def segments(
        self, count: int, size: tuple[int, int]
    ) -> list[tuple[SegmentStruct, SegmentArrays]]:
        """One to three steps of a map."""
        found = []
        for _ in range(self.random.integers(1, 4)):
            struct = SegmentStruct(added=self.pick([0, 1]))
            if self.random.random() < 0.5:
                found.append((struct, SegmentArrays(Held(self.maps(count, affine=False)))))
                continue
            struct.knots_y, struct.knots_x = (int(n) for n in self.random.integers(12, 16, 2))
            frame = [size[1] / 2, size[0] / 2, 3 / size[1], 2 / size[0]]
            frames = Held(np.tile(np.array(frame, np.float32), (count, 1)))
            shape = (count, struct.knots_y, struct.knots_x, 2)
            knots = self.random.normal(0, self.pick([0.1, 5, 1e30]), shape)
            knots[self.random.random(knots.shape) < 0.02] = self.pick([0, np.nan, np.inf])
            control = Held(knots.astype(np.float32))
            found.append((struct, SegmentArrays(None, control, frames)))
        return found

    def warp(self) -> None:
        """A batch of pictures of one shape, by some threads."""
        count, helpers = int(self.pick([1, 1, 2, 3, 5])), int(self.pick([0, 0, 1, 3]))
        sizes = (self.side(), self.side()), (self.side(), self.side())
        dtypes = {
            f"p{i}": np.dtype(self.pick(["u1", "u1", "u2", "f4", "f4", "i4", "i2", "f2", "?"]))
            for i in range(self.random.integers(1, 4))
        }
        jobs = tuple(self.job(name, sizes, dtype) for name, dtype in dtypes.items())
        group = SharedJobs.of(jobs)
        eye = np.eye(3, dtype=np.float32)
        affine, radius = bool(self.pick([True, True, False])), int(self.pick([0, 1, 5, 40]))
        kernel = Compiled(
            [group],
            dtypes,
            warp=Map((Projective(eye, eye, affine),), *sizes, bool(self.pick([True, False]))),
            frames=sizes,
            low=LowPass((radius, radius)) if radius else None,
        )
        pointwise_programs, results, sources, rows, checks = {}, {}, {}, {}, {}
        for job in jobs:
            dtype, channels = dtypes[job.name], job.bands[-1].channels.stop
            into = dtype
            if self.random.random() < 0.4:
                several = [self.steps(count, band, dtype) for band in job.bands]
                kept = [one for one in several if one is not None]
                if len(kept) == len(several):
                    into = kept[0].dtype
                    pointwise_programs[job.name] = tuple(
                        PointwiseProgram(
                            o.numbers, o.words, o.kinds, o.start, o.channels, o.invalid, into
                        )
                        for o in kept
                    )
            number = count + int(self.pick([0, 2]))
            sources[job.name] = self.values(
                (number, *sizes[0], channels), dtype, job.bands[0].invalid
            )
            if number > count or self.random.random() < 0.2:
                rows[job.name] = self.random.integers(0, number, count)
            results[job.name] = np.zeros((count, *sizes[1], channels), into)
            if job.validity:
                results[f"{job.name}_valid"] = np.full((count, *sizes[1]), 2, np.uint8)
            if dtype == np.float32 and self.random.random() < 0.5:
                checks[job.name] = self.random.random(channels) < 0.5
        bytes_of = {name: array[0].nbytes for name, array in results.items()}
        bound = kernel.bound(count, bytes_of, checks, int(self.pick([1, 2, 5])), pointwise_programs)
        placed = self.placed(count, group, bound._groups[0], dtypes, affine=affine)
        bound._segments = [self.moving]
        flight = Flight(1)
        try:
            bound.point(
                {name: array.ctypes.data for name, array in sources.items()},
                {name: array.ctypes.data for name, array in rows.items()},
                {name: array.ctypes.data for name, array in results.items()},
                [placed],
                pointwise_programs,
            )
            flight.add(bound, helpers)
        finally:
            flight.finish()
        for job in jobs:
            assert not job.validity or results[f"{job.name}_valid"].max() < 2, "not said everywhere"
        self.counts["warp, alone" if not helpers else "warp, with helpers"] += 1

    def run_pointwise(self) -> None:
        """New values for pictures, in place or wider."""
        count, channels = int(self.pick([1, 2, 5])), int(self.pick([1, 2, 3, 4, 7, 16, 256]))
        dtype = np.dtype(self.pick(["u1", "u1", "u2", "f4"]))
        band = Band(slice(0, channels), "linear", "edge", None, self.pick([None, "nan", 0.0]))
        how = self.steps(count, band, dtype)
        if how is None:
            return
        out = np.zeros((count, self.side(), self.side(), channels), how.dtype)
        pictures = sampled_into(out, dtype)
        pictures[...] = self.values(pictures.shape, dtype, band.invalid)
        plain = PointwiseProgram(
            how.numbers.array, how.words.array, how.kinds, 0, channels, how.invalid, how.dtype
        )
        run_pointwise(pictures, plain, out)
        self.counts["pointwise"] += 1

    def scatter(self) -> None:
        """Records of a chunk to places in batches."""
        sizes = [int(self.pick([1, 3, 16, 100, 4095, 4096, 5000, 9999])) for _ in range(3)]
        length, batches, room = (int(n) for n in self.random.integers(1, 9, 3))
        chunk = [self.random.integers(0, 256, (length, size), np.uint8) for size in sizes]
        into = [[np.zeros((room, size), np.uint8) for size in sizes] for _ in range(batches)]
        entries = np.array([[a.ctypes.data, a.strides[0]] for a in chunk], np.int64)
        places = np.array([[a.ctypes.data for a in batch] for batch in into], np.int64)
        spots = self.random.permutation(batches * room)[: self.random.integers(0, 20)]
        moves = np.stack(
            [spots // room, self.random.integers(0, length, len(spots)), spots % room], 1
        ).astype(np.int64)
        self.library.multiaug_scatter(
            entries.ctypes.data, len(entries), places.ctypes.data,
            np.ascontiguousarray(moves).ctypes.data, len(moves),
        )  # fmt: skip
        for number, inside, place in moves:
            for k in range(len(sizes)):
                np.testing.assert_array_equal(into[number][k][place], chunk[k][inside])
        self.counts["scatter"] += 1

    def chunks(self) -> None:
        """Chunks in files of their own, or in one that is open; one may be anything."""
        count, size = int(self.pick([1, 2, 5])), self.side() * int(self.pick([1, 7, 64]))
        rows = self.random.integers(0, self.pick([2, 256]), (count, size), np.uint8)
        name = self.pick(list(_ENCODED))
        stored = [np.frombuffer(_ENCODED[name](row), np.uint8).copy() for row in rows]
        broken = int(self.random.integers(0, count + 1))
        if broken < count:
            stored[broken] = self.damaged(stored[broken])
        with tempfile.TemporaryDirectory() as folder:
            for number, content in enumerate(stored):
                Path(folder, f"a{number}.z").write_bytes(content.tobytes())
            whole = Path(folder, "whole")
            whole.write_bytes(b"".join(content.tobytes() for content in stored))
            file = os.open(whole, os.O_RDONLY)
            ends = np.cumsum([0, *(content.size for content in stored)])
            places = np.array([[file, ends[i], stored[i].size] for i in range(count)], np.int64)
            apart = bool(self.pick([True, False]))
            if apart:
                places[:, 0] = np.arange(count)
            out = np.zeros((count, size), np.uint8)
            chain = Chain((), rows.dtype) if name == "none" else Chain((_steps(name),), rows.dtype)
            codec, functions = chain.native
            task = _Chunks(
                before=f"{folder}/a".encode() if apart else None,
                after=b".z" if apart else None,
                places=places.ctypes.data,
                count=count,
                size=size,
                out=out.ctypes.data,
                functions=functions,
                codec=codec,
            )
            done = self.library.multiaug_chunks(ctypes.addressof(task))
            os.close(file)
        # What is damaged may decode all the same: without checksums, bytes are bytes.
        assert done in (broken, count)
        whole_ones = [i for i in range(done) if i != broken]
        np.testing.assert_array_equal(out[whole_ones], rows[whole_ones])
        self.counts["chunks"] += 1

    def damaged(self, stored: np.ndarray) -> np.ndarray:
        """Cut, longer, with other bytes, or with another number in the header."""
        kind = self.random.integers(4)
        if kind == 0:
            return stored[: self.random.integers(0, len(stored))]
        if kind == 1:
            return np.append(stored, np.zeros(self.pick([1, 100, 10_000]), np.uint8))
        found = stored.copy()
        if kind == 2 or len(found) < 20:
            found[self.random.integers(0, len(found), 3)] ^= np.uint8(self.pick([1, 128, 255]))
            return found
        header = np.array([self.pick([0, 1, 2**31 - 1, 2**32 - 1])], np.uint32).view(np.uint8)
        start = int(self.pick([0, 4, 8, 12]))
        found[start : start + 4] = header
        return found


def _steps(name: str) -> Any:
    found = step_of(name, {})
    assert found is not None
    return found


if __name__ == "__main__":
    # Another build of the library, before anybody has asked for the one that is installed.
    _native._LIBRARY = Path(os.environ["MULTIAUG_SANITIZED"])
    assert _native.library()._name == os.environ["MULTIAUG_SANITIZED"]
    print(dict(Calls(int(sys.argv[2])).run(int(sys.argv[1]))), flush=True)
