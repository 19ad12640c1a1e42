"""Tampered copies of a TUF repository and of the hub: each is refused by `target verify`, with words of its own.

The repository is signed anew with keys of the test, by others' code, so that what is tampered with can be signed well.
"""

import copy
import gzip
import hashlib
import io
import json
import shutil
import tarfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.formats import encode_canonical

from lab.images import Image
from lab.seed import Pusher

from .factory import MACHINE, SMALL, Factory, digest, matches

USING = "pratique: using factory-config.yml\n"
ROLES = ("root", "targets", "snapshot", "timestamp")
TARGET = f"{MACHINE}-lmp-1"


class Key:
    def __init__(self):
        self._private = Ed25519PrivateKey.generate()
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        self.public = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}
        self.id = hashlib.sha256(encode_canonical(self.public).encode()).hexdigest()

    def sign(self, signed):
        return {"keyid": self.id, "sig": self._private.sign(encode_canonical(signed).encode()).hex()}


class Forgery:
    """A repository whose metadata may be changed, and signed well or badly."""

    def __init__(self, factory):
        self.factory = factory
        self.folder = factory.place.root / f"forged-{len(list(factory.place.root.glob('forged-*')))}"
        shutil.copytree(factory.tuf, self.folder)
        self.keys = {role: [Key()] for role in ROLES}
        self.signers = {}
        self.parts = {}
        for role in ROLES:
            name = "timestamp.json" if role == "timestamp" else None
            files = [self.metadata / name] if name else sorted(self.metadata.glob(f"[0-9]*.{role}.json"))
            self.parts[role] = json.loads(files[-1].read_bytes())["signed"]
        for file in self.metadata.iterdir():
            file.unlink()
        self.give_keys()

    metadata = property(lambda self: self.folder / "metadata")
    root_file = property(lambda self: self.folder / "metadata/1.root.json")

    def give_keys(self, **thresholds):
        root = self.parts["root"]
        root["keys"] = {k.id: k.public for keys in self.keys.values() for k in keys}
        root["roles"] = {r: {"keyids": [k.id for k in keys], "threshold": thresholds.get(r, 1)}
                         for r, keys in self.keys.items()}

    def document(self, role):
        signed = self.parts[role]
        signatures = [key.sign(signed) for key in self.signers.get(role, self.keys[role])]
        return json.dumps({"signatures": signatures, "signed": signed}).encode()

    def write(self, **changed_bytes):
        """Signs and writes all. A role's bytes can be changed after the signing, before others are told of them."""
        def content_of(role):
            return changed_bytes.get(role, lambda b: b)(self.document(role))

        def tell(of, role, content):
            self.parts[of]["meta"][f"{role}.json"] |= {
                "length": len(content), "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            }

        for role in ("root", "targets", "snapshot"):
            content = content_of(role)
            if role != "root":
                tell({"targets": "snapshot", "snapshot": "timestamp"}[role], role, content)
            told = {"targets": "snapshot", "snapshot": "timestamp"}.get(role)
            version = self.parts[told]["meta"][f"{role}.json"]["version"] if told else self.parts[role]["version"]
            (self.metadata / f"{version}.{role}.json").write_bytes(content)
        shutil.copy(self.root_file, self.metadata / "root.json")
        (self.metadata / "timestamp.json").write_bytes(content_of("timestamp"))
        return self

    def artifact(self, target=TARGET):
        hashed = self.parts["targets"]["targets"][target]["hashes"]["sha256"]
        return self.folder / "targets" / f"{hashed}.{target}"

    def verify(self, expected=None, *arguments, root=None, status=1):
        result = self.factory.run("target", "verify", self.folder, "--root", root or self.root_file, *arguments,
                                  status=status if expected else 0)
        if expected:
            assert result.out == ""
            assert matches(result.err, USING + "".join(
                f"pratique: {line}\n" for line in expected.replace("REPO", str(self.folder)).splitlines()
            ))
        return result


@pytest.fixture(scope="module")
def factory(session, running_lab):
    factory = Factory.ready(session, running_lab)
    factory.write(SMALL)
    factory.build()
    return factory


@pytest.fixture
def forged(factory, lab):
    return Forgery(factory)


def flipped(content, at=-1):
    content = bytearray(content)
    content[at] ^= 1
    return bytes(content)


def test_signed_anew_by_others_it_is_proved(forged):
    assert matches(forged.write().verify().out,
                   "proved: 1 Target, 1 app, 1 image; root version 1, metadata valid until <time>\n")


# Signatures and thresholds.


@pytest.mark.parametrize(("role", "file"), [
    ("root", "1.root.json"), ("timestamp", "timestamp.json"), ("snapshot", "<n>.snapshot.json"),
    ("targets", "<n>.targets.json"),
])
def test_a_signature(forged, role, file):
    def change(content):
        document = json.loads(content)
        signature = document["signatures"][0]
        signature["sig"] = ("0" if signature["sig"][0] != "0" else "1") + signature["sig"][1:]
        return json.dumps(document).encode()

    forged.write(**{role: change})
    forged.verify(f"REPO/metadata/{file}: the signature of {role} key {forged.keys[role][0].id[:8]} "
                  "does not fit the contents")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_contents_that_were_not_signed(forged, role):
    def change(content):
        document = json.loads(content)
        document["signed"]["expires"] = "2037-01-01T00:00:00Z"
        return json.dumps(document).encode()

    forged.write(**{role: change})
    forged.verify(f"REPO/metadata/<any>{role}.json: the signature of {role} key <any> does not fit the contents")


def test_a_stranger_signs(forged):
    forged.signers["targets"] = [Key()]
    forged.write()
    forged.verify("REPO/metadata/<n>.targets.json: has 0 signatures of targets keys, "
                  "and version 1 of root demands 1")


def test_the_key_of_another_role_signs(forged):
    forged.signers["targets"] = forged.keys["timestamp"]
    forged.write()
    forged.verify("REPO/metadata/<n>.targets.json: has 0 signatures of targets keys, "
                  "and version 1 of root demands 1")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_threshold(forged, role):
    forged.keys[role].append(Key())
    forged.give_keys(**{role: 2})
    forged.write().verify()
    forged.signers[role] = forged.keys[role][:1]
    forged.write().verify(f"REPO/metadata/<any>{role}.json: has 1 signatures of {role} keys, "
                          "and version 1 of root demands 2")


def test_a_threshold_is_not_met_by_one_key_twice(forged):
    forged.keys["targets"].append(Key())
    forged.give_keys(targets=2)
    forged.signers["targets"] = forged.keys["targets"][:1] * 2
    forged.write().verify("REPO/metadata/<n>.targets.json: is not valid TUF metadata: "
                          "two signatures have the same keyid")


# Expiry and versions.


@pytest.mark.parametrize("role", ROLES)
def test_expiry(forged, role):
    forged.parts[role]["expires"] = "2020-02-29T12:00:00Z"
    forged.write().verify(f"REPO/metadata/<any>{role}.json: {role} metadata expired on 2020-02-29T12:00:00Z "
                          "(its owner must sign a newer one)" if role != "root" else
                          "<any>root.json: root metadata expired on 2020-02-29T12:00:00Z "
                          "(its owner must sign a newer one)")


@pytest.mark.parametrize(("role", "by"), [("snapshot", "timestamp"), ("targets", "snapshot")])
def test_another_version_than_was_named(forged, role, by):
    named = forged.parts[by]["meta"][f"{role}.json"]["version"] + 5
    forged.parts[by]["meta"][f"{role}.json"]["version"] = named
    forged.write().verify(f"REPO/metadata/{named}.{role}.json: has version {named - 5}, and <any>{by}.json says {named}")


def test_metadata_of_another_time(forged):
    """Each file is signed well; they do not belong together."""
    forged.write()
    snapshot = forged.metadata / f"{forged.parts['snapshot']['version']}.snapshot.json"
    old = snapshot.read_bytes()
    forged.parts["snapshot"]["expires"] = "2037-01-01T00:00:00Z"
    forged.write()
    snapshot.write_bytes(old)
    forged.verify("REPO/metadata/<n>.snapshot.json: its bytes do not have the SHA-256 that timestamp.json says")


def test_a_missing_file(forged):
    forged.write()
    version = forged.parts["targets"]["version"]
    (forged.metadata / f"{version}.targets.json").unlink()
    forged.verify(f"REPO/metadata/{version}.targets.json: is missing, and snapshot.json names it")


def test_rollback(forged):
    old = copy.deepcopy(forged.parts)
    forged.write()
    older = forged.folder.parent / f"{forged.folder.name}-older"
    shutil.copytree(forged.folder, older)
    for role, below in (("timestamp", "snapshot"), ("snapshot", "targets")):
        forged.parts[role]["version"] += 1
        forged.parts[role]["meta"][f"{below}.json"]["version"] += 1
    forged.parts["targets"]["version"] += 1
    state = forged.folder.parent / f"{forged.folder.name}-state"
    forged.write().verify(None, "--state", state)
    forged.verify(None, "--state", state)
    new = forged.folder
    forged.folder = older
    version = old["timestamp"]["version"]
    forged.verify(f"REPO/metadata/timestamp.json: timestamp version {version} is older than {version + 1}, "
                  "which was seen before (an older state of the repository is being served)", "--state", state)
    # Without a memory, nobody can know.
    forged.verify()
    forged.folder = new
    forged.verify(None, "--state", state)


def test_a_version_that_was_seen_with_other_contents(forged):
    state = forged.folder.parent / f"{forged.folder.name}-state"
    forged.write().verify(None, "--state", state)
    forged.parts["timestamp"]["expires"] = "2037-01-01T00:00:00Z"
    version = forged.parts["timestamp"]["version"]
    forged.write().verify(f"REPO/metadata/timestamp.json: timestamp version {version} was seen before "
                          "with other contents", "--state", state)


def test_the_root_of_another_repository(forged, factory):
    forged.write()
    forged.verify("REPO/metadata/timestamp.json: has 0 signatures of timestamp keys, "
                  "and version 1 of root demands 1", root=factory.root)


def test_a_root_that_was_changed(forged):
    root = forged.write().root_file
    mine = forged.folder.parent / "changed-root.json"
    document = json.loads(root.read_bytes())
    document["signed"]["roles"]["targets"]["threshold"] = 7
    mine.write_text(json.dumps(document))
    result = forged.verify("<any>changed-root.json: <any>", root=mine)
    assert "signature" in result.err or "threshold" in result.err


def test_a_root_that_is_none(forged):
    mine = forged.folder.parent / "no-root.json"
    mine.write_text("{}")
    result = forged.write().verify("<any>no-root.json: <any>", root=mine)
    assert "is not valid TUF metadata" in result.err


# Artifacts.


def test_a_byte_of_the_artifact(forged):
    forged.write().artifact().write_bytes(flipped(forged.artifact().read_bytes(), 100))
    result = forged.verify("REPO/targets/<any>: its bytes do not have the SHA-256 that <any>targets.json says")
    assert TARGET in result.err


def test_an_artifact_that_is_shorter(forged):
    content = forged.write().artifact().read_bytes()
    forged.artifact().write_bytes(content[:-1])
    forged.verify(f"REPO/targets/<any>: has {len(content) - 1} bytes, and <any>targets.json says {len(content)}")


def test_an_artifact_that_is_missing(forged):
    forged.write().artifact().unlink()
    result = forged.verify("<any>")
    assert TARGET in result.err


# Pinned digests.


@pytest.fixture
def uri(forged):
    return forged.parts["targets"]["targets"][TARGET]["custom"]["docker_compose_apps"]["app"]["uri"]


def set_uri(forged, uri):
    forged.parts["targets"]["targets"][TARGET]["custom"]["docker_compose_apps"]["app"]["uri"] = uri


def test_the_digest_of_an_app_that_the_hub_does_not_have(forged, uri):
    other = uri.split("@")[0] + "@sha256:" + "5" * 64
    set_uri(forged, other)
    result = forged.write().verify("<any>: not found<any>")
    assert "sha256:5555" in result.err


def test_an_app_that_is_not_pinned(forged, uri):
    unpinned = uri.split("@")[0] + ":latest"
    set_uri(forged, unpinned)
    forged.write().verify(f"{unpinned}: the app is not pinned to a digest")


def test_a_byte_of_the_bundle_in_the_hub(forged, factory, uri):
    manifest = json.loads(factory.hub_blob_path(uri.split("@")[1]).read_bytes())
    bundle = manifest["layers"][0]["digest"]
    path = factory.hub_blob_path(bundle)
    good = path.read_bytes()
    path.write_bytes(flipped(good))
    try:
        forged.write().verify(f"{uri}: the blob {bundle} has another digest: <digest> "
                              "(somebody changes what the registry sends)")
    finally:
        path.write_bytes(good)
    forged.verify()


def test_a_byte_of_the_manifest_of_the_app(forged, factory, uri):
    factory.lab.corrupt(factory.lab.hosts["hub"], path="/manifests/sha256:", method="GET", count=4)
    forged.write().verify(f"{uri}: the manifest has the digest <digest>, not the one asked for "
                          "(somebody changes what the registry sends)")


def test_a_byte_of_the_manifest_of_an_image(forged, factory):
    factory.lab.corrupt(factory.lab.hosts["generic"], path="/manifests/sha256:", method="GET", count=4)
    image = "ghcr.example.com/acme/broker@" + factory.lab.digests["ghcr.example.com/acme/broker:2"]
    forged.write().verify(f"{image}: the manifest has the digest <digest>, not the one asked for "
                          "(somebody changes what the registry sends)")


def test_an_image_that_is_gone(forged, factory):
    manifest = factory.lab.directory / "registries/generic/docker/registry/v2/repositories/acme/broker/_manifests"
    hidden = manifest.with_name("hidden")
    manifest.rename(hidden)
    try:
        result = forged.write().verify("<any>: not found<any>")
        assert "ghcr.example.com/acme/broker@sha256:" in result.err
    finally:
        hidden.rename(manifest)


def push_app(factory, *files):
    """An app that somebody else made; its uri. A file is docker-compose.yml, or (name, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for file in files:
            name, content = file if isinstance(file, tuple) else ("docker-compose.yml", file)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    bundle = gzip.compress(out.getvalue(), mtime=0)
    config = b"{}"
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kind, "annotations": {"compose-app": "v1"},
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": "application/octet-stream", "digest": digest(bundle), "size": len(bundle)}],
    }).encode()
    pusher = Pusher.to_socket(factory.lab.directory / "run/hub.sock", factory.lab.hosts["hub"],
                              lambda repository: factory.lab._seed_authorization("hub")(repository))
    try:
        pusher.push(Image(manifest, kind, blobs=[config, bundle]), f"{factory.name}/foreign", digest(manifest))
    finally:
        pusher.close()
    return f"{factory.hub}/foreign@{digest(manifest)}"


@pytest.mark.parametrize(("image", "words"), [
    ("ghcr.example.com/acme/broker:2", "the service web is not pinned to a digest"),
    ("ghcr.example.com/acme/broker:${TAG:-2}", "the service web is not pinned to a digest"),
    ("${BROKER}", "the service web names no image"),
])
def test_an_app_whose_service_is_not_pinned(forged, factory, image, words):
    foreign = push_app(factory, f"services:\n  web:\n    image: {image}\n".encode())
    set_uri(forged, foreign)
    forged.write().verify(f"{foreign}: {words}")


LOOSE = b"services: {web: {image: 'ghcr.example.com/acme/broker:2'}}\n"


@pytest.mark.parametrize(("more", "words"), [
    ([("docker-compose.yml", LOOSE)], "docker-compose.yml is in its bundle twice, or is no file"),
    ([("./docker-compose.yml", LOOSE)], "docker-compose.yml is in its bundle twice, or is no file"),
    ([("compose.yaml", LOOSE)], "its bundle has compose.yaml, which devices read and nothing pins"),
    ([(".//docker-compose.override.yml", LOOSE)],
     "its bundle has docker-compose.override.yml, which devices read and nothing pins"),
    ([(".env", b"COMPOSE_FILE=other.yml\n"), ("other.yml", LOOSE)], "the .env in its bundle has devices read other files"),
    ([("bomb", bytes(257 << 20))], "the bundle unpacks to more than 268435456 bytes"),
], ids=["twice", "twice-dot", "compose.yaml", "override", "env", "bomb"])
def test_an_app_of_which_a_device_would_read_more(forged, factory, more, words):
    pinned = b"services: {web: {image: 'ghcr.example.com/acme/broker@sha256:" + b"1" * 64 + b"'}}\n"
    foreign = push_app(factory, pinned, *more)
    set_uri(forged, foreign)
    forged.write().verify(f"{foreign}: {words}")


def test_all_that_is_wrong_is_said_and_as_json_too(forged, uri):
    forged.write().artifact().write_bytes(b"{}")
    other = uri.split("@")[0] + "@sha256:" + "5" * 64
    set_uri(forged, other)
    forged.write()
    document = json.loads(forged.factory.run(
        "target", "verify", forged.folder, "--root", forged.root_file, "--json", status=1
    ).out)
    assert document["proved"] is False
    assert [e["code"] for e in document["errors"]] == ["untrusted", "not-found"]
