"""AWS IoT Core as far as the credentials provider goes: certificates with their states, things, policies, role aliases.

The order of the checks, statuses and texts are those that awslabs/aws-iot-core-credential-provider-session-helper saw
(docs/dev_notes.md). The wrong endpoint's "Not Found" is of amazon-kinesis-video-streams-webrtc-sdk-c#206.
"""

import re
import ssl
import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from cryptography import x509

from . import iam
from .aws_identity import ACCOUNT, REGION
from .aws_roles import IOT, LEAST, Roles, StsRefused
from .devices import Device, DeviceAuthority, common_name, fingerprint
from .http1 import Answer, Request, json_answer
from .service import Service

ENDPOINT = f"c2example.credentials.iot.{REGION}.amazonaws.com"
DATA_ENDPOINT = f"c2example-ats.iot.{REGION}.amazonaws.com"
ASSUME = "iot:AssumeRoleWithCertificate"
STATES = ("ACTIVE", "INACTIVE", "REVOKED", "PENDING_ACTIVATION")
_PATH = re.compile(r"/role-aliases/(?P<alias>[\w=,@-]{1,128})/credentials", re.ASCII)
_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_CONDITIONS = ("StringEquals", "StringLike", "Bool")


def alias_arn(alias: str) -> str:
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:rolealias/{alias}"


@dataclass
class RoleAlias:
    role: str
    seconds: int = 3600


@dataclass
class Registered:
    """A certificate as AWS IoT knows it."""

    certificate: x509.Certificate
    things: set[str]
    state: str = "ACTIVE"
    policies: list[dict[str, Any]] = field(default_factory=list)


class Things:
    """The registry. Certificates stay in it; restore() takes back what was done to them."""

    def __init__(self) -> None:
        self.registered: dict[str, Registered] = {}
        self.aliases: dict[str, RoleAlias] = {}
        # Told by control: 403 without JSON.
        self.json_errors = True
        self.restore()

    def restore(self) -> None:
        self.aliases = {
            "ecr-pull": RoleAlias("device-pull"),
            "ecr-long": RoleAlias("device-pull", 43200),     # above the role's hour
            "ecr-untrusted": RoleAlias("device-untrusted"),
            "ecr-nobody": RoleAlias("device-nobody"),        # there is no such role
            "ecr-none": RoleAlias("device-none"),            # which may do nothing
        }
        self.json_errors = True
        for entry in self.registered.values():
            self._reset(entry)

    def register(self, device: Device) -> None:
        entry = Registered(device.certificate, set())
        self._reset(entry)
        self.registered[device.fingerprint] = entry

    def entry(self, device: Device | str) -> Registered:
        """By device, or by the name of the last one that was registered as it."""
        if isinstance(device, Device):
            return self.registered[device.fingerprint]
        found = [e for e in self.registered.values() if common_name(e.certificate) == device]
        if not found:
            raise ValueError(f"no certificate of {device}")
        return found[-1]

    @staticmethod
    def _reset(entry: Registered) -> None:
        entry.state, entry.things = "ACTIVE", {common_name(entry.certificate)}
        entry.policies = [{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ASSUME, "Resource": alias_arn("*")},
        ]}]


def allows(policies: list[dict[str, Any]], alias: str, certificate: x509.Certificate, thing: str | None) -> bool:
    """Whether IoT policies let a certificate assume by an alias. Conditions and policy variables are those of AWS IoT that
    make sense here; a document with others is refused."""
    variables = {"iot:Certificate.Subject.CommonName": common_name(certificate)}
    variables["iot:Connection.Thing.IsAttached"] = "true" if thing else "false"
    if thing:
        variables["iot:Connection.Thing.ThingName"] = thing
    judged = []
    for policy in policies:
        statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
        kept = []
        for statement in statements:
            statement = dict(statement)
            if not _conditions_hold(statement.pop("Condition", {}), variables):
                continue
            resources = statement.get("Resource", [])
            resources = resources if isinstance(resources, list) else [resources]
            # A variable without a value fits nothing.
            filled = [_VARIABLE.sub(lambda m: variables.get(m[1], "\0"), r) for r in resources]
            kept.append({**statement, "Resource": filled})
        judged.append(iam.check({**policy, "Statement": kept}))
    return iam.allows(judged, ASSUME, alias_arn(alias))


