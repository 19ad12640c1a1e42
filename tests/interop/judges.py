"""Programs that we did not write, and where to have them from. What is downloaded goes into build/interop, with its version
pinned here or in the lock file beside the client. A judge that cannot be had is skipped, with the reason."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "interop"
PYTHON_TUF = ["tuf==7.0.1", "securesystemslib==1.6.0", "urllib3==2.8.0"]
IAM = ["moto==5.2.5", "parliament==1.6.4", "flask==3.1.3", "flask-cors==6.0.5"]
AWS_IOT = ["awscrt==0.38.1", "boto3==1.44.8"]
# azure-identity signs in through msal.
AZURE = ["azure-identity==1.27.0", "azure-containerregistry==1.2.0", "msal==1.39.0"]
GOOGLE = ["google-auth==2.63.0", "requests==2.34.2"]
ECR_LOGIN = "0.12.0"
# The only one that the Go module proxy has.
SIGNING_HELPER = "1.4.0"
CRANE = "0.22.1"
REGCTL = "0.11.7"
# No download takes longer on a slow line; one that does hangs.
LONGEST = 600


@dataclass(frozen=True)
class Judge:
    name: str
    version: str
    argv: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def missing(name: str, why: str) -> NoReturn:
    pytest.skip(f"{name} could not be had: {why}")


def on_path(judge: str, program: str, package: str) -> str:
    return shutil.which(program) or missing(judge, f"no {program} here (Debian: {package})")


def fetch(name: str, *argv: object, cwd: Path = HERE, env: dict[str, str] | None = None) -> str:
    """Runs a client of a package registry, with the caller's way to it."""
    try:
        done = subprocess.run(
            tuple(map(str, argv)), cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LONGEST, check=False,
        )
    except subprocess.TimeoutExpired:
        missing(name, f"{argv[0]} was not done after {LONGEST} s")
    if done.returncode != 0:
        words = [line.removeprefix("npm error").strip() for line in (done.stderr or done.stdout).splitlines()]
        words = [line for line in words if line and "complete log" not in line] or [f"status {done.returncode}"]
        missing(name, f"{Path(str(argv[0])).name}: {words[-1][:300]}")
    return done.stdout


