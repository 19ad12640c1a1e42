"""Registries' clients, and the helper as they run it."""

import json
import os
import subprocess
from pathlib import Path

from .place import SANITIZER

HELPER = "docker-credential-pratique"
NOT_FOUND = "credentials not found in native keychain\n"


def path_of(place):
    """A PATH on which clients find the helper."""
    return f"{place.programs}:{place.env['PATH']}"


def helper(place, action, said="", env=None, cwd=None, program=None):
    """Runs the helper as a client does; its output may be a secret, so it is not kept with the others."""
    changes = {"PATH": path_of(place), **(env or {})}
    environment = {n: v for n, v in {**place.env, **changes}.items() if v is not None}
    done = subprocess.run(
        [program or place.programs / HELPER, action], input=said.encode(), capture_output=True, check=False,
        env=environment, cwd=cwd or place.work, timeout=60,
    )
    assert done.returncode not in SANITIZER, done.stderr.decode()
    place.keep(f"standard error of the helper's {action}", done.stderr)
    if done.returncode:
        place.keep(f"the reason of the helper's {action}", done.stdout)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def get(place, host, **how):
    """The credential for a host as (user, secret), or the reason as a text."""
    status, out, _ = helper(place, "get", host + "\n", **how)
    if status:
        return out
    answer = json.loads(out)
    return answer["Username"], answer["Secret"]


def calls(lab):
    """How often the ECR API was asked."""
    return len([r for r in lab.requests(lab.hosts["ecr_api"]) if r["method"] == "POST"])


def runtime(place):
    return Path(place.env["PRATIQUE_RUNTIME_DIR"])


def entries(place):
    """The names of what the cache holds, but for locks."""
    return sorted(p.name for p in runtime(place).iterdir() if p.suffix in (".token", ".answer"))


def is_root():
    return os.geteuid() == 0
