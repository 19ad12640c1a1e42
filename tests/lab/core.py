"""The lab itself: starts everything, knows every name, stops everything."""

import asyncio
import base64
import http.client
import secrets
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from . import aws_cloud, gateway
from .aws_identity import Identities
from .ca import Authority
from .clock import Clock
from .control import ControlEndpoint, Controls
from .credentials import Credentials, Login
from .entra import (
    CHINA, PUBLIC, US_GOVERNMENT, Application, Cloud, Directory, LoginService, ManagedIdentity,
)
from .faults import FaultBook
from .front import Front
from .google import (
    IAM_HOST, MTLS_HOST, OAUTH_HOST, REGISTRY_HOST, STS_HOST, ArtifactRegistry, IamService, MetadataServer,
    OauthService, StsService, make_cloud,
)
from .journal import Journal
from .oidc import (
    CLUSTER_ISSUER, GITHUB_ISSUER, GITHUB_TOKEN_HOST, GITHUB_TOKEN_PATH, GITLAB_ISSUER, SUBJECTS, GithubTokenService,
    Issuer,
)
from .nginx import NGINX, Nginx
from .proxy import Proxy
from .registries import DockerRegistry, TokenAuth, write_htpasswd
from .seed import SEEDS, Pusher, seed
from .service import PlainRegistry, Service
from .token_server import ISSUER, AzureRegistry, Principal

HOSTS = {
    "hub": "hub.example.com",
    "generic": "ghcr.example.com",
    "tls": "tls.example.com",
    "azure": "acme.azurecr.io",
    "azure_label": "acme-dxf7h2bqa4c9gjkm.azurecr.io",
    "azure_us": "acme.azurecr.us",
    "azure_cn": "acme.azurecr.cn",
    "entra": PUBLIC.login,
    "entra_us": US_GOVERNMENT.login,
    "entra_cn": CHINA.login,
    "fleet": "fleet.example.com",
    "gateway": f"{gateway.HOST}:{gateway.PORT}",
    "github": GITHUB_TOKEN_HOST,
    "google": REGISTRY_HOST,
    "google_oauth": OAUTH_HOST,
    "google_sts": STS_HOST,
    "google_sts_mtls": MTLS_HOST,
    "google_iam": IAM_HOST,
    **aws_cloud.HOSTS,
}
_AZURE_MIRRORS = {"azure_label": PUBLIC, "azure_us": US_GOVERNMENT, "azure_cn": CHINA}
# Those whose users docker-registry itself knows, from a file.
_HTPASSWD = ("hub", "generic", "tls")


