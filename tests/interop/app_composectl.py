#!/usr/bin/python3
"""composectl pulls a Compose App that we built from a registry of its own on loopback, and checks it; fy-tool reads its
Compose file as aktualizr-lite does.

usage: app_composectl.py APP_SAMPLE, the program that builds the app. Needs composectl, docker-registry, openssl and
fy-tool on PATH; exit 77 where one is missing.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
import app_folder

for needed in ("composectl", "docker-registry", "openssl", "fy-tool"):
    if not shutil.which(needed):
        print(f"no {needed} here")
        sys.exit(77)


class Registry:
    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = f"localhost:{probe.getsockname()[1]}"
        self.certificate = folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem",
                        "-out", self.certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
        configuration = {
            "version": 0.1, "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": str(folder / "r")}},
            "http": {"addr": "127.0.0.1:" + self.host.split(":")[1],
                     "tls": {"certificate": str(self.certificate), "key": str(folder / "key.pem")}}}
        (folder / "registry.yml").write_text(json.dumps(configuration))
        self.process = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.context = ssl.create_default_context(cafile=self.certificate)
        for _ in range(100):
            try:
                self.ask("GET", "/v2/")
                return
            except urllib.error.URLError:
                time.sleep(0.1)
        raise RuntimeError("the registry does not come up")

    def ask(self, method, path, data=None, kind="application/octet-stream"):
        url = path if path.startswith("https:") else f"https://{self.host}{path}"
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind})
        return urllib.request.urlopen(request, context=self.context)

    def push_blob(self, repository, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        where = self.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        self.ask("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", data)
        return {"digest": digest, "size": len(data)}

    def push_manifest(self, repository, data, kind):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.ask("PUT", f"/v2/{repository}/manifests/{digest}", data, kind)
        return f"{self.host}/{repository}@{digest}"


def push_image(registry):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]}}
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {
        "schemaVersion": 2, "mediaType": kind,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                   **registry.push_blob("acme/web", json.dumps(config).encode())},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    **registry.push_blob("acme/web", gzip.compress(layer.getvalue()))}]}
    return registry.push_manifest("acme/web", json.dumps(manifest).encode(), kind)


def push_app(registry, program, folder):
    image = push_image(registry)
    app_folder.write(folder / "app")
    (folder / "out").mkdir()
    result = subprocess.run([program, folder / "app", folder / "out", f"web={image}", f"db={image}"], check=True,
                            stdout=subprocess.PIPE, text=True)
    blobs = dict(line.split() for line in result.stdout.splitlines())
    for what, digest in blobs.items():
        if what != "manifest":
            registry.push_blob("acme/shop", (folder / "out" / digest).read_bytes())
    manifest = (folder / "out" / blobs["manifest"]).read_bytes()
    return registry.push_manifest("acme/shop", manifest, json.loads(manifest)["mediaType"]), folder / "out" / blobs["bundle"]


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        registry = Registry(folder)
        try:
            reference, bundle = push_app(registry, sys.argv[1], folder)
            environment = {**os.environ, "HOME": temporary, "DOCKER_CONFIG": temporary,
                           "SSL_CERT_FILE": str(registry.certificate)}
            for command in (["pull"], ["check", "--local"], ["show", "compose"]):
                result = subprocess.run(
                    ["composectl", "-s", folder / "store", "-i", folder / "projects", "-a", "amd64", *command, reference],
                    env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                assert result.returncode == 0 and "ERROR" not in result.stdout, result.stdout
                assert command[0] != "check" or "...missing" not in result.stdout, result.stdout
            assert reference.split("@")[1].split(":")[1] in os.listdir(folder / "store" / "blobs" / "sha256")
        finally:
            registry.process.terminate()
            registry.process.wait()
        with tarfile.open(bundle) as tar:
            tar.extract("docker-compose.yml", folder)
        shown = subprocess.run(["fy-tool", "--mode", "json", folder / "docker-compose.yml"], check=True,
                               stdout=subprocess.PIPE)
        for service in json.loads(shown.stdout)["services"].values():
            assert len(service["labels"]["io.compose-spec.config-hash"]) == 64
            assert service["image"].count("@sha256:") == 1
        print("composectl pulled and checked the app, fy-tool read it")


if __name__ == "__main__":
    main()
