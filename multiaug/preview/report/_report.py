"""The page itself: what is on it, in which order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..._arguments import PATH, Kind, checked, instance, whole
from ...errors import MultiaugError, ParameterError
from ...files import replace_file
from ...pipeline import Pipeline, Views, inspect_first
from ...spec import DataSpec
from ...store import Source, read_records
from ...transforms import Transform
from .._render import Bands
from ._clouds import Cloud, clouds
from ._draws import Draws, Record, alone, draw
from ._figures import Histogram, Share, histograms, label_shares
from ._images import Panel, panels
from ._warnings import warnings_of

_HERE = Path(__file__).parent
_MOST_CLOUDS = 2  # records whose cloud is shown


@dataclass
class Row:
    """Images beside each other.

    Args:
        title: what they are.
        text: what was drawn.
        panels: the images.
    """

    title: str
    text: str
    panels: list[Panel]


@dataclass
class Section:
    """A transform alone, or a whole pipeline.

    Args:
        id: for links.
        title: its heading.
        code: as Python.
        rows: images.
        refused: why there are none.
        warnings: what is conspicuous.
        histograms: before and after.
        shares: of labels, before and after.
        clouds: of some records, before and after.
    """

    id: str
    title: str
    code: str
    rows: list[Row] = field(default_factory=list)
    refused: str = ""
    warnings: list[str] = field(default_factory=list)
    histograms: list[Histogram] = field(default_factory=list)
    shares: dict[str, list[Share]] = field(default_factory=dict)
    clouds: list[tuple[Cloud, Cloud]] = field(default_factory=list)


@checked(
    source=instance(Source, "a source"),
    pipeline=Kind("a Pipeline or Views", lambda value: isinstance(value, Pipeline | Views)),
    path=PATH,
    seed=whole(0),
    draws=whole(3),
)
def report(
    source: Source,
    pipeline: Pipeline | Views,
    path: str | os.PathLike[str],
    *,
    indices: Sequence[int] | None = None,
    seed: int = 0,
    draws: int = 12,
    bands: Bands | None = None,
    check: bool = True,
) -> tuple[str, ...]:
    """Write a page that shows what a pipeline does to some records; it needs no other file.

    Each transform is shown alone, on the first record, in the draws that change the images least,
    middling and most; then the whole pipeline on every record. Masks are outlines on the images,
    too, clouds can be turned. Beside them stand histograms and shares of labels before and after,
    and at the top what is conspicuous: a class that vanishes, an image mostly out of view,
    saturated values, a transform that hardly changes anything.

    Args:
        source: where records come from.
        pipeline: what is done to them.
        path: the HTML file to write; an older one is replaced.
        indices: positions of the records; by default the first four.
        seed: of the augmentation: record i is augmented as in the first epoch of a `Loader`.
        draws: how many results of a record are compared.
        bands: as in `render`.
        check: as in `Pipeline.batch`.

    Returns:
        What is conspicuous, a sentence each.

    Raises:
        ParameterError: no such record or bands.
        RecordError: the records are not what the spec says.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> source = ma.open_source({"image": np.zeros((2, 8, 8, 3), np.uint8)}, spec)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = report(
        ...         source, ma.Pipeline([ma.Flip("x")], spec), Path(folder) / "report.html", draws=3
        ...     )
        >>> print(found[0])
        The whole pipeline, record 0: the image hardly changes in 3 of 3 draws, by 0.00% of the
        range in the middle one.
    """
    index = list(range(min(4, len(source)))) if indices is None else [int(i) for i in indices]
    if not index:
        raise ParameterError("`report.indices` must hold at least one position, got none.")
    records = read_records(source, np.asarray(index))
    named = (
        dict(pipeline.pipelines)
        if isinstance(pipeline, Views)
        else {"the whole pipeline": pipeline}
    )
    if check:
        first = {name: array[np.newaxis] for name, array in records[0].items()}
        inspect_first(next(iter(named.values())), source.spec, first, origin=repr(source))
    page = _Page(source.spec, records, index, seed, draws, bands)
    singles: list[Any] = []
    wholes: list[Any] = []
    for title, one in named.items():
        prefix = f"{title}: " if len(named) > 1 else ""
        singles += [
            page.alone(transform, f"{prefix}{type(transform).__name__}", f"t{len(singles) + i}")
            for i, transform in enumerate(one.transforms)
        ]
        wholes.append(page.whole(one, title, f"whole{len(wholes)}"))
    _write(Path(path), source, page, singles, wholes)
    return tuple(text for section in (*wholes, *singles) for text in section.warnings)


@dataclass(frozen=True)
class _Page:
    """The records that are shown, and how."""

    spec: DataSpec
    records: list[Record]
    index: list[int]
    seed: int
    draws: int
    bands: Bands | None

    def source_panels(self) -> list[list[Panel]]:
        """The records as they are."""
        return panels(self.spec, self.records, self.spec, self.records, "as it is", self.bands)

    def alone(self, transform: Transform, title: str, id: str) -> Section:
        """One transform in three of its draws."""
        section = Section(id, title, repr(transform))
        try:
            pipeline = alone(transform, self.spec)
            found = self._draw(pipeline)
        except MultiaugError as error:
            # It may need what an earlier transform makes; the whole pipeline shows it.
            section.refused = f"It cannot be shown alone: {error}"
            return section
        chosen = found.chosen()
        images = panels(
            pipeline.out_spec,
            [found.records[place] for _, place in chosen],
            self.spec,
            [self.records[0]] * len(chosen),
            f"after {title}",
            self.bands,
        )
        section.rows = [
            Row(f"{name} change", found.texts[place], row)
            for (name, place), row in zip(chosen, images, strict=True)
        ]
        section.warnings = list(warnings_of(title, found, self.records[0]))
        return section

    def whole(self, pipeline: Pipeline, title: str, id: str) -> Section:
        """The pipeline on every record, with all figures."""
        section = Section(id, title[:1].upper() + title[1:], repr(pipeline))
        every = [
            self._draw(pipeline, place, count=self.draws if place == 0 else 3)
            for place in range(len(self.records))
        ]
        made = [draws.records[0] for draws in every]
        images = panels(pipeline.out_spec, made, self.spec, self.records, "augmented", self.bands)
        section.rows = [
            Row(f"Record {i}", draws.texts[0], row)
            for i, draws, row in zip(self.index, every, images, strict=True)
        ]
        for i, draws, record in zip(self.index, every, self.records, strict=True):
            section.warnings += warnings_of(f"{section.title}, record {i}", draws, record)
        section.histograms = histograms(self.spec, self.records, pipeline.out_spec, made)
        section.shares = label_shares(self.spec, self.records, pipeline.out_spec, made)
        for record, result in list(zip(self.records, made, strict=True))[:_MOST_CLOUDS]:
            section.clouds += clouds(self.spec, record, pipeline.out_spec, result)
        return section

    def _draw(self, pipeline: Pipeline, place: int = 0, count: int | None = None) -> Draws:
        """Draws of a record, with the others behind it as partners."""
        order = [place, *(i for i in range(len(self.records)) if i != place)]
        return draw(
            pipeline,
            [self.records[i] for i in order],
            [self.index[i] for i in order],
            seed=self.seed,
            count=count or self.draws,
            check=False,
        )


def _write(
    path: Path, source: Source, page: _Page, singles: list[Section], wholes: list[Section]
) -> None:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    text = environment.get_template("page.html").render(
        title=page.spec.name,
        source=repr(source),
        count=len(source),
        seed=page.seed,
        draws=page.draws,
        records=[
            Row(f"Record {i}", "", row)
            for i, row in zip(page.index, page.source_panels(), strict=True)
        ],
        singles=singles,
        wholes=wholes,
        warnings=[text for section in (*wholes, *singles) for text in section.warnings],
        has_clouds=any(section.clouds for section in wholes),
    )
    replace_file(path, text.encode())
