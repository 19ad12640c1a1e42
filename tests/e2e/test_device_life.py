"""The life of a device's agent: a network that goes, services that refuse or are busy, clocks, disks, certificates that change."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from .agent import Agent
from .clients import is_root
from .processes import children_below, is_running, wait_until

IOT = "c2example.credentials.iot.us-east-2.amazonaws.com"
GATEWAY = "gateway.example.com:8443"
FAKETIME = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"


@pytest.fixture
def config(place, lab):
    return lab.device_config(place.work, lab.device("dev-7"), ["iot", "gateway"])


def asked(lab, host=IOT):
    return len(lab.requests(host))


def offline(lab):
    for host in (IOT, GATEWAY, lab.hosts["ecr_api"]):
        lab.proxy_refuse(host, count=1000)


@pytest.fixture
def clock(place):
    """A clock that can be set: clock("@2015-01-01 00:00:00"), or clock("+5m") from the right one."""
    if not FAKETIME.exists():
        pytest.skip("faketime is not installed")
    file = place.root / "clock"

    def set_clock(when):
        (file.with_suffix(".new")).write_text(f"{when}\n")
        file.with_suffix(".new").rename(file)

    set_clock.env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
                     "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0",
                     # A sanitizer would be the first library.
                     "ASAN_OPTIONS": "verify_asan_link_order=0"}
    return set_clock


# Without a network.


def test_offline_it_serves_what_has_not_expired(place, lab, config, clock):
    """That of ECR lasts for 12 hours, that of the gateway is taken to last for 15 minutes."""
    clock("+0")
    with Agent(place, config, env=clock.env) as agent:
        kept, soon = agent.get(lab.hosts["ecr"]), agent.get(lab.hosts["fleet"])
        offline(lab)
        for later in ("+5m", "+11m", "+14m"):
            clock(later)
            assert agent.get(lab.hosts["ecr"]) == kept
            assert agent.get(lab.hosts["fleet"]) == soon
        assert "the credential that there is lasts until 20" in agent.journal()
        clock("+16m")
        assert "the proxy refuses to connect" in agent.reason(lab.hosts["fleet"])
        assert agent.get(lab.hosts["ecr"]) == kept
        # The network is back.
        lab.clear_faults()
        wait_until(lambda: agent.ask(lab.hosts["fleet"]).startswith("0"), 45)


def test_it_is_fetched_ahead_of_the_first_question(place, lab, config):
    """So that the first who asks is served although the network is away by then."""
    with Agent(place, config, boot_window=1) as agent:
        wait_until(lambda: agent.journal().count("a credential is there") == 2)
        offline(lab)
        assert agent.get(lab.hosts["ecr"])[0] == "AWS" and agent.get(lab.hosts["fleet"])[0] == "dev-7"
    assert (asked(lab), asked(lab, GATEWAY)) == (1, 1)


def test_a_restart_asks_nobody(place, lab, config):
    with Agent(place, config) as agent:
        first = agent.get(lab.hosts["ecr"])
        agent.restart()
        assert agent.get(lab.hosts["ecr"]) == first
        offline(lab)
        agent.restart()
        assert agent.get(lab.hosts["ecr"]) == first
    assert asked(lab) == 1


def test_a_reload_renews_what_is_kept(place, lab, config):
    """Whatever is wrong with it: the token cache's will not do either."""
    with Agent(place, config) as agent:
        first = agent.get(lab.hosts["ecr"])
        time.sleep(1)
        agent.reload()
        assert agent.get(lab.hosts["ecr"]) != first and asked(lab) == 2
        offline(lab)
        time.sleep(1)
        agent.reload()
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"


# Failures.


def fetch_of(agent):
    """The process that asks, when it has come to the service."""
    wait_until(lambda: children_below(agent.pid))
    time.sleep(0.5)
    return children_below(agent.pid)


def test_a_busy_service_is_left_alone(place, lab, config):
    lab.throttle(IOT, count=1000)
    with Agent(place, config) as agent:
        start = time.monotonic()
        while time.monotonic() - start < 8:
            assert "too many requests" in agent.reason(lab.hosts["ecr"])
            time.sleep(0.05)
        # The second after ten seconds at the earliest, within the patience of one who asks or later.
        assert 1 <= asked(lab) <= 2
        lab.clear_faults()
        agent.reload()
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"


def test_retry_after_is_kept_to(place, lab, config):
    lab.throttle(IOT, count=1000, retry_after=120)
    with Agent(place, config) as agent:
        for _ in range(20):
            reason = agent.reason(lab.hosts["ecr"])
            assert 100 < int(reason.rsplit("the next try is in ", 1)[1].removesuffix(" s\n")) <= 181
    assert asked(lab) == 1


