"""Google Cloud: who may enter, the services that hand out access tokens, and Artifact Registry.

Every token knows whose it is, its scopes and its end; the registry looks at all three. Errors have Google's shapes: OAuth's
at the token services, google.rpc.Status at the APIs, the distribution specification's at the registry.
"""

import base64
import binascii
import datetime
import json
import re
import secrets
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .clock import Clock
from .devices import BadChain, DeviceAuthority, common_name, verify_chain
from .http1 import Answer, Request, json_answer, registry_error
from .oidc import SUBJECTS, Issuer, TokenRefused
from .service import Forward, Service

OAUTH_HOST = "oauth2.googleapis.com"
STS_HOST = "sts.googleapis.com"
MTLS_HOST = "sts.mtls.googleapis.com"
IAM_HOST = "iamcredentials.googleapis.com"
REGISTRY_HOST = "us-docker.pkg.dev"

TOKEN_URI = f"https://{OAUTH_HOST}/token"
PROJECT = "acme-prod"
PROJECT_NUMBER = "210987654321"
_POOL = f"projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/ci"
LIFETIME = 3599

_AUTH = "https://www.googleapis.com/auth/"
_READ = {_AUTH + name for name in (
    "cloud-platform", "cloud-platform.read-only", "devstorage.read_only", "devstorage.read_write", "devstorage.full_control",
)}
_WRITE = {_AUTH + name for name in ("cloud-platform", "devstorage.read_write", "devstorage.full_control")}
_IMPERSONATE = {_AUTH + "cloud-platform", _AUTH + "iam"}
_SCOPES = _READ | _IMPERSONATE

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE = "urn:ietf:params:oauth:token-type:"
_PATH = re.compile(r"/v2/(?P<place>[^/]+/[^/]+)/(?P<image>.+)/(?P<kind>manifests|blobs|tags)/(?P<rest>.+)")
_GENERATE = re.compile(r"/v1/projects/-/serviceAccounts/(?P<account>[^/:]+):generateAccessToken")


def account(name: str) -> str:
    return f"{name}@{PROJECT}.iam.gserviceaccount.com"


def provider(name: str) -> str:
    """A provider of the lab's one pool: `github`, `gitlab`, `cluster` or `x509`."""
    return f"{_POOL}/providers/{name}"


@dataclass(frozen=True)
class Token:
    value: str
    principal: str
    scopes: frozenset[str]
    expires: datetime.datetime


@dataclass
class Key:
    account: str
    key_id: str
    private: rsa.RSAPrivateKey
    deleted: bool = False


@dataclass
class Refused(Exception):
    status: int
    code: str
    message: str


@dataclass
class Provider:
    """Whose tokens a workload identity provider takes: an issuer's, or certificates of an authority."""

    issuer: Issuer | None
    audiences: list[str]
    subject: str = "*"       # its attribute condition
    disabled: bool = False
    anchors: list[x509.Certificate] = field(default_factory=list)        # its trust store
    intermediates: list[x509.Certificate] = field(default_factory=list)


