"""The rows: what a record holds, what is done to it, and how it is called."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import jax
import numpy as np
from numpy.typing import NDArray

import multiaug as ma
from multiaug.spec import ChannelGroup
from multiaug.testing import make_record

from ..work import Geometry, Row, geometry_of, motion_of

Call = Literal["batch", "jit", "one"]
Entries = Mapping[str, Mapping[str, Any]]

AFFINE = (ma.Rotate(30), ma.Scale((0.8, 1.25)), ma.Translate(0.1), ma.Flip("x"))
VALUES = (
    ma.Brightness(0.2),
    ma.Contrast(0.2),
    ma.Gamma(1.25),
    ma.ChannelShift(0.1),
    ma.Brightness(0.1),
    ma.Gamma(1.1),
)
NOISY = (*VALUES[:-1], ma.GaussianNoise(0.05))
PAIRS = ((1, 2),)


@dataclass(frozen=True)
class Kind:
    """One line of the table.

    Args:
        name: for `--rows`.
        what: in words.
        entries: of the spec, or the name of a shipped spec.
        transforms: what is done.
        shape: (height, width) of the records.
        batch: records in a batch.
        call: a batch, a batch inside a user's `jax.jit`, or one record.
        aim: at most as many times the base row, recycled where that can be.
    """

    name: str
    what: str
    entries: Entries | str
    transforms: tuple[Any, ...] = AFFINE
    shape: tuple[int, int] = (224, 224)
    batch: int = 16
    call: Call = "batch"
    aim: float | None = None

    @property
    def spec(self) -> ma.DataSpec:
        """What multiaug is told."""
        if isinstance(self.entries, str):
            return ma.load_spec(self.entries)
        document = {"schema": "multiaug.spec/1", "name": self.name, "entries": dict(self.entries)}
        return ma.DataSpec.from_dict(document)

    @property
    def resized(self) -> ma.Resize | None:
        """The transform, where the row only resizes."""
        first = self.transforms[0]
        return first if isinstance(first, ma.Resize) else None

    @property
    def size(self) -> int:
        """The side of the records, all of which are square."""
        return self.shape[0]

    @property
    def out_shape(self) -> tuple[int, int]:
        """(height, width) of the results."""
        return self.shape if self.resized is None else self.resized.size


def _image(dtype: str = "uint8", **settings: Any) -> dict[str, Any]:
    return {"role": "intensity", "dtype": dtype, "channels": 3, **settings}


MASK = {"role": "label", "dtype": "uint8"}
BASE: dict[str, Any] = {"image": _image(), "mask": MASK}
_FLOAT = {"dtype": "float32"}
NORMALS = {"normals": {"role": "direction", **_FLOAT}}
DEPTH = {"depth": {"role": "depth", **_FLOAT}}
XYZ = {"xyz": {"role": "position", "invalid": "nan", **_FLOAT}}
FLOW = {"flow": {"role": "flow", **_FLOAT}}


def _camera(of: str) -> dict[str, Any]:
    return {"intrinsics": {"role": "intrinsics", "of": of, **_FLOAT}}


def _resize(start: int, stop: int, antialias: bool = True, batch: int = 16) -> Kind:
    name = f"resize-{start}-{stop}" + ("" if antialias else "-plain")
    what = f"`Resize` {start} to {stop}" + ("" if antialias else ", no antialias")
    steps = (ma.Resize(stop, antialias=antialias),)
    return Kind(name, what, BASE, steps, (start, start), batch)


def all_rows() -> list[Kind]:
    """The whole table; the first row is what the others are compared with."""
    base = Kind("base", "image u8x3, mask", BASE)
    every = {**BASE, **XYZ, **NORMALS, **DEPTH, **_camera("xyz")}
    rows = [
        base,
        Kind("cubic", "image cubic", {**BASE, "image": _image(interpolation="cubic")}, aim=4),
        Kind("normals", "+ normals", {**BASE, **NORMALS}, aim=3),
        Kind("flow", "+ flow", {**BASE, **FLOW}, aim=2.5),
        Kind("cloud", "+ xyz, normals, depth, camera", every, aim=6),
        Kind("shuffle", "+ `Shuffle` of six", BASE, (*AFFINE, ma.Shuffle(VALUES)), aim=2.5),
        Kind("noise", "+ `Shuffle` of six, one is noise", BASE, (*AFFINE, ma.Shuffle(NOISY))),
        Kind("mirror", "mirror pairs", {**BASE, "mask": MASK | {"mirror_pairs": PAIRS}}, aim=1.3),
        Kind("depth", "+ depth, no camera", {**BASE, **DEPTH}),
        Kind("depth-camera", "+ depth, camera", {**BASE, **DEPTH, **_camera("depth")}, aim=2.5),
        Kind("xyz-camera", "+ xyz, camera", {**BASE, **XYZ, **_camera("xyz")}, aim=2.5),
        _resize(512, 224),
        _resize(512, 224, antialias=False),
        _resize(224, 448),
        _resize(1024, 8, batch=4),
        _resize(4096, 512, batch=2),
        replace(base, name="jit", what="the base row inside `jax.jit`", call="jit", aim=1.3),
        replace(base, name="one", what="one record a call", call="one", batch=1),
    ]
    rows += [
        Kind(f"{short}x3", f"image {short}x3", {**BASE, "image": _image(dtype)})
        for short, dtype in (("u16", "uint16"), ("f16", "float16"), ("f32", "float32"))
    ]
    return rows + [Kind(f"spec-{name}", f"spec {name}", name) for name in ma.shipped_specs()]


QUICK = ("base", "normals", "mirror", "resize-512-224", "jit", "one")


def choose(patterns: Sequence[str], *, quick: bool = False) -> list[Kind]:
    """Rows whose name matches any of the patterns."""
    rows = [row for row in all_rows() if not quick or patterns or row.name in QUICK]
    if not patterns:
        return rows
    return [row for row in rows if any(fnmatch.fnmatch(row.name, p) for p in patterns)]


@dataclass(frozen=True, eq=False)
class Case:
    """A row with its data; what every contender is given.

    Args:
        row: the row.
        spec: its spec.
        record: a batch of NumPy arrays, also for one record.
        pipeline: what multiaug runs.
        keys: a key for each record.
        params: what the pipeline draws for them, as NumPy arrays.
        geometry: the affine part as plain numbers; None where the row only resizes.
    """

    row: Kind
    spec: ma.DataSpec
    record: dict[str, NDArray[Any]]
    pipeline: ma.Pipeline
    keys: Any
    params: Any
    geometry: Geometry | None
    # Roles decide here who can do a row, peer by peer.
    moves: bool = False

    @cached_property
    def images(self) -> dict[str, NDArray[Any]]:
        """The entries that have pixels, with a channel axis."""
        spatial = {n: a for n, a in self.record.items() if self.spec.entries[n].kind == "spatial"}
        return {n: a if a.ndim == 4 else a[..., None] for n, a in spatial.items()}

    @property
    def groups(self) -> Iterator[tuple[str, ChannelGroup]]:
        """(entry, channel group) of all entries that have pixels."""
        for name in self.images:
            yield from ((name, group) for group in self.spec.entries[name].groups)

    @property
    def plain(self) -> bool:
        """A image and perhaps its mask: what libraries without roles can do."""
        pairs = any(group.mirror_pairs for _, group in self.groups)
        return set(self.images) <= {"image", "mask"} and not pairs

    @property
    def cubic(self) -> bool:
        """Whether an image is resampled by the cubic kernel."""
        return any(group.interpolation == "cubic" for _, group in self.groups)

    @cached_property
    def expected(self) -> Mapping[str, NDArray[Any]]:
        """What multiaug makes of the batch."""
        return self.pipeline.batch(self.keys, self.record)

    @cached_property
    def motions(self) -> NDArray[np.float32]:
        """(N, 3, 3): what points and directions are multiplied by."""
        assert self.geometry is not None
        return motion_of(self.geometry.backward).astype(np.float32)

    @cached_property
    def jacobians(self) -> NDArray[np.float32]:
        """(N, 2, 2): what flow is multiplied by."""
        assert self.geometry is not None
        return self.geometry.forward[:, :2, :2].astype(np.float32)

    @property
    def mirrored(self) -> NDArray[np.bool_]:
        """(N,): whether left and right changed places."""
        return np.linalg.det(self.jacobians) < 0

    def outputs(self) -> dict[str, NDArray[Any]]:
        """Fresh arrays for the results of all entries that have pixels."""
        lead = (self.row.batch, *self.row.out_shape)
        return {n: np.empty((*lead, a.shape[-1]), a.dtype) for n, a in self.images.items()}

    @property
    def out_bytes(self) -> int:
        """Bytes of one batch of results, of entries that have pixels."""
        size = int(np.prod(self.row.out_shape))
        return sum(a.shape[0] * size * a.shape[-1] * a.dtype.itemsize for a in self.images.values())


def make_case(row: Kind, seed: int = 0) -> Case:
    """Data and geometry of a row."""
    spec = row.spec
    record = _record(spec, row, seed)
    pipeline = ma.Pipeline(list(row.transforms), spec)
    keys = jax.random.split(jax.random.key(seed), row.batch)
    params = jax.tree.map(np.asarray, pipeline.sample(keys, row.shape))
    geometry = None
    if row.resized is None:
        like = _Square("a", "u8x3", row.shape[0], row.batch)
        geometry = geometry_of(like, params.values[: len(AFFINE)])
    return Case(row, spec, record, pipeline, keys, params, geometry)


def _record(spec: ma.DataSpec, row: Kind, seed: int) -> dict[str, NDArray[Any]]:
    """Smooth content; large records repeat a smaller one, whose values take gigabytes to make."""
    side = min(row.shape[0], 512)
    small = make_record(spec, (side, side), seed, batch=row.batch, content="smooth")
    if row.resized is not None:
        # What a low-pass takes away must be there, or nobody would be seen to skip it.
        noise = np.random.default_rng(seed).integers(0, 128, small["image"].shape, np.uint8)
        small["image"] = small["image"] // 2 + noise
    times = row.shape[0] // side
    if times == 1:
        return small
    tiled = {n: (1, times, times) + (1,) * (a.ndim - 3) for n, a in small.items()}
    return {n: np.tile(a, tiled[n]) for n, a in small.items()}


@dataclass(frozen=True)
class _Square(Row):
    """A row of `benchmarks.work` with a batch of this table."""

    records: int = 16

    @property
    def batch(self) -> int:
        return self.records
