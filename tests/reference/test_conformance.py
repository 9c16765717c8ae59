"""One matrix: every role, interpolation, border, dtype and kind of map, by native code and by XLA.

Every cell is compared with one reference in float64, `tests/reference/roles.py`, at every pixel.
By day a sample runs in which every pair of values of two axes appears, by night all of it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import jax
import ml_dtypes
import numpy as np
import pytest

import multiaug as ma
from multiaug._native import compiled_is_available, library
from multiaug.spec import BORDERS
from tests.reference import roles
from tests.reference.conformance import (
    BACKENDS,
    CAMERAS,
    DOES_NOT_EXIST,
    LEFT_TO_XLA,
    PROGRAMS,
    Subject,
    Unit,
    covering,
    every_unit,
    matrix,
    why_not,
    why_not_native,
)
from tests.roles import oracle

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
FRAME, SMALL = (21, 37), (9, 15)
EYE = np.eye(3, dtype=np.float32)
HALF = oracle.about_centre(np.diag([0.5, 0.5, 1.0]), FRAME)
# Each program costs seconds to compile: by day it runs with one camera.
BY_DAY = {
    "affine": "unknown",
    "projective": "fixed",
    "spline": "none",
    "field": "world",
    "resize": "refit",
}
RUNS = [
    (backend, program, camera)
    for backend in BACKENDS
    for program in PROGRAMS
    for camera in CAMERAS
    if (program, camera) != ("projective", "unknown") and (NIGHTLY or BY_DAY[program] == camera)
]
# Pixels by which positions may be off in float32, and what sums of products may be off, of 1.
POSITION, ROUNDING = 1e-4, 1e-5
# Half of the distance of two neighbours, of 1.
HALF_STEP = {"float16": 2**-11, "bfloat16": 2**-8}
JUMPS = {"f": 0.3337, "uint8": 60.5, "uint16": 15_000.5, "int16": 15_000.5, "int32": 1e9 + 0.5}
IGNORE = 200


# --- which units -------------------------------------------------------------------------------


@cache
def runs() -> dict[tuple[str, str, str], tuple[Unit, ...]]:
    """(backend, program, camera) -> units; what follows no camera goes with one of them."""
    units: Sequence[Unit] = matrix().units
    if not NIGHTLY:
        by_day = [u for u in units if not u.subject.follows or u.camera == BY_DAY[u.program]]
        units = covering(by_day)
    found: dict[tuple[str, str, str], list[Unit]] = {key: [] for key in RUNS}
    for unit in units:
        camera = unit.camera if unit.subject.follows else BY_DAY[unit.program]
        found[unit.backend, unit.program, camera].append(unit)
    return {key: tuple(units) for key, units in found.items()}


# --- records -----------------------------------------------------------------------------------


def mark_of(unit: Unit) -> float | str | None:
    """The spec's ``invalid``."""
    role, kind = unit.subject.role, np.dtype(dtype_of(unit)).kind
    if unit.subject.mark != "number":
        return unit.subject.mark or None
    if role == "orientation":
        return -1 if kind not in "u" else 255 if unit.dtype == "uint8" else 999
    return -1 if role == "intensity" and kind == "i" else 0


def dtype_of(unit: Unit) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, unit.dtype, unit.dtype))


def jump_of(unit: Unit) -> float | None:
    if not unit.subject.jump:
        return None
    if unit.subject.role == "depth" and unit.dtype in {"uint16", "int16", "int32"}:
        return 300.5
    return JUMPS.get(unit.dtype, JUMPS["f"])


def fill_of(unit: Unit) -> tuple[float, ...] | None:
    """Beyond a border that fills; None means that nothing is known there."""
    role, mark = unit.subject.role, unit.subject.mark
    if role == "label":
        return (0.0 if unit.dtype == "bool" else float(IGNORE),)
    if role != "intensity":
        return None if mark else (0.0,)
    if mark == "nan":
        return None
    if unit.dtype == "bool":
        return (1.0,) * unit.channels
    return tuple(7.0 if mark or unit.subject.jump else 1.0 + c for c in range(unit.channels))


