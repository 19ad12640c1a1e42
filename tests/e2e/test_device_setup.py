"""`device setup`: what it writes for a device's clients, what it says of files, group and units, and that all of it can be
taken back."""

import json
import os
import stat

import pytest

from .agent import Agent
from .clients import NOT_FOUND, get, helper, is_root, path_of
from .own_device import ECR, HOSTS, INSTALLED, WAYS, Device, in_namespace, namespaces, new_key, pem

SOCKET = "/run/pratique-device/socket"
BY_HAND = "systemctl enable --now pratique-device.socket pratique-device.service"
COMPOSE = "4242"


@pytest.fixture
def device(place):
    return Device(place)


def set_up(device, *arguments, env=None, **how):
    """The units are another's: this machine may be a device."""
    return device.run("device", "setup", "--no-units", *arguments, env={"PATH": path_of(device.place), **(env or {})}, **how)


def docker(device):
    return device.place.home / ".docker/config.json"


def blocks(path):
    """Of a binding: each host's lines as a mapping."""
    lines = path.read_text().splitlines()
    found, current = {}, {}
    assert lines[0] == "pratique binding 1" and lines[-1] == "end"
    for line in lines[1:-1]:
        name, _, value = line.partition(" ")
        if name == "host":
            current = found.setdefault(value, {})
        elif name != "made":
            current[name] = value
    return found


