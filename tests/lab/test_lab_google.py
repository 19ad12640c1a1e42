"""The lab's Google: what it takes, and what it does not. The client here is PyJWT and plain HTTP, nothing of ours."""

import base64
import json
import time
from urllib.parse import urlencode

import jwt
import pytest

from lab import Lab
from lab.clients import MANIFEST, Reply, call, run
from lab.google import IAM_HOST, MTLS_HOST, OAUTH_HOST, REGISTRY_HOST, STS_HOST, TOKEN_URI, account, provider

READ = "https://www.googleapis.com/auth/cloud-platform.read-only"
WORKER = "/v2/acme-prod/images/worker/manifests/2"


def post(lab: Lab, host: str, path: str, **form: str) -> Reply:
    return call(lab, host, path, "POST", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})


def assertion(key: dict[str, str], **claims: object) -> str:
    now = int(time.time())
    content = {"iss": key["client_email"], "scope": READ, "aud": TOKEN_URI, "iat": now, "exp": now + 3600, **claims}
    return jwt.encode(content, key["private_key"], "RS256", headers={"kid": key["private_key_id"]})


def grant(lab: Lab, token: str) -> Reply:
    return post(lab, OAUTH_HOST, "/token", grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=token)


def basic(token: str, user: str = "oauth2accesstoken") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode(), "Accept": MANIFEST}


def exchange(lab: Lab, token: str, name: str = "github", **form: str) -> Reply:
    return post(lab, STS_HOST, "/v1/token", **{
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": f"//iam.googleapis.com/{provider(name)}",
        "scope": READ, "requested_token_type": "urn:ietf:params:oauth:token-type:access_token", "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", **form})


def test_a_signed_assertion_opens_the_registry(lab: Lab) -> None:
    answer = grant(lab, assertion(lab.google_key())).json()
    assert answer["expires_in"] == 3599
    reply = call(lab, REGISTRY_HOST, WORKER, headers=basic(answer["access_token"]))
    assert reply.status == 200 and reply.headers["Docker-Content-Digest"]
    done = run(lab, "skopeo", "inspect", "--no-tags", "--creds", f"oauth2accesstoken:{answer['access_token']}",
               f"docker://{REGISTRY_HOST}/acme-prod/images/worker:2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("claims", "code", "words"), [
    ({"aud": "https://example.com/token"}, "invalid_grant", "audience"),
    ({"exp": int(time.time()) + 7300}, "invalid_grant", "short-lived"),
    ({"iat": 1, "exp": 3601}, "invalid_grant", "timeframe"),
    ({"iss": "somebody@else.iam.gserviceaccount.com"}, "invalid_grant", "issuer"),
    ({"scope": "https://example.com/scope"}, "invalid_scope", "scope"),
    ({"scope": ""}, "invalid_scope", "scope"),
])
def test_assertions_that_are_refused(lab: Lab, claims: dict[str, object], code: str, words: str) -> None:
    reply = grant(lab, assertion(lab.google_key(), **claims))
    assert reply.status == 400 and reply.json()["error"] == code
    assert words.lower() in reply.json()["error_description"].lower()


def test_keys_that_are_refused(lab: Lab) -> None:
    key, other = lab.google_key(), lab.google_key()
    assert grant(lab, assertion({**key, "private_key": other["private_key"]})).json()["error_description"] == "Invalid JWT Signature."
    lab.delete_google_keys("ci-pull")
    assert grant(lab, assertion(key)).json()["error_description"] == "Invalid JWT Signature."


def test_the_registry_looks_at_the_token(lab: Lab) -> None:
    google = lab.google
    good = google.issue(account("ci-pull"), {READ}).value
    assert call(lab, REGISTRY_HOST, WORKER, headers=basic(good)).status == 200
    bearer = call(lab, REGISTRY_HOST, "/v2/token", headers=basic(good)).json()["token"]
    assert call(lab, REGISTRY_HOST, WORKER, headers={"Authorization": f"Bearer {bearer}", "Accept": MANIFEST}).status == 200
    for user, token, status in [
        ("ci-pull", good, 401),                                                                   # another user
        ("oauth2accesstoken", "ya29.made-up", 401),
        ("oauth2accesstoken", google.issue(account("ci-pull"), {READ}, lifetime=-1).value, 401),  # ended
        ("oauth2accesstoken", google.issue(account("ci-none"), {READ}).value, 403),               # no right
        ("oauth2accesstoken", google.issue(account("ci-pull"), {"https://www.googleapis.com/auth/iam"}).value, 403),
    ]:
        assert call(lab, REGISTRY_HOST, WORKER, headers=basic(token, user)).status == status
    upload = "/v2/acme-prod/images/worker/blobs/uploads/"
    assert call(lab, REGISTRY_HOST, upload, "POST", headers=basic(google.issue(account("ci-push"), {READ}).value)).status == 403
    whole = google.issue(account("ci-push"), {"https://www.googleapis.com/auth/cloud-platform"}).value
    assert call(lab, REGISTRY_HOST, upload, "POST", headers=basic(whole)).status == 202
    assert call(lab, REGISTRY_HOST, "/v2/acme-prod/other/worker/manifests/2", headers=basic(good)).status == 403


def test_an_issuers_token_is_proved(lab: Lab) -> None:
    wanted = f"https://iam.googleapis.com/{provider('github')}"
    assert exchange(lab, lab.oidc_token(wanted)).status == 200
    for token, words in [
        (lab.oidc_token("sts.amazonaws.com"), "audience"),
        (lab.oidc_token(wanted, "gitlab"), "signature"),
        (lab.oidc_token(wanted, iss="https://elsewhere.example"), "issuer"),
        (lab.oidc_token(wanted, lifetime=-60), "stale"),
        ("made-up", "parse"),
    ]:
        reply = exchange(lab, token)
        assert reply.status == 400 and words in reply.json()["error_description"], reply.json()
    assert exchange(lab, "x", "nowhere").json()["error"] == "invalid_target"
    assert exchange(lab, "x", audience="projects/1").json()["error"] == "invalid_request"


def test_who_may_become_whom(lab: Lab) -> None:
    path = f"/v1/projects/-/serviceAccounts/{account('deployer')}:generateAccessToken"
    iam = "https://www.googleapis.com/auth/iam"

    def become(principal: str, scope: str = iam, **more: object) -> Reply:
        token = lab.google.issue(principal, {scope}).value
        return call(lab, IAM_HOST, path, "POST", json.dumps({"scope": [READ], "lifetime": "3600s", **more}),
                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})

    token = become(account("ci-none")).json()["accessToken"]
    assert call(lab, REGISTRY_HOST, WORKER, headers=basic(token)).status == 200
    assert become(account("ci-push")).json()["error"]["status"] == "PERMISSION_DENIED"
    assert become(account("ci-none"), READ).json()["error"]["status"] == "PERMISSION_DENIED"
    assert become(account("ci-none"), lifetime="7200s").json()["error"]["status"] == "INVALID_ARGUMENT"


def test_the_host_with_mutual_tls_demands_a_certificate(lab: Lab) -> None:
    done = run(lab, "curl", "-sS", f"https://{MTLS_HOST}/v1/token", "-d", "x=y")
    assert done.returncode != 0 and not done.stdout
    assert not lab.requests(MTLS_HOST)
