"""Where a loader stands, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .._arguments import either, one_of, whole
from ..errors import ParameterError

SCHEMA = "multiaug.loader/1"

# What the argument of `Loader` may be.
MIX_AMONG = either(whole(2), one_of("batch"))


@dataclass(frozen=True)
class LoaderState:
    """What fixes the rest of the record stream.

    Args:
        fingerprint: of the source.
        records: in the source.
        chunk: records that are read together.
        window: chunks that are mixed at a time.
        streams: shares of the data.
        seed: of order and augmentation.
        shuffle: as in `Loader`.
        copies: as in `Loader`.
        selection: digest of indices and weights.
        epoch: from 0.
        position: records of each stream that have been handed out.
        mix_among: as in `Loader`; None where nothing is mixed, or nobody wrote it down.
    """

    fingerprint: str
    records: int
    chunk: int
    window: int
    streams: int
    seed: int
    shuffle: str | None
    copies: int
    selection: str
    epoch: int
    position: int
    mix_among: int | str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON."""
        document = {"schema": SCHEMA, **asdict(self)}
        if self.mix_among is None:
            del document["mix_among"]
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> LoaderState:
        """The inverse of `to_dict`.

        Raises:
            ParameterError: another schema, or missing or odd values.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            found = document.get("schema") if isinstance(document, Mapping) else document
            raise ParameterError(
                f"`state` must be what Loader.state() returned, with the schema {SCHEMA!r}, got "
                f"{found!r}."
            )
        names = {field.name for field in fields(cls)}
        if set(document) - {"schema", "mix_among"} != names - {"mix_among"}:
            raise ParameterError(f"`state` must have {sorted(names)}, got {sorted(document)}.")
        state = cls(**{name: document[name] for name in names & set(document)})
        numbers = ("records", "chunk", "window", "streams", "copies", "epoch", "position")
        odd = [n for n in numbers if not isinstance(getattr(state, n), int) or document[n] < 0]
        if odd:
            raise ParameterError(
                f"`state[{odd[0]!r}]` must be a whole number, got {document[odd[0]]!r}."
            )
        if state.mix_among is not None and not MIX_AMONG.accepts(state.mix_among):
            raise ParameterError(
                f"`state['mix_among']` must be {MIX_AMONG.expected}, got {state.mix_among!r}."
            )
        return state

    def refuse_other(self, **expected: Any) -> None:
        """Raise for the first field that is not as expected.

        Raises:
            ParameterError: with what differs, and what to do.
        """
        for name, value in expected.items():
            found = getattr(self, name)
            if found == value:
                continue
            remedy = {
                "fingerprint": "The data set has changed, or it is another one.",
                "selection": "Pass the same indices and weights.",
                "mix_among": f"Make the loader with mix_among={found!r}, or mixes would change.",
            }.get(name, "Make the loader with the same setting.")
            raise ParameterError(
                f"The state is of another stream: its {name} is {found!r}, here it is {value!r}. "
                f"{remedy}"
            )
