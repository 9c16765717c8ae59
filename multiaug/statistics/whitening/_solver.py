"""How whitening is gathered: by the covariance, by products of records, or by a sketch."""

from __future__ import annotations

from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING

from ..._machine import bytes_text
from ...errors import ParameterError
from .._needs import Needs, Subject
from ..covariance._basis import DualBasis
from ..covariance._covariance import Covariance
from ..covariance._gram import Gram
from ..covariance._lowrank import LowRank
from ..covariance._ritz import RayleighRitz
from ..sums._numbers import kind_of

if TYPE_CHECKING:
    from ._zca import ZCA

# The eigenvectors of more records take longer than a sketch of 512 directions would.
_MOST_DUAL = 12_000
_MOST_COMPONENTS = 512


def solve(request: ZCA, subject: Subject) -> Needs:
    """The first solver that fits, or the one that was asked for.

    Raises:
        ParameterError: it needs more memory than is left, or all of them do.
    """
    n, d, left = subject.records, subject.size, subject.left
    k_dual = _dual_components(request, n, d, subject.memory)
    k_low = _lowrank_components(request, n, d, left)
    rows = pair_rows(n, subject)
    takes = {
        "primal": Covariance.bytes_of(d),
        "dual": _dual_bytes(n, d, k_dual, rows * subject.row_bytes),
        "lowrank": LowRank.bytes_of(d, max(k_low, 1)),
    }
    chosen = _choice(subject, takes, k_low)
    text = {name: bytes_text(need) for name, need in takes.items()}
    why = f"{chosen}, {text[chosen]} of {bytes_text(left)} (n = {n}, d = {d}"
    if chosen == "primal":
        statistic = Covariance(deterministic=request.deterministic, range=request.range)
        return Needs(
            statistic.bound(subject),
            takes[chosen],
            derived={"zca": methodcaller("spectrum", request.center)},
            reason=f"{why}): d x d fits, and its states merge",
        )
    if chosen == "dual":
        floats = kind_of(subject.dtype) in ("float", "wide")
        shift = 0.0 if request.center == "channel" and floats else None
        return Needs(
            Gram(records=n, shift=shift).bound(subject),
            takes[chosen],
            look=partial(DualBasis, centre=request.center, components=k_dual),
            block_rows=rows,
            reason=f"{why}), {k_dual} components: n x n fits, d x d needs {text['primal']}",
        )
    return Needs(
        LowRank(components=k_low).bound(subject),
        takes[chosen],
        look=partial(RayleighRitz, centre=request.center),
        reason=f"{why}), {k_low} components: d x d needs {text['primal']}, n x n {text['dual']}",
    )


def _choice(subject: Subject, takes: dict[str, int], k_low: int) -> str:
    left, solver = subject.left, subject.solver
    fits = {name: need <= left for name, need in takes.items()}
    fits["lowrank"] = fits["lowrank"] and k_low > 0
    chosen = solver
    if solver == "auto":
        allowed = {**fits, "dual": fits["dual"] and subject.records <= _MOST_DUAL}
        chosen = next((name for name in takes if allowed[name]), "")
        if not chosen and fits["dual"]:
            chosen = "dual"
    if chosen and fits[chosen]:
        return chosen
    wanted = "no solver" if solver == "auto" else f"solver={solver!r} does not fit: it"
    text = {name: bytes_text(need) for name, need in takes.items()}
    raise ParameterError(
        f"fit: {wanted} for ZCA of {subject.label!r}, {subject.records} records of "
        f"{subject.size} numbers: primal needs {text['primal']}, dual {text['dual']}, lowrank at "
        f"least {text['lowrank']}, but {bytes_text(max(left, 0))} of {bytes_text(subject.memory)} "
        "is left. Raise memory, use fewer components or smaller pictures, or fit "
        "multiaug.Stationary(), another model that needs little."
    )


def pair_rows(n: int, subject: Subject) -> int:
    """Records of one side of a pair: two sides in a quarter of the memory."""
    fitting = max(1, int(max(subject.left, 0) // 4 // (2 * subject.row_bytes)))
    # As few blocks as fit, all about as long: every pair of blocks is read once.
    return -(-n // -(-n // min(n, fitting)))


def _dual_bytes(n: int, d: int, k: int, block: int) -> int:
    """The most of three stages: pairs, eigenvalues, eigenvectors."""
    # A block that stays; one that is read, in parts and joined; and tiles of both.
    pairs = 8 * n * n + 4 * block
    # The Gram matrix becomes its eigenvectors and stays until the records have been seen again.
    return max(pairs, 24 * n * n, 8 * n * n + 8 * n * k + 4 * d * k)


def _dual_components(request: ZCA, n: int, d: int, memory: int) -> int:
    if request.components is not None:
        return min(request.components, n)
    # What whitening uses by default: see `WhiteningRule`.
    return max(1, min(d if n > d else n // 8, memory // 4 // (4 * d)))


def _lowrank_components(request: ZCA, n: int, d: int, left: int) -> int:
    fitting = (left // (4 * d) - 2 * 512) // 10
    wanted = _MOST_COMPONENTS if request.components is None else request.components
    most = fitting if request.components is None else wanted
    return int(max(0, min(wanted, max(1, n // 8) if request.components is None else wanted, most)))
