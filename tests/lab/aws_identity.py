"""Who may call the lab's AWS: identities, what they may do, and the ECR passwords they were given."""

import base64
import json
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from . import iam
from .clock import Clock
from .credentials import AwsKey

ACCOUNT = "123456789012"
REGION = "us-east-2"
PASSWORD_LIFETIME = timedelta(hours=12)

PULL_ACTIONS = frozenset({
    "ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
    "ecr:BatchCheckLayerAvailability",
})
GALLERY_ACTIONS = frozenset({"ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"})
PUSH_ACTIONS = PULL_ACTIONS | {
    "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
}


@dataclass
class Identity:
    key: AwsKey
    actions: frozenset[str]
    expired: bool = False
    ends: datetime | None = None  # of temporary keys
    # In place of `actions`, once some were attached.
    policies: list[iam.Document] | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/{self.key.user}"

    def may(self, action: str, resource: str) -> bool:
        if self.policies is None:
            return action in self.actions
        return iam.allows(self.policies, action, resource)


@dataclass
class IssuedPassword:
    password: str
    identity: Identity
    expires: datetime
    region: str


class Identities:
    def __init__(self, keys: dict[str, AwsKey], clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._issued: dict[str, IssuedPassword] = {}
        self._sessions: dict[str, Identity] = {}
        # (action, repository), told by control; `*` stands for every repository.
        self._denied: set[tuple[str, str]] = set()
        rights = {"push": PUSH_ACTIONS, "denied": frozenset[str]()}
        self._identities = {
            profile: Identity(key, rights.get(profile, PULL_ACTIONS | GALLERY_ACTIONS)) for profile, key in keys.items()
        }

    def find(self, key_id: str) -> Identity | None:
        known = [*self._identities.values(), *self._sessions.values()]
        return next((i for i in known if i.key.key_id == key_id), None)

    def add_session(self, session: Identity) -> None:
        """Temporary keys, which sign like any others."""
        self._sessions[session.key.key_id] = session

    def profile(self, name: str) -> Identity:
        return self._identities[name]

    def deny(self, action: str, repository: str = "*") -> None:
        self._denied.add((action, repository))

    def allow_all(self) -> None:
        self._denied.clear()
        for identity in self._identities.values():
            identity.policies = None

    def attach(self, profile: str, policies: list[iam.Document]) -> None:
        """From now on these alone say what `profile` may do."""
        self.profile(profile).policies = [iam.check(policy) for policy in policies]

    def refusal(self, identity: Identity, action: str, repository: str | None = None) -> str | None:
        """IAM's sentence if `identity` may not do this, else None."""
        denied = {(action, "*"), (action, repository)} & self._denied
        resource = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}" if repository else "*"
        if identity.may(action, resource) and not denied:
            return None
        return (
            f"User: {identity.arn} is not authorized to perform: {action} on resource: {resource} "
            f"because no identity-based policy allows the {action} action"
        )

    def issue(self, identity: Identity, region: str = REGION) -> IssuedPassword:
        """A password as ECR makes them, good in one region: base64 of JSON, about 2 KB long."""
        expires = self._clock.now() + PASSWORD_LIFETIME
        content = {
            "payload": base64.b64encode(secrets.token_bytes(1200)).decode(),
            "datakey": base64.b64encode(secrets.token_bytes(180)).decode(),
            "version": "2",
            "type": "DATA_KEY",
            "expiration": int(expires.timestamp()),
        }
        password = base64.b64encode(json.dumps(content).encode()).decode()
        issued = IssuedPassword(password, identity, expires, region)
        with self._lock:
            self._issued[password] = issued
        return issued

    def issued(self, password: str) -> IssuedPassword | None:
        return self._issued.get(password)

    def issued_passwords(self) -> list[str]:
        with self._lock:
            return list(self._issued)

    def is_expired(self, issued: IssuedPassword) -> bool:
        return issued.expires <= self._clock.now()

    def expire_passwords(self) -> None:
        with self._lock:
            for issued in self._issued.values():
                issued.expires = self._clock.now()
