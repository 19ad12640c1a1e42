"""`pratique device serve`, as systemd starts it: who may ask, what is answered, and the helper that asks."""

import contextlib
import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .agent import Agent, is_sanitized
from .clients import HELPER, NOT_FOUND, is_root
from .processes import children_below, wait_until

USER, GROUP = 23456, 34567
IOT = "c2example.credentials.iot.us-east-2.amazonaws.com"


@pytest.fixture
def config(place, lab):
    device = lab.device("dev-7")
    return lab.device_config(place.work, device, ["iot", "gateway", "file:generic"])


def asked(lab, host=IOT):
    return len(lab.requests(host))


# As systemd starts it.


def test_socket_activation(place, lab, config):
    with Agent(place, config, activated=True) as agent:
        # READY=1 was said, and nobody was asked yet.
        assert lab.requests() == []
        user, password = agent.get(lab.hosts["ecr"])
        assert user == "AWS" and password in lab.secret_values()
        assert asked(lab) == 1
        assert agent.stop() == 0
        agent.heard("STOPPING=1")
        # It is systemd's.
        assert agent.path.exists()


def test_a_socket_of_its_own(place, lab, config):
    with Agent(place, config) as agent:
        assert agent.path.stat().st_mode & 0o777 == 0o700
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        result = place.run("--device-config", config, "device", "serve", "--socket", agent.path, status=1)
        assert "another process listens there" in result.err
        agent.process.kill()
        agent.process.wait()
        agent.start()
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
    assert not agent.path.exists()


def test_how_not_to_start_it(place, lab, config):
    assert "systemd hands no socket over" in place.run("--device-config", config, "device", "serve", status=2).err
    config.write_text(config.read_text() + "surprise: 1\n")
    result = place.run("--device-config", config, "device", "serve", "--socket", place.root / "s", status=2)
    assert "unknown key" in result.err and not (place.root / "s").exists()
    result = place.run("--device-config", place.work / "none.yml", "device", "serve", "--socket", place.root / "s", status=2)
    assert "there is no device configuration" in result.err
    result = place.run("--device-config", config, "device", "serve", "--socket", "s", status=2)
    assert "absolute" in result.err
    assert "wants a number" in place.run("device", "serve", "--socket", "/tmp/s", "--boot-window", "soon", status=2).err
    result = place.run("device", "serve", "--socket", "/tmp/s", "--fetch-limit", "0", status=2)
    assert "--fetch-limit wants a number of seconds, 1 to 604800" in result.err


# What is answered.


def test_only_registries_of_device_yml(place, lab, config):
    with Agent(place, config) as agent:
        for host in ("quay.io", f"{lab.hosts['ecr']}.evil.example", "https://a@ghcr.example.com", "docker.io"):
            assert agent.reason(host) == NOT_FOUND
        assert agent.get(f"https://{lab.hosts['ecr'].upper()}/v2/")[0] == "AWS"
        assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
    assert asked(lab) == 1


def test_no_key_of_the_cloud_is_in_an_answer(place, lab, config):
    with Agent(place, config) as agent:
        answer = agent.ask(lab.hosts["ecr"])
    assert set(json.loads(answer[1:])) == {"ServerURL", "Username", "Secret"}
    assert "ASIA" not in answer and "BEGIN" not in answer


def test_each_use_of_a_copied_credential_warns(place, lab, config):
    with Agent(place, config) as agent:
        for number in (1, 2, 3):
            assert agent.get("ghcr.example.com")[1] == lab.credentials.generic.password
            assert agent.journal().count("for bootstrapping only") == number


def test_a_thousand_questions_are_one_to_the_cloud(place, lab, config):
    with Agent(place, config) as agent, ThreadPoolExecutor(50) as pool:
        before = time.monotonic()
        answers = set(pool.map(lambda _: agent.get(lab.hosts["ecr"]), range(1000)))
        assert len(answers) == 1 and time.monotonic() - before < 30
        assert asked(lab) == 1
        assert children_below(agent.pid) == []


def test_the_slow_hold_up_nobody(place, lab, config):
    with Agent(place, config) as agent:
        slow = [agent.connect() for _ in range(200)]
        for asker in slow[100:]:
            # Some have had to make room already.
            with contextlib.suppress(BrokenPipeError):
                asker.sendall(b"get 1234")
        before = time.monotonic()
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        assert time.monotonic() - before < 5
        # Neither do those who do not take what they asked for, nor rubbish.
        for _ in range(50):
            with agent.connect() as asker:
                asker.sendall(b"get " + lab.hosts["ecr"].encode() + b"\n")
            with agent.connect() as asker, contextlib.suppress(BrokenPipeError):
                asker.sendall(os.urandom(3000))
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        for asker in slow:
            with contextlib.suppress(ConnectionResetError):
                assert asker.recv(1) == b""
            asker.close()


