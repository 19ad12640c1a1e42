"""Where AWS hands out keys without a signature: the SSO portal, instance metadata, and the service of containers."""

import json
from datetime import timedelta

from .aws_identity import ACCOUNT
from .aws_roles import Roles, RoleSession, new_token
from .clock import Clock
from .http1 import Answer, Request, json_answer
from .service import Service

SSO_ROLE = "Pull"
SSO_START_URL = "https://acme.awsapps.com/start"
_SSO_ROLE_NAME = "AWSReservedSSO_Pull_0123456789abcdef"
_LIFE = 6 * 3600


def _text(status: int, body: str = "") -> Answer:
    return Answer(status, body.encode(), "text/plain")


def _metadata(session: RoleSession) -> dict[str, str]:
    return {
        "AccessKeyId": session.key.key_id, "SecretAccessKey": session.key.secret, "Token": session.key.token or "",
        "Expiration": session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class SsoPortal(Service):
    """GetRoleCredentials for the token of a login."""

    def __init__(self, name: str, roles: Roles, clock: Clock) -> None:
        super().__init__(name)
        self._roles = roles
        self._clock = clock
        self._tokens: dict[str, float] = {}

    def login(self, lifetime: int) -> tuple[str, str]:
        """What `aws sso login` gets: a token, and when it ends as its cache says it."""
        token = new_token()
        ends = self._clock.now() + timedelta(seconds=lifetime)
        self._tokens[token] = ends.timestamp()
        return token, ends.strftime("%Y-%m-%dT%H:%M:%SZ")

    def log_out(self) -> None:
        """Every token is invalid from now on, whatever its cache says."""
        self._tokens = dict.fromkeys(self._tokens, 0.0)

    def tokens(self) -> list[str]:
        return list(self._tokens)

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        query = dict(request.query)
        if request.method != "GET" or request.path != "/federation/credentials":
            return self._error(404, "UnknownOperationException", "")
        ends = self._tokens.get(request.header("x-amz-sso_bearer_token") or "")
        if ends is None or ends <= self._clock.now().timestamp():
            return self._error(401, "UnauthorizedException", "Session token not found or invalid")
        if query.get("account_id") != ACCOUNT:
            return self._error(404, "ResourceNotFoundException", "No such account")
        if query.get("role_name") != SSO_ROLE:
            return self._error(403, "ForbiddenException", "No access")
        session = self._roles.issue(self._roles.role(_SSO_ROLE_NAME), "somebody@example.com", 3600)
        return json_answer(200, {"roleCredentials": {
            "accessKeyId": session.key.key_id, "secretAccessKey": session.key.secret,
            "sessionToken": session.key.token, "expiration": int(session.expires.timestamp() * 1000),
        }})

    def failure(self, status: int) -> Answer:
        return self._error(status, "InternalServerException", "Service unavailable")

    def throttled(self) -> Answer:
        return self._error(429, "TooManyRequestsException", "Rate exceeded")

    @staticmethod
    def _error(status: int, code: str, message: str) -> Answer:
        return json_answer(status, {"message": message, "__type": code}, [("x-amzn-ErrorType", f"{code}:")])


class InstanceMetadata(Service):
    """IMDSv2: a session first, then the role, then its keys. Version 1 is off, as on new instances."""

    def __init__(self, roles: Roles) -> None:
        super().__init__("")
        self._roles = roles
        self._sessions: list[str] = []
        self._session: RoleSession | None = None
        # Told by control: an instance without a role.
        self.role: str | None = "instance"

    def tokens(self) -> list[str]:
        return list(self._sessions)

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        # What came over a proxy says so; the real service refuses it.
        if request.header("x-forwarded-for"):
            return _text(403)
        if request.path == "/latest/api/token":
            return self._open(request)
        if request.header("x-aws-ec2-metadata-token") not in self._sessions:
            return _text(401)
        base = "/latest/meta-data/iam/security-credentials/"
        if not self.role or not request.path.startswith(base):
            return _text(404)
        if request.path == base:
            return _text(200, self.role)
        if request.path != base + self.role:
            return _text(404)
        self._session = self._roles.issue(self._roles.role(self.role), "i-0123456789abcdef0", _LIFE)
        document = {"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC"}
        return _text(200, json.dumps({**document, **_metadata(self._session)}, indent=2))

    def _open(self, request: Request) -> Answer:
        seconds = request.header("x-aws-ec2-metadata-token-ttl-seconds") or ""
        if request.method != "PUT":
            return _text(405)
        if not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
            return _text(400)
        self._sessions.append(new_token())
        return _text(200, self._sessions[-1])


class ContainerCredentials(Service):
    """What ECS and EKS Pod Identity give to a container that shows its token."""

    PATH = "/v1/credentials"

    def __init__(self, roles: Roles) -> None:
        super().__init__("")
        self._roles = roles
        self.token = new_token()

    def renew(self) -> str:
        """The old token is worth nothing any more, as after a rotation."""
        self.token = new_token()
        return self.token

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        if request.method != "GET" or request.path != self.PATH:
            return json_answer(404, {"code": "ResourceNotFound", "message": "no such path"})
        if request.header("authorization") != self.token:
            return json_answer(403, {"code": "AccessDeniedException", "message": "the token is not right"})
        session = self._roles.issue(self._roles.role("task"), "0123456789abcdef", _LIFE)
        return json_answer(200, {"RoleArn": self._roles.role("task").arn, **_metadata(session)})
