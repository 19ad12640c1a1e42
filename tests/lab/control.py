"""Switches of a running lab: methods of Lab, and the same ones by HTTP for shells."""

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .acr_rights import Rights
from .aws_cloud import AwsCloud
from .aws_identity import Identities
from .clock import Clock
from .credentials import Credentials, Login
from .device_lab import DeviceControls
from .devices import Device
from .ecr_api import EcrApi
from .ecr_registry import EcrRegistry
from .entra import Directory, ManagedIdentity
from .faults import FaultBook
from .google import LIFETIME, MetadataServer, account, provider
from .http1 import BadMessage, Body, format_head, read_head, reason
from .journal import Journal
from .oidc import GithubTokenService, Issuer
from .softhsm import Token
from .token_server import AzureRegistry


class Controls(DeviceControls):
    """What a test may change while the lab runs. Every public method can be called by HTTP too."""

    clock: Clock
    credentials: Credentials
    faults: FaultBook
    identities: Identities
    request_log: Journal
    connect_log: Journal
    aws: AwsCloud
    ecr_api: EcrApi
    ecr: EcrRegistry
    azure: AzureRegistry
    azure_registries: dict[str, AzureRegistry]
    directory_service: Directory
    managed_identity: ManagedIdentity
    github: GithubTokenService
    google_metadata: MetadataServer
    issuers: dict[str, Issuer]
    _set_login: Callable[[str, Login], None]

    # Faults. `count` is the number of requests that suffer; `method` and `path` (a text that
    # the target contains) narrow the choice.

    def fault(self, host: str, kind: str, **options: Any) -> None:
        self.faults.order(host, kind, **options)

    def throttle(self, host: str, count: int = 1, retry_after: str | int | None = None, **options: Any) -> None:
        """The service's own throttling answer, with Retry-After when given."""
        self.faults.order(host, "throttle", count=count, retry_after=retry_after, **options)

    def unavailable(self, host: str, count: int = 1, status: int = 503, **options: Any) -> None:
        self.faults.order(host, "status", count=count, status=status, **options)

    def html(self, host: str, count: int = 1, **options: Any) -> None:
        """200 and a page of HTML."""
        self.faults.order(host, "html", count=count, **options)

    def stall(self, host: str, seconds: float, count: int = 1, middle: bool = False, **options: Any) -> None:
        """Wait before the answer, or in the middle of its body."""
        self.faults.order(host, "stall_middle" if middle else "stall", seconds=seconds, count=count, **options)

    def cut(self, host: str, after: int | None = None, count: int = 1, **options: Any) -> None:
        """Close the connection after so many bytes of the body; half of it unless told."""
        self.faults.order(host, "cut", after=after, count=count, **options)

    def wrong_digest(self, host: str, count: int = 1, **options: Any) -> None:
        self.faults.order(host, "wrong_digest", count=count, **options)

    def corrupt(self, host: str, count: int = 1, **options: Any) -> None:
        """Flip a bit in the first byte of the body."""
        self.faults.order(host, "corrupt", count=count, **options)

    def proxy_refuse(self, host: str, status: int = 502, count: int = 1) -> None:
        self.faults.order(host, "proxy_refuse", status=status, count=count)

    def proxy_stall(self, host: str, seconds: float, count: int = 1) -> None:
        self.faults.order(host, "proxy_stall", seconds=seconds, count=count)

    def proxy_cut(self, host: str, after: int, count: int = 1) -> None:
        """Close the tunnel after so many bytes from the host, TLS included."""
        self.faults.order(host, "proxy_cut", after=after, count=count)

    def proxy_divert(self, host: str, to: str, count: int = 1) -> None:
        """Connect to another host of the lab, whose certificate does not match."""
        self.faults.order(host, "proxy_divert", to=to, count=count)

    def clear_faults(self) -> None:
        self.faults.clear()

    # Clouds.

    def set_clock_offset(self, seconds: float) -> None:
        """Move the clock of the AWS hosts, of ECR passwords and of every Date header."""
        self.clock.offset_seconds = seconds

    def expire_ecr_passwords(self) -> None:
        self.identities.expire_passwords()

    def expire_session(self, profile: str = "session", expired: bool = True) -> None:
        """The AWS credentials of `profile` answer ExpiredToken from now on."""
        self.identities.profile(profile).expired = expired

    def deny_action(self, action: str, repository: str = "*") -> None:
        """Nobody may do `action` (such as ecr:BatchGetImage) on `repository`."""
        self.identities.deny(action, repository)

    def allow_actions(self) -> None:
        """Forget every deny_action(), attach_policies(), assign_role() and set_scope_map()."""
        self.identities.allow_all()
        self.azure.restore_rights()

    def attach_policies(self, profile: str, documents: list[dict[str, Any]]) -> None:
        """From now on these IAM policies alone say what `profile` may do (iam.py)."""
        self.identities.attach(profile, documents)

    def assign_role(self, user: str, role: str, condition: str | None = None) -> None:
        """From now on this role alone says what a principal may do at the registry of Azure (acr_rights.py)."""
        self.azure.principal(user).rights = Rights(role=role, condition=condition)

    def set_scope_map(self, user: str, repositories: dict[str, list[str]]) -> None:
        """From now on `user` is a token of the registry of Azure with these actions (content/read, …) in repositories."""
        self.azure.principal(user).rights = Rights({name: set(actions) for name, actions in repositories.items()})

    def expire_role_sessions(self) -> None:
        """All temporary keys given out so far answer ExpiredToken from now on."""
        self.aws.roles.expire_sessions()

    def sso_log_out(self) -> None:
        """Every SSO token is invalid from now on, whatever its cache says."""
        self.aws.sso.log_out()

    def set_instance_role(self, role: str | None = "instance") -> None:
        """The role of the EC2 instance that this machine is; null: none."""
        self.aws.instance.role = role

    def create_ecr_repository(self, name: str) -> None:
        self.ecr.created.add(name)

    def set_ecr_redirect(self, enabled: bool) -> None:
        """Whether blobs come from the layer host by 307, or from the registry itself."""
        self.ecr.redirect_blobs = enabled

    def set_ecr_mounts(self, enabled: bool) -> None:
        """Whether a blob can be mounted at ECR, or an upload is started in its place."""
        self.ecr.mount_blobs = enabled

    def set_coral_errors(self, enabled: bool) -> None:
        """Errors of the ECR API with a prefix in `__type` and with `Message`."""
        self.ecr_api.coral_errors = enabled

    def expire_azure_principal(self, user: str, expired: bool = True) -> None:
        if expired:
            self.azure.expired_principals.add(user)
        else:
            self.azure.expired_principals.discard(user)

    def set_azure_lifetime(self, seconds: int) -> None:
        """The life of access tokens issued from now on; docker-registry allows 60 s more."""
        self.azure.access_lifetime = seconds

    def end_azure_tokens(self) -> None:
        """All access tokens issued so far are refused from now on, as after their hour."""
        self.azure.ended_tokens.update(self.azure.issued_tokens)

    def set_azure_application(self, user: str, **changes: bool) -> None:
        """`secret_expired`, `enabled`, `service_principal` of the application with that client id."""
        for name, value in changes.items():
            if name not in ("secret_expired", "enabled", "service_principal"):
                raise ValueError(f"an application has no {name}")
            setattr(self.directory_service.applications[user], name, value)

    def set_entra_tokens(self, lifetime: int = 3599, forge: bool = False, claims: dict[str, Any] | None = None) -> None:
        """What access tokens of Entra ID say from now on, or that another key signs them."""
        self.directory_service.lifetime = lifetime
        self.directory_service.forge = forge
        self.directory_service.claims = claims or {}

    def set_azure_registry(self, alias: str = "azure", **changes: Any) -> None:
        """`tenant`, `arm_tokens`, `refresh_lifetime`, `access_lifetime` of a registry."""
        for name, value in changes.items():
            if name not in ("tenant", "arm_tokens", "refresh_lifetime", "access_lifetime"):
                raise ValueError(f"a registry has no {name}")
            setattr(self.azure_registries[alias], name, value)

    def set_azure_role(self, user: str, assigned: bool, alias: str = "azure") -> None:
        """Whether an application or managed identity has any role on a registry."""
        roles = self.azure_registries[alias].without_role
        (roles.discard if assigned else roles.add)(user)

    def azure_certificate(self, user: str, **how: Any) -> str:
        """PEM of a new key and certificate; see Directory.certificate()."""
        return self.directory_service.certificate(user, **how)

    def set_managed_identity(self, assigned: bool) -> None:
        self.managed_identity.assigned = assigned

    # CI systems.

    def set_github_permission(self, enabled: bool) -> None:
        """Whether the job may ask for OIDC tokens; the variables of github_env() stay as they are."""
        self.github.permitted = enabled

    def oidc_token(self, audience: str, issuer: str = "github", **claims: Any) -> str:
        """A token as that CI (`github`, `gitlab`, or `cluster`: a Kubernetes service account) puts into a variable or
        file. `subject`, `lifetime` in seconds (negative: it has ended), and any claim, null leaving it out."""
        return self.issuers[issuer].mint(audience, **claims)

    # Google.

    def google_key(self, name: str = "ci-pull") -> dict[str, str]:
        """A new key of the service account `ci-pull`, `ci-push`, `ci-none`, `deployer` or `relay`, as its file."""
        return self.google.key(name)

    def google_login(self) -> dict[str, str]:
        """A person's application-default login, as its file."""
        return self.google.login()

    def delete_google_keys(self, name: str, deleted: bool = True) -> None:
        for key in self.google.keys.values():
            if key.account == account(name):
                key.deleted = deleted

    def delete_google_account(self, name: str) -> None:
        self.google.accounts.discard(account(name))

    def set_google_lifetime(self, seconds: int) -> None:
        """The life of access tokens issued from now on."""
        self.google.lifetime = seconds

    def expire_google_tokens(self) -> None:
        """Those that there are have ended."""
        self.google.expire()

    def set_google_provider(self, name: str, disabled: bool = False, subject: str = "*") -> None:
        """Of a workload identity provider: whether it is there, and the one subject that its condition lets in."""
        found = self.google.providers[provider(name)]
        found.disabled, found.subject = disabled, subject

    def set_google_metadata(self, name: str | None = "ci-pull", flavor: bool = True) -> None:
        """The account that the machine runs as (null: none), and whether the answers say that they are Google's."""
        self.google_metadata.account = account(name) if name else None
        self.google_metadata.flavor = flavor

    def change_password(self, name: str, password: str) -> None:
        """A new password for `hub`, `generic` or `tls`, at once and in its file of secrets."""
        self._set_login(name, Login(self.credentials.logins()[name].user, password))

    def restore(self) -> None:
        """As at the start, what switches a test may have left behind; tests begin with it."""
        self.clear_faults()
        self.allow_actions()
        self.set_clock_offset(0)
        self.set_github_permission(True)
        self.set_google_lifetime(LIFETIME)
        self.set_google_metadata()
        for name in ("ci-pull", "ci-push", "ci-none", "deployer", "relay"):
            self.google.accounts.add(account(name))
            self.delete_google_keys(name, deleted=False)
        for name in (*self.issuers, "x509"):
            self.set_google_provider(name)
        self.set_instance_role()
        self.directory_service.restore()
        self.set_managed_identity(True)
        for registry in self.azure_registries.values():
            registry.restore()
        self.restore_devices()

    # What the lab saw.

    def requests(self, host: str | None = None) -> list[dict[str, Any]]:
        return self.request_log.entries(host)

    def connects(self, host: str | None = None) -> list[dict[str, Any]]:
        return self.connect_log.entries(host)

    def clear_log(self) -> None:
        self.request_log.clear()
        self.connect_log.clear()


