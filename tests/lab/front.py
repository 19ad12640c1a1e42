"""The lab's TLS front. Every host but one goes through it: here faults happen and logs are kept."""

import asyncio
import asyncio.sslproto
import contextlib
import ssl
from asyncio.sslproto import SSLProtocol
from pathlib import Path

from .clock import Clock
from .faults import REQUEST_KINDS, Fault, FaultBook
from .http1 import (
    STREAM_LIMIT, Answer, BadMessage, Body, Headers, Request, format_head, header, read_head,
    reason, registry_error,
)
from .journal import Journal, redact_target
from .service import Forward, Service

# Headers that belong to one connection, which are never handed on. Content-Length is not
# among them, for it must survive in the answer to HEAD.
_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "expect",
})
_NO_DIGEST = "sha256:" + "0" * 64
_HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Guest network</body></html>\n"


class _Outspoken(SSLProtocol):
    """asyncio forgets to send the alert that says why a handshake fails, as every other server does."""

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        if handshake_exc is not None:
            with contextlib.suppress(OSError):
                self._process_outgoing()  # type: ignore[attr-defined]
        super()._on_handshake_complete(handshake_exc)


asyncio.sslproto.SSLProtocol = _Outspoken  # type: ignore[misc]


class Outgoing:
    """One answer on its way to the client, with the damage that a fault orders."""

    def __init__(self, writer: asyncio.StreamWriter, clock: Clock, fault: Fault | None) -> None:
        self._writer = writer
        self._clock = clock
        self._kind = fault.kind if fault else None
        self._seconds = fault.seconds if fault else 0.0
        self._after = fault.after if fault else None
        self._sent = 0
        self._chunked = False
        # The head waits for the first piece of the body: one TLS record and one packet
        # instead of two.
        self._head = b""

    def head(self, status: int, headers: Headers, length: int | None, has_body: bool) -> None:
        headers = [h for h in headers if h[0].lower() != "date"]
        headers.append(("Date", self._clock.http_date()))
        if self._kind == "wrong_digest":
            headers = [h for h in headers if h[0].lower() != "docker-content-digest"]
            headers.append(("Docker-Content-Digest", _NO_DIGEST))
        self._chunked = has_body and length is None
        if self._chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        if self._after is None:
            self._after = (length or 0) // 2
        self._head = format_head(f"HTTP/1.1 {status} {reason(status)}", headers)

    async def piece(self, data: bytes) -> None:
        if self._kind == "corrupt" and self._sent == 0:
            data = bytes([data[0] ^ 1]) + data[1:]
        after = self._after or 0
        if self._kind in ("cut", "stall_middle") and self._sent + len(data) > after:
            first = after - self._sent
            await self._write(data[:first])
            await self._interrupt()
            data = data[first:]
        await self._write(data)

    async def finish(self) -> None:
        if self._kind in ("cut", "stall_middle"):
            await self._interrupt()  # a body without bytes, as HEAD has
        end = b"0\r\n\r\n" if self._chunked else b""
        self._writer.write(self._head + end)
        self._head = b""
        await self._writer.drain()

    async def _interrupt(self) -> None:
        # Everything up to the fault must be on its way before it happens. Drained means that
        # TLS has let go of it; the socket below gets a moment more.
        self._writer.transport.set_write_buffer_limits(high=1, low=0)
        self._writer.write(self._head)
        self._head = b""
        await self._writer.drain()
        await asyncio.sleep(0.02)
        if self._kind == "cut":
            self._writer.transport.abort()
            raise ConnectionAbortedError("cut by order")
        self._kind = None
        await asyncio.sleep(self._seconds)

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        self._sent += len(data)
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._writer.write(self._head + data)
        self._head = b""
        await self._writer.drain()


class Upstream:
    """A connection to a docker-registry, kept for as long as the client keeps its own."""

    def __init__(self) -> None:
        self._socket: object = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def streams(self, forward: Forward) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams and (self._socket != forward.socket or self._streams[0].at_eof()):
            self.close()
        if self._streams is None:
            self._socket = forward.socket
            self._streams = await asyncio.open_unix_connection(str(forward.socket), limit=STREAM_LIMIT)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


