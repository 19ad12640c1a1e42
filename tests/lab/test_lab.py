"""Proves the lab itself, with other people's clients wherever there is one."""

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from lab.clients import (
    AZURE, ECR, GENERIC, HUB, TLS, Reply, aws, basic, call, login_for, run, tunnel,
)
from lab.nginx import NGINX

LAB_PY = Path(__file__).with_name("lab.py")

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
    lab.device()
    lab.softhsm()
    public = ("leaf.pem", "client.pem", "chain.pem", "certificate.der", "public.der", "softhsm2.conf")
    for path in lab.secrets_directory.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == 0o700 if path.is_dir() else mode == 0o600 or path.name in public, path
    aws(lab, "ecr", "get-login-password")
    manifest_of(lab)
    outputs = [json.dumps(lab.env()), *(p.read_text() for p in (lab.directory / "logs").iterdir())]
    for value in lab.secret_values():
        assert not any(value in text for text in outputs)


# Eight docker-registries, and nginx with its worker.
PROCESSES = 8 + (2 if NGINX else 0)


def processes_below(directory: Path) -> list[int]:
    """The docker-registry and nginx processes of one lab: they have its logs open."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() in ("docker-registry", "nginx"):
                if any(file.resolve().is_relative_to(directory) for file in (path.parent / "fd").iterdir()):
                    found.append(int(path.parent.name))
    return found


def gone(directory: Path) -> bool:
    deadline = time.monotonic() + 5
    while processes_below(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_stop_leaves_nothing_behind_even_with_an_idle_client(tmp_path: Path) -> None:
    lab = Lab(tmp_path).start()
    assert len(processes_below(tmp_path)) == PROCESSES
    with tunnel(lab, HUB) as idle:
        idle.request("GET", "/v2/")
        Reply(idle.getresponse())
        assert elapsed(lab.stop) < 3
    assert not processes_below(tmp_path)


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


def test_serve_ends_with_its_parent(tmp_path: Path) -> None:
    shell = '"$0" "$1" serve --dir "$2" & read line < "$3"; kill -9 $$'
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    parent = subprocess.Popen(["sh", "-c", shell, sys.executable, LAB_PY, tmp_path, fifo], stdout=subprocess.PIPE)
    assert parent.stdout and parent.stdout.readline() == f"{tmp_path}/env.sh\n".encode()
    assert len(processes_below(tmp_path)) == PROCESSES
    fifo.write_text("go\n")
    parent.communicate()
    assert gone(tmp_path)


def test_run_gives_the_environment_and_the_status_of_its_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, LAB_PY, "run", "--dir", tmp_path, "--seed", "--", "sh", "-c", "echo $HTTPS_PROXY; exit 7"],
        capture_output=True, text=True,
    )
    assert done.returncode == 7 and done.stdout.startswith("http://127.0.0.1:"), done.stderr
    assert gone(tmp_path)
