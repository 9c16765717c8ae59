"""The request for whitening: which solver gathers it is decided when the data are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ParameterError, old_arguments, old_attribute
from ...typing import NDArray
from .._needs import Needs, Subject
from .._state import Accumulator, State, Statistic
from ._solver import solve
from ._spectrum import Centre, check_centre


@dataclass(frozen=True, kw_only=True)
class ZCA(Statistic):
    """Ask `multiaug.fit` for what whitening needs, ZCA or PCA; it chooses how to gather it.

    Args:
        record_shape: left open: `fit` fills it in.
        dtype: likewise.
        entries: names of the entries to whiten; None for all pictures with role intensity.
        center: the mean that is subtracted: of each ``pixel``, or of each ``channel`` as Keras
            does.
        components: how many eigenvectors to keep where not all fit: None keeps an eighth of
            the records, at most what a quarter of the memory holds.
        deterministic: floats: the same bits in any order; see `Covariance`.
        range: (lo, hi) of the values, for ``deterministic``.

    Raises:
        ParameterError: settings that contradict each other.
    """

    center: Centre = "pixel"
    components: int | None = None
    deterministic: bool = False
    range: tuple[float, float] | None = None

    name: ClassVar[str] = "zca"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_centre(self.center)
        if self.components is not None and (
            not isinstance(self.components, int) or self.components < 1
        ):
            raise ParameterError(
                f"`ZCA.components` must be a whole number >= 1 or None, got {self.components!r}."
            )

    def suits(self, role: str, *, named: bool) -> bool:
        """Only intensities are whitened."""
        return role == "intensity"

    def needs(self, subject: Subject) -> Needs:
        """What the solver gathers: the first that fits, or the one that was asked for.

        Raises:
            ParameterError: none fits.
        """
        return solve(self, subject)

    def init(self) -> State:
        """Not by itself: the solver has a state, the request has none."""
        raise ParameterError(
            "`ZCA` is a request to multiaug.fit and has no state. By hand, take "
            "multiaug.statistics.Covariance, Gram or LowRank."
        )

    def accumulator(self, state: Any) -> Accumulator:
        """Not by itself; see `init`."""
        raise ParameterError("`ZCA` is a request to multiaug.fit and has no state.")

    def restore(self, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> State:
        """Not by itself; see `init`."""
        raise ParameterError("`ZCA` is a request to multiaug.fit and has no state.")


# The request as it was spelled in the last release.
ZCA.__init__ = old_arguments(centre="center")(ZCA.__init__)  # type: ignore[method-assign]
ZCA.centre = old_attribute("ZCA", "centre", "center")  # type: ignore[attr-defined]
