"""A factory in a place of its own: configuration, secrets, a containers repository, a TUF repository, and its part of the
lab's hub. Most tests of `target build` begin with one."""

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from lab import Lab

from .conftest import CONFIGURATION, ROOT, Session
from .place import Result

PASSPHRASE = "correct horse battery staple"
MACHINE = "intel-corei7-64"
EXAMPLES = ROOT / "examples"
# What stands for what differs from run to run, in texts that are expected.
PATTERNS = {
    "<digest>": r"sha256:[0-9a-f]{64}", "<short>": r"sha256:[0-9a-f]{12}", "<hex>": r"[0-9a-f]{64}",
    "<time>": r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<revision>": r"[0-9a-f]{40}", "<n>": r"\d+", "<any>": r"[^\n]*",
    "<size>": r"\d+\.\d MiB", "<lines>": r"(?:[^\n]*\n)*",
}
# An app that needs no building: one private image, by tag.
SMALL = {"app/docker-compose.yml": "services:\n  broker:\n    image: ghcr.example.com/acme/broker:2\n"}


def pattern(text: str) -> str:
    """The regular expression of a text with the words of PATTERNS in it."""
    names = "|".join(map(re.escape, PATTERNS))
    return "".join(PATTERNS.get(part) or re.escape(part) for part in re.split(f"({names})", text))


