"""IAM Roles Anywhere: CreateSession, proved by the signature of a certificate's key.

What is signed is that of AWS's "Authentication process", as aws/rolesanywhere-credential-helper does it
(aws_signing_helper/signer.go). "Untrusted signing certificate" and "Invalid signature" are of its issues 108 and 128, the
missing session tags of 77; the quota is that of the service's page. The other words are the lab's own.
"""

import base64
import binascii
import hashlib
import json
import re
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .aws_identity import ACCOUNT, REGION
from .aws_roles import LEAST, ROLES_ANYWHERE, Roles, StsRefused
from .clock import Clock
from .devices import BadChain, DeviceAuthority, check_signature, common_name, verify_chain
from .http1 import Answer, Request, json_answer
from .service import Service

REGIONS = (REGION, "eu-west-1")
PER_SECOND = 10
_TOLERANCE = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-X509-(RSA|ECDSA)-SHA256 Credential=(\d+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,\s*"
    r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]+)"
)
_ROLE = re.compile(rf"arn:aws:iam::{ACCOUNT}:role/([\w+=,.@/-]+)", re.ASCII)
_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_.:/=+@ -]*")


def host(region: str = REGION) -> str:
    return f"rolesanywhere.{region}.amazonaws.com"


@dataclass
class TrustAnchor:
    authorities: list[DeviceAuthority]
    enabled: bool = True


@dataclass
class Profile:
    roles: list[str]
    seconds: int = 3600
    enabled: bool = True
    role_session_names: bool = False    # acceptRoleSessionName


@dataclass
class Anywhere:
    """The trust anchors and profiles of one region."""

    region: str
    authorities: list[DeviceAuthority]
    anchors: dict[str, TrustAnchor] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    # Told by control: how many sessions a second (None: any number), and whether revocation lists were imported.
    quota: int | None = None
    crls: bool = True

    def __post_init__(self) -> None:
        names = ("trust-anchor/devices", "trust-anchor/disabled", "profile/devices", "profile/disabled", "profile/empty")
        self._ids = {name: uuid.uuid5(uuid.NAMESPACE_URL, f"{self.region}/{name}") for name in names}
        self.restore()

    def restore(self) -> None:
        roots = [a for a in self.authorities if a.parent is None]
        self.anchors = {
            self.trust_anchor_arn(): TrustAnchor(roots), self.trust_anchor_arn("disabled"): TrustAnchor(roots, enabled=False),
        }
        roles = ["device-pull", "device-none", "device-anywhere", "device-untrusted", "device-iot"]
        self.profiles = {
            self.profile_arn(): Profile(roles), self.profile_arn("disabled"): Profile(roles, enabled=False),
            self.profile_arn("empty"): Profile([]),
        }
        self.quota, self.crls = None, True

    def trust_anchor_arn(self, name: str = "devices") -> str:
        return self._arn("trust-anchor", name)

    def profile_arn(self, name: str = "devices") -> str:
        return self._arn("profile", name)

    def _arn(self, kind: str, name: str) -> str:
        return f"arn:aws:rolesanywhere:{self.region}:{ACCOUNT}:{kind}/{self._ids[f'{kind}/{name}']}"


@dataclass
class Refused(Exception):
    status: int
    code: str
    message: str


def _denied(message: str) -> Refused:
    return Refused(403, "AccessDeniedException", message)


