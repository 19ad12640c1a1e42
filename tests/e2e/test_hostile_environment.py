"""A hostile or broken machine: closed streams, odd limits and masks, other users, a proxy with a password, interruptions."""

import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .factory import SMALL, Factory
from .place import SANITIZER

BROKER = "ghcr.example.com/acme/broker:2"


@pytest.fixture(scope="module")
def shared(session, running_lab):
    factory = Factory.ready(session, running_lab)
    factory.write(SMALL)
    return factory


@pytest.fixture
def factory(shared, lab):
    return shared


def shell(factory, script, **how):
    """pratique as a shell script's $P."""
    return factory.place.program("/bin/sh", "-c", script.replace("$P", str(factory.place.programs / "pratique")), **how)


# Standard streams that are closed.


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_never_become_files(factory, closed, secret):
    value = "a-value-of-a-secret-" + closed
    secret("a secret of a test of closed streams", value)
    (factory.place.root / "given-secrets").mkdir(exist_ok=True)
    given = factory.place.root / "given-secrets/odd"
    given.write_text(value)
    result = shell(factory, f"$P -v secrets update odd=={given} {closed}", status=None)
    assert result.status == (1 if ">&-" in closed.replace("2>&-", "") else 0)
    # What was to be printed went nowhere.
    for file in factory.place.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"updated odd" not in content and b"pratique: " not in content
    shell(factory, f"$P -v check containers --json {closed}", status=None)
    assert factory.run("secrets", "list").out.count("odd") == 1
    assert factory.run("config", "check").status == 0


# Masks, limits, folders.