def test_a_refusal_is_remembered_until_it_is_mended(place, lab, config):
    lab.set_iot_certificate("dev-7", "INACTIVE")
    with Agent(place, config) as agent:
        reasons = {agent.reason(lab.hosts["ecr"]).rsplit("; remembered", 1)[0] for _ in range(50)}
        assert len(reasons) == 1 and asked(lab) == 1
        assert agent.journal().count(next(iter(reasons)).removeprefix("pratique: ")) == 1
        lab.set_iot_certificate("dev-7", "ACTIVE")
        assert "remembered" in agent.reason(lab.hosts["ecr"])
        agent.reload()
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"


def test_a_fetch_that_is_killed(place, lab, config):
    lab.stall(IOT, 30)
    with Agent(place, config) as agent:
        asker = agent.connect()
        asker.sendall(f"get {lab.hosts['ecr']}\n".encode())
        (child,) = fetch_of(agent)
        os.kill(child, signal.SIGKILL)
        answer = asker.makefile("rb").read().decode()
        assert answer.startswith("1") and "the process that asks for its credential broke off" in answer
        assert not is_running(child)
        # Another registry is another matter.
        assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
        agent.reload()
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"


def test_a_fetch_that_hangs(place, lab, config):
    lab.stall(IOT, 60)
    with Agent(place, config, "--fetch-limit", 2) as agent:
        before = time.monotonic()
        # It is killed, and tried again before the one who asks runs out of patience.
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        assert 2 < time.monotonic() - before < 15
        assert "did not end within 2 seconds" in agent.journal()
        assert children_below(agent.pid) == []


def test_the_end_while_something_is_fetched(place, lab, config):
    lab.stall(IOT, 30)
    with Agent(place, config) as agent:
        asker = agent.connect()
        asker.sendall(f"get {lab.hosts['ecr']}\n".encode())
        (child,) = fetch_of(agent)
        before = time.monotonic()
        assert agent.stop() == 0 and time.monotonic() - before < 5
        assert not is_running(child)


def test_its_end_is_its_childrens(place, lab, config):
    lab.stall(IOT, 30)
    with Agent(place, config) as agent:
        asker = agent.connect()
        asker.sendall(f"get {lab.hosts['ecr']}\n".encode())
        (child,) = fetch_of(agent)
        agent.process.kill()
        agent.process.wait()
        agent.process = None
        wait_until(lambda: not is_running(child))


# Certificates and the configuration.


def put(source, target):
    """As a rotation does it: the new one in the place of the old."""
    shutil.copy(source, f"{target}.new")
    os.chmod(f"{target}.new", 0o600)
    os.rename(f"{target}.new", target)


def new_place(device):
    """Where a key may lie: certificate and key."""
    folder = Path(tempfile.mkdtemp(prefix="rotated.", dir=device.key_file.parent))
    return folder / "client.pem", folder / "pkey.pem"


def test_a_rotated_certificate(place, lab):
    old, new = lab.device("dev-7"), lab.device("dev-8")
    certificate, key = new_place(old)
    put(old.certificate_file, certificate), put(old.key_file, key)
    config = lab.device_config(place.work, old, ["iot", "gateway"], identity={"certificate": str(certificate), "key": str(key)})
    with Agent(place, config) as agent:
        first = agent.get(lab.hosts["ecr"])
        assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
        # In the middle of it the two do not match: what there is is served.
        put(new.certificate_file, certificate)
        assert agent.get(lab.hosts["ecr"]) == first
        assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
        assert "is not that of the certificate" in agent.journal()
        put(new.key_file, key)
        lab.revoke_device(old)
        assert agent.get(lab.hosts["fleet"])[0] == "dev-8"
        assert agent.get(lab.hosts["ecr"]) != first


def test_a_device_that_gets_its_certificate_later(place, lab):
    """It boots, and is registered afterwards."""
    device = lab.device("dev-7")
    certificate, key = new_place(device)
    config = lab.device_config(place.work, device, ["iot"], identity={"certificate": str(certificate), "key": str(key)})
    with Agent(place, config, boot_window=0) as agent:
        assert str(certificate) in agent.reason(lab.hosts["ecr"])
        put(device.key_file, key), put(device.certificate_file, certificate)
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"


def test_a_registry_is_added_and_taken_away(place, lab, config):
    with Agent(place, config) as agent:
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        lab.device_config(place.work, "dev-7", ["gateway", "file:generic"])
        assert agent.reason(lab.hosts["ecr"]) == "credentials not found in native keychain\n"
        assert agent.get("ghcr.example.com")[1] == lab.credentials.generic.password
        assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
        config.write_text("registries: [")
        assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
        assert "what was read before holds" in agent.journal()


def test_a_token_that_is_lost_in_its_chip(place, lab):
    """The key in SoftHSM: the resident process has nothing of it."""
    token = lab.softhsm("dev-9")
    config = lab.device_config(place.work, token, ["iot"])
    with Agent(place, config, env=token.env) as agent:
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        maps = Path(f"/proc/{agent.pid}/maps").read_text()
        assert "softhsm" not in maps and "pkcs11" not in maps


