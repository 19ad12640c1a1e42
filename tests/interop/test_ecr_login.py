"""AWS's own programs and ours ask the lab's ECR API with the same keys: the same identities get in, and the same do not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.clients import ECR, basic, call

from . import judges
from .conftest import Factory
from .judges import Judge

CONFIGURATION = """\
container_registries:
- type: aws
  url: {host}
  aws_creds_secret_name: aws_creds
  profile: {profile}
"""
# Profile: whether it gets in. The last two are made by the test: a key that AWS does not know, and a wrong secret.
IDENTITIES = {"default": True, "ci": True, "session": True, "push": True, "denied": False, "stranger": False, "wrong": False}


@pytest.fixture(scope="session")
def keys(factory: Factory) -> Path:
    folder = factory.place.work / "given-secrets"
    folder.mkdir(mode=0o700)
    known = (factory.lab.secrets_directory / "aws_credentials").read_text()
    right = factory.lab.credentials.aws_default
    wrong = right.secret[:-1] + ("a" if right.secret[-1] != "a" else "b")
    file = folder / "aws_creds"
    file.touch(mode=0o600)
    file.write_text(
        f"{known}\n[stranger]\naws_access_key_id = AKIAAAAAAAAAAAAAAAAA\naws_secret_access_key = {'s' * 40}\n"
        f"\n[wrong]\naws_access_key_id = {right.key_id}\naws_secret_access_key = {wrong}\n")
    return file


def ours(factory: Factory, keys: Path, profile: str) -> bool:
    tree = factory.place.write({
        "Dockerfile": f"FROM {ECR}/base:1.2\n", "registries.yml": CONFIGURATION.format(host=ECR, profile=profile),
    }, f"ecr-{profile}")
    done = factory.run("--config", tree / "registries.yml", "--secrets", keys.parent, "--json", "check", tree, status=None)
    login: str = done.json()["registries"][0]["login"]
    assert done.status == (0 if login == "ok" else 1), done.text()
    return login == "ok"


def theirs(factory: Factory, keys: Path, judge: Judge, profile: str) -> bool:
    env: dict[str, str | None] = {"AWS_SHARED_CREDENTIALS_FILE": str(keys), "AWS_PROFILE": profile, "AWS_MAX_ATTEMPTS": "1",
                                  "AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-east-2"}
    if judge.name == "awscli":
        done = factory.place.program(*judge.argv, "ecr", "get-login-password", env=env, status=None)
        password = done.out.strip()
    else:
        env["AWS_ECR_DISABLE_CACHE"] = "1"
        done = factory.place.program(*judge.argv, input=ECR, env=env, status=None)
        password = str(done.json()["Secret"]) if done.status == 0 else ""
    if done.status != 0:
        return False
    return call(factory.lab, ECR, "/v2/base/manifests/1.2", headers=basic(f"AWS:{password}")).status == 200


@pytest.mark.parametrize("which", ["aws_cli", "ecr_login", "ecr_login_today"])
def test_the_same_identities_get_in(which: str, factory: Factory, keys: Path, says: Callable[[Judge, str], None]) -> None:
    judge: Judge = getattr(judges, which)()
    answers = {profile: (ours(factory, keys, profile), theirs(factory, keys, judge, profile)) for profile in IDENTITIES}
    assert answers == {profile: (good, good) for profile, good in IDENTITIES.items()}
    says(judge, "accepted: gets in with " + ", ".join(p for p, good in IDENTITIES.items() if good)
         + "; not with " + ", ".join(p for p, good in IDENTITIES.items() if not good) + "; and so do we")