def matches(shown: str, expected: str) -> bool:
    """Compares a whole output; where it differs, says so line by line."""
    if re.fullmatch(pattern(expected), shown):
        return True
    wanted = expected.splitlines()
    lines = shown.splitlines()
    for number, line in enumerate(lines):
        if number >= len(wanted) or not re.fullmatch(pattern(wanted[number]), line):
            print(f"line {number + 1} is not as expected:\n  {line!r}\n  "
                  f"{wanted[number]!r}" if number < len(wanted) else f"one line too many: {line!r}")
            break
    else:
        print(f"{len(lines)} lines, but {len(wanted)} were expected")
    print(f"the whole output:\n{shown}")
    return False


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Factory:
    def __init__(self, session: Session, lab: Lab, *, name: str | None = None, config: str | None = None) -> None:
        """`name` is the factory's at the hub; by default it is one of its own, whose hub is empty."""
        self.lab = lab
        self.place = session.place(lab.env())
        self.work = self.place.work
        self.name = name or self.place.root.name
        self.hub = f"{lab.hosts['hub']}/{self.name}"
        self.containers = self.work / "containers"
        self.tuf = self.work / "tuf"
        self.keys = self.place.home / ".config/pratique/tuf/tuf"
        self.root = self.keys / "root.json"
        self._skopeo_ready = False
        session.patterns.add_secret("the passphrase of the TUF keys", PASSPHRASE)
        if config is None:
            config = CONFIGURATION.format(**lab.hosts, factory=self.name).replace("raspberrypi4-64", MACHINE)
        self.place.write({"factory-config.yml": config})

    # Beginnings.

    @classmethod
    def ready(cls, session: Session, lab: Lab, **how: Any) -> "Factory":
        """With its secrets and an empty TUF repository: a copy of what the commands made for the first one, since keys
        that are sealed by a passphrase take their time."""
        factory = cls(session, lab, **how)
        made = session.folder / "template"
        if made.is_dir():
            shutil.copytree(made / "home", factory.place.home, dirs_exist_ok=True)
            shutil.copytree(made / "tuf", factory.tuf)
        else:
            factory.give_secrets().init()
            shutil.copytree(factory.place.home, made / "home")
            shutil.copytree(factory.tuf, made / "tuf")
        return factory

    def give_secrets(self) -> "Factory":
        given = self.lab.secrets_directory
        names = ("aws_creds", "azprincipal", "ghcr_creds", "hub_creds")
        files = ("aws_credentials", "azprincipal", "ghcr_creds", "hub_creds")
        self.run("secrets", "update", *(f"{n}=={given / f}" for n, f in zip(names, files)))
        self.run("secrets", "update", "tuf_passphrase=-", input=PASSPHRASE)
        return self

    def give_secret(self, name: str, value: str) -> None:
        """Not by the command line, which the tests' own messages show."""
        self.run("secrets", "update", f"{name}=-", input=value)

    def mend_secret(self, name: str) -> None:
        file = {"aws_creds": "aws_credentials"}.get(name, name)
        self.run("secrets", "update", f"{name}=={self.lab.secrets_directory / file}")

    def write(self, files: dict[str, str | bytes]) -> str:
        """Writes into the containers repository and commits; returns the short revision."""
        self.place.write({n: c.replace("hub.example.com/acme", self.hub) if isinstance(c, str) else c
                          for n, c in files.items()}, "containers")
        return self.place.commit(self.containers)

    def copy_example(self, **more: str) -> str:
        """The example's containers repository, for this factory."""
        shutil.copytree(EXAMPLES / "containers", self.containers)
        if self.name != "acme":
            for file in self.containers.rglob("*"):
                if file.is_file() and "hub.example.com/acme" in (text := file.read_text()):
                    file.write_text(text.replace("hub.example.com/acme", self.hub))
        return self.write(dict(more))

    def init(self) -> "Factory":
        self.run("tuf", "init", "tuf")
        return self

    # Commands.

    def run(self, *arguments: object, **how: Any) -> Result:
        return self.place.run(*arguments, **how)

    def build(self, *arguments: object, **how: Any) -> Result:
        return self.run("target", "build", "containers", "--tuf", "tuf", *arguments, **how)

    def verify(self, *arguments: object, **how: Any) -> Result:
        return self.run("target", "verify", "tuf", "--root", self.root, *arguments, **how)

    def skopeo(self, *arguments: object, **how: Any) -> Result:
        if not self._skopeo_ready:
            self._write_skopeo_logins()
        return self.place.program(
            "skopeo", *arguments, env={"REGISTRY_AUTH_FILE": str(self.work / "given-secrets/auth.json")}, **how
        )

    # What there is.

    def targets(self) -> dict[str, Any]:
        """By name, of the newest targets.json."""
        newest = max((self.tuf / "metadata").glob("*.targets.json"), key=lambda p: int(p.name.split(".")[0]))
        return json.loads(newest.read_bytes())["signed"]["targets"]

    def hub_storage(self) -> Path:
        return self.lab.directory / "registries/hub/docker/registry/v2"

    def hub_manifest(self, repository: str, reference: str) -> Any:
        """As it lies in the hub's storage."""
        folder = self.hub_storage() / "repositories" / self.name / repository / "_manifests"
        if not reference.startswith("sha256:"):
            reference = (folder / "tags" / reference / "current/link").read_text()
        return json.loads(self.hub_blob_path(reference).read_bytes())

    def hub_blob_path(self, blob: str) -> Path:
        hex_digest = blob.removeprefix("sha256:")
        return self.hub_storage() / "blobs/sha256" / hex_digest[:2] / hex_digest / "data"

    def tags(self, repository: str) -> set[str]:
        folder = self.hub_storage() / "repositories" / self.name / repository / "_manifests/tags"
        return {tag.name for tag in folder.iterdir()} if folder.is_dir() else set()

    def repositories(self) -> set[str]:
        folder = self.hub_storage() / "repositories" / self.name
        return {p.parent.relative_to(folder).as_posix() for p in folder.rglob("_manifests")}

    def published(self) -> dict[str, str]:
        """All that others can see: every file of the hub and of the TUF repository, by its hash. docker-registry leaves
        an empty upload's hash behind when the upload is cancelled."""
        hub = {n: c for n, c in files_below(self.hub_storage()).items() if "/_uploads/" not in n}
        tuf = {n: c for n, c in files_below(self.tuf).items() if n != ".lock"}
        return {f"{place}/{n}": digest(c) for place, all in (("hub", hub), ("tuf", tuf)) for n, c in all.items()}

    def uploads(self) -> list[str]:
        """Requests that would change the hub, since the log was cleared."""
        return [
            f"{r['method']} {r['path']}" for r in self.lab.requests(self.lab.hosts["hub"])
            if r["method"] in ("PUT", "POST", "PATCH", "DELETE")
        ]

    def temporary_files(self) -> list[str]:
        return sorted(p.name for p in (self.place.root / "tmp").iterdir())

    def _write_skopeo_logins(self) -> None:
        logins, hosts = self.lab.credentials, self.lab.hosts
        password = self.lab.identities.issue(self.lab.identities.profile("default")).password
        pairs = {hosts["hub"]: logins.hub, hosts["generic"]: logins.generic, hosts["azure"]: logins.azure_pull,
                 hosts["ecr"]: f"AWS:{password}"}
        auths = {h: {"auth": base64.b64encode(str(pair).encode()).decode()} for h, pair in pairs.items()}
        self.place.write({"given-secrets/auth.json": json.dumps({"auths": auths})})
        self._skopeo_ready = True
