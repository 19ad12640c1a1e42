"""Fills the registries with images, straight through the docker-registries' sockets.

In this process rather than with one skopeo an image, since every session of tests waits for it.
"""

import http.client
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from .images import Image, base_layer, digest, index, single

# host alias -> (repository, tag, whether it is an index of two architectures)
SEEDS: dict[str, list[tuple[str, str, bool]]] = {
    "ecr": [("base", "1.2", False), ("tools/compiler", "3", False)],
    "azure": [("base/python", "3.11", False), ("web/nginx", "1.25", True)],
    "generic": [("acme/redis", "7", True), ("acme/broker", "2", False)],
    "tls": [("bench/base", "1", False)],
    "fleet": [("fleet/agent", "1", False), ("fleet/sensor", "2", True)],
    "google": [("acme-prod/images/worker", "2", False), ("acme-prod/images/web", "1.4", True)],
}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, host: str) -> None:
        super().__init__(host, timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Pusher:
    """Pushes images to one docker-registry.

    `authorization` gives the value of that header for a repository, or None where none is needed.
    """

    def __init__(
        self, connection: http.client.HTTPConnection, authorization: Callable[[str], str | None]
    ) -> None:
        self._connection = connection
        self._authorization = authorization

    @classmethod
    def to_socket(cls, path: Path, host: str, authorization: Callable[[str], str | None]) -> "Pusher":
        return cls(_UnixConnection(path, host), authorization)

    def push(self, image: Image, repository: str, reference: str) -> None:
        for blob in image.blobs:
            self._push_blob(repository, blob)
        for child in image.children:
            self.push(child, repository, child.digest)
        path = f"/v2/{repository}/manifests/{reference}"
        self._call("PUT", path, repository, image.manifest, image.media_type, expect=201)

    def close(self) -> None:
        self._connection.close()

    def _push_blob(self, repository: str, content: bytes) -> None:
        location = self._call("POST", f"/v2/{repository}/blobs/uploads/", repository, expect=202)
        place = urlsplit(location)
        target = f"{place.path}?{place.query}&digest={digest(content)}"
        self._call("PUT", target, repository, content, "application/octet-stream", expect=201)

    def _call(
        self, method: str, target: str, repository: str, body: bytes = b"",
        content_type: str = "application/octet-stream", *, expect: int,
    ) -> str:
        headers = {"Content-Type": content_type}
        if authorization := self._authorization(repository):
            headers["Authorization"] = authorization
        self._connection.request(method, target, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != expect:
            raise RuntimeError(f"seeding: {method} {repository}: {answer.status} {text[:500]!r}")
        return answer.getheader("Location", "")


def seed(hosts: dict[str, str], pushers: dict[str, Pusher]) -> dict[str, str]:
    """Push every seed; returns the digests by `host/repository:tag`."""
    base = base_layer()
    digests = {}
    for alias, images in SEEDS.items():
        for repository, tag, many in images:
            name = f"{hosts[alias]}/{repository}:{tag}"
            image = index(base, name) if many else single(base, name)
            pushers[alias].push(image, repository, tag)
            digests[name] = image.digest
    return digests
