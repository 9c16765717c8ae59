"""A studio of small records, and a browser that opens it."""

import json
import shutil
from http.client import HTTPConnection
from typing import NamedTuple

import numpy as np
import pytest

import multiaug as ma
from multiaug.studio import serve

SPEC = ma.load_spec("rgb-segmentation")
# Debian's name, and what others call it.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "Install Chromium to try the page of the studio (Debian: apt-get install chromium)."


def records(side=64, count=3):
    """Colourful images with a disc that is labelled."""
    y, x = np.mgrid[:side, :side] / side
    images = [np.stack([x, y, (x + i / count) % 1], -1) * 255 for i in range(count)]
    disc = (x - 0.4) ** 2 + (y - 0.5) ** 2 < 0.05
    return {
        "image": np.stack(images).astype(np.uint8),
        "mask": np.stack([disc * (i + 1) for i in range(count)]).astype(np.uint8),
    }


class Opened(NamedTuple):
    """A studio, and requests to it as a browser that has the page makes them."""

    studio: object
    folder: object

    @property
    def host(self):
        return self.studio.url.split("/")[2]

    @property
    def token(self):
        return self.studio.url.rpartition("=")[2]

    def send(self, method, path, body=None, **headers):
        """(status, headers, body); a header of None is left out."""
        port = int(self.host.rpartition(":")[2])
        given = {
            "Host": self.host,
            "Origin": f"http://{self.host}" if method != "GET" else None,
            "Cookie": f"multiaug-studio-{port}={self.token}",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        content = b"" if body is None else json.dumps(body).encode()
        if method != "GET":
            given.setdefault("Content-Length", str(len(content)))
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(content)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def ask(self, method, path, body=None):
        """(status, the JSON of the answer)."""
        status, _, content = self.send(method, path, body)
        return status, json.loads(content)


@pytest.fixture(scope="session")
def pipeline():
    return ma.Pipeline([ma.Rotate(30), ma.Brightness(0.2)], SPEC)


@pytest.fixture(scope="session")
def opened(tmp_path_factory, pipeline):
    folder = tmp_path_factory.mktemp("saved")
    source = ma.open_source(records(), SPEC)
    with serve(source, pipeline, open_browser=False, save_to=folder, wait=False) as studio:
        yield Opened(studio, folder)


@pytest.fixture(scope="session")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(REMEDY)
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
