"""Checks AWS signatures (version 4) by making them again with botocore."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotoCredentials

from .aws_identity import Identities, Identity
from .clock import Clock, amz_date
from .http1 import Request

_TOLERANCE = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,\s*"
    r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})"
)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass
class Refused(Exception):
    """Why a call is not accepted. The two AWS protocols name the same `problem` differently."""

    problem: str
    message: str


class _Resigner(SigV4Auth):
    """Signs exactly the headers that the client says it signed, none left out as unimportant."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            chosen[name.lower()] = value
        return chosen


class Verifier:
    def __init__(self, identities: Identities, clock: Clock, service: str, region: str) -> None:
        self._identities = identities
        self._clock = clock
        self._service = service
        self._region = region

    def verify(self, request: Request, body: bytes) -> Identity:
        """Who signed this request; raises Refused if nobody whom the lab believes did."""
        authorization = request.header("authorization")
        if authorization is None:
            raise Refused("missing_token", "Missing Authentication Token")
        match = _AUTHORIZATION.fullmatch(authorization)
        date = request.header("x-amz-date") or ""
        if not match or not re.fullmatch(r"\d{8}T\d{6}Z", date):
            raise Refused("incomplete", "Authorization header or X-Amz-Date is missing or malformed.")
        key_id, scope_date, region, service, signed, signature = match.groups()
        self._check_signed_headers(request, signed.split(";"))

        identity = self._identities.find(key_id)
        if identity is None or request.header("x-amz-security-token") != identity.key.token:
            raise Refused("unknown_key", "The security token included in the request is invalid.")
        if region != self._region:
            raise Refused("mismatch", f"Credential should be scoped to a valid region, not '{region}'. ")
        if service != self._service:
            raise Refused("mismatch", f"Credential should be scoped to correct service: '{self._service}'. ")
        if scope_date != date[:8]:
            raise Refused("mismatch", (
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                f"from HTTP: '{scope_date}' != '{date[:8]}', from '{date}'."
            ))
        self._check_time(date)
        expected = self._sign(request, body, identity, date, signed.split(";"))
        if not hmac.compare_digest(expected, signature):
            raise Refused("mismatch", _MISMATCH)
        # AWS looks at the expiry of a session only once it knows that its holder is asking.
        if identity.expired or (identity.ends and identity.ends <= self._clock.now()):
            raise Refused("expired", "The security token included in the request is expired")
        return identity

    @staticmethod
    def _check_signed_headers(request: Request, signed: list[str]) -> None:
        present = {name.lower() for name, _ in request.headers}
        required = {"host", "x-amz-date"} | {name for name in present if name.startswith("x-amz-")}
        forgotten = sorted(required - set(signed))
        if forgotten:
            raise Refused("mismatch", f"'{forgotten[0]}' must be a 'SignedHeader' in the AWS Authorization header.")
        if signed != sorted(signed) or not set(signed) <= present:
            raise Refused("mismatch", _MISMATCH)

    def _check_time(self, date: str) -> None:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        now = self._clock.now()
        if signed_at < now - _TOLERANCE:
            raise Refused("mismatch", (
                f"Signature expired: {date} is now earlier than {amz_date(now - _TOLERANCE)} "
                f"({amz_date(now)} - 5 min.)"
            ))
        if signed_at > now + _TOLERANCE:
            raise Refused("mismatch", (
                f"Signature not yet current: {date} is still later than {amz_date(now + _TOLERANCE)} "
                f"({amz_date(now)} + 5 min.)"
            ))

    def _sign(
        self, request: Request, body: bytes, identity: Identity, date: str, signed: list[str]
    ) -> str:
        declared = request.header("x-amz-content-sha256")
        if declared is not None and declared != hashlib.sha256(body).hexdigest():
            raise Refused("mismatch", _MISMATCH)
        headers = HeadersDict([(n, v) for n, v in request.headers if n.lower() in signed])
        again = AWSRequest(
            request.method, f"https://{request.header('host')}{request.target}", headers=headers, data=body
        )
        again.context["timestamp"] = date
        boto = BotoCredentials(identity.key.key_id, identity.key.secret, identity.key.token)
        signer = _Resigner(boto, self._service, self._region)
        text = signer.string_to_sign(again, signer.canonical_request(again))
        return str(signer.signature(text, again))
