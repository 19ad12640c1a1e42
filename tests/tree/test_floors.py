"""The floors of the house, and that the check of them can fail."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tests/floors.py", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def plant(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_tree_keeps_to_its_floors():
    result = check()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_every_violation_is_reported_with_its_place(tmp_path):
    source = plant(tmp_path, {
        "base/text.h": "",
        "net/http.h": '#include "base/text.h"\n#include <stdint.h>\n',
        "auth/auth.h": "",
        "base/text.c": '#include "base/text.h"\n\n#include "net/http.h"\n',  # upward
        "oci/image.c": "#include <openssl/evp.h>\n",  # a library that lives elsewhere
        "secrets/store.c": '/* #include "cmd/x.h"\n */\n// #include "cmd/x.h"\n#  include "config/config.h"\n',  # beside
        "config/config.h": "#include <sqlite3.h>\n",
        "crypto/hash.c": "#include <openssl/evp.h>\n#include <glib.h>\n",  # nobody's
        "registry/client.c": '#include "../auth/auth.h"\n#include HEADER\n',
        "cmd/helper.c": '#include "base/text.h"\n#include "auth/auth.h"\n#include <jansson.h>\n',
        "cmd/main.c": '#include "auth/auth.h"\n#include <jansson.h>\n#include <curl/curl.h>\n',
        "attic/old.c": "",
    })
    result = check(source)
    assert result.returncode == 1
    places = [line.split(": ")[0].removeprefix(f"{source}/") for line in result.stdout.splitlines()]
    assert places == [
        "attic/old.c:1", "base/text.c:3", "cmd/helper.c:2", "cmd/helper.c:3", "cmd/main.c:3", "config/config.h:1",
        "crypto/hash.c:2", "oci/image.c:1", "registry/client.c:1", "registry/client.c:2", "secrets/store.c:4",
    ]
    assert "base/ stands on libc only, not on net/" in result.stdout
    assert "openssl lives in crypto/, not in oci/" in result.stdout
    assert "cmd/helper.c includes libc and base/ only" in result.stdout


def test_rooms_of_a_folder_keep_to_their_floors(tmp_path):
    source = plant(tmp_path, {
        "auth/auth.h": "",
        "auth/auth.c": '#include "auth/auth.h"\n#include "auth/aws/keys.h"\n#include "auth/policy/policy.h"\n',  # beside
        "auth/attic/old.c": "",
        "auth/aws/keys.h": '#include "auth/common/jwt.h"\n#include "host.h"\n',
        "auth/aws/host.h": "",
        "auth/aws/kind.c": '#include "auth/aws/keys.h"\n#include "auth/auth.h"\n',  # upward
        "auth/azure/kind.c": '#include "auth/common/jwt.h"\n#include "auth/aws/keys.h"\n',  # beside
        "auth/common/jwt.h": '#include "auth/aws/keys.h"\n',  # upward
        "auth/policy/policy.h": '#include "auth/aws/host.h"\n',
        "cmd/deep/main.c": "",
        "device/check/steps.h": "",
        "device/files.h": "",
        "device/serve/agent.c": '#include "device/check/steps.h"\n#include "device/files.h"\n',  # beside, and upward
        "registry/token.c": '#include "auth/common/jwt.h"\n#include "auth/aws/keys.h"\n',
    })
    result = check(source)
    places = [line.split(": ")[0].removeprefix(f"{source}/") for line in result.stdout.splitlines()]
    assert places == [
        "auth/attic/old.c:1", "auth/auth.c:3", "auth/aws/kind.c:2", "auth/azure/kind.c:2", "auth/common/jwt.h:1",
        "cmd/deep/main.c:1", "device/serve/agent.c:1", "device/serve/agent.c:2",
    ]
    assert "auth/azure stands on auth/common/, not on auth/aws" in result.stdout
    assert "auth/common stands on no other room, not on auth/aws" in result.stdout


def test_a_good_tree_is_quiet(tmp_path):
    source = plant(tmp_path, {
        "base/text.h": "",
        "base/text.c": '#include "base/text.h"\n#include "own.h"\n#include <stdio.h>\n#include <sys/stat.h>\n',
        "base/own.h": "",
        "crypto/hash.c": '#include "base/text.h"\n#include <openssl/evp.h>\n#include <jansson.h>\n',
        "cmd/main.c": '#include "base/text.h" // and "why"\n',
    })
    result = check(source)
    assert (result.returncode, result.stdout) == (0, "")


def test_an_empty_tree_is_no_success(tmp_path):
    assert check(tmp_path).returncode == 2
