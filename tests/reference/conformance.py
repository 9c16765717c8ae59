"""The cells of the conformance matrix, which of them exist, and samples of them.

A cell is an entry (subject, method, border, dtype) under a kind of map, with a camera, by a
backend. Kinds of maps that one compiled program runs are records of one batch.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from multiaug.spec import BORDERS, INTERPOLATIONS, ROLE_TRAITS
from multiaug.spec._dtypes import DTYPES

# The kinds of maps that a program runs.
PROGRAMS = {
    "affine": ("copy", "affine", "mirror"),
    "projective": ("projective",),
    "spline": ("displaced last", "not displaced"),
    "field": ("displaced first",),
    "resize": ("reduced", "enlarged", "turned and reduced"),
}
CAMERAS = ("refit", "fixed", "none", "world", "unknown")
BACKENDS = ("native", "xla")
# Of plain intensities: every number that vectors divide otherwise. XLA treats them all alike.
CHANNELS = {"native": (1, 2, 3, 4, 5, 6, 8, 9, 12, 13, 16, 20, 33), "xla": (3,)}


class Subject(NamedTuple):
    """A role with settings.

    Args:
        role: its name.
        mark: what marks pixels without data: ``nan``, ``number``, or nothing.
        jump: `max_jump` is set.
        pairs: `mirror_pairs` are set.
        period: of an orientation, in degrees.
        packed: it shares its array with three channels of intensity.
    """

    role: str
    mark: str = ""
    jump: bool = False
    pairs: bool = False
    period: int = 360
    packed: bool = False

    @property
    def follows(self) -> bool:
        """Values follow a camera."""
        return ROLE_TRAITS[self.role].needs_camera


SUBJECTS = (
    Subject("intensity"),
    Subject("intensity", "nan"),
    Subject("intensity", "number"),
    Subject("intensity", jump=True),
    Subject("label"),
    Subject("label", pairs=True),
    Subject("probability"),
    Subject("probability", pairs=True),
    Subject("position", "nan"),
    Subject("position", "number"),
    Subject("position", "nan", jump=True),
    Subject("position", "nan", packed=True),
    Subject("depth", "nan"),
    Subject("depth", "number"),
    Subject("depth", "nan", jump=True),
    Subject("depth", "number", jump=True),
    Subject("direction", "nan"),
    Subject("flow", "nan"),
    Subject("orientation", "nan"),
    Subject("orientation", "number"),
    Subject("orientation", "nan", period=180),
    Subject("orientation", "number", period=180),
    Subject("density"),
)


class Unit(NamedTuple):
    """An entry in a program: a cell for each kind of map that the program runs."""

    subject: Subject
    method: str
    border: str
    dtype: str
    channels: int
    program: str
    camera: str
    backend: str

    @property
    def cells(self) -> int:
        return len(PROGRAMS[self.program])

    def __str__(self) -> str:
        subject = self.subject
        settings = [subject.mark, *(k for k in ("jump", "pairs", "packed") if getattr(subject, k))]
        words = [subject.role, *filter(None, settings), self.method, self.border, self.dtype]
        return " ".join([*words, f"x{self.channels}", self.program, self.camera, self.backend])


def _kind(unit: Unit) -> str:
    return DTYPES[unit.dtype].kind


# Why a combination does not exist: a sentence for each, and the test for it. The first that holds
# is counted.
DOES_NOT_EXIST: tuple[tuple[str, Callable[[Unit], bool]], ...] = (
    (
        "the role does not have the interpolation",
        lambda u: u.method not in ROLE_TRAITS[u.subject.role].interpolations,
    ),
    (
        "the role does not have the border",
        lambda u: u.border not in ROLE_TRAITS[u.subject.role].borders,
    ),
    (
        "the role does not have the dtype",
        lambda u: _kind(u) not in ROLE_TRAITS[u.subject.role].dtype_kinds,
    ),
    ("the dtype has no NaN", lambda u: u.subject.mark == "nan" and _kind(u) != "f"),
    ("bool has no number to spare for missing data", lambda u: (
        u.dtype == "bool" and u.subject.mark == "number")),
    (
        "splines have neither missing data nor jumps",
        lambda u: u.method == "spline3" and bool(u.subject.mark or u.subject.jump),
    ),
    (
        "copies of pixels have no jumps",
        lambda u: u.subject.jump and u.method == "nearest",
    ),
    (
        "uint8 has no angles up to 360",
        lambda u: (u.subject.role, u.subject.period, u.dtype) == ("orientation", 360, "uint8"),
    ),
    (
        "bool has no differences to limit",
        lambda u: u.subject.jump and u.dtype == "bool",
    ),
    (
        "the fill of a bool label is one of its pair",
        lambda u: u.dtype == "bool" and u.subject.pairs and u.border.startswith("constant"),
    ),
    (
        "perspective needs intrinsics",
        lambda u: u.camera == "unknown" and u.program == "projective",
    ),
)  # fmt: skip


def _dense(unit: Unit) -> bool:
    return unit.program in {"spline", "field"}


# What native code leaves to XLA, and the words of `explain` for it.
LEFT_TO_XLA: tuple[tuple[str, Callable[[Unit], bool]], ...] = (
    (r"has no native rules", lambda u: u.subject.role == "probability" and u.subject.pairs),
    (r"means over areas with the border", lambda u: (
        u.subject.role == "density" and u.border in {"constant-hard", "wrap-classic"}
        and u.program in {"affine", "resize"})),
)  # fmt: skip


def why_not(unit: Unit) -> str | None:
    """Why a unit does not exist; None where it does."""
    return next((reason for reason, test in DOES_NOT_EXIST if test(unit)), None)


def why_not_native(unit: Unit) -> str | None:
    """Why native code leaves a unit to XLA, as `explain` words it; None where it does not."""
    return next((reason for reason, test in LEFT_TO_XLA if test(unit)), None)


def every_unit(backend: str) -> Iterator[Unit]:
    """The full product of a backend, whether the units exist or not.

    Cameras are an axis of what follows one; channels one of plain intensities.
    """
    for subject, method, border, dtype, program in itertools.product(
        SUBJECTS, INTERPOLATIONS, BORDERS, DTYPES, PROGRAMS
    ):
        plain = subject == Subject("intensity")
        for camera in CAMERAS if subject.follows else CAMERAS[:1]:
            for channels in CHANNELS[backend] if plain else (_channels(subject),):
                yield Unit(subject, method, border, dtype, channels, program, camera, backend)


def _channels(subject: Subject) -> int:
    own = ROLE_TRAITS[subject.role].channels
    return own or {"probability": 3, "density": 1, "intensity": 2}.get(subject.role, 1)


class Matrix(NamedTuple):
    """What exists, and what does not.

    Args:
        units: that exist.
        missing: reason -> cells that do not.
    """

    units: tuple[Unit, ...]
    missing: Counter[str]


@cache
def matrix() -> Matrix:
    """All of it."""
    units: list[Unit] = []
    missing: Counter[str] = Counter()
    for backend in BACKENDS:
        for unit in every_unit(backend):
            reason = why_not(unit)
            left = why_not_native(unit) if reason is None and backend == "native" else None
            if left is not None:
                reason = f"native code leaves it to XLA ({left})"
            if reason is None:
                units.append(unit)
            else:
                missing[reason] += unit.cells
    return Matrix(tuple(units), missing)


def covering(units: Sequence[Unit]) -> list[Unit]:
    """Few units in which every pair of values of two axes appears that appears in any.

    Axes are the role, its settings, and the other fields of a unit.
    """
    number: dict[Any, int] = {}
    table = np.array(
        [
            [number.setdefault(pair, len(number)) for pair in itertools.combinations(values, 2)]
            for values in (
                list(enumerate((unit.subject.role, unit.subject[1:], *unit[1:]))) for unit in units
            )
        ]
    )
    wanted = np.ones(len(number), bool)
    chosen = []
    while wanted.any():
        best = int(wanted[table].sum(1).argmax())
        chosen.append(units[best])
        wanted[table[best]] = False
    return chosen
