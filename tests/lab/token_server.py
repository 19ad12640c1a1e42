"""Azure Container Registry: its token endpoint beside the docker-registry that believes it."""

import base64
import binascii
import hmac
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .acr_rights import Rights
from .credentials import Login
from .entra import DOMAIN, TENANT, Cloud, Directory
from .http1 import Answer, Request, json_answer, registry_error
from .oidc import TokenRefused
from .service import Forward, Service

ISSUER = "Azure Container Registry"
# What Azure expects as user name beside a refresh token.
NO_USER = "00000000-0000-0000-0000-000000000000"
_ACCESS_LIFETIME = 75 * 60
_REFRESH_LIFETIME = 3 * 60 * 60
_SCOPE = re.compile(r"repository:(?P<name>[^:]+):(?P<actions>[a-z*,]+)")


@dataclass
class Principal:
    login: Login
    actions: frozenset[str]
    # In place of `actions`, once some were given by control.
    rights: Rights | None = None

    def may(self, action: str, repository: str) -> bool:
        return action in self.actions if self.rights is None else self.rights.may(action, repository)


class AzureRegistry(Service):
    """One registry. With `checks`, the docker-registry behind it asks for nothing and the tokens are proved here: so
    several registries can show the contents of one."""

    def __init__(
        self, name: str, socket: Path, certificate: Path, key: Path, principals: list[Principal], *,
        directory: Directory, cloud: Cloud, checks: bool = False,
    ) -> None:
        super().__init__(name)
        self._directory = directory
        self._cloud = cloud
        self._checks = checks
        # Told by control: the tenant of the registry's subscription; whether ARM's tokens are taken too.
        self.tenant = TENANT
        self.arm_tokens = True
        self._socket = socket
        self._key = key.read_text()
        der = x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)
        self._x5c = [base64.b64encode(der).decode()]
        self._principals = {p.login.user: p for p in principals}
        # Told by control: an expired secret, as Azure's are after a year; a shorter life.
        self.expired_principals: set[str] = set()
        self.without_role: set[str] = set()
        self.access_lifetime = _ACCESS_LIFETIME
        self.refresh_lifetime = _REFRESH_LIFETIME
        self.issued_tokens: list[str] = []
        self.ended_tokens: set[str] = set()

    def restore(self) -> None:
        self.tenant, self.arm_tokens = TENANT, True
        self.access_lifetime, self.refresh_lifetime = _ACCESS_LIFETIME, _REFRESH_LIFETIME
        self.expired_principals.clear()
        self.without_role.clear()

    async def respond(self, request: Request) -> Answer | Forward:
        if not request.path.startswith("/oauth2/"):
            scheme, _, token = (request.header("authorization") or "").partition(" ")
            if scheme.lower() == "bearer" and token in self.ended_tokens:
                refusal = self._unauthorized("authentication required, visit https://aka.ms/acr/authorization for more information.")
                refusal.headers.append(("Www-Authenticate", f'Bearer realm="https://{self.name}/oauth2/token",'
                                                            f'service="{self.name}",error="invalid_token"'))
                return refusal
            return (self._check(request) if self._checks else None) or Forward(self._socket, keep_authorization=not self._checks)
        if request.path == "/oauth2/exchange" and request.method == "POST":
            return self._exchange((await request.body.read()).decode("latin-1"))
        if request.path != "/oauth2/token":
            return registry_error(404, "NOT_FOUND", "404 page not found")
        if request.method == "GET":
            principal = self._basic(request.header("authorization"))
            return self._answer(principal, request.query, refresh=dict(request.query).get("offline_token") == "true")
        if request.method == "POST":
            return self._post((await request.body.read()).decode("latin-1"))
        return registry_error(405, "UNSUPPORTED", "The operation is unsupported.")

    def access_token(self, principal: Principal, scopes: list[str]) -> str:
        """A token for what `principal` may do of `scopes`; asking for more is no error."""
        access = []
        for scope in scopes:
            if match := _SCOPE.fullmatch(scope):
                asked = match["actions"].split(",")
                actions = [a for a in asked if principal.may(a, match["name"])]
                if actions:
                    access.append({"type": "repository", "name": match["name"], "actions": actions})
        return self._sign(principal, self.access_lifetime, {"access": access})

    def restore_rights(self) -> None:
        for principal in self._principals.values():
            principal.rights = None

    def principal(self, user: str) -> Principal:
        return self._principals[user]

    def _post(self, body: str) -> Answer:
        pairs = parse_qsl(body, keep_blank_values=True)
        form = dict(pairs)
        match form.get("grant_type"):
            case "password":
                principal = self._login(form.get("username", ""), form.get("password", ""))
                return self._answer(principal, pairs, refresh=form.get("access_type") == "offline")
            case "refresh_token":
                return self._answer(self._refresh(form.get("refresh_token", "")), pairs, refresh=False)
        return registry_error(400, "UNSUPPORTED", "The operation is unsupported.")

    def _exchange(self, body: str) -> Answer:
        form = dict(parse_qsl(body, keep_blank_values=True))
        if form.get("grant_type") != "access_token" or form.get("service") != self.name:
            return registry_error(400, "UNSUPPORTED", "grant_type or service is not what is expected")
        resources = self._cloud.resources if self.arm_tokens else self._cloud.resources[:1]
        try:
            claims = self._directory.read(form.get("access_token", ""), resources, self.tenant)
        except TokenRefused as refused:
            return self._unauthorized(f"authentication required: {refused.message}")
        if form.get("tenant", self.tenant) not in (self.tenant, DOMAIN):
            return self._unauthorized("authentication required: not the tenant of the registry")
        principal = self._principals.get(claims["appid"])
        if principal is None or claims["appid"] in self.without_role:
            return self._unauthorized(
                "authentication required, visit https://aka.ms/acr/authorization for more information."
            )
        return json_answer(200, {
            "refresh_token": self._sign(
                principal, self.refresh_lifetime, {"grant_type": "refresh_token", "tenant": self.tenant}
            ),
        })

    def _check(self, request: Request) -> Answer | None:
        """What docker-registry does with a token: None when it allows the request."""
        repository = "/".join(request.path.split("/")[2:-2])
        scope = f"repository:{repository}:pull" if repository else ""
        challenge = f'Bearer realm="https://{self.name}/oauth2/token",service="{self.name}"' + (f',scope="{scope}"' if scope else "")
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        try:
            claims = jwt.decode(token, self._public_key(), algorithms=["ES256"], audience=self.name, issuer=ISSUER)
        except jwt.InvalidTokenError:
            claims = {}
        allowed = [a["actions"] for a in claims.get("access", []) if a["name"] == repository]
        if scheme.lower() == "bearer" and claims and (not repository or "pull" in sum(allowed, [])):
            return None if request.method in ("GET", "HEAD") else registry_error(401, "UNAUTHORIZED", "pull only")
        return registry_error(401, "UNAUTHORIZED", "authentication required", headers=[("WWW-Authenticate", challenge)])

    def _answer(self, principal: Principal | Answer, pairs: list[tuple[str, str]], refresh: bool) -> Answer:
        if isinstance(principal, Answer):
            return principal
        if dict(pairs).get("service") != self.name:
            return registry_error(400, "UNSUPPORTED", "service is missing or not this registry")
        # Scopes come as several parameters or as one list with spaces.
        scopes = [scope for name, value in pairs if name == "scope" for scope in value.split()]
        answer = {"access_token": self.access_token(principal, scopes)}
        if refresh:
            answer["refresh_token"] = self._sign(principal, self.refresh_lifetime, {"grant_type": "refresh_token"})
        return json_answer(200, answer)

    def _basic(self, authorization: str | None) -> Principal | Answer:
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return self._unauthorized(
                "authentication required, visit https://aka.ms/acr/authorization for more information."
            )
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        return self._refresh(password) if user == NO_USER else self._login(user, password)

    def _login(self, user: str, password: str) -> Principal | Answer:
        principal = self._principals.get(user)
        if principal is None or not hmac.compare_digest(principal.login.password.encode(), password.encode()):
            return self._unauthorized("Invalid clientid or client secret.")
        if user in self.expired_principals:
            return self._unauthorized("AADSTS7000222: The provided client secret keys are expired.")
        return principal

    def _refresh(self, token: str) -> Principal | Answer:
        try:
            claims = jwt.decode(
                token, self._public_key(), algorithms=["ES256"], audience=self.name, issuer=ISSUER
            )
        except jwt.InvalidTokenError:
            return self._unauthorized("invalid refresh token")
        if claims.get("grant_type") != "refresh_token" or claims["sub"] not in self._principals:
            return self._unauthorized("invalid refresh token")
        return self._principals[claims["sub"]]

    def _public_key(self) -> object:
        return x509.load_der_x509_certificate(base64.b64decode(self._x5c[0])).public_key()

    def _sign(self, principal: Principal, lifetime: int, claims: dict[str, object]) -> str:
        # The machine's time, not the lab's: docker-registry checks these and knows no other.
        now = int(time.time())
        common = {
            "jti": str(uuid.uuid4()), "iss": ISSUER, "aud": self.name, "sub": principal.login.user,
            "iat": now, "nbf": now - 900, "exp": now + lifetime,
        }
        token = jwt.encode({**common, **claims}, self._key, "ES256", headers={"x5c": self._x5c})
        self.issued_tokens.append(token)
        return token

    @staticmethod
    def _unauthorized(message: str) -> Answer:
        return registry_error(401, "UNAUTHORIZED", message)
