"""A user who is not root, without subordinate ids: all but building images works."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .factory import MACHINE, SMALL, Factory

USER = 23456
# Where that user's tokens are, for the machine gives it no other folder in memory.
MEMORY = Path(f"/dev/shm/pratique-{USER}")


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

        def start(*argv, said=b""):
            return subprocess.run(
                ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *argv], input=said,
                cwd=world / "place/work", env=env, capture_output=True, check=False, timeout=60,
            )

        def run(*arguments, status=0):
            done = start(world / "bin/pratique", *arguments)
            factory.place.keep(f"pratique {arguments} as another user", done.stdout + done.stderr)
            assert done.returncode == status, (done.stdout + done.stderr).decode()
            return done.stdout.decode(), done.stderr.decode()

        run.world, run.start = world, start
        yield run
    finally:
        shutil.rmtree(world)
        shutil.rmtree(MEMORY, ignore_errors=True)


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


ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"


def test_the_helper_of_a_rootless_engine(as_user, lab):
    """It runs in a user namespace, where the user is root, and root is nobody."""
    as_user("login")
    binding = (as_user.world / "place/home/.docker/config.json.pratique").read_text()
    assert f"cache {MEMORY}/" in binding and MEMORY.stat().st_mode & 0o777 == 0o700 and MEMORY.stat().st_uid == USER
    # As installed by a package.
    for path in (as_user.world / "bin", *(as_user.world / "bin").iterdir()):
        os.chown(path, 0, 0)
    helper = as_user.world / "bin/docker-credential-pratique"
    inside = ("unshare", "--user", "--map-root-user")
    if as_user.start(*inside, "true").returncode:
        pytest.skip("this machine gives users no namespaces")
    answers = [as_user.start(*how, helper, "get", said=ECR.encode()) for how in (inside, (), inside)]
    assert [json.loads(a.stdout)["Username"] for a in answers] == ["AWS"] * 3, [a.stdout[:300] for a in answers]
    assert len({a.stdout for a in answers}) == 1
    # Somebody else's is still seen.
    os.chown(helper.parent / "pratique", 12345, 12345)
    answer = as_user.start(helper, "get", said=b"ghcr.example.com")
    assert answer.returncode == 1 and b"belongs to user 12345" in answer.stdout


def test_tokens_are_kept_from_builds(as_user, lab):
    """A build with chroot isolation sees the machine's /dev/shm as this user."""
    as_user("check", "containers")
    (MEMORY / "left.token").write_text("x")
    as_user("tuf", "init", "mine")
    as_user("target", "build", "containers", "--tuf", "mine", "--builder", "none")
    assert not MEMORY.exists()
