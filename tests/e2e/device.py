"""A device in a place of its own: its identity, a device.yml, and what a person there sees."""

import base64
import json
import re
import subprocess
import time
from pathlib import Path

from lab.softhsm import Token

from .place import SANITIZER

# Each kind of holder of a key: whether the key is in a token, its type, and how many certificates stand in between. A token
# has one certificate only: those in between are then in a file, and the key alone is in the token.
HOLDERS = {
    "file-ec": (False, "ec", 0), "file-ec384": (False, "ec384", 1), "file-rsa": (False, "rsa", 1),
    "token-ec": (True, "ec", 0), "token-ec384": (True, "ec384", 0), "token-rsa": (True, "rsa", 0),
    "token-chain": (True, "rsa", 1),
}
RSA = [kind for kind, (_, key, _) in HOLDERS.items() if key == "rsa"]
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def holder(lab, kind, name="dev-7"):
    """A device of the lab: a `Device` with files, or a `Token` that keeps the key."""
    in_token, key, intermediates = HOLDERS[kind]
    make = lab.softhsm if in_token else lab.device
    return make(name, key, intermediates=intermediates)


class Machine:
    """`registries` as in Lab.device_config()."""

    def __init__(self, session, lab, holder, registries, **identity):
        self.lab, self.place = lab, session.place(lab.env())
        self.in_token = isinstance(holder, Token)
        self.device = holder.device if self.in_token else holder
        if self.in_token:
            # Not all that p11-kit knows: other modules look for hardware, and say on standard error that there is none.
            self.place.env.update({**holder.env, "PKCS11_MODULE_PATH": SOFTHSM})
            if self.device.chain_file:
                identity = {"certificate": str(self.device.certificate_file), **identity}
        self.memory = session.runtime / f"device-{self.place.root.name}"
        self.memory.mkdir(mode=0o700)
        lab.device_config(self.place.work, holder, registries, identity=identity)

    def run(self, *arguments, **how):
        return self.place.run("--device-config", "device.yml", *arguments, **how)

    def get(self, host, env=None, timeout=60):
        """What `credential get` says: (user, secret), or the reason as a text. The output may be a secret: it is not kept."""
        environment = {n: v for n, v in {**self.place.env, **(env or {})}.items() if v is not None}
        done = subprocess.run(
            [self.place.programs / "pratique", "--device-config", "device.yml", "credential", "get"], check=False,
            input=host.encode(), capture_output=True, cwd=self.place.work, env=environment, timeout=timeout)
        assert done.returncode not in SANITIZER, done.stderr.decode()
        self.place.keep("standard error of credential get", done.stderr)
        self.warnings = done.stderr.decode()
        if done.returncode == 0:
            answer = json.loads(done.stdout)
            assert answer["ServerURL"] == host
            return answer["Username"], answer["Secret"]
        self.place.keep("the reason of credential get", done.stdout)
        assert done.returncode == 1 and done.stdout.count(b"\n") == 1, done.stdout.decode()
        return done.stdout.decode().strip().removeprefix("pratique: ")

    def age(self, left):
        """What the cache holds is due to be renewed, and ends in `left` seconds."""
        now = int(time.time())
        for path in Path(self.place.env["PRATIQUE_RUNTIME_DIR"]).glob("*.token"):
            lines = path.read_bytes().split(b"\n")
            for name, value in ((b"refresh", now - 10), (b"expires", now + left)):
                at = next(i for i, line in enumerate(lines) if line.startswith(name + b" "))
                lines[at:at + 2] = [name + b" %d" % len(str(value)), b"%d" % value]
            path.write_bytes(b"\n".join(lines))

    def check(self, host, image, **how):
        """`check` of a tree with that one image."""
        self.place.write({"tree/Dockerfile": f"FROM {host}/{image}\n"})
        return self.run("check", "tree", *how.pop("more", ()), **how)

    def refusal(self, host, image, status=1, env=None):
        """The same error by both commands that a person runs: of `check` the first line, with its exit status; and what the
        helper would hand on."""
        shown = self.check(host, image, status=status, env=env)
        lines = [line for line in shown.err.splitlines() if line.startswith("pratique: ") and ": warning: " not in line
                 and ": using " not in line and "; trying again in " not in line]
        self.place.forget_tokens()
        reason = self.get(host, env=env)
        assert isinstance(reason, str)
        first = lines[0].removeprefix("pratique: ")
        assert TIME.sub("", reason) == TIME.sub("", first), (reason, first)
        return first

    def pulls(self, host, image):
        """`check` with a layer; then skopeo, a stock client, with what we answer it. The entry of `check --json`."""
        shown = self.check(host, image, more=["--json"]).json()
        assert shown["images"][0]["status"] == "ok", shown
        user, secret = self.get(host)
        authfile = self.memory / "auth.json"
        authfile.write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}}}))
        copy = self.memory / "copy"
        self.place.program("skopeo", "copy", "--quiet", f"docker://{host}/{image}", f"dir:{copy}",
                           env={"REGISTRY_AUTH_FILE": str(authfile)})
        assert (copy / "manifest.json").exists()
        for path in [*copy.iterdir(), authfile]:
            path.unlink()
        copy.rmdir()
        return shown["registries"][0]

    def assert_no_key_on_disk(self):
        """With a token: no file of this machine or of the lab's device holds a private key."""
        assert self.in_token
        folders = [self.place.root, self.memory, Path(self.place.env["SOFTHSM2_CONF"]).parent]
        found = subprocess.run(["grep", "-rlaE", "BEGIN (EC |RSA |ENCRYPTED )?PRIVATE KEY", *folders],
                               capture_output=True, check=False, text=True).stdout
        assert not found, found
        assert not Path(self.device.key_file).exists()


