"""Roles of the lab's AWS: whom they trust, and the sessions that STS, SSO and metadata services hand out for them."""

import re
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from . import iam
from .aws_identity import ACCOUNT, PULL_ACTIONS, Identities, Identity
from .clock import Clock
from .credentials import new_aws_key
from .oidc import Issuer, TokenRefused, issuer_of

AUDIENCE = "sts.amazonaws.com"
EXTERNAL_ID = "acme/42"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ROLE_ARN = re.compile(r"arn:aws:iam::(\d{12}):role/([\w+=,.@/-]+)", re.ASCII)
LEAST, USUAL, MOST_CHAINED = 900, 3600, 3600
IOT, ROLES_ANYWHERE = "credentials.iot.amazonaws.com", "rolesanywhere.amazonaws.com"


@dataclass
class Role:
    name: str
    actions: frozenset[str] = PULL_ACTIONS
    users: tuple[str, ...] = ()        # of this account who may assume it
    roles: tuple[str, ...] = ()        # whose sessions may
    external_id: str | None = None
    issuer: str | None = None          # the URL of an OIDC provider that the account has
    subject: str = "*"                 # what `sub` must be like
    longest: int = 3600                # MaxSessionDuration
    services: tuple[str, ...] = ()     # principals of AWS's own that may assume it
    # In place of `actions` and `services`, once some were given by control.
    policies: list[iam.Document] | None = None
    trust: iam.Document | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name}"


@dataclass
class RoleSession(Identity):
    """Temporary keys of a role."""

    role: str = ""
    session_name: str = ""

    @property
    def expires(self) -> datetime:
        assert self.ends
        return self.ends

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role}/{self.session_name}"


@dataclass
class StsRefused(Exception):
    """An error of STS: its status, code and message."""

    status: int
    code: str
    message: str


