"""Microsoft Entra ID: applications, the login services of three clouds, and the managed identity of a machine.

An access token is a JWT of the directory's own key. A registry of the lab takes it by `Directory.read()`, which proves
signature, audience, tenant and times.
"""

import base64
import datetime
import hmac
import threading
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from .clock import Clock
from .http1 import Answer, Request, json_answer
from .oidc import Issuer, TokenRefused, issuer_of
from .service import Service

TENANT = "5f1a7d2e-90c4-4b7e-8a35-1d6a3b0c9e77"
DOMAIN = "acme.onmicrosoft.com"
OTHER_TENANT = "0d9be1c6-3c53-4f0a-b1d9-7c2f5e884a10"
_LIFETIME = 3599
# How far an assertion's times may be from ours.
_SKEW = 300
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Cloud:
    login: str
    resources: tuple[str, ...]
    exchange_audience: str


PUBLIC = Cloud(
    "login.microsoftonline.com", ("https://containerregistry.azure.net", "https://management.azure.com"),
    "api://AzureADTokenExchange",
)
US_GOVERNMENT = Cloud(
    "login.microsoftonline.us", ("https://management.usgovcloudapi.net",), "api://AzureADTokenExchangeUSGov",
)
CHINA = Cloud(
    "login.partner.microsoftonline.cn", ("https://management.chinacloudapi.cn",), "api://AzureADTokenExchangeChina",
)


@dataclass
class Application:
    client_id: str
    secret: str | None = None
    secret_expired: bool = False
    enabled: bool = True
    service_principal: bool = True
    certificates: list[x509.Certificate] = field(default_factory=list)
    # (issuer's URL, subject) of federated credentials.
    trusts: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Refused(Exception):
    """An error in Entra's own terms."""

    code: int
    error: str
    message: str


