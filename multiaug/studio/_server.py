"""The server of the studio: loopback only, one page, and what the page asks for.

The standard library's server will do: there is one person, renders take all cores one after the
other, and nothing has to be installed for it. What it must not do is serve somebody else. So every
request has to carry the token, in a cookie that only this page gets; its Host has to be a name of
the loopback, which a name that somebody rebinds is not; and its Origin has to be the page.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import MultiaugError
from ._records import StudioError
from ._saves import ConflictError

Answer = tuple[HTTPStatus, Any]
Route = Callable[[str, Any], Answer]
"""(the rest of the path, the body as JSON) -> status, and what is sent as JSON."""

_LARGEST_BODY = 4 * 2**20
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class StudioServer(ThreadingHTTPServer):
    """Serves the page and the routes of one studio, on the loopback address.

    Args:
        routes: (method, first part of the path below /api/) -> what answers.
        port: 0 for any that is free.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, routes: dict[tuple[str, str], Route], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.routes = routes
        self.token = secrets.token_urlsafe(32)
        self.port = int(self.server_address[1])
        self.hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        # Cookies know no ports: two studios of one machine need two names.
        self.cookie = f"multiaug-studio-{self.port}"
        folder = resources.files(__package__).joinpath("page")
        self.files = {
            f"/{item.name}": (item.read_bytes(), _TYPES[ending])
            for item in folder.iterdir()
            if (ending := item.name[item.name.rfind(".") :]) in _TYPES
        }
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address to open, with the token."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def start(self) -> None:
        """Serve in a thread of its own, until `close`."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "multiaug", ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address of the first request has the token in it."""

    def _answer(self) -> None:
        try:
            self._route()
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _route(self) -> None:
        server = cast(StudioServer, self.server)
        # Read whatever is answered: the connection goes on behind it.
        body = self._body()
        refusal = self._refusal(server)
        if refusal is not None or body is None:
            status, text = refusal or (
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "The request is too large, or does not say how large it is.",
            )
            return self._send(status, f"{text}\n".encode(), "text/plain; charset=utf-8")
        parts = urlsplit(self.path)
        token = parse_qs(parts.query).get("token", [""])[0]
        if self.command == "GET" and parts.path == "/" and _same(token, server.token):
            cookie = f"{server.cookie}={server.token}; Path=/; HttpOnly; SameSite=Strict"
            return self._send(
                HTTPStatus.SEE_OTHER, b"", "text/plain", {"Location": "/", "Set-Cookie": cookie}
            )
        if not self._has_cookie(server):
            text = "This address needs the token that the studio printed when it started.\n"
            return self._send(HTTPStatus.FORBIDDEN, text.encode(), "text/plain; charset=utf-8")
        if parts.path.startswith("/api/"):
            return self._call(server, parts.path.removeprefix("/api/"), body)
        found = server.files.get("/index.html" if parts.path == "/" else parts.path)
        if self.command != "GET" or found is None:
            text = "There is nothing at this address.\n"
            return self._send(HTTPStatus.NOT_FOUND, text.encode(), "text/plain; charset=utf-8")
        return self._send(HTTPStatus.OK, *found)

    def _refusal(self, server: StudioServer) -> tuple[HTTPStatus, str] | None:
        """Why a request is refused whatever it asks for."""
        if self.headers.get("Host", "").lower() not in server.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, "The studio answers to its own address alone."
        origin = self.headers.get("Origin")
        own = {f"http://{host}" for host in server.hosts}
        if (origin is not None or self.command != "GET") and origin not in own:
            return HTTPStatus.FORBIDDEN, "The studio answers to its own page alone."
        # Browsers say where a request comes from; a link elsewhere may lead to the page itself.
        near = self.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        if not near and (self.command != "GET" or urlsplit(self.path).path != "/"):
            return HTTPStatus.FORBIDDEN, "The studio answers to its own page alone."
        return None

    def _has_cookie(self, server: StudioServer) -> bool:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(server.cookie)
        except CookieError:
            return False
        return morsel is not None and _same(morsel.value, server.token)

    def _body(self) -> bytes | None:
        """What was sent; None where it is too much or of unknown length."""
        if self.command == "GET":
            return b""
        text = self.headers.get("Content-Length", "")
        if not text.isdecimal() or int(text) > _LARGEST_BODY:
            self.close_connection = True
            return None
        return self.rfile.read(int(text))

    def _call(self, server: StudioServer, path: str, body: bytes) -> None:
        first, _, rest = path.partition("/")
        route = server.routes.get((self.command, first))
        content: Any
        if route is None:
            status, content = HTTPStatus.NOT_FOUND, {"error": "There is nothing at this address."}
        else:
            try:
                status, content = route(unquote(rest), json.loads(body) if body else None)
            except StudioError as error:
                status, content = HTTPStatus.UNPROCESSABLE_ENTITY, {"error": error.as_json()}
            except ConflictError as error:
                status, content = HTTPStatus.CONFLICT, {"error": str(error)}
            except (MultiaugError, ValueError) as error:
                status, content = HTTPStatus.BAD_REQUEST, {"error": str(error)}
            except Exception as error:  # a mistake of ours: the page says so, the terminal more
                traceback.print_exc()
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                content = {"error": f"{type(error).__name__}: {error}"}
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(
        self, status: HTTPStatus, content: bytes, kind: str, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _same(one: str, two: str) -> bool:
    return hmac.compare_digest(one.encode(), two.encode())
