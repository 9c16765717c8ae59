"""The bars of the table: each bar with what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]

# Whoever a bar names has turns, however slow.
RIVALS = ("pillow", "torchvision v2", "opencv", "albumentations")
# Row -> the peers of which the fastest must be no faster.
RACES = {
    "resize-512-224": ("pillow", "torchvision v2", "opencv"),
    "resize-224-448": ("opencv",),
    "resize-1024-8": ("pillow",),
    "resize-4096-512": ("pillow",),
    "one-core": ("albumentations",),
}
# One record costs at most this, in seconds, and twice a record's share of a batch.
CALL = 0.15e-3
MOST_TIMES, MOST_COMPILATIONS = 2.0, 3


@dataclass(frozen=True)
class Aim:
    """A bar.

    Args:
        row: it is for.
        what: was compared.
        bar: the least or the most.
        found: with fresh and with recycled outputs; None where there is no such call.
        most: the bar is the most, not the least.
    """

    row: str
    what: str
    bar: float
    found: tuple[float | None, float | None]
    most: bool = True

    @property
    def met(self) -> bool:
        """Whether all that was found keeps to the bar."""
        values = [value for value in self.found if value is not None]
        return all(v <= self.bar if self.most else v >= self.bar for v in values)

    @property
    def texts(self) -> list[str]:
        """Cells of a table."""
        sign = "at most" if self.most else "at least"
        cells = ["-" if value is None else f"{value:.2f}" for value in self.found]
        return [self.row, self.what, f"{sign} {self.bar:.3g}", *cells]


def aims(document: Document) -> list[Aim]:
    """All bars that this run can judge."""
    rows = {name: row for name, row in document["rows"].items() if row["modes"]["fresh"]}
    missing = [name for name in document["rows"] if name not in rows]
    unmeasured = [Aim(name, "measured", 1, (0, None), most=False) for name in missing]
    sizes = _sizes(document["sizes"])
    return [*unmeasured, *_of_base(rows), *_races(rows), *_one(rows), *sizes]


def _both(row: Mapping[str, Any], get: Any) -> tuple[float | None, float | None]:
    modes = row["modes"]
    values = [get(modes[mode]) if modes[mode] else None for mode in ("fresh", "recycled")]
    return values[0], values[1]


def _of_base(rows: Document) -> Iterator[Aim]:
    for name, row in rows.items():
        if row["aim"]:
            found = _both(row, lambda mode: mode["to_base"]["median"])
            yield Aim(name, "times the base row", row["aim"], found)


def _races(rows: Document) -> Iterator[Aim]:
    for name in (name for name in RACES if name in rows):

        def slowest(mode: Mapping[str, Any], name: str = name) -> float | None:
            ratios = [
                mode["ratios"][peer]["median"] for peer in RACES[name] if peer in mode["ratios"]
            ]
            return min(ratios, default=None)

        found = _both(rows[name], slowest)
        if found != (None, None):
            what = f"{', '.join(RACES[name])} / multiaug"
            yield Aim(name, what, 1.0, found, most=False)


def _one(rows: Document) -> Iterator[Aim]:
    if {"one", "base"} <= rows.keys():
        base, one = rows["base"], rows["one"]
        bar = CALL + 2 * base["modes"]["fresh"]["ours_s"] / base["batch"]
        found = one["modes"]["fresh"]["ours_s"]
        yield Aim("one", "ms, 0.15 and twice the base row", 1e3 * bar, (1e3 * found, None))


def _sizes(sizes: Document) -> Iterator[Aim]:
    for name, found in sizes.items():
        records = found.get("records", 0)
        yield Aim(name, "records", found["asked"], (records, None), most=False)
        if records:
            yield Aim(name, "times a pixel of one size", MOST_TIMES, (found["ratio"], None))
            compiled = found["compilations"]
            yield Aim(name, "compilations", MOST_COMPILATIONS, (compiled, None))
