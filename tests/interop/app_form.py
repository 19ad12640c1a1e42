#!/usr/bin/python3
"""Judges the form of a Compose App that we built with Python's tarfile, gzip, hashlib and PyYAML, and with GNU tar as
aktualizr-lite calls it.

usage: app_form.py APP_SAMPLE, the program that builds the app; exit 77 without PyYAML.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
import app_folder

try:
    import yaml
except ImportError:
    print("no PyYAML here (Debian: python3-yaml)")
    sys.exit(77)

WEB = "hub.example.com/acme/web@sha256:" + "1" * 64
DB = "docker.io/library/db@sha256:" + "2" * 64
LABEL = "io.compose-spec.config-hash"


def build(program, app, out, **environment):
    out.mkdir()
    result = subprocess.run([program, app, out, f"web={WEB}", f"db={DB}"], check=True, stdout=subprocess.PIPE,
                            text=True, env={**os.environ, **environment})
    return dict(line.split() for line in result.stdout.splitlines())


def read(out, digest):
    data = (out / digest).read_bytes()
    assert "sha256:" + hashlib.sha256(data).hexdigest() == digest
    return data


def judge_manifest(out, blobs):
    manifest = json.loads(read(out, blobs["manifest"]))
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == "application/vnd.fio+compose-app"
    assert manifest["annotations"] == {"compose-app": "v1"}
    # The empty descriptor of the OCI image specification, manifest.md
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
    assert read(out, blobs["config"]) == b"{}"
    bundle, meta = manifest["layers"]
    index = read(out, blobs["index"])
    assert bundle == {
        "mediaType": "application/octet-stream", "digest": blobs["bundle"], "size": len(read(out, blobs["bundle"])),
        "annotations": {"org.foundries.app.bundle.index.digest": blobs["index"],
                        "org.foundries.app.bundle.index.size": str(len(index))}}
    assert meta == {"mediaType": "application/json", "digest": blobs["layers-meta"],
                    "size": len(read(out, blobs["layers-meta"])), "annotations": {"layers-meta": "v1"}}
    return json.loads(index)


def judge_bundle(archive, index, expected):
    assert archive[:2] == b"\x1f\x8b" and archive[3] == 0 and archive[4:8] == bytes(4), "gzip with a name or a time"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        members = tar.getmembers()
        names = [member.name for member in members]
        assert names == sorted(names, key=str.encode), names
        for member in members:
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
            assert not member.pax_headers.keys() - {"path", "linkpath"}, member.pax_headers
            mode = 0o777 if member.issym() else 0o755 if member.isdir() or member.name == "start.sh" else 0o644
            assert member.mode == mode, member.name
        files = {member.name: tar.extractfile(member).read() for member in members if member.isfile()}
        assert set(files) == expected
        assert index == {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in files.items()}
        assert {member.name: member.linkname for member in members if member.issym()} == {
            "config/current.conf": "web.conf"}
    return files["docker-compose.yml"]


def judge_compose(text):
    assert b"*logging" not in text and b"# The web shop" in text and b"   # private" in text
    source, result = yaml.safe_load(app_folder.COMPOSE), yaml.safe_load(text)
    hashes = [result["services"][name]["labels"].pop(LABEL) for name in ("web", "db")]
    assert len(set(hashes)) == 2 and all(len(value) == 64 for value in hashes)
    web, db = source["services"]["web"], source["services"]["db"]
    del web["build"]
    web["image"], web["labels"] = WEB, {"shop": "front", "plain": ""}
    db["image"], db["labels"] = DB, {}
    assert result == source, result


def main():
    program = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        app, again = folder / "app", folder / "again"
        expected = app_folder.write(app)
        meta = {"APP_SAMPLE_LAYERS_META": '{"amd64":{"fs_block_size":4096,"layers":{}}}'}
        blobs = build(program, app, folder / "out", **meta)
        index = judge_manifest(folder / "out", blobs)
        archive = read(folder / "out", blobs["bundle"])
        text = judge_bundle(archive, index, expected)
        judge_compose(text)
        path = folder / "out" / blobs["bundle"]
        shown = subprocess.run(["tar", "--to-stdout", "-xzf", path, "docker-compose.yml", "--force-local"], check=True,
                               stdout=subprocess.PIPE)
        assert shown.stdout == text
        # Elsewhere, later, under another umask and locale.
        os.umask(0o077)
        app_folder.write(again)
        for found in sorted(again.rglob("*"), reverse=True):
            os.utime(found, (1, 1), follow_symlinks=False)
        assert build(program, again, folder / "out2", LC_ALL="C.UTF-8", TZ="Asia/Tokyo", **meta) == blobs
        print(f"manifest, bundle of {len(index)} files, Compose file: all good")


if __name__ == "__main__":
    main()
