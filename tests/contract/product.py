"""The product of the contract suite: every transform, number of channels, dtype and backend.

A cell is an image under one transform. The images that a transform takes are entries of one record,
so that a check compiles its programs once for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.spec._dtypes import dtypes_for
from multiaug.testing import check_transform, make_record
from multiaug.testing._agreement import close, same
from multiaug.transforms import Container, Deriving, Transform
from multiaug.typing import Batch, NDArray
from tests.contract.cases import CASES, SPEC, SPECS

CHANNELS = (1, 3, 4, 6, 13, 200)
# The others have channels without names, in which no colour is found.
COLOURED = (3, 4, 6)
DTYPES = dtypes_for([ma.spec.ROLE_TRAITS["intensity"]])
LABEL_DTYPES = dtypes_for([ma.spec.ROLE_TRAITS["label"]])
SHAPE = (16, 16)
KEY = jax.random.key(0)

# What changes no image has its product over the dtypes of label maps, or none at all.
LABELS_ALONE = {
    name for name, case in CASES.items() if isinstance(case, Deriving) and "mask" in repr(case)
}
NO_IMAGE = {
    "CanonicalDepth": "it changes cameras, depths and points alone",
    "CloudMotion": "it changes points alone",
    "DepthNoise": "it changes depths and points alone",
    "EncodeDepth": "it changes depths alone",
}

# Compositions, in which each of these is an operation at several places: minutes of compiling.
# Their parts have every dtype; they have those that most images have.
COMPOSED = {
    name for name, case in CASES.items() if isinstance(case, Container) or "AugMix" in name
} - {"Maybe", "ForEntries"}
COMPOSED_DTYPES = ("uint8", "float32")
THEIR_PARTS = "a composition, whose parts have the dtype by themselves"


class Cell(NamedTuple):
    """An image, or a label map of no channels, and the entry that it is."""

    channels: int
    dtype: str

    @property
    def name(self) -> str:
        return f"{self.dtype}_x{self.channels}" if self.channels else "mask"

    @property
    def entry(self) -> ma.EntrySpec:
        if not self.channels:
            ignore = {} if self.dtype == "bool" else {"ignore": 255}
            document = {"role": "label", "dtype": self.dtype, **ignore}
            return ma.EntrySpec.from_dict("mask", document)
        floats = self.dtype in {"float16", "bfloat16", "float32"}
        named = ("r", "g", "b", "nir", "swir", "red_edge")[: self.channels]
        # A number for no data in one of the integers, NaN in all floats.
        invalid = {"invalid": "nan"} if floats else {"invalid": 7} if self.dtype == "uint16" else {}
        return ma.EntrySpec.from_dict(
            self.name,
            {
                "role": "intensity",
                "dtype": self.dtype,
                "channels": list(named) if self.channels in COLOURED else self.channels,
                **invalid,
            },
        )


@dataclass
class Found:
    """What became of the cells of one transform.

    Args:
        native: cells that were checked where native code runs what it can.
        xla: cells that were checked by XLA alone.
        refused: sentence -> cells that are refused with it.
        missing: reason -> cells that do not exist.
    """

    native: int = 0
    xla: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)

    def as_data(self) -> list[Any]:
        return [self.native, self.xla, dict(self.refused), dict(self.missing)]


def cells_of(
    name: str, channels: Sequence[int] = CHANNELS, dtypes: Sequence[str] = DTYPES
) -> list[Cell]:
    """The cells of a case: images, or label maps."""
    if name in LABELS_ALONE:
        return [Cell(0, dtype) for dtype in LABEL_DTYPES]
    return [Cell(count, dtype) for count in channels for dtype in dtypes]


def spec_of(name: str, cells: Sequence[Cell]) -> ma.DataSpec:
    """The entries that the case needs, with the cells in the place of its image or label map."""
    spec = SPECS.get(name, SPEC)
    own = [cell.entry for cell in cells]
    kept = [e for n, e in spec.entries.items() if n != "image" and n not in {e.name for e in own}]
    if not any(cell.channels for cell in cells):
        own = [spec.entries["image"], *own]
    return ma.DataSpec("cells", [*own, *kept], spec.camera)


def case_of(name: str, spec: ma.DataSpec) -> Transform:
    """The case, of which settings that name its image name all images of the spec."""
    case = CASES[name]
    images = tuple(n for n, e in spec.entries.items() if e.groups[0].role == "intensity")
    if isinstance(case, ma.ForEntries):
        return replace(case, entries=images)
    if isinstance(case, ma.ModalityDropout):
        return replace(case, groups=(images, "mask"))
    if isinstance(case, ma.CutMix):
        return replace(case, keep=images[:1])
    return case


def refusal_of(name: str, spec: ma.DataSpec) -> str | None:
    """The sentence that refuses the case on a spec; None where it is taken.

    Nothing is compiled. Any other exception than these two is a fault of the transform.
    """
    record = {n: jnp.asarray(a) for n, a in make_record(spec, SHAPE, 0).items()}
    try:
        pipeline = ma.Pipeline([case_of(name, spec)], spec)
        jax.eval_shape(lambda r: pipeline.sample(KEY, SHAPE, record=r), record)
    except (ma.ParameterError, ma.SpecError) as error:
        return str(error)
    return None


def check_cells(
    name: str, cells: Sequence[Cell], without_c: Callable[[], None], seed: int = 1
) -> Found:
    """Check the case on all cells that it takes; the others must be refused with a sentence.

    Where native code runs what it can, the whole contract is checked. XLA alone must do the same
    thing: the same values to rounding, and the same bits again.

    Args:
        name: of the case.
        cells: that are tried.
        without_c: from its call on, XLA runs everything.
        seed: of keys and records.
    """
    found, taken = Found(), []
    if name in NO_IMAGE:
        found.missing[NO_IMAGE[name]] += len(cells)
        return found
    for cell in cells:
        if name in COMPOSED and cell.dtype not in COMPOSED_DTYPES:
            found.missing[THEIR_PARTS] += 1
            continue
        # Alone: beside another image, one that a transform has nothing for is left out.
        text = refusal_of(name, spec_of(name, [cell]))
        if text is None:
            taken.append(cell)
        else:
            assert "`" in text, f"names no setting: {text}"
            assert text.rstrip().endswith("."), f"is no sentence: {text}"
            found.refused[text.replace(cell.name, "...")] += 1
    # Label maps have one name: each is a record of its own.
    parts = [[cell] for cell in taken] if name in LABELS_ALONE else [taken] if taken else []
    results = []
    for part in parts:
        spec = spec_of(name, part)
        batch = make_record(spec, SHAPE, seed, batch=3, holes=True)
        if compiled_is_available():
            check_transform(case_of(name, spec), spec, seed, batch=batch)
            found.native += len(part)
        results.append((spec, batch, run(name, spec, batch)))
    without_c()
    for spec, batch, expected in results:
        alone = run(name, spec, batch)
        close(alone, expected, f"{name} by XLA alone")
        same(run(name, spec, batch), alone, f"{name} by XLA, again")
    found.xla = len(taken)
    return found


def run(name: str, spec: ma.DataSpec, batch: Batch) -> dict[str, NDArray]:
    """What becomes of a batch; a pipeline of its own, which remembers no way that it was run."""
    keys = jax.random.split(jax.random.key(2), 3)
    made = ma.Pipeline([case_of(name, spec)], spec).batch(keys, batch)
    return {n: np.asarray(array) for n, array in made.items()}
