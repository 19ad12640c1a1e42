"""A user who is not root, without subordinate ids: all but building images works."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .factory import MACHINE, SMALL, Factory

USER = 23456


@pytest.fixture
def as_user(session, lab):
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("takes root, to become another user")
    factory = Factory.ready(session, lab)
    factory.write(SMALL)
    # Where that user can go: pytest's folders are root's.
    world = Path(tempfile.mkdtemp(prefix="pratique-user."))
    try:
        shutil.copytree(factory.place.root, world / "place")
        shutil.copytree(session.programs, world / "bin")
        shutil.copy(lab.directory / "ca.pem", world)
        subprocess.run(["chown", "-R", f"{USER}:{USER}", world], check=True)
        world.chmod(0o700)
        was = str(factory.place.root)
        env = {n: v.replace(was, f"{world}/place") for n, v in factory.place.env.items()}
        for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            env[name] = str(world / "ca.pem")
        env |= {"PATH": "/usr/bin:/bin", "USER": "nobody-in-particular", "LOGNAME": "nobody-in-particular"}
        env.pop("CONTAINERS_STORAGE_CONF"), env.pop("PRATIQUE_RUNTIME_DIR")

        def run(*arguments, status=0):
            done = subprocess.run(
                ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", world / "bin/pratique", *arguments],
                cwd=world / "place/work", env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=60,
            )
            factory.place.keep(f"pratique {arguments} as another user", done.stdout + done.stderr)
            assert done.returncode == status, (done.stdout + done.stderr).decode()
            return done.stdout.decode(), done.stderr.decode()

        run.world = world
        yield run
    finally:
        shutil.rmtree(world)


def test_a_user_who_is_not_root(as_user):
    assert "aws_creds" in as_user("secrets", "list")[0]
    assert "ok          ghcr.example.com  generic" in as_user("check", "containers")[0]
    as_user("tuf", "init", "mine")
    out, _ = as_user("target", "build", "containers", "--tuf", "mine", "--builder", "none")
    assert out.endswith(f"Target {MACHINE}-lmp-1  signed into mine\n")
    root = as_user.world / "place/home/.config/pratique/tuf/mine/root.json"
    assert as_user("target", "verify", "mine", "--root", root)[0].startswith("proved: 1 Target")


def test_a_configuration_of_another_user_is_not_used(as_user):
    config = as_user.world / "place/work/factory-config.yml"
    os.chown(config, 0, 0)
    folder = as_user.world / "place/work"
    os.chown(folder, 0, 0)
    folder.chmod(0o755)
    _, said = as_user("check", "containers", status=1)
    assert "using" not in said and "factory-config.yml" in said


def test_keys_and_secrets_are_the_users_alone(as_user):
    as_user("tuf", "init", "mine")
    home = as_user.world / "place/home"
    for path in (home / ".config/pratique").rglob("*"):
        if path.is_file() and path.name != "root.json":
            assert path.stat().st_mode & 0o077 == 0, path
    for path in (home / ".local/share/pratique").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
