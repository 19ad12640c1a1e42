"""The docker-registry processes: real ones, each with its own storage, on Unix sockets."""

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt

from .credentials import Login
from .files import write_private

_START_TIMEOUT = 15.0
# sockaddr_un.sun_path, less its final NUL.
_MAX_SOCKET_PATH = 107
_PR_SET_PDEATHSIG = 1

# Loaded before any fork: a child of a process with threads must not load libraries.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to end this process when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def write_htpasswd(path: Path, login: Login) -> None:
    """docker-registry reads the file again when its time changes. Cost 4 is the least it takes."""
    hashed = bcrypt.hashpw(login.password.encode(), bcrypt.gensalt(rounds=4)).decode()
    write_private(path, f"{login.user}:{hashed}\n")


@dataclass
class TokenAuth:
    realm: str
    service: str
    issuer: str
    certificate: Path


class DockerRegistry:
    """One docker-registry below `directory`, listening on `socket` or, with TLS, on `port`."""

    def __init__(
        self, name: str, host: str, directory: Path, *, htpasswd: Path | None = None,
        token: TokenAuth | None = None, tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.name = name
        self.storage = directory / "registries" / name
        self.socket = directory / "run" / f"{name}.sock"
        self.port = 0
        self._host = host
        self._config = directory / "run" / f"{name}.yml"
        self._log = directory / "logs" / f"{name}.log"
        self._htpasswd = htpasswd
        self._token = token
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        if len(os.fsencode(self.socket)) > _MAX_SOCKET_PATH:
            raise ValueError(f"{self.socket}: too long for a Unix socket; choose a shorter directory")

    def launch(self) -> None:
        """Start the process without waiting for it; see wait_ready()."""
        self.storage.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        if self._tls:
            self.port = free_port()
        # JSON is YAML. The file holds no secret but the one for upload state.
        write_private(self._config, json.dumps(self._settings(), indent=1))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(self._config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # Nothing of the caller's: docker-registry takes any REGISTRY_* for its own.
                env={"PATH": os.defpath},
                preexec_fn=die_with_parent,
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._accepts():
            assert self._process
            if self._process.poll() is not None:
                if self._tls and b"address already in use" in self._log.read_bytes()[-2000:]:
                    self.launch()  # somebody was quicker: another port
                    continue
                raise RuntimeError(f"docker-registry {self.name} ended at once, see {self._log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"docker-registry {self.name} does not answer, see {self._log}")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _accepts(self) -> bool:
        try:
            if self._tls:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            else:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket))
        except OSError:
            return False
        return True

    def _settings(self) -> dict[str, Any]:
        http: dict[str, Any] = {
            # What Location headers are made from.
            "host": f"https://{self._host}",
            "secret": secrets.token_hex(16),
        }
        if self._tls:
            certificate, key = self._tls
            http |= {"addr": f"127.0.0.1:{self.port}", "tls": {"certificate": str(certificate), "key": str(key)}}
        else:
            http |= {"net": "unix", "addr": str(self.socket)}
        settings: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage)},
                "cache": {"blobdescriptor": "inmemory"},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http,
        }
        if self._htpasswd:
            settings["auth"] = {"htpasswd": {"realm": self._host, "path": str(self._htpasswd)}}
        if self._token:
            settings["auth"] = {"token": {
                "realm": self._token.realm, "service": self._token.service,
                "issuer": self._token.issuer, "rootcertbundle": str(self._token.certificate),
            }}
        return settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
