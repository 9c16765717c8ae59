"""From a spectrum to the matrix that whitens: gains, what becomes of the tail, and both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...errors import NotFittedError, ParameterError, warn
from ...typing import NDArray
from ._spectrum import Spectrum

EpsMode = Literal["variance", "covariance", "keras"]
Tail = Literal["residual", "flat", "zero"]
Method = Literal["zca", "pca"]

EPS_MODES = ("variance", "covariance", "keras")
TAILS = ("residual", "flat", "zero")
METHODS = ("zca", "pca")

# More than this, and noise of one 8-bit level comes out as hundreds of standard deviations.
LARGEST_GAIN = 1e3
_AUTO_SHARE = 0.1
_AUTO_COMPONENTS = 8


@dataclass(frozen=True)
class WhiteningRule:
    """How eigenvalues become gains; see `multiaug.Whiten`."""

    method: Method = "zca"
    epsilon: float | Literal["auto"] = "auto"
    eps_mode: EpsMode = "variance"
    tail: Tail = "residual"
    components: int | None = None
    rescale: float = 1.0


@dataclass(frozen=True, eq=False)
class Gains:
    """The gain along each eigenvector used, and along everything else.

    Args:
        values: float64 (k,).
        tail: what directions without an eigenvector are multiplied by.
        epsilon: the number that "auto" stood for.
        spectrum: with the eigenvectors used, in units of the rescaled values.
    """

    values: NDArray
    tail: float
    epsilon: float
    spectrum: Spectrum

    @property
    def largest(self) -> float:
        """The most that any direction is amplified."""
        covers = len(self.values) == self.spectrum.d
        return float(max(self.values.max(initial=0.0), 0.0 if covers else self.tail))

    def inverted(self) -> Gains:
        """Gains of the way back; what was multiplied by 0 stays 0."""
        with np.errstate(divide="ignore"):
            values = np.where(self.values > 0, 1 / self.values, 0.0)
        return replace(self, values=values, tail=1 / self.tail if self.tail > 0 else 0.0)


def gains_of(spectrum: Spectrum, rule: WhiteningRule) -> Gains:
    """The gains that a rule makes of a spectrum.

    With eigenvalues l of n records: ``variance`` and ``covariance`` are 1 / sqrt(l + epsilon),
    ``keras`` is sqrt(n) / (sqrt(n l) + epsilon), the pseudo-inverse: 0 where l is 0.

    Raises:
        ParameterError: more components than there are.
        NotFittedError: records that are all alike.
    """
    if rule.rescale != 1.0:
        factor = rule.rescale**2
        spectrum = replace(
            spectrum,
            eigenvalues=spectrum.eigenvalues * factor,
            total=spectrum.total * factor,
            mean=spectrum.mean * rule.rescale,
        )
    rank = spectrum.rank
    if not rank:
        raise NotFittedError(
            "Whitening must know how records differ, got records that are all alike (rank 0). "
            "Fit it on other records, or leave it out."
        )
    residual = _residual(spectrum, _first_eighth(spectrum))
    epsilon = _AUTO_SHARE * residual if rule.epsilon == "auto" else float(rule.epsilon)
    count = _count(spectrum, rule, rank)
    kept = replace(
        spectrum, eigenvalues=spectrum.eigenvalues[:count], vectors=spectrum.vectors[:count]
    )
    eigenvalues = kept.eigenvalues
    above = np.arange(len(eigenvalues)) < rank
    with np.errstate(divide="ignore"):
        if rule.eps_mode == "keras":
            root = np.sqrt(spectrum.n * eigenvalues)
            values = np.where(above, np.sqrt(spectrum.n) / (root + epsilon), 0.0)
        elif epsilon > 0:
            values = 1 / np.sqrt(eigenvalues + epsilon)
        else:
            values = np.where(above, 1 / np.sqrt(eigenvalues), 0.0)
    return Gains(values, _tail(kept, rule, values, epsilon), epsilon, kept)


def _count(spectrum: Spectrum, rule: WhiteningRule, rank: int) -> int:
    """How many eigenvectors are used."""
    there = len(spectrum.eigenvalues)
    if rule.components is not None:
        if rule.components > there:
            raise ParameterError(
                f"`Whiten.components` must be at most {there}, which the statistics hold, got "
                f"{rule.components}. Fit more of them: multiaug.ZCA(components=..)."
            )
        return rule.components
    if rule.eps_mode != "variance" and not spectrum.is_complete:
        raise ParameterError(
            f"`Whiten.eps_mode={rule.eps_mode!r}` is a formula for all {spectrum.most} directions "
            f"of the records, of which the statistics hold {there}. Fit them all, "
            f"multiaug.ZCA(components={spectrum.most}), or say how many to use: components=.."
        )
    if rule.eps_mode != "variance" or spectrum.n > spectrum.d:
        return there
    # With fewer records than pixels the small eigenvalues describe the records, not the data:
    # on held-out pictures an eighth of them and the mean of the rest did best.
    return min(_first_eighth(spectrum), rank)


def _first_eighth(spectrum: Spectrum) -> int:
    """An eighth of the directions that n records can differ in, as far as they are held.

    Of n and d alone: what a solver keeps, which depends on the memory, changes nothing.
    """
    return min(max(1, spectrum.most // _AUTO_COMPONENTS), len(spectrum.eigenvalues))


def _residual(spectrum: Spectrum, count: int) -> float:
    """Mean variance of the directions behind the first ``count``."""
    if count >= spectrum.d:
        return float(spectrum.eigenvalues[-1])
    left = spectrum.total - float(spectrum.eigenvalues[:count].sum())
    return max(left, 0.0) / (spectrum.d - count)


def _tail(kept: Spectrum, rule: WhiteningRule, values: NDArray, epsilon: float) -> float:
    """The gain of directions without an eigenvector."""
    if len(values) == kept.d or rule.tail == "zero" or rule.eps_mode == "keras":
        return 0.0
    if rule.eps_mode == "covariance":
        return float(1 / np.sqrt(epsilon)) if epsilon > 0 else 0.0
    left = _residual(kept, len(values))
    # All variance is along the eigenvectors: there is nothing to take a mean of.
    if rule.tail == "flat" or left <= kept.floor:
        return float(values[-1])
    return float(1 / np.sqrt(left + epsilon))


def warn_of_gain(gain: float, epsilon: float, owner: str) -> None:
    """Say that noise will be amplified beyond measure."""
    warn(
        f"{owner}: the largest gain is {gain:.3g} (epsilon {epsilon:.3g}), and noise is amplified "
        f"as much. Above {LARGEST_GAIN:g}, raise epsilon, a variance, or take epsilon='auto'.",
    )


def matrix_of(gains: Gains) -> NDArray:
    """The symmetric matrix W of ZCA, float64 (d, d): outputs are (x - mean) W."""
    vectors = np.asarray(gains.spectrum.vectors, np.float64)
    matrix = (vectors.T * (gains.values - gains.tail)) @ vectors
    matrix[np.diag_indices_from(matrix)] += gains.tail
    found: NDArray = (matrix + matrix.T) / 2
    return found


def operator_of(gains: Gains, rule: WhiteningRule) -> dict[str, NDArray]:
    """What `apply` needs, float32: outputs for values that have not been rescaled yet.

    A matrix where most eigenvectors are used, else the eigenvectors: for each record either
    costs d^2 or 2 k d multiplications.
    """
    spectrum = gains.spectrum
    mean = (spectrum.mean / rule.rescale).astype(np.float32)
    if rule.method == "pca":
        rows = spectrum.vectors * (gains.values * rule.rescale)[:, None]
        return {"mean": mean, "rows": rows.astype(np.float32)}
    if 2 * len(gains.values) >= spectrum.d:
        return {"mean": mean, "matrix": (matrix_of(gains) * rule.rescale).astype(np.float32)}
    return {
        "mean": mean,
        "vectors": np.asarray(spectrum.vectors, np.float32),
        "weights": ((gains.values - gains.tail) * rule.rescale).astype(np.float32),
        "tail": np.asarray(gains.tail * rule.rescale, np.float32),
    }


def inverse_of(gains: Gains, rule: WhiteningRule) -> dict[str, NDArray]:
    """What brings outputs back, float32; see `operator_of`."""
    back = gains.inverted()
    spectrum = gains.spectrum
    mean = (spectrum.mean / rule.rescale).astype(np.float32)
    scale = 1 / rule.rescale
    if rule.method == "pca":
        rows = spectrum.vectors * (back.values * scale)[:, None]
        return {"mean": mean, "rows": rows.astype(np.float32)}
    if 2 * len(back.values) >= spectrum.d:
        return {"mean": mean, "matrix": (matrix_of(back) * scale).astype(np.float32)}
    return {
        "mean": mean,
        "vectors": np.asarray(spectrum.vectors, np.float32),
        "weights": ((back.values - back.tail) * scale).astype(np.float32),
        "tail": np.asarray(back.tail * scale, np.float32),
    }


def stationary_operator(
    values: NDArray, vectors: NDArray, mean: NDArray, rule: WhiteningRule, *, inverse: bool
) -> tuple[dict[str, NDArray], float, float]:
    """Filters of `Stationary` whitening, their largest gain, and epsilon.

    Args:
        values: eigenvalues (H, W // 2 + 1, C) of each frequency.
        vectors: their eigenvectors.
        mean: (C,).
        rule: epsilon, eps_mode "variance", rescale.
        inverse: the way back.
    """
    scaled = values * rule.rescale**2
    # The upper three quarters of the frequencies hold the least variance of natural pictures.
    low = np.sort(scaled, axis=None)[: max(1, 3 * scaled.size // 4)].mean()
    epsilon = _AUTO_SHARE * float(low) if rule.epsilon == "auto" else float(rule.epsilon)
    floor = scaled.size * np.finfo(np.float64).eps * scaled.max()
    with np.errstate(divide="ignore"):
        gain = np.where(scaled + epsilon > floor, 1 / np.sqrt(scaled + epsilon), 0.0)
    largest = float(gain.max())
    if inverse:
        gain = np.where(gain > 0, 1 / np.where(gain > 0, gain, 1), 0.0) / rule.rescale
    else:
        gain = gain * rule.rescale
    filters = np.einsum("uvij,uvj,uvkj->uvik", vectors, gain, vectors.conj())
    return (
        {
            "mean": mean.astype(np.float32),
            "real": filters.real.astype(np.float32),
            "imaginary": filters.imag.astype(np.float32),
        },
        largest,
        epsilon,
    )
