"""What stands behind one host of the lab: it makes an answer or names where to forward."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from .http1 import Answer, Request, registry_error


@dataclass
class Forward:
    """Hand the request on to a docker-registry that listens on a Unix socket."""

    socket: Path
    target: str | None = None          # another path than the client's
    keep_authorization: bool = True
    not_found: Answer | None = None    # instead of the docker-registry's own 404


class Service:
    """One host. Failures are in the shape a registry uses unless a subclass knows better."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare_tls(self, context: ssl.SSLContext) -> None:
        """What a host asks of its clients in the handshake: nothing unless a subclass knows better."""

    async def respond(self, request: Request) -> Answer | Forward:
        raise NotImplementedError

    def failure(self, status: int) -> Answer:
        return registry_error(status, "UNAVAILABLE", "service unavailable")

    def throttled(self) -> Answer:
        return registry_error(429, "TOOMANYREQUESTS", "Rate exceeded")


class PlainRegistry(Service):
    """A docker-registry that does its own authentication behind the lab's TLS."""

    def __init__(self, name: str, socket: Path) -> None:
        super().__init__(name)
        self._socket = socket

    async def respond(self, request: Request) -> Answer | Forward:
        return Forward(self._socket)
