"""Devices at Azure: an assertion of Entra ID that the device's key signs. Each ends in a private pull, each refusal in words."""

import pytest

from .device import HOLDERS, RSA, Machine, holder

PYTHON = "base/python:3.11"
WHO = "entra, tenant "


@pytest.fixture
def machine(session, lab):
    def make(of=None, **changes):
        entry = lab.device_entry("entra")
        entry["entra"].update(changes)
        return Machine(session, lab, of or lab.device(kind="rsa"), [entry])
    return make


@pytest.fixture
def azure(lab):
    return lab.hosts["azure"]


@pytest.mark.parametrize("kind", RSA)
def test_each_holder_of_a_key(lab, machine, azure, kind):
    device = machine(holder(lab, kind))
    assert device.pulls(azure, PYTHON)["identity"].startswith(WHO)
    if device.in_token:
        device.assert_no_key_on_disk()
    assert device.get(azure)[0] == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("kind", [kind for kind in HOLDERS if kind not in RSA])
def test_a_curve_is_refused_before_anybody_is_asked(lab, machine, azure, kind):
    refused = machine(holder(lab, kind)).refusal(azure, PYTHON, 2)
    curve = "P-384" if "384" in kind else "P-256"
    assert refused.startswith(f"device.yml:8: Entra ID takes assertions of RSA keys only, and the device's key is one of {curve} (")
    assert "certificate with an RSA key" in refused and "`type: gateway`" in refused
    assert lab.connects() == []


def test_a_certificate_that_the_application_does_not_know(lab, machine, azure):
    device = lab.device(kind="rsa", register=False)
    refused = machine(device).refusal(azure, PYTHON)
    assert ": the certificate is not one of the application's, or the signature is wrong (AADSTS700027)" in refused
    assert f"--cert @{device.certificate_file} --append`" in refused and "`identity` in device.yml" in refused


def test_one_that_is_revoked_in_mid_life(lab, machine, azure):
    device = lab.device(kind="rsa")
    unit = machine(device)
    first = unit.get(azure)
    lab.revoke_device(device)
    assert unit.get(azure) == first
    unit.age(3600)
    refused = unit.get(azure)
    assert "(AADSTS700027); what was issued before may be good until 20" in refused


@pytest.mark.parametrize("changes, words", [
    ({"tenant": "nobody.example"},
     ": there is no such tenant in this cloud (AADSTS90002) (look at the tenant: `az account show --query tenantId`"),
    ({"client_id": "99999999-2222-3333-4444-555555555555"},
     ": the tenant has no application with this client id (AADSTS700016)")])
def test_another_tenant_or_application(machine, azure, changes, words):
    assert words in machine(**changes).refusal(azure, PYTHON)


def test_dates_are_looked_at_before_anybody_is_asked(lab, machine, azure):
    assert ": the device's certificate ended at 20" in machine(
        lab.device(kind="rsa", days=-1, begins=-10)).refusal(azure, PYTHON)
    assert ": the device's certificate is not valid before 20" in machine(lab.device(kind="rsa", begins=1)).refusal(azure, PYTHON)
    assert lab.connects() == []


def test_what_passes(lab, machine, azure):
    device, entra = machine(), lab.hosts["entra"]
    lab.throttle(entra, count=50, retry_after=0)
    assert ": Entra ID says that there are too many requests (" in device.check(azure, PYTHON, status=3).err
    lab.clear_faults()
    device.place.forget_tokens()
    lab.unavailable(entra, count=50, status=500)
    assert ": Entra ID has a problem of its own (" in device.get(azure)
    lab.clear_faults()
    device.place.forget_tokens()
    lab.html(entra, count=1)
    assert ": the answer of Entra ID is not JSON (is there a proxy" in device.get(azure)
    device.place.forget_tokens()
    assert device.get(azure)[0].startswith("00000000")


def test_a_copied_file(session, lab, azure):
    device = Machine(session, lab, lab.device(), ["file:azure"])
    assert device.pulls(azure, PYTHON)["identity"].startswith("file /")
    for _ in range(2):
        assert device.get(azure)[0] == lab.credentials.azure_pull.user
        assert "is a copied credential, for bootstrapping only" in device.warnings