class Front:
    """Serves one host on a free loopback port; without a context in plain HTTP, and then on a Unix socket if told."""

    def __init__(
        self, service: Service, context: ssl.SSLContext | None, faults: FaultBook, journal: Journal,
        clock: Clock, socket: Path | None = None,
    ) -> None:
        self._service = service
        self._context = context
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self._socket = socket
        self.port = 0

    async def start(self) -> asyncio.Server:
        if self._socket:
            self._socket.unlink(missing_ok=True)
            return await asyncio.start_unix_server(self._serve, self._socket, limit=STREAM_LIMIT)
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context, limit=STREAM_LIMIT
        )
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = Upstream()
        try:
            while head := await read_head(reader):
                if not await self._exchange(*head, reader, writer, upstream):
                    break
        except (BadMessage, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a broken peer, or a cut by order: the connection is over
        except asyncio.CancelledError:
            # The lab stops. A goodbye would wait for the client's own.
            writer.transport.abort()
        finally:
            upstream.close()
            writer.close()

    async def _exchange(
        self, first: str, headers: Headers, reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter, upstream: Upstream,
    ) -> bool:
        """Answer one request; false if the connection cannot carry another."""
        parts = first.split(" ")
        if len(parts) != 3 or not parts[1].startswith("/"):
            raise BadMessage("malformed request line")
        tls = writer.get_extra_info("ssl_object")
        request = Request(parts[0], parts[1], headers, Body(reader, headers), tls.getpeercert(True) if tls else None)
        fault = self._faults.take(self._service.name, REQUEST_KINDS, request.method, request.target)
        outgoing = Outgoing(writer, self._clock, fault)
        if (request.header("expect") or "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        outcome = await self._outcome(request, fault, reader)
        if isinstance(outcome, Forward):
            finished = await self._forward(outcome, request, outgoing, upstream, fault)
        else:
            await request.body.drain()
            await self._answer(outcome, request, outgoing, fault)
            finished = True
        return finished and (request.header("connection") or "").lower() != "close"

    async def _outcome(self, request: Request, fault: Fault | None, reader: asyncio.StreamReader) -> Answer | Forward:
        host = (request.header("host") or "").removesuffix(":443")
        if host != self._service.name:
            return registry_error(421, "UNKNOWN", f"this is {self._service.name}, not {host}")
        match fault.kind if fault else None:
            case "stall":
                await asyncio.sleep(fault.seconds)
                if reader.at_eof():
                    # Of an earlier test, perhaps: what a service remembers of it would be found by the next one.
                    raise ConnectionResetError("who asked has hung up")
            case "html":
                return Answer(fault.status or 200, _HTML, "text/html; charset=utf-8")
            case "status":
                return _with_retry_after(self._service.failure(fault.status or 503), fault)
            case "throttle":
                answer = self._service.throttled()
                answer.status = fault.status or answer.status
                return _with_retry_after(answer, fault)
        return await self._service.respond(request)

    def _log(self, request: Request, status: int, fault: Fault | None) -> None:
        authorization = request.header("authorization")
        self._journal.add(
            began=request.began,
            host=self._service.name,
            method=request.method,
            path=redact_target(request.target),
            status=status,
            authorization=authorization is not None,
            # The scheme only: `Basic`, `Bearer`, `AWS4-HMAC-SHA256`.
            scheme=authorization.split(" ")[0] if authorization and " " in authorization else None,
            user_agent=request.header("user-agent"),
            fault=fault.kind if fault else None,
        )

    async def _answer(
        self, answer: Answer, request: Request, outgoing: Outgoing, fault: Fault | None
    ) -> None:
        headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
        if answer.body:
            headers.append(("Content-Type", answer.content_type))
        has_body = request.method != "HEAD" and bool(answer.body)
        self._log(request, answer.status, fault)
        outgoing.head(answer.status, headers, len(answer.body), has_body)
        if has_body:
            await outgoing.piece(answer.body)
        await outgoing.finish()

    async def _forward(
        self, forward: Forward, request: Request, outgoing: Outgoing, upstream: Upstream,
        fault: Fault | None,
    ) -> bool:
        reader, writer = await upstream.streams(forward)
        dropped = _HOP_BY_HOP if forward.keep_authorization else _HOP_BY_HOP | {"authorization"}
        headers = [h for h in request.headers if h[0].lower() not in dropped]
        headers.append(("X-Forwarded-Proto", "https"))
        if request.body.chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        target = forward.target or request.target
        writer.write(format_head(f"{request.method} {target} HTTP/1.1", headers))
        status, answer_headers = await self._upload(request.body, reader, writer)

        body = Body(reader, answer_headers, until_close=True)
        if request.method == "HEAD" or status in (204, 304):
            body.finished = True
        if status == 404 and forward.not_found:
            await body.drain()
            await request.body.drain()
            await self._answer(forward.not_found, request, outgoing, fault)
            return True
        self._log(request, status, fault)
        kept = [h for h in answer_headers if h[0].lower() not in _HOP_BY_HOP]
        outgoing.head(status, kept, body.length, not body.finished)
        async for piece in body.pieces():
            await outgoing.piece(piece)
        await outgoing.finish()
        if not request.body.finished:
            # Refused before it had sent everything: let it finish, or it might never
            # read the refusal, and keep no connection that is in the middle of something.
            await request.body.drain()
            return False
        if (header(answer_headers, "connection") or "").lower() == "close":
            upstream.close()
        return True

    @staticmethod
    async def _upload(
        body: Body, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, Headers]:
        """Send a request's body until done, or until the docker-registry answers early."""
        if body.finished:
            await writer.drain()
            return await _answer_head(reader)
        sending = asyncio.create_task(_send_body(body, writer))
        answering = asyncio.create_task(_answer_head(reader))
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()  # raises if the client went away
            return await answering
        finally:
            sending.cancel()
            answering.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)


def _with_retry_after(answer: Answer, fault: Fault) -> Answer:
    if fault.retry_after is not None:
        answer.headers.append(("Retry-After", fault.retry_after))
    return answer


async def _answer_head(reader: asyncio.StreamReader) -> tuple[int, Headers]:
    while True:
        head = await read_head(reader)
        if head is None:
            raise BadMessage("the docker-registry closed the connection")
        status = int(head[0].split(" ")[1])
        if status >= 200:
            return status, head[1]


async def _send_body(body: Body, writer: asyncio.StreamWriter) -> None:
    async for piece in body.pieces():
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if body.chunked else piece)
        try:
            await writer.drain()
        except OSError:
            return  # the docker-registry has heard enough: its answer says why
    if body.chunked:
        writer.write(b"0\r\n\r\n")