class RolesAnywhereApi(Service):
    def __init__(self, config: Anywhere, roles: Roles, clock: Clock) -> None:
        super().__init__(host(config.region))
        self._config = config
        self._roles = roles
        self._clock = clock
        self._calls: deque[float] = deque()

    async def respond(self, request: Request) -> Answer:
        body = await request.body.read()
        try:
            if request.path != "/sessions" or request.method != "POST":
                raise Refused(404, "UnknownOperationException", "")
            if not self._within_quota():
                return self.throttled()
            return self._create(request, body)
        except Refused as refused:
            return self._error(refused)

    def failure(self, status: int) -> Answer:
        return self._error(Refused(status, "InternalServerException", "Service unavailable"))

    def throttled(self) -> Answer:
        return self._error(Refused(429, "ThrottlingException", "Rate exceeded"))

    def _within_quota(self) -> bool:
        if self._config.quota is None:
            return True
        now = time.monotonic()
        while self._calls and self._calls[0] <= now - 1:
            self._calls.popleft()
        if len(self._calls) >= self._config.quota:
            return False
        self._calls.append(now)
        return True

    def _create(self, request: Request, body: bytes) -> Answer:
        leaf, others = self._certificates(request)
        self._verify_signature(request, body, leaf)
        asked = self._parameters(request, body)
        anchor = self._config.anchors.get(asked["trustAnchorArn"])
        profile = self._config.profiles.get(asked["profileArn"])
        if anchor is None or profile is None:
            raise Refused(404, "ResourceNotFoundException", "Profile or trust anchor not found")
        self._verify_chain(leaf, others, anchor)
        if not anchor.enabled or not profile.enabled:
            raise _denied("Trust anchor or profile is not enabled")
        role = _ROLE.fullmatch(asked["roleArn"])
        if role is None or role[1] not in profile.roles:
            raise _denied(f"Role {asked['roleArn']} is not in the profile")
        name, seconds = self._session(asked, leaf, profile)
        if not _TAG.fullmatch(common_name(leaf)):
            raise _denied(
                f"Unable to assume role for {asked['roleArn']}. Some attributes failed to be mapped into session tags. "
                "Issuer: [  ]; Subject: [ CN ]; SAN: [  ]")
        try:
            session = self._roles.assume_for_service(ROLES_ANYWHERE, role[1], name, seconds, {
                "aws:SourceArn": asked["trustAnchorArn"], "aws:SourceAccount": ACCOUNT,
                "aws:PrincipalTag/x509Subject/CN": common_name(leaf),
            })
        except StsRefused as refused:
            if refused.code == "ValidationError":
                raise Refused(400, "ValidationException", refused.message) from None
            raise _denied(f"Unable to assume role for {asked['roleArn']}") from None
        return json_answer(201, {
            "credentialSet": [{
                "assumedRoleUser": {
                    "arn": session.arn, "assumedRoleId": f"AROA{session.key.key_id[4:]}:{session.session_name}",
                },
                "credentials": {
                    "accessKeyId": session.key.key_id, "secretAccessKey": session.key.secret,
                    "sessionToken": session.key.token, "expiration": session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
                "packedPolicySize": 10, "roleArn": asked["roleArn"], "sourceIdentity": f"CN={common_name(leaf)}",
            }],
            "subjectArn": f"arn:aws:rolesanywhere:{self._config.region}:{ACCOUNT}:subject/{uuid.uuid5(uuid.NAMESPACE_URL, common_name(leaf))}",
        }, [("x-amzn-RequestId", str(uuid.uuid4()))])

    @staticmethod
    def _certificates(request: Request) -> tuple[x509.Certificate, list[x509.Certificate]]:
        try:
            leaf = _from_base64(request.header("x-amz-x509") or "")
            chain = request.header("x-amz-x509-chain")
            others = [_from_base64(item) for item in chain.split(",")] if chain else []
        except (ValueError, binascii.Error):
            raise Refused(400, "ValidationException", "X-Amz-X509 or X-Amz-X509-Chain is not base64 of DER") from None
        if len(others) > 5:
            raise Refused(400, "ValidationException", "the chain is longer than 5")
        return leaf, others

    def _verify_signature(self, request: Request, body: bytes, leaf: x509.Certificate) -> None:
        match = _AUTHORIZATION.fullmatch(request.header("authorization") or "")
        date = request.header("x-amz-date") or ""
        if not match or not re.fullmatch(r"\d{8}T\d{6}Z", date):
            raise _denied("Missing or malformed Authorization header")
        kind, serial, day, region, service, names, signature = match.groups()
        key = leaf.public_key()
        if not isinstance(key, rsa.RSAPublicKey if kind == "RSA" else ec.EllipticCurvePublicKey):
            raise _denied("The algorithm is not that of the certificate's key")
        if int(serial) != leaf.serial_number or serial != str(leaf.serial_number):
            raise _denied("Credential does not name the serial number of the certificate")
        if (day, region, service) != (date[:8], self._config.region, "rolesanywhere"):
            raise _denied("Credential should be scoped to the date, a valid region and the service rolesanywhere")
        signed = names.split(";")
        present = {name.lower() for name, _ in request.headers}
        # Header-borne parts of the proof must be in it.
        needed = {"host", "x-amz-date", "x-amz-x509", *(n for n in present if n.startswith("x-amz-"))}
        if signed != sorted(set(signed)) or not needed <= set(signed) <= present:
            raise _denied("SignedHeaders is incomplete or not in order")
        try:
            text = _string_to_sign(request, body, match[0].split(" ")[0], date, f"{day}/{region}/{service}", signed)
            check_signature(leaf, bytes.fromhex(signature), text.encode())
        except (InvalidSignature, ValueError):
            raise _denied("Invalid signature") from None
        moment = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        now = self._clock.now()
        if moment < now - _TOLERANCE:
            raise _denied(f"Signature expired: {date} is now earlier than {(now - _TOLERANCE):%Y%m%dT%H%M%SZ} ({now:%Y%m%dT%H%M%SZ} - 5 min.)")
        if moment > now + _TOLERANCE:
            raise _denied(f"Signature not yet current: {date} is still later than {(now + _TOLERANCE):%Y%m%dT%H%M%SZ} ({now:%Y%m%dT%H%M%SZ} + 5 min.)")

    def _parameters(self, request: Request, body: bytes) -> dict[str, Any]:
        if request.header("content-type") != "application/json":
            raise Refused(400, "ValidationException", "the content is not application/json")
        try:
            document = json.loads(body or b"{}")
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Refused(400, "ValidationException", "the body is not a JSON object")
        asked: dict[str, Any] = {**document, **dict(request.query)}
        for name in ("profileArn", "roleArn", "trustAnchorArn"):
            if not isinstance(asked.get(name), str):
                raise Refused(400, "ValidationException", f"1 validation error detected: Value null at '{name}'")
        return asked

    def _verify_chain(self, leaf: x509.Certificate, others: list[x509.Certificate], anchor: TrustAnchor) -> None:
        roots = [authority.certificate for authority in anchor.authorities]
        revoked = self._config.authorities if self._config.crls else []
        try:
            verify_chain(leaf, others, roots, self._clock.now(), revoked=revoked)
        except BadChain as bad:
            raise _denied({
                "expired": "Certificate has expired or is not yet valid", "early": "Certificate has expired or is not yet valid",
                "revoked": "Certificate revoked", "usage": "Insufficient certificate",
            }.get(bad.problem, "Untrusted signing certificate")) from None

    @staticmethod
    def _session(asked: dict[str, Any], leaf: x509.Certificate, profile: Profile) -> tuple[str, int]:
        # By default the session is named by the serial number, in hexadecimal.
        name = f"{leaf.serial_number:x}"
        wanted = asked.get("roleSessionName")
        if wanted is not None:
            if not profile.role_session_names:
                raise _denied("The profile does not accept a role session name")
            if not isinstance(wanted, str) or not _NAME.fullmatch(wanted):
                raise Refused(400, "ValidationException", "1 validation error detected: Value at 'roleSessionName'")
            name = wanted
        seconds = asked.get("durationSeconds", profile.seconds)
        if not isinstance(seconds, int) or not LEAST <= seconds <= 43200:
            raise Refused(400, "ValidationException", "1 validation error detected: Value at 'durationSeconds'")
        return name, min(seconds, profile.seconds) if "durationSeconds" in asked else seconds

    @staticmethod
    def _error(refused: Refused) -> Answer:
        return json_answer(refused.status, {"message": refused.message}, [
            ("x-amzn-RequestId", str(uuid.uuid4())), ("x-amzn-ErrorType", refused.code),
        ])


def _from_base64(text: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(text.strip(), validate=True))


def _string_to_sign(
    request: Request, body: bytes, algorithm: str, date: str, scope: str, signed: list[str]
) -> str:
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name.lower(), []).append(re.sub(" +", " ", value.strip()))
    pairs = parse_qsl(urlsplit(request.target).query, keep_blank_values=True)
    query = "&".join(sorted(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in pairs))
    canonical = "\n".join([
        request.method, request.path, query, *(f"{name}:{','.join(values[name])}" for name in signed), "", ";".join(signed),
        hashlib.sha256(body).hexdigest(),
    ])
    return "\n".join([algorithm, date, scope + "/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
