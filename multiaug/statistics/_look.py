"""A second look at the records, for what the first pass could not know yet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ..typing import NDArray
from ._state import Statistic, refuse_namesake
from .whitening._spectrum import Spectrum

LOOKS: dict[str, type[SecondLook]] = {}
"""Second looks by the name that checkpoints use."""


class SecondLook(ABC):
    """Sees every record once more, in order; what it holds can be saved halfway.

    Args:
        statistic: of the first pass.
    """

    name: ClassVar[str] = ""

    def __init__(self, statistic: Any) -> None:
        self.statistic = statistic

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_namesake(cls, cls.name, LOOKS, "second look")
        LOOKS[cls.name] = cls

    @abstractmethod
    def add(self, batch: NDArray, index: int) -> None:
        """Take records (m, ...), of which the first is number ``index``."""

    @abstractmethod
    def spectrum(self) -> Spectrum:
        """Eigenvalues and eigenvectors, when all records have been seen."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray]:
        """The numbers so far, by name."""

    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """What else it holds, JSON-ready."""

    @classmethod
    @abstractmethod
    def restore(
        cls, statistic: Statistic, attributes: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> SecondLook:
        """From what `attributes` and `arrays` gave."""
