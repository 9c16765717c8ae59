"""The largest error of every transform beside an independent reference, in one table.

``python -m tests.reference.errors`` measures and prints it, of both backends; with a path behind
it, the page docs/accuracy.md is written there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import multiaug as ma
from multiaug._native import compiled_is_available
from multiaug.transforms import Transform
from tests.native_code import switch_off
from tests.reference import policies, records, stencils, values, warps
from tests.reference.bars import Row
from tests.reference.running import rows_of_values

# What has no values of its own to compare.
NO_CORE = {
    "ForEntries": "it runs other transforms, on the images that it names",
    "Maybe": "it runs other transforms, or does not",
    "OneOf": "it runs one of other transforms",
    "Shuffle": "it runs other transforms, in an order that is drawn",
    "SomeOf": "it runs some of other transforms",
}


def exported() -> list[str]:
    """The names of all transforms."""
    found = ((name, getattr(ma, name)) for name in dir(ma) if name[0].isupper())
    return sorted(n for n, v in found if isinstance(v, type) and issubclass(v, Transform))


def by_day() -> list[Row]:
    """What costs little to compile."""
    return [
        *rows_of_values(values.CASES, xla=False),
        *rows_of_values(stencils.CASES, xla=False),
        *warps.rows_of_positions(warps.BY_DAY),
    ]


def everything() -> list[Row]:
    """All rows, each with the errors of both backends, by transform."""
    rows = [
        *rows_of_values(values.CASES),
        *rows_of_values(stencils.CASES),
        *warps.rows_of_positions(),
    ]
    if compiled_is_available():
        rows += _by("native")
    with pytest.MonkeyPatch.context() as patch:
        switch_off(patch)
        rows += _by("XLA")
    return sorted(_merged(rows), key=lambda row: (row.transform, row.case, row.dtype))


def _by(backend: str) -> list[Row]:
    return [
        *warps.rows_of_images(backend),
        *records.rows_of_records(backend),
        *policies.rows_of_policies(backend),
    ]


def _merged(rows: Sequence[Row]) -> list[Row]:
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = (row.transform, row.case, row.dtype, row.by)
        errors = found[key].errors if key in found else {}
        found[key] = row._replace(errors={**errors, **row.errors})
    return list(found.values())


def covered() -> set[str]:
    """The transforms that have a row, without measuring it."""
    names = [*values.CASES, *stencils.CASES, *warps.CASES, *policies.POLICIES, "AugMix"]
    return {n.partition(",")[0] for n in names} | {case.transform for case in records.CASES}


def cell(error: float | None) -> str:
    return "" if error is None else "0" if error == 0 else f"{error:.1e}"


def lines(rows: Sequence[Row]) -> list[str]:
    """As Markdown."""
    head = ["transform", "case", "reference", "dtype", "native", "XLA", "bar", "in"]
    table = [head, ["---"] * len(head)]
    for row in rows:
        # Positions are found by one code for both.
        both = row.errors.get("both")
        errors = [cell(row.errors.get(name, both)) for name in ("native", "XLA")]
        bar = f"{row.bar.most:.4g}"
        table.append(
            [f"`{row.transform}`", row.case, row.by, row.dtype, *errors, bar, row.bar.unit]
        )
    return [f"| {' | '.join(line)} |" for line in table]


PAGE = """# Accuracy

Every transform beside an implementation of others, or a formula in float64, with what it draws
given to both. The largest error of all pixels, on each backend: native code on CPUs, and XLA. What
native code leaves to XLA has no error of its own.

```
python -m tests.reference.errors
```

measures and prints this table, in a checkout, in some minutes. `make nightly` holds every error to
its bar, and `make test` those that compile quickly. The errors below are those of an x86-64
processor with AVX2; others round a little differently.

{table}

Images that are moved, the cases "image", are read by linear interpolation, with mirrored borders.
Every role, interpolation, border and dtype under every kind of map is compared with a reference in
float64, too ([engine.md](engine.md)).

**Bars.** Why they are not smaller:

{bars}

**No row** have those without values of their own: {without}.
What all others draw has the distribution that they document: `tests/distributions` holds 10^5 draws
to it.
"""


def page(rows: Sequence[Row]) -> str:
    """The page of the documentation."""
    bars: dict[str, str] = {}
    for row in rows:
        bars[f"- {row.bar.most:.4g} {row.bar.unit}: {row.bar.reason}."] = ""
    without = "; ".join(f"`{name}`, {reason}" for name, reason in NO_CORE.items())
    return PAGE.format(table="\n".join(lines(rows)), bars="\n".join(sorted(bars)), without=without)


if __name__ == "__main__":
    measured = everything()
    print("\n".join(lines(measured)))
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(measured), encoding="utf-8")
    sys.exit(any(row.failed for row in measured))
