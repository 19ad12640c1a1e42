"""Proves the lab's roles, SSO and metadata services with the AWS CLI, which nobody here wrote, and their refusals."""

import hashlib
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from lab import Lab
from lab.aws_cloud import PLACES
from lab.aws_identity import ACCOUNT
from lab.aws_roles import EXTERNAL_ID
from lab.clients import aws, basic, call, run

STS = "sts.us-east-2.amazonaws.com"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def caller(lab: Lab, *arguments: str, **env: str) -> str:
    """Who the AWS CLI is."""
    done = aws(lab, "sts", "get-caller-identity", *arguments, **env)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["Arn"])


def no_keys(home: Path) -> dict[str, str]:
    return {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CONFIG_FILE": "/dev/null", "HOME": str(home)}


def test_roles_by_profiles(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile one]\nrole_arn = {ROLE}ci-hop\nsource_profile = ci\nrole_session_name = me\n"
        f"[profile two]\nrole_arn = {ROLE}ci-behind\nsource_profile = one\nrole_session_name = me\n"
        f"[profile partner]\nrole_arn = {ROLE}ci-partner\nsource_profile = ci\nexternal_id = {EXTERNAL_ID}\n"
        f"[profile stranger]\nrole_arn = {ROLE}ci-partner\nsource_profile = ci\n"
        f"[profile long]\nrole_arn = {ROLE}ci-pull\nsource_profile = ci\nduration_seconds = 7200\n"
    )
    env = {"AWS_CONFIG_FILE": str(config), "HOME": str(tmp_path)}
    assert caller(lab, "--profile", "one", **env) == f"{SESSION}ci-hop/me"
    assert caller(lab, "--profile", "two", **env) == f"{SESSION}ci-behind/me"
    assert caller(lab, "--profile", "partner", **env).startswith(f"{SESSION}ci-partner/")
    assert "AccessDenied" in aws(lab, "sts", "get-caller-identity", "--profile", "stranger", **env).stderr
    said = aws(lab, "sts", "get-caller-identity", "--profile", "long", **env).stderr
    assert "exceeds the MaxSessionDuration" in said


def test_web_identity(lab: Lab, tmp_path: Path) -> None:
    token = tmp_path / "token"
    env = {**no_keys(tmp_path), "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": ROLE + "ci-cluster",
           "AWS_ROLE_SESSION_NAME": "pod"}
    token.write_text(lab.oidc_token("sts.amazonaws.com", "cluster"))
    assert caller(lab, **env) == f"{SESSION}ci-cluster/pod"


@pytest.mark.parametrize("token,status,code", [
    ({"lifetime": -1}, 400, "ExpiredTokenException"),
    ({"audience": "another"}, 400, "InvalidIdentityToken"),
    ({"subject": "repo:evil/fork:x"}, 403, "AccessDenied"),
    ({"issuer": "gitlab"}, 403, "AccessDenied"),
    ({"iss": "https://nobody.example"}, 400, "InvalidIdentityToken"),
])
def test_tokens_are_refused(lab: Lab, token: dict[str, object], status: int, code: str) -> None:
    made = lab.oidc_token(**{"audience": "sts.amazonaws.com", **token})  # type: ignore[arg-type]
    reply = call(lab, STS, "/", "POST", urlencode({
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE + "ci-github",
        "RoleSessionName": "ci", "WebIdentityToken": made,
    }), FORM)
    assert reply.status == status and f"<Code>{code}</Code>" in reply.body.decode()


def test_sessions_end(lab: Lab, tmp_path: Path) -> None:
    done = aws(lab, "sts", "assume-role", "--role-arn", ROLE + "ci-pull", "--role-session-name", "ci",
               "--duration-seconds", "900", "--profile", "ci")
    keys = json.loads(done.stdout)["Credentials"]
    env = {**no_keys(tmp_path), "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
           "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"], "AWS_SESSION_TOKEN": keys["SessionToken"]}
    assert caller(lab, **env) == f"{SESSION}ci-pull/ci"
    assert keys["SecretAccessKey"] in lab.secret_values() and keys["SessionToken"] in lab.secret_values()
    lab.expire_role_sessions()
    assert "ExpiredToken" in aws(lab, "sts", "get-caller-identity", **env).stderr


def test_sso(lab: Lab, tmp_path: Path) -> None:
    config, token = lab.aws.sso_files("work", 600)
    (tmp_path / "config").write_text(config)
    cache = tmp_path / ".aws/sso/cache"
    cache.mkdir(parents=True)
    (cache / f"{hashlib.sha1(b'work').hexdigest()}.json").write_text(json.dumps(token))
    env = {**no_keys(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    assert caller(lab, "--profile", "sso", **env) == f"{SESSION}AWSReservedSSO_Pull_0123456789abcdef/somebody@example.com"
    lab.sso_log_out()
    if (tmp_path / ".aws/cli").exists():
        (tmp_path / ".aws/cli").rename(tmp_path / "old")
    assert aws(lab, "sts", "get-caller-identity", "--profile", "sso", **env).returncode != 0


def test_an_instance(lab: Lab, tmp_path: Path) -> None:
    env = {**no_keys(tmp_path), **lab.aws.instance_env()}
    assert caller(lab, **env) == f"{SESSION}instance/i-0123456789abcdef0"
    lab.set_instance_role(None)
    assert "Unable to locate credentials" in aws(lab, "sts", "get-caller-identity", **env).stderr


def test_a_container(lab: Lab, tmp_path: Path) -> None:
    env = {**no_keys(tmp_path), **lab.aws.container_env()}
    assert caller(lab, **env) == f"{SESSION}task/0123456789abcdef"
    lab.aws.container.renew()
    assert aws(lab, "sts", "get-caller-identity", **env).returncode != 0


def test_passwords_open_one_region_only(lab: Lab) -> None:
    password = lab.identities.issue(lab.identities.profile("ci"), "eu-west-1").password
    for host, status in ((PLACES["dual"].registry, 200), (lab.hosts["ecr"], 400)):
        assert call(lab, host, "/v2/base/manifests/1.2", headers=basic(f"AWS:{password}")).status == status


def test_the_public_gallery(lab: Lab) -> None:
    done = run(lab, "/usr/bin/aws", "ecr-public", "get-login-password", "--region", "us-east-1", "--profile", "ci",
               AWS_SHARED_CREDENTIALS_FILE=str(lab.secrets_directory / "aws_credentials"))
    assert done.returncode == 0, done.stderr
    assert lab.identities.issued(done.stdout.strip())
