#!/usr/bin/python3
"""text-header.py NAME TEXT HEADER: writes a C header that defines NAME as the text of a file."""

import sys
from pathlib import Path

name, text, header = sys.argv[1:]
lines = Path(text).read_text(encoding="utf-8").splitlines()
quoted = ["    \"" + line.replace("\\", "\\\\").replace('"', '\\"') + "\\n\"" for line in lines]
Path(header).write_text("#pragma once\n\n#define " + name + " \\\n" + " \\\n".join(quoted) + "\n", encoding="utf-8")
