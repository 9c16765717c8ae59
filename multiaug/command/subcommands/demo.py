"""`multiaug demo`: coloured clouds of a real stereo scene, augmented and checked."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from .. import _options as options
from .._output import say


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command("demo")(demo)


def demo(
    out: options.Out = Path("multiaug-demo"),
    records: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Use so many windows of the scene, and not all of them."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other augmentations.")] = 0,
    report: Annotated[bool, typer.Option(help="Also write a page that shows the pipeline.")] = True,
) -> None:
    """Augment the stereo scene that scikit-image ships; nothing is downloaded.

    Colour, cloud, normals, depth, labels and camera of each window move together; that every point
    still falls on its pixel is measured. The program is that of `examples/stereo`.

    Example: `multiaug demo --out demo`
    """
    folder = example_folder()
    out.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(folder))  # its files import each other by their names
    try:
        run = runpy.run_path(str(folder / "main.py"))["main"]
        given = ["--out", str(out), "--seed", str(seed)]
        code = run(given + (["--records", str(records)] if records else []))
        if code == 0 and report:
            _report(out, seed)
    finally:
        sys.path.remove(str(folder))
    raise typer.Exit(code)


def _report(out: Path, seed: int) -> None:
    import augment  # type: ignore[import-not-found]  # of the example

    import multiaug as ma

    source = ma.open_source(out / "windows.zarr")
    index = sorted({0, len(source) // 3, 2 * len(source) // 3})
    page = out / "report.html"
    pipeline = augment.pipeline_for(source.spec)
    ma.preview.report(source, pipeline, page, indices=index, seed=seed)
    say(f"And open {page.resolve()} in a browser: each transform alone, and the cloud to turn.")


def example_folder() -> Path:
    """The folder of the example: in an installed package, or in a source checkout."""
    here = Path(__file__).resolve()
    inside = here.parents[2] / "examples" / "stereo"
    return inside if inside.is_dir() else here.parents[3] / "examples" / "stereo"