def test_it_stays_small(place, lab, config, record_property):
    with Agent(place, config) as agent:
        for _ in range(20):
            for host in (lab.hosts["ecr"], lab.hosts["fleet"], "ghcr.example.com", "quay.io"):
                agent.ask(host)
        maps = Path(f"/proc/{agent.pid}/maps").read_text()
        record_property("rss_kib", agent.rss())
        print(f"resident memory: {agent.rss()} KiB")
        for name in ("libcurl", "libsqlite3", "libssh", "libpsl", "pkcs11"):
            assert name not in maps
        assert is_sanitized(place) or agent.rss() < 8 * 1024


# The helper.


class World:
    """What another user can reach: programs, a home with a binding, the agent's socket."""

    def __init__(self, place, lab, config, root):
        self.place, self.lab, self.config, self.root = place, lab, config, root
        self.bin, self.socket = root / "bin", root / "run/socket"
        shutil.copytree(place.programs, self.bin)
        (root / "run").mkdir()
        (root / "home/.docker").mkdir(parents=True)
        for folder in (root, root / "run", self.bin):
            folder.chmod(0o755)

    def bind(self, user, host, owner=None):
        """As `device setup` does it for a user."""
        binding = self.root / "home/.docker/config.json.pratique"
        binding.write_text(f"pratique binding 1\nhost {host}\nprogram {self.bin}/pratique\nconfig {self.config}\naccess aws\n"
                           f"socket {self.socket}\ndevice yes\nend\n")
        for path in (self.root / "home", binding.parent, binding):
            os.chown(path, user if owner is None else owner, -1)
            path.chmod(0o700 if path.is_dir() else 0o600)

    def get(self, host, user=0, groups=(), group=None):
        env = {"HOME": str(self.root / "home"), "PATH": "/usr/bin:/bin", "REGISTRY_AUTH_FILE": "/nonexistent/auth.json", **self.lab.env(),
               "PRATIQUE_RUNTIME_DIR": self.place.env["PRATIQUE_RUNTIME_DIR"]}
        argv = ["setpriv", f"--reuid={user}", f"--regid={user if group is None else group}",
                f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups", self.bin / HELPER, "get"]
        done = subprocess.run(argv, input=host.encode(), capture_output=True, env=env, cwd="/", timeout=100, check=False)
        self.place.keep("standard error of the helper", done.stderr)
        if done.returncode:
            self.place.keep("the helper's reason", done.stdout)
            return done.stdout.decode()
        answer = json.loads(done.stdout)
        return answer["Username"], answer["Secret"]


@pytest.fixture
def world(place, lab, config):
    if not is_root() or not shutil.which("setpriv"):
        pytest.skip("takes root, to become another user")
    root = Path(tempfile.mkdtemp(prefix="pratique-device."))
    config.chmod(0o600)
    try:
        yield World(place, lab, config, root)
    finally:
        shutil.rmtree(root)


def test_a_member_of_the_group_gets_it_and_others_do_not(world, lab, place):
    host = lab.hosts["ecr"]
    with Agent(place, world.config, at=world.socket, activated=True, group=GROUP) as agent:
        world.bind(USER, host)
        assert world.get(host, USER, [GROUP])[0] == "AWS"
        assert world.get(host, USER, group=GROUP)[0] == "AWS"
        assert world.get("quay.io", USER, [GROUP]) == NOT_FOUND
        reason = world.get(host, USER)
        assert reason == (f"pratique: {host}: user USER may not ask for the credentials of this device: root may, and the "
                          "members of group pratique (usermod -aG pratique USER, then log in anew)\n")
        # Root, by the same way; and even where the kernel lets everybody connect.
        world.bind(0, host)
        assert world.get(host)[0] == "AWS"
        world.bind(USER, host)
        world.socket.chmod(0o666)
        assert "this user may not ask for the device's credentials" in world.get(host, USER)
        assert "this user may not ask" in world.get(host, USER)
        assert agent.journal().count(f"user {USER} asked for a credential") == 1
    assert asked(lab) == 1


def test_what_a_member_types_is_not_kept(world, lab, place, secret):
    """docker stores after each login; the device.yml that this would be compared with is root's."""
    host = lab.hosts["ecr"]
    secret("what was typed", "typed-by-hand-0123456789")
    world.bind(USER, host)
    env = {"HOME": str(world.root / "home"), "PATH": "/usr/bin:/bin", "REGISTRY_AUTH_FILE": "/nonexistent/auth.json"}
    offered = json.dumps({"ServerURL": host, "Username": "me", "Secret": "typed-by-hand-0123456789"})
    for action, said in (("store", offered), ("erase", host)):
        done = subprocess.run(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", world.bin / HELPER, action],
                              input=said.encode(), capture_output=True, env=env, cwd="/", check=False)
        place.keep(f"the helper's {action}", done.stdout + done.stderr)
        assert done.returncode == 0 and b"serves this registry" in done.stderr, done


def test_the_sentence_names_group_and_user(world, lab, place):
    host, user, group = lab.hosts["ecr"], pwd.getpwnam("daemon"), grp.getgrnam("games")
    with Agent(place, world.config, at=world.socket, activated=True, group=group.gr_gid):
        world.bind(user.pw_uid, host)
        assert "(usermod -aG games daemon, then log in anew)" in world.get(host, user.pw_uid)


def test_without_the_service(world, lab):
    """Root does it itself; others cannot, and are told what to do."""
    host = lab.hosts["ecr"]
    world.bind(USER, host)
    reason = world.get(host, USER, [GROUP])
    start = (f"as root: pratique device serve --socket {world.socket} --group pratique"
             if not Path("/run/systemd/system").exists() else "systemctl start pratique-device.socket")
    missing = f"pratique: {host}: the service that holds the device's key is not there, and only root can do without it ({start})\n"
    assert reason == missing
    # device.yml is for all to read, as a rule; the key is not.
    readable = world.root / "device.yml"
    readable.write_text(world.config.read_text())
    readable.chmod(0o644)
    closed, world.config = world.config, readable
    world.bind(USER, host)
    assert world.get(host, USER, [GROUP]) == missing
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(world.socket))
        world.socket.chmod(0o660)
        assert world.get(host, USER).startswith(f"pratique: {host}: user USER may not ask for the credentials of this device")
    world.config = closed
    world.bind(0, host)
    assert world.get(host)[0] == "AWS" and asked(lab) == 1