def _conditions_hold(conditions: dict[str, dict[str, Any]], variables: dict[str, str]) -> bool:
    for operator, keys in conditions.items():
        if operator not in _CONDITIONS:
            raise iam.BadPolicy(f"not judged here: {operator}")
        for key, wanted in keys.items():
            values = [str(w) for w in (wanted if isinstance(wanted, list) else [wanted])]
            value = variables.get(key)
            like = operator == "StringLike"
            if value is None or not any(fnmatchcase(value, w) if like else value == w for w in values):
                return False
    return True


class IotCredentials(Service):
    """GET /role-aliases/ALIAS/credentials with a client certificate."""

    def __init__(self, name: str, things: Things, roles: Roles) -> None:
        super().__init__(name)
        self._things = things
        self._roles = roles
        self.context: ssl.SSLContext

    def prepare_tls(self, context: ssl.SSLContext) -> None:
        self.context = context
        context.verify_mode = ssl.CERT_REQUIRED
        # A device's own certificate is enough, for AWS IoT knows its intermediate by itself.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        context.sni_callback = self._check_name

    def meet(self, authority: DeviceAuthority) -> None:
        """Certificates of an authority pass the handshake from now on."""
        self.context.load_verify_locations(cadata=authority.pem().decode())

    def limit_tls(self, newest: str | None) -> None:
        versions = {None: ssl.TLSVersion.MAXIMUM_SUPPORTED, "1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}
        self.context.maximum_version = versions[newest]

    def _check_name(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        return None if name == self.name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        assert request.peer_certificate
        certificate = x509.load_der_x509_certificate(request.peer_certificate)
        match = _PATH.fullmatch(request.path)
        if request.method != "GET" or not match:
            return self._error(404, "Not Found", "NotFoundException")
        entry = self._things.registered.get(fingerprint(certificate))
        if entry is None or entry.state != "ACTIVE":
            return self._error(403, "Certificate is invalid on this endpoint", "AccessDeniedException")
        thing = request.header("x-amzn-iot-thingname")
        if thing is not None and thing not in entry.things:
            return self._error(403, "Invalid thing name passed", "AccessDeniedException")
        if not allows(entry.policies, match["alias"], certificate, thing):
            return self._error(403, "Access Denied", "AccessDeniedException")
        alias = self._things.aliases.get(match["alias"])
        if alias is None:
            return self._error(404, "Role alias does not exist", "ResourceNotFoundException")
        try:
            session = self._roles.assume_for_service(IOT, alias.role, fingerprint(certificate), alias.seconds, {
                "aws:SourceArn": alias_arn(match["alias"]), "aws:SourceAccount": ACCOUNT,
            })
        except StsRefused as refused:
            return self._error(400, {
                "AccessDenied": "Unable to assume the role, or the role to assume does not exist",
                "ValidationError": "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role",
            }[refused.code], "InvalidRequestException")
        return json_answer(200, {"credentials": {
            "accessKeyId": session.key.key_id, "secretAccessKey": session.key.secret, "sessionToken": session.key.token,
            "expiration": session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }}, [("x-amzn-RequestId", str(uuid.uuid4()))])

    def failure(self, status: int) -> Answer:
        return self._error(status, "Internal Failure", "InternalFailureException")

    def throttled(self) -> Answer:
        return self._error(429, "Rate exceeded", "ThrottlingException")

    def _error(self, status: int, message: str, kind: str) -> Answer:
        headers = [("x-amzn-RequestId", str(uuid.uuid4())), ("x-amzn-ErrorType", kind)]
        if status == 403 and not self._things.json_errors:
            return Answer(403, b"Forbidden", "text/plain", headers)
        return json_answer(status, {"message": message}, headers)


class IotData(Service):
    """The endpoint that `describe-endpoint` names without a type, where people look for the credentials provider."""

    async def respond(self, request: Request) -> Answer:
        await request.body.drain()
        return json_answer(404, {"message": "Not Found", "traceId": str(uuid.uuid4())})


def check_alias(role: str, seconds: int) -> RoleAlias:
    if not LEAST <= seconds <= 43200:
        raise ValueError("credentialDurationSeconds is 900 to 43200")
    return RoleAlias(role, seconds)
