"""Proves what the lab knows of devices with other people's clients: curl, openssl, botocore, skopeo, `cryptography`."""

import base64
import datetime
import hashlib
import json
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import pytest
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from lab import Lab
from lab.aws_identity import ACCOUNT
from lab.clients import MANIFEST, Reply, aws, basic, call, run
from lab.core import HOSTS
from lab.devices import Device
from lab.entra import TENANT
from lab.google import MTLS_HOST, REGISTRY_HOST, provider
from lab.nginx import NGINX
from lab.softhsm import Token

IOT, GATEWAY, FLEET, HUB = HOSTS["iot"], HOSTS["gateway"], HOSTS["fleet"], HOSTS["hub"]
ALIAS = f"https://{IOT}/role-aliases/ecr-pull/credentials"
CREDS = f"https://{GATEWAY}/hub-creds/"
READ = "https://www.googleapis.com/auth/cloud-platform.read-only"
needs_nginx = pytest.mark.skipif(NGINX is None, reason="there is no nginx")


class Got:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.exit = done.returncode
        self.error = done.stderr
        self.body, _, status = done.stdout.rpartition("\n")
        self.status = int(status or 0)

    def json(self) -> Any:
        return json.loads(self.body)

    def message(self) -> str:
        return str(self.json()["message"])


def curl(lab: Lab, url: str, identity: Device | Token | None = None, *more: str, **env: str) -> Got:
    """curl with the device's certificate; from a token by its URIs and its engine."""
    if isinstance(identity, Device):
        more += ("--cert", str(identity.certificate_file), "--key", str(identity.key_file))
    elif isinstance(identity, Token):
        more += ("--cert", identity.certificate_uri, "--key", identity.key_uri)
        env |= identity.env
    return Got(run(lab, "curl", "-sS", "-w", "\n%{http_code}", *more, url, **env))


def device_of(identity: Device | Token) -> Device:
    found = identity if isinstance(identity, Device) else identity.device
    assert found
    return found


def keys_of(document: dict[str, Any]) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": document["accessKeyId"], "AWS_SECRET_ACCESS_KEY": document["secretAccessKey"],
            "AWS_SESSION_TOKEN": document["sessionToken"], "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_CONFIG_FILE": "/dev/null"}


def caller(lab: Lab, keys: dict[str, str]) -> str:
    done = aws(lab, "sts", "get-caller-identity", **keys)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["Arn"])


# Certificates.


@pytest.mark.parametrize("kind", ["ec", "ec384", "rsa"])
@pytest.mark.parametrize("intermediates", [0, 1, 2])
def test_openssl_verifies_a_device(lab: Lab, tmp_path: Path, kind: str, intermediates: int) -> None:
    device = lab.device("dev-1", kind, intermediates=intermediates)
    root = tmp_path / "root.pem"
    root.write_bytes(lab.devices.pem())
    assert stat.S_IMODE(device.key_file.stat().st_mode) == 0o600
    assert (device.chain_file is None) == (intermediates == 0)
    untrusted = [] if device.chain_file is None else ["-untrusted", str(device.chain_file)]
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", str(root), *untrusted]
    assert run(lab, *verify, str(device.leaf_file)).stdout.endswith("OK\n")
    assert run(lab, "openssl", "x509", "-in", str(device.leaf_file), "-noout", "-subject").stdout == "subject=CN = dev-1\n"
    publics = [
        run(lab, "openssl", "x509", "-in", str(device.leaf_file), "-noout", "-pubkey").stdout,
        run(lab, "openssl", "pkey", "-in", str(device.key_file), "-pubout").stdout,
    ]
    assert publics[0] and publics[0] == publics[1]
    lines = device.key_file.read_text().splitlines()
    assert any(line in lines for line in lab.secret_values())
    assert not any(line in device.certificate_file.read_text() for line in lab.secret_values())
    lab.revoke_device(device)
    crl = lab.directory / "gateway" / "crl.pem"
    done = run(lab, *verify, "-crl_check_all", "-CRLfile", str(crl), str(device.leaf_file))
    assert "certificate revoked" in done.stderr, done.stderr


@pytest.mark.parametrize(("how", "words"), [
    ({"days": -1, "begins": -10}, "certificate has expired"),
    ({"begins": 1}, "certificate is not yet valid"),
    ({"stranger": True}, "unable to get local issuer certificate"),
    ({"client_auth": False}, "unsuitable certificate purpose"),
])
def test_certificates_that_will_not_do(lab: Lab, tmp_path: Path, how: dict[str, Any], words: str) -> None:
    device = lab.device(**how)
    root = tmp_path / "root.pem"
    root.write_bytes(lab.devices.pem())
    done = run(lab, "openssl", "verify", "-purpose", "sslclient", "-CAfile", str(root), str(device.leaf_file))
    assert words in done.stderr


