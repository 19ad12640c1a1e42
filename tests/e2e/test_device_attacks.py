"""What somebody on the device, or on its way to a cloud, could try against it."""

import contextlib
import os
import select
import socket
import ssl
import stat
import threading
from collections import namedtuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from .own_device import ANYWHERE, ECR, Device, in_namespace, namespaces
from .processes import wait_until

SOMEBODY = 4242
Known = namedtuple("Known", "place config")


@pytest.fixture
def device(place):
    return Device(place)


@namespaces
def test_mending_makes_nobodys_file_a_program_of_root(device):
    """Whoever owns a file that device.yml names decides its mode: with setuid, --fix would hand it to root as it is."""
    for path, mode in ((device.certificate, 0o6775), (device.ca, 0o4755)):
        os.chown(path, SOMEBODY, SOMEBODY)
        path.chmod(mode)
    shown = device.run("device", "setup", status=2)
    assert f"chmod 755 {device.ca}" in shown.err and "chmod 4755" not in shown.err
    device.run("device", "setup", "--no-units", "--fix", status=None)
    for path in (device.certificate, device.ca):
        assert path.stat().st_uid == 0 and stat.S_IMODE(path.stat().st_mode) == 0o755


class TlsProxy:
    """A proxy that is itself reached by TLS, in front of the lab's, and would like to know who comes. `shown` is what each
    connection has shown it."""

    def __init__(self, lab):
        self.to = lab.proxy_port
        self.shown, self.failed = [], []
        self.context = lab.authority.server_context("localhost")
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.load_verify_locations(cadata=lab.devices.certificate.public_bytes(Encoding.PEM).decode())
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listening.accept()[0],), daemon=True).start()

    def _serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as near, socket.create_connection(("127.0.0.1", self.to)) as far:
                self.shown.append(near.getpeercert())
                while True:
                    ready = [near] if near.pending() else select.select([near, far], [], [])[0]
                    for one, other in ((near, far), (far, near)):
                        if one in ready:
                            piece = one.recv(65536)
                            if not piece:
                                return
                            other.sendall(piece)
        except OSError as error:
            self.failed.append(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()


@namespaces
@pytest.mark.parametrize(("way", "host"), [("gateway", "fleet.example.com"), ("iot", ECR), ("federation", "us-docker.pkg.dev")])
def test_a_proxy_is_not_shown_the_certificate(lab, place, way, host):
    """Where the proxy itself speaks TLS, and asks for a certificate, it is no peer that the device means."""
    known = Known(place, lab.device_config(place.work, lab.device("dev-7"), [way]))
    trusted = ['cp -P "$LAB_CERTS"/* /etc/ssl/certs/', 'printf %s "$HOST" | "$@" >/dev/null', "exit"]
    with TlsProxy(lab) as proxy:
        in_namespace(known, trusted, place.programs / "pratique", "--device-config", known.config, "credential", "get",
                     env={"HTTPS_PROXY": proxy.url, "https_proxy": proxy.url, "HOST": host,
                          "LAB_CERTS": str(lab.authority.hashed_directory)})
    assert proxy.shown and not any(proxy.shown), proxy.shown


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "other.example.com"])
def test_a_certificate_for_another_name_sees_none(lab, place, name, version):
    """Its authority is trusted, but who holds it is another machine than was asked for: it is told nothing."""
    with TlsProxy(lab) as server:
        server.context = lab.gateway_authority.server_context(name)
        server.context.verify_mode = ssl.CERT_REQUIRED
        server.context.minimum_version = server.context.maximum_version = version
        server.context.load_verify_locations(cadata=lab.devices.certificate.public_bytes(Encoding.PEM).decode())
        host = "localhost" if name == "localhost" else "127.0.0.1"
        entry = {**lab.device_entry("gateway"), "gateway": f"https://{host}:{server.listening.getsockname()[1]}"}
        config = lab.device_config(place.work, lab.device("dev-7"), [entry])
        told = place.run("--device-config", config, "credential", "get", input="fleet.example.com", status=None,
                         env={"NO_PROXY": "*", "no_proxy": "*", "PRATIQUE_TIMEOUT": "3"}).out
        wait_until(lambda: server.shown or server.failed)
    assert bool(server.shown) == (name == host), (server.shown, server.failed, told)
    assert ("has a certificate for another name" in told) == (name != host), told


@pytest.mark.parametrize("name", ["*", "dev-?"])
def test_a_certificate_that_names_all_devices_names_none(place, name):
    """Patterns are for --subject: a device whose certificate is called `*` would let all others in."""
    shown = Device(place, name).run("policy", "--device", "--repository", f"{ANYWHERE}/base")
    assert "the certificate's common name is not one of a device alone (name the devices with --subject)" in shown.err
    assert "StringLike" not in shown.out and "DEVICE_NAME" in shown.out


@pytest.mark.parametrize("answer", [b"0", b'0{"ServerURL":"a', b"0\0\0", b"0" * 5_000_000], ids=["nothing", "part", "nuls", "flood"])
def test_a_service_that_does_not_end_its_answer_has_not_answered(place, answer):
    """Then the helper does what it would without one: it becomes the program that the binding names."""
    path = place.root / "half.socket"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(1)

    def serve():
        with contextlib.suppress(OSError), listening.accept()[0] as asker:
            asker.recv(1000)
            asker.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    (place.home / ".docker").mkdir(mode=0o700)
    binding = place.home / ".docker/config.json.pratique"
    config = place.root / "device.yml"
    config.write_text("")
    binding.write_text(f"pratique binding 1\nhost a.example.com\nprogram /bin/echo\nconfig {config}\naccess gateway\n"
                       f"socket {path}\ndevice yes\nend\n")
    for file in (binding, config):
        file.chmod(0o600)
    told = place.program(place.programs / "docker-credential-pratique", "get", input="a.example.com")
    assert told.out == f"credential get --binding {binding}\n"
    listening.close()
