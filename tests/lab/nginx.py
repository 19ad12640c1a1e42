"""A real nginx that terminates mutual TLS in front of one of the lab's services."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .registries import die_with_parent, free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
_TIMEOUT = 15.0
# No file of its own outside the lab's directory. A client without a certificate that will do gets nginx's 400, or with
# `optional` goes on to the service, which says 403.
_CONFIG = """\
{user}daemon off;
worker_processes 1;
pid {run}/nginx.pid;
error_log {logs}/nginx.log warn;
worker_shutdown_timeout 1s;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {run}/nginx-body;
    proxy_temp_path {run}/nginx-proxy;
    fastcgi_temp_path {run}/nginx-fastcgi;
    uwsgi_temp_path {run}/nginx-uwsgi;
    scgi_temp_path {run}/nginx-scgi;
    server_tokens off;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {name};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols {protocols};
        ssl_client_certificate {clients};
        ssl_crl {crl};
        ssl_verify_depth 6;
        ssl_verify_client {verify};
        location / {{
            proxy_pass http://unix:{backend}:;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_pass_header Date;
            proxy_set_header Host {host};
            proxy_set_header Connection "";
            proxy_set_header X-Client-Verify $ssl_client_verify;
            proxy_set_header X-Client-Certificate $ssl_client_escaped_cert;
        }}
    }}
}}
"""


class Nginx:
    def __init__(
        self, directory: Path, name: str, port_name: int, server: tuple[Path, Path], clients: Path, crl: Path, backend: Path
    ) -> None:
        self._run = directory / "run"
        self._logs = directory / "logs"
        self._config = self._run / "nginx.conf"
        self._name = name
        self._host = f"{name}:{port_name}"
        self._server = server
        self._clients = clients
        self._crl = crl
        self._process: subprocess.Popen[bytes] | None = None
        self._backend = backend
        self.port = 0
        self.verify = "on"
        self.protocols = "TLSv1.2 TLSv1.3"

    def launch(self) -> None:
        """Start the process without waiting for it; see wait_ready()."""
        self.port = free_port()
        self._write()
        assert NGINX
        self._process = subprocess.Popen(
            [NGINX, "-c", str(self._config), "-p", str(self._run), "-e", str(self._logs / "nginx.log")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.defpath},
            # Not SIGKILL: it has to end its worker.
            preexec_fn=_die_in_order,
        )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"nginx does not start, see {self._logs / 'nginx.log'}") from None
                time.sleep(0.01)

    def reload(self) -> None:
        """New configuration, certificates and CRL. Returns once no worker is left that has the old ones."""
        assert self._process
        old = self._workers()
        self._write()
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _TIMEOUT
        while old & self._workers() or not self._workers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"nginx does not reload, see {self._logs / 'nginx.log'}")
            time.sleep(0.005)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _workers(self) -> set[str]:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        # Those that it has not waited for are dead all the same.
        return {pid for pid in children.read_text().split() if not _is_zombie(pid)}

    def _write(self) -> None:
        certificate, key = self._server
        self._config.write_text(_CONFIG.format(
            user="user root;\n" if os.geteuid() == 0 else "", run=self._run, logs=self._logs, port=self.port,
            name=self._name, host=self._host, certificate=certificate, key=key, clients=self._clients, crl=self._crl,
            verify=self.verify, protocols=self.protocols, backend=self._backend,
        ))


def _die_in_order() -> None:
    die_with_parent(signal.SIGTERM)


def _is_zombie(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
