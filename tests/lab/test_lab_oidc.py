"""Proves the lab's OIDC issuers and GitHub's token service. Tokens are judged by cryptography alone where it matters."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lab import Lab
from lab.clients import Reply, call
from lab.oidc import GITHUB_TOKEN_PATH, Issuer, TokenRefused, issuer_of

AUDIENCE = "sts.amazonaws.com"


def unpack(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def ask(lab: Lab, audience: str = AUDIENCE, token: str | None = None) -> Reply:
    bearer = {"Authorization": f"Bearer {token or lab.credentials.github_request_token}"}
    return call(lab, lab.hosts["github"], f"{GITHUB_TOKEN_PATH}&audience={quote(audience)}", headers=bearer)


def public_key(issuer: Issuer) -> rsa.RSAPublicKey:
    published = issuer.jwks()["keys"][0]
    e, n = (int.from_bytes(unpack(published[name]), "big") for name in ("e", "n"))
    return rsa.RSAPublicNumbers(e, n).public_key()


def test_a_job_with_the_permission_gets_a_token_for_the_audience(lab: Lab) -> None:
    reply = ask(lab, "https://iam.googleapis.com/x")
    assert reply.status == 200
    value = reply.json()["value"]
    signed, _, signature = value.rpartition(".")
    public_key(lab.issuers["github"]).verify(
        unpack(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    claims = json.loads(unpack(value.split(".")[1]))
    assert claims["iss"] == "https://token.actions.githubusercontent.com"
    assert claims["aud"] == "https://iam.googleapis.com/x"
    assert claims["sub"] == "repo:acme/containers:ref:refs/heads/main"
    assert claims["exp"] - claims["iat"] == 300
    assert value in lab.secret_values()


def test_without_the_permission_there_is_none(lab: Lab) -> None:
    lab.set_github_permission(False)
    assert ask(lab).status == 403
    lab.set_github_permission(True)
    assert ask(lab, token="guessed").status == 401
    assert "ACTIONS_ID_TOKEN_REQUEST_TOKEN" not in lab.github_env(permission=False)
    assert lab.github_env()["ACTIONS_ID_TOKEN_REQUEST_URL"].startswith("https://")


@pytest.mark.parametrize("problem,token", [
    ("expired", {"lifetime": -1}),
    ("audience", {"audience": "another"}),
    ("subject", {"subject": "repo:evil/fork:pull_request"}),
    ("early", {"nbf": 4102444800}),
    ("malformed", {"exp": None}),
    ("signature", {"key": rsa.generate_private_key(65537, 2048)}),
])
def test_what_is_wrong_with_a_token_is_named(lab: Lab, problem: str, token: dict[str, Any]) -> None:
    made = lab.issuers["github"].mint(**{"audience": AUDIENCE, **token})
    with pytest.raises(TokenRefused) as refused:
        lab.issuers["github"].verify(made, AUDIENCE, "repo:acme/*")
    assert refused.value.problem == problem


def test_an_issuer_takes_no_token_of_another(lab: Lab) -> None:
    made = lab.oidc_token(AUDIENCE, "gitlab")
    assert issuer_of(made, lab.issuers) is lab.issuers["gitlab"]
    with pytest.raises(TokenRefused) as refused:
        lab.issuers["github"].verify(made, AUDIENCE)
    assert refused.value.problem == "signature"
    with pytest.raises(InvalidSignature):
        signed, _, signature = made.rpartition(".")
        public_key(lab.issuers["github"]).verify(
            unpack(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    impostor = lab.issuers["gitlab"].mint(AUDIENCE, iss="https://token.actions.githubusercontent.com")
    with pytest.raises(TokenRefused):
        issuer_of(impostor, lab.issuers).verify(impostor, AUDIENCE)


def test_tokens_go_by_the_labs_clock(lab: Lab) -> None:
    made = lab.oidc_token(AUDIENCE)
    lab.set_clock_offset(400)
    with pytest.raises(TokenRefused) as refused:
        lab.issuers["github"].verify(made, AUDIENCE)
    assert refused.value.problem == "expired"
    assert lab.issuers["github"].verify(lab.oidc_token(AUDIENCE), AUDIENCE)["aud"] == AUDIENCE
