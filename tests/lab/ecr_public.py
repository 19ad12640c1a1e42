"""The public gallery of ECR: bearer tokens for anybody, and others for those who log in with a password of its API."""

import base64
import binascii
import secrets

from pathlib import Path

from .aws_identity import Identities
from .http1 import Answer, Request, json_answer, registry_error
from .service import Forward, Service


class PublicGallery(Service):
    def __init__(self, name: str, identities: Identities, socket: Path) -> None:
        super().__init__(name)
        self._identities = identities
        self._socket = socket
        # Token to who got it: "anonymous" or an ARN.
        self._tokens: dict[str, str] = {}
        # Who pulled a manifest or a blob, in order.
        self.pulled_by: list[str] = []

    @property
    def issued_tokens(self) -> list[str]:
        return list(self._tokens)

    async def respond(self, request: Request) -> Answer | Forward:
        if request.path.rstrip("/") == "/token":
            await request.body.drain()
            return self._token(request)
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        who = self._tokens.get(token) if scheme.lower() == "bearer" else None
        if who is None:
            challenge = f'Bearer realm="https://{self.name}/token/",service="{self.name}",scope="aws"'
            return registry_error(
                401, "UNAUTHORIZED", "Not Authorized", headers=[("Www-Authenticate", challenge)]
            )
        if request.method not in ("GET", "HEAD"):
            return registry_error(403, "DENIED", "the gallery is for pulling")
        self.pulled_by.append(who)
        return Forward(self._socket, keep_authorization=False)

    def _token(self, request: Request) -> Answer:
        authorization = request.header("authorization")
        who = "anonymous"
        if authorization is not None:
            try:
                user, _, password = base64.b64decode(authorization.partition(" ")[2], validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user, password = "", ""
            issued = self._identities.issued(password)
            if user != "AWS" or issued is None or issued.region != "public" or self._identities.is_expired(issued):
                return registry_error(401, "UNAUTHORIZED", "Not Authorized")
            who = issued.identity.arn
        token = secrets.token_urlsafe(100)
        self._tokens[token] = who
        return json_answer(200, {"token": token})
