"""Other people's clients pull private images through the helper, with the configuration that `login` wrote: skopeo,
buildah, podman, and docker's command line where there is one."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .clients import calls, path_of

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
IMAGES = [f"{ECR}/base:1.2", "acme.azurecr.io/web/nginx:1.25", "ghcr.example.com/acme/redis:7"]


@pytest.fixture(params=["docker", "podman"])
def client(request, workspace):
    """The tools of containers read both configurations."""
    workspace.run("login", "--client", request.param, env={"PATH": path_of(workspace)})
    workspace.env["PATH"] = path_of(workspace)
    return workspace


@pytest.fixture
def with_docker(workspace):
    if not shutil.which("docker", path="/usr/local/bin:/usr/bin"):
        pytest.skip("docker's command line is not on this machine")
    workspace.run("login", env={"PATH": path_of(workspace)})
    workspace.env["PATH"] = f"{path_of(workspace)}:/usr/local/bin"
    return workspace


@pytest.mark.parametrize("image", IMAGES)
def test_skopeo(client, image):
    client.program("skopeo", "copy", "--override-arch", "amd64", "--override-os", "linux", f"docker://{image}", f"dir:{client.work}/image")
    assert (client.work / "image/manifest.json").exists()


@pytest.mark.parametrize("image", IMAGES)
def test_buildah(client, image):
    folder = client.write({"Dockerfile": f"FROM {image}\nCOPY Dockerfile /copied\n"}, "build")
    client.program("buildah", "--storage-driver", "vfs", "bud", "--isolation", "chroot", "--pull-always", "-t", "built", folder)


@pytest.fixture
def without_podmans_locks():
    """podman keeps its locks where all of the machine see them."""
    locks = Path("/dev/shm/libpod_lock")
    were_there = locks.exists()
    yield
    if not were_there:
        locks.unlink(missing_ok=True)


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.usefixtures("without_podmans_locks")
def test_podman(client, image):
    client.program("podman", "pull", "-q", image)


def test_two_pulls_make_one_call(client, lab):
    client.program("skopeo", "inspect", "--raw", f"docker://{IMAGES[0]}")
    client.program("skopeo", "inspect", "--raw", f"docker://{IMAGES[0]}")
    assert calls(lab) == 1


def test_the_reason_is_shown(client, lab):
    lab.deny_action("ecr:GetAuthorizationToken")
    result = client.program("skopeo", "inspect", "--raw", f"docker://{IMAGES[0]}", status=1)
    assert "AccessDeniedException" in result.err and "allow ecr:GetAuthorizationToken" in result.err


def test_skopeo_login_and_logout(client, lab):
    """Of a host that the helper serves: `login` gets and stores, `logout` erases."""
    authfile = client.home / ".docker/config.json"
    if not authfile.exists():
        authfile = client.root / "run/containers/auth.json"
    result = client.program("skopeo", "login", "--authfile", authfile, "ghcr.example.com")
    assert "Existing credentials are valid" in result.out
    client.program("skopeo", "logout", "--authfile", authfile, "ghcr.example.com", status=None)
    client.program("skopeo", "inspect", "--raw", f"docker://{IMAGES[2]}")


@pytest.mark.parametrize("image", IMAGES)
def test_docker(with_docker, image):
    """Without a daemon: the command line itself asks the registry, and the helper."""
    result = with_docker.program("docker", "manifest", "inspect", image)
    assert json.loads(result.out)["schemaVersion"] == 2


def test_docker_login_and_logout(with_docker, lab):
    config = with_docker.home / ".docker/config.json"
    before = json.loads(config.read_text())["credHelpers"]
    typed = subprocess.run(
        ["docker", "login", "-u", lab.credentials.generic.user, "--password-stdin", "ghcr.example.com"],
        input=lab.credentials.generic.password.encode(), env=with_docker.env, cwd=with_docker.work, capture_output=True, check=False)
    with_docker.keep("docker login", typed.stdout + typed.stderr)
    assert b"Login Succeeded" in typed.stdout, typed.stderr
    assert b"not implemented" not in typed.stderr
    result = with_docker.program("docker", "logout", "ghcr.example.com")
    assert "not implemented" not in result.err and "pratique still serves this registry" in result.err
    assert json.loads(config.read_text())["credHelpers"] == before
    with_docker.program("docker", "manifest", "inspect", IMAGES[2])
