"""The secrets of one lab: made at random at each start, kept in memory and in private files."""

import secrets
import string
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .files import write_private

# Whatever could trip a parser: separators, quotes, escapes, a space. ASCII only.
_ODD = ':"\\ %\'$&#='


@dataclass(frozen=True)
class Login:
    user: str
    password: str

    def __str__(self) -> str:
        return f"{self.user}:{self.password}"


@dataclass(frozen=True)
class AwsKey:
    key_id: str
    secret: str
    user: str
    token: str | None = None


def _word(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _odd_password() -> str:
    return _word(8) + _ODD + _word(12)


def new_aws_key(user: str, token: bool = False) -> AwsKey:
    prefix = "ASIA" if token else "AKIA"
    alphabet = string.ascii_uppercase + "234567"
    key_id = prefix + "".join(secrets.choice(alphabet) for _ in range(16))
    # Real ones are base64 of 30 bytes, so `/` and `+` do occur.
    secret = _word(18) + "/+" + _word(20)
    return AwsKey(key_id, secret, user, _word(400) + "/+==" if token else None)


@dataclass
class Credentials:
    """Everybody who may enter the lab, and as what."""

    hub: Login = field(default_factory=lambda: Login("factory", _word(32)))
    generic: Login = field(default_factory=lambda: Login("robot$ci", _odd_password()))
    tls: Login = field(default_factory=lambda: Login("bench", _word(24)))
    azure_pull: Login = field(default_factory=lambda: Login(str(uuid.uuid4()), _word(3) + "8Q~" + _word(34)))
    azure_push: Login = field(default_factory=lambda: Login(str(uuid.uuid4()), _word(3) + "8Q~" + _word(34)))
    azure_token: Login = field(default_factory=lambda: Login("ci-token", _word(52)))
    # A managed identity, and the header that an app shows to get it.
    azure_managed: str = field(default_factory=lambda: str(uuid.uuid4()))
    azure_identity_header: str = field(default_factory=lambda: _word(32))
    aws_default: AwsKey = field(default_factory=lambda: new_aws_key("ci-pull"))
    aws_ci: AwsKey = field(default_factory=lambda: new_aws_key("ci-pull"))
    aws_session: AwsKey = field(default_factory=lambda: new_aws_key("ci-pull", token=True))
    aws_push: AwsKey = field(default_factory=lambda: new_aws_key("ci-push"))
    aws_denied: AwsKey = field(default_factory=lambda: new_aws_key("ci-denied"))
    # What a GitHub job shows to get an OIDC token (ACTIONS_ID_TOKEN_REQUEST_TOKEN).
    github_request_token: str = field(default_factory=lambda: _word(120))
    proxy: Login | None = None

    def add_proxy(self) -> None:
        self.proxy = Login("ci", _word(24))

    def aws_keys(self) -> dict[str, AwsKey]:
        """By profile name in aws_credentials."""
        return {
            "default": self.aws_default, "ci": self.aws_ci, "session": self.aws_session,
            "push": self.aws_push, "denied": self.aws_denied,
        }

    def logins(self) -> dict[str, Login]:
        named = {
            "hub": self.hub, "generic": self.generic, "tls": self.tls,
            "azure_pull": self.azure_pull, "azure_push": self.azure_push, "azure_token": self.azure_token,
        }
        return named if self.proxy is None else {**named, "proxy": self.proxy}

    def secrets(self) -> dict[str, str]:
        """Every value that must never turn up in an output, by a name for messages."""
        values = {f"{name}_password": login.password for name, login in self.logins().items()}
        values["azure_identity_header"] = self.azure_identity_header
        values["github_request_token"] = self.github_request_token
        for profile, key in self.aws_keys().items():
            values[f"aws_{profile}_secret"] = key.secret
            if key.token:
                values[f"aws_{profile}_token"] = key.token
        return values

    def write(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        sections = []
        for profile, key in self.aws_keys().items():
            lines = [
                f"[{profile}]",
                f"aws_access_key_id = {key.key_id}",
                f"aws_secret_access_key = {key.secret}",
            ]
            if key.token:
                lines.append(f"aws_session_token = {key.token}")
            sections.append("\n".join(lines) + "\n")
        write_private(directory / "aws_credentials", "\n".join(sections))
        write_private(directory / "azprincipal", str(self.azure_pull))
        write_private(directory / "azprincipal_push", str(self.azure_push))
        write_private(directory / "aztoken", str(self.azure_token))
        write_private(directory / "ghcr_creds", str(self.generic))
        write_private(directory / "hub_creds", str(self.hub))
        write_private(directory / "tls_creds", str(self.tls))
        if self.proxy:
            write_private(directory / "proxy_creds", str(self.proxy))
