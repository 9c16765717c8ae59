"""Records of a source as images for the page, before and after a pipeline."""

from __future__ import annotations

import base64
import io
import re
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import MultiaugError, ParameterError
from ..pipeline import Pipeline, first_mixing, record_keys
from ..preview import (
    alike_entries,
    draw_tables,
    entry_of,
    outline_labels,
    record_limits,
    render,
    render_record,
    without_ranges,
)
from ..spec import ChannelGroup, DataSpec, EntrySpec
from ..store import Source, read_records
from ..transforms import Transform, from_config
from ..typing import NDArray
from ._lifted import Runner

_MOST_DRAWS = 8
_PARTNERS = 4
_MOST_NUMBERS = 9
Images = dict[str, NDArray]
Limits = Mapping[str, Any]


class StudioError(Exception):
    """What the library says of a pipeline, and of which setting.

    Args:
        message: one sentence or two.
        place: of the transform in the list; None where it is the whole pipeline.
        field: the setting; empty where it is the whole transform.
    """

    def __init__(self, message: str, place: int | None = None, field: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.field = message, place, field

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return {"message": self.message, "place": self.place, "field": self.field}


class Records:
    """Renders records of a source; one at a time, since they share all cores.

    Args:
        source: where they come from.
        spec: what their entries are.
    """

    def __init__(self, source: Source, spec: DataSpec) -> None:
        self._source, self.spec = source, spec
        self._runner = Runner()
        self._lock = threading.Lock()
        self._before: dict[int, tuple[list[dict[str, NDArray]], Limits]] = {}

    def __len__(self) -> int:
        return len(self._source)

    def close(self) -> None:
        """Wait for what is being rendered, and do nothing more."""
        with self._lock:
            self._runner.close()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the frame of the first record."""
        with self._lock:
            return self._frame(self._read(0)[0][0])

    def pipeline(self, configs: Sequence[Any]) -> Pipeline:
        """The pipeline of some transforms as the page has them.

        Raises:
            StudioError: a setting is wrong, or the transforms do not go with the spec.
        """
        made: list[Transform] = []
        for place, config in enumerate(configs):
            if not isinstance(config, Mapping) or not isinstance(config.get("settings"), Mapping):
                raise StudioError("A transform must have a type and settings.", place)
            try:
                made.append(
                    from_config({"type": config.get("type"), **config["settings"]}, "settings")
                )
            except (MultiaugError, TypeError, ValueError, OSError) as error:
                raise _explained(error, configs, place) from error
        try:
            return Pipeline(made, self.spec)
        except MultiaugError as error:
            raise _explained(error, configs) from error

    def render(
        self,
        configs: Sequence[Any],
        *,
        index: int,
        seed: int,
        draws: int,
        outlines: bool,
        before: bool,
    ) -> dict[str, Any]:
        """Images of a record as a pipeline makes it, for some seeds.

        Args:
            configs: the transforms, as the page has them.
            index: of the record.
            seed: of the first draw; the others follow it.
            draws: how many.
            outlines: draw the outlines of labels on the image.
            before: also send the record as it is.

        Raises:
            StudioError: the pipeline cannot be made, or not run on the record.
        """
        began = time.perf_counter()
        draws = max(1, min(_MOST_DRAWS, draws))
        pipeline = self.pipeline(configs)
        with self._lock:
            records, limits = self._read(index)
            try:
                drawn = self._draw(pipeline, records, seed, draws)
            except MultiaugError as error:
                raise _explained(error, configs) from error
            ran = time.perf_counter()
            found: dict[str, Any] = {
                "python": f"from multiaug import *\n\npipeline = {pipeline!r}\n",
                "draws": [
                    {
                        "seed": seed + number,
                        "images": _encoded(
                            *_limited(pipeline.out_spec, made, self.spec, records[0], limits),
                            outlines=outlines,
                        ),
                        "values": _values(pipeline.out_spec, made),
                        "drawn": [_shown(values) for values in params],
                    }
                    for number, (made, params) in enumerate(drawn)
                ],
            }
            if before:
                found["before"] = {
                    "images": _encoded(self.spec, records[0], limits, outlines=outlines),
                    "values": _values(self.spec, records[0]),
                }
        done = time.perf_counter()
        found["milliseconds"] = {
            "pipeline": round(1000 * (ran - began), 1),
            "images": round(1000 * (done - ran), 1),
        }
        return found

    def _draw(
        self, pipeline: Pipeline, records: list[dict[str, NDArray]], seed: int, draws: int
    ) -> list[tuple[dict[str, NDArray], list[Any]]]:
        """What comes out of the first record, and what was drawn for it, of every seed."""
        mixes = first_mixing(pipeline.transforms) is not None
        batch_of = records if mixes else records[:1]
        batch = {n: np.stack([record[n] for record in batch_of]) for n in records[0]}
        frame = self._frame(records[0])
        index = np.arange(len(batch_of))
        none = np.zeros(len(batch_of), np.int64)

        def work(made: Pipeline) -> list[tuple[dict[str, NDArray], list[Any]]]:
            found = []
            for number in range(draws):
                keys = record_keys(seed + number, 0, index, none)
                params = made.sample(keys, frame, record=batch)
                out = made.apply(params, batch, check=False)
                found.append(
                    (
                        {name: np.asarray(array)[0] for name, array in out.items()},
                        [_first(values) for values in params.values],
                    )
                )
            return found

        return self._runner.run(pipeline, work)

    def _frame(self, record: Mapping[str, NDArray]) -> tuple[int, int]:
        name = self.spec.reference(record)
        if name is None:
            raise StudioError("The records of this source hold no image, so nothing can be drawn.")
        shape = self.spec.entries[name].image_shape(record[name].shape)
        return int(shape[0]), int(shape[1])

    def _read(self, index: int) -> tuple[list[dict[str, NDArray]], Limits]:
        """A record, and its neighbours of the same shapes for transforms that mix."""
        if not 0 <= index < len(self):
            raise StudioError(
                f"There is no record {index}: the source has {len(self)}, counted from 0."
            )
        if index not in self._before:
            count = min(_PARTNERS, len(self))
            places = np.array([(index + i) % len(self) for i in range(count)])
            records = read_records(self._source, places)
            first = {n: a.shape for n, a in records[0].items()}
            alike = [r for r in records if {n: a.shape for n, a in r.items()} == first]
            if len(self._before) >= _PARTNERS:
                self._before.pop(next(iter(self._before)))
            self._before[index] = alike, record_limits(self.spec, alike[0])
        return self._before[index]


def _explained(error: Exception, configs: Sequence[Any], place: int | None = None) -> StudioError:
    """An error of the library with the transform and the setting that it names."""
    text = str(error).removeprefix("settings: ")
    named = re.search(r"`(\w+)\.(\w+)`", text) or re.search(r"`(\w+)()`", text)
    if place is None and named:
        owners = [c.get("type") for c in configs]
        place = owners.index(named[1]) if named[1] in owners else None
    field = named[2] if named and place is not None else ""
    path = re.match(r"settings\.(\w+)", text)
    return StudioError(text, place, path[1] if path else field)


def check_request(body: Any, count: int) -> dict[str, Any]:
    """The arguments of `Records.render` from what the page sent.

    Raises:
        ParameterError: they are not what the page sends.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("transforms"), list):
        raise ParameterError("`transforms` must be a list of transforms.")
    found: dict[str, Any] = {}
    for name, least, most in (("index", 0, count - 1), ("seed", 0, 2**31), ("draws", 1, 8)):
        value = body.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ParameterError(
                f"`{name}` must be a whole number in [{least}, {most}], got {value!r}."
            )
        found[name] = value
    for name in ("outlines", "before"):
        found[name] = body.get(name) is True
    return found


