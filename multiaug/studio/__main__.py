"""`python -m multiaug.studio SOURCE`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import MultiaugError
from ..pipeline import Pipeline
from ..spec import load_spec
from ._serve import serve


def main() -> int:
    """Serve until somebody presses Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m multiaug.studio", description=serve.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Open a local page where the settings of a pipeline are sliders."
    parser.add_argument("source", help="what multiaug.open_source opens")
    parser.add_argument("--spec", help="a shipped name, or a path to a JSON document")
    parser.add_argument("--pipeline", type=Path, help="a JSON document of a pipeline")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--save-to", type=Path, help="folder to save pipelines in")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    given = parser.parse_args()
    try:
        pipeline = None
        if given.pipeline is not None:
            pipeline = Pipeline.from_dict(json.loads(given.pipeline.read_text("utf-8")))
        serve(
            given.source,
            pipeline,
            spec=None if given.spec is None else load_spec(given.spec),
            port=given.port,
            open_browser=not given.no_browser,
            save_to=given.save_to,
        )
    except (MultiaugError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
