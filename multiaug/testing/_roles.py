"""What every role owes its users."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ..pipeline import Pipeline, RecordParams
from ..roles import SPATIAL_ROLES, TABLE_ROLES
from ..spec import DataSpec, EntrySpec
from ..transforms import Affine
from ..typing import Batch
from ._agreement import close
from ._contents import make_record

_SIZE = 12
_COUNT = 2
_LAST = _SIZE - 1
_IDENTITY = ((1, 0, 0), (0, 1, 0))
_MIRROR = ((-1, 0, _LAST), (0, 1, 0))
_QUARTER = ((0, 1, 0), (-1, 0, _LAST))


def check_role(role: str, seed: int = 0, **settings: Any) -> None:
    """Check a role, one of your own as well, against the promises of the library.

    Maps that copy pixels lose nothing: the identity gives the values back, and so do a mirror
    applied twice, four quarter turns, and a quarter turn inverted. A spec with the role survives
    its JSON document.

    Args:
        role: its name; one of your own is made known by `multiaug.roles.register_role`.
        seed: fixes the values.
        **settings: further keys of the entry, as in `EntrySpec.of_role`.

    Raises:
        AssertionError: a promise is broken; the message says which one.
    """
    known = role in SPATIAL_ROLES or role in TABLE_ROLES
    assert known, (
        f"the role {role!r} is in neither SPATIAL_ROLES nor TABLE_ROLES; "
        "multiaug.roles.register_role puts it there"
    )
    entry = EntrySpec.of_role("entry", role, **settings)
    others = {
        "image": EntrySpec.of_role("image", "intensity", channels=1, dtype="float32"),
        "intrinsics": EntrySpec.of_role("intrinsics", "intrinsics"),
    }
    needed = [] if entry.kind == "spatial" else ["image"]
    needed += ["intrinsics"] if entry.groups[0].traits.needs_camera else []
    spec = DataSpec(f"check of {role}", [*(others[name] for name in needed), entry])
    assert DataSpec.from_dict(spec.to_dict()) == spec, "the spec changes through its document"
    batch = make_record(spec, (_SIZE, _SIZE), seed, batch=_COUNT, content="smooth")
    _closely(_moved(spec, _IDENTITY, batch), batch, "the identity")
    _closely(_moved(spec, _MIRROR, batch, times=2), batch, "a mirror, twice")
    _closely(_moved(spec, _QUARTER, batch, times=4), batch, "four quarter turns")
    turned = _moved(spec, _QUARTER, batch)
    pipeline, params = _drawn(spec, _QUARTER)
    _closely(pipeline.invert(params, turned), batch, "a quarter turn, inverted")


def _drawn(spec: DataSpec, matrix: Any) -> tuple[Pipeline, RecordParams]:
    # The matrix is an argument of the compiled code: all of these share one compilation.
    pipeline = Pipeline((Affine(np.array(matrix, np.float32)),), spec)
    return pipeline, pipeline.sample(jax.random.split(jax.random.key(0), _COUNT), (_SIZE, _SIZE))


def _moved(spec: DataSpec, matrix: Any, batch: Batch, times: int = 1) -> Batch:
    pipeline, params = _drawn(spec, matrix)
    for _ in range(times):
        out = pipeline.apply(params, {name: batch[name] for name in spec.entries})
        batch = dict(out)
    return batch


def _closely(found: Batch, expected: Batch, what: str) -> None:
    names = expected.keys()
    close({n: a for n, a in found.items() if n in names}, expected, what, ties=0)