def _first(values: Any) -> Any:
    """What was drawn for the first record of a batch."""
    if isinstance(values, Mapping):
        return {name: _first(value) for name, value in values.items()}
    if isinstance(values, tuple | list):
        return [_first(value) for value in values]
    return np.asarray(values)[0]


def _shown(value: Any) -> Any:
    """What was drawn, as JSON: small numbers in full, of large arrays the shape."""
    if isinstance(value, Mapping):
        return {name: _shown(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_shown(part) for part in value]
    array = np.asarray(value)
    if array.size > _MOST_NUMBERS:
        return f"{array.dtype} of shape {array.shape}"
    return _rounded(array.tolist())


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else str(value)
    return value


def _values(spec: DataSpec, record: Mapping[str, NDArray]) -> dict[str, Any]:
    """Entries that are no images."""
    return {
        name: _shown(array)
        for name, array in record.items()
        if name not in spec.entries or spec.entries[name].kind != "spatial"
    }


def _limited(
    spec: DataSpec,
    made: Mapping[str, NDArray],
    spec_before: DataSpec,
    before: Mapping[str, NDArray],
    limits: Limits,
) -> tuple[DataSpec, Mapping[str, NDArray], Limits]:
    """The spec, the record and the limits of its images: those of before where that is right."""
    alike = alike_entries(spec, made, spec_before, before)
    spec = without_ranges(spec, alike)
    new = {n: a for n, a in made.items() if n in spec.entries and n not in alike}
    same = {n: limit for n, limit in limits.items() if entry_of(n, spec_before).name in alike}
    return spec, made, {**same, **record_limits(spec, new)}


def _encoded(
    spec: DataSpec, record: Mapping[str, NDArray], limits: Limits, *, outlines: bool
) -> dict[str, Any]:
    """Panel name -> image, as the page shows it."""
    known = {n: np.asarray(a) for n, a in record.items() if n in spec.entries}
    quick = {n: a for n, a in known.items() if is_quick(spec.entries[n], a)}
    slow = {n: a for n, a in known.items() if n not in quick}
    panels = {**quick, **render_record(spec, slow, limits)}
    reference = spec.reference(known)
    found = {}
    # In the order of the spec, whichever way they are made.
    order = {name: place for place, name in enumerate(spec.entries)}
    for name in sorted(panels, key=lambda panel: order[entry_of(panel, spec).name]):
        entry = entry_of(name, spec)
        if entry.role == "label" and entry.name in quick:
            source, (height, width) = encode_labels(known[entry.name], entry.groups[0])
        else:
            image = np.array(panels[name])
            if outlines and entry.name == reference:
                for mask in spec.entries.values():
                    if mask.role == "label" and mask.name in known and mask.time is None:
                        outline_labels(image, known[mask.name], mask.groups[0])
            draw_tables(image, spec, known, entry.name)
            source, (height, width) = encode(image), image.shape[:2]
        found[name] = {"src": source, "width": width, "height": height, "role": entry.role}
    return found


def is_quick(entry: EntrySpec, array: NDArray) -> bool:
    """Bytes that are shown as they are: labels by a table of colours, images in colour."""
    if array.dtype != np.uint8 or entry.time is not None or len(entry.groups) != 1:
        return False
    if entry.role == "label":
        return entry.kind == "spatial"
    group = entry.groups[0]
    plain = group.invalid is None and (group.range is None or tuple(group.range) == (0, 255))
    return entry.role == "intensity" and plain and array.ndim == 3 and array.shape[-1] == 3


def encode(image: NDArray) -> str:
    """An image as a data URL: JPEG, which is small and made in milliseconds."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=92, subsampling=0)
    return _data_url("jpeg", file)


@lru_cache(maxsize=32)
def _label_table(group: ChannelGroup) -> NDArray:
    """Colours (256, 3) of the labels of a byte."""
    colours: NDArray = render(np.arange(256, dtype=np.uint8)[None], group)[0]
    return colours


def encode_labels(labels: NDArray, group: ChannelGroup) -> tuple[str, tuple[int, int]]:
    """Labels of a byte as a data URL with exact colours, and their (height, width)."""
    from PIL import Image

    flat = labels[..., 0] if labels.ndim == 3 else labels
    image = Image.fromarray(flat, "L")
    image.putpalette(_label_table(group).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return _data_url("png", file), (flat.shape[0], flat.shape[1])


def _data_url(kind: str, file: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file.getbuffer()).decode('ascii')}"
