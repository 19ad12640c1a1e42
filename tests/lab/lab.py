#!/usr/bin/python3
"""The lab's command line: run a command in a lab, or serve one until told to stop."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    # Started as a file: the package is the folder that this file stands in.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from lab.core import Lab
from lab.registries import die_with_parent

__all__ = ["Lab"]


def _write_env(lab: Lab) -> Path:
    path = lab.directory / "env.sh"
    path.write_text("".join(f"export {n}={shlex.quote(v)}\n" for n, v in lab.env().items()))
    return path


def _run(arguments: argparse.Namespace) -> int:
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        sys.exit("lab.py run: no command after --")
    # So that the lab is stopped in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with Lab(arguments.dir, proxy_auth=arguments.proxy_auth) as lab:
        if arguments.seed:
            lab.seed()
        _write_env(lab)
        status = subprocess.run(
            command, env={**os.environ, **lab.env()}, preexec_fn=die_with_parent
        ).returncode
    # As a shell says it when a signal ended the command.
    return status if status >= 0 else 128 - status


def _serve(arguments: argparse.Namespace) -> int:
    if not arguments.stay:
        parent = os.getppid()
        die_with_parent(signal.SIGTERM)
        if os.getppid() != parent:
            return 1  # it died before the kernel was told
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with Lab(arguments.dir, proxy_auth=arguments.proxy_auth) as lab:
        if arguments.seed:
            lab.seed()
        print(_write_env(lab), flush=True)
        told.wait()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="start a lab, run a command in it, stop it")
    serve = commands.add_parser("serve", help="print the path of a file to source; run until SIGTERM")
    for command, function in ((run, _run), (serve, _serve)):
        command.add_argument("--dir", required=True, type=Path, help="where everything of the lab lives")
        command.add_argument("--seed", action="store_true", help="push the base images")
        command.add_argument("--proxy-auth", action="store_true", help="the proxy asks for a password")
        command.set_defaults(function=function)
    serve.add_argument("--stay", action="store_true", help="go on when the parent process ends")
    run.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    return int(arguments.function(arguments))


if __name__ == "__main__":
    sys.exit(main())