class Roles:
    def __init__(self, identities: Identities, issuers: dict[str, Issuer], clock: Clock) -> None:
        self._identities = identities
        self._issuers = issuers
        self._clock = clock
        self._lock = threading.Lock()
        self.sessions: list[RoleSession] = []
        github, gitlab, cluster = (issuers[name].url for name in ("github", "gitlab", "cluster"))
        roles = [
            Role("ci-pull", users=("ci-pull",)),
            Role("ci-none", frozenset(), users=("ci-pull",)),
            Role("ci-hop", frozenset(), users=("ci-pull",)),
            Role("ci-behind", roles=("ci-hop",), longest=43200),
            Role("ci-partner", users=("ci-pull",), external_id=EXTERNAL_ID),
            Role("ci-github", issuer=github, subject="repo:acme/containers:*"),
            Role("ci-gitlab", issuer=gitlab, subject="project_path:acme/containers:*"),
            Role("ci-cluster", issuer=cluster, subject="system:serviceaccount:ci:builder"),
            Role("instance"), Role("task"), Role("AWSReservedSSO_Pull_0123456789abcdef"),
            Role("device-pull", services=(IOT, ROLES_ANYWHERE)),
            Role("device-none", frozenset(), services=(IOT, ROLES_ANYWHERE)),
            Role("device-iot", services=(IOT,), longest=43200),
            Role("device-anywhere", services=(ROLES_ANYWHERE,), longest=43200),
            Role("device-untrusted"),
        ]
        self._roles = {role.name: role for role in roles}

    def role(self, name: str) -> Role:
        return self._roles[name]

    def assume(
        self, caller: Identity, arn: str, session_name: str, duration: str | None, external_id: str | None
    ) -> RoleSession:
        role = self._find(arn)
        chained = isinstance(caller, RoleSession)
        trusted = role and (
            caller.role in role.roles if isinstance(caller, RoleSession) else caller.key.user in role.users
        )
        if not role or not trusted or role.external_id not in (None, external_id):
            raise StsRefused(403, "AccessDenied", (
                f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            ))
        return self.issue(role, session_name, self._seconds(role, session_name, duration, chained))

    def assume_with_web_identity(
        self, token: str, arn: str, session_name: str, duration: str | None
    ) -> RoleSession:
        if not 4 <= len(token) <= 20000:
            raise StsRefused(400, "ValidationError", "1 validation error detected: Value at 'webIdentityToken'")
        role = self._find(arn)
        try:
            issuer = issuer_of(token, self._issuers)
            issuer.verify(token, AUDIENCE, role.subject if role and role.issuer == issuer.url else "*")
        except TokenRefused as refused:
            raise _refusal(refused) from None
        if not role or role.issuer != issuer.url:
            raise StsRefused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        return self.issue(role, session_name, self._seconds(role, session_name, duration, chained=False))

    def assume_for_service(
        self, service: str, name: str, session_name: str, seconds: int, context: dict[str, str] | None = None
    ) -> RoleSession:
        """What a service of AWS's does on behalf of who proved itself there. `context` are values that the role's trust
        may ask for, by their keys."""
        role = self._roles.get(name)
        if not role or not self._trusts(role, service, context or {}):
            raise StsRefused(403, "AccessDenied", f"{service} is not authorized to perform: sts:AssumeRole on resource: {name}")
        return self.issue(role, session_name, self._seconds(role, session_name, str(seconds), chained=False))

    @staticmethod
    def _trusts(role: Role, service: str, context: dict[str, str]) -> bool:
        if role.trust is None:
            return service in role.services
        actions = ["sts:AssumeRole"]
        if service == ROLES_ANYWHERE:
            # "Trust model in IAM Roles Anywhere": all three are needed.
            actions += ["sts:TagSession", "sts:SetSourceIdentity"]
        return all(iam.trusts(role.trust, service, action, context) for action in actions)

    def restore(self) -> None:
        for role in self._roles.values():
            role.policies = role.trust = None

    def issue(self, role: Role, session_name: str, seconds: int) -> RoleSession:
        session = RoleSession(
            new_aws_key(role.name, token=True), role.actions, role=role.name, session_name=session_name,
            ends=self._clock.now() + timedelta(seconds=seconds), policies=role.policies,
        )
        with self._lock:
            self.sessions.append(session)
        self._identities.add_session(session)
        return session

    def expire_sessions(self) -> None:
        with self._lock:
            for session in self.sessions:
                session.expired = True

    def secret_values(self) -> list[str]:
        with self._lock:
            return [value for s in self.sessions for value in (s.key.secret, s.key.token or "")]

    def _find(self, arn: str) -> Role | None:
        match = _ROLE_ARN.fullmatch(arn)
        if not match:
            raise StsRefused(400, "ValidationError", f"{arn} is invalid")
        return self._roles.get(match[2]) if match[1] == ACCOUNT else None

    @staticmethod
    def _seconds(role: Role, session_name: str, duration: str | None, chained: bool) -> int:
        if not _SESSION_NAME.fullmatch(session_name):
            raise StsRefused(400, "ValidationError", (
                f"1 validation error detected: Value '{session_name}' at 'roleSessionName' failed to satisfy constraint"
            ))
        seconds = int(duration) if duration else min(USUAL, role.longest)
        if not LEAST <= seconds <= 43200:
            raise StsRefused(400, "ValidationError", "1 validation error detected: Value at 'durationSeconds'")
        if chained and seconds > MOST_CHAINED:
            raise StsRefused(400, "ValidationError", (
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            ))
        if seconds > role.longest:
            raise StsRefused(
                400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            )
        return seconds


def _refusal(refused: TokenRefused) -> StsRefused:
    match refused.problem:
        case "expired":
            return StsRefused(400, "ExpiredTokenException", f"Token expired: {refused.message}")
        case "audience":
            return StsRefused(400, "InvalidIdentityToken", "Incorrect token audience")
        case "issuer":
            return StsRefused(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account")
        case "subject":
            return StsRefused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    return StsRefused(400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT, or its signature is wrong")


def new_token() -> str:
    return secrets.token_urlsafe(60)
