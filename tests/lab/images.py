"""Small base images, made without network and always the same, byte for byte."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUSYBOX = Path("/bin/busybox")  # Debian's busybox-static
_APPLETS = ("sh", "ls", "cat", "cp", "echo", "env", "id", "mkdir", "rm", "sleep", "test", "true", "uname")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_EPOCH = "1970-01-01T00:00:00Z"

# The architecture of this machine, in which busybox runs.
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Image:
    """A manifest or an index with everything that it refers to."""

    manifest: bytes
    media_type: str
    blobs: list[bytes] = field(default_factory=list)
    children: list["Image"] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return digest(self.manifest)


@dataclass
class Layer:
    tar: bytes

    def __post_init__(self) -> None:
        # Level 1: the base is compressed anew in every lab.
        self.compressed = gzip.compress(self.tar, compresslevel=1, mtime=0)


def base_layer() -> Layer:
    """A root file system in which RUN works: busybox, its names, and the usual folders."""
    folders = ("bin", "etc", "usr", "usr/bin", "var")
    entries = [_entry(name, tarfile.DIRTYPE, 0o755) for name in folders]
    entries.append(_entry("tmp", tarfile.DIRTYPE, 0o1777))
    entries.append(_entry("bin/busybox", tarfile.REGTYPE, 0o755, BUSYBOX.read_bytes()))
    entries += [_entry(f"bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox") for name in _APPLETS]
    entries.append(_entry("etc/passwd", tarfile.REGTYPE, 0o644, b"root:x:0:0:root:/:/bin/sh\n"))
    entries.append(_entry("etc/group", tarfile.REGTYPE, 0o644, b"root:x:0:\n"))
    return Layer(_tar(entries))


def single(base: Layer, name: str, architecture: str = NATIVE) -> Image:
    """`base` plus a layer of its own: /etc/lab-image, which says `name`."""
    own = Layer(_tar([_entry("etc/lab-image", tarfile.REGTYPE, 0o644, f"{name}\n".encode())]))
    layers = [base, own]
    config = _json({
        "architecture": architecture,
        "os": "linux",
        "created": _EPOCH,
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/bin:/bin"], "Labels": {"lab.image": name}},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer.tar) for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": text} for text in ("base", name)],
    })
    manifest = _json({
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, config),
        "layers": [_descriptor(_LAYER, layer.compressed) for layer in layers],
    })
    return Image(manifest, _MANIFEST, [*(layer.compressed for layer in layers), config])


def index(base: Layer, name: str) -> Image:
    """An index of amd64 and arm64. The one that is not native has the native busybox all the same."""
    children = {arch: single(base, name, arch) for arch in ("amd64", "arm64")}
    manifests = [
        {**_descriptor(_MANIFEST, child.manifest), "platform": {"architecture": arch, "os": "linux"}}
        for arch, child in children.items()
    ]
    document = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests})
    return Image(document, _INDEX, children=list(children.values()))


def _tar(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content) if info.isfile() else None)
    return out.getvalue()


def _entry(
    name: str, kind: bytes, mode: int, content: bytes = b"", link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(content), link
    return info, content


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}
