"""The clouds' own programs and ours with the same device's certificate and key, against the lab: the same devices get in, as
the same identity, and what is sent for it agrees."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest

from e2e.place import Result
from lab import Lab, roles_anywhere
from lab.clients import basic, call
from lab.entra import Directory, LoginService
from lab.google import StsService
from lab.http1 import Request
from lab.iot import IotCredentials
from lab.softhsm import MODULE, Token

from . import judges
from .device import BAD, GOOD, Device, Holder, holder
from .judges import Judge

Says = Callable[[Judge, str], None]
Watch = Callable[[Any, str], list[tuple[Any, ...]]]
MakeDevice = Callable[[Holder, str], Device]
IN_FILES = [kind for kind in GOOD if not kind.startswith("token")]


def opens(lab: Lab, host: str, login: str, image: str, tag: str) -> bool:
    return call(lab, host, f"/v2/{image}/manifests/{tag}", headers=basic(login)).status == 200


def refused(done: Result) -> str:
    """Why, in the judge's words."""
    assert done.status != 0, done.text()
    lines = [line for line in done.err.splitlines() if line.strip()]
    assert lines, done.text()
    return lines[-1]


def tally(judge: Judge, says: Says, good: list[str], bad: list[str], more: str) -> None:
    says(judge, f"accepted: gets in with {', '.join(good)}; not with {', '.join(bad)}; and so do we; {more}")


# IAM Roles Anywhere.


def sign_in_anywhere(judge: Judge, device: Device) -> Result:
    asked = device.entry["roles_anywhere"]
    token = device.holder if isinstance(device.holder, Token) else None
    words: list[object] = [
        *judge.argv, "--with-proxy", "--role-arn", asked["role_arn"], "--profile-arn", asked["profile_arn"],
        "--trust-anchor-arn", asked["trust_anchor_arn"], "--certificate", token.certificate_uri if token else device.about.leaf_file,
        # It knows a PIN only of its command line, or of a terminal.
        "--private-key", f"{token.key_uri_without_pin}?pin-value={token.pin}" if token else device.about.key_file,
    ]
    if token:
        words += ["--pkcs11-lib", MODULE]
    elif device.about.chain_file:
        words += ["--intermediates", device.about.chain_file]
    return device.place.program(*words, status=None)


def signed(call: tuple[Any, ...]) -> dict[str, Any]:
    """The parts of one request that its signature is of; the time apart."""
    request, body, algorithm, date, scope, names = call
    assert isinstance(request, Request)
    credential = re.search(r"Credential=(\S+),", request.header("authorization") or "")
    assert credential and credential[1].split("/")[1] == date[:8]
    serial, _, *rest = credential[1].split("/")
    return {
        "request": (request.method, request.path, sorted(request.query)), "algorithm": algorithm, "serial": serial,
        "scope": (rest, scope.partition("/")[2]), "names": names,
        "headers": {name: request.header(name) for name in names if name != "x-amz-date"}, "body": json.loads(body),
    }


def test_roles_anywhere(lab: Lab, device: MakeDevice, watch: Watch, says: Says) -> None:
    judge = judges.signing_helper()
    sent = watch(roles_anywhere, "_string_to_sign")
    for kind in GOOD:
        one = device(holder(lab, kind), "roles_anywhere")
        done = sign_in_anywhere(judge, one)
        assert done.status == 0, done.text()
        theirs = lab.identities.find(done.json()["AccessKeyId"])
        ours = lab.identities.issued(one.password())
        assert theirs and ours and theirs.arn == ours.identity.arn, kind
        official, own = (signed(c) for c in sent)
        # How long the session lasts is left to the profile.
        assert official.pop("body") == {"durationSeconds": 3600} and own.pop("body") == {}
        if isinstance(one.holder, Token):
            # It looks for a chain in the token, and finds the certificate itself.
            chain = official["headers"].pop("x-amz-x509-chain").split(",")
            assert set(chain) == {official["headers"]["x-amz-x509"]}
            official["names"].remove("x-amz-x509-chain")
        assert own == official, kind
        assert ("x-amz-x509-chain" in own["names"]) == (one.about.chain_file is not None)
        sent.clear()
    for kind in BAD:
        one = device(holder(lab, kind), "roles_anywhere")
        assert "AccessDeniedException" in refused(sign_in_anywhere(judge, one)) and one.get().status == 1, kind
    tally(judge, says, [*GOOD], [*BAD], "what is signed is the same but for durationSeconds, and of a "
          "certificate in a token, which it sends as its own chain too")


# AWS IoT.


def sign_in_iot(judge: Judge, device: Device) -> Result:
    asked = device.entry["iot"]
    key = {"key": str(device.about.key_file)}
    if isinstance(device.holder, Token):
        key = {"module": MODULE, "pin": device.holder.pin, "token": device.holder.label, "key_label": device.holder.object}
    return device.place.program(*judge.argv, status=None, input=json.dumps({
        "endpoint": asked["endpoint"], "role_alias": asked["role_alias"], "thing_name": device.about.name, "region": "us-east-2",
        "ca": str(device.lab.directory / "ca.pem"), "proxy": device.lab.env()["HTTPS_PROXY"],
        "certificate": str(device.about.certificate_file), **key,
    }))


def asked_of_iot(call: tuple[Any, ...]) -> tuple[Any, ...]:
    request = call[1]
    assert isinstance(request, Request)
    return request.method, request.target, request.header("x-amzn-iot-thingname"), request.peer_certificate


