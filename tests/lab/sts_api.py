"""STS: GetCallerIdentity, AssumeRole (signed) and AssumeRoleWithWebIdentity (not), in XML."""

import uuid
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from .aws_identity import ACCOUNT, Identities
from .aws_roles import Roles, RoleSession, StsRefused
from .clock import Clock
from .http1 import Answer, Request
from .service import Service
from .sigv4 import Refused, Verifier

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_QUERY_CODES = {
    "missing_token": (403, "MissingAuthenticationToken"),
    "incomplete": (400, "IncompleteSignature"),
    "unknown_key": (403, "InvalidClientTokenId"),
    "mismatch": (403, "SignatureDoesNotMatch"),
    "expired": (403, "ExpiredToken"),
}


class StsApi(Service):
    def __init__(self, name: str, identities: Identities, roles: Roles, clock: Clock, region: str) -> None:
        super().__init__(name)
        self._verifier = Verifier(identities, clock, "sts", region)
        self._roles = roles

    async def respond(self, request: Request) -> Answer:
        body = await request.body.read()
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        action = form.get("Action", "")
        if request.method != "POST" or form.get("Version") != "2011-06-15":
            return self._error(400, "InvalidAction", f"Could not find operation {action}")
        try:
            match action:
                case "GetCallerIdentity":
                    return self._caller(request, body)
                case "AssumeRole":
                    caller = self._verifier.verify(request, body)
                    session = self._roles.assume(
                        caller, form.get("RoleArn", ""), form.get("RoleSessionName", ""), form.get("DurationSeconds"),
                        form.get("ExternalId"),
                    )
                    return self._session(action, session)
                case "AssumeRoleWithWebIdentity":
                    if request.header("authorization") is not None:
                        return self._error(400, "InvalidParameterValue", "this call is not signed")
                    session = self._roles.assume_with_web_identity(
                        form.get("WebIdentityToken", ""), form.get("RoleArn", ""), form.get("RoleSessionName", ""),
                        form.get("DurationSeconds"),
                    )
                    return self._session(action, session)
        except Refused as refused:
            return self._error(*_QUERY_CODES[refused.problem], refused.message)
        except StsRefused as refused:
            return self._error(refused.status, refused.code, refused.message)
        return self._error(400, "InvalidAction", f"Could not find operation {action}")

    def failure(self, status: int) -> Answer:
        return self._error(status, "ServiceUnavailable", "Service unavailable", sender="Receiver")

    def throttled(self) -> Answer:
        return self._error(400, "Throttling", "Rate exceeded")

    def _caller(self, request: Request, body: bytes) -> Answer:
        identity = self._verifier.verify(request, body)
        return self._result("GetCallerIdentity", (
            f"    <Arn>{identity.arn}</Arn>\n    <UserId>AIDA{identity.key.key_id[4:]}</UserId>\n"
            f"    <Account>{ACCOUNT}</Account>\n"
        ))

    def _session(self, action: str, session: RoleSession) -> Answer:
        expiration = session.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._result(action, (
            f"    <AssumedRoleUser>\n      <AssumedRoleId>AROA{session.key.key_id[4:]}:{session.session_name}</AssumedRoleId>\n"
            f"      <Arn>{session.arn}</Arn>\n    </AssumedRoleUser>\n"
            f"    <Credentials>\n      <AccessKeyId>{session.key.key_id}</AccessKeyId>\n"
            f"      <SecretAccessKey>{session.key.secret}</SecretAccessKey>\n"
            f"      <SessionToken>{session.key.token}</SessionToken>\n      <Expiration>{expiration}</Expiration>\n"
            f"    </Credentials>\n"
        ))

    def _result(self, action: str, inner: str) -> Answer:
        return self._xml(200, (
            f'<{action}Response xmlns="{_NAMESPACE}">\n  <{action}Result>\n{inner}  </{action}Result>\n'
            f"  <ResponseMetadata>\n    <RequestId>{uuid.uuid4()}</RequestId>\n  </ResponseMetadata>\n</{action}Response>\n"
        ))

    def _error(self, status: int, code: str, message: str, sender: str = "Sender") -> Answer:
        return self._xml(status, (
            f'<ErrorResponse xmlns="{_NAMESPACE}">\n'
            f"  <Error>\n    <Type>{sender}</Type>\n    <Code>{code}</Code>\n"
            f"    <Message>{escape(message)}</Message>\n  </Error>\n"
            f"  <RequestId>{uuid.uuid4()}</RequestId>\n</ErrorResponse>\n"
        ))

    @staticmethod
    def _xml(status: int, text: str) -> Answer:
        return Answer(status, text.encode(), "text/xml")