def entry_of(name: str, unit: Unit) -> ma.EntrySpec:
    subject, fill = unit.subject, fill_of(unit)
    group = {
        "role": subject.role,
        "channels": unit.channels,
        "interpolation": unit.method,
        "border": unit.border,
    }
    if subject.mark:
        group["invalid"] = mark_of(unit)
    if subject.jump:
        group["max_jump"] = jump_of(unit)
    if subject.role == "label" and unit.dtype != "bool":
        group["ignore"] = IGNORE
    if subject.role == "intensity" and fill is not None:
        group["fill"] = list(fill)
    if subject.pairs:
        group["mirror_pairs"] = [[0, 1]] if unit.dtype == "bool" else [[1, 2]]
    if subject.role == "orientation":
        group["period"] = subject.period
    if subject.follows:
        group["under_elastic"] = "resample"
    first = {"role": "intensity", "channels": 3, "border": unit.border}
    groups = [first, group] if subject.packed else [group]
    return ma.EntrySpec.from_dict(name, {"dtype": unit.dtype, "channels": groups})


def rule_of(unit: Unit) -> roles.Rule:
    subject = unit.subject
    pairs = ((0, 1) if unit.dtype == "bool" else (1, 2),) if subject.pairs else ()
    return roles.Rule(
        subject.role, unit.method, unit.border, fill_of(unit), mark_of(unit), jump_of(unit),
        pairs, subject.period,
    )  # fmt: skip


