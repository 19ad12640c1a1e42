"""The Debian packages (build-deb/, from tools/deb.sh), in a Debian that has nothing else: what they bring, need and leave, and
what systemd makes of the units. As root."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PACKAGES = ROOT / "build-deb"
# What the packages depend on, so that what is left afterwards is theirs; then what the stand-in agent needs.
LIBRARIES = ["ca-certificates", "libarchive13", "libcurl4", "libexpat1", "libfyaml0", "libjansson4", "libpsl5", "libsqlite3-0", "libssl3"]
TOOLS = ["systemd", "systemd-sysv", "python3", "softhsm2", "opensc", "openssl", "libengine-pkcs11-openssl"]


def run(*argv: object, **more: object) -> str:
    result = subprocess.run([str(word) for word in argv], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **more)
    assert result.returncode == 0, f"{argv}: {result.returncode}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
    return result.stdout


def package(name: str) -> Path:
    found = list(PACKAGES.glob(f"{name}_*.deb"))
    assert len(found) == 1, found
    return found[0]


def field(name: str, of: str) -> str:
    return run("dpkg-deb", "-f", package(name), of).strip()


def contents(name: str) -> dict[str, str]:
    """Each file's mode and owner."""
    lines = [line.split(maxsplit=5) for line in run("dpkg-deb", "-c", package(name)).splitlines()]
    return {words[5][1:]: f"{words[0]} {words[1]}" for words in lines if not words[5].endswith("/")}


