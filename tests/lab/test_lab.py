"""Proves the lab itself, with other people's clients wherever there is one."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from lab import Lab
from lab.core import HOSTS
from lab.credentials import Login
from lab.ecr_api import ECR_TARGET

LAB_PY = Path(__file__).with_name("lab.py")
HUB, GENERIC, TLS, AZURE = (HOSTS[n] for n in ("hub", "generic", "tls", "azure"))
ECR, API, LAYERS, STS = (HOSTS[n] for n in ("ecr", "ecr_api", "ecr_layers", "sts"))
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        lab.seed()
        yield lab


@pytest.fixture
def lab(running: Lab) -> Iterator[Lab]:
    running.clear_log()
    yield running
    running.clear_faults()
    running.allow_actions()
    running.set_clock_offset(0)


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


# Registries.

IMAGES = {
    ECR: "base:1.2", AZURE: "base/python:3.11", GENERIC: "acme/broker:2", TLS: "bench/base:1",
}


@pytest.mark.parametrize("host", IMAGES)
def test_skopeo_pulls_with_the_right_credentials(lab: Lab, host: str, tmp_path: Path) -> None:
    source = f"docker://{host}/{IMAGES[host]}"
    done = run(lab, "skopeo", "copy", "-q", "--src-creds", login_for(lab, host), source, f"dir:{tmp_path}")
    assert done.returncode == 0, done.stderr
    manifest = (tmp_path / "manifest.json").read_bytes()
    assert "sha256:" + hashlib.sha256(manifest).hexdigest() == lab.digests[f"{host}/{IMAGES[host]}"]
    assert [entry["status"] for entry in lab.connects(host)] and not lab.connects("127.0.0.1")


@pytest.mark.parametrize("host", IMAGES)
def test_skopeo_is_refused_with_wrong_credentials(lab: Lab, host: str) -> None:
    wrong = login_for(lab, host) + "x"
    done = run(lab, "skopeo", "inspect", "--raw", "--creds", wrong, f"docker://{host}/{IMAGES[host]}")
    assert done.returncode != 0
    anonymous = run(lab, "skopeo", "inspect", "--raw", f"docker://{host}/{IMAGES[host]}")
    assert anonymous.returncode != 0


@pytest.mark.parametrize("name", ["acme/redis:7", "web/nginx:1.25"])
def test_indexes_have_two_architectures(lab: Lab, name: str) -> None:
    host = GENERIC if name.startswith("acme") else AZURE
    done = run(lab, "skopeo", "inspect", "--raw", "--creds", login_for(lab, host), f"docker://{host}/{name}")
    platforms = [m["platform"]["architecture"] for m in json.loads(done.stdout)["manifests"]]
    assert platforms == ["amd64", "arm64"]


def test_the_hub_takes_a_push(lab: Lab) -> None:
    done = run(
        lab, "skopeo", "copy", "-q", "--src-creds", str(lab.credentials.generic),
        "--dest-creds", str(lab.credentials.hub),
        f"docker://{GENERIC}/acme/broker:2", f"docker://{HUB}/factory/broker:2",
    )
    assert done.returncode == 0, done.stderr
    reply = call(lab, HUB, "/v2/factory/broker/manifests/2", "HEAD", headers=basic(lab.credentials.hub))
    assert reply.status == 200 and reply.body == b""
    assert reply.headers["Docker-Content-Digest"] == lab.digests[f"{GENERIC}/acme/broker:2"]


def test_a_built_image_can_run_its_busybox(lab: Lab, tmp_path: Path) -> None:
    source = f"docker://{GENERIC}/acme/broker:2"
    run(lab, "skopeo", "copy", "-q", "--src-creds", str(lab.credentials.generic), source, f"dir:{tmp_path}")
    root = tmp_path / "root"
    root.mkdir()
    for layer in json.loads((tmp_path / "manifest.json").read_bytes())["layers"]:
        blob = tmp_path / layer["digest"].removeprefix("sha256:")
        subprocess.run(["tar", "-xzf", blob, "-C", root, "--no-same-owner"], check=True)
    said = subprocess.run(
        [root / "bin/busybox", "cat", root / "etc/lab-image"], capture_output=True, text=True
    )
    assert said.stdout == f"{GENERIC}/acme/broker:2\n"


def upload(lab: Lab, host: str, headers: dict[str, str], content: bytes, chunked: bool = False) -> Reply:
    with tunnel(lab, host) as connection:
        connection.request("POST", "/v2/factory/big/blobs/uploads/", b"", headers)
        started = Reply(connection.getresponse())
        location = started.headers["Location"]
        assert location.startswith(f"https://{host}/v2/")
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        pieces = (content[i:i + 100_000] for i in range(0, len(content), 100_000))
        connection.request(
            "PUT", f"{location.removeprefix(f'https://{host}')}&digest={digest}",
            pieces if chunked else content, headers, encode_chunked=chunked,
        )
        assert Reply(connection.getresponse()).status == 201
        connection.request("GET", f"/v2/factory/big/blobs/{digest}", headers=headers)
        return Reply(connection.getresponse())


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_pass_both_ways(lab: Lab, chunked: bool) -> None:
    content = os.urandom(1024 * 1024) * 24
    headers = basic(lab.credentials.hub)
    assert upload(lab, HUB, headers, content, chunked).body == content


def test_an_upload_refused_early_reads_its_refusal(lab: Lab) -> None:
    reply = call(lab, HUB, "/v2/x/blobs/uploads/", "POST", b"x" * 8_000_000, basic("factory:wrong"))
    assert reply.status == 401


def test_http2_is_spoken_where_docker_registry_has_its_own_tls(lab: Lab) -> None:
    done = run(
        lab, "curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{response_code}", f"https://{TLS}/v2/"
    )
    assert done.stdout == "2 401"


def test_the_hashed_directory_is_enough_to_trust_the_lab(lab: Lab) -> None:
    arguments = ("-s", "-o", "/dev/null", "-w", "%{response_code}", f"https://{HUB}/v2/")
    untrusting = {"CURL_CA_BUNDLE": "", "SSL_CERT_FILE": "/dev/null"}
    trusting = run(lab, "curl", "--capath", str(lab.directory / "certs"), *arguments, **untrusting)
    assert trusting.stdout == "401"
    assert run(lab, "curl", *arguments, **untrusting).returncode != 0


def test_another_host_name_is_misdirected(lab: Lab) -> None:
    assert call(lab, HUB, "/v2/", headers={"Host": GENERIC}).status == 421


def test_a_changed_password_counts_at_once(lab: Lab) -> None:
    old = lab.credentials.generic
    lab.change_password("generic", 'new:"pass" word')
    assert call(lab, GENERIC, "/v2/", headers=basic(old)).status == 401
    assert call(lab, GENERIC, "/v2/", headers=basic(lab.credentials.generic)).status == 200
    assert (lab.secrets_directory / "ghcr_creds").read_text() == str(lab.credentials.generic)
    lab.change_password("generic", old.password)


# Azure.

def test_azure_challenges_and_grants_only_what_a_principal_may(lab: Lab) -> None:
    challenge = call(lab, AZURE, "/v2/").headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="https://{AZURE}/oauth2/token",service="{AZURE}"'
    scope = urlencode({"service": AZURE, "scope": "repository:base/python:pull,push"})
    reply = call(lab, AZURE, f"/oauth2/token?{scope}", headers=basic(lab.credentials.azure_pull))
    claims = json.loads(base64.urlsafe_b64decode(reply.json()["access_token"].split(".")[1] + "=="))
    assert claims["access"] == [{"type": "repository", "name": "base/python", "actions": ["pull"]}]
    bearer = {"Authorization": "Bearer " + reply.json()["access_token"], "Accept": MANIFEST}
    assert call(lab, AZURE, "/v2/base/python/manifests/3.11", headers=bearer).status == 200
    refused = call(lab, AZURE, "/v2/base/python/blobs/uploads/", "POST", headers=bearer)
    assert refused.status == 401 and "insufficient_scope" in refused.headers["WWW-Authenticate"]


def test_azure_takes_the_oauth2_form(lab: Lab) -> None:
    pull = lab.credentials.azure_pull
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = {"service": AZURE, "scope": "repository:base/python:pull"}
    first = call(lab, AZURE, "/oauth2/token", "POST", urlencode({
        **asked, "grant_type": "password", "username": pull.user, "password": pull.password,
        "access_type": "offline",
    }), form).json()
    again = call(lab, AZURE, "/oauth2/token", "POST", urlencode({
        **asked, "grant_type": "refresh_token", "refresh_token": first["refresh_token"],
    }), form)
    bearer = {"Authorization": "Bearer " + again.json()["access_token"], "Accept": MANIFEST}
    assert call(lab, AZURE, "/v2/base/python/manifests/3.11", headers=bearer).status == 200
    wrong = call(lab, AZURE, "/oauth2/token", "POST", urlencode({
        **asked, "grant_type": "refresh_token", "refresh_token": first["access_token"],
    }), form)
    assert wrong.status == 401 and wrong.code() == "UNAUTHORIZED"


def test_azure_principals_expire(lab: Lab) -> None:
    target = f"/oauth2/token?service={AZURE}&scope=repository:base/python:pull"
    pull = lab.credentials.azure_pull
    lab.expire_azure_principal(pull.user)
    assert "AADSTS7000222" in call(lab, AZURE, target, headers=basic(pull)).body.decode()
    lab.expire_azure_principal(pull.user, expired=False)
    assert call(lab, AZURE, target, headers=basic(pull)).status == 200


# The ECR registry.

def test_ecr_asks_for_a_password_and_knows_its_own(lab: Lab) -> None:
    nobody = call(lab, ECR, "/v2/")
    assert nobody.status == 401
    assert nobody.headers["WWW-Authenticate"] == f'Basic realm="https://{ECR}/",service="ecr.amazonaws.com"'
    assert call(lab, ECR, "/v2/", headers=basic("AWS:wrong")).status == 400
    assert call(lab, ECR, "/v2/", headers=basic(ecr_login(lab))).status == 200


def test_ecr_passwords_expire(lab: Lab) -> None:
    login = basic(ecr_login(lab))
    lab.expire_ecr_passwords()
    late = call(lab, ECR, "/v2/base/manifests/1.2", headers=login)
    assert (late.status, late.code()) == (403, "DENIED")
    assert "Your authorization token has expired. Reauthenticate and try again." in late.body.decode()
    login = basic(ecr_login(lab))
    lab.set_clock_offset(13 * 3600)
    assert call(lab, ECR, "/v2/base/manifests/1.2", headers=login).status == 403


def test_ecr_names_what_is_missing_and_what_is_denied(lab: Lab) -> None:
    login = basic(ecr_login(lab))
    missing = call(lab, ECR, "/v2/nosuch/manifests/1", headers=login)
    assert (missing.status, missing.code()) == (404, "NAME_UNKNOWN")
    assert "'nosuch' does not exist in the registry with id '123456789012'" in missing.body.decode()
    untagged = call(lab, ECR, "/v2/base/manifests/nosuch", headers=login)
    assert (untagged.status, untagged.code()) == (404, "MANIFEST_UNKNOWN")
    push = call(lab, ECR, "/v2/base/blobs/uploads/", "POST", headers=login)
    assert (push.status, push.code()) == (403, "DENIED")
    lab.deny_action("ecr:BatchGetImage", "base")
    assert call(lab, ECR, "/v2/base/manifests/1.2", headers=login).status == 403
    assert call(lab, ECR, "/v2/tools/compiler/manifests/3", headers=login).status == 200


def test_ecr_takes_a_push_from_who_may(lab: Lab) -> None:
    lab.create_ecr_repository("team/new")
    done = run(
        lab, "skopeo", "copy", "-q", "--src-creds", ecr_login(lab), "--dest-creds", ecr_login(lab, "push"),
        f"docker://{ECR}/base:1.2", f"docker://{ECR}/team/new:1",
    )
    assert done.returncode == 0, done.stderr


def test_layers_come_from_a_host_that_refuses_a_second_authentication(lab: Lab) -> None:
    login = basic(ecr_login(lab))
    manifest = call(lab, ECR, "/v2/base/manifests/1.2", headers=login).json()
    blob = f"/v2/base/blobs/{manifest['layers'][1]['digest']}"
    away = call(lab, ECR, blob, headers=login)
    assert away.status == 307
    location = away.headers["Location"].removeprefix(f"https://{LAYERS}")
    assert len(call(lab, LAYERS, location).body) == manifest["layers"][1]["size"]
    assert call(lab, LAYERS, location, headers=login).status == 400
    assert call(lab, LAYERS, location[:-1]).status == 403
    lab.set_ecr_redirect(False)
    assert call(lab, ECR, blob, headers=login).status == 200
    lab.set_ecr_redirect(True)


# The AWS API.

@pytest.mark.parametrize("profile", ["ci", "session"])
def test_aws_cli_gets_a_password_that_opens_the_registry(lab: Lab, profile: str) -> None:
    done = aws(lab, "ecr", "get-login-password", "--profile", profile)
    assert done.returncode == 0, done.stderr
    assert call(lab, ECR, "/v2/", headers=basic("AWS:" + done.stdout.strip())).status == 200


def test_aws_cli_is_refused_with_a_wrong_secret(lab: Lab) -> None:
    key = lab.credentials.aws_default
    wrong = {"AWS_ACCESS_KEY_ID": key.key_id, "AWS_SECRET_ACCESS_KEY": key.secret[:-1] + "_"}
    done = aws(lab, "ecr", "get-login-password", **wrong)
    assert "(InvalidSignatureException)" in done.stderr
    assert "The request signature we calculated does not match" in done.stderr


def test_ecr_login_helper_gets_a_password(lab: Lab) -> None:
    done = run(
        lab, "docker-credential-ecr-login", "get", stdin=ECR, AWS_ECR_DISABLE_CACHE="true",
        AWS_SHARED_CREDENTIALS_FILE=str(lab.secrets_directory / "aws_credentials"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert call(lab, ECR, "/v2/", headers=basic(f"{answer['Username']}:{answer['Secret']}")).status == 200


def test_sts_says_who_calls(lab: Lab) -> None:
    done = aws(lab, "sts", "get-caller-identity")
    assert json.loads(done.stdout)["Arn"] == "arn:aws:iam::123456789012:user/ci-pull"
    wrong = aws(lab, "sts", "get-caller-identity", AWS_ACCESS_KEY_ID="AKIANOBODY", AWS_SECRET_ACCESS_KEY="x")
    assert "(InvalidClientTokenId)" in wrong.stderr


def signed(
    lab: Lab, profile: str = "default", *, region: str = "us-east-2", extra: dict[str, str] | None = None,
    body: bytes = b"{}",
) -> Reply:
    """Call GetAuthorizationToken, signed by botocore; `extra` headers are added unsigned."""
    key = lab.credentials.aws_keys()[profile]
    headers = {"Host": API, "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": ECR_TARGET}
    request = AWSRequest("POST", f"https://{API}/", headers=headers, data=b"{}")
    SigV4Auth(BotoCredentials(key.key_id, key.secret, key.token), "ecr", region).add_auth(request)
    return call(lab, API, "/", "POST", body, {**dict(request.headers.items()), **(extra or {})})


def test_a_signature_covers_what_it_must(lab: Lab) -> None:
    assert signed(lab).status == 200
    for reply in (
        signed(lab, body=b'{"registryIds":["1"]}'),
        signed(lab, region="eu-west-1"),
        signed(lab, extra={"X-Amz-Forgotten": "1"}),
        signed(lab, extra={"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DeleteRepository"}),
    ):
        assert (reply.status, reply.json()["__type"]) == (400, "InvalidSignatureException")
    stripped = signed(lab, "session", extra={"X-Amz-Security-Token": "other"})
    assert stripped.json()["__type"] == "UnrecognizedClientException"


@pytest.mark.parametrize(("offset", "words"), [
    (600, "Signature expired: "), (-600, "Signature not yet current: "),
])
def test_a_skewed_clock_is_named(lab: Lab, offset: int, words: str) -> None:
    lab.set_clock_offset(offset)
    reply = signed(lab)
    assert reply.json()["__type"] == "InvalidSignatureException"
    assert reply.json()["message"].startswith(words) and reply.json()["message"].endswith("5 min.)")
    date = time.mktime(time.strptime(reply.headers["Date"], "%a, %d %b %Y %H:%M:%S %Z")) - time.timezone
    assert abs(date - time.time() - offset) < 5


def test_expired_denied_and_throttled_callers_are_told(lab: Lab) -> None:
    lab.expire_session()
    assert signed(lab, "session").json() == {
        "__type": "ExpiredTokenException", "message": "The security token included in the request is expired",
    }
    lab.expire_session(expired=False)
    denied = signed(lab, "denied").json()
    assert denied["__type"] == "AccessDeniedException" and "user/ci-denied is not authorized" in denied["message"]
    lab.throttle(API)
    assert signed(lab).json() == {"__type": "ThrottlingException", "message": "Rate exceeded"}
    lab.set_coral_errors(True)
    assert signed(lab, "denied").json()["__type"] == "com.amazon.coral.service#AccessDeniedException"
    lab.set_coral_errors(False)


# Faults.

def test_request_faults_come_as_often_as_ordered(lab: Lab) -> None:
    lab.throttle(GENERIC, count=2, retry_after=3)
    lab.unavailable(GENERIC)
    lab.html(GENERIC)
    replies = [call(lab, GENERIC, "/v2/") for _ in range(5)]
    assert [r.status for r in replies] == [429, 429, 503, 200, 401]
    assert replies[0].headers["Retry-After"] == "3" and replies[0].code() == "TOOMANYREQUESTS"
    assert replies[3].body.startswith(b"<!DOCTYPE html>")
    assert [e["fault"] for e in lab.requests(GENERIC)] == ["throttle", "throttle", "status", "html", None]


def manifest_of(lab: Lab, method: str = "GET") -> Reply:
    return call(lab, GENERIC, "/v2/acme/broker/manifests/2", method, headers=basic(lab.credentials.generic))


def test_faults_damage_an_answer(lab: Lab) -> None:
    digest = lab.digests[f"{GENERIC}/acme/broker:2"]
    lab.cut(GENERIC, after=10)
    with pytest.raises(http.client.IncompleteRead) as cut:
        manifest_of(lab)
    assert len(cut.value.partial) == 10
    lab.wrong_digest(GENERIC, method="HEAD")
    assert manifest_of(lab).headers["Docker-Content-Digest"] == digest
    assert manifest_of(lab, "HEAD").headers["Docker-Content-Digest"] == "sha256:" + "0" * 64
    lab.corrupt(GENERIC, path="/manifests/")
    assert hashlib.sha256(manifest_of(lab).body).hexdigest() != digest.removeprefix("sha256:")
    assert hashlib.sha256(manifest_of(lab).body).hexdigest() == digest.removeprefix("sha256:")


def elapsed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def test_faults_stall(lab: Lab) -> None:
    lab.stall(GENERIC, 0.4)
    assert elapsed(lambda: manifest_of(lab)) > 0.4
    lab.stall(GENERIC, 0.4, middle=True)
    assert elapsed(lambda: manifest_of(lab)) > 0.4
    lab.proxy_stall(GENERIC, 0.4)
    assert elapsed(lambda: manifest_of(lab)) > 0.4
    assert elapsed(lambda: manifest_of(lab)) < 0.4


def test_the_proxy_fails_on_order(lab: Lab) -> None:
    lab.proxy_refuse(GENERIC)
    with pytest.raises(OSError, match="502"):
        manifest_of(lab)
    lab.proxy_cut(GENERIC, after=100)
    with pytest.raises(OSError):
        manifest_of(lab)
    lab.proxy_divert(GENERIC, to=HUB)
    with pytest.raises(ssl.SSLCertVerificationError):
        manifest_of(lab)
    assert manifest_of(lab).status == 200
    with pytest.raises(OSError, match="403"):
        call(lab, "elsewhere.example.com", "/")
    assert lab.connects("elsewhere.example.com")[0]["status"] == 403


def test_the_control_endpoint_has_the_same_switches(lab: Lab) -> None:
    def control(name: str, **arguments: Any) -> Any:
        url = f"{lab.env()['LAB_CONTROL']}/{name}"
        return json.loads(run(lab, "curl", "-s", "-d", json.dumps(arguments), url).stdout)

    assert control("unavailable", host=HUB, count=1) == {"result": None}
    assert call(lab, HUB, "/v2/").status == 503
    entry = control("requests", host=HUB)["result"][0]
    assert (entry["method"], entry["path"], entry["status"], entry["authorization"]) == ("GET", "/v2/", 503, False)
    assert "unknown fault kind" in control("fault", host=HUB, kind="nosuch")["error"]
    assert "no such switch" in control("stop")["error"]


def test_the_proxy_may_ask_for_a_password(tmp_path: Path) -> None:
    with Lab(tmp_path, proxy_auth=True) as lab:
        curl = ("curl", "-s", "-o", "/dev/null", "-w", "%{response_code} %{http_connect}")
        assert run(lab, *curl, f"https://{HUB}/v2/").stdout == "000 407"
        login = str(lab.credentials.proxy)
        assert run(lab, *curl, "--proxy-user", login, f"https://{HUB}/v2/").stdout == "401 200"


# Secrets, and the end.

def test_secrets_stay_in_their_files(lab: Lab) -> None:
    assert stat.S_IMODE(lab.secrets_directory.stat().st_mode) == 0o700
    for path in lab.secrets_directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    aws(lab, "ecr", "get-login-password")
    manifest_of(lab)
    outputs = [json.dumps(lab.env()), *(p.read_text() for p in (lab.directory / "logs").iterdir())]
    for value in lab.secret_values():
        assert not any(value in text for text in outputs)


def registries_below(directory: Path) -> list[int]:
    """The docker-registry processes of one lab: their configuration is in its directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes()
            if b"docker-registry" in command and bytes(directory) in command:
                found.append(int(path.parent.name))
    return found


