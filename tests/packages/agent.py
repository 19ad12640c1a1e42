#!/usr/bin/python3
"""Stands in for the agent within its unit: tells whoever connects what is possible there, as one JSON document."""

import ctypes
import json
import os
import resource
import socket
import struct
import subprocess
from collections.abc import Callable

KEY = "pkcs11:token=dev;object=ec;type=private?pin-source=file:/etc/pratique/pin"


def outcome(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except OSError as error:
        return f"errno {error.errno}"


def shell(line: str) -> tuple[int, str]:
    result = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def write(path: str) -> bool:
    with open(path, "w", encoding="ascii") as stream:
        stream.write("x")
    return True


def mlock() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    page = ctypes.create_string_buffer(4096)
    return "locked" if libc.mlock(page, ctypes.c_size_t(4096)) == 0 else os.strerror(ctypes.get_errno())


def tell() -> dict[str, object]:
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status", encoding="ascii").read().splitlines() if ":\t" in line)
    sign = f"head -c 32 /dev/zero >/tmp/hash && openssl pkeyutl -engine pkcs11 -keyform engine -inkey '{KEY}' -sign -in /tmp/hash -out /tmp/signature"
    return {
        "environment": {name: value for name, value in os.environ.items() if name.startswith(("LISTEN_", "PRATIQUE_", "HTTPS_", "RUNTIME_"))},
        "uid": os.getuid(), "capabilities": status["CapBnd"], "no new privileges": status["NoNewPrivs"],
        "own configuration": outcome(lambda: open("/etc/pratique/pin", encoding="ascii").read()),
        "write /etc/pratique": outcome(lambda: write("/etc/pratique/new")),
        "write /var": outcome(lambda: write("/var/new")),
        "write runtime folder": outcome(lambda: write("/run/pratique/kept")),
        "runtime folder": shell("stat -f -c %T /run/pratique; stat -c '%a %U' /run/pratique")[1].split(),
        "home": shell("ls /root")[0], "another's file": outcome(lambda: open("/etc/pratique/others", encoding="ascii").read()),
        "sign with a token": shell(sign),
        "sign with a token's own module": shell(f"PKCS11_MODULE_PATH=/usr/lib/softhsm/libsofthsm2.so; export PKCS11_MODULE_PATH; {sign}"),
        "no core": outcome(lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))),
        "lock memory": mlock(),
        "network": outcome(lambda: socket.getaddrinfo("127.0.0.1", 443)[0][4][1]),
        "interfaces": outcome(lambda: len(socket.if_nameindex()) > 0),
        "raw socket": outcome(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).fileno()),
        "namespace": shell("unshare -U true")[0], "mount": shell("mount -t tmpfs none /mnt")[0],
        "pratique": shell("/usr/bin/pratique version"),
    }


def main() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"])
        notify.send(b"READY=1")
    listening = socket.socket(fileno=3)
    while True:
        peer, _ = listening.accept()
        with peer:
            pid, uid, _gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            peer.sendall(json.dumps({**tell(), "peer": [pid > 0, uid]}).encode())


if __name__ == "__main__":
    main()