def camera_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsics (N, 3, 3) and poses (N, 4, 4)."""
    height, width = FRAME
    k = np.tile(
        np.array([[40, 0, width / 2 - 0.7], [0, 43, height / 2 + 0.3], [0, 0, 1]]), (count, 1, 1)
    )
    k[:, 0, 0] += np.arange(count)
    pose = np.tile(np.eye(4), (count, 1, 1))
    angle = 0.3 + 0.2 * np.arange(count)
    pose[:, 0, 0] = pose[:, 2, 2] = np.cos(angle)
    pose[:, 0, 2], pose[:, 2, 0] = np.sin(angle), -np.sin(angle)
    pose[:, :3, 3] = [0.3, -0.2, 0.5]
    return k.astype(np.float32), pose.astype(np.float32)


def values_of(
    unit: Unit, rng: np.random.Generator, count: int, frame: tuple[int, int] = FRAME
) -> np.ndarray:
    """(N, H, W, C) noise that means what its role says, with pixels that have no data."""
    role, dtype, shape = unit.subject.role, dtype_of(unit), (count, *frame)
    noise = rng.random((*shape, unit.channels))
    integer = dtype.kind in "ui"
    if role == "intensity" and integer:
        info = np.iinfo(dtype)
        noise = rng.integers(info.min, info.max, noise.shape, dtype, endpoint=True)
    elif dtype.kind == "b" or (role == "label"):
        noise = rng.integers(0, 2 if dtype.kind == "b" else 4, noise.shape)
    elif role == "probability":
        noise /= noise.sum(-1, keepdims=True)
    elif role == "depth":
        noise = (2 + noise) * (80 if unit.dtype == "uint8" else 1000 if integer else 1)
    elif role == "position":
        noise = cloud(2 + noise[..., 0], unit.camera == "world")
    elif role == "direction":
        noise = noise - [0.5, 0.5, 2]
        noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
    elif role == "flow":
        noise = 4 * noise - 2
    elif role == "orientation":
        noise = unit.subject.period * noise
    values = np.asarray(noise).astype(dtype)
    mark = mark_of(unit)
    if mark is not None:
        joint = role != "intensity"
        lost = rng.random((*shape, 1 if joint else unit.channels)) < 0.08
        values = np.where(lost, dtype.type(np.nan if mark == "nan" else mark), values)
    if unit.subject.packed:
        values = np.concatenate([rng.random((*shape, 3)).astype(dtype), values], -1)
    return values


def cloud(z: np.ndarray, in_world: bool) -> np.ndarray:
    """Points near the rays of their pixels: a lens bends them a little."""
    k, pose = camera_of(len(z))
    points = oracle.lift(z, k.astype(np.float64))
    points[..., 0] += 0.01 * z
    if not in_world:
        return points
    turn, shift = pose[:, :3, :3].astype(np.float64), pose[:, None, None, :3, 3]
    return np.einsum("nij,nhwj->nhwi", np.linalg.inv(turn), points - shift)


# --- maps --------------------------------------------------------------------------------------


def matrix_of(
    angle: float, zoom: float, shift: tuple[float, float], *, mirrored: bool = False,
    tilt: tuple[float, float] = (0.0, 0.0), frame: tuple[int, int] = FRAME,
) -> np.ndarray:  # fmt: skip
    """Forward, on pixels; about the centre."""
    stretch = np.diag([zoom * (-1 if mirrored else 1), zoom * 1.1, 1.0])
    lean = np.eye(3)
    lean[2, :2] = tilt
    return oracle.shift(*shift) @ oracle.about_centre(oracle.turn(angle) @ stretch @ lean, frame)


H, W = FRAME
# A kind of map for every record, and its matrix.
RECORDS: dict[str, list[tuple[str, np.ndarray]]] = {
    "affine": [
        ("copy", oracle.shift(5, -4)),
        ("copy", np.array([[-1, 0, W + 1], [0, -1, H - 1], [0, 0, 1]])),
        ("copy", np.array([[0, 1, 9], [1, 0, -8], [0, 0, 1]])),
        ("affine", matrix_of(25, 0.8, (3.3, -2.1))),
        ("affine", matrix_of(-140, 1.6, (-1.2, 4.4))),
        ("mirror", matrix_of(12, 1.1, (-2.6, 1.7), mirrored=True)),
    ],
    "projective": [
        ("projective", matrix_of(20, 0.9, (1.3, -2.1), tilt=(0.01, -0.008))),
        ("projective", matrix_of(-75, 1.2, (0.7, 1.9), tilt=(-0.012, 0.005), mirrored=True)),
    ],
    "spline": [
        ("displaced last", matrix_of(15, 1.1, (2.2, -1.3))),
        ("displaced last", matrix_of(-50, 0.9, (0.4, 1.1), mirrored=True)),
    ],
    "resize": [
        ("reduced", np.eye(3)),
        ("reduced", np.array([[-1, 0, W - 1.0], [0, 1, 0], [0, 0, 1]])),
        ("enlarged", matrix_of(0, 4, (1.3, -0.6))),
        ("turned and reduced", matrix_of(35, 1.15, (3.4, -1.2))),
    ],
}  # fmt: skip
RECORDS["field"] = [("displaced first", m) for _, m in RECORDS["spline"]]
RECORDS["spline"].append(("not displaced", matrix_of(30, 1.2, (-1.4, 2.3))))
TRANSFORMS = {
    "affine": (ma.Affine(HALF.astype(np.float32)),),
    "projective": (ma.Perspective(matrix=EYE),),
    "spline": (ma.Affine(EYE), ma.Elastic(0.03, (3, 4))),
    "field": (ma.Elastic(0.03, (3, 4)), ma.Affine(EYE)),
    "resize": (ma.Affine(EYE), ma.Resize(SMALL)),
}
REACH = math.ceil(4 * (max(H / SMALL[0], W / SMALL[1]) - 1) / 2)


def scenes_of(
    pipeline: ma.Pipeline, params: ma.RecordParams, program: str, camera: str
) -> list[roles.Scene]:
    k, pose = (a.astype(np.float64) for a in camera_of(len(params.key)))
    found = []
    for i, warp in enumerate(oracle.charts(pipeline, params)):
        scene = roles.Scene(
            warp,
            camera,
            None if camera == "unknown" else k[i],
            pose[i] if camera == "world" else None,
            resized=program == "resize",
            means=program != "projective",
        )
        if program == "resize":
            centre = oracle.jacobian(warp.pull, oracle.centre(warp.out_shape))
            steps = np.linalg.norm(centre, axis=-1)[::-1]
            sigma = tuple(np.where(steps > 1 + 1e-5, (steps - 1) / 2, 0))
            scene = replace(scene, sigma=sigma, radius=REACH)
        found.append(scene)
    return found


# --- running and comparing ---------------------------------------------------------------------


def pipeline_of(units: Sequence[Unit], program: str, camera: str) -> ma.Pipeline:
    entries = [entry_of(f"{i}", unit) for i, unit in enumerate(units)]
    if camera != "unknown":
        entries.append(ma.EntrySpec.of_role("k", "intrinsics", dtype="float32"))
    if camera == "world":
        entries.append(ma.EntrySpec.of_role("pose", "extrinsics", dtype="float32"))
    policy = {"world": "refit", "unknown": "refit"}.get(camera, camera)
    rules = ma.CameraSpec(policy=policy, frame="world" if camera == "world" else "camera")
    return ma.Pipeline(TRANSFORMS[program], ma.DataSpec("conformance", entries, rules))


def run(
    pipeline: ma.Pipeline, units: Sequence[Unit], records: Sequence[tuple[str, np.ndarray]],
    frame: tuple[int, int] = FRAME,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], ma.RecordParams]:  # fmt: skip
    """The batch, what became of it, and the params; the same bits at every instruction set."""
    matrices = np.stack([m for _, m in records]).astype(np.float32)
    count = len(matrices)
    batch = {
        f"{i}": values_of(u, np.random.default_rng(i), count, frame) for i, u in enumerate(units)
    }
    given = dict(zip(("k", "pose"), camera_of(count), strict=True))
    batch |= {n: a for n, a in given.items() if n in pipeline.spec.entries}
    params = pipeline.sample(jax.random.split(jax.random.key(0), count), frame)
    values = [dict(drawn) for drawn in params.values]
    for drawn in values:
        if "matrix" in drawn:
            drawn["matrix"] = matrices
        elif records[-1][0] == "not displaced":
            drawn["control"] = np.array(drawn["control"])
            drawn["control"][-1] = 0
    params = replace(params, values=tuple(values))
    done = as_numpy(pipeline.apply(params, batch, check=False))
    for level in range(library().multiaug_level() if units[0].backend == "native" else 0):
        library().multiaug_allow(level)
        try:
            again = as_numpy(pipeline.apply(params, batch, check=False))
        finally:
            library().multiaug_allow(2)
        for name, array in done.items():
            assert again[name].tobytes() == array.tobytes(), (name, level)
    return batch, done, params


def as_numpy(arrays: dict) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in arrays.items()}


def positions(scene: roles.Scene, kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where pixels are read: exactly, and as float32 may have it."""
    x, y = np.moveaxis(scene.warp.sources(), -1, 0)
    if kind == "copy":
        assert max(np.abs(p - np.round(p)).max() for p in (x, y)) < 1e-9
        return [(np.round(x), np.round(y))]
    corners = [(i * POSITION, j * POSITION) for i in (-1, 1) for j in (-1, 1)]
    return [(x, y), *((x + dx, y + dy) for dx, dy in corners)]