def test_no_mask_opens_anything_to_others(factory):
    factory.write({"x/Dockerfile": f"FROM {BROKER}\nCOPY word /word\n", "x/word": "one\n"})
    shell(factory, "umask 000; $P secrets update loose=abcdefgh; $P tuf init loose; "
                   "$P target build containers --tuf loose --out loose-out")
    places = [factory.place.home, factory.work / "loose", factory.work / "loose-out"]
    found = [p for place in places for p in [place, *place.rglob("*")] if not p.is_symlink()]
    assert len(found) > 20
    # Not the folder that the harness made.
    assert [str(p) for p in found if p.stat().st_mode & 0o022 and p != factory.place.home] == []
    private = [p for p in found if p.suffix in (".db", ".key") or "keys" in p.name]
    assert private and [str(p) for p in private if p.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("files", [3, 4, 5, 6, 7, 8, 10, 12, 16])
def test_few_open_files(factory, files):
    done = subprocess.run(
        [factory.place.programs / "pratique", "check", "containers"], cwd=factory.work, env=factory.place.env,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )
    factory.place.keep("few open files", done.stdout + done.stderr)
    assert done.returncode not in SANITIZER and done.returncode >= 0


@pytest.mark.parametrize("value", ["/nonexistent", "relative", ""])
def test_odd_tmpdir(factory, value):
    result = factory.run("target", "build", "containers", "--no-tuf", "--dry-run", env={"TMPDIR": value}, status=None)
    assert result.status in (0, 1) and not (factory.work / "relative").exists()


def test_without_a_home_nothing_is_written_elsewhere(factory):
    none = {"HOME": None, "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
    result = factory.run("secrets", "update", "a=b", env=none, status=2)
    assert "neither $PRATIQUE_STORE nor $HOME is set" in result.err
    relative = {"HOME": "here", "XDG_CONFIG_HOME": "here", "XDG_DATA_HOME": "here"}
    factory.run("secrets", "update", "a=b", env=relative, status=2)
    assert not (factory.work / "here").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_what_belongs_to_another_user(factory):
    key = factory.place.home / ".config/pratique/store.key"
    os.chown(key, 12345, 12345)
    try:
        assert "belongs to user 12345" in factory.run("secrets", "update", "a=b", status=2).err
        os.chown(key, 0, 0)
        key.chmod(0o640)
        assert "is open to others" in factory.run("secrets", "update", "a=b", status=2).err
    finally:
        os.chown(key, 0, 0)
        key.chmod(0o600)


# Proxies.


PROXY_PASSWORD = "word-of-the-proxy-0123456789"


def test_the_proxys_password_is_not_said_when_the_proxy_refuses(factory, secret):
    secret("the proxy's password", PROXY_PASSWORD)
    port = factory.lab.proxy_port
    for address in (f"127.0.0.1:{port}", "127.0.0.1:1", "nowhere.invalid:1", "[::1", f"127.0.0.1:{port}x"):
        factory.lab.proxy_refuse("ghcr.example.com", count=8)
        proxy = f"http://ci:{PROXY_PASSWORD}@{address}"
        result = factory.run("-v", "check", "containers", env={"HTTPS_PROXY": proxy, "https_proxy": proxy}, status=None)
        factory.lab.clear_faults()
        assert result.status in (1, 3) and PROXY_PASSWORD not in result.out + result.err


def test_a_password_in_the_url_of_a_repository_is_not_said(factory, secret):
    word = "word-in-a-url-0123456789"
    secret("the password in a URL", word)
    for host in (factory.lab.hosts["hub"], "nowhere.example.com", "127.0.0.1:1"):
        result = factory.run("-v", "target", "verify", f"https://ci:{word}@{host}/tuf", "--root", factory.root,
                             "--json", status=None)
        assert result.status in (1, 3) and word not in result.out + result.err


def test_the_proxys_password_is_kept_from_a_build(factory, secret):
    secret("the proxy's password", PROXY_PASSWORD)
    factory.write({"x/Dockerfile": f"FROM {BROKER}\nRUN env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'\n"
                                   f"LABEL l={os.urandom(8).hex()}\n"})
    proxy = f"http://ci:{PROXY_PASSWORD}@127.0.0.1:{factory.lab.proxy_port}"
    both = {"HTTPS_PROXY": proxy, "https_proxy": proxy}
    # The harness's note of each call holds the environment, which buildah itself must have.
    path = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    result = factory.run("-v", "target", "build", "containers", "--no-tuf", "--out", "proxied", env={**both, **path})
    assert "the proxy's password is kept from the build" in result.err
    assert PROXY_PASSWORD not in (factory.work / "proxied/logs/x.log").read_text()


# Secrets of odd shapes.


@pytest.mark.parametrize("value", [b":", b"a:", b":b", b"a", b"\0", b"u:p\0q", b"u:p\nq", b"{}", b"\xff:\xfe",
                                   b"u:" + b"x" * ((1 << 20) - 2)], ids=range(10))
def test_credentials_of_odd_shapes(factory, value):
    given = factory.place.root / "given-secrets"
    given.mkdir(exist_ok=True)
    (given / "odd").write_bytes(value)
    factory.run("secrets", "update", f"ghcr_creds=={given / 'odd'}")
    try:
        result = factory.run("check", "containers", status=None, timeout=60)
        assert result.status in (1, 2)
        if len(value) > 8:
            assert value[2:40].decode("latin-1") not in result.out + result.err
    finally:
        factory.mend_secret("ghcr_creds")


# Interruptions.


def test_interrupted_at_random_instants_the_store_stays_whole(factory):
    rng = random.Random(7)
    for turn in range(15):
        child = subprocess.Popen(
            [factory.place.programs / "pratique", "secrets", "update", f"often={turn:08}"], cwd=factory.work,
            env=factory.place.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0, 0.03))
        child.send_signal(rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
        assert child.wait(20) not in SANITIZER
    factory.run("secrets", "list")
    factory.run("config", "check")


def test_a_second_build_says_that_it_waits(factory):
    factory.write({"x/Dockerfile": f"FROM {BROKER}\nRUN sleep 3\nLABEL l={os.urandom(8).hex()}\n"})
    words = [factory.place.programs / "pratique", "target", "build", "containers", "--tuf", "tuf"]
    how = {"cwd": factory.work, "env": factory.place.env, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
           "stderr": subprocess.STDOUT, "text": True}
    first = subprocess.Popen([*words, "--out", "first"], **how)
    log = factory.work / "first/logs/x.log"
    for _ in range(400):
        if first.poll() is not None or (log.exists() and "RUN sleep" in log.read_text()):
            break
        time.sleep(0.05)
    second = subprocess.Popen(words, **how)
    said = [child.communicate(timeout=60)[0] for child in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert "wait" in said[1] and "wait" not in said[0]
    assert "unchanged" in said[1]


def test_a_full_disk_leaves_what_there_was(factory):
    """RLIMIT_FSIZE stands for it: writes fail with EFBIG."""
    before = factory.published()
    factory.write({"app/change": os.urandom(8).hex()})
    done = subprocess.run(
        [factory.place.programs / "pratique", "target", "build", "containers", "--tuf", "tuf", "--out", "full"],
        cwd=factory.work, env={**factory.place.env, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
        preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                                        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))),
    )
    factory.place.keep("a full disk", done.stdout + done.stderr)
    assert done.returncode == 1 and done.stderr
    left = {n: h for n, h in factory.published().items() if n.startswith("tuf/")}
    assert left == {n: h for n, h in before.items() if n.startswith("tuf/")}
    assert [p for p in Path(factory.tuf).rglob(".*.??????")] == []
    assert "signed into" in factory.build().out
    factory.verify()
