"""A gateway of a fleet: it knows devices by their certificates and hands out what opens the hub, which takes it in turn.

GET /hub-creds/ gives {"Username", "Secret"}, as the gateway that meta-lmp's docker-credential-fio-helper asks does. A device is
its certificate's common name; its key is remembered at first sight, and another one gets 502 (update-server,
server/gateway). The hub takes the pair as Basic, or at /token-auth/ for a token of its own, and for reading only.
"""

import base64
import binascii
import hashlib
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .clock import Clock
from .devices import common_name
from .http1 import Answer, Request, json_answer, registry_error
from .service import Forward, Service

HOST = "gateway.example.com"
PORT = 8443
_LIFETIME = 3600
_TOKEN_LIFETIME = 300
_SCOPE = re.compile(r"repository:(?P<name>[^:]+):(?P<actions>[a-z*,]+)")


@dataclass
class Issued:
    device: str
    ends: datetime
    repositories: frozenset[str] | None = None    # of a token: what it opens


class Fleet:
    """What the gateway and the hub know together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._secrets: dict[str, Issued] = {}
        self._tokens: dict[str, Issued] = {}
        self._keys: dict[str, bytes] = {}
        self.known: set[str] = set()
        # Told by control.
        self.denied: set[str] = set()
        self.lifetime = _LIFETIME

    def restore(self) -> None:
        self.denied.clear()
        self.lifetime = _LIFETIME
        with self._lock:
            self._keys.clear()

    def secret_values(self) -> list[str]:
        with self._lock:
            return [*self._secrets, *self._tokens]

    def admit(self, certificate: x509.Certificate) -> int:
        """200, or the status that a device is refused with."""
        name = common_name(certificate)
        if name not in self.known or name in self.denied:
            return 403
        key = hashlib.sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
        with self._lock:
            return 200 if self._keys.setdefault(name, key) == key else 502

    def issue(self, device: str) -> str:
        return self._issue(self._secrets, device, self.lifetime)

    def token(self, device: str, repositories: frozenset[str]) -> str:
        return self._issue(self._tokens, device, _TOKEN_LIFETIME, repositories)

    def by_secret(self, user: str, secret: str) -> Issued | None:
        found = self._find(self._secrets, secret)
        return found if found and found.device == user else None

    def by_token(self, token: str) -> Issued | None:
        return self._find(self._tokens, token)

    def expire(self) -> None:
        with self._lock:
            for issued in (*self._secrets.values(), *self._tokens.values()):
                issued.ends = self._clock.now()

    def _issue(
        self, where: dict[str, Issued], device: str, seconds: int, repositories: frozenset[str] | None = None
    ) -> str:
        value = secrets.token_urlsafe(40)
        with self._lock:
            where[value] = Issued(device, self._clock.now() + timedelta(seconds=seconds), repositories)
        return value

    def _find(self, where: dict[str, Issued], value: str) -> Issued | None:
        with self._lock:
            found = where.get(value)
        # A device that is denied loses at once what it has.
        return found if found and found.ends > self._clock.now() and found.device not in self.denied else None


class Gateway(Service):
    """What stands behind nginx; its name is that of the address, port and all."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(f"{HOST}:{PORT}")
        self._fleet = fleet

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        if request.header("x-client-verify") != "SUCCESS":
            return _text(403, "no client certificate")
        certificate = x509.load_pem_x509_certificate(unquote(request.header("x-client-certificate") or "").encode())
        status = self._fleet.admit(certificate)
        if status != 200:
            return _text(status, {403: "device is not allowed", 502: "device key has changed"}[status])
        if request.method != "GET" or request.path != "/hub-creds/":
            return _text(404, "not found")
        name = common_name(certificate)
        return json_answer(200, {"Username": name, "Secret": self._fleet.issue(name)})

    def failure(self, status: int) -> Answer:
        return _text(status, "service unavailable")

    def throttled(self) -> Answer:
        return _text(429, "too many requests")


class Hub(Service):
    """A factory's hub. What is not a device's goes to the docker-registry that does its own authentication (`others`, or
    None: then devices are all); a device is let in here and sees the same contents through `contents`, read only."""

    def __init__(self, name: str, fleet: Fleet, others: Path | None, contents: Path) -> None:
        super().__init__(name)
        self._fleet = fleet
        self._others = others
        self._contents = contents

    async def respond(self, request: Request) -> Answer | Forward:
        if request.path == "/token-auth/":
            await request.body.drain()
            return self._token(request)
        found = self._caller(request)
        if found is None:
            return Forward(self._others) if self._others else self._challenge(request)
        repository = _repository(request.path)
        if found.repositories is not None and repository and repository not in found.repositories:
            return self._challenge(request, "insufficient_scope")
        if request.method not in ("GET", "HEAD"):
            return registry_error(403, "DENIED", "requested access to the resource is denied")
        return Forward(self._contents, keep_authorization=False)

    def _token(self, request: Request) -> Answer:
        device = self._basic(request)
        if device is None:
            return registry_error(401, "UNAUTHORIZED", "authentication required")
        asked = [scope for name, value in request.query if name == "scope" for scope in value.split()]
        matches = [match for scope in asked if (match := _SCOPE.fullmatch(scope))]
        names = frozenset(m["name"] for m in matches if "pull" in m["actions"].split(","))
        return json_answer(200, {"token": self._fleet.token(device.device, names), "expires_in": _TOKEN_LIFETIME})

    def _caller(self, request: Request) -> Issued | None:
        scheme, _, value = (request.header("authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            return self._fleet.by_token(value)
        # Where Basic is not what is asked for, it opens nothing but the token service.
        return self._basic(request) if self._others else None

    def _basic(self, request: Request) -> Issued | None:
        scheme, _, value = (request.header("authorization") or "").partition(" ")
        try:
            user, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._fleet.by_secret(user, secret) if scheme.lower() == "basic" else None

    def _challenge(self, request: Request, error: str | None = None) -> Answer:
        repository = _repository(request.path)
        challenge = f'Bearer realm="https://{self.name}/token-auth/",service="registry"'
        challenge += f',scope="repository:{repository}:pull"' if repository else ""
        challenge += f',error="{error}"' if error else ""
        return registry_error(401, "UNAUTHORIZED", "authentication required", headers=[("Www-Authenticate", challenge)])


def _repository(path: str) -> str:
    return "/".join(path.split("/")[2:-2])


def _text(status: int, message: str) -> Answer:
    return Answer(status, message.encode() + b"\n", "text/plain; charset=utf-8")