def is_invalid(rule: roles.Rule, found: np.ndarray) -> np.ndarray:
    return ~roles.is_valid(rule, found, joint=rule.role not in {"intensity", "probability"})


def tolerance(unit: Unit, image: np.ndarray, wanted: list[roles.Expected]) -> np.ndarray:
    """By how much a value may be off, of values at exact positions."""
    role, copied = unit.subject.role, unit.method in {"nearest", "majority"}
    values = image.astype(np.float64)
    largest = max(1.0, np.abs(values[np.isfinite(values)]).max(initial=0))
    if role == "orientation":
        largest = 360.0
    if role in {"intensity", "label", "probability"} and copied:
        return np.zeros(wanted[0].values.shape)
    allowed = ROUNDING * largest * np.maximum(1, wanted[0].slack)
    if role == "flow" and unit.program in {"spline", "field"}:
        # The inverse of a displacement is found to a thousandth of a pixel.
        allowed = allowed + 2e-3
    size = np.abs(wanted[0].values)
    if unit.dtype in HALF_STEP:
        allowed = allowed + HALF_STEP[unit.dtype] * (size + allowed) * 1.01
    if dtype_of(unit).kind in "uib":
        allowed = allowed + 0.5
    return np.broadcast_to(allowed, size.shape)


def wrong(unit: Unit, image: np.ndarray, found: np.ndarray, scene: roles.Scene, kind: str) -> dict:
    """What is wrong with a record of a cell: counts of pixels; empty where nothing is."""
    rule = rule_of(unit)
    if kind == "copy" and rule.role in {"intensity", "probability"}:
        rule = rule._replace(method="nearest")
    wanted = [roles.expected(rule, image, scene, x, y) for x, y in positions(scene, kind)]
    values = np.stack([w.values for w in wanted])
    known = np.stack([w.known for w in wanted])
    lost, out = is_invalid(rule, found), found.astype(np.float64)
    problems = {
        "holes that should not be": lost & known.all(0),
        "values where nothing is known": ~lost & ~known.any(0),
    }
    if rule.role == "orientation":
        within = (out >= 0) & (out < rule.period)
        problems["beyond the period"] = ~lost & ~within
        values, out = (
            values[0] + np.mod(v - values[0] + rule.period / 2, rule.period) - rule.period / 2
            for v in (values, out)
        )
    integer = found.dtype.kind in "ui"
    if found.dtype.kind in "uib":
        info = np.iinfo(found.dtype if integer else np.uint8)
        values = np.clip(values, info.min, info.max if integer else 1)
    allowed = tolerance(unit, image, wanted)
    if kind == "copy" and rule.role in {"intensity", "label", "probability", "density"}:
        allowed = np.full_like(allowed, 1e-9 if rule.role == "density" else 0)
    lower = np.where(known, values, np.inf).min(0)
    upper = np.where(known, values, -np.inf).max(0)
    if unit.method in {"nearest", "majority"}:
        off = np.where(known, np.abs(out - values), np.inf).min(0)
    else:
        off = np.maximum(lower - out, out - upper)
    if integer and isinstance(rule.invalid, int):
        # A value that would be rounded to the number of missing data is put beside it.
        near = (lower - allowed <= rule.invalid) & (rule.invalid <= upper + allowed)
        off = np.where(near & (np.abs(out - rule.invalid) == 1), 0, off)
    checked = ~lost & known.any(0)
    problems["wrong values"] = checked & ~(off <= allowed)
    # The interval says something nearly everywhere.
    scale = max(1.0, np.abs(values[:, known.all(0)]).max(initial=0))
    loose = checked & (upper - lower > 0.05 * scale) & (unit.method not in {"nearest", "majority"})
    assert loose.mean() < 0.1, (str(unit), kind, loose.mean())
    counts = {name: int(mask.sum()) for name, mask in problems.items() if mask.any()}
    if "wrong values" in counts:
        counts["by"] = float(np.where(problems["wrong values"], off - allowed, 0).max())
    return counts


