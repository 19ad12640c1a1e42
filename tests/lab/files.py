"""Writing files that hold secrets."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes | str) -> None:
    """Replace `path` in one step with mode 0600, so that no reader ever sees half of it."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    temporary.replace(path)