def gone(directory: Path) -> bool:
    deadline = time.monotonic() + 5
    while registries_below(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_stop_leaves_nothing_behind_even_with_an_idle_client(tmp_path: Path) -> None:
    lab = Lab(tmp_path).start()
    assert len(registries_below(tmp_path)) == 5
    with tunnel(lab, HUB) as idle:
        idle.request("GET", "/v2/")
        Reply(idle.getresponse())
        assert elapsed(lab.stop) < 3
    assert not registries_below(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_serve_ends_with_all_its_children(tmp_path: Path, number: signal.Signals) -> None:
    server = subprocess.Popen(
        [sys.executable, LAB_PY, "serve", "--dir", tmp_path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        env_file = server.stdout.readline().strip()
        shell = '. "$0" && curl -s -o /dev/null -w "%{response_code}" https://hub.example.com/v2/'
        asked = subprocess.run(["sh", "-c", shell, env_file], capture_output=True, text=True, timeout=10)
        assert asked.stdout == "401", asked.stderr
        server.send_signal(number)
        assert server.wait(10) == (0 if number != signal.SIGKILL else -number)
    finally:
        server.kill()
        server.communicate()
    assert gone(tmp_path)


def test_run_gives_the_environment_and_the_status_of_its_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, LAB_PY, "run", "--dir", tmp_path, "--seed", "--", "sh", "-c", "echo $HTTPS_PROXY; exit 7"],
        capture_output=True, text=True,
    )
    assert done.returncode == 7 and done.stdout.startswith("http://127.0.0.1:"), done.stderr
    assert gone(tmp_path)
