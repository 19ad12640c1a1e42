"""ECR's API: GetAuthorizationToken (AWS JSON 1.1), of private registries and of the public gallery."""

import base64
import json
import uuid

from .aws_identity import ACCOUNT, GALLERY_ACTIONS, REGION, Identities
from .clock import Clock
from .http1 import Answer, Request
from .service import Service
from .sigv4 import Refused, Verifier

ECR_PUBLIC_TARGET = "SpencerFrontendService.GetAuthorizationToken"
ECR_TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"

# Problems under the names of AWS JSON 1.1 (always 400).
_JSON_CODES = {
    "missing_token": "MissingAuthenticationTokenException",
    "incomplete": "IncompleteSignatureException",
    "unknown_key": "UnrecognizedClientException",
    "mismatch": "InvalidSignatureException",
    "expired": "ExpiredTokenException",
}


class EcrApi(Service):
    def __init__(
        self, name: str, identities: Identities, clock: Clock, region: str = REGION, suffix: str = "amazonaws.com"
    ) -> None:
        super().__init__(name)
        self._identities = identities
        self._verifier = Verifier(identities, clock, "ecr", region)
        self._region = region
        self._place = f"{region}.{suffix}"
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
        issued = self._identities.issue(identity, self._region)
        token = base64.b64encode(f"AWS:{issued.password}".encode()).decode()
        return self._json(200, {"authorizationData": [
            {
                "authorizationToken": token,
                "expiresAt": round(issued.expires.timestamp(), 3),
                "proxyEndpoint": f"https://{registry}.dkr.ecr.{self._place}",
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


class EcrPublicApi(EcrApi):
    """That of the public gallery, in one region only: another target, another signing name, one object in the answer."""

    def __init__(self, name: str, identities: Identities, clock: Clock) -> None:
        super().__init__(name, identities, clock)
        self._verifier = Verifier(identities, clock, "ecr-public", "us-east-1")

    async def respond(self, request: Request) -> Answer:
        body = await request.body.read()
        try:
            identity = self._verifier.verify(request, body)
        except Refused as refused:
            return self._error(400, _JSON_CODES[refused.problem], refused.message)
        if request.method != "POST" or request.header("x-amz-target") != ECR_PUBLIC_TARGET:
            return self._error(400, "UnknownOperationException", "")
        for action in sorted(GALLERY_ACTIONS):
            if refusal := self._identities.refusal(identity, action):
                return self._error(400, "AccessDeniedException", refusal)
        issued = self._identities.issue(identity, "public")
        return self._json(200, {"authorizationData": {
            "authorizationToken": base64.b64encode(f"AWS:{issued.password}".encode()).decode(),
            "expiresAt": round(issued.expires.timestamp(), 3),
        }})
