"""The law of the library: a moved cloud, seen by the moved camera, falls on its own pixels.

Every structure below compiles once; keys, matrices, cameras and surfaces are drawn. For each case
the plan is made again in float64 by `tests.roles.oracle`, so that not only the ray of a point
is checked but the point itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial

import jax
import numpy as np
import pytest
from skimage import data

import multiaug as ma
from multiaug.spec import CameraSpec, DataSpec, EntrySpec
from tests.roles import oracle, scenes

LIMIT = 0.01  # pixels
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CASES = 100_000 if NIGHTLY else 2_000
BATCH = 96


@dataclass(frozen=True)
class Structure:
    """A pipeline that is compiled once.

    Args:
        transforms: what it does.
        shape: the reference picture.
        policy: of the camera.
        packed: colours and points in one array, or in two.
        cloud: the size of the cloud where it is not that of the picture.
        maps: position of a transform -> what draws its matrix.
        settings: of the entries of points, in the spec.
    """

    transforms: tuple
    shape: oracle.Shape
    policy: str
    packed: bool
    cloud: oracle.Shape | None = None
    maps: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)

    @property
    def size(self) -> oracle.Shape:
        return self.cloud or self.shape

    def pipeline(self) -> ma.Pipeline:
        points = partial(EntrySpec.of_role, role="position", dtype="float32", **self.settings)
        if self.packed:
            first = [
                EntrySpec.from_dict(
                    "rgbxyz",
                    {
                        "dtype": "float32",
                        "channels": [
                            {"role": "intensity", "channels": 3, "range": [0, 1]},
                            {"role": "position", "channels": ["x", "y", "z"], **self.settings},
                        ],
                    },
                )
            ]
        else:
            first = [EntrySpec.of_role("image", "intensity", channels=3), points("xyz")]
        of = "rgbxyz" if self.packed else "xyz"
        entries = [
            *first,
            EntrySpec.of_role("copied", "position", dtype="float32", interpolation="nearest"),
            EntrySpec.of_role("plane", "position", dtype="float32"),
            EntrySpec.of_role("depth", "depth", dtype="float32", **self.settings),
            EntrySpec.of_role("intrinsics", "intrinsics", dtype="float32", of=of),
        ]
        return ma.Pipeline(self.transforms, DataSpec("law", entries, CameraSpec(self.policy)))


EYE = np.eye(3)
CHAIN = (
    ma.Rotate(180),
    ma.Scale(2.5),
    ma.Shear(30),
    ma.Perspective(0.2),
    ma.Translate(0.3),
    ma.Flip("x"),
)
FRAMES = (
    ma.Pad((3, 4, 5, 6)),
    ma.Crop((24, 28)),
    ma.RandomResizedCrop((20, 30), scale=(0.3, 1)),
    ma.Perspective(0.15),
    ma.Resize((17, 26), antialias=False),
)
CHOICES = (
    ma.D4(),
    ma.Maybe([ma.Perspective(0.1), ma.Translate(0.2)]),
    ma.OneOf([ma.Rotate(90), ma.Shear(((-30, 30), (-20, 20))), ma.Scale(3, per_axis=True)]),
    ma.Shuffle([ma.Rotate(20), ma.Perspective(0.1), ma.Brightness(0.1)]),
    ma.SomeOf([ma.Flip("y", p=1), ma.Transpose(), ma.Rot90()], k=(1, 3)),
)
# A window of a large picture: the centre of the whole can be behind the window's horizon.
WINDOW = (ma.Crop(12), ma.Perspective(0.24), ma.Scale(2), ma.Translate(0.4))
# The sizes of cloud and picture are not in the same proportion before and after.
SIZES = (ma.Affine(EYE), ma.Perspective(matrix=EYE), ma.Resize((33, 43), antialias=False))
AFFINE = {0: scenes.affine_maps}
PROJECTIVE = {0: scenes.projective_maps}
BOTH = {0: partial(scenes.affine_maps, strength=0.4), 1: scenes.projective_maps}

STRUCTURES = {
    "affine": Structure((ma.Affine(EYE),), (24, 32), "refit", True, maps=AFFINE),
    "affine, fixed": Structure((ma.Affine(EYE),), (24, 32), "fixed", False, maps=AFFINE),
    "tilt": Structure((ma.Perspective(matrix=EYE),), (40, 56), "refit", False, maps=PROJECTIVE),
    "tilt, fixed": Structure(
        (ma.Perspective(matrix=EYE),),
        (40, 56),
        "fixed",
        True,
        maps=PROJECTIVE,
        settings={"border": "edge"},
    ),
    "chain": Structure(CHAIN, (24, 32), "refit", False),
    "chain, fixed": Structure(CHAIN, (24, 32), "fixed", True),
    "frames": Structure(FRAMES, (26, 30), "refit", True, settings={"max_jump": 0.5}),
    "frames, fixed": Structure(FRAMES, (26, 30), "fixed", False),
    "two sizes": Structure(SIZES, (41, 57), "refit", False, (20, 28), BOTH),
    "two sizes, fixed": Structure(SIZES, (20, 28), "fixed", False, (41, 57), BOTH),
    "choices": Structure(CHOICES, (28, 28), "refit", True),
    "window": Structure(WINDOW, (64, 80), "refit", False),
    "window, fixed": Structure(WINDOW, (64, 80), "fixed", True),
}
if not NIGHTLY:  # compiling is what these cost: the other policy of the same run is left
    for _name in (
        "affine, fixed", "tilt", "chain", "frames, fixed", "two sizes, fixed", "window",
    ):  # fmt: skip
        del STRUCTURES[_name]


def test_the_laws_are_met_in_enough_cases():
    assert len(STRUCTURES) <= 16
    assert len(STRUCTURES) * batches() * BATCH >= CASES


def batches() -> int:
    return -(-CASES // (BATCH * len(STRUCTURES)))


@pytest.mark.parametrize("name", STRUCTURES)
def test_laws(name):
    structure = STRUCTURES[name]
    pipeline = structure.pipeline()
    draw = np.random.default_rng([len(name), *name.encode()])
    checked, worst = 0, {}
    for _ in range(batches()):
        case = Case.drawn(structure, pipeline, draw)
        checked += case.count
        for law, error in case.errors(draw).items():
            worst[law] = max(worst.get(law, 0.0), error)
    print(name, checked, {law: f"{error:.1e}" for law, error in worst.items()})
    assert checked == batches() * BATCH
    assert {law: error for law, error in worst.items() if not error < BARS[law]} == {}


# Largest errors; lengths are relative to the point's distance. float32 keeps 6e-8 of a number,
# of which a strong map leaves some thirty times less.
BARS = {
    "reprojection, px": LIMIT,
    "plane": 1e-4,
    "source point": 1e-5,
    "distance between points": 1e-5,
    "depth": 1e-5,
    "intrinsics": 1e-5,
    "wrongly valid": 0.5,
    "wrongly invalid": 0.5,
    "behind the camera": 0.5,
}


@dataclass
class Case:
    """A batch of drawn records, what came out of it, and the plan of it in float64."""

    structure: Structure
    source: dict
    planes: np.ndarray
    out: dict
    matrices: np.ndarray  # of the cloud's own pixels
    k: np.ndarray
    motion: np.ndarray  # M, or H where the camera is fixed
    k_out: np.ndarray

    @classmethod
    def drawn(cls, structure: Structure, pipeline: ma.Pipeline, draw: np.random.Generator) -> Case:
        size, shape = structure.size, structure.shape
        k = scenes.cameras(draw, BATCH, size)
        cloud = scenes.clouds(draw, BATCH, size, k)
        plane, equations = scenes.planes(draw, BATCH, size, k)
        colours = draw.random((BATCH, *shape, 3), np.float32)
        source = {"copied": cloud, "plane": plane, "depth": cloud[..., 2]}
        source |= {"intrinsics": k.astype(np.float32)}
        if structure.packed:
            source["rgbxyz"] = np.concatenate([colours, cloud], axis=-1)
        else:
            source |= {"image": colours, "xyz": cloud}
        keys = jax.random.split(jax.random.key(draw.integers(2**31)), BATCH)
        params = pipeline.sample(keys, shape)
        values = list(params.values)
        for position, maps in structure.maps.items():
            matrices = maps(draw, BATCH, shape).astype(np.float32)
            values[position] = {**values[position], "matrix": matrices}
        params = replace(params, values=tuple(values))
        out = {n: np.asarray(a) for n, a in pipeline.apply(params, source).items()}
        return cls(structure, source, equations, out, *plan(structure, pipeline, params, out, k))

    @property
    def count(self) -> int:
        return len(self.k)

    @property
    def cloud(self) -> np.ndarray:
        """The moved points, sampled on their rays."""
        packed = self.structure.packed
        return (self.out["rgbxyz"][..., 3:] if packed else self.out["xyz"]).astype(np.float64)

    def back(self, points: np.ndarray) -> np.ndarray:
        """Moved points, where the plan says that they come from."""
        return np.einsum("nij,nhwj->nhwi", np.linalg.inv(self.motion), points.astype(np.float64))

    def errors(self, draw: np.random.Generator) -> dict[str, float]:
        at = oracle.sources(self.matrices, self.cloud.shape[1:3])
        original = self.nearest(at)
        expected = np.einsum("nij,nhwj->nhwi", self.motion, original)
        apart = np.linalg.norm(self.out["copied"] - expected, axis=-1)
        apart /= np.linalg.norm(expected, axis=-1)
        return {
            "reprojection, px": self.reprojection(),
            "plane": self.off_plane(at),
            "source point": np.nanmax(apart, initial=0),
            "distance between points": self.distances(original, draw),
            "depth": self.depth(),
            "intrinsics": np.max(
                np.abs(self.out["intrinsics"] - self.k_out)
                / np.abs(self.k_out).max((1, 2))[:, None, None]
            ),
            **self.validity(at),
        }

    def reprojection(self) -> float:
        """Pixels, of the camera that came out; over all valid pixels of both clouds."""
        worst = 0.0
        for points in (self.cloud, self.out["plane"]):
            pixels = oracle.pixels(points.shape[1:3])
            away = oracle.project(self.out["intrinsics"], points) - pixels
            worst = max(worst, np.nanmax(np.linalg.norm(away, axis=-1), initial=0))
        return worst

    def nearest(self, at: np.ndarray) -> np.ndarray:
        """The source points at the nearest pixels; NaN where rounding could choose another."""
        height, width = self.structure.size
        index = np.floor(at + 0.5)
        clear = (np.abs(at + 0.5 - np.round(at + 0.5)) > 1e-3).all(-1)
        inside = ((index >= 0) & (index < [width, height])).all(-1) & clear
        x, y = np.where(inside[..., None], index, 0).astype(int).transpose(3, 0, 1, 2)
        record = np.arange(self.count)[:, None, None]
        found = self.source["copied"][record, y, x].astype(np.float64)
        return np.where(inside[..., None], found, np.nan)

    def off_plane(self, at: np.ndarray) -> float:
        """Distance from the plane over depth, where four taps are in the picture."""
        points = self.back(self.out["plane"])
        normals, distances = self.planes[:, :3], self.planes[:, 3]
        off = np.einsum("nhwc,nc->nhw", points, normals) - distances[:, None, None]
        whole = self.inside(at, 1e-3)
        assert np.isfinite(off[whole]).all()
        return np.max(np.abs(off / points[..., 2])[whole], initial=0)

    def inside(self, at: np.ndarray, margin: float) -> np.ndarray:
        """Between the outermost pixel centres."""
        height, width = self.structure.size
        return ((at > margin) & (at < np.array([width - 1, height - 1]) - margin)).all(-1)

    def distances(self, original: np.ndarray, draw: np.random.Generator) -> float:
        """Of pairs of points before and after, where the camera is refitted."""
        if self.structure.policy != "refit":
            return 0.0
        flat = original.reshape(self.count, -1, 3)
        moved = self.out["copied"].astype(np.float64).reshape(flat.shape)
        order = draw.permutation(flat.shape[1])
        before = np.linalg.norm(flat - flat[:, order], axis=-1)
        after = np.linalg.norm(moved - moved[:, order], axis=-1)
        size = np.linalg.norm(flat, axis=-1) + np.linalg.norm(flat[:, order], axis=-1)
        return np.nanmax(np.abs(after - before) / size, initial=0)

    def depth(self) -> float:
        """The depth entry against Z of the cloud."""
        depth, z = self.out["depth"].astype(np.float64), self.cloud[..., 2]
        assert (np.isnan(depth) == np.isnan(z)).all()
        # Against the distance: Z is small beside it at the side of a very wide picture.
        return np.nanmax(np.abs(depth - z) / np.linalg.norm(self.cloud, axis=-1), initial=0)

    def validity(self, at: np.ndarray) -> dict[str, float]:
        """Numbers of pixels that are valid and should not be, and the other way round."""
        valid = np.isfinite(self.out["plane"]).all(-1)
        assert (valid == np.isfinite(self.out["plane"]).any(-1)).all()
        height, width = self.structure.size
        # At a corner half of the weight is inside up to 1 - sqrt(1/2) of a pixel beyond it.
        seen = ((at > -0.501) & (at < np.array([width, height]) - 0.499)).all(-1)
        return {
            "wrongly valid": float((valid & ~seen).sum()),
            "wrongly invalid": float((~valid & self.inside(at, 1e-3)).sum()),
            "behind the camera": float((self.cloud[..., 2] <= 0).sum()),
        }


def plan(structure, pipeline, params, out, k):
    """Maps of the cloud's pixels, source intrinsics, motions and intrinsics, in float64."""
    charts = oracle.charts(pipeline, params)
    enter = oracle.half_pixel(structure.size, structure.shape)
    leave = oracle.half_pixel(charts[0].out_shape, out["copied"].shape[1:3])
    if structure.policy == "refit":
        matrices = np.stack([leave @ warp.matrix @ enter for warp in charts])
        k_out, motion = zip(*map(oracle.refit, matrices, k), strict=True)
        return matrices, k, np.stack(motion), np.stack(k_out)
    # In pixels of the reference, where the zoom is measured.
    before, after = (np.stack([m @ one for one in k]) for m in (enter, np.linalg.inv(leave)))
    maps = np.stack([warp.matrix for warp in charts])
    return leave @ maps @ enter, k, np.stack([*map(oracle.deform, maps, before, after)]), k