def listen(path, answer):
    """Somebody else's service: answers one."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    path.chmod(0o666)
    server.listen()
    pid = os.fork()
    if pid == 0:
        os.setgid(USER), os.setuid(USER)
        server.listen()  # the peer is who listens
        asker, _ = server.accept()
        asker.sendall(answer)
        asker.recv(1000)
        time.sleep(0.2)
        os._exit(0)
    time.sleep(0.2)
    server.close()
    return pid


def test_another_users_service_is_not_believed(world, lab):
    host = lab.hosts["ecr"]
    world.bind(0, host)
    pid = listen(world.socket, b'0{"ServerURL":"x","Username":"evil","Secret":"evil"}\n')
    try:
        reason = world.get(host)
        assert f"{world.socket}: user {USER} listens there, neither the user who runs this (0) nor root" in reason
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_a_service_of_the_keys_owner(world, lab, place):
    """It need not be root: whoever owns the key, for itself and its group."""
    host = lab.hosts["ecr"]
    device = lab.device("dev-7")
    for file in (device.certificate_file, device.key_file):
        shutil.copy(file, world.root / "home")
    config = lab.device_config(world.root / "home", device, ["iot"], identity={
        "certificate": str(world.root / "home/client.pem"), "key": str(world.root / "home/pkey.pem")})
    shutil.copy(lab.directory / "ca.pem", world.root)
    for path in (world.root / "home").iterdir():
        os.chown(path, USER, USER)
        path.chmod(0o700 if path.is_dir() else 0o600)
    os.chown(world.root / "run", USER, USER)
    world.config = config
    world.bind(USER, host)
    os.chown(world.root / "home", USER, USER)
    env = {"PRATIQUE_RUNTIME_DIR": "", "XDG_RUNTIME_DIR": "", "SSL_CERT_FILE": str(world.root / "ca.pem"), "AWS_CA_BUNDLE": str(world.root / "ca.pem"),
           "CURL_CA_BUNDLE": str(world.root / "ca.pem")}
    place.programs, programs = world.bin, place.programs
    place.work, work = world.root, place.work
    try:
        with Agent(place, config, at=world.socket, env=env, before=("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")):
            assert world.get(host, USER)[0] == "AWS"
            assert asked(lab) == 1
    finally:
        place.programs, place.work = programs, work
        shutil.rmtree(f"/dev/shm/pratique-{USER}", ignore_errors=True)


def test_root_has_it_from_the_runtime_folder_too(world, lab, place):
    """What the agent has fetched the command line need not ask for."""
    host = lab.hosts["ecr"]
    with Agent(place, world.config) as agent:
        got = agent.get(host)
    done = place.program(place.programs / "pratique", "--device-config", world.config, "credential", "get", input=host)
    assert json.loads(done.out)["Secret"] == got[1]
    place.outputs.pop(-2)  # the answer
    assert asked(lab) == 1


def test_the_helper_waits_within_bounds(world, lab, place):
    """Somebody listens and never answers: it is asked for otherwise, by who can."""
    host = lab.hosts["ecr"]
    world.bind(0, host)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(world.socket))
    server.listen()
    before = time.monotonic()
    assert world.get(host)[0] == "AWS"
    assert 45 < time.monotonic() - before < 80
    server.close()
    wait_until(lambda: asked(lab) == 1)
