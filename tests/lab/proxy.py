"""The CONNECT proxy: real names in, loopback ports out."""

import asyncio
import base64
import contextlib
import hmac

from .faults import CONNECT_KINDS, Fault, FaultBook
from .journal import Journal

_MAX_HEAD = 16 * 1024


class _Pipe(asyncio.Protocol):
    """One side of a tunnel: what it receives goes to its peer, at the peer's pace."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.peer: "_Pipe | None" = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.peer and self.peer.transport.can_write_eof():
            with contextlib.suppress(OSError):
                self.peer.transport.write_eof()
            return not self.peer.ended  # the other direction may still be busy
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer:
            self.peer.transport.close()

    def pause_writing(self) -> None:
        if self.peer:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer:
            with contextlib.suppress(RuntimeError):
                self.peer.transport.resume_reading()


class _Server(_Pipe):
    """The side of the host. Cuts the tunnel after a number of bytes when a fault says so."""

    def __init__(self, client: "_Client", cut_after: int | None) -> None:
        super().__init__()
        self.peer = client
        self._left = cut_after

    def data_received(self, data: bytes) -> None:
        if self._left is None:
            super().data_received(data)
            return
        super().data_received(data[: self._left])
        self._left -= len(data)
        if self._left <= 0 and self.peer:
            self.peer.transport.close()  # flushes first
            self.transport.abort()


class _Client(_Pipe):
    """The side of the client: first a CONNECT, then a tunnel."""

    def __init__(self, proxy: "Proxy") -> None:
        super().__init__()
        self._proxy = proxy
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._proxy.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self.peer:
            self.peer.transport.write(data)
            return
        self._head += data
        if self._task or len(self._head) > _MAX_HEAD:
            self.transport.abort()  # talking before the tunnel stands, or endlessly
        elif b"\r\n\r\n" in self._head:
            self._task = asyncio.ensure_future(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._proxy.clients.discard(self)
        if self._task:
            self._task.cancel()

    def _reply(self, status: int, reason: str, header: str = "") -> None:
        head = f"HTTP/1.1 {status} {reason}\r\n{header}"
        if status == 200:
            self.transport.write(f"{head}\r\n".encode())
        else:
            self.transport.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.transport.close()

    async def _connect(self) -> None:
        lines = self._head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        host = rest.split(" ")[0].removesuffix(":443")
        status, fault = await self._decide(method, host, lines[1:])
        self._proxy.journal.add(host=host, status=status, fault=fault.kind if fault else None)
        if status == 407:
            self._reply(407, "Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="lab"\r\n')
        elif status != 200:
            self._reply(status, "Refused by the lab")
        else:
            target = fault.to if fault and fault.kind == "proxy_divert" else host
            cut_after = (fault.after or 0) if fault and fault.kind == "proxy_cut" else None
            _, self.peer = await asyncio.get_running_loop().create_connection(
                lambda: _Server(self, cut_after), "127.0.0.1", self._proxy.ports[target or host]
            )
            self._reply(200, "Connection established")

    async def _decide(self, method: str, host: str, headers: list[str]) -> tuple[int, Fault | None]:
        if method != "CONNECT":
            return 405, None
        if not self._proxy.admits(headers):
            return 407, None
        if host not in self._proxy.ports:
            return 403, None
        fault = self._proxy.faults.take(host, CONNECT_KINDS, "CONNECT", host)
        if fault and fault.kind == "proxy_refuse":
            return fault.status or 502, fault
        if fault and fault.kind == "proxy_stall":
            await asyncio.sleep(fault.seconds)
        return 200, fault


class Proxy:
    """Knows the hosts of the lab and nothing else: any other name is refused with 403."""

    def __init__(
        self, ports: dict[str, int], faults: FaultBook, journal: Journal,
        credentials: tuple[str, str] | None,
    ) -> None:
        self.ports = ports
        self.faults = faults
        self.journal = journal
        self.port = 0
        self.clients: set[_Client] = set()
        self._expected = None
        if credentials:
            self._expected = b"Basic " + base64.b64encode(":".join(credentials).encode())

    async def start(self) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(lambda: _Client(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def abort(self) -> None:
        for client in list(self.clients):
            client.transport.abort()

    def admits(self, headers: list[str]) -> bool:
        if self._expected is None:
            return True
        for line in headers:
            name, _, value = line.partition(":")
            if name.lower() == "proxy-authorization":
                return hmac.compare_digest(value.strip().encode(), self._expected)
        return False