def test_a_key_of_another_certificate(lab: Lab) -> None:
    device = lab.device(mismatched=True)
    assert "unable to set private key file" in curl(lab, ALIAS, device).error


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_key_that_cannot_be_copied(lab: Lab, kind: str) -> None:
    token = lab.softhsm(kind=kind)
    assert token.device and not token.device.key_file.exists()
    assert token.pin_file.read_text() == token.pin and token.pin in lab.secret_values()
    assert token.pin not in token.key_uri
    objects = token.tool("--list-objects")
    assert "Private Key Object" in objects and "Certificate Object" in objects and "never extractable" in objects
    assert curl(lab, ALIAS, token).status == 200
    with_file = lab.softhsm(device=lab.device("dev-2", kind))
    assert curl(lab, ALIAS, with_file).status == 200
    # Another certificate for the same name, but not of this key.
    with_file.put(lab.device("dev-2", kind).certificate)
    assert curl(lab, ALIAS, with_file).status == 0


# AWS IoT.


@pytest.mark.parametrize(("kind", "intermediates"), [("ec", 0), ("rsa", 0), ("ec", 1)])
def test_iot_gives_keys(lab: Lab, kind: str, intermediates: int) -> None:
    device = lab.device(kind=kind, intermediates=intermediates)
    got = curl(lab, ALIAS, device, "-H", "x-amzn-iot-thingname: dev-7")
    assert got.status == 200, (got.error, got.body)
    assert set(got.json()) == {"credentials"}
    document = got.json()["credentials"]
    ends = datetime.datetime.strptime(document["expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    assert abs((ends - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 3600) < 60
    keys = keys_of(document)
    assert caller(lab, keys) == f"arn:aws:sts::{ACCOUNT}:assumed-role/device-pull/{device.fingerprint}"
    done = aws(lab, "ecr", "get-login-password", **keys)
    assert done.returncode == 0, done.stderr
    assert call(lab, HOSTS["ecr"], "/v2/base/manifests/1.2", headers=basic(f"AWS:{done.stdout.strip()}")).status == 200
    assert keys["AWS_SECRET_ACCESS_KEY"] in lab.secret_values() and keys["AWS_SESSION_TOKEN"] in lab.secret_values()
    lab.expire_role_sessions()
    assert "ExpiredToken" in aws(lab, "sts", "get-caller-identity", **keys).stderr
    logged = (lab.directory / "logs/requests.jsonl").read_text()
    assert keys["AWS_SESSION_TOKEN"] not in logged
    # The leaf alone is enough, for AWS IoT knows the certificate itself.
    assert curl(lab, ALIAS, None, "--cert", str(device.leaf_file), "--key", str(device.key_file)).status == 200


def test_botocore_signs_with_such_keys(lab: Lab) -> None:
    document = curl(lab, ALIAS, lab.device()).json()["credentials"]
    keys = Credentials(document["accessKeyId"], document["secretAccessKey"], document["sessionToken"])
    request = AWSRequest("POST", f"https://{HOSTS['ecr_api']}/", data="{}", headers={
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    })
    SigV4Auth(keys, "ecr", "us-east-2").add_auth(request)
    assert call(lab, HOSTS["ecr_api"], "/", "POST", "{}", dict(request.headers)).status == 200


@pytest.mark.parametrize(("change", "alias", "thing", "status", "message"), [
    (None, "ecr-pull", "dev-8", 403, "Invalid thing name passed"),
    (lambda lab, d: lab.set_iot_things(d, []), "ecr-pull", "dev-7", 403, "Invalid thing name passed"),
    (lambda lab, d: lab.attach_iot_policies(d, []), "ecr-pull", "dev-7", 403, "Access Denied"),
    (None, "no-such", "dev-7", 404, "Role alias does not exist"),
    (lambda lab, d: lab.set_iot_alias("ecr-pull", None), "ecr-pull", None, 404, "Role alias does not exist"),
    (None, "ecr-nobody", "dev-7", 400, "Unable to assume the role, or the role to assume does not exist"),
    (None, "ecr-untrusted", "dev-7", 400, "Unable to assume the role, or the role to assume does not exist"),
    (None, "ecr-long", "dev-7", 400, "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role"),
    (lambda lab, d: lab.set_iot_certificate(d, "INACTIVE"), "ecr-pull", None, 403, "Certificate is invalid on this endpoint"),
    (lambda lab, d: lab.set_iot_certificate(d, "PENDING_ACTIVATION"), "ecr-pull", None, 403, "Certificate is invalid on this endpoint"),
    (lambda lab, d: lab.revoke_device(d), "ecr-pull", None, 403, "Certificate is invalid on this endpoint"),
    (lambda lab, d: lab.forget_iot_certificate("dev-7"), "ecr-pull", None, 403, "Certificate is invalid on this endpoint"),
])
def test_iot_refuses(lab: Lab, change: Any, alias: str, thing: str | None, status: int, message: str) -> None:
    device = lab.device()
    if change:
        change(lab, device)
    header = ["-H", f"x-amzn-iot-thingname: {thing}"] if thing else []
    got = curl(lab, f"https://{IOT}/role-aliases/{alias}/credentials", device, "-D", str(lab.directory / "head"), *header)
    assert (got.status, got.message()) == (status, message)
    assert "x-amzn-ErrorType: " in (lab.directory / "head").read_text()
    lab.restore()
    if alias == "ecr-pull":
        assert curl(lab, ALIAS, device).status == 200


def test_iot_can_answer_without_json(lab: Lab) -> None:
    device = lab.device()
    lab.set_iot_answers(json_errors=False)
    lab.set_iot_things(device, [])
    got = curl(lab, ALIAS, device, "-H", "x-amzn-iot-thingname: dev-7")
    assert (got.status, got.body) == (403, "Forbidden")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(("how", "words"), [
    (None, "certificate required"),
    ({"days": -1, "begins": -10}, "certificate expired"),
    ({"begins": 1}, "bad certificate"),
    ({"stranger": True}, "unknown ca"),
    ({"client_auth": False}, "unsupported certificate"),
    ({"digital_signature": False}, "unsupported certificate"),
])
def test_iot_refuses_the_handshake(lab: Lab, version: str, how: dict[str, Any] | None, words: str) -> None:
    lab.set_iot_tls(version)
    got = curl(lab, ALIAS, None if how is None else lab.device(**how))
    if how is None and version == "1.2":
        words = "handshake failure"
    if version == "1.2" and words == "certificate expired":
        words = "certificate verification failed"  # libcurl says of our own certificate's alert what it says of the server's
    assert got.status == 0 and words in got.error.lower(), got.error
    assert not lab.requests(IOT)


@pytest.mark.parametrize("name", [None, "another.example.com"])
def test_iot_wants_its_name(lab: Lab, name: str | None) -> None:
    device = lab.device()
    port = lab.ports[IOT]
    sni = ["-noservername"] if name is None else ["-servername", name]
    done = run(lab, "openssl", "s_client", "-connect", f"127.0.0.1:{port}", *sni, "-cert", str(device.certificate_file),
               "-key", str(device.key_file))
    assert "unrecognized name" in done.stderr
    done = run(lab, "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", IOT, "-cert",
               str(device.certificate_file), "-key", str(device.key_file), "-CAfile", str(lab.directory / "ca.pem"))
    assert "Verify return code: 0 (ok)" in done.stdout


def test_the_wrong_endpoint_of_iot(lab: Lab) -> None:
    got = curl(lab, f"https://{HOSTS['iot_data']}/role-aliases/ecr-pull/credentials", lab.device())
    assert (got.status, got.message()) == (404, "Not Found")


def test_policies_of_iot(lab: Lab) -> None:
    device = lab.device()
    statement = {"Effect": "Allow", "Action": "iot:AssumeRoleWithCertificate",
                 "Resource": f"arn:aws:iot:us-east-2:{ACCOUNT}:rolealias/ecr-pull"}

    def status(change: dict[str, Any], thing: str | None = "dev-7") -> int:
        lab.attach_iot_policies(device, [{"Version": "2012-10-17", "Statement": [{**statement, **change}]}])
        return curl(lab, ALIAS, device, *(["-H", f"x-amzn-iot-thingname: {thing}"] if thing else [])).status

    assert status({}) == status({}, None) == 200
    assert status({"Resource": f"arn:aws:iot:us-east-2:{ACCOUNT}:rolealias/another"}) == 403
    assert status({"Action": "iot:Connect"}) == 403
    assert status({"Effect": "Deny"}) == 403
    of_thing = {"Condition": {"StringEquals": {"iot:Connection.Thing.ThingName": ["dev-7"]}}}
    assert status(of_thing) == 200 and status(of_thing, None) == 403
    attached = {"Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}}
    assert status(attached) == 200 and status(attached, None) == 403
    filled = {"Resource": f"arn:aws:iot:us-east-2:{ACCOUNT}:rolealias/${{iot:Connection.Thing.ThingName}}"}
    assert status(filled) == 403
    lab.set_iot_alias("dev-7", "device-iot", 43200)
    assert curl(lab, f"https://{IOT}/role-aliases/dev-7/credentials", device, "-H", "x-amzn-iot-thingname: dev-7").status == 200


def test_a_role_says_what_its_keys_may(lab: Lab) -> None:
    device = lab.device()
    document = curl(lab, ALIAS.replace("ecr-pull", "ecr-none"), device).json()["credentials"]
    assert "AccessDenied" in aws(lab, "ecr", "get-login-password", **keys_of(document)).stderr
    lab.attach_role_policies("device-pull", [{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": f"arn:aws:ecr:us-east-2:{ACCOUNT}:repository/base"},
    ]}])
    document = curl(lab, ALIAS, device).json()["credentials"]
    password = aws(lab, "ecr", "get-login-password", **keys_of(document)).stdout.strip()
    for repository, status in (("base/manifests/1.2", 200), ("tools/compiler/manifests/3", 403)):
        assert call(lab, HOSTS["ecr"], f"/v2/{repository}", headers=basic(f"AWS:{password}")).status == status


def test_a_roles_trust(lab: Lab) -> None:
    device = lab.device()

    def trust(service: str, actions: Any = "sts:AssumeRole", **more: Any) -> None:
        lab.set_role_trust("device-pull", {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, **more}]})

    trust("credentials.iot.amazonaws.com")
    assert curl(lab, ALIAS, device).status == 200
    assert session(lab, device, role="device-pull").status == 403
    trust("credentials.iot.amazonaws.com", Condition={"ArnLike": {"aws:SourceArn": "arn:aws:iot:*:rolealias/another"}})
    assert curl(lab, ALIAS, device).status == 400
    trust("rolesanywhere.amazonaws.com")
    assert curl(lab, ALIAS, device).status == 400
    assert session(lab, device, role="device-pull").status == 403
    trust("rolesanywhere.amazonaws.com", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
    assert session(lab, device, role="device-pull").status == 201
    for key, value, status in [("aws:SourceArn", lab.aws.anywhere["us-east-2"].trust_anchor_arn(), 201), ("aws:SourceArn", "arn:x", 403)]:
        trust("rolesanywhere.amazonaws.com", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
              Condition={"ArnEquals": {key: value}})
        assert session(lab, device, role="device-pull").status == status
    lab.restore()
    assert curl(lab, ALIAS, device).status == 200


# IAM Roles Anywhere.


def signature_of(key: Device | Token, data: bytes, *options: str) -> bytes:
    """openssl's, with a file or through the PKCS#11 engine."""
    how = [str(key.key_file)] if isinstance(key, Device) else [key.key_uri, "-keyform", "engine", "-engine", "pkcs11"]
    env = {"PATH": "/usr/bin:/bin", **(key.env if isinstance(key, Token) else {})}
    return subprocess.run(
        ["openssl", "dgst", "-sha256", *options, "-sign", *how], input=data, capture_output=True, check=True, env=env).stdout


def signed(lab: Lab, identity: Device | Token, url: str, body: str, headers: dict[str, str], *, serial: str | None = None,
           region: str = "us-east-2", algorithm: str | None = None, at: float = 0, corrupt: bool = False,
           leave_out: str = "") -> dict[str, str]:
    """The headers of a request signed by openssl, from AWS's "Authentication process" and nothing of the lab's."""
    device = device_of(identity)
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=at)
    date = moment.strftime("%Y%m%dT%H%M%SZ")
    _, _, host, target = url.split("/", 3)
    path, _, query = target.partition("?")
    leaf = subprocess.run(["openssl", "x509", "-in", device.leaf_file, "-outform", "DER"], capture_output=True, check=True).stdout
    every = {**headers, "host": host, "x-amz-date": date, "x-amz-x509": base64.b64encode(leaf).decode()}
    every |= {"content-type": "application/json"}
    names = sorted(n.lower() for n in every if n.lower() != leave_out)
    canonical = "\n".join([
        "POST", f"/{path}", "&".join(sorted(query.split("&"))) if query else "", *(f"{n}:{every[n]}" for n in names), "",
        ";".join(names), hashlib.sha256(body.encode()).hexdigest()])
    scope = f"{date[:8]}/{region}/rolesanywhere/aws4_request"
    algorithm = algorithm or f"AWS4-X509-{'RSA' if device.kind == 'rsa' else 'ECDSA'}-SHA256"
    text = "\n".join([algorithm, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = signature_of(identity, text.encode()).hex()
    if corrupt:
        signature = signature[:-2] + ("00" if signature[-2:] != "00" else "01")
    if serial is None:
        listed = subprocess.run(["openssl", "x509", "-in", device.leaf_file, "-noout", "-serial"], capture_output=True, check=True)
        serial = str(int(listed.stdout.decode().partition("=")[2], 16))
    return {**every, "authorization": f"{algorithm} Credential={serial}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"}


def session(lab: Lab, identity: Device | Token, *, region: str = "us-east-2", role: str = "device-anywhere", in_query: bool = True,
            asked: dict[str, Any] | None = None, chain: bool = True, arns: dict[str, str] | None = None,
            **how: Any) -> Reply:
    anywhere, device = lab.aws.anywhere[region], device_of(identity)
    named = {"profileArn": anywhere.profile_arn(), "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
             "trustAnchorArn": anywhere.trust_anchor_arn(), **(arns or {})}
    body = json.dumps({**(asked or {}), **({} if in_query else named)})
    host = f"rolesanywhere.{region}.amazonaws.com"
    query = "?" + "&".join(f"{n}={quote(v, safe='')}" for n, v in named.items()) if in_query else ""
    headers = {}
    if chain and device.chain:
        blocks = device.chain_file.read_text().split("-----BEGIN CERTIFICATE-----")[1:] if device.chain_file else []
        headers["x-amz-x509-chain"] = ",".join(b.partition("-----")[0].replace("\n", "") for b in blocks)
    url = f"https://{host}/sessions{query}"
    return call(lab, host, f"/sessions{query}", "POST", body, signed(lab, identity, url, body, headers, region=region, **how))


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("region", ["us-east-2", "eu-west-1"])
@pytest.mark.parametrize("in_query", [True, False])
def test_roles_anywhere_gives_keys(lab: Lab, kind: str, region: str, in_query: bool) -> None:
    device = lab.device(kind=kind, intermediates=1)
    reply = session(lab, device, region=region, in_query=in_query)
    assert reply.status == 201, reply.body
    (credentials,) = reply.json()["credentialSet"]
    keys = keys_of(credentials["credentials"])
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/device-anywhere/{device.serial:x}"
    assert credentials["assumedRoleUser"]["arn"] == arn == caller(lab, keys)
    assert keys["AWS_SECRET_ACCESS_KEY"] in lab.secret_values()


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_roles_anywhere_and_a_key_in_a_token(lab: Lab, kind: str) -> None:
    assert session(lab, lab.softhsm(kind=kind, intermediates=1)).status == 201


def error(reply: Reply) -> tuple[int, str, str]:
    return reply.status, str(reply.headers["x-amzn-ErrorType"]), str(reply.json()["message"])


@pytest.mark.parametrize(("how", "message"), [
    ({"corrupt": True}, "Invalid signature"),
    ({"serial": "1234"}, "Credential does not name the serial number"),
    ({"leave_out": "x-amz-x509"}, "SignedHeaders is incomplete"),
    ({"leave_out": "host"}, "SignedHeaders is incomplete"),
    ({"algorithm": "AWS4-X509-RSA-SHA256"}, "not that of the certificate's key"),
    ({"at": -301}, "Signature expired"),
    ({"at": 310}, "Signature not yet current"),
    ({"role": "device-untrusted"}, "Unable to assume role"),
    ({"role": "device-iot"}, "Unable to assume role"),
    ({"role": "instance"}, "is not in the profile"),
    ({"asked": {"roleSessionName": "dev-7"}}, "does not accept a role session name"),
])
def test_roles_anywhere_denies(lab: Lab, how: dict[str, Any], message: str) -> None:
    status, code, said = error(session(lab, lab.device(), **how))
    assert (status, code) == (403, "AccessDeniedException") and message in said


@pytest.mark.parametrize(("made", "message"), [
    ({"days": -1, "begins": -10}, "Certificate has expired"),
    ({"begins": 1}, "not yet valid"),
    ({"stranger": True}, "Untrusted signing certificate"),
    ({"client_auth": False}, "Insufficient certificate"),
    ({"digital_signature": False}, "Insufficient certificate"),
    ({"mismatched": True}, "Invalid signature"),
])
def test_roles_anywhere_denies_certificates(lab: Lab, made: dict[str, Any], message: str) -> None:
    status, code, said = error(session(lab, lab.device(**made)))
    assert (status, code) == (403, "AccessDeniedException") and message in said


def test_roles_anywhere_wants_the_chain_and_the_date(lab: Lab) -> None:
    device = lab.device(intermediates=2)
    assert session(lab, device).status == 201
    assert error(session(lab, device, chain=False))[2] == "Untrusted signing certificate"
    lab.set_clock_offset(3600)
    assert "Signature expired" in error(session(lab, device))[2]
    assert session(lab, device, at=3600).status == 201
    # By its certificate the device lives as long as the lab's clock says.
    lab.set_clock_offset(366 * 86400)
    assert "Certificate has expired" in error(session(lab, device, at=366 * 86400))[2]


def test_roles_anywhere_and_revocation(lab: Lab) -> None:
    device = lab.device(intermediates=1)
    keys = keys_of(session(lab, device).json()["credentialSet"][0]["credentials"])
    lab.revoke_device("dev-7")
    assert error(session(lab, device))[2] == "Certificate revoked"
    # What was issued lives on.
    assert caller(lab, keys)
    lab.set_roles_anywhere(crls=False)
    assert session(lab, device).status == 201


def test_switches_of_roles_anywhere(lab: Lab) -> None:
    device, anywhere = lab.device(), lab.aws.anywhere["us-east-2"]
    lab.set_profile(role_session_names=True, seconds=900)
    document = session(lab, device, asked={"roleSessionName": "dev-7"}).json()["credentialSet"][0]
    assert document["assumedRoleUser"]["arn"].endswith("/dev-7")
    ends = datetime.datetime.strptime(document["credentials"]["expiration"], "%Y-%m-%dT%H:%M:%SZ")
    assert 800 < (ends - datetime.datetime.utcnow()).total_seconds() <= 900
    lab.set_profile(role_session_names=False, seconds=43200)
    assert error(session(lab, device, role="device-pull"))[:2] == (400, "ValidationException")
    assert error(session(lab, device, asked={"durationSeconds": 60}))[:2] == (400, "ValidationException")
    for name in ("profileArn", "trustAnchorArn"):
        assert error(session(lab, device, arns={name: "arn:x"}))[:2] == (404, "ResourceNotFoundException")
    lab.set_trust_anchor(enabled=False)
    assert "not enabled" in error(session(lab, device))[2]
    lab.set_trust_anchor(strangers=True)
    assert error(session(lab, device))[2] == "Untrusted signing certificate"
    assert session(lab, lab.device(stranger=True)).status == 201
    assert error(session(lab, device, arns={"profileArn": anywhere.profile_arn("disabled")}))[0] == 403
    lab.set_trust_anchor()
    lab.set_roles_anywhere(quota=3)
    statuses = [session(lab, device).status for _ in range(6)]
    assert statuses[:3] == [201] * 3 and 429 in statuses
    lab.restore()
    lab.throttle(HOSTS["roles_anywhere"])
    assert error(session(lab, device)) == (429, "ThrottlingException", "Rate exceeded")
    assert session(lab, device).status == 201


# Entra ID.


def encoded(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def client_assertion(lab: Lab, identity: Device | Token, algorithm: str, as_msal: bool = False) -> Reply:
    """By PyJWT with a file, by openssl with a token. `as_msal`: SHA-1 for the certificate, and no `nbf`."""
    user, host, device = lab.credentials.azure_pull.user, HOSTS["entra"], device_of(identity)
    now = int(lab.clock.now().timestamp())
    header = {"alg": algorithm, "typ": "JWT", "x5t#S256": encoded(bytes.fromhex(device.fingerprint))}
    claims = {"aud": f"https://{host}/{TENANT}/oauth2/v2.0/token", "iss": user, "sub": user, "jti": os.urandom(8).hex(),
              "nbf": now, "exp": now + 300}
    if as_msal:
        thumbprint = base64.urlsafe_b64encode(device.certificate.fingerprint(hashes.SHA1())).decode()
        header = {"alg": algorithm, "typ": "JWT", "x5t": thumbprint}
        claims["iat"] = claims.pop("nbf")
    if isinstance(identity, Device):
        assertion = jwt.encode(claims, identity.key_file.read_text(), algorithm, headers=header)
    else:
        text = f"{encoded(header)}.{encoded(claims)}"
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"]
        assertion = f"{text}.{encoded(signature_of(identity, text.encode(), *pss))}"
    return call(lab, host, f"/{TENANT}/oauth2/v2.0/token", "POST", urlencode({
        "grant_type": "client_credentials", "client_id": user, "scope": "https://containerregistry.azure.net/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion,
    }), {"Content-Type": "application/x-www-form-urlencoded"})


def test_entra_says_where_tokens_are(lab: Lab) -> None:
    host = HOSTS["entra"]
    known = call(lab, host, f"/{TENANT}/v2.0/.well-known/openid-configuration").json()
    assert known["token_endpoint"] == f"https://{host}/{TENANT}/oauth2/v2.0/token"
    unknown = call(lab, host, "/acme.example/v2.0/.well-known/openid-configuration")
    assert unknown.status == 400 and unknown.json()["error_codes"] == [90002]
    assert call(lab, host, "/common/discovery/instance").json()["metadata"][0]["aliases"] == [host]


def test_entra_takes_devices(lab: Lab) -> None:
    device = lab.device(kind="rsa", intermediates=1)
    assert client_assertion(lab, device, "PS256").status == 200
    assert client_assertion(lab, device, "RS256").status == 200
    assert client_assertion(lab, device, "RS256", as_msal=True).status == 200
    assert client_assertion(lab, lab.softhsm("dev-8", kind="rsa"), "PS256").status == 200
    stranger = lab.device("dev-8", kind="rsa", register=False)
    ended = client_assertion(lab, lab.device("dev-9", kind="rsa", days=-1, begins=-10), "PS256")
    assert ended.json()["error_codes"] == [700027] and "The key used is expired." in ended.json()["error_description"]
    for as_msal in (False, True):
        unknown = client_assertion(lab, stranger, "RS256", as_msal)
        assert unknown.status == 401 and unknown.json()["error_codes"] == [700027]
    for registered, status in ((False, 401), (True, 200)):
        lab.set_azure_device("dev-7", registered)
        assert client_assertion(lab, device, "PS256").status == status
    lab.revoke_device(device)
    assert client_assertion(lab, device, "PS256").json()["error_codes"] == [700027]


def test_entra_takes_no_elliptic_curves(lab: Lab) -> None:
    reply = client_assertion(lab, lab.device(), "ES256")
    assert reply.json()["error_codes"] == [5002738]
    assert "'ES256' is not a supported signature algorithm" in reply.json()["error_description"]


# Google.


def federate(lab: Lab, identity: Device | Token, chain: list[Any] | None = None, shown: Device | None = None) -> Got:
    """`shown`: in the token is another certificate than in the handshake."""
    device = device_of(identity)
    certificates = [(shown or device).certificate, *(device.chain if chain is None else chain)]
    token = json.dumps([base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in certificates])
    form = urlencode({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": f"//iam.googleapis.com/{provider('x509')}",
        "scope": READ, "requested_token_type": "urn:ietf:params:oauth:token-type:access_token", "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:mtls"})
    return curl(lab, f"https://{MTLS_HOST}/v1/token", identity, "--data", form)


@pytest.mark.parametrize(("kind", "intermediates"), [("ec", 0), ("rsa", 1), ("ec", 3)])
def test_google_takes_devices(lab: Lab, kind: str, intermediates: int) -> None:
    device = lab.device("dev-9", kind, intermediates=intermediates)
    got = federate(lab, device)
    assert got.status == 200, got.body
    token = got.json()["access_token"]
    login = {"Authorization": "Basic " + base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode(), "Accept": MANIFEST}
    assert call(lab, REGISTRY_HOST, "/v2/acme-prod/images/worker/manifests/2", headers=login).status == 200
    assert federate(lab, lab.softhsm("dev-9", "rsa" if kind == "rsa" else "ec", intermediates=intermediates)).status == 200
    # The root may be in the chain too.
    assert federate(lab, device, [*device.chain, lab.devices.certificate]).status == 200


@pytest.mark.parametrize(("made", "words"), [
    ({"stranger": True}, "not of the trust store"),
    ({"intermediates": 4}, "too long"),
    ({"days": 400}, "longer than 390 days"),
])
def test_google_refuses_devices(lab: Lab, made: dict[str, Any], words: str) -> None:
    got = federate(lab, lab.device(**made))
    assert got.status == 400 and got.json()["error"] == "invalid_grant" and words in got.json()["error_description"]


def test_the_trust_store_of_google(lab: Lab) -> None:
    device = lab.device(intermediates=1)
    assert federate(lab, device, []).status == 400
    lab.set_google_trust(intermediates=True)
    assert federate(lab, device, []).status == 200
    lab.set_google_trust(["strangers"])
    assert federate(lab, device).status == 400
    lab.set_google_trust([])
    assert federate(lab, device).status == 400
    # It looks at no list of what is revoked.
    lab.set_google_trust()
    lab.revoke_device(device)
    assert federate(lab, device).status == 200
    assert federate(lab, device, [lab.device().certificate]).status == 400
    assert "mutual TLS" in federate(lab, lab.device("dev-1"), shown=device).json()["error_description"]


# The gateway.


def trusting(lab: Lab) -> list[str]:
    return ["--cacert", str(lab.gateway_ca)]


@needs_nginx
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_the_gateway_opens_the_hub(lab: Lab, kind: str) -> None:
    device = lab.device(kind=kind, intermediates=1)
    got = curl(lab, CREDS, device, *trusting(lab))
    assert got.status == 200, (got.error, got.body)
    assert curl(lab, CREDS, lab.softhsm("dev-8", kind), *trusting(lab)).status == 200
    assert set(got.json()) == {"Username", "Secret"} and got.json()["Username"] == "dev-7"
    assert got.json()["Secret"] in lab.secret_values()
    login = f"{got.json()['Username']}:{got.json()['Secret']}"
    for host in (FLEET, HUB):
        done = run(lab, "skopeo", "copy", "--src-creds", login, f"docker://{host}/fleet/agent:1", f"dir:{lab.directory}/{kind}-{host}")
        assert done.returncode == 0, done.stderr
        done = run(lab, "skopeo", "copy", "--dest-creds", login, f"dir:{lab.directory}/{kind}-{host}", f"docker://{host}/fleet/agent:2")
        assert done.returncode != 0
    reply = call(lab, FLEET, "/token-auth/?service=registry&scope=repository:fleet/agent:pull", headers=basic(login))
    bearer = {"Authorization": f"Bearer {reply.json()['token']}", "Accept": MANIFEST}
    assert call(lab, FLEET, "/v2/fleet/agent/manifests/1", headers=bearer).status == 200
    assert call(lab, FLEET, "/v2/fleet/sensor/manifests/2", headers=bearer).status == 401
    assert call(lab, FLEET, "/v2/fleet/agent/manifests/1", headers=basic(login)).status == 401
    assert call(lab, FLEET, "/token-auth/", headers=basic("dev-7:made-up")).status == 401
    assert call(lab, HUB, "/v2/fleet/agent/manifests/1", headers=basic("dev-7:made-up")).status == 401
    lab.expire_gateway_credentials()
    assert call(lab, HUB, "/v2/fleet/agent/manifests/1", headers=basic(login)).status == 401
    assert call(lab, FLEET, "/v2/fleet/agent/manifests/1", headers=bearer).status == 401


@needs_nginx
def test_the_gateway_has_a_ca_of_its_own(lab: Lab) -> None:
    got = curl(lab, CREDS, lab.device())
    assert got.status == 0 and "unable to get local issuer certificate" in got.error
    assert not lab.requests(GATEWAY)


@needs_nginx
@pytest.mark.parametrize("verify", ["on", "optional"])
@pytest.mark.parametrize("how", [
    None, {"days": -1, "begins": -10}, {"begins": 1}, {"stranger": True}, {"client_auth": False}, "revoked",
])
def test_the_gateway_refuses_certificates(lab: Lab, how: Any, verify: str) -> None:
    lab.set_gateway(verify)
    device = None if how is None else lab.device(**(how if isinstance(how, dict) else {}))
    if how == "revoked":
        assert curl(lab, CREDS, device, *trusting(lab)).status == 200
        lab.revoke_device("dev-7")
    got = curl(lab, CREDS, device, *trusting(lab))
    if verify == "on" or how is not None:
        assert got.status == 400
        assert ("No required SSL certificate was sent" if how is None else "The SSL certificate error") in got.body
    else:
        assert (got.status, got.body) == (403, "no client certificate\n")


@needs_nginx
def test_the_gateway_denies_devices(lab: Lab) -> None:
    device = lab.device()
    login = ":".join(curl(lab, CREDS, device, *trusting(lab)).json().values())
    assert call(lab, HUB, "/v2/fleet/agent/manifests/1", headers=basic(login)).status == 200
    lab.deny_device("dev-7")
    assert curl(lab, CREDS, device, *trusting(lab)).status == 403
    assert call(lab, HUB, "/v2/fleet/agent/manifests/1", headers=basic(login)).status == 401
    lab.deny_device("dev-7", denied=False)
    assert curl(lab, CREDS, device, *trusting(lab)).status == 200
    # The same name with another key.
    assert curl(lab, CREDS, lab.device(), *trusting(lab)).status == 502
    lab.forget_device("dev-7")
    assert curl(lab, CREDS, device, *trusting(lab)).status == 403
    assert curl(lab, CREDS, lab.device("dev-unknown", register=False), *trusting(lab)).status == 403
    assert curl(lab, f"https://{GATEWAY}/other", lab.device("dev-8"), *trusting(lab)).status == 404


@needs_nginx
def test_what_was_stalled_until_nobody_waits_is_not_remembered(lab: Lab) -> None:
    lab.stall(GATEWAY, 0.6)
    assert curl(lab, CREDS, lab.device(), *trusting(lab), "--max-time", "0.3").exit == 28
    time.sleep(0.6)
    # The same name with another key.
    assert curl(lab, CREDS, lab.device(), *trusting(lab)).status == 200


# Everything.


def test_faults_of_the_services_of_devices(lab: Lab) -> None:
    device = lab.device()
    hosts = {IOT: (ALIAS, "/role-aliases/"), **({GATEWAY: (CREDS, "/hub-creds/")} if NGINX else {})}
    for host, (url, path) in hosts.items():
        def get(*more: str) -> Got:
            return curl(lab, url, device, *(trusting(lab) if host == GATEWAY else []), *more)

        lab.throttle(host, retry_after=7)
        got = get("-D", str(lab.directory / "head"))
        assert got.status == 429 and "Retry-After: 7" in (lab.directory / "head").read_text()
        lab.unavailable(host, path=path)
        assert get().status == 503
        lab.html(host)
        assert "<html>" in get().body
        lab.stall(host, 0.3)
        assert float(get("-w", "\n%{time_total}\n200").body.rpartition("\n")[2]) > 0.3
        lab.cut(host, after=10)
        assert get().exit != 0
        lab.corrupt(host)
        assert get().body[0] != "{"
        lab.proxy_refuse(host, 503)
        assert "503" in get().error
        lab.set_clock_offset(-4000)
        get("-D", str(lab.directory / "head"))
        assert lab.clock.http_date()[:22] in (lab.directory / "head").read_text()
        lab.set_clock_offset(0)
        assert get().status == 200
        assert {r["status"] for r in lab.requests(host)} >= {200, 429, 503}


def test_a_lab_that_has_just_begun_takes_devices(tmp_path: Path) -> None:
    with Lab(tmp_path) as lab:
        device = lab.device(intermediates=1)
        assert curl(lab, ALIAS, device).status == 200
        assert federate(lab, device).status == 200
        assert session(lab, device).status == 201


def test_a_device_yml(lab: Lab, tmp_path: Path) -> None:
    device = lab.device()
    path = lab.device_config(tmp_path, device)
    document = yaml.safe_load(path.read_text())
    assert document["identity"]["key"] == str(device.key_file) and Path(document["identity"]["ca"]).exists()
    assert [entry["type"] for entry in document["registries"]] == ["aws", "aws", "azure", "gar", "gateway"]
    assert all(entry["url"] in lab.ports for entry in document["registries"])
    token = lab.softhsm()
    entry = lab.device_entry("iot")
    entry["iot"]["thing_name"] = "dev-7"
    document = yaml.safe_load(lab.device_config(tmp_path, token, [entry, "file:gar"], identity={"ca": None}).read_text())
    assert document["identity"] == {"certificate": token.certificate_uri, "key": token.key_uri}
    assert document["registries"][0]["iot"]["thing_name"] == "dev-7"
    for kind in ("aws", "azure", "gar", "generic"):
        assert stat.S_IMODE(Path(lab.device_entry(f"file:{kind}")["credentials_file"]).stat().st_mode) == 0o600
    with pytest.raises(ValueError, match="no way"):
        lab.device_entry("nowhere")


def test_a_shell_can_do_all_this(lab: Lab) -> None:
    def control(method: str, **arguments: Any) -> Any:
        done = run(lab, "curl", "-sS", "-d", json.dumps(arguments), f"{lab.env()['LAB_CONTROL']}/{method}", https_proxy="")
        return json.loads(done.stdout)

    made = control("device", name="dev-3", kind="rsa", intermediates=1)["result"]
    assert Path(made["key_file"]).exists() and Path(made["chain_file"]).exists()
    assert control("softhsm", name="dev-4")["result"]["SOFTHSM2_CONF"]
    assert control("device_config", directory=str(lab.directory), device="dev-3")["result"].endswith("/device.yml")
    control("set_iot_certificate", device="dev-3", state="INACTIVE")
    assert "error" in control("set_iot_certificate", device="dev-3", state="BROKEN")
    assert "error" in control("set_iot_certificate", device="nobody", state="ACTIVE")
    control("revoke_device", device="dev-3")
    got = curl(lab, ALIAS, None, "--cert", made["certificate_file"], "--key", made["key_file"])
    assert got.status == 403