class Debian:
    """A system in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *argv: object) -> str:
        return run("systemd-nspawn", "-q", "--register=no", "--keep-unit", "--pipe", "-D", self.root, *argv)

    def install(self, name: str) -> None:
        target = self.root / "root" / package(name).name
        shutil.copy(package(name), target)
        self("dpkg", "-i", f"/root/{target.name}")
        target.unlink()

    def state(self) -> dict[str, str]:
        """Every file, but those that any installation changes."""
        changing = re.compile(r"/(proc|sys|dev|run|tmp|root|probe)/|/var/(cache|log|lib/(apt|dpkg))/|/etc/(group|gshadow)-?$|/etc/(machine-id|resolv.conf)$")
        found = {}
        for path in self.root.rglob("*"):
            name = str(path)[len(str(self.root)):]
            if not changing.match(name + ("/" if path.is_dir() and not path.is_symlink() else "")):
                status = path.lstat()
                found[name] = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {os.readlink(path) if path.is_symlink() else status.st_size if path.is_file() else ''}"
        return found


@pytest.fixture(scope="module")
def debian(tmp_path_factory) -> Debian:
    if os.getuid() != 0:
        pytest.skip("only root can make a system in a folder")
    root = tmp_path_factory.mktemp("debian") / "root"
    release = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text())[1]
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    run("debootstrap", "--variant=minbase", f"--include={','.join([*LIBRARIES, *TOOLS])}", release, root, mirror)
    return Debian(root)


def test_what_a_device_gets(record_property):
    files = contents("pratique-device")
    assert {"/usr/bin/pratique", "/usr/bin/docker-credential-pratique", "/usr/lib/sysusers.d/pratique-device.conf"} <= set(files)
    assert {Path(name).name for name in files if "/systemd/system/" in name} == {"pratique-device.socket", "pratique-device.service"}
    assert not [name for name in files if re.search(r"pratique-(target|tuf|images|policy|secrets)", name)]
    assert {owner for owner in files.values() if not owner.startswith("l")} == {"-rwxr-xr-x root/root", "-rw-r--r-- root/root"}
    size = int(field("pratique-device", "Installed-Size"))
    record_property("note", f"pratique-device: {size} KiB installed; pratique: {field('pratique', 'Installed-Size')} KiB")
    assert size < 1024


def test_a_device_needs_nothing_of_ci():
    relations = field("pratique-device", "Depends") + field("pratique-device", "Recommends")
    assert not re.search(r"buildah|git|archive|sqlite", relations)
    assert {"libcurl4", "libpsl5", "ca-certificates"} <= set(re.findall(r"[\w.+-]+", relations))


def test_ci_needs_what_is_loaded_late():
    assert {"libcurl4", "libpsl5", "libsqlite3-0", "libarchive13", "ca-certificates"} <= set(re.findall(r"[\w.+-]+", field("pratique", "Depends")))
    assert {"buildah", "git"} <= set(re.findall(r"[\w.+-]+", field("pratique", "Recommends")))


def test_the_device_package_comes_and_goes(debian):
    before = debian.state()
    debian.install("pratique-device")
    assert debian("pratique", "version").startswith("pratique ")
    assert debian("docker-credential-pratique", "list").strip() == "{}"
    assert debian("getent", "group", "pratique").startswith("pratique:x:")
    enabled = debian("sh", "-c", "systemctl is-enabled pratique-device.socket pratique-device.service || :").split()
    assert enabled == ["disabled", "disabled"]
    debian("systemctl", "enable", "pratique-device.socket")
    debian.install("pratique-device")  # again, as an upgrade
    assert debian("systemctl", "is-enabled", "pratique-device.socket").strip() == "enabled"
    debian("dpkg", "--purge", "pratique-device")
    # The group stays, as with Debian's packages: its number must not become somebody else's.
    assert debian.state() == before


def test_one_takes_the_place_of_the_other(debian):
    before = debian.state()
    debian.install("pratique-device")
    assert "target build" not in debian("pratique", "help")
    debian.install("pratique")
    assert "target build" in debian("pratique", "help")
    assert "pratique-device" not in debian("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n").replace("pratique-device config-files", "")
    debian.install("pratique-device")
    debian("dpkg", "--purge", "pratique-device", "pratique")
    assert debian.state() == before


@pytest.fixture(scope="module")
def told(debian) -> dict[str, object]:
    """Boots that system with a stand-in for the agent; what it was asked and said."""
    debian.install("pratique-device")
    root = debian.root
    probe = root / "probe"
    probe.mkdir()
    for name in ("agent.py", "probe.sh"):
        shutil.copy(HERE / name, probe / name)
    (root / "etc/pratique").mkdir()
    for name, owner in (("pin", 0), ("others", 1)):
        (root / "etc/pratique" / name).write_text("1234")
        (root / "etc/pratique" / name).chmod(0o600)
        os.chown(root / "etc/pratique" / name, owner, owner)
    (root / "etc/pratique/device.yml").write_text(
        "identity:\n  certificate: /etc/pratique/certificate.pem\n  key: /etc/pratique/key.pem\nregistries:\n"
        "- type: gateway\n  url: hub.example.com\n  gateway: https://127.0.0.1:8443\n")
    debian("sh", "-c", "umask 077; cd /etc/pratique; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
           " -subj /CN=dev-7 -keyout key.pem -out certificate.pem 2>/dev/null")
    (root / "etc/default/pratique-device").write_text("HTTPS_PROXY=http://proxy.example.com:3128\n")
    units = root / "etc/systemd/system"
    (units / "pratique-device.service.d").mkdir()
    (units / "pratique-device.service.d/stand-in.conf").write_text("[Service]\nExecStart=\nExecStart=/usr/bin/python3 /probe/agent.py\n")
    (units / "probe.service").write_text("[Unit]\nAfter=basic.target\n[Service]\nExecStart=/bin/sh /probe/probe.sh\n")
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/probe.service").symlink_to("../probe.service")
    debian("softhsm2-util", "--init-token", "--free", "--label", "dev", "--pin", "1234", "--so-pin", "1234")
    debian("pkcs11-tool", "--module", "/usr/lib/softhsm/libsofthsm2.so", "-l", "--pin", "1234", "--token-label", "dev",
           "--keypairgen", "--key-type", "EC:prime256v1", "--label", "ec", "--id", "01")
    boot = subprocess.run(["systemd-nspawn", "--register=no", "--keep-unit", "--system-call-filter=@memlock", "-bD", root], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300, check=False)
    if not (probe / "before").exists():
        pytest.skip(f"systemd cannot be booted here: {(boot.stdout + boot.stderr)[-300:]}")
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in probe.iterdir() if path.suffix == ""}


def test_systemd_starts_the_agent_for_who_asks(told):
    assert told["before"].split("\n")[:4] == ["inactive", "active", "inactive", "660 root pratique"]
    assert json.loads(told["root"])["peer"] == [True, 0]
    assert json.loads(told["member"])["peer"] == [True, 1234]
    assert "Permission denied" in told["stranger"]


def test_the_agent_comes_back_and_keeps_its_tokens(told):
    assert told["after"].split() == ["active", "auto-restart", "kept", "active"]


def test_the_agent_can_do_its_work(told):
    can = json.loads(told["root"])
    assert can["environment"] == {
        "LISTEN_FDS": "1", "LISTEN_FDNAMES": "pratique-device.socket", "LISTEN_PID": can["environment"]["LISTEN_PID"],
        "PRATIQUE_RUNTIME_DIR": "/run/pratique", "RUNTIME_DIRECTORY": "/run/pratique", "HTTPS_PROXY": "http://proxy.example.com:3128",
    }
    assert can["own configuration"] == "1234"
    assert can["write runtime folder"] is True and can["runtime folder"] == ["tmpfs", "700", "root"]
    assert can["sign with a token"][0] == 0 and can["sign with a token's own module"][0] == 0
    assert can["network"] == 443 and can["interfaces"] is True
    assert can["no core"] is None and can["lock memory"] == "locked"
    assert can["pratique"][0] == 0


def test_the_real_agent_runs_in_its_unit(told, debian, record_property):
    if "device serve" not in debian("pratique", "help"):
        pytest.skip("this program has no agent")
    # Nothing listens at that gateway; that the agent says so is all that is wanted here.
    assert told["answer"].startswith("1") and "127.0.0.1:8443" in told["answer"]
    before, reloaded, after, memory, result = told["real"].split("\n")[:5]
    assert (before, reloaded, after, result) == ("active", "reloaded", "active", "success"), told["journal"]
    kib = int(memory.split()[0])
    record_property("note", f"the agent in its unit: {kib} KiB resident")
    assert kib < 8 * 1024


def test_setup_enables_and_disables_it(told, debian):
    if "device setup" not in debian("pratique", "help"):
        pytest.skip("this program cannot set a device up")
    done, undone = told["setup"].split("status 0\n", 1)
    assert "hub.example.com" in done
    lines = undone.splitlines()
    assert lines[:3] == ["enabled", "enabled", "active"], told["setup"]
    assert "127.0.0.1:8443" in lines[3]  # the helper asked the agent, which cannot reach that gateway
    assert lines[-4:] == ["status 0", "disabled", "disabled", "inactive"], told["setup"]


def test_the_agent_can_do_nothing_else(told):
    can = json.loads(told["root"])
    assert (can["uid"], can["capabilities"], can["no new privileges"]) == (0, "0000000000000000", "1")
    assert can["write /etc/pratique"] == can["write /var"] == "errno 30"
    assert can["another's file"] == "errno 13" and can["home"] != 0
    assert str(can["raw socket"]).startswith("errno") and can["namespace"] != 0 and can["mount"] != 0
