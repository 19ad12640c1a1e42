"""A server of the lab's authority that does what a test says: a registry, a token service or a web server of somebody who
means harm."""

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab import Lab


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "HostileServer"

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.seen.append(Request(self.command, self.path, dict(self.headers)))
        try:
            self.server.answer(self)
        except (BrokenPipeError, ConnectionError, OSError):
            pass
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        """An answer of its own kind; underscores in the names of headers stand for hyphens."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def say_json(self, status: int, value: Any, **headers: str) -> None:
        self.say(status, json.dumps(value).encode(), **headers)

    def say_without_end(self, head: bytes, chunk: bytes, least: int = 64 << 20) -> None:
        """Until the other side hangs up, or far more came than anybody should take."""
        self.wfile.write(head)
        for _ in range(least // len(chunk)):
            self.wfile.write(chunk)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class HostileServer(http.server.ThreadingHTTPServer):
    lab: Lab
    host: str
    answer: Callable[[Handler], None] = lambda handler: handler.say(404)
    seen: list[Request] = field(default_factory=list)
    context: ssl.SSLContext | None = None  # by default with a certificate that is in order
    address: str = "127.0.0.1"
    tls: bool = True
    daemon_threads = True
    request_queue_size = 128

    def __post_init__(self) -> None:
        self.address_family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        http.server.ThreadingHTTPServer.__init__(self, (self.address, 0), Handler)
        if self.tls:
            context = self.context or self.lab.authority.server_context(self.host)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.lab.ports[self.host] = self.server_port
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def handle_error(self, *_: object) -> None:
        """Who distrusts us or hangs up is what is tested."""

    def clear(self) -> None:
        self.seen.clear()
        self.answer = lambda handler: handler.say(404)

    def end(self) -> None:
        del self.lab.ports[self.host]
        self.shutdown()
        self.server_close()
        self._thread.join()
