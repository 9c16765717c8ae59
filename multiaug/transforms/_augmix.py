"""AugMix: blend an image with chains of operations on its values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from ..typing import Array, Key
from ._affine import uniform_index, unit_uniform
from ._base import Frame, Params, Photometric, Target, static, transform
from ._checked import flag, names, number
from ._mixup import beta
from ._policies import Names, whole_between
from ._policy_operations import (
    CODES,
    OPERATIONS,
    VALUES,
    Child,
    Drawn,
    Space,
    children_of,
    left_out,
    magnitudes,
    operation_names,
    reach,
    signs,
    tell_left_out,
)
from ._settings import EntryNames, setting

_SPACE = Space(bits=(4, 4))
_BINS = 10
_OPERATIONS = tuple(name for name in VALUES if name != "Invert")
_DEEPEST = 3


@transform
class AugMix(Photometric):
    """Blend an image with several chains of operations: ``m v + (1 - m) sum w_i chain_i(v)``.

    m is drawn from Beta(a, a), the weights w from Dirichlet(a, .., a); a chain is one to three
    operations one after the other, each drawn evenly, with one of the ``severity`` least of 10
    magnitudes. Only operations on values take part. The paper also turns, shears and shifts: a
    blend of images in different places belongs to no mask, box or depth of the record. Put
    geometry for all entries before or behind it. Operations and magnitudes are those of
    `RandAugment`, but for posterizing to 4 - 4 s bits, at least 1. What the spec has nothing for
    is not drawn, and is named once.

    Args:
        severity: of how many magnitudes one is drawn, 1 to 10.
        mixture_width: how many chains there are, 1 to 10.
        chain_depth: how many operations a chain has, 1 to 3; 0 draws it for each.
        alpha: of the distributions, in [0.05, 100].
        ops: names of those to draw from: Brightness, Color, Contrast, Sharpness, Posterize,
            Solarize, AutoContrast, Equalize, Invert; None for all but Invert. The paper leaves out
            the first four, which ImageNet-C tests; torchvision has them.
        clip: clip values to their range behind each operation.
        entries: entries to touch; None for all with intensity channels.
        p: the probability that a pipeline runs it.

    Raises:
        ParameterError: numbers out of range; geometry among the operations; none that the spec has
            something for.

    References:
        D. Hendrycks et al., AugMix, ICLR 2020; torchvision's AugMix. Its loss, the divergence of
        the predictions of three versions, takes two records of `Views` and the image itself.
    """

    severity: int = setting(whole_between, default=3, low=1, high=_BINS)
    mixture_width: int = setting(whole_between, default=3, low=1, high=10)
    chain_depth: int = setting(whole_between, default=0, low=0, high=_DEEPEST)
    alpha: float = setting(number, default=1.0, low=0.05, high=100)
    ops: Names = setting(operation_names, default=None, options=VALUES)
    clip: bool = setting(flag, default=False)
    entries: EntryNames = setting(names, default=None)
    p: float = static(default=1.0, kw_only=True)
    by_channel = True
    footprint = "statistic"

    @property
    def uses_range(self) -> bool:
        """True: solarizing and posterizing are about black and white."""
        return True

    def check(self, frame: Frame) -> None:
        """Some operation must be left; those that the spec has nothing for are named once."""
        super().check(frame)
        missing = left_out(self._names, frame.spec, self.entries)
        tell_left_out(self.owner, self._names, missing, frame)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.ops or _OPERATIONS

    @property
    def _members(self) -> tuple[Child, ...]:
        most = reach(_SPACE, _BINS, self.severity - 1)
        return children_of(self._names, _SPACE, most, self.clip, self.entries)

    def sample(self, key: Key, frame: Frame) -> Params:
        """Draw ``weights``, the image's first; ``operation`` and ``magnitude``, (width, 3)."""
        width, depth = self.mixture_width, self.chain_depth
        missing = left_out(self._names, frame.spec, self.entries)
        codes = jnp.array([CODES[n] for n in self._names if n not in missing], jnp.int32)
        u = jnp.stack(unit_uniform(jax.random.fold_in(key, 0), 10 * width + width))
        steps, others = u[: 9 * width].reshape(3, width, _DEEPEST), u[9 * width :]
        operation = codes[uniform_index(steps[0], len(codes))]
        deep = (
            jnp.full(width, depth, jnp.int32)
            if depth
            else 1 + uniform_index(others[:width], _DEEPEST)
        )
        place = jnp.arange(_DEEPEST, dtype=jnp.int32)
        operation = jnp.where(place[None, :] < deep[:, None], operation, CODES["Identity"])
        level = uniform_index(steps[1], self.severity)
        size = jnp.asarray(magnitudes(_SPACE, _BINS))[operation, level]
        negative = (steps[2] < 0.5) & jnp.asarray(signs())[operation]
        return {
            "weights": _weights(others[width:], self.alpha),
            "operation": operation,
            "magnitude": jnp.where(negative, -size, size),
        }

    def apply(self, params: Params, values: Array, target: Target) -> Array:
        """The blend of the values and of all chains."""
        branches = self._branches(target)
        depth = self.chain_depth or _DEEPEST
        ends = jnp.arange(depth, dtype=jnp.int32) == depth - 1
        weights = params["weights"]
        # A weight of a chain counts behind its last operation.
        steps = {
            "operation": params["operation"][:, :depth].ravel(),
            "magnitude": params["magnitude"][:, :depth].ravel(),
            "weight": jnp.where(ends[None, :], weights[1:, None], 0).ravel(),
            "last": jnp.tile(ends, self.mixture_width),
        }

        def link(carried: tuple[Array, Array], step: Params) -> tuple[tuple[Array, Array], None]:
            chain, total = carried
            chain = lax.switch(step["operation"], branches, chain, step["magnitude"])
            total = total + step["weight"] * chain
            return (jnp.where(step["last"], values, chain), total), None

        (_, total), _ = lax.scan(link, (values, weights[0] * values), steps)
        found: Array = total
        return found

    def _branches(self, target: Target) -> list[Callable[[Array, Array], Array]]:
        """What every operation makes of values, by its magnitude."""

        def as_they_are(values: Array, magnitude: Array) -> Array:
            return values

        def changed(values: Array, magnitude: Array, *, member: Child) -> Array:
            (name,) = member.operations
            drawn = Drawn(jnp.int32(CODES[name]), magnitude, _SPACE, None)
            assert isinstance(member.transform, Photometric)
            return member.transform.apply(member.params(drawn), values, target)

        branches: list[Callable[[Array, Array], Array]] = [as_they_are] * len(OPERATIONS)
        for member in self._members:
            branches[CODES[member.operations[0]]] = partial(changed, member=member)
        return branches


def _weights(u: Array, alpha: float) -> Array:
    """(1 + k,) float32 from (k,) numbers of U[0, 1): m, and (1 - m) times Dirichlet's of k."""
    kept = beta(u[0], alpha)
    found, left, k = [kept], 1 - kept, u.shape[0]
    for i in range(1, k):  # by breaking what is left of a stick
        share = beta(u[i], alpha, (k - i) * alpha)
        found.append(left * share)
        left = left * (1 - share)
    return jnp.stack([*found, left])
