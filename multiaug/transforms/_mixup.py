"""MixUp: blend records of a batch in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..sampling import library_of
from ..typing import Array, Key, NDArray
from ._affine import unit_uniform
from ._base import Frame, Params, static, transform
from ._checked import names, number
from ._settings import Setting, setting
from ._stage_bases import Mixing

# Of the table of the inverse distribution: its error is below 1e-4 for every alpha.
_KNOTS = 2049


def kept_names(value: Any, field_name: str) -> tuple[str, ...]:
    """Names of entries; None is none."""
    return names(value, field_name) or ()


@transform
class MixUp(Mixing):
    """Blend every record with a partner: ``w a + (1 - w) b``, w from Beta(a, a).

    Intensity, density and probabilities are blended in float32, with no data where one of both has
    none; so are scalars of a floating dtype, such as targets and one-hot classes. Class ids are no
    quantities: put `OneHot` before it, which leaves the ids those of the record itself. All else
    must be named in ``keep``, or is refused.

    The partner is drawn from the record's key, evenly among the others of the batch that
    `Pipeline.batch` is given. A `Loader` draws it among ``mix_among`` neighbours of its stream,
    which batches, workers and restarts do not change. One record by itself has only itself for a
    partner, and stays as it is, which is said once.

    Args:
        alpha: of the symmetric Beta distribution, in [0.05, 100]; 1 is the uniform distribution,
            less keeps one of both nearly whole.
        keep: entries that stay those of the record itself.
        p: the probability that a pipeline runs it, for each record.

    Raises:
        ParameterError: alpha out of range; an entry that cannot be blended and is not in ``keep``.

    References:
        H. Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018.
    """

    alpha: float = setting(number, default=0.2, low=0.05, high=100)
    keep: Setting[tuple[str, ...], str | Sequence[str] | None] = setting(kept_names, default=())
    p: float = static(default=1.0, kw_only=True)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``partner``, from U[0, 1): which of the others; and ``weight``, of the record."""
        partner, u = unit_uniform(key, 2)
        return {"partner": partner, "weight": beta(u, self.alpha)}

    def partners(self, params: Params, size: int) -> Array:
        """How many records further, counted around the end of the batch."""
        return partners_of(params["partner"], size)

    def weights(self, params: Params) -> Array:
        """The drawn one, and what is left of 1."""
        weight = params["weight"]
        both: Array = library_of(weight).stack([weight, 1 - weight], axis=-1)
        return both


def partners_of(u: Array, size: int) -> Array:
    """(N,) int32: of every record of a batch one of the others, from U[0, 1); of NumPy's, too."""
    lib = library_of(u)
    others = max(1, size - 1)
    further = lib.minimum((u * others).astype(np.int32), others - 1)
    places = lib.arange(size, dtype=np.int32)
    found: Array = (places + 1 + further) % size
    return found


def beta(u: Array, alpha: float, other: float | None = None) -> Array:
    """Numbers from Beta(alpha, other), from U[0, 1); of one number it is Beta(alpha, alpha)."""
    points, values = _inverse_of_beta(alpha, alpha if other is None else other)
    return jnp.interp(u, points, values)


@lru_cache(maxsize=16)
def _inverse_of_beta(alpha: float, other: float) -> tuple[NDArray, NDArray]:
    """Probabilities, and the values of Beta(alpha, other) that are below with these.

    A table: rejection, as `jax.random.beta` has it, is a loop on every record, and its draws may
    change with the version of JAX.
    """
    from scipy.special import betainc  # slow to import

    # Even in the angle of sqrt(value), where both tails are resolved; the half and its mirror
    # image are the same numbers.
    angle = np.linspace(0, np.pi / 2, _KNOTS)
    values = np.sin(angle) ** 2
    below = betainc(alpha, other, values)
    if alpha == other:
        below = (below + (1 - below[::-1])) / 2
    return below.astype(np.float32), values.astype(np.float32)