def test_iot(lab: Lab, device: MakeDevice, watch: Watch, says: Says) -> None:
    judge = judges.aws_iot()
    sent = watch(IotCredentials, "respond")
    for kind in GOOD:
        one = device(holder(lab, kind), "iot")
        done = sign_in_iot(judge, one)
        assert done.status == 0, done.text()
        theirs, ours = done.json(), one.password()
        issued = lab.identities.issued(ours)
        assert issued and issued.identity.arn == theirs["arn"], kind
        for password in (theirs["password"], ours):
            assert opens(lab, one.host, f"AWS:{password}", "base", "1.2")
        official, own = (asked_of_iot(c) for c in sent)
        assert own == official, kind
        sent.clear()
    for kind in BAD:
        one = device(holder(lab, kind), "iot")
        refused(sign_in_iot(judge, one))
        assert one.get().status == 1, kind
    tally(judge, says, [*GOOD], [*BAD], "both ask the same, with the same role")


# Entra ID.


def sign_in_entra(judge: Judge, device: Device) -> Result:
    both = device.private("both.pem", device.about.key_file.read_text() + device.about.certificate_file.read_text())
    return device.place.program(*judge.argv, status=None, input=json.dumps({
        **device.entry["entra"], "certificate": str(both), "registry": device.host, "repository": "web/nginx", "tag": "1.25",
    }))


def test_entra(lab: Lab, device: MakeDevice, watch: Watch, says: Says) -> None:
    judge = judges.azure_entra()
    assertions, logins = watch(Directory, "_assertion"), watch(LoginService, "_answer")
    for kind in ("rsa", "chain"):
        one = device(holder(lab, kind), "entra")
        done = sign_in_entra(judge, one)
        assert done.status == 0, done.text()
        said = one.get()
        assert said.status == 0, said.text()
        assert said.json()["Username"] == "00000000-0000-0000-0000-000000000000"
        assert done.json()["digest"] == lab.digests[f"{one.host}/web/nginx:1.25"]
        identity, msal, own = (jwt.decode(c[2], options={"verify_signature": False}) for c in assertions)
        for official in (identity, msal):
            for claim in ("aud", "iss", "sub"):
                assert own[claim] == official[claim]
            # They are good for as long; what begins with `iat` may say so with `nbf` too.
            assert own["exp"] - own["iat"] == official["exp"] - official["iat"] and own["nbf"] == own["iat"]
        old, new, mine = (jwt.get_unverified_header(c[2]) for c in assertions)
        # The old form, which Entra's page no longer advises.
        assert old.keys() == {"typ", "alg", "x5t"} and old["alg"] == "RS256"
        # For applications that know a subject and an issuer instead of a certificate.
        del new["x5c"]
        assert {**new, "x5t#S256": new["x5t#S256"].rstrip("=")} == mine
        for official in (logins[0][2], logins[1][2]):
            for name in ("grant_type", "client_id", "client_assertion_type", "scope"):
                assert logins[2][2][name] == official[name], name
        assertions.clear()
        logins.clear()
    for kind in BAD:
        one = device(holder(lab, kind), "entra")
        assert "AADSTS700027" in refused(sign_in_entra(judge, one)) and one.get().status == 1, kind
    one = device(holder(lab, "ec"), "entra")
    assert "must have an RSA private key" in refused(sign_in_entra(judge, one))
    assert "takes assertions of RSA keys only" in one.get().out
    tally(judge, says, ["rsa", "chain"], [*BAD, "ec"], "the same claims and scope; it signs with RS256 and names the "
          "certificate by SHA-1, we with PS256 and by SHA-256, as msal does in its newer form")


# Google.


def sign_in_google(judge: Judge, device: Device) -> Result:
    about = device.about
    certificates = device.private("certificates.json", json.dumps({"cert_configs": {"workload": {
        "cert_path": str(about.leaf_file), "key_path": str(about.key_file)}}}))
    source = {"certificate_config_location": str(certificates)}
    if about.chain_file:
        source["trust_chain_path"] = str(about.chain_file)
    return device.place.program(*judge.argv, device.private("account.json", json.dumps({
        "type": "external_account", "audience": device.entry["federation"]["audience"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:mtls", "token_url": "https://sts.mtls.googleapis.com/v1/token",
        "credential_source": {"certificate": source},
    })), status=None)


def test_google(lab: Lab, device: MakeDevice, watch: Watch, says: Says) -> None:
    judge = judges.google_auth()
    sent = watch(StsService, "answer")
    for kind in IN_FILES:
        one = device(holder(lab, kind), "federation")
        done = sign_in_google(judge, one)
        assert done.status == 0, done.text()
        theirs, ours = done.json()["token"], one.password()
        for token in (theirs, ours):
            assert opens(lab, one.host, f"oauth2accesstoken:{token}", "acme-prod/images/worker", "2")
        assert lab.google.tokens[theirs].principal == lab.google.tokens[ours].principal
        official, own = (dict(parse_qsl(c[2])) for c in sent)
        # Reading is all that a pull takes.
        assert official.pop("scope") + ".read-only" == own.pop("scope")
        # The same list, whatever spaces are in it.
        assert json.loads(official.pop("subject_token")) == json.loads(own.pop("subject_token"))
        assert own == official, kind
        sent.clear()
    # Google looks at no revocation.
    bad = [kind for kind in BAD if kind != "revoked"]
    for kind in bad:
        one = device(holder(lab, kind), "federation")
        refused(sign_in_google(judge, one))
        assert one.get().status == 1, kind
    tally(judge, says, IN_FILES, bad, "the same subject token, as the same principal; it asks for cloud-platform, we for "
          "cloud-platform.read-only")
