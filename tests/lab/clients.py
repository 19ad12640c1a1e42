"""Clients of the lab for its own tests: other people's programs, and plain HTTP through the proxy."""

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

from lab import Lab
from lab.core import HOSTS
from lab.credentials import Login

HUB, GENERIC, TLS, AZURE = (HOSTS[n] for n in ("hub", "generic", "tls", "azure"))
ECR, API, LAYERS = (HOSTS[n] for n in ("ecr", "ecr_api", "ecr_layers"))
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def run(lab: Lab, *command: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run a client with a home of its own and nothing of the caller's environment."""
    home = lab.directory / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=30,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), **lab.env(), **env},
    )


def aws(lab: Lab, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    credentials = str(lab.secrets_directory / "aws_credentials")
    return run(
        lab, "/usr/bin/aws", *arguments, "--region", "us-east-2",
        **{"AWS_SHARED_CREDENTIALS_FILE": credentials, "AWS_MAX_ATTEMPTS": "1", **env},
    )


class Reply:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        return str(self.json()["errors"][0]["code"])


@contextlib.contextmanager
def tunnel(lab: Lab, host: str) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(lab.directory / "ca.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", lab.proxy_port, context=context, timeout=10)
    connection.set_tunnel(host, 443)
    with contextlib.closing(connection):
        yield connection


def call(
    lab: Lab, host: str, target: str, method: str = "GET", body: Any = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    with tunnel(lab, host) as connection:
        connection.request(method, target, body, headers or {})
        return Reply(connection.getresponse())


def basic(login: Login | str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(str(login).encode()).decode(), "Accept": MANIFEST}


def ecr_login(lab: Lab, profile: str = "default") -> str:
    return "AWS:" + lab.identities.issue(lab.identities.profile(profile)).password


def login_for(lab: Lab, host: str) -> str:
    c = lab.credentials
    return ecr_login(lab) if host == ECR else str({GENERIC: c.generic, AZURE: c.azure_pull, TLS: c.tls}[host])
