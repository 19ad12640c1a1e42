"""Devices behind a gateway that hands out a registry's user and password: nginx demands the certificate, stock clients pull."""

import pytest

from .device import HOLDERS, Machine, holder

AGENT = "fleet/agent:1"


@pytest.fixture
def machine(session, lab):
    return lambda of=None, **identity: Machine(session, lab, of or lab.device(), ["gateway"], **identity)


@pytest.fixture
def fleet(lab):
    return lab.hosts["fleet"]


@pytest.fixture
def gateway(lab):
    return f"https://{lab.hosts['gateway']}"


@pytest.mark.parametrize("kind", HOLDERS)
def test_each_holder_of_a_key(lab, machine, fleet, gateway, kind):
    device = machine(holder(lab, kind))
    shown = device.pulls(fleet, AGENT)
    assert shown["identity"] == f"gateway {gateway}, certificate dev-7"
    assert shown["access"] == "gateway"
    if device.in_token:
        device.assert_no_key_on_disk()


def test_podman_pulls(lab, machine, fleet, session):
    """A stock client of containers, with what we answer it."""
    device = machine(lab.softhsm())
    user, secret = device.get(fleet)
    storage = device.memory / "storage"
    device.place.program(
        "podman", "--root", storage, "--runroot", device.memory / "run", "--storage-driver", "vfs", "login", "--authfile",
        device.memory / "auth.json", "--username", user, "--password-stdin", fleet, input=secret)
    pulled = device.place.program(
        "podman", "--root", storage, "--runroot", device.memory / "run", "--storage-driver", "vfs", "pull", "--quiet",
        "--authfile", device.memory / "auth.json", f"{fleet}/{AGENT}")
    assert len(pulled.out.strip()) == 64


def test_it_is_asked_once_and_for_one_host_only(lab, machine, fleet):
    """The answer lives for a quarter of an hour in memory, and is nobody else's."""
    device = machine()
    first = device.get(fleet)
    assert device.get(fleet) == first
    asked = [r for r in lab.requests(lab.hosts["gateway"]) if r["path"] == "/hub-creds/"]
    assert [r["status"] for r in asked] == [200]
    assert device.get(lab.hosts["hub"]) == "credentials not found in native keychain"
    assert len([r for r in lab.requests(lab.hosts["gateway"])]) == 1


def test_a_credential_that_the_registry_refuses_is_asked_for_anew(lab, machine, fleet):
    device = machine()
    device.get(fleet)
    lab.expire_gateway_credentials()
    assert device.check(fleet, AGENT, more=["--json"]).json()["images"][0]["status"] == "ok"


NGINX = "the gateway refuses the device's certificate (status 400: The SSL certificate error) (it can be that "


@pytest.mark.parametrize("how", [{"stranger": True}, {"client_auth": False}])
def test_nginx_refuses_a_certificate(lab, machine, fleet, gateway, how):
    refused = machine(lab.device(**how)).refusal(fleet, AGENT)
    assert refused.startswith(f"{fleet}: gateway {gateway}: {NGINX}"), refused


def test_one_that_is_revoked_in_mid_life(lab, machine, fleet, gateway):
    device = lab.device()
    unit = machine(device)
    first = unit.get(fleet)
    lab.revoke_device(device)
    assert unit.get(fleet) == first
    unit.age(600)
    refused = unit.get(fleet)
    assert refused.startswith(f"{fleet}: gateway {gateway}: the gateway refuses the device's certificate (status 400: The SSL "
                              "certificate error); what was issued before may be good until 20")
    assert "that it has been revoked" in refused


def test_dates_are_looked_at_before_anybody_is_asked(lab, machine, fleet):
    assert ": the device's certificate ended at 20" in machine(lab.device(days=-1, begins=-10)).refusal(fleet, AGENT)
    assert ": the device's certificate is not valid before 20" in machine(lab.device(begins=1)).refusal(fleet, AGENT)
    assert lab.connects() == []


@pytest.mark.parametrize("change", ["deny_device", "forget_device"])
def test_the_gateway_does_not_let_the_device_in(lab, machine, fleet, gateway, change):
    device = lab.device()
    getattr(lab, change)(device)
    assert machine(device).refusal(fleet, AGENT).startswith(
        f"{fleet}: gateway {gateway}: the gateway gives this device, dev-7, no credential (status 403) (it can be that the "
        "device is not registered there, that it was denied or revoked")


def test_a_gateway_that_looks_at_certificates_itself(lab, machine, fleet):
    lab.set_gateway(verify="optional")
    assert machine().get(fleet)[0] == "dev-7"
    refused = machine(lab.device("dev-6", register=False)).refusal(fleet, AGENT)
    assert "the gateway gives this device, dev-6, no credential (status 403)" in refused


def test_another_key_than_the_first(lab, machine, fleet, gateway):
    assert machine(lab.device("dev-5")).get(fleet)[0] == "dev-5"
    refused = machine(lab.device("dev-5")).get(fleet)
    assert refused.startswith(f"{fleet}: gateway {gateway}: the gateway has a problem of its own (status 502) (")
    assert "remembers each device's first key" in refused


def test_a_gateway_of_another_authority(lab, machine, fleet):
    """identity.ca alone counts: not what the machine trusts, under which the lab's other hosts are."""
    path = lab.device().certificate_file
    refused = machine(ca=str(path)).refusal(fleet, AGENT)
    assert f"the certificate of {lab.hosts['gateway']} is signed by a CA that is not trusted here" in refused
    assert f"identity.ca, {path}, alone is trusted for the gateway" in refused
    assert "(name the authority of the gateway's own certificate: identity: {ca: FILE})" in machine(ca=None).refusal(fleet, AGENT)


def test_an_authority_that_is_none_is_known_offline(lab, machine):
    device = machine(ca="/etc/hostname")
    checked = device.run("config", "check", status=2)
    assert "device.yml:4: /etc/hostname: holds no certificate" in checked.err


def test_what_passes(lab, machine, fleet, gateway):
    device, asked = machine(), lab.hosts["gateway"]
    lab.throttle(asked, count=50, retry_after=0)
    shown = device.check(fleet, AGENT, status=3)
    assert f"{fleet}: gateway {gateway}: the gateway says that there are too many requests (status 429)" in shown.err
    lab.clear_faults()
    device.place.forget_tokens()
    lab.unavailable(asked, count=50, status=500)
    assert device.get(fleet).startswith(f"{fleet}: gateway {gateway}: the gateway has a problem of its own (status 500)")
    lab.clear_faults()
    device.place.forget_tokens()
    lab.stall(asked, seconds=30, count=50)
    assert device.get(fleet, env={"PRATIQUE_TIMEOUT": "1"}).startswith(
        f"{fleet}: gateway {gateway}: {asked} did not answer for ")
    lab.clear_faults()
    device.place.forget_tokens()
    lab.html(asked, count=1)
    assert ": the gateway's answer is not JSON (is there a proxy between" in device.get(fleet)
    device.place.forget_tokens()
    assert device.get(fleet)[0] == "dev-7"


def test_the_key_of_one_device_is_of_no_use_to_another(lab, session, fleet):
    """Two devices that share a cache get each its own."""
    one, other = (Machine(session, lab, lab.device(name), ["gateway"]) for name in ("dev-1", "dev-2"))
    other.place.env["PRATIQUE_RUNTIME_DIR"] = one.place.env["PRATIQUE_RUNTIME_DIR"]
    assert (one.get(fleet)[0], other.get(fleet)[0], one.get(fleet)[0]) == ("dev-1", "dev-2", "dev-1")
