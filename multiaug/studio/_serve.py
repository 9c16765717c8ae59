"""`serve`: a local page where every transform of a pipeline has sliders."""

from __future__ import annotations

import os
import threading
import webbrowser
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from .. import recipes
from .._arguments import FLAG, PATH, checked, optional, whole
from ..errors import MultiaugError, ParameterError, StoreError
from ..pipeline import Pipeline
from ..spec import SPEC_KIND, DataSpec
from ..store import Source, open_source
from ._controls import config_of, describe_transforms
from ._records import Records, StudioError, check_request
from ._saves import Saves
from ._server import Answer, Route, StudioServer


class Studio:
    """A studio that runs, as `serve` returns it with ``wait=False``.

    Args:
        server: of the page.
        records: that it shows.

    Attributes:
        url: the address to open, with its token.
    """

    def __init__(self, server: StudioServer, records: Records) -> None:
        self._server, self._records = server, records
        self.url = server.url

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.close()
        self._records.close()

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@checked(
    spec=optional(SPEC_KIND),
    port=whole(0, 65535),
    open_browser=FLAG,
    save_to=optional(PATH),
    wait=FLAG,
)
def serve(
    source: Any,
    pipeline: Pipeline | None = None,
    *,
    spec: DataSpec | None = None,
    port: int = 0,
    open_browser: bool = True,
    save_to: str | os.PathLike[str] | None = None,
    wait: bool = True,
) -> Studio:
    """Open a local page where the settings of a pipeline are sliders and records are shown.

    Every change is run through the pipeline itself. The page answers on this machine only, to
    whoever has the address with its random token; nothing is fetched from elsewhere.

    Args:
        source: a source, or whatever `multiaug.open_source` opens.
        pipeline: what the page begins with; by default nothing is done to records.
        spec: what the entries are, where ``source`` is to be opened and carries none.
        port: of the page; 0 for any that is free.
        open_browser: open the page in the browser.
        save_to: an existing folder to save pipelines in and to load them from; None where the
            page shows them only. Nothing else is written.
        wait: return only when somebody interrupts (Ctrl+C); False returns at once, and the
            studio runs until it is closed.

    Returns:
        The studio, closed if ``wait``.

    Raises:
        ParameterError: no source, or no pipeline for its records.
        StoreError: the source cannot be opened, no such folder, or the port is taken.

    Example:
        >>> import numpy as np
        >>> import multiaug as ma
        >>> from multiaug.studio import serve
        >>> images = {"image": np.zeros((4, 64, 64, 3), np.uint8)}
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> with serve(images, spec=spec, open_browser=False, wait=False) as studio:
        ...     studio.url.startswith("http://127.0.0.1:")
        True
    """
    opened = source if isinstance(source, Source) else open_source(source, spec)
    if pipeline is not None and not isinstance(pipeline, Pipeline):
        raise ParameterError(
            f"`serve.pipeline` must be a Pipeline or None, got {type(pipeline).__name__}."
        )
    used = opened.spec if pipeline is None else pipeline.spec
    if not len(opened):
        raise ParameterError("`serve.source` holds no record.")
    records = Records(opened, used)
    routes = routes_of(records, Saves(save_to), pipeline)
    try:
        server = StudioServer(routes, port)
    except OSError as error:
        raise StoreError(
            f"Port {port} cannot be used: {error.strerror}. Choose another, or 0 for any."
        ) from error
    studio = Studio(server, records)
    server.start()
    if open_browser:
        webbrowser.open(studio.url)
    if wait:
        print(f"The studio is open at {studio.url}\nCtrl+C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            studio.close()
    return studio


def routes_of(
    records: Records, saves: Saves, pipeline: Pipeline | None
) -> dict[tuple[str, str], Route]:
    """What the page can ask for; nothing is kept between requests."""
    spec = records.spec
    shape = records.shape
    begin = [] if pipeline is None else [config_of(one) for one in pipeline.transforms]
    described = describe_transforms(spec, shape)

    def describe(_: str, __: Any) -> Answer:
        return HTTPStatus.OK, {
            "name": spec.name,
            "records": len(records),
            "shape": shape,
            "entries": [
                {"name": e.name, "role": e.role, "spatial": e.kind == "spatial"}
                for e in spec.entries.values()
            ],
            "transforms": described,
            "recipes": [
                {"name": r.name, "group": r.group, "title": r.title} for r in recipes.table()
            ],
            "pipeline": begin,
            "saved": saves.names(),
            "can_save": saves.folder is not None,
        }

    def render(_: str, body: Any) -> Answer:
        asked = check_request(body, len(records))
        return HTTPStatus.OK, records.render(body["transforms"], **asked)

    def recipe(name: str, _: Any) -> Answer:
        if name not in {row.name for row in recipes.table()}:
            raise ParameterError(f"There is no recipe {name!r}.")
        try:
            made = getattr(recipes, name)(spec)
        except (MultiaugError, TypeError) as error:
            raise StudioError(str(error)) from error
        if not isinstance(made, Pipeline):
            raise StudioError(
                f"{name} makes several views of a record, which the studio does not show."
            )
        return HTTPStatus.OK, {"transforms": [config_of(one) for one in made.transforms]}

    def saved(_: str, __: Any) -> Answer:
        return HTTPStatus.OK, {"saved": saves.names()}

    def load(name: str, _: Any) -> Answer:
        if not name:
            return saved(name, None)
        document, tag = saves.load(name)
        if not isinstance(document, Mapping) or not isinstance(document.get("transforms"), list):
            raise StudioError(f"{name} is no document of a pipeline.")
        try:
            made = Pipeline.from_dict({**document, "spec": spec.to_dict()})
        except MultiaugError as error:
            raise StudioError(f"{name}: {error}") from error
        return HTTPStatus.OK, {
            "transforms": [config_of(one) for one in made.transforms], "tag": tag,
        }  # fmt: skip

    def save(name: str, body: Any) -> Answer:
        if not isinstance(body, Mapping) or not isinstance(body.get("transforms"), list):
            raise ParameterError("`transforms` must be a list of transforms.")
        tag = body.get("tag")
        if tag is not None and not isinstance(tag, str):
            raise ParameterError(f"`tag` must be text or null, got {tag!r}.")
        made = records.pipeline(body["transforms"])
        new = saves.save(name, made.to_dict(), tag)
        return HTTPStatus.OK, {"tag": new, "saved": saves.names()}

    def document(_: str, body: Any) -> Answer:
        if not isinstance(body, Mapping) or not isinstance(body.get("transforms"), list):
            raise ParameterError("`transforms` must be a list of transforms.")
        return HTTPStatus.OK, records.pipeline(body["transforms"]).to_dict()

    return {
        ("GET", "describe"): describe,
        ("POST", "render"): render,
        ("GET", "recipe"): recipe,
        ("GET", "saved"): load,
        ("PUT", "saved"): save,
        ("POST", "document"): document,
    }