def test_a_device_is_set_up_and_all_is_taken_back(device):
    result = set_up(device)
    assert json.loads(docker(device).read_text()) == {"credHelpers": {h: "pratique" for h in HOSTS}}
    bound = blocks(docker(device).parent / "config.json.pratique")
    assert list(bound) == HOSTS
    assert bound[ECR]["device"] == "yes" and bound[ECR]["socket"] == SOCKET and bound[ECR]["user"] == "AWS"
    assert bound[ECR]["config"] == str(device.config) and bound["hub.example.com"]["access"] == "gateway"
    assert [p.stat().st_mode & 0o777 for p in docker(device).parent.iterdir()] == [0o600, 0o600]
    assert result.out.startswith("device   dev-7, ") and f"{docker(device)}  changed\n" in result.out
    assert BY_HAND in result.out
    before = [(p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(docker(device).parent.iterdir())]
    assert f"{docker(device)}  unchanged\n" in set_up(device).out
    assert before == [(p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(docker(device).parent.iterdir())]
    assert BY_HAND.replace("enable", "disable") in set_up(device, "--undo").out
    assert list(docker(device).parent.iterdir()) == []


def test_undo_needs_no_device(device):
    set_up(device, "--client", "docker", "--client", "podman")
    device.config.unlink()
    told = set_up(device, "--undo", "--json").json()
    assert [c["client"] for c in told["clients"]] == ["docker", "podman"]
    assert sorted(told["clients"][0]["registries"]) == sorted(HOSTS)
    assert not docker(device).exists() and not (device.place.home / ".config/containers/auth.json").exists()


def test_logout_takes_it_away_too(device):
    set_up(device)
    device.place.run("logout")
    assert list(docker(device).parent.iterdir()) == []


def test_what_others_wrote_stays(device, lab, workspace):
    """In one configuration with what `login` has bound: each takes back only its own."""
    docker(device).parent.mkdir()
    docker(device).write_text('{"credHelpers": {"hub.example.com": "ecr-login"}, "psFormat": "x"}')
    docker(device).chmod(0o600)
    device.place.run("login", "ghcr.example.com", env={"PATH": path_of(device.place)})
    set_up(device, "hub.example.com", ECR)
    assert json.loads(docker(device).read_text())["credHelpers"] == {
        "hub.example.com": "pratique", "ghcr.example.com": "pratique", ECR: "pratique"}
    set_up(device, "--undo")
    assert json.loads(docker(device).read_text()) == {
        "credHelpers": {"hub.example.com": "ecr-login", "ghcr.example.com": "pratique"}, "psFormat": "x"}
    device.place.run("logout")
    assert json.loads(docker(device).read_text()) == {"credHelpers": {"hub.example.com": "ecr-login"}, "psFormat": "x"}


def test_a_registry_that_is_named_no_more(device, lab, workspace):
    """It is let go, so that the client can log in by itself; what `login` or another device.yml has bound stays."""
    docker(device).parent.mkdir()
    docker(device).write_text('{"credHelpers": {"hub.example.com": "ecr-login"}}')
    docker(device).chmod(0o600)
    env = {"PATH": path_of(device.place)}
    device.place.run("login", "ghcr.example.com", env=env)
    set_up(device)
    other = device.put(device.given / "other.yml", device.config.read_bytes())
    device.place.run("--device-config", other, "device", "setup", "--no-units", "acme.azurecr.io", env=env)
    device.write("registries:\n- type: aws" + WAYS.split("- type: aws")[1])
    set_up(device, ECR)
    kept = {**{h: "pratique" for h in HOSTS}, "ghcr.example.com": "pratique"}
    assert json.loads(docker(device).read_text())["credHelpers"] == kept
    shown = set_up(device, "--dry-run").out
    assert '-    "hub.example.com": "pratique"\n+    "hub.example.com": "ecr-login"\n' in shown
    assert json.loads(docker(device).read_text())["credHelpers"] == kept
    told = set_up(device, "--json").json()["clients"][0]
    assert told["registries"] == [ECR] and len(told["changes"]) == 4
    assert json.loads(docker(device).read_text())["credHelpers"] == {
        ECR: "pratique", "ghcr.example.com": "pratique", "acme.azurecr.io": "pratique", "hub.example.com": "ecr-login"}
    assert sorted(blocks(docker(device).parent / "config.json.pratique")) == sorted(
        [ECR, "ghcr.example.com", "acme.azurecr.io"])
    assert f"{docker(device)}  unchanged\n" in set_up(device).out


def test_a_registry_that_is_served_without_being_named_stays(device):
    device.write("registries:\n- type: gar\n" + WAYS.split("  url: us-docker.pkg.dev\n")[1].split("- type")[0])
    for words in (["europe-example1-docker.pkg.dev"], []):
        set_up(device, *words)
        helpers = json.loads(docker(device).read_text())["credHelpers"]
        assert helpers["europe-example1-docker.pkg.dev"] == "pratique"
    assert "us-docker.pkg.dev" in helpers


def test_named_hosts(device):
    set_up(device, ECR)
    assert list(blocks(docker(device).parent / "config.json.pratique")) == [ECR]
    set_up(device, "hub.example.com")
    set_up(device, "--undo", ECR)
    assert list(blocks(docker(device).parent / "config.json.pratique")) == ["hub.example.com"]
    result = set_up(device, "quay.io", "https://hub.example.com/x", status=2)
    assert "quay.io: the configuration has no entry for this registry (add it to registries in the" in result.err
    assert "write hub.example.com" in result.err
    assert "quay.io was not bound there" in set_up(device, "--undo", "quay.io").err


def test_podman_is_written_where_it_outlasts_a_start(device):
    set_up(device, "--client", "podman")
    assert [p.name for p in sorted((device.place.home / ".config/containers").iterdir())] == [
        "auth.json", "auth.json.pratique"]
    assert not (device.place.root / "run/containers").exists() and not docker(device).exists()
    status, out, _ = helper(device.place, "list")
    assert status == 0 and json.loads(out)[ECR] == "AWS"


def test_a_folder_of_its_own(device):
    into = device.place.work / "client"
    assert f"export DOCKER_CONFIG={into}" in set_up(device, "--into", into).err
    assert sorted(p.name for p in into.iterdir()) == ["config.json", "config.json.pratique"]
    set_up(device, "--undo", "--into", into)
    assert list(into.iterdir()) == []


def test_a_dry_run_shows_all_and_changes_nothing(device, secret):
    secret("a password of a file", "fake-password-of-a-copied-file")
    copied = device.put(device.given / "ghcr", b"robot:fake-password-of-a-copied-file", 0o644)
    device.write(WAYS + f"- type: generic\n  url: ghcr.io\n  credentials_file: {copied}\n")
    device.key.chmod(0o640)
    result = set_up(device, "--dry-run", "--fix")
    for path in (device.key, copied):
        assert f"--- {path}\n+++ {path}\n@@ mode, user @@\n-    0{path.stat().st_mode & 0o777:o} " in result.out
    assert f'--- {docker(device)}\n+++ {docker(device)}\n@@ credHelpers @@\n+    "{ECR}": "pratique"\n' in result.out
    assert stat.S_IMODE(device.key.stat().st_mode) == 0o640 and not docker(device).parent.exists()


def test_files_that_are_open_to_others(device, secret):
    secret("the password of a file", "other-password-of-a-copied-file")
    copied = device.put(device.given / "ghcr", b"robot:other-password-of-a-copied-file", 0o640)
    device.write(WAYS + f"- type: generic\n  url: ghcr.io\n  credentials_file: {copied}\n")
    device.key.chmod(0o644)
    device.certificate.chmod(0o664)
    told = set_up(device, status=2).err
    wanted = "(chmod 600 {0}, as --fix does; if others may have read it, have a new one made)"
    assert f"pratique: {device.where(3)}: {device.key}: the private key can be read or changed by others (mode 0644" in told
    assert wanted.format(device.key) in told and told.count(str(device.key)) == 2
    assert wanted.format(copied) in told
    assert f"{device.where(2)}: {device.certificate}: the certificate can be changed by others (mode 0664" in told
    assert not docker(device).exists()
    result = set_up(device, "--fix", "--json").json()
    assert {f["path"]: f["state"] for f in result["files"]} == {
        str(device.config): "good", str(device.certificate): "mended", str(device.key): "mended", str(device.ca): "good",
        str(copied): "mended"}
    assert [stat.S_IMODE(p.stat().st_mode) for p in (device.key, device.certificate, copied)] == [0o600, 0o644, 0o600]
    assert {f["state"] for f in set_up(device, "--json").json()["files"]} == {"good"}


def test_a_pin_and_an_open_folder(device):
    folder = device.place.root / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    pin = device.put(folder / "pin 1", b"8642", 0o644)
    text = device.config.read_text().replace(
        f"key: {device.key}", f"key: pkcs11:token=none;object=tls?pin-source=file:{folder}/pin%201")
    device.put(device.config, text.encode())
    told = set_up(device, "--json", status=2).json()
    assert {f["path"]: (f["what"], f["state"]) for f in told["files"]}[str(pin)] == ("the token's PIN", "bad")
    messages = [e["message"] + e["hint"] for e in told["errors"] if e["hint"]]
    assert any(m.startswith("its folder can be changed by others") and f"chmod 755 {folder}" in m for m in messages)
    set_up(device, "--fix", status=2)  # there is no such token
    assert (stat.S_IMODE(pin.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o755)


def test_every_folder_on_the_way(device):
    above = device.place.root / "above"
    below = above / "below"
    below.mkdir(parents=True)
    key = device.put(below / "pkey.pem", device.key.read_bytes(), 0o640)
    device.put(device.config, device.config.read_bytes().replace(bytes(device.key), bytes(key)))
    above.chmod(0o775)
    told = set_up(device, status=2).err
    assert f"{device.where(3)}: {above}: a folder on the way to it can be changed by others (mode 0775, user" in told
    assert f"(chmod 755 {above}, as --fix does)" in told
    set_up(device, "--fix")
    assert [stat.S_IMODE(p.stat().st_mode) for p in (above, below, key)] == [0o755, 0o755, 0o600]


def test_nothing_is_mended_that_others_have_chosen(device, secret):
    """Right in a folder like /tmp a name can be a link of anybody's, to a file of root's that all must be able to read."""
    shared = device.place.root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    victim = device.put(device.place.root / "passwd", device.key.read_bytes(), 0o644)
    (shared / "pkey.pem").symlink_to(victim)
    device.put(device.config, device.config.read_bytes().replace(bytes(device.key), bytes(shared / "pkey.pem")))
    told = set_up(device, "--fix", status=2).err
    assert "is one that others may put files into (mode 1777" in told and "move the file into a folder that nobody else may write" in told
    assert f"{shared}/pkey.pem is not mended" in told
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644 and stat.S_IMODE(shared.stat().st_mode) == 0o1777


@pytest.mark.skipif(not is_root(), reason="giving files away takes root")
def test_a_home_is_not_taken_from_its_user(device):
    home = device.place.root / "home-of-pi"
    home.mkdir()
    key = device.put(home / "pkey.pem", device.key.read_bytes(), 0o600)
    device.put(device.config, device.config.read_bytes().replace(bytes(device.key), bytes(key)))
    os.chown(home, 4242, 4242)
    told = set_up(device, "--fix", status=2).err
    assert f"{home}: its folder belongs to another user (mode 0755, user 4242) (move the file into a folder that" in told
    assert home.stat().st_uid == 4242


@pytest.mark.skipif(not is_root(), reason="giving files away takes root")
def test_files_of_other_users(device):
    os.chown(device.key, 4242, 4242)
    told = set_up(device, status=2).err
    assert f"{device.key}: the private key belongs to another user (mode 0600, user 4242) (chown root:root {device.key}, " in told
    set_up(device, "--fix")
    assert (device.key.stat().st_uid, stat.S_IMODE(device.key.stat().st_mode)) == (0, 0o600)
    # What others could have written is not read, and so not mended.
    os.chown(device.config, 4242, 4242)
    assert "belongs to user 4242" in set_up(device, "--fix", status=2).err
    assert device.config.stat().st_uid == 4242


def test_a_wrong_device_is_not_set_up(device):
    device.put(device.key, pem(new_key()), 0o600)
    assert "is not that of the certificate" in set_up(device, status=2).err
    device.put(device.config, b"registries: []\n")
    set_up(device, status=2)
    device.put(device.config, b"registry: []\n")
    set_up(device, status=2)
    assert not docker(device).exists()


def test_wrong_command_lines(device):
    assert "--client is docker or podman, not kubelet" in set_up(device, "--client", "kubelet", status=2).err
    assert "there is no such user" in set_up(device, "--user", "nobody-of-that-name", status=2).err
    assert "--socket wants an absolute path" in set_up(device, "--socket", "x", status=2).err
    result = device.place.run("--config", device.config, "device", "setup", status=2)
    assert "name a device.yml with --device-config" in result.err
    assert "there is no device configuration" in device.place.run(
        "--device-config", "nowhere.yml", "device", "setup", status=2).err
    assert "use `pratique device setup`" in device.run("login", status=2).err


def test_another_socket(device):
    set_up(device, "--socket", "/run/other")
    assert blocks(docker(device).parent / "config.json.pratique")[ECR]["socket"] == "/run/other"


# With the service, and a cloud.


def test_what_setup_wrote_is_what_the_helper_asks(place, lab, secret):
    """From setup to a password by the service's socket; without the service by the key itself, which root may use."""
    device = lab.device("dev-7")
    config = lab.device_config(place.work, device, ["iot", "gateway"])
    config.chmod(0o644)
    ecr, fleet = lab.hosts["ecr"], lab.hosts["fleet"]
    with Agent(place, config) as agent:
        arguments = ("--device-config", config, "device", "setup", "--no-units", "--socket", agent.path)
        place.run(*arguments, env={"PATH": path_of(place)})
        user, password = get(place, ecr)
        assert user == "AWS" and password in lab.secret_values() and get(place, fleet)[1] in lab.secret_values()
        iot = lab.requests("c2example.credentials.iot.us-east-2.amazonaws.com")
        assert get(place, ecr) == (user, password)
        assert lab.requests("c2example.credentials.iot.us-east-2.amazonaws.com") == iot
    place.forget_tokens()
    assert get(place, ecr)[1] in lab.secret_values()
    place.run(*arguments, "--undo")
    assert get(place, ecr) == NOT_FOUND


# As root, with an /etc of its own.

# Whoever that user is, the folders of tests are closed to it.
USER = [INSTALLED, f"echo compose:x:{COMPOSE}:{COMPOSE}::/srv:/bin/sh >>/etc/passwd",
        f"sed -i /^pratique:/d /etc/group && echo compose:x:{COMPOSE}: >>/etc/group", 'mount --bind "$AT/compose" /srv']
SYSTEMD = [
    "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system",
    "touch /run/systemd/system/pratique-device.socket /run/systemd/system/pratique-device.service",
    'printf \'#!/bin/sh\\n[ "$1" = show ] && { echo %s; exit; }\\n{ echo "$@"; env; } >>%s/systemctl\\n\' "$SERVICE" "$AT" >/mnt/systemctl',
    "chmod 755 /mnt/systemctl && mount --bind /mnt/systemctl /usr/bin/systemctl",
]


def as_root(device, steps, *arguments, status=0, env=None):
    """Only one that stands in for systemd is ever asked."""
    program = device.place.programs / "pratique"
    if not any("/run/systemd" in step for step in steps):
        arguments = ("--no-units", *arguments)
    return in_namespace(device, steps, program, "device", "setup", *arguments, status=status,
                        env={"PATH": path_of(device.place), "SERVICE": "", **(env or {})})


@pytest.fixture
def home(device):
    folder = device.place.root / "compose"
    folder.mkdir()
    os.chown(folder, int(COMPOSE), int(COMPOSE))
    return folder


def owners(folder):
    return {(s.st_uid, s.st_gid, stat.S_IMODE(s.st_mode)) for s in (p.stat() for p in folder.rglob("*"))}


@namespaces
def test_a_users_home(device, home):
    result = as_root(device, USER, "--user", "compose")
    assert owners(home) == {(4242, 4242, 0o700), (4242, 4242, 0o600)}
    bound = blocks(home / ".docker/config.json.pratique")
    assert bound[ECR]["config"] == "/etc/pratique/device.yml" and "cache" not in bound[ECR]
    assert "there is no group pratique" in result.err and "usermod -aG pratique compose" in result.err
    group = [*USER, "echo pratique:x:4300: >>/etc/group"]
    assert "compose is not in the group pratique" in as_root(device, group, "--user", "compose").err
    group[-1] = "echo pratique:x:4300:compose >>/etc/group"
    assert "pratique:" not in as_root(device, group, "--user", "compose").err.replace("pratique: using", "")
    as_root(device, USER, "--undo", "--user", "compose")
    assert list((home / ".docker").iterdir()) == []


@namespaces
def test_a_home_that_points_elsewhere(device, home):
    """A user's links lead root to nothing that the user could not write."""
    theirs = device.place.root / "roots"
    theirs.mkdir(mode=0o755)
    steps = [*USER, 'mount --bind "$AT/roots" /opt']
    (home / ".docker").symlink_to("/opt")
    assert "Permission denied" in as_root(device, steps, "--user", "compose", status=1).err
    assert list(theirs.iterdir()) == []
    (home / ".docker").unlink()
    (home / ".docker").mkdir()
    os.chown(home / ".docker", int(COMPOSE), int(COMPOSE))
    (theirs / "config.json").write_text("{}")
    (home / ".docker/config.json").symlink_to("/opt/config.json")
    assert "Permission denied" in as_root(device, steps, "--user", "compose", status=1).err
    assert (theirs / "config.json").read_text() == "{}"


@namespaces
@pytest.mark.skipif(not os.path.exists("/usr/bin/systemctl"), reason="nothing to stand in for")
def test_the_units(device):
    said = device.place.root / "systemctl"
    assert "+    " + BY_HAND in as_root(device, [INSTALLED, *SYSTEMD], "--dry-run").out
    assert not said.exists()
    result = as_root(device, [INSTALLED, *SYSTEMD], env={"LD_LIBRARY_PATH": "/nowhere", "SYSTEMD_EDITOR": "x"})
    assert "units  enabled\n" in result.out
    lines = said.read_text().splitlines()
    assert "systemctl " + lines[0] == BY_HAND
    assert {line.partition("=")[0] for line in lines[1:]} <= {"PATH", "LC_ALL", "SYSTEMD_PAGER", "PWD", "SHLVL", "_", "OLDPWD"}
    said.unlink()
    left = as_root(device, [INSTALLED, *SYSTEMD], "--no-units")
    assert "left as they are: --no-units" in left.out and not said.exists()
    assert "units  disabled" in as_root(device, SYSTEMD, "--undo").out
    assert said.read_text().startswith("disable --now pratique-device.socket")
    said.unlink()
    as_root(device, SYSTEMD, "--undo", ECR)
    assert not said.exists()


@namespaces
@pytest.mark.skipif(not os.path.exists("/usr/bin/systemctl"), reason="nothing to stand in for")
def test_a_key_of_the_services_user(device, home):
    """`User=compose` in the unit: the key may be that user's. An attacker's it may not be."""
    os.chown(device.key, int(COMPOSE), int(COMPOSE))
    steps = [*USER, *SYSTEMD]
    assert "belongs to another user" in as_root(device, steps, "--dry-run", status=2).err
    assert "belongs to another user" in as_root(device, steps, "--dry-run", status=2, env={"SERVICE": "nobody"}).err
    as_root(device, steps, env={"SERVICE": "compose"})
    as_root(device, steps, env={"SERVICE": COMPOSE})  # by its number


@namespaces
@pytest.mark.skipif(not os.path.exists("/usr/bin/systemctl"), reason="nothing to stand in for")
def test_units_that_do_not_start(device):
    steps = [INSTALLED, *SYSTEMD[:2], "printf '#!/bin/sh\\n[ $1 = show ] || { echo Unit is masked. >&2; exit 5; }\\n' >/mnt/systemctl", SYSTEMD[3]]
    result = as_root(device, steps, status=1)
    assert "ended with status 5: Unit is masked." in result.err
    assert docker(device).exists()
    result = as_root(device, [INSTALLED, "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system",
                              "for at in /usr/lib/systemd /usr/local/lib/systemd; do [ ! -d $at ] || mount -t tmpfs none $at; done",
                              "rm -f /etc/systemd/system/pratique-device.*"], "--json").json()
    assert result["units"] == {"state": "left", "reason": "the units are not installed", "command": BY_HAND}
