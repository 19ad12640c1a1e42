#!/usr/bin/python3
"""Judges every signature, key id and hash of a repository that we wrote, with Debian's securesystemslib.

usage: tuf_securesystemslib.py TUF_SAMPLE, the program that writes the repository; exit 77 without securesystemslib.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    from securesystemslib.formats import encode_canonical
    from securesystemslib.keys import verify_signature
except ImportError:
    print("no securesystemslib here (Debian: python3-securesystemslib)")
    sys.exit(77)


def judge(repo):
    metadata = repo / "metadata"
    read = {path.name: json.loads(path.read_bytes()) for path in metadata.glob("*.json")}
    root = read["1.root.json"]["signed"]
    assert read["root.json"] == read["1.root.json"]
    assert root["consistent_snapshot"] is True
    for keyid, key in root["keys"].items():
        assert keyid == hashlib.sha256(encode_canonical(key).encode()).hexdigest()
    signatures = 0
    for name, whole in read.items():
        signed = whole["signed"]
        assert signed["spec_version"] == "1.0.31", name
        role = root["roles"][signed["_type"]]
        good = 0
        for signature in whole["signatures"]:
            assert signature["keyid"] in role["keyids"], name
            key = dict(root["keys"][signature["keyid"]], keyid=signature["keyid"])
            assert verify_signature(key, signature, encode_canonical(signed).encode()), name
            good += 1
        assert good >= role["threshold"], name
        signatures += good
        for named, entry in signed.get("meta", {}).items():
            version = entry["version"]
            data = (metadata / f"{version}.{named}").read_bytes()
            assert entry["length"] == len(data)
            assert entry["hashes"]["sha256"] == hashlib.sha256(data).hexdigest()
    newest = read["3.targets.json"]["signed"]["targets"]
    assert set(newest) == {"raspberrypi4-64-lmp-1", "dir/commit-2"}
    target = newest["raspberrypi4-64-lmp-1"]
    stored = (repo / "targets" / (target["hashes"]["sha256"] + ".raspberrypi4-64-lmp-1")).read_bytes()
    assert hashlib.sha256(stored).hexdigest() == target["hashes"]["sha256"] and len(stored) == target["length"]
    assert newest["dir/commit-2"]["length"] == 0
    print(f"{len(read)} files of metadata, {signatures} signatures: all good")


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        judge(pathlib.Path(folder) / "repo")


if __name__ == "__main__":
    main()
