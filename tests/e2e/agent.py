"""The device's agent, as systemd or a person starts it, and its askers."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from .place import SANITIZER, Place
from .processes import wait_until

# Becomes the program with descriptor 3 as its socket, as systemd does.
_HAND_OVER = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.environ['LISTEN_PID'] = str(os.getpid())\n"
    "os.environ['LISTEN_FDS'] = '1'\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)


def is_sanitized(place: Place) -> bool:
    """What it weighs then says nothing, and it takes no library in front."""
    return b"__asan_init" in (place.programs / "pratique").read_bytes()


class Agent:
    """Ends with the `with` block, with status 0."""

    def __init__(
        self, place: Place, config: Path, *options: object, at: Path | None = None, group: int | None = None, env: dict[str, str] | None = None,
        before: tuple[str, ...] = (), activated: bool = False, boot_window: int = 3600,
    ) -> None:
        """`at` is the socket's path. `activated`: handed over, for members of `group`. `before` are words before the program."""
        self.place, self.config, self.options, self.before = place, config, options, before
        self.path = at or place.root / "agent.socket"
        self.activated, self.group, self.boot_window = activated, group, boot_window
        self.env = {**place.env, **(env or {})}
        self.log = place.root / f"{self.path.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Whoever may reach the socket may reach this.
        self.notify_path = self.path.with_name(f"{self.path.name}.notify")

    def start(self) -> None:
        argv = [*self.before, str(self.place.programs / "pratique"), "--device-config", str(self.config), "device", "serve",
                "--boot-window", str(self.boot_window), *map(str, self.options)]
        given: list[int] = []
        env = {**self.env, "NOTIFY_SOCKET": str(self.notify_path)}
        self.notify_path.unlink(missing_ok=True)
        self.notified.close()
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(self.notify_path))
        self.notify_path.chmod(0o666)
        with contextlib.ExitStack() as stack:
            if self.activated:
                self.path.unlink(missing_ok=True)
                listening = stack.enter_context(socket.socket(socket.AF_UNIX))
                listening.bind(str(self.path))
                listening.listen(128)
                self.path.chmod(0o660)
                if self.group is not None:
                    os.chown(self.path, 0, self.group)
                given = [listening.fileno()]
                argv = ["/usr/bin/python3", "-c", _HAND_OVER, str(given[0]), *argv]
            else:
                argv += ["--socket", str(self.path)]
            log = stack.enter_context(self.log.open("ab"))
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, pass_fds=given,
                                            cwd=self.place.work)
        self.heard("READY=1")

    def heard(self, words: str, seconds: float = 30) -> None:
        """systemd would have been told so."""
        self.notified.settimeout(seconds)
        try:
            while words not in self.notified.recv(1000).decode():
                pass
        except TimeoutError:
            raise AssertionError(f"{words} was not said:\n{self.journal()}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        status = self.process.wait(30)
        self.process = None
        return status

    def restart(self) -> None:
        assert self.stop() == 0
        self.start()

    def __enter__(self) -> "Agent":
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        status = self.stop() if self.process else 0
        self.notified.close()
        self.place.keep("the agent's journal", self.log.read_bytes())
        assert status not in SANITIZER, self.journal()
        if kind is None:
            assert status == 0, self.journal()
        else:
            print(self.journal(), file=sys.stderr)

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def journal(self) -> str:
        return self.log.read_text(errors="backslashreplace")

    def reload(self) -> None:
        """SIGHUP, and until it was heeded."""
        before = self.journal().count("reading device.yml anew")
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: self.journal().count("reading device.yml anew") > before)
        time.sleep(0.2)

    def connect(self) -> socket.socket:
        asker = socket.socket(socket.AF_UNIX)
        asker.connect(str(self.path))
        asker.settimeout(60)
        return asker

    def ask(self, host: str) -> str:
        """The whole answer, its status first."""
        with self.connect() as asker:
            asker.sendall(f"get {host}\n".encode())
            answer = b""
            while piece := asker.recv(65536):
                answer += piece
        if not answer.startswith(b"0"):
            self.place.keep("the agent's reason", answer)
        return answer.decode()

    def get(self, host: str) -> tuple[str, str]:
        answer = self.ask(host)
        assert answer.startswith("0"), answer
        parts = json.loads(answer[1:])
        return parts["Username"], parts["Secret"]

    def reason(self, host: str) -> str:
        answer = self.ask(host)
        assert answer.startswith("1"), "there was an answer"
        return answer[1:]

    def rss(self) -> int:
        """KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])
