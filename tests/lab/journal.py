"""What the lab saw: one entry a request and one a CONNECT, in memory and as JSON lines."""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

# Query values that open something by themselves; the log keeps their names only.
_SECRET_QUERY = re.compile(
    r"(?i)\b((?:x-amz-(?:signature|security-token|credential)|token|access_token|refresh_token|password)=)[^&]*"
)


def redact_target(target: str) -> str:
    return _SECRET_QUERY.sub(r"\1***", target)


class Journal:
    """A thread-safe list of entries that is also appended to a file."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._entries: list[dict[str, Any]] = []
        self._cleared = 0.0
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, *, began: float | None = None, **entry: Any) -> None:
        """`began` is when the request came (time.monotonic()): what was asked before clear() and ends after it, because it
        was stalled, is of an earlier test."""
        entry = {"time": round(time.time(), 6), **entry}
        with self._lock:
            if began is None or began >= self._cleared:
                self._entries.append(entry)
            # A request that ends while the lab stops must not raise on the closed file.
            if not self._file.closed:
                self._file.write(json.dumps(entry) + "\n")

    def entries(self, host: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(e) for e in self._entries if host is None or e["host"] == host]

    def clear(self) -> None:
        """Forget what is in memory; the file keeps everything."""
        with self._lock:
            self._entries.clear()
            self._cleared = time.monotonic()

    def close(self) -> None:
        with self._lock:
            self._file.close()
