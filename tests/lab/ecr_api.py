"""The AWS API hosts: ECR's GetAuthorizationToken (JSON 1.1) and STS's GetCallerIdentity (XML)."""

import base64
import json
import uuid
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from .aws_identity import ACCOUNT, REGION, Identities
from .clock import Clock
from .http1 import Answer, Request
from .service import Service
from .sigv4 import Refused, Verifier

ECR_TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"

# The same problems under the names of AWS JSON 1.1 (always 400) and of AWS Query.
_JSON_CODES = {
    "missing_token": "MissingAuthenticationTokenException",
    "incomplete": "IncompleteSignatureException",
    "unknown_key": "UnrecognizedClientException",
    "mismatch": "InvalidSignatureException",
    "expired": "ExpiredTokenException",
}
_QUERY_CODES = {
    "missing_token": (403, "MissingAuthenticationToken"),
    "incomplete": (400, "IncompleteSignature"),
    "unknown_key": (403, "InvalidClientTokenId"),
    "mismatch": (403, "SignatureDoesNotMatch"),
    "expired": (403, "ExpiredToken"),
}


class EcrApi(Service):
    def __init__(self, name: str, identities: Identities, clock: Clock) -> None:
        super().__init__(name)
        self._identities = identities
        self._verifier = Verifier(identities, clock, "ecr", REGION)
        # Some AWS front ends write `__type` with a prefix and `Message` with a capital.
        self.coral_errors = False

    async def respond(self, request: Request) -> Answer:
        body = await request.body.read()
        if request.method != "POST" or request.path != "/":
            return self._error(404, "UnknownOperationException", "")
        try:
            identity = self._verifier.verify(request, body)
        except Refused as refused:
            return self._error(400, _JSON_CODES[refused.problem], refused.message)
        if request.header("x-amz-target") != ECR_TARGET:
            return self._error(400, "UnknownOperationException", "")
        if request.header("content-type") != "application/x-amz-json-1.1":
            return self._error(400, "SerializationException", "Unexpected content type")
        try:
            registries = json.loads(body).get("registryIds") or [ACCOUNT]
        except (ValueError, AttributeError):
            return self._error(400, "SerializationException", "Start of structure or map found where not expected.")
        if refusal := self._identities.refusal(identity, "ecr:GetAuthorizationToken"):
            return self._error(400, "AccessDeniedException", refusal)
        issued = self._identities.issue(identity)
        token = base64.b64encode(f"AWS:{issued.password}".encode()).decode()
        return self._json(200, {"authorizationData": [
            {
                "authorizationToken": token,
                "expiresAt": round(issued.expires.timestamp(), 3),
                "proxyEndpoint": f"https://{registry}.dkr.ecr.{REGION}.amazonaws.com",
            }
            for registry in registries
        ]})

    def failure(self, status: int) -> Answer:
        return self._error(status, "ServerException", "Service unavailable")

    def throttled(self) -> Answer:
        return self._error(400, "ThrottlingException", "Rate exceeded")

    def _error(self, status: int, code: str, message: str) -> Answer:
        if self.coral_errors:
            return self._json(status, {"__type": f"com.amazon.coral.service#{code}", "Message": message})
        return self._json(status, {"__type": code, "message": message})

    @staticmethod
    def _json(status: int, document: object) -> Answer:
        return Answer(
            status, json.dumps(document, separators=(",", ":")).encode(), "application/x-amz-json-1.1",
            [("x-amzn-RequestId", str(uuid.uuid4()))],
        )


class StsApi(Service):
    def __init__(self, name: str, identities: Identities, clock: Clock) -> None:
        super().__init__(name)
        self._verifier = Verifier(identities, clock, "sts", REGION)

    async def respond(self, request: Request) -> Answer:
        body = await request.body.read()
        try:
            identity = self._verifier.verify(request, body)
        except Refused as refused:
            return self._error(*_QUERY_CODES[refused.problem], refused.message)
        form = parse_qs(body.decode("latin-1"))
        action = form.get("Action", [""])[0]
        if form.get("Version") != ["2011-06-15"] or action != "GetCallerIdentity":
            return self._error(400, "InvalidAction", f"Could not find operation {action}")
        user_id = "AIDA" + identity.key.key_id[4:]
        return self._xml(200, (
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
            "  <GetCallerIdentityResult>\n"
            f"    <Arn>{identity.arn}</Arn>\n"
            f"    <UserId>{user_id}</UserId>\n"
            f"    <Account>{ACCOUNT}</Account>\n"
            "  </GetCallerIdentityResult>\n"
            f"  <ResponseMetadata>\n    <RequestId>{uuid.uuid4()}</RequestId>\n  </ResponseMetadata>\n"
            "</GetCallerIdentityResponse>\n"
        ))

    def failure(self, status: int) -> Answer:
        return self._error(status, "ServiceUnavailable", "Service unavailable", sender="Receiver")

    def throttled(self) -> Answer:
        return self._error(400, "Throttling", "Rate exceeded")

    def _error(self, status: int, code: str, message: str, sender: str = "Sender") -> Answer:
        return self._xml(status, (
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
            f"  <Error>\n    <Type>{sender}</Type>\n    <Code>{code}</Code>\n"
            f"    <Message>{escape(message)}</Message>\n  </Error>\n"
            f"  <RequestId>{uuid.uuid4()}</RequestId>\n"
            "</ErrorResponse>\n"
        ))

    @staticmethod
    def _xml(status: int, text: str) -> Answer:
        return Answer(status, text.encode(), "text/xml")
