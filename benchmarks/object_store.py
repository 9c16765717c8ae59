"""A store on "another machine": an S3 server on loopback that answers late and not too fast.

``serving(folder, latency=.., rate=..)`` starts it in a process of its own. Every request waits for
``latency`` seconds before its first byte, and all answers together come at ``rate`` bytes a
second, so what a reader can reach is known: it must have enough requests on their way, and ask for
nothing twice. It ends after a number of requests, or of seconds, whatever its users do.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "data"
_PIECE = 1 << 18


@contextmanager
def serving(
    folder: Path, *, latency: float, rate: float, requests: int = 500_000, seconds: float = 1800
) -> Iterator[str]:
    """Serve a folder as the bucket ``data``; yields the address of the server.

    Args:
        folder: whose files are objects.
        latency: seconds from a request to the first byte of its answer.
        rate: bytes a second, of all answers together.
        requests: after which it ends.
        seconds: after which it ends.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(
        target=_serve, args=(str(folder), latency, rate, requests, seconds, there), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(
    folder: str, latency: float, rate: float, requests: int, seconds: float, pipe: Connection
) -> None:
    asyncio.run(_Server(Path(folder), latency, rate, requests).run(seconds, pipe))


class _Server:
    def __init__(self, folder: Path, latency: float, rate: float, requests: int) -> None:
        self.folder, self.latency, self.rate, self.left = folder, latency, rate, requests
        self.free_at = 0.0  # when the wire has sent what it was given
        self.over = asyncio.Event()

    async def run(self, seconds: float, pipe: Connection) -> None:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
        server.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.left -= 1
                if self.left < 0:
                    self.over.set()
                    return
                first, *lines = head.decode("latin-1").split("\r\n")
                method, target = first.split(" ")[:2]
                ranges = [
                    line.partition(":")[2].strip()
                    for line in lines
                    if line.lower().startswith("range:")
                ]
                await asyncio.sleep(self.latency)
                await self.send(writer, method, target, ranges[0] if ranges else "")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def send(self, writer: asyncio.StreamWriter, method: str, target: str, span: str) -> None:
        parts = urlsplit(target)
        key = unquote(parts.path).removeprefix(f"/{BUCKET}").lstrip("/")
        path = self.folder / key
        if not key:
            await self.put(writer, "200 OK", self.listing(parse_qs(parts.query)), {})
            return
        if not path.is_file():
            await self.put(writer, "404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>", {})
            return
        size, status, fields = path.stat().st_size, "200 OK", {}
        start, stop = 0, size
        if span:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start = int(first) if first else size - int(last)
            stop = min(int(last) + 1, size) if first and last else size
            status = "206 Partial Content"
            fields["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        with path.open("rb") as file:
            file.seek(start)
            content = b"" if method == "HEAD" else file.read(stop - start)
        fields["Content-Length"] = str(stop - start)
        await self.put(writer, status, content, fields)

    def listing(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        keys = sorted(
            file.relative_to(self.folder).as_posix()
            for file in self.folder.rglob("*")
            if file.is_file() and file.relative_to(self.folder).as_posix().startswith(prefix)
        )
        deep = "delimiter" not in query
        here = [k for k in keys if deep or "/" not in k[len(prefix) :]]
        below = sorted(
            {prefix + k[len(prefix) :].split("/")[0] + "/" for k in keys if k not in here}
        )
        text = "".join(
            f"<Contents><Key>{k}</Key><Size>{(self.folder / k).stat().st_size}</Size>"
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag></Contents>"
            for k in here
        ) + "".join(f"<CommonPrefixes><Prefix>{k}</Prefix></CommonPrefixes>" for k in below)
        return (
            f'<?xml version="1.0"?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix>'
            f"<KeyCount>{len(here)}</KeyCount><IsTruncated>false</IsTruncated>{text}"
            "</ListBucketResult>"
        ).encode()

    async def put(
        self, writer: asyncio.StreamWriter, status: str, content: bytes, fields: dict[str, str]
    ) -> None:
        fields = {
            "Content-Length": str(len(content)),
            "ETag": '"e"',
            "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
            "Content-Type": "application/octet-stream",
            **fields,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode())
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE]
            now = time.monotonic()
            self.free_at = max(self.free_at, now) + len(piece) / self.rate
            await asyncio.sleep(self.free_at - now)
            writer.write(piece)
        await writer.drain()


if __name__ == "__main__":
    with serving(Path(sys.argv[1]), latency=0.02, rate=80e6) as address:
        print(address, os.getpid(), flush=True)
        time.sleep(600)