def test_a_wrong_pin_is_not_tried_until_the_token_is_locked(place, lab):
    """By what the module was asked: OpenSC's spy writes that down."""
    spy = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/pkcs11-spy.so")
    if not spy.exists():
        pytest.skip("opensc is not installed")
    token, log = lab.softhsm("dev-9"), place.work / "spy.log"
    pin = place.work / "pin"
    pin.write_text("this-is-not-the-pin")
    pin.chmod(0o600)
    wrong = token.key_uri.replace(str(token.pin_file), str(pin))
    config = lab.device_config(place.work, token, ["iot", "gateway"], identity={"key": wrong})
    env = {**token.env, "PKCS11_MODULE_PATH": str(spy), "PKCS11SPY": token.env["PKCS11_MODULE_PATH"], "PKCS11SPY_OUTPUT": str(log)}
    with Agent(place, config, env=env, boot_window=0) as agent:
        for _ in range(3):
            for host in (lab.hosts["ecr"], lab.hosts["fleet"]):
                reason = agent.reason(host)
                assert f"the token refuses the PIN of {pin}" in reason and "it is not tried again until" in reason
        assert log.read_text().count("CKR_PIN_INCORRECT") == 1
        put(token.pin_file, pin)
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        assert agent.get(lab.hosts["fleet"])[0] == "dev-9"
    pin.unlink(), log.unlink()  # which hold a secret of the lab's


# The clock.


@pytest.mark.parametrize("when, words", [
    ("@1970-01-01 00:00:10", "clock says 1970-01-01T00:00:1"),
    (time.strftime("@%Y-%m-%d 00:00:00", time.gmtime(time.time() - 8 * 86400)), "which is before its certificate began")], ids=["no battery", "before the certificate"])
def test_a_wrong_clock_after_the_first_boot(place, lab, config, clock, when, words):
    clock(when)
    with Agent(place, config, env=clock.env, boot_window=0) as agent:
        for _ in range(3):
            reason = agent.reason(lab.hosts["ecr"])
            assert words in reason and "wait until it is set over the network" in reason
        assert agent.journal().count("this device's clock says") == 1
        time.sleep(1)
        assert lab.requests() == []
        clock("+0")
        assert agent.get(lab.hosts["ecr"])[0] == "AWS"
        assert "the clock is set: going on" in agent.journal()


def test_a_clock_that_goes_wrong_later(place, lab, config, clock):
    """Nothing that has expired is given out, whatever the clock was when it was got."""
    clock("+0")
    with Agent(place, config, env=clock.env) as agent:
        first = agent.get(lab.hosts["ecr"])
        clock("+30d")
        assert agent.ask(lab.hosts["ecr"]) != first
        assert first[1] not in agent.ask(lab.hosts["ecr"])


def test_a_clock_that_was_wrong_for_a_moment(place, lab, config, clock):
    """Offline there is nothing in the place of what was thrown away for it."""
    clock("+0")
    with Agent(place, config, env=clock.env) as agent:
        kept = agent.get(lab.hosts["fleet"])
        offline(lab)
        clock("+16m")
        assert kept[1] not in agent.ask(lab.hosts["fleet"])
        clock("+1m")
        assert agent.get(lab.hosts["fleet"]) == kept


# Disks.


@pytest.mark.skipif(not is_root() or not shutil.which("unshare"), reason="mounts")
@pytest.mark.parametrize("full", [False, True], ids=["good", "full"])
def test_a_read_only_root_and_full_memory(place, lab, config, full):
    memory = place.root / "memory"
    memory.mkdir(mode=0o700)
    script = place.root / "read-only.sh"
    # The folder of the socket is in memory, as /run is.
    script.write_text(
        "set -e\n"
        "mount --make-rprivate /\n"
        f"mount -t tmpfs -o mode=0700,size=64k pratique-test {memory}\n"
        f"mkdir -m 0700 {memory}/tokens\n"
        f"mount --bind {place.root} {place.root}\n"
        f"mount --rbind {memory} {memory} 2>/dev/null || true\n"
        "mount -o remount,bind,ro /\n"
        f"mount -o remount,bind,ro {place.root}\n"
        f"if touch /etc/pratique-test 2>/dev/null; then exit 9; fi\n"
        + (f"head -c 64k /dev/zero >{memory}/filler 2>/dev/null || true\n" if full else "")
        + 'exec "$@"\n')
    if subprocess.run(["unshare", "-m", "sh", "-c", "mount --make-rprivate / && mount -t tmpfs x /mnt"], capture_output=True,
                      check=False).returncode:
        pytest.skip("this machine mounts nothing")
    place_env = {"PRATIQUE_RUNTIME_DIR": f"{memory}/tokens", "TMPDIR": "/nonexistent", "HOME": "/nonexistent"}
    with Agent(place, config, activated=True, env=place_env, before=("unshare", "-m", "sh", str(script))) as agent:
        for _ in range(3):
            assert agent.get(lab.hosts["ecr"])[0] == "AWS"
            assert agent.get(lab.hosts["fleet"])[0] == "dev-7"
        assert (asked(lab), asked(lab, GATEWAY)) == (1, 1)
