"""Faults on order: each is told to one host, waits for a matching request and is used up."""

import threading
from dataclasses import dataclass, fields
from typing import Any

REQUEST_KINDS = frozenset({
    "throttle",      # the service's own throttling answer, with Retry-After if retry_after is set
    "status",        # the service's own answer for `status` (503 unless told)
    "html",          # 200 (or `status`) with a page of HTML, as a captive portal would
    "stall",         # wait `seconds` before answering
    "stall_middle",  # wait `seconds` after `after` bytes of the body (half of it unless told)
    "cut",           # close the connection after `after` bytes of the body (half unless told)
    "wrong_digest",  # a Docker-Content-Digest that belongs to nothing
    "corrupt",       # flip a bit in the first byte of the body
})
CONNECT_KINDS = frozenset({
    "proxy_refuse",  # answer CONNECT with `status` (502 unless told)
    "proxy_stall",   # wait `seconds` before answering CONNECT
    "proxy_cut",     # close the tunnel after `after` bytes from the server
    "proxy_divert",  # connect to the host `to`, whose certificate does not match
})


@dataclass
class Fault:
    host: str
    kind: str
    count: int = 1
    method: str | None = None       # only requests with this method
    path: str | None = None         # only requests whose target contains this text
    status: int | None = None
    retry_after: str | None = None  # seconds or an HTTP date, sent as it is
    seconds: float = 0.0
    after: int | None = None
    to: str | None = None

    def matches(self, method: str, target: str) -> bool:
        return (self.method is None or self.method == method) and (
            self.path is None or self.path in target
        )


class FaultBook:
    """All pending faults. The oldest matching one of a host is taken first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []

    def order(self, host: str, kind: str, **options: Any) -> None:
        if kind not in REQUEST_KINDS | CONNECT_KINDS:
            raise ValueError(f"unknown fault kind {kind!r}")
        unknown = set(options) - {f.name for f in fields(Fault)}
        if unknown:
            raise ValueError(f"unknown fault options {sorted(unknown)}")
        if options.get("retry_after") is not None:
            options["retry_after"] = str(options["retry_after"])
        with self._lock:
            self._pending.append(Fault(host, kind, **options))

    def take(self, host: str, kinds: frozenset[str], method: str, target: str) -> Fault | None:
        if not self._pending:
            return None
        with self._lock:
            for fault in self._pending:
                if fault.host == host and fault.kind in kinds and fault.matches(method, target):
                    fault.count -= 1
                    if fault.count <= 0:
                        self._pending.remove(fault)
                    return fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()
