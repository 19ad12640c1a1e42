"""OIDC issuers as CI systems have them, and the service that hands a GitHub job its token.

A cloud of the lab takes a token by `issuer.verify(token, audience)`, which proves signature, issuer, audience and times
with PyJWT, and then looks at the claims it has conditions for, `sub` most of all.
"""

import base64
import threading
import uuid
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from .clock import Clock
from .http1 import Answer, Request, json_answer
from .service import Service

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GITLAB_ISSUER = "https://gitlab.example.com"
CLUSTER_ISSUER = "https://oidc.eks.us-east-2.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
# Where GitHub's jobs ask. The path tells the job apart; it is no secret, the token beside it is.
GITHUB_TOKEN_HOST = "pipelines.actions.githubusercontent.com"
GITHUB_TOKEN_PATH = "/4c1e/idtoken/1/2?api-version=2.0"

# Whose job it is, unless a test says otherwise.
SUBJECTS = {
    GITHUB_ISSUER: "repo:acme/containers:ref:refs/heads/main",
    GITLAB_ISSUER: "project_path:acme/containers:ref_type:branch:ref:main",
    CLUSTER_ISSUER: "system:serviceaccount:ci:builder",
}
LIFETIME = 300


@dataclass
class TokenRefused(Exception):
    """Why a token is not believed: `malformed`, `signature`, `issuer`, `audience`, `expired`, `early` or `subject`."""

    problem: str
    message: str


class Issuer:
    """One issuer: it makes tokens with its RSA key, and proves those that are shown."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self._clock = clock
        self._lock = threading.Lock()
        self.issued_tokens: list[str] = []

    def mint(
        self, audience: str, *, subject: str | None = None, lifetime: int = LIFETIME, key: Any = None, **claims: Any
    ) -> str:
        """A token, by the lab's clock. A negative `lifetime` has ended; `key` signs in place of the issuer's own;
        `claims` replace or add, those that are None are left out."""
        now = int(self._clock.now().timestamp())
        content = {
            "jti": str(uuid.uuid4()), "iss": self.url, "sub": subject or SUBJECTS[self.url], "aud": audience,
            "iat": min(now, now + lifetime), "nbf": min(now, now + lifetime) - 5, "exp": now + lifetime, **claims,
        }
        token = jwt.encode(
            {name: value for name, value in content.items() if value is not None},
            key or self._key, "RS256", headers={"kid": self._key_id},
        )
        with self._lock:
            self.issued_tokens.append(token)
        return token

    def verify(self, token: str, audience: str | list[str], subject: str = "*") -> dict[str, Any]:
        """The claims of a token of this issuer for one of `audience`, whose subject is like `subject` (`*` and `?`);
        raises TokenRefused."""
        try:
            # PyJWT knows the machine's time only: times are compared here, by the lab's clock.
            claims: dict[str, Any] = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], audience=audience, issuer=self.url,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"],
                    "verify_exp": False, "verify_nbf": False, "verify_iat": False,
                },
            )
        except jwt.InvalidSignatureError as error:
            raise TokenRefused("signature", str(error)) from None
        except jwt.InvalidIssuerError as error:
            raise TokenRefused("issuer", str(error)) from None
        except jwt.InvalidAudienceError as error:
            raise TokenRefused("audience", str(error)) from None
        except jwt.InvalidTokenError as error:
            raise TokenRefused("malformed", str(error)) from None
        now = self._clock.now().timestamp()
        if claims["exp"] <= now:
            raise TokenRefused("expired", f"expired at {claims['exp']}, now {now:.0f}")
        if max(claims.get("nbf", 0), claims["iat"] - 60) > now:
            raise TokenRefused("early", "not yet valid")
        if not fnmatchcase(claims["sub"], subject):
            raise TokenRefused("subject", f"{claims['sub']} is not like {subject}")
        return claims

    def jwks(self) -> dict[str, Any]:
        """The public key, as an issuer publishes it (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()

        def text(number: int) -> str:
            raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
            return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

        return {"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._key_id,
            "n": text(numbers.n), "e": text(numbers.e),
        }]}

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        # Made when first needed: most tests need none.
        return rsa.generate_private_key(65537, 2048)

    @property
    def _key_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.url))


def issuer_of(token: str, issuers: dict[str, Issuer]) -> Issuer:
    """Which of the lab's issuers a token says it is of; raises TokenRefused. Nothing is proved."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise TokenRefused("malformed", str(error)) from None
    for issuer in issuers.values():
        if issuer.url == claims.get("iss"):
            return issuer
    raise TokenRefused("issuer", f"no such issuer: {claims.get('iss')}")


class GithubTokenService(Service):
    """`GET …&audience=A` with `Bearer <request token>` gives `{"value": JWT}` to a job that has `id-token: write`."""

    def __init__(self, name: str, issuer: Issuer, request_token: str) -> None:
        super().__init__(name)
        self._issuer = issuer
        self._request_token = request_token
        # Told by control: the job ended, or never had the permission.
        self.permitted = True

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        if request.method != "GET" or request.path != GITHUB_TOKEN_PATH.partition("?")[0]:
            return json_answer(404, {"message": "Not Found"})
        if not self.permitted:
            return json_answer(403, {"message": "Resource not accessible by integration"})
        if request.header("authorization") != f"Bearer {self._request_token}":
            return json_answer(401, {"message": "Unauthorized"})
        # Without an audience GitHub takes the URL of the repository's owner.
        audience = dict(request.query).get("audience", "https://github.com/acme")
        value = self._issuer.mint(audience, repository="acme/containers", ref="refs/heads/main", actor="octocat")
        return json_answer(200, {"count": len(value), "value": value})

    def failure(self, status: int) -> Answer:
        return json_answer(status, {"message": "Service unavailable"})

    def throttled(self) -> Answer:
        return json_answer(429, {"message": "Too many requests"})