def check(
    units: Sequence[Unit], program: str, camera: str, records: Sequence[tuple[str, np.ndarray]],
    frame: tuple[int, int] = FRAME,
) -> str:  # fmt: skip
    """What is wrong, a line for each kind of map of an entry."""
    pipeline = pipeline_of(units, program, camera)
    if units[0].backend == "native":
        plans = pipeline.explain(frame).entries
        assert {p.entry for p in plans if p.resampled == "xla"} == set()
    batch, done, params = run(pipeline, units, records, frame)
    scenes = scenes_of(pipeline, params, program, camera)
    lines = []
    for i, unit in enumerate(units):
        first = 3 if unit.subject.packed else 0
        before, after = (a[f"{i}"][..., first:] for a in (batch, done))
        assert after.dtype == before.dtype
        for (kind, _), scene, *images in zip(records, scenes, before, after, strict=True):
            problems = wrong(unit, *images, scene, kind)
            if problems:
                lines.append(f"{unit}, {kind}: {problems}")
    return "\n".join(lines)


# Entries of one pipeline: XLA compiles for longer than in proportion.
MOST = {"native": 200, "xla": 40}
NATIVE = pytest.mark.skipif(not compiled_is_available(), reason="nothing was compiled")


@pytest.mark.cpu
@pytest.mark.parametrize(
    ("backend", "program", "camera"),
    [pytest.param(*key, marks=[NATIVE] if key[0] == "native" else []) for key in RUNS],
)
def test_cells(backend, program, camera, without_c, record_property):
    units = runs()[backend, program, camera]
    if backend == "xla":
        without_c()
    record_property("conformance", [backend, sum(unit.cells for unit in units)])
    problems = []
    for start in range(0, len(units), MOST[backend]):
        some = units[start : start + MOST[backend]]
        problems.append(check(some, program, camera, RECORDS[program]))
        if NIGHTLY:
            jax.clear_caches()  # nothing will be asked for again
    assert not any(problems), "\n".join(filter(None, problems))


