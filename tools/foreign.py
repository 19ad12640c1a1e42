#!/usr/bin/python3
"""Runs a command where programs of another architecture run like any other, children of programs too: through qemu-user,
with the libraries of a sysroot.

    tools/foreign.py ARCH SYSROOT COMMAND...     ARCH: armhf arm64

The kernel is told in a user namespace of its own (binfmt_misc, since Linux 6.7), which ends with the command: nothing else
on the machine sees it, and it needs no rights. Root has all users there; another user is root there, and alone.
"""

import ctypes
import os
import shutil
import sys
import tempfile
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# Class, byte order, and machine in the header of an ELF program; the kind is an executable or a shared object.
MACHINES = {"armhf": ("qemu-arm-static", 1, 40), "arm64": ("qemu-aarch64-static", 2, 183)}
libc = ctypes.CDLL(None, use_errno=True)


def must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def escaped(data: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in data)


def rule(name: str, bits: int, machine: int, interpreter: Path) -> bytes:
    magic = b"\x7fELF" + bytes([bits, 1, 1, 0]) + bytes(8) + (2).to_bytes(2, "little") + machine.to_bytes(2, "little")
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
    return b":%s:M::%s:%s:%s:" % (name.encode(), escaped(magic), escaped(mask), os.fsencode(interpreter))


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


def map_users(child: int, user: int, group: int) -> None:
    if user == 0:
        write(f"/proc/{child}/uid_map", "0 0 65536")
        write(f"/proc/{child}/gid_map", "0 0 65536")
    else:
        write(f"/proc/{child}/setgroups", "deny")
        write(f"/proc/{child}/uid_map", f"0 {user} 1")
        write(f"/proc/{child}/gid_map", f"0 {group} 1")


def in_namespace(arch: str, sysroot: str, command: list[str], folder: Path) -> int:
    must(libc.unshare(CLONE_NEWNS), "a namespace for mounts")
    must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mounts of its own")
    must(libc.mount(b"binfmt_misc", os.fsencode(BINFMT), b"binfmt_misc", 0, None), f"{BINFMT} (Linux 6.7 or newer is needed)")
    emulator, bits, machine = MACHINES[arch]
    emulator = shutil.which(emulator) or emulator
    # A script, for the kernel passes no option on, and whoever starts a program may clear its environment.
    interpreter = folder / "run"
    interpreter.write_text(f'#!/bin/sh\nexec {emulator} -L "{sysroot}" "$@"\n', encoding="utf-8")
    interpreter.chmod(0o755)
    (BINFMT / "register").write_bytes(rule(f"pratique-{arch}", bits, machine, interpreter))
    child = os.fork()
    if child == 0:
        os.execvp(command[0], command)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or arguments[0] not in MACHINES:
        print(__doc__, file=sys.stderr)
        return 2
    arch, sysroot, *command = arguments
    user, group = os.getuid(), os.getgid()
    ready_out, ready_in = os.pipe()
    mapped_out, mapped_in = os.pipe()
    with tempfile.TemporaryDirectory(prefix="pratique-foreign.") as name:
        folder = Path(name)
        folder.chmod(0o755)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                must(libc.unshare(CLONE_NEWUSER), "a user namespace")
                os.write(ready_in, b"x")
                os.close(mapped_in)
                if os.read(mapped_out, 1) == b"x":
                    status = in_namespace(arch, str(Path(sysroot).resolve()), command, folder)
            except OSError as error:
                print(f"foreign.py: {error}", file=sys.stderr)
            os._exit(status if status >= 0 else 128 - status)
        os.close(ready_in)
        if os.read(ready_out, 1) == b"x":
            map_users(child, user, group)
            os.write(mapped_in, b"x")
        os.close(mapped_in)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
