"""Proves the lab's clouds: Azure's tokens, the ECR registry, and the AWS API with its signatures."""

import base64
import json
import time
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from lab import Lab
from lab.clients import API, AZURE, ECR, LAYERS, MANIFEST, Reply, aws, basic, call, ecr_login, run
from lab.ecr_api import ECR_TARGET


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