@dataclass
class Cloud:
    """All that Google knows. Access to `tokens` is from the lab's loop and from tests."""

    clock: Clock
    keys: dict[str, Key] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    logins: dict[str, str] = field(default_factory=dict)             # refresh token -> person
    grants: dict[str, frozenset[str]] = field(default_factory=dict)  # principal -> rights in acme-prod/images
    creators: dict[str, set[str]] = field(default_factory=dict)      # account -> who may become it
    providers: dict[str, Provider] = field(default_factory=dict)
    lifetime: int = LIFETIME
    tokens: dict[str, Token] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)                    # secrets that are no tokens

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    # Making.

    def key(self, name: str) -> dict[str, str]:
        """A new key of a service account, as the console writes it."""
        private = rsa.generate_private_key(65537, 2048)
        key = Key(account(name), secrets.token_hex(20), private)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        with self._lock:
            self.keys[key.key_id] = key
            # Without the lines that every key has.
            self.made.append("\n".join(pem.splitlines()[1:-1]))
        return {
            "type": "service_account", "project_id": PROJECT, "private_key_id": key.key_id, "private_key": pem,
            "client_email": key.account, "client_id": "1" * 21,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": TOKEN_URI,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        }

    def login(self, person: str = "ada@acme.example") -> dict[str, str]:
        """What `gcloud auth application-default login` writes."""
        token = "1//" + secrets.token_urlsafe(60)
        client_secret = "d-" + secrets.token_urlsafe(24)
        with self._lock:
            self.logins[token] = person
            self.made += [token, client_secret]
        return {
            "type": "authorized_user", "client_id": "764086051850-lab.apps.googleusercontent.com",
            "client_secret": client_secret, "refresh_token": token, "universe_domain": "googleapis.com",
        }

    def issue(self, principal: str, scopes: set[str], lifetime: int | None = None) -> Token:
        seconds = self.lifetime if lifetime is None else lifetime
        value = "ya29.c." + secrets.token_urlsafe(200)
        expires = self.clock.now() + datetime.timedelta(seconds=seconds)
        token = Token(value, principal, frozenset(scopes), expires)
        with self._lock:
            self.tokens[value] = token
        return token

    # Looking.

    def find(self, value: str) -> Token | None:
        """The token, unless it is unknown or has ended."""
        with self._lock:
            token = self.tokens.get(value)
        return token if token and token.expires > self.clock.now() else None

    def bearer(self, request: Request) -> Token | None:
        scheme, _, value = (request.header("authorization") or "").partition(" ")
        return self.find(value) if scheme.lower() == "bearer" else None

    def secret_values(self) -> list[str]:
        with self._lock:
            return [*self.made, *self.tokens]

    def expire(self) -> None:
        with self._lock:
            self.tokens.clear()

    def may(self, principal: str, right: str) -> bool:
        return right in self.grants.get(principal, frozenset())


def _scopes(text: str) -> set[str]:
    asked = set(text.split())
    if not asked or asked - _SCOPES:
        raise Refused(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return asked


class _Api(Service):
    """Errors as OAuth has them."""

    def failure(self, status: int) -> Answer:
        return json_answer(status, {"error": "internal_failure", "error_description": "Backend Error"})

    def throttled(self) -> Answer:
        return json_answer(429, {"error": "rate_limit_exceeded", "error_description": "Rate Limit Exceeded"})

    async def respond(self, request: Request) -> Answer:
        body = (await request.body.read()).decode("latin-1")
        try:
            return json_answer(200, self.answer(request, body))
        except Refused as refused:
            return self.refusal(refused)

    def refusal(self, refused: Refused) -> Answer:
        return json_answer(refused.status, {"error": refused.code, "error_description": refused.message})

    def answer(self, request: Request, body: str) -> dict[str, Any]:
        raise NotImplementedError


class OauthService(_Api):
    """oauth2.googleapis.com/token: a signed assertion, or a refresh token, for an access token."""

    def __init__(self, name: str, cloud: Cloud) -> None:
        super().__init__(name)
        self._cloud = cloud

    def answer(self, request: Request, body: str) -> dict[str, Any]:
        form = dict(parse_qsl(body, keep_blank_values=True))
        if request.method != "POST" or request.path != "/token":
            raise Refused(404, "not_found", "Not Found")
        if request.header("content-type") != "application/x-www-form-urlencoded":
            raise Refused(400, "invalid_request", "Bad Request")
        match form.get("grant_type"):
            case grant if grant == _JWT_BEARER:
                token = self._by_assertion(form.get("assertion", ""))
            case "refresh_token":
                token = self._by_login(form)
            case _:
                raise Refused(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        return {"access_token": token.value, "expires_in": self._cloud.lifetime, "token_type": "Bearer"}

    def _by_assertion(self, assertion: str) -> Token:
        try:
            key = self._cloud.keys.get(jwt.get_unverified_header(assertion).get("kid", ""))
        except jwt.InvalidTokenError:
            raise Refused(400, "invalid_grant", "Invalid JWT: malformed") from None
        if key is None or key.deleted:
            raise Refused(400, "invalid_grant", "Invalid JWT Signature.")
        if key.account not in self._cloud.accounts:
            raise Refused(400, "invalid_grant", "Invalid grant: account not found")
        try:
            # Times are compared here, by the lab's clock.
            claims = jwt.decode(
                assertion, key.private.public_key(), algorithms=["RS256"], audience=TOKEN_URI, issuer=key.account,
                options={"require": ["iss", "aud", "exp", "iat"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            raise Refused(400, "invalid_grant", "Invalid JWT Signature.") from None
        except jwt.InvalidAudienceError:
            raise Refused(
                400, "invalid_grant", f"Invalid JWT: Failed audience check. The right audience is {TOKEN_URI}"
            ) from None
        except jwt.InvalidTokenError as error:
            raise Refused(400, "invalid_grant", f"Invalid JWT: {error}") from None
        now = self._cloud.clock.now().timestamp()
        if not (claims["iat"] - 60 <= now < claims["exp"] and claims["exp"] - claims["iat"] <= 3600):
            raise Refused(400, "invalid_grant", (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your "
                "iat and exp values in the JWT claim."
            ))
        return self._cloud.issue(key.account, _scopes(claims.get("scope", "")))

    def _by_login(self, form: dict[str, str]) -> Token:
        person = self._cloud.logins.get(form.get("refresh_token", ""))
        if person is None or not form.get("client_id") or form.get("client_secret") not in self._cloud.made:
            raise Refused(400, "invalid_grant", "Token has been expired or revoked.")
        return self._cloud.issue(person, {_AUTH + "cloud-platform"})


class StsService(_Api):
    """sts.googleapis.com/v1/token: somebody else's token for one of Google's. With `mutual`, it is the host that wants a
    client's certificate, and takes nothing else."""

    def __init__(self, name: str, cloud: Cloud, mutual: bool = False) -> None:
        super().__init__(name)
        self._cloud = cloud
        self._mutual = mutual
        self._context: ssl.SSLContext | None = None

    def prepare_tls(self, context: ssl.SSLContext) -> None:
        if self._mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
            self._context = context

    def meet(self, authority: DeviceAuthority) -> None:
        """Certificates of an authority pass the handshake from now on. Google knows a pool's trust store only once it has
        read the request, so those that are not of it must get that far."""
        assert self._context
        self._context.load_verify_locations(cadata=authority.pem().decode())

    def answer(self, request: Request, body: str) -> dict[str, Any]:
        form = dict(parse_qsl(body, keep_blank_values=True))
        if request.method != "POST" or request.path != "/v1/token":
            raise Refused(404, "not_found", "Not Found")
        if form.get("grant_type") != _EXCHANGE or form.get("requested_token_type") != _TYPE + "access_token":
            raise Refused(400, "invalid_request", "Invalid grant_type or requested_token_type.")
        audience = form.get("audience", "")
        name = audience.removeprefix("//iam.googleapis.com/")
        if name == audience:
            raise Refused(400, "invalid_request", 'Invalid value for "audience". This value should be the full resource name '
                          "of the Identity Provider.")
        found = self._cloud.providers.get(name)
        if found is None or found.disabled:
            raise Refused(400, "invalid_target", (
                'The target service indicated by the "audience" parameters is invalid. This might either be because the '
                "pool or provider is disabled or deleted or because it doesn't exist."
            ))
        scopes = _scopes(form.get("scope", ""))
        prove = self._by_certificate if self._mutual else self._by_token
        subject = prove(found, form, request)
        token = self._cloud.issue(f"principal://iam.googleapis.com/{_POOL}/subject/{subject}", scopes)
        return {
            "access_token": token.value, "issued_token_type": _TYPE + "access_token", "token_type": "Bearer",
            "expires_in": self._cloud.lifetime,
        }

    def _by_token(self, found: Provider, form: dict[str, str], _: Request) -> str:
        if form.get("subject_token_type") not in (_TYPE + "jwt", _TYPE + "id_token") or found.issuer is None:
            raise Refused(400, "invalid_request", "Invalid subject_token_type.")
        shown = form.get("subject_token", "")
        try:
            claims = found.issuer.verify(shown, found.audiences)
        except TokenRefused as refused:
            said = jwt.decode(shown, options={"verify_signature": False}).get("aud") if refused.problem == "audience" else ""
            raise Refused(400, "invalid_grant", {
                "malformed": "Unable to parse the ID Token.",
                "signature": "Error verifying the signature of the ID Token.",
                "issuer": f"The issuer in ID Token does not match the expected ones: {found.issuer.url}",
                "audience": f"The audience in ID Token [{said}] does not match the expected audience {found.audiences[0]}.",
                "expired": "ID Token is stale to sign-in.",
                "early": "ID Token issued in the future.",
            }.get(refused.problem, refused.message)) from None
        subject = str(claims["sub"])
        if found.subject not in ("*", subject):
            raise Refused(400, "unauthorized_client", "The given credential is rejected by the attribute condition.")
        return subject

    def _by_certificate(self, found: Provider, form: dict[str, str], request: Request) -> str:
        if form.get("subject_token_type") != _TYPE + "mtls" or found.issuer is not None:
            raise Refused(400, "invalid_request", "Invalid subject_token_type.")
        try:
            chain = [base64.b64decode(item, validate=True) for item in json.loads(form.get("subject_token", ""))]
            leaf, *others = (x509.load_der_x509_certificate(item) for item in chain)
        except (ValueError, TypeError, binascii.Error):
            raise Refused(400, "invalid_grant", "The subject token is not a chain of certificates.") from None
        if chain[0] != request.peer_certificate:
            raise Refused(400, "invalid_grant", "The certificate is not the one of the mutual TLS connection.")
        try:
            # The limits are those of "Workload Identity Federation with X.509 certificates".
            verify_chain(leaf, others + found.intermediates, found.anchors, self._cloud.clock.now(), longest=5)
        except BadChain as bad:
            raise Refused(400, "invalid_grant", {
                "expired": "The certificate has expired.", "early": "The certificate is not valid yet.",
                "usage": "The certificate may not be used for client authentication.",
                "length": "The certificate chain is too long.",
            }.get(bad.problem, "The certificate is not of the trust store.")) from None
        if leaf.not_valid_after - leaf.not_valid_before > datetime.timedelta(days=390):
            raise Refused(400, "invalid_grant", "The certificate lives longer than 390 days.")
        return common_name(leaf)


class IamService(_Api):
    """iamcredentials.googleapis.com: a token of a service account for who may become it."""

    def __init__(self, name: str, cloud: Cloud) -> None:
        super().__init__(name)
        self._cloud = cloud

    def refusal(self, refused: Refused) -> Answer:
        return json_answer(refused.status, {"error": {
            "code": refused.status, "message": refused.message, "status": refused.code,
        }})

    def failure(self, status: int) -> Answer:
        return self.refusal(Refused(status, "UNAVAILABLE", "The service is currently unavailable."))

    def throttled(self) -> Answer:
        return self.refusal(Refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded."))

    def answer(self, request: Request, body: str) -> dict[str, Any]:
        match = _GENERATE.fullmatch(request.path)
        caller = self._cloud.bearer(request)
        if caller is None:
            raise Refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.method != "POST" or not match:
            raise Refused(404, "NOT_FOUND", "Method not found.")
        if not caller.scopes & _IMPERSONATE:
            raise Refused(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")
        asked = json.loads(body)
        self._may_become(caller.principal, [*(d.rpartition("/")[2] for d in asked.get("delegates", [])), match["account"]])
        lifetime = int(asked.get("lifetime", "3600s").removesuffix("s"))
        if lifetime > 3600 or not set(asked.get("scope", [])) <= _SCOPES or not asked.get("scope"):
            raise Refused(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        token = self._cloud.issue(match["account"], set(asked["scope"]), min(lifetime, self._cloud.lifetime))
        return {"accessToken": token.value, "expireTime": token.expires.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _may_become(self, principal: str, chain: list[str]) -> None:
        for account_name in chain:
            if account_name not in self._cloud.accounts:
                raise Refused(404, "NOT_FOUND", f"Not found; Gaia id not found for email {account_name}")
            if principal not in self._cloud.creators.get(account_name, set()):
                raise Refused(403, "PERMISSION_DENIED", (
                    "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
                ))
            principal = account_name


class MetadataServer(_Api):
    """What a machine asks who it is. Plain HTTP, on the machine itself."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__("")
        self._cloud = cloud
        self.account: str | None = account("ci-pull")
        self.scopes = {_AUTH + "devstorage.read_only"}
        self.flavor = True

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        base = "/computeMetadata/v1/instance/service-accounts/default/"
        headers = [("Metadata-Flavor", "Google"), ("Server", "Metadata Server for VM")] if self.flavor else []
        if request.header("metadata-flavor") != "Google":
            return Answer(403, b"Missing Metadata-Flavor:Google header.\n", "text/html", headers)
        if self.account is None or request.method != "GET":
            return Answer(404, b"Not Found\n", "text/html", headers)
        if request.path == base + "email":
            return Answer(200, self.account.encode(), "application/text", headers)
        if request.path == base + "token":
            token = self._cloud.issue(self.account, self.scopes)
            return json_answer(200, {
                "access_token": token.value, "expires_in": self._cloud.lifetime, "token_type": "Bearer",
            }, headers)
        return Answer(404, b"Not Found\n", "text/html", headers)


class ArtifactRegistry(Service):
    """us-docker.pkg.dev: Basic `oauth2accesstoken` at its token endpoint, or at once; then its own bearer tokens."""

    def __init__(self, name: str, cloud: Cloud, socket: Path) -> None:
        super().__init__(name)
        self._cloud = cloud
        self._socket = socket

    async def respond(self, request: Request) -> Answer | Forward:
        if request.path == "/v2/token":
            return self._token(request)
        token = self._authenticate(request)
        if isinstance(token, Answer):
            return token
        match = _PATH.fullmatch(request.path)
        if not match:
            return Forward(self._socket, keep_authorization=False)
        reads = request.method in ("GET", "HEAD") and not match["rest"].startswith("uploads/")
        right = "downloadArtifacts" if reads else "uploadArtifacts"
        known = match["place"] == f"{PROJECT}/images"
        if not (known and token.scopes & (_READ if reads else _WRITE) and self._cloud.may(token.principal, right)):
            project, _, repository = match["place"].partition("/")
            return registry_error(403, "DENIED", (
                f'Permission "artifactregistry.repositories.{right}" denied on resource '
                f'"projects/{project}/locations/us/repositories/{repository}" (or it may not exist)'
            ))
        return Forward(self._socket, keep_authorization=False)

    def _token(self, request: Request) -> Answer:
        token = self._authenticate(request)
        if isinstance(token, Answer):
            return token
        # As opaque as Google's own: it stands for the one that was shown.
        return json_answer(200, {"token": token.value, "expires_in": 3600})

    def _authenticate(self, request: Request) -> Token | Answer:
        scheme, _, value = (request.header("authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, value = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user = ""
            if user != "oauth2accesstoken":
                value = ""
        token = self._cloud.find(value) if scheme else None
        if token is None:
            challenge = f'Bearer realm="https://{self.name}/v2/token",service="{self.name}"'
            said = "Unauthenticated request." if not scheme else "authentication failed"
            return registry_error(401, "UNAUTHORIZED", said, headers=[("Www-Authenticate", challenge)])
        return token


def make_cloud(clock: Clock, issuers: dict[str, Issuer]) -> Cloud:
    """The factory's project: `ci-pull` reads, `ci-push` writes too, `ci-none` may nothing; `deployer` reads and can be
    become by `ci-none`, by `relay`, and by the jobs of GitHub."""
    cloud = Cloud(clock)
    for name, rights in {
        "ci-pull": {"downloadArtifacts"}, "ci-push": {"downloadArtifacts", "uploadArtifacts"}, "ci-none": set(),
        "deployer": {"downloadArtifacts"}, "relay": set(),
    }.items():
        cloud.accounts.add(account(name))
        cloud.grants[account(name)] = frozenset(rights)
    cloud.grants["ada@acme.example"] = frozenset({"downloadArtifacts", "uploadArtifacts"})
    for name, issuer in issuers.items():
        cloud.providers[provider(name)] = Provider(issuer, [f"https://iam.googleapis.com/{provider(name)}"])
        cloud.grants[subject(SUBJECTS[issuer.url])] = frozenset({"downloadArtifacts"})
    cloud.providers[provider("x509")] = Provider(None, [])
    cloud.grants[subject("gateway-7")] = frozenset({"downloadArtifacts"})
    github = subject(SUBJECTS[issuers["github"].url])
    cloud.creators = {
        account("deployer"): {account("ci-none"), account("relay"), account("ci-pull"), github, "ada@acme.example"},
        account("relay"): {account("ci-none"), github},
    }
    return cloud


def subject(name: str) -> str:
    """The principal of somebody of the pool."""
    return f"principal://iam.googleapis.com/{_POOL}/subject/{name}"