def python_with(name: str, packages: list[str]) -> str:
    """A Python of its own with packages from PyPI."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.is_file() or done.read_text() != " ".join(packages):
        shutil.rmtree(folder, ignore_errors=True)
        fetch(name, sys.executable, "-m", "venv", folder)
        fetch(
            name, python, "-m", "pip", "install", "-q", "--no-cache-dir", "--disable-pip-version-check", "--retries", "2",
            *packages,
        )
        done.write_text(" ".join(packages))
    return str(python)


def python_tuf() -> Judge:
    python = python_with("python-tuf", PYTHON_TUF)
    return Judge("python-tuf", PYTHON_TUF[0].split("==")[1], (python, str(HERE / "python-tuf" / "client.py")))


def iam() -> Judge:
    """moto's evaluator of IAM policies, and parliament's rules for them. The first of argv is their Python."""
    return Judge("moto", IAM[0].split("==")[1], (python_with("iam", IAM), str(HERE / "iam" / "judge.py")))


def aws_iot() -> Judge:
    python = python_with("aws-iot", AWS_IOT)
    return Judge("awscrt", f"{AWS_IOT[0].split('==')[1]} and boto3 {AWS_IOT[1].split('==')[1]}",
                 (python, str(HERE / "devices" / "aws_iot.py")))


def azure_entra() -> Judge:
    python = python_with("azure", AZURE)
    return Judge("azure-identity", f"{AZURE[0].split('==')[1]} and azure-containerregistry {AZURE[1].split('==')[1]}",
                 (python, str(HERE / "devices" / "azure_entra.py")))


def google_auth() -> Judge:
    python = python_with("google", GOOGLE)
    return Judge("google-auth", GOOGLE[0].split("==")[1], (python, str(HERE / "devices" / "google_x509.py")))


def tuf_js() -> Judge:
    node = on_path("tuf-js", "node", "nodejs, at least 20.17")
    npm = on_path("tuf-js", "npm", "npm")
    version = fetch("tuf-js", node, "--version").strip().lstrip("v")
    if tuple(map(int, version.split(".")[:2])) < (20, 17):
        missing("tuf-js", f"it takes node 20.17 or later, here is {version}")
    folder = CACHE / "tuf-js"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "tuf-js" / "package-lock.json").read_bytes()
    done = folder / "installed"
    if not done.is_file() or done.read_bytes() != lock:
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / "tuf-js" / file, folder / file)
        fetch(
            "tuf-js", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries", "1",
            "--fetch-retry-mintimeout", "2000", "--cache", CACHE / "npm-cache", cwd=folder,
        )
        done.write_bytes(lock)
    shutil.copyfile(HERE / "tuf-js" / "client.mjs", folder / "client.mjs")
    found = re.search(r'"tuf-js": "([^"]+)"', (folder / "package.json").read_text())
    return Judge("tuf-js", found[1] if found else "?", (node, str(folder / "client.mjs")))


def go_tuf() -> Judge:
    return go_program("go-tuf", "tuf-client", "github.com/theupdateframework/go-tuf/v2")


def compose_go() -> Judge:
    return go_program("compose-go", "compose-load", "github.com/compose-spec/compose-go/v2")


def compose_go_images() -> Judge:
    return go_program("compose-go", "compose-images", "github.com/compose-spec/compose-go/v2")


def buildkit() -> Judge:
    return go_program("BuildKit", "dockerfile-images", "github.com/moby/buildkit")


def go(judge: str) -> tuple[str, dict[str, str]]:
    """The go command, and what its environment needs for the modules to land in our cache."""
    return on_path(judge, "go", "golang-go, at least 1.25"), {
        "GOPATH": str(CACHE / "go"), "GOCACHE": str(CACHE / "go-cache"), "GOENV": "off", "GOTOOLCHAIN": "local",
        "GOFLAGS": "-modcacherw -mod=readonly -trimpath", "CGO_ENABLED": "0",
    }


def go_program(name: str, program: str, module: str) -> Judge:
    """One of tests/interop/go, with its modules from the Go module proxy. Some have a go.mod of their own: they take a
    newer go than the others."""
    command, environment = go(name)
    source = HERE / "go" / program
    folder = source if (source / "go.mod").exists() else HERE / "go"
    binary = CACHE / "bin" / program
    fetch(name, command, "build", "-p", "2", "-o", binary, source, cwd=folder, env=environment)
    found = re.search(rf"{re.escape(module)} v(\S+)", (folder / "go.mod").read_text())
    return Judge(name, found[1] if found else "?", (str(binary),))


def composectl() -> Judge:
    """Looked for only: neither Debian nor the Go module proxy has it, so that whoever has it says where."""
    binary = os.environ.get("COMPOSECTL") or shutil.which("composectl")
    if not binary:
        missing("composectl", "no composectl here; neither Debian nor the Go module proxy (403, in 2026) has "
                "github.com/foundriesio/composeapp (COMPOSECTL=path of one)")
    # A build from its plain source names no version.
    said = subprocess.run((binary, "version"), capture_output=True, text=True, timeout=20, check=False).stdout
    numbers = [word for word in said.split() if re.fullmatch(r"v?\d+(\.\d+)+\S*", word)]
    return Judge("composectl", numbers[0] if numbers else "(it names no version)", (binary,))


def fy_tool() -> Judge:
    package = "libfyaml-utils"
    return Judge("fy-tool", debian_version(package), (on_path("fy-tool", "fy-tool", package), "--mode", "json"))


def skopeo() -> Judge:
    return Judge("skopeo", debian_version("skopeo"), (on_path("skopeo", "skopeo", "skopeo"),))


def aws_cli() -> Judge:
    # Another awscli on PATH is not Debian's.
    if not Path("/usr/bin/aws").exists():
        missing("awscli", "no /usr/bin/aws here (Debian: awscli)")
    return Judge("awscli", debian_version("awscli"), ("/usr/bin/aws",))


def ecr_login() -> Judge:
    name = "amazon-ecr-credential-helper"
    return Judge(name, debian_version(name), (on_path(name, "docker-credential-ecr-login", name), "get"))


def ecr_login_today() -> Judge:
    """What its users have now: Debian 12 has 0.6.0."""
    module = "github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/docker-credential-ecr-login"
    return Judge("ecr-login", ECR_LOGIN, (go_install("ecr-login", module, ECR_LOGIN), "get"))


def signing_helper() -> Judge:
    # PKCS#11 takes a compiler of C.
    module = "github.com/aws/rolesanywhere-credential-helper"
    return Judge("aws_signing_helper", SIGNING_HELPER,
                 (go_install("aws_signing_helper", module, SIGNING_HELPER, CGO_ENABLED="1"), "credential-process"))


def crane() -> Judge:
    module = "github.com/google/go-containerregistry/cmd/crane"
    return Judge("crane", CRANE, (go_install("crane", module, CRANE),))


def regctl() -> Judge:
    return Judge("regctl", REGCTL, (go_install("regctl", "github.com/regclient/regclient/cmd/regctl", REGCTL),))


def go_install(name: str, module: str, version: str, **more: str) -> str:
    """A program of the Go module proxy, as its users install it. Its path."""
    command, environment = go(name)
    place = CACHE / "bin" / f"{name}-{version}"
    program = place / module.rpartition("/")[2]
    if not program.exists():
        # `go install` of a version reads no go.mod of ours.
        fetch(name, command, "install", "-p", "2", f"{module}@v{version}",
              env={**environment, "GOFLAGS": "-modcacherw -trimpath", "GOBIN": str(place), **more})
    return str(program)


def debian_version(package: str) -> str:
    try:
        return subprocess.run(
            ("dpkg-query", "-W", "-f", "${Version}", package), capture_output=True, text=True, check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "(not of Debian)"