class Lab(Controls):
    """A cloud of registries below `directory`.

    It is started once. Start it from a thread that lives as long as the lab: the kernel ends the docker-registries
    when the thread that started them ends.
    """

    hosts = HOSTS

    def __init__(self, directory: str | Path, *, proxy_auth: bool = False) -> None:
        self.directory = Path(directory).resolve()
        self.secrets_directory = self.directory / "lab-secrets"
        for name in ("logs", "run"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.request_log = Journal(self.directory / "logs" / "requests.jsonl")
        self.connect_log = Journal(self.directory / "logs" / "connects.jsonl")
        self.credentials = Credentials()
        if proxy_auth:
            self.credentials.add_proxy()
        self.clock = Clock()
        self.faults = FaultBook()
        self.issuers = {
            "github": Issuer(GITHUB_ISSUER, self.clock),
            "gitlab": Issuer(GITLAB_ISSUER, self.clock),
            "cluster": Issuer(CLUSTER_ISSUER, self.clock),
        }
        self.google = make_cloud(self.clock, self.issuers)
        self.fleet = gateway.Fleet(self.clock)
        self._make_authorities(self.secrets_directory / "devices")
        self.directory_service = self._make_directory()
        self.identities = Identities(self.credentials.aws_keys(), self.clock)
        self.aws = aws_cloud.AwsCloud(self.identities, self.issuers, self.clock, self.authorities)
        self.ecr_api = self.aws.ecr_api
        self.ports: dict[str, int] = {}
        self.digests: dict[str, str] = {}
        self._servers: list[asyncio.Server] = []
        self._registries: dict[str, DockerRegistry] = {}
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self.nginx: Nginx | None = None

    # Life.

    def start(self) -> "Lab":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every server and process. What is in the directory stays."""
        if self._thread:
            asyncio.run_coroutine_threadsafe(self._close_all(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
            self._loop.close()
        for registry in self._registries.values():
            registry.stop()
        if self.nginx:
            self.nginx.stop()
        self.request_log.close()
        self.connect_log.close()

    def __enter__(self) -> "Lab":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def seed(self) -> dict[str, str]:
        """Push the base images; returns (and keeps in .digests) digests by `host/name:tag`."""
        self.ecr.created |= {"base", "tools/compiler"}
        pushers = {alias: self.pusher(alias) for alias in SEEDS}
        try:
            self.digests = seed(HOSTS, pushers)
        finally:
            for pusher in pushers.values():
                pusher.close()
        return self.digests

    def pusher(self, alias: str) -> Pusher:
        """Pushes more images; to be closed."""
        authorization = self._seed_authorization(alias)
        if alias == "tls":
            return Pusher(self._direct_connection(alias), authorization)
        return Pusher.to_socket(self._registries[alias].socket, HOSTS[alias], authorization)

    # What clients need.

    def env(self) -> dict[str, str]:
        """The variables of a client of the lab. Nothing secret, and nothing of the caller's."""
        proxy = f"http://127.0.0.1:{self.proxy_port}"
        certificates = str(self.authority.certificate_file)
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "",
            "no_proxy": "",
            "SSL_CERT_FILE": certificates,
            "AWS_CA_BUNDLE": certificates,
            "CURL_CA_BUNDLE": certificates,
            # The lab has no instance metadata, and nobody should wait for the machine's.
            "AWS_EC2_METADATA_DISABLED": "true",
            "LAB_DIR": str(self.directory),
            "LAB_CONTROL": f"http://127.0.0.1:{self.control_port}",
        }

    def github_env(self, permission: bool = True) -> dict[str, str]:
        """What a job of GitHub Actions has more; holds a secret when it may ask for an OIDC token."""
        job = {"GITHUB_ACTIONS": "true", "CI": "true"}
        if permission:
            job["ACTIONS_ID_TOKEN_REQUEST_URL"] = f"https://{GITHUB_TOKEN_HOST}{GITHUB_TOKEN_PATH}"
            job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = self.credentials.github_request_token
        return job

    def metadata_env(self) -> dict[str, str]:
        """What leads a client to the metadata server of Google's that this machine would have in the cloud."""
        return {"GCE_METADATA_HOST": self.google_metadata.name}

    def managed_identity_env(self, app_service: bool = False) -> dict[str, str]:
        """What leads a client to the managed identity of this machine, which it seeks at 169.254.169.254 otherwise; or
        what an app of App Service has, which holds a secret."""
        base = f"http://{self.managed_identity.name}"
        if not app_service:
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": base}
        return {"IDENTITY_ENDPOINT": f"{base}/msi/token", "IDENTITY_HEADER": self.credentials.azure_identity_header}

    @property
    def secrets(self) -> dict[str, str]:
        """Every secret in use, by a name that may be shown."""
        return self.credentials.secrets()

    def secret_values(self) -> list[str]:
        """All that must never be seen in an output: the secrets and every token issued so far."""
        oidc = [token for issuer in self.issuers.values() for token in issuer.issued_tokens]
        azure = [token for registry in self.azure_registries.values() for token in registry.issued_tokens]
        return [
            *self.secrets.values(), *self.aws.secret_values(), *azure, *self.directory_service.issued, *oidc,
            *self.google.secret_values(), *self.fleet.secret_values(), *self._device_secrets(),
        ]

    # Inside.

    def _start(self) -> None:
        self.authority = Authority(self.directory)
        self.credentials.write(self.secrets_directory)
        self._make_registries()
        self._make_gateway()
        # Processes first: forking is safest while there is one thread.
        for registry in self._registries.values():
            registry.launch()
        if self.nginx:
            self.nginx.launch()
        services = self._services()
        contexts = {s.name: self.authority.server_context(s.name) for s in services}
        for service in services:
            service.prepare_tls(contexts[service.name])
        for authority in (*self.authorities, self.strangers):
            self._introduce(authority)
        for registry in self._registries.values():
            registry.wait_ready()
        if self.nginx:
            self.nginx.wait_ready()
        self._thread = threading.Thread(target=self._run_loop, name="lab", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(services, contexts), self._loop).result(10)

    def _make_registries(self) -> None:
        self._htpasswd = {alias: self.directory / "run" / f"{alias}.htpasswd" for alias in _HTPASSWD}
        for alias, path in self._htpasswd.items():
            write_htpasswd(path, self.credentials.logins()[alias])
        self._token_leaf = self.authority.leaf("tokens.acme.azurecr.io")
        azure = HOSTS["azure"]
        token = TokenAuth(f"https://{azure}/oauth2/token", azure, ISSUER, self.authority.certificate_file)
        extras: dict[str, dict[str, Any]] = {
            **{alias: {"htpasswd": path} for alias, path in self._htpasswd.items()},
            "azure": {"token": token},
            "ecr": {},
            "google": {},
            "azure_mirrors": {},
            "fleet": {},
        }
        extras["tls"]["tls"] = self.authority.leaf(HOSTS["tls"])
        self._registries = {
            alias: DockerRegistry(alias, HOSTS.get(alias, alias), self.directory, **extra)
            for alias, extra in extras.items()
        }
        # The same contents, for those that prove tokens themselves.
        self._registries["azure_mirrors"].storage = self._registries["azure"].storage
        self._registries["fleet"].storage = self._registries["hub"].storage

    def _make_gateway(self) -> None:
        """Where there is no nginx, the name of the gateway does not exist."""
        self.gateway_authority = Authority(self.directory / "gateway", "Acme gateways")
        self._gateway_socket = self.directory / "run" / "gateway.sock"
        self.nginx = Nginx(
            self.directory, gateway.HOST, gateway.PORT, self.gateway_authority.leaf(gateway.HOST),
            *self._write_gateway_files(), self._gateway_socket,
        ) if NGINX else None

    def _services(self) -> list[Service]:
        sockets = {alias: registry.socket for alias, registry in self._registries.items()}
        aws = self.aws.services(sockets["ecr"], self._registries["ecr"].storage)
        self.ecr = self.aws.ecr
        self.azure_registries = {
            alias: self._azure_registry(alias, cloud, sockets) for alias, cloud in {"azure": PUBLIC, **_AZURE_MIRRORS}.items()
        }
        self.azure = self.azure_registries["azure"]
        self.managed_identity = ManagedIdentity(
            self.directory_service, PUBLIC.resources, self.credentials.azure_managed,
            self.credentials.azure_identity_header,
        )
        self.github = GithubTokenService(
            HOSTS["github"], self.issuers["github"], self.credentials.github_request_token
        )
        self.google_metadata = MetadataServer(self.google)
        self.google_mutual = StsService(MTLS_HOST, self.google, mutual=True)
        return [
            self.github,
            OauthService(OAUTH_HOST, self.google), StsService(STS_HOST, self.google),
            self.google_mutual, IamService(IAM_HOST, self.google),
            ArtifactRegistry(REGISTRY_HOST, self.google, sockets["google"]),
            gateway.Hub(HOSTS["hub"], self.fleet, sockets["hub"], sockets["fleet"]),
            gateway.Hub(HOSTS["fleet"], self.fleet, None, sockets["fleet"]),
            PlainRegistry(HOSTS["generic"], sockets["generic"]),
            *self.azure_registries.values(), *(LoginService(c, self.directory_service) for c in (PUBLIC, US_GOVERNMENT, CHINA)),
            *aws,
        ]

    def _make_directory(self) -> Directory:
        directory = Directory(self.clock, self.issuers)
        for login in (self.credentials.azure_pull, self.credentials.azure_push):
            application = directory.add(Application(login.user, login.password))
            application.trusts = [(issuer.url, SUBJECTS[issuer.url]) for issuer in self.issuers.values()]
        directory.add(Application(self.credentials.azure_managed))
        return directory

    def _azure_registry(self, alias: str, cloud: Cloud, sockets: dict[str, Path]) -> AzureRegistry:
        managed = Login(self.credentials.azure_managed, secrets.token_hex())
        mirror = alias in _AZURE_MIRRORS
        return AzureRegistry(
            HOSTS[alias], sockets["azure_mirrors" if mirror else "azure"], *self._token_leaf,
            [
                Principal(self.credentials.azure_pull, frozenset({"pull"})),
                Principal(self.credentials.azure_push, frozenset({"pull", "push"})),
                Principal(self.credentials.azure_token, frozenset()),  # until it gets a scope map
                Principal(managed, frozenset({"pull"})),
            ],
            directory=self.directory_service, cloud=cloud, checks=mirror,
        )

    async def _listen(self, services: list[Service], contexts: dict[str, ssl.SSLContext]) -> None:
        self.ports[HOSTS["tls"]] = self._registries["tls"].port
        for service in services:
            front = Front(service, contexts[service.name], self.faults, self.request_log, self.clock)
            self._servers.append(await front.start())
            self.ports[service.name] = front.port
        for service in (self.managed_identity, self.google_metadata, *self.aws.near()):
            near = Front(service, None, self.faults, self.request_log, self.clock)
            self._servers.append(await near.start())
            service.name = f"127.0.0.1:{near.port}"
        if self.nginx:
            backend = Front(
                gateway.Gateway(self.fleet), None, self.faults, self.request_log, self.clock, self._gateway_socket)
            self._servers.append(await backend.start())
            self.ports[HOSTS["gateway"]] = self.nginx.port
        login = self.credentials.proxy
        self._proxy = Proxy(
            self.ports, self.faults, self.connect_log, (login.user, login.password) if login else None
        )
        self._servers.append(await self._proxy.start())
        self.proxy_port = self._proxy.port
        control = ControlEndpoint(self)
        self._servers.append(await control.start())
        self.control_port = control.port

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        # Clients that hang up or distrust the lab's certificate are part of the tests.
        log = self.directory / "logs" / "lab.log"

        def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"{context.get('message')}: {context.get('exception')!r}\n")

        self._loop.set_exception_handler(note)
        self._loop.run_forever()

    async def _close_all(self) -> None:
        for server in self._servers:
            server.close()
        self._proxy.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set_login(self, name: str, login: Login) -> None:
        if name not in self._htpasswd:
            raise ValueError(f"{name} has no password file; there are {', '.join(_HTPASSWD)}")
        setattr(self.credentials, name, login)
        write_htpasswd(self._htpasswd[name], login)
        self.credentials.write(self.secrets_directory)

    def _direct_connection(self, alias: str) -> http.client.HTTPSConnection:
        """To a host of the lab without the proxy, checking its certificate all the same."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate_file))
        return _NamedConnection(HOSTS[alias], self.ports[HOSTS[alias]], context)

    def _seed_authorization(self, alias: str) -> Any:
        if alias in ("ecr", "google", "fleet"):
            return lambda repository: None
        if alias == "azure":
            pusher = self.azure.principal(self.credentials.azure_push.user)
            return lambda repository: (
                "Bearer " + self.azure.access_token(pusher, [f"repository:{repository}:pull,push"])
            )
        basic = "Basic " + base64.b64encode(str(self.credentials.logins()[alias]).encode()).decode()
        return lambda repository: basic


class _NamedConnection(http.client.HTTPSConnection):
    """Speaks to a loopback port under a real name."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, context=context, timeout=30)
        self._local_port = port
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self._local_port), self.timeout)
        # Without this, a body waits 40 ms for the acknowledgement of its head.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
