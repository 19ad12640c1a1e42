"""A device as it is run in earnest: the key in a token, the service that alone can use it, `device setup`, and stock clients
of an unprivileged user who has neither key nor configuration."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .agent import Agent
from .clients import is_root
from .device import SOFTHSM
from .place import SANITIZER

USER, GROUP = 24680, 35791
IMAGES = {
    "ecr": "base:1.2", "ecr_ireland": "base:1.2", "azure": "base/python:3.11", "google": "acme-prod/images/web:1.4",
    "fleet": "fleet/agent:1",
}


class User:
    """Somebody who runs containers on a device."""

    def __init__(self, place, folder, programs):
        self.place, self.home = place, folder / "home"
        self.home.mkdir(mode=0o700)
        # As of somebody who is logged in.
        runtime = self.home / "runtime"
        runtime.mkdir(mode=0o700)
        self.env = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(runtime), "PATH": f"{programs}:/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(self.home)}
        self.env.update({name: place.env[name] for name in ("HTTPS_PROXY", "https_proxy")})
        # The lab's own is in a folder that only its owner can enter.
        self.env["SSL_CERT_FILE"] = str(shutil.copy(place.env["SSL_CERT_FILE"], folder))

    def run(self, *argv, status=0, groups=(GROUP,)):
        """As that user; nothing of this place's environment but the way to the network."""
        lists = [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
        done = subprocess.run(
            ["setpriv", f"--reuid={USER}", f"--regid={USER}", *lists, *map(str, argv)], env=self.env, cwd=self.home,
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120)
        text = (done.stdout + done.stderr).decode(errors="backslashreplace")
        self.place.keep(f"what {argv[0]} said", text.encode())
        assert done.returncode not in SANITIZER and done.returncode == status, text
        return text


@pytest.fixture
def open_folder():
    """Which any user can reach; a test's own place is its owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="pratique-device.", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not is_root(), reason="only root can take another user's part")
def test_stock_clients_of_a_user_pull_by_each_way(place, lab, open_folder):
    token = lab.softhsm("dev-7", kind="rsa")
    assert not Path(token.device.key_file).exists()
    config = lab.device_config(place.work, token)
    programs = open_folder / "bin"
    programs.mkdir()
    for name in ("pratique", "docker-credential-pratique"):
        shutil.copy(place.programs / name, programs)
    user = User(place, open_folder, programs)
    token_env = {**token.env, "PKCS11_MODULE_PATH": SOFTHSM}
    with Agent(place, config, at=open_folder / "socket", activated=True, group=GROUP, env=token_env) as agent:
        # As `device setup --user` would, which wants a user that this machine knows.
        for client, folder in (("docker", ".docker"), ("podman", ".config/containers")):
            place.program(programs / "pratique", "--device-config", config, "device", "setup", "--no-units", "--client", client,
                          "--into", user.home / folder, "--socket", agent.path, env=token_env)
        subprocess.run(["chown", "-R", f"{USER}:{USER}", user.home], check=True)
        for alias, image in IMAGES.items():
            copy = user.home / alias
            user.run("skopeo", "copy", "--quiet", f"docker://{lab.hosts[alias]}/{image}", f"dir:{copy}")
            assert (copy / "manifest.json").is_file()
        # podman as root: the same helper, which finds what the service keeps.
        place.program(programs / "pratique", "--device-config", config, "device", "setup", "--no-units", "--client", "podman",
                      "--into", place.root / "podman", "--socket", agent.path, env=token_env)
        storage = open_folder / "storage"
        place.program(
            "podman", "--root", storage, "--runroot", open_folder / "run", "--storage-driver", "vfs", "pull", "--quiet",
            f"{lab.hosts['ecr']}/{IMAGES['ecr']}",
            env={"REGISTRY_AUTH_FILE": str(place.root / "podman/auth.json"), "PATH": f"{programs}:{place.env['PATH']}"})
        # The user holds nothing: not the key's token, not the configuration, not a password in a file.
        assert lab.secret_values() and not any(
            value.encode() in path.read_bytes() for path in user.home.rglob("*") if path.is_file() and path.suffix == ".json"
            for value in lab.secret_values())
        for hidden in (config, token.pin_file):
            assert "Permission denied" in user.run("cat", hidden, status=1)
        # Whoever is not of the group is told so, by the client that he uses.
        refused = user.run("skopeo", "inspect", f"docker://{lab.hosts['ecr']}/{IMAGES['ecr']}", groups=(), status=1)
        assert "may not ask for the credentials of this device" in refused
        # Revoked: what the service has is good still; after a reload it asks anew, and the client shows why it gets none.
        lab.revoke_device(token.device)
        agent.reload()
        refused = user.run("skopeo", "inspect", f"docker://{lab.hosts['ecr']}/{IMAGES['ecr']}", status=1)
        assert "AWS IoT does not know this certificate" in refused