@dataclass(frozen=True)
class Stereo:
    """A real scene: the motorcycle of Middlebury Stereo 2014, as scikit-image ships it."""

    colours: np.ndarray
    cloud: np.ndarray
    k: np.ndarray

    @property
    def shape(self) -> oracle.Shape:
        return self.cloud.shape[:2]


@pytest.fixture(scope="module")
def stereo() -> Stereo:
    colours, _, disparity = data.stereo_motorcycle()
    k = np.array([[994.978, 0, 311.193], [0, 994.978, 254.877], [0, 0, 1]])
    known = np.isfinite(disparity)
    z = 193.001 * 994.978 / (np.where(known, disparity, 1).astype(np.float64) + 31.086)
    depth = np.where(known, z, np.nan)
    return Stereo(colours, oracle.lift(depth[None], k[None])[0].astype(np.float32), k)


def on_an_edge(at: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """Pixels whose four taps are all known and differ by a tenth of their depth or more."""
    height, width = cloud.shape[:2]
    base = np.floor(at)
    inside = ((base >= 0) & (base < [width - 1, height - 1])).all(-1)
    x, y = np.where(inside[..., None], base, 0).astype(int).transpose(2, 0, 1)
    taps = np.stack([cloud[y + dy, x + dx, 2] for dy in (0, 1) for dx in (0, 1)])
    return inside & (taps.max(0) > 1.1 * taps.min(0))  # False where a tap is NaN


@pytest.mark.parametrize("policy", ["refit", "fixed"])
def test_a_real_scene_and_its_depth_edges(policy, stereo):
    count, repeats = 4, 60 if NIGHTLY else 2
    spec = replace_camera(ma.load_spec("rgbxyz-separate"), policy)
    pipeline = ma.Pipeline([ma.Perspective(matrix=EYE)], spec)
    draw = np.random.default_rng(7)
    batch = {
        "image": np.broadcast_to(stereo.colours, (count, *stereo.colours.shape)),
        "xyz": np.broadcast_to(stereo.cloud, (count, *stereo.cloud.shape)),
        "intrinsics": np.broadcast_to(stereo.k.astype(np.float32), (count, 3, 3)),
    }
    params = pipeline.sample(jax.random.split(jax.random.key(0), count), stereo.shape)
    points = edges = 0
    worst = worst_edge = 0.0
    grid = oracle.pixels(stereo.shape)
    for repeat in range(repeats):
        maps = scenes.projective_maps if repeat % 2 else scenes.affine_maps
        matrices = maps(draw, count, stereo.shape).astype(np.float32)
        out = pipeline.apply(replace(params, values=({"matrix": matrices},)), batch)
        cloud = np.asarray(out["xyz"])
        for i in range(count):
            away = np.linalg.norm(oracle.project(out["intrinsics"][i], cloud[i]) - grid, axis=-1)
            signed = matrices[i] / (matrices[i][2] @ [*oracle.centre(stereo.shape), 1])
            edge = on_an_edge(oracle.sources(signed[None], stereo.shape)[0], stereo.cloud)
            edge &= np.isfinite(away)
            points += np.isfinite(away).sum()
            edges += edge.sum()
            worst = max(worst, np.nanmax(away, initial=0))
            worst_edge = max(worst_edge, away[edge].max(initial=0))
        assert (cloud[..., 2][np.isfinite(cloud[..., 2])] > 0).all()
    print(policy, points, edges, f"{worst:.1e} {worst_edge:.1e}")
    assert points > 1_000_000
    assert edges > 5_000
    assert max(worst, worst_edge) < LIMIT


def replace_camera(spec: DataSpec, policy: str) -> DataSpec:
    return DataSpec(spec.name, spec.entries, CameraSpec(policy))
