"""HTTP/1.1 as the lab's front speaks it: heads, bodies and answers over asyncio streams."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Headers = list[tuple[str, str]]

# The largest head, and the pieces in which bodies are handed on.
STREAM_LIMIT = 256 * 1024
# A request to one of the lab's own services is small; anything larger is a mistake.
MAX_SERVICE_BODY = 1024 * 1024

_REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 307: "Temporary Redirect", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    421: "Misdirected Request", 429: "Too Many Requests", 500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}


class BadMessage(Exception):
    """The peer sent something that is not HTTP/1.1."""


def header(headers: Headers, name: str) -> str | None:
    wanted = name.lower()
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return None


async def read_head(reader: asyncio.StreamReader) -> tuple[str, Headers] | None:
    """The start line and headers, or None if the peer closed between two messages."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadMessage("the connection ended inside a head") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadMessage("the head is too large") from None
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    headers: Headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadMessage(f"malformed header line {name!r}")
        headers.append((name, value.strip()))
    return first, headers


class Body:
    """The body of one message, to be read once, in pieces of any size."""

    def __init__(self, reader: asyncio.StreamReader, headers: Headers, until_close: bool = False) -> None:
        self._reader = reader
        self.chunked = "chunked" in (header(headers, "transfer-encoding") or "").lower()
        length = header(headers, "content-length")
        self.length = None if self.chunked or length is None else int(length)
        self._until_close = until_close and not self.chunked and self.length is None
        self.finished = not (self.chunked or self._until_close or self.length)
        # Where the reading stands is kept here and not in the generators, so that another
        # reader can go on where a cancelled one stopped.
        self._left = self.length or 0
        self._in_chunk = False

    async def pieces(self) -> AsyncIterator[bytes]:
        while not self.finished:
            if self.chunked and self._left == 0 and not await self._next_chunk():
                break
            piece = await self._reader.read(STREAM_LIMIT if self._until_close else min(self._left, STREAM_LIMIT))
            if self._until_close:
                if not piece:
                    break
            elif not piece:
                raise BadMessage("the connection ended inside a body")
            else:
                self._left -= len(piece)
                self.finished = not self.chunked and self._left == 0
            yield piece
        self.finished = True

    async def _next_chunk(self) -> bool:
        """Open the next chunk; false after the last one."""
        if self._in_chunk:
            await self._reader.readexactly(2)
            self._in_chunk = False
        line = await self._reader.readuntil(b"\r\n")
        self._left = int(line.split(b";")[0], 16)
        if self._left == 0:
            while await self._reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailers
            return False
        self._in_chunk = True
        return True

    async def read(self) -> bytes:
        content = bytearray()
        async for piece in self.pieces():
            content += piece
            if len(content) > MAX_SERVICE_BODY:
                raise BadMessage("the body is too large")
        return bytes(content)

    async def drain(self) -> None:
        async for _ in self.pieces():
            pass


@dataclass
class Request:
    method: str
    target: str
    headers: Headers
    body: Body
    peer_certificate: bytes | None = None  # DER, where the host asks clients for one
    began: float = field(default_factory=time.monotonic)

    def header(self, name: str) -> str | None:
        return header(self.headers, name)

    @cached_property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)


@dataclass
class Answer:
    """A complete answer, made by the lab itself."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Headers = field(default_factory=list)


def json_answer(status: int, document: Any, headers: Headers | None = None) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(status, body, "application/json", headers or [])


def registry_error(
    status: int, code: str, message: str, detail: Any = None, headers: Headers | None = None
) -> Answer:
    """An error in the shape of the distribution specification."""
    error: dict[str, Any] = {"code": code, "message": message}
    if detail is not None:
        error["detail"] = detail
    return json_answer(status, {"errors": [error]}, headers)


def reason(status: int) -> str:
    return _REASONS.get(status, "Status")


def format_head(first: str, headers: Headers) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