_METHODS = frozenset(
    name for name, _ in inspect.getmembers(Controls, inspect.isfunction) if not name.startswith("_")
)


def _described(result: Any) -> Any:
    if isinstance(result, Device | Token):
        return result.described()
    if isinstance(result, Path):
        return str(result)
    raise TypeError(f"{type(result).__name__} has no JSON")


class ControlEndpoint:
    """POST /METHOD with its arguments as a JSON object; the answer is {"result": ...}."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await read_head(reader)
            if head:
                status, document = self._call(head[0], await Body(reader, head[1]).read())
                body = (json.dumps(document, default=_described) + "\n").encode()
                headers = [
                    ("Content-Type", "application/json"), ("Content-Length", str(len(body))),
                    ("Connection", "close"),
                ]
                writer.write(format_head(f"HTTP/1.1 {status} {reason(status)}", headers) + body)
                await writer.drain()
        except (BadMessage, OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _call(self, first: str, body: bytes) -> tuple[int, dict[str, Any]]:
        method, target, _ = first.split(" ")
        name = target.removeprefix("/")
        if name not in _METHODS:
            return 404, {"error": f"no such switch; there are: {' '.join(sorted(_METHODS))}"}
        if method != "POST":
            return 405, {"error": "POST it"}
        try:
            arguments = json.loads(body or b"{}")
            return 200, {"result": getattr(self._controls, name)(**arguments)}
        except (TypeError, ValueError, KeyError) as error:
            return 400, {"error": str(error)}