class Directory:
    """The tenant's applications, and the key that signs access tokens."""

    def __init__(self, clock: Clock, issuers: dict[str, Issuer]) -> None:
        self.clock = clock
        self.issuers = issuers
        self.applications: dict[str, Application] = {}
        self.issued: list[str] = []
        # Told by control: what access tokens say in place of the truth, or with another key.
        self.lifetime = _LIFETIME
        self.claims: dict[str, Any] = {}
        self.forge = False
        self._used_ids: set[str] = set()
        self._lock = threading.Lock()

    def add(self, application: Application) -> Application:
        self.applications[application.client_id] = application
        return application

    def restore(self) -> None:
        self.lifetime, self.claims, self.forge = _LIFETIME, {}, False
        for application in self.applications.values():
            application.secret_expired = False
            application.enabled = application.service_principal = True
            application.certificates.clear()

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    def keep(self, secret: str) -> str:
        with self._lock:
            self.issued.append(secret)
        return secret

    def token(self, client_id: str, audience: str) -> str:
        now = self.now()
        content = {
            "aud": audience, "iss": f"https://sts.windows.net/{TENANT}/", "tid": TENANT, "appid": client_id,
            "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, client_id)), "iat": now, "nbf": now, "exp": now + self.lifetime,
            "ver": "1.0", **self.claims,
        }
        key = rsa.generate_private_key(65537, 2048) if self.forge else self._key
        return self.keep(jwt.encode(content, key, "RS256", headers={"kid": "lab"}))

    def read(self, token: str, audiences: tuple[str, ...], tenant: str) -> dict[str, Any]:
        """The claims of an access token; raises TokenRefused."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], audience=list(audiences),
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp", "tid", "appid"]},
            )
        except jwt.InvalidSignatureError as error:
            raise TokenRefused("signature", str(error)) from None
        except jwt.InvalidAudienceError as error:
            raise TokenRefused("audience", str(error)) from None
        except jwt.InvalidTokenError as error:
            raise TokenRefused("malformed", str(error)) from None
        if claims["tid"] != tenant:
            raise TokenRefused("tenant", f"a token of tenant {claims['tid']}")
        if claims["exp"] <= self.now():
            raise TokenRefused("expired", "the token has expired")
        return claims

    def certificate(
        self, client_id: str, days: float = 365, begins: float = -1, register: bool = True, key: Any = None
    ) -> str:
        """PEM of a key and its certificate, which the application knows if `register`."""
        key = key or rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pratique")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins))
            .not_valid_after(now + datetime.timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        if register:
            self.applications[client_id].certificates.append(certificate)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        # Any line of it would be a leak; one from the middle stands for all.
        self.keep(private.splitlines()[2])
        return private + certificate.public_bytes(Encoding.PEM).decode()

    def authenticate(self, form: dict[str, str], cloud: Cloud, url: str) -> Application:
        client_id = form.get("client_id", "")
        application = self.applications.get(client_id)
        if application is None:
            raise Refused(700016, "unauthorized_client", f"Application with identifier '{client_id}' was not found in the directory 'Acme'.")
        if not application.service_principal:
            raise Refused(7000229, "unauthorized_client", f"The client application {client_id} is missing service principal in the tenant {TENANT}.")
        if not application.enabled:
            raise Refused(7000112, "unauthorized_client", f"Application '{client_id}'(pratique) is disabled.")
        if "client_secret" in form:
            self._secret(application, form["client_secret"])
        elif form.get("client_assertion_type") == _JWT_BEARER:
            self._assertion(application, form.get("client_assertion", ""), cloud, url)
        else:
            raise Refused(7000218, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
        return application

    @staticmethod
    def _secret(application: Application, secret: str) -> None:
        if not hmac.compare_digest(application.secret or "", secret):
            raise Refused(7000215, "invalid_client", f"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{application.client_id}'.")
        if application.secret_expired:
            raise Refused(7000222, "invalid_client", f"The provided client secret keys for app '{application.client_id}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.")

    def _assertion(self, application: Application, assertion: str, cloud: Cloud, url: str) -> None:
        try:
            header = jwt.get_unverified_header(assertion)
        except jwt.InvalidTokenError:
            raise Refused(50027, "invalid_client", "JWT token is invalid or malformed.") from None
        if "x5t#S256" in header:
            self._certified(application, assertion, header["x5t#S256"], hashes.SHA256(), url)
        elif "x5t" in header:
            self._certified(application, assertion, header["x5t"], hashes.SHA1(), url)
        else:
            self._federated(application, assertion, cloud)

    def _certified(
        self, application: Application, assertion: str, thumbprint: str, hash_of_it: hashes.HashAlgorithm, url: str
    ) -> None:
        for certificate in application.certificates:
            digest = base64.urlsafe_b64encode(certificate.fingerprint(hash_of_it)).decode()
            # Microsoft's own msal leaves the `=` at the end.
            if digest.rstrip("=") == thumbprint.rstrip("="):
                break
        else:
            raise Refused(700027, "invalid_client", "The certificate with identifier used to sign the client assertion is not registered on application.")
        if certificate.not_valid_after <= self.clock.now().replace(tzinfo=None):
            raise Refused(700027, "invalid_client", "Client assertion contains an invalid signature. [Reason - The key used is expired.]")
        # microsoft-identity-web#3467: there is no algorithm with elliptic curves.
        algorithm = jwt.get_unverified_header(assertion)["alg"]
        if algorithm not in _ALGORITHMS:
            raise Refused(5002738, "invalid_client", f"Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported signing algorithms are: '{', '.join(_ALGORITHMS)}'.")
        try:
            claims = jwt.decode(
                assertion, certificate.public_key(), algorithms=list(_ALGORITHMS), audience=url,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["iss", "sub", "aud", "jti", "exp"]},
            )
        except jwt.InvalidAudienceError:
            raise Refused(700023, "invalid_client", "Client assertion audience claim does not match Realm issuer.") from None
        except jwt.InvalidTokenError as error:
            raise Refused(700027, "invalid_client", f"Client assertion failed signature validation: {error}") from None
        if claims["iss"] != application.client_id or claims["sub"] != application.client_id:
            raise Refused(700021, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter.")
        now = self.now()
        begins = claims.get("nbf", claims.get("iat", now))
        if not begins - _SKEW <= now < claims["exp"] + _SKEW or claims["exp"] - begins > 24 * 3600:
            raise Refused(700024, "invalid_client", "Client assertion is not within its valid time range.")
        if claims["jti"] in self._used_ids:
            raise Refused(50027, "invalid_client", "The assertion was used before.")
        self._used_ids.add(claims["jti"])

    def _federated(self, application: Application, token: str, cloud: Cloud) -> None:
        try:
            issuer = issuer_of(token, self.issuers)
            if not any(url == issuer.url for url, _ in application.trusts):
                raise TokenRefused("issuer", issuer.url)
            claims = issuer.verify(token, cloud.exchange_audience)
        except TokenRefused as refused:
            code, words = {
                "issuer": (700211, "No matching federated identity record found for presented assertion issuer"),
                "audience": (700212, "No matching federated identity record found for presented assertion audience"),
                "expired": (700024, "Client assertion is not within its valid time range"),
                "early": (700024, "Client assertion is not within its valid time range"),
                "signature": (50013, "Assertion failed signature validation"),
            }.get(refused.problem, (50027, "JWT token is invalid or malformed"))
            raise Refused(code, "invalid_client", f"{words}.") from None
        if (issuer.url, claims["sub"]) not in application.trusts:
            raise Refused(700213, "invalid_client", f"No matching federated identity record found for presented assertion subject '{claims['sub']}'.")

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)


class LoginService(Service):
    """`POST /TENANT/oauth2/v2.0/token` of one cloud, for the client credentials grant; and the document that Microsoft's own
    clients look that address up in."""

    def __init__(self, cloud: Cloud, directory: Directory) -> None:
        super().__init__(cloud.login)
        self._cloud = cloud
        self._directory = directory

    async def respond(self, request: Request) -> Answer:
        form = dict(parse_qsl((await request.body.read()).decode("latin-1"), keep_blank_values=True))
        tenant, _, rest = request.path.removeprefix("/").partition("/")
        try:
            match request.method, rest:
                case "POST", "oauth2/v2.0/token":
                    return self._answer(tenant, form, f"https://{self.name}{request.path}")
                case "GET", "v2.0/.well-known/openid-configuration":
                    return self._configuration(tenant)
                case "GET", "discovery/instance" if tenant == "common":
                    return self._instances()
        except Refused as refused:
            return self._error(refused)
        return Answer(404, b"<html>404</html>", "text/html")

    def _configuration(self, tenant: str) -> Answer:
        """Whatever name of the tenant was asked with stands in the addresses."""
        if tenant not in (TENANT, DOMAIN):
            raise Refused(90002, "invalid_tenant", f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.")
        base = f"https://{self.name}/{tenant}"
        return json_answer(200, {
            "token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "issuer": f"https://{self.name}/{TENANT}/v2.0", "jwks_uri": f"{base}/discovery/v2.0/keys",
        })

    def _instances(self) -> Answer:
        """Which hosts are the same cloud: this one alone. It is asked for when something went wrong."""
        return json_answer(200, {
            "tenant_discovery_endpoint": f"https://{self.name}/common/.well-known/openid-configuration", "api-version": "1.1",
            "metadata": [{"preferred_network": self.name, "preferred_cache": self.name, "aliases": [self.name]}],
        })

    def _answer(self, tenant: str, form: dict[str, str], url: str) -> Answer:
        if tenant not in (TENANT, DOMAIN):
            raise Refused(90002, "invalid_request", f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.")
        if form.get("grant_type") != "client_credentials":
            raise Refused(70003, "unsupported_grant_type", "The app requested an unsupported grant type.")
        application = self._directory.authenticate(form, self._cloud, url)
        resource, dot, default = form.get("scope", "").rpartition("/")
        if default != ".default" or not dot:
            raise Refused(1002012, "invalid_scope", "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.")
        if resource not in self._cloud.resources:
            raise Refused(500011, "invalid_resource", f"The resource principal named {resource} was not found in the tenant named Acme.")
        token = self._directory.token(application.client_id, resource)
        lifetime = self._directory.lifetime
        return json_answer(200, {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token})

    def _error(self, refused: Refused) -> Answer:
        trace, correlation = uuid.uuid4(), uuid.uuid4()
        stamp = self._directory.clock.now().strftime("%Y-%m-%d %H:%M:%SZ")
        description = (
            f"AADSTS{refused.code}: {refused.message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        )
        return json_answer(401 if refused.error in ("invalid_client",) else 400, {
            "error": refused.error, "error_description": description, "error_codes": [refused.code], "timestamp": stamp,
            "trace_id": str(trace), "correlation_id": str(correlation),
            "error_uri": f"https://{self.name}/error?code={refused.code}",
        })

    def failure(self, status: int) -> Answer:
        return self._transient(status)

    def throttled(self) -> Answer:
        return self._transient(429)

    def _transient(self, status: int) -> Answer:
        answer = self._error(Refused(90033, "temporarily_unavailable", "A transient error has occurred. Please try again."))
        answer.status = status
        return answer


class ManagedIdentity(Service):
    """Two neighbours of a machine in one: the instance metadata service of a virtual machine, and the endpoint of App
    Service, which wants a header that only the app knows. Plain HTTP on loopback."""

    def __init__(self, directory: Directory, resources: tuple[str, ...], client_id: str, header: str) -> None:
        super().__init__("managed identity")
        self._directory = directory
        self._resources = resources
        self._client_id = client_id
        self._header = header
        # Told by control.
        self.assigned = True

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        query = dict(request.query)
        if request.path == "/metadata/identity/oauth2/token":
            if request.header("metadata") != "true" or request.header("x-forwarded-for"):
                return self._refuse(400, "invalid_request", "Required metadata header not specified")
            if query.get("api-version") != "2018-02-01":
                return self._refuse(400, "invalid_request", "api-version is not supported")
        elif request.path == "/msi/token":
            if request.header("x-identity-header") != self._header or query.get("api-version") != "2019-08-01":
                return json_answer(401, {"statusCode": 401, "message": "Unauthorized"})
        else:
            return self._refuse(404, "not_found", "no such path")
        if not self.assigned or query.get("client_id", self._client_id) != self._client_id:
            return self._refuse(400, "invalid_request", "Identity not found")
        if query.get("resource") not in self._resources:
            return self._refuse(400, "invalid_resource", f"AADSTS500011: The resource principal named {query.get('resource')} was not found in the tenant.")
        token = self._directory.token(self._client_id, query["resource"])
        # All numbers are texts, as there.
        ends = str(self._directory.now() + self._directory.lifetime)
        answer = {
            "access_token": token, "client_id": self._client_id, "expires_on": ends, "resource": query["resource"],
            "token_type": "Bearer",
        }
        if request.path != "/msi/token":
            answer |= {"expires_in": str(self._directory.lifetime), "ext_expires_in": "86399", "not_before": "0"}
        return json_answer(200, answer)

    @staticmethod
    def _refuse(status: int, error: str, description: str) -> Answer:
        return json_answer(status, {"error": error, "error_description": description})

    def failure(self, status: int) -> Answer:
        return self._refuse(status, "unknown", "Failed to retrieve token from the Active directory.")

    def throttled(self) -> Answer:
        return self._refuse(429, "too_many_requests", "Too many requests")
