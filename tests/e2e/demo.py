#!/usr/bin/python3
"""Shows a person what pratique does: from a containers repository that needs private images to a signed Target.

    make demo                 or  tests/e2e/demo.py [--out DIR] [--programs DIR]

Everything happens in a lab on this machine (tests/lab): registries under their real names, reached through a proxy of
the lab. Nothing is written but a temporary folder, which goes, and the folder that is named at the end, which stays.
Each command is real, and so is its output; the first one that fails ends the demo with status 1.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab import Lab  # noqa: E402

EXAMPLE = ROOT / "examples"
MACHINE = "intel-corei7-64"


class Failed(Exception):
    """A step did not end as it should."""


class Demo:
    def __init__(self, lab: Lab, folder: Path, out: Path, programs: Path) -> None:
        self.lab = lab
        self.out = out
        self.home = out / "home"
        self.step = 0
        storage = folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/storage-run"\n'
        )
        for name in ("tmp", "runtime", "shell"):
            (folder / name).mkdir(mode=0o700)
        self.env = {
            "PATH": f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.home), "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"), "XDG_RUNTIME_DIR": str(folder / "runtime"), "PRATIQUE_RUNTIME_DIR": str(folder / "runtime"),
            "CONTAINERS_STORAGE_CONF": str(storage), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "REGISTRY_AUTH_FILE": str(folder / "shell/auth.json"), **lab.env(),
        }
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    # What a person sees.

    def say(self, text: str) -> None:
        print("\n" + textwrap.fill(" ".join(text.split()), 100), flush=True)

    def title(self, text: str) -> None:
        self.step += 1
        line = f"{self.step}. {text}"
        print(f"\n\n\033[1m{line}\033[0m" if self.colour else f"\n\n{line}\n{'-' * len(line)}", flush=True)

    def show(self, command: str) -> None:
        print(f"\n\033[36m$ {command}\033[0m" if self.colour else f"\n$ {command}", flush=True)

    # What happens.

    def run(self, command: str, status: int = 0, quiet: bool = False) -> str:
        """A command line as a shell reads it, shown with its output."""
        if not quiet:
            self.show(command)
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.out, env=self.env, stdin=subprocess.DEVNULL, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        )
        text = done.stdout.decode(errors="backslashreplace")
        if not quiet or done.returncode != status:
            print(text, end="", flush=True)
        if done.returncode != status:
            raise Failed(f"`{command}` ended with status {done.returncode}, not {status}")
        if status and not quiet:
            print(f"(exit status {status})", flush=True)
        return text

    def play(self) -> None:
        self.begin()
        self.secrets()
        self.look()
        self.build()
        self.prove()
        self.again()
        self.fail()
        self.device()

    def begin(self) -> None:
        self.title("A containers repository, and the registries that it needs")
        self.say("Folders with a Dockerfile are images, folders with a docker-compose.yml are Compose Apps. Their bases "
                 "and services lie in private registries: Amazon's ECR, Azure's ACR, and one with a user and a password. "
                 "What is built here goes to the factory's hub.")
        shutil.copytree(EXAMPLE / "containers", self.out / "containers")
        shutil.copy(EXAMPLE / "factory-config.yml", self.out)
        git = "git -c user.name=Ada -c user.email=ada@example.com -C containers"
        self.run(f"{git} init -q -b main && {git} add -A && {git} commit -q -m 'The shop'", quiet=True)
        self.run("ls containers")
        self.run("cat containers/worker/Dockerfile containers/shop/docker-compose.yml")
        self.run("cat factory-config.yml")

    def secrets(self) -> None:
        self.title("The secrets")
        self.say("Pull-only credentials, as their owners hand them out; pratique keeps them sealed. A value, a file, or "
                 "standard input.")
        (self.out / "given-secrets").mkdir(mode=0o700)
        for name in ("aws_credentials", "azprincipal", "ghcr_creds", "hub_creds"):
            shutil.copy(self.lab.secrets_directory / name, self.out / "given-secrets")
        self.run('pratique secrets update aws_creds="$(cat given-secrets/aws_credentials)"')
        self.run("pratique secrets update azprincipal==given-secrets/azprincipal hub_creds==given-secrets/hub_creds")
        self.run("pratique secrets update ghcr_creds=- < given-secrets/ghcr_creds")
        self.run("openssl rand -base64 24 | pratique secrets update tuf_passphrase=-")
        shutil.rmtree(self.out / "given-secrets")
        self.run("pratique secrets list")
        self.run("pratique config check")

    def look(self) -> None:
        self.title("What does the repository need, and is it all there?")
        self.say("First offline; then by logging in to each registry and resolving each image to its digest.")
        self.run("pratique images containers")
        self.run("pratique check containers")

    def build(self) -> None:
        self.title("A signed Target")
        self.say("Images are built in order of dependency, pushed, every service is pinned to a digest, the apps are "
                 "published, and a Target that names them is signed.")
        self.run("pratique tuf init tuf")
        self.run("pratique target build containers --tuf tuf --out out")
        self.run("pratique target show tuf")
        self.say("The source's Compose file differs from the pinned one in its images and in nothing else:")
        self.run("diff containers/shop/docker-compose.yml out/shop/docker-compose.yml", status=1)

    def prove(self) -> None:
        self.title("Proof, from a root that is trusted down to the registries")
        self.run("cp $HOME/.config/pratique/tuf/tuf/root.json root.json", quiet=True)
        self.run("pratique target verify tuf --root root.json")
        self.say("Any other client gets the same bytes. Here skopeo pulls the app's image by the digest in the release.")
        release = json.loads((self.out / "out/release.json").read_text())
        pinned = release["apps"][0]["services"][0]["pinned"]
        login = self.lab.credentials.hub
        subprocess.run(
            ["skopeo", "login", "--username", login.user, "--password-stdin", pinned.split("/")[0]],
            input=login.password.encode(), env=self.env, cwd=self.out, check=True, stdout=subprocess.DEVNULL,
        )
        self.run(f"skopeo inspect --format '{{{{.Digest}}}} {{{{.Architecture}}}}' docker://{shlex.quote(pinned)}")
        self.say("One byte of the release changed, and it is refused:")
        self.run("cp -r tuf tampered && sed -i 's/pratique release 1/pratique release 2/' tampered/targets/*",
                 quiet=True)
        self.run("pratique target verify tampered --root root.json", status=1)
        shutil.rmtree(self.out / "tampered")

    def again(self) -> None:
        self.title("The same again, and a change")
        self.say("Nothing is built or uploaded, the digests are the same:")
        self.run("pratique target build containers --tuf tuf --out out")
        self.say("One file changes. What is made from it is built, the rest stays:")
        git = "git -c user.name=Ada -c user.email=ada@example.com -C containers"
        self.run(f"echo 'a new message' > containers/worker/run.sh && {git} commit -qam 'A change'", quiet=True)
        self.run("pratique target build containers --tuf tuf --out out")

    def fail(self) -> None:
        self.title("When something is wrong, it says what, where and what to do")
        self.run("pratique secrets update azprincipal=somebody:guessed", quiet=True)
        self.run("pratique target build containers --tuf tuf", status=1)

    def device(self) -> None:
        self.title("A device that has nothing but a certificate, and its key in a token")
        self.say("No cloud key is copied to it. The private key was made in a PKCS#11 token (here SoftHSM; a TPM or secure "
                 "element in earnest) and cannot leave it. AWS IoT knows the certificate, and gives it a role that may pull.")
        token = self.lab.softhsm("dev-7")
        # The helper passes on no variable that decides what code runs: the module stands in the URI, and where SoftHSM
        # keeps its tokens in its user's own file.
        module, home = "/usr/lib/softhsm/libsofthsm2.so", self.home / ".config/softhsm2"
        home.mkdir(parents=True)
        shutil.copy(token.env["SOFTHSM2_CONF"], home / "softhsm2.conf")
        (self.out / "device").mkdir()
        self.lab.device_config(self.out / "device", token, ["iot"], identity={
            "certificate": f"{token.certificate_uri}?module-path={module}",
            "key": f"{token.key_uri}&module-path={module}",
        })
        self.run("cat device/device.yml")
        self.run("pratique --device-config device/device.yml config check")
        self.say("One command walks from the certificate to an image, and stops at the first link that is broken:")
        image = f"{self.lab.hosts['ecr']}/base:1.2"
        self.run(f"pratique --device-config device/device.yml device check --image {image}")
        self.say("skopeo, podman and docker then pull through the helper:")
        self.run("pratique --device-config device/device.yml device setup --no-units --client podman --into device/client")
        self.env["REGISTRY_AUTH_FILE"] = str(self.out / "device/client/auth.json")
        self.run(f"skopeo inspect --format '{{{{.Digest}}}}' docker://{image}")
        self.say("The certificate is revoked. What the person at the bench reads:")
        self.lab.revoke_device(token.device)
        self.run("pratique --device-config device/device.yml device check", status=1)

    def end(self, seconds: float) -> None:
        shown = os.path.relpath(self.out)
        shown = shown if not shown.startswith("..") else str(self.out)
        print(textwrap.dedent(f"""

            Done in {seconds:.0f} s. What to look at next, in {shown}:
              out/release.json           the lock: each service, the digest it was pinned to, file and line
              out/targets-created.json   the new Target
              out/shop/                  the Compose file with its images pinned
              out/logs/                  what the engine said
              tuf/                       the TUF repository; it can be served as it is
              containers/                the repository that all was made from
              device/                    a device's configuration, and what `device setup` wrote
            `pratique target show {shown}/tuf` works without the lab, which has ended.
            For a repository of your own: see README.md. To undo all of this: rm -r {shown}"""), flush=True)


def fresh(out: Path) -> Path:
    """A folder of an earlier demo goes, anything else does not."""
    mark = out / ".pratique-demo"
    if out.exists() and any(out.iterdir()):
        if not mark.exists():
            sys.exit(f"demo.py: {out}: is there already and not of an earlier demo; choose another with --out")
        shutil.rmtree(out)
    (out / "home").mkdir(parents=True)
    mark.touch()
    return out.resolve()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build/demo", help="what is to be looked at afterwards")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/bin", help="where pratique is")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    out = fresh(arguments.out)
    # Short, for sockets lie below it.
    folder = Path(tempfile.mkdtemp(prefix="pratique-demo."))
    try:
        with Lab(folder / "lab") as lab:
            lab.seed()
            demo = Demo(lab, folder, out, arguments.programs.resolve())
            demo.play()
        demo.end(time.monotonic() - started)
    except Failed as reason:
        print(f"\ndemo.py: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        remove(folder)
    return 0


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists() and os.getuid() != 0:
        # What an unprivileged image build wrote as other users of its namespace.
        subprocess.run(["buildah", "unshare", "rm", "-rf", str(folder)], stdin=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