def some_of(reason: str, units: Iterable[Unit], count: int = 3) -> list[Unit]:
    found = [unit for unit in units if reason in (why_not(unit), why_not_native(unit))]
    return [found[i * (len(found) - 1) // max(count - 1, 1)] for i in range(count)]


def test_what_does_not_exist_is_refused(record_property):
    """Each reason, for some of those that have it."""
    everything = list(every_unit("native"))
    counted = matrix().missing
    assert {reason for reason, _ in DOES_NOT_EXIST} <= set(counted)
    record_property("conformance", ["missing", dict(counted)])
    for reason in SAID_BY_SPECS:
        for unit in some_of(reason, everything):
            with pytest.raises(ma.SpecError):
                entry_of("x", unit)
    (unit,) = some_of("perspective needs intrinsics", everything, 1)
    pipeline = pipeline_of([unit], unit.program, unit.camera)
    with pytest.raises(ma.RecordError, match="intrinsics"):
        run(pipeline, [unit], RECORDS["projective"])


# The others are combinations that this file leaves out, because nothing is to be expected of them.
SAID_BY_SPECS = (
    "the role does not have the interpolation",
    "the role does not have the border",
    "the role does not have the dtype",
    "the dtype has no NaN",
    "splines have neither missing data nor jumps",
)


@NATIVE
@pytest.mark.cpu
@pytest.mark.parametrize("reason", [reason for reason, _ in LEFT_TO_XLA])
def test_what_native_code_leaves_to_xla_is_said(reason):
    unit = some_of(reason, (u for u in matrix().units if u.backend == "xla"), 1)[0]
    (plan, *_) = pipeline_of([unit], unit.program, unit.camera).explain(FRAME).entries
    assert plan.resampled == "xla"
    assert re.search(reason, plan.reason), plan.reason


# Images of one pixel, of one row or column, and of more than native code takes at a time.
SIZES = [(1, 1), (1, 9), (7, 1), (2, 2), (3, 300), (131, 301)]
SMALL_UNITS = [
    ("linear", Subject("intensity"), "uint8", 3),
    ("linear", Subject("intensity"), "float32", 2),
    ("linear", Subject("intensity", "nan"), "float32", 2),
    ("cubic", Subject("intensity"), "float32", 2),
    ("nearest", Subject("label", pairs=True), "uint8", 1),
]


@pytest.mark.cpu
@pytest.mark.parametrize("backend", BACKENDS if NIGHTLY else BACKENDS[:1])
@pytest.mark.parametrize("frame", SIZES if NIGHTLY else SIZES[1:5:2], ids=str)
def test_sizes(frame, backend, without_c):
    units = [
        Unit(subject, method, border, dtype, channels, "affine", "unknown", backend)
        for method, subject, dtype, channels in SMALL_UNITS
        for border in BORDERS
    ]
    if backend == "xla":
        without_c()
    reach = min(frame) / 3
    records = [
        ("affine", matrix_of(25, 0.8, (reach, -0.21), frame=frame)),
        ("affine", matrix_of(-140, 1.6, (-0.12, -reach), frame=frame)),
        ("mirror", matrix_of(12, 1.1, (-0.26, 0.17), mirrored=True, frame=frame)),
    ]
    problems = check(units, "affine", "unknown", records, frame)
    assert not problems, problems
