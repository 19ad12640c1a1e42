"""The ECR registry host and the S3 host that its layers come from."""

import base64
import binascii
import re
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from .aws_identity import ACCOUNT, REGION, Identities, Identity
from .http1 import Answer, Request, registry_error
from .service import Forward, Service

_PATH = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|tags)/(?P<rest>.+)")


@dataclass
class LayerLinks:
    """The links handed out by the registry, which alone open the layer host."""

    host: str
    signatures: dict[str, str] = field(default_factory=dict)

    def make(self, repository: str, digest: str) -> str:
        signature = secrets.token_hex(32)
        self.signatures[signature] = f"/v2/{repository}/blobs/{digest}"
        return f"https://{self.host}/{ACCOUNT}/{repository}/{digest}?X-Amz-Expires=3600&X-Amz-Signature={signature}"


class EcrRegistry(Service):
    def __init__(
        self, name: str, identities: Identities, socket: Path, storage: Path, links: LayerLinks, region: str = REGION
    ) -> None:
        super().__init__(name)
        self._region = region
        self._identities = identities
        self._socket = socket
        self._repositories = storage / "docker/registry/v2/repositories"
        self._links = links
        # Repositories of ECR exist before anything is pushed; seeding and control create them.
        self.created: set[str] = set()
        self.redirect_blobs = True
        # Told by control: a mount is answered by the start of an upload, as a registry may (distribution-spec).
        self.mount_blobs = True
        self.uploads: set[str] = set()

    async def respond(self, request: Request) -> Answer | Forward:
        caller = self._authenticate(request.header("authorization"))
        if isinstance(caller, Answer):
            return caller
        match = _PATH.fullmatch(request.path)
        if not match:
            return Forward(self._socket, keep_authorization=False)
        repository = match["repository"]
        action = _action(request.method, match["kind"], match["rest"])
        if refusal := self._identities.refusal(caller, action, repository):
            return registry_error(403, "DENIED", refusal)
        if repository not in self.created:
            return registry_error(404, "NAME_UNKNOWN", (
                f"The repository with name '{repository}' does not exist in the registry with id '{ACCOUNT}'"
            ))
        if not self.mount_blobs and match["rest"].startswith("uploads/") and request.method in ("POST", "DELETE"):
            return self._upload(request.method, request.path)
        if match["kind"] == "blobs" and request.method == "GET" and self.redirect_blobs:
            return self._redirect(repository, match["rest"])
        not_found = None
        if match["kind"] == "manifests":
            not_found = registry_error(404, "MANIFEST_UNKNOWN", "Requested image not found")
        return Forward(self._socket, keep_authorization=False, not_found=not_found)

    def _authenticate(self, authorization: str | None) -> Identity | Answer:
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            challenge = f'Basic realm="https://{self.name}/",service="ecr.amazonaws.com"'
            return Answer(
                401, b"Not Authorized\n", "text/plain; charset=utf-8", [("Www-Authenticate", challenge)]
            )
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        issued = self._identities.issued(password) if user == "AWS" else None
        if issued is None or issued.region != self._region:
            return registry_error(400, "DENIED", "Your Authorization Token is invalid.")
        if self._identities.is_expired(issued):
            return registry_error(
                403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."
            )
        return issued.identity

    def _upload(self, method: str, path: str) -> Answer:
        if method == "POST":
            place = path + str(uuid.uuid4())
            self.uploads.add(place)
            return Answer(202, headers=[("Location", place)])
        if path not in self.uploads:
            return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        self.uploads.remove(path)
        return Answer(204)

    def _redirect(self, repository: str, digest: str) -> Answer | Forward:
        algorithm, _, hexadecimal = digest.partition(":")
        link = self._repositories / repository / "_layers" / algorithm / hexadecimal / "link"
        if not link.is_file():
            return registry_error(404, "BLOB_UNKNOWN", "blob unknown to registry", detail=digest)
        return Answer(307, headers=[("Location", self._links.make(repository, digest))])


def _action(method: str, kind: str, rest: str) -> str:
    """The right that IAM asks for."""
    if kind == "tags":
        return "ecr:ListImages"
    if kind == "manifests":
        return "ecr:BatchGetImage" if method in ("GET", "HEAD") else "ecr:PutImage"
    if rest.startswith("uploads/"):
        return {"PATCH": "ecr:UploadLayerPart", "PUT": "ecr:CompleteLayerUpload"}.get(method, "ecr:InitiateLayerUpload")
    # Whether a blob is there is what a push asks.
    return "ecr:BatchCheckLayerAvailability" if method == "HEAD" else "ecr:GetDownloadUrlForLayer"


class LayerBucket(Service):
    """S3: opens to the signature in the query and refuses a second way of authentication."""

    def __init__(self, name: str, socket: Path, links: LayerLinks) -> None:
        super().__init__(name)
        self._socket = socket
        self._links = links

    async def respond(self, request: Request) -> Answer | Forward:
        if request.header("authorization") is not None:
            return self._error(400, "InvalidArgument", (
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
                "Signature query string parameter or the Authorization header should be specified"
            ))
        target = self._links.signatures.get(dict(request.query).get("X-Amz-Signature", ""))
        if target is None:
            return self._error(403, "AccessDenied", "Access Denied")
        return Forward(self._socket, target=target)

    def failure(self, status: int) -> Answer:
        return self._error(status, "ServiceUnavailable", "Please reduce your request rate.")

    def throttled(self) -> Answer:
        return self._error(503, "SlowDown", "Please reduce your request rate.")

    @staticmethod
    def _error(status: int, code: str, message: str) -> Answer:
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )
        return Answer(status, text.encode(), "application/xml")
