"""Devices at Google: workload identity federation with the device's certificate over mutual TLS. Each holder of a key ends in
a private pull, each refusal in words."""

import json

import pytest

from lab.google import account, provider, subject

from .device import HOLDERS, Machine, holder

WORKER = "acme-prod/images/worker:2"
AUDIENCE = f"//iam.googleapis.com/{provider('x509')}"


@pytest.fixture
def machine(session, lab):
    def make(of=None, identity=None, **changes):
        entry = lab.device_entry("federation")
        entry["federation"].update(changes)
        return Machine(session, lab, of or lab.device(), [entry], **(identity or {}))
    return make


@pytest.fixture
def google(lab):
    return lab.hosts["google"]


@pytest.mark.parametrize("kind", HOLDERS)
def test_each_holder_of_a_key(lab, machine, google, kind):
    device = machine(holder(lab, kind))
    assert device.pulls(google, WORKER)["identity"] == "federation, workload identity pool ci/providers/x509"
    if device.in_token:
        device.assert_no_key_on_disk()
    assert device.get(google)[0] == "oauth2accesstoken"


def test_as_a_service_account(lab, machine, google):
    """The account's rights count then, and who may become it."""
    assert "roles/iam.workloadIdentityUser" in machine(service_account=account("ci-pull")).refusal(google, WORKER)
    shown = machine(service_account=account("deployer")).pulls(google, WORKER)
    assert shown["identity"] == f"federation, service account {account('deployer')}"


@pytest.mark.parametrize("how, words", [
    ({"days": 391}, "Google takes no certificate that lives longer than 390 days, and this one is for 392 (have one issued for a year"),
    ({"intermediates": 5}, "Google takes a chain of 5 certificates at most, and this one has 6"),
])
def test_what_google_does_not_take_is_known_offline(lab, machine, google, how, words):
    device = machine(lab.device(**how))
    refused = device.refusal(google, WORKER, 2)
    assert refused.startswith(f"device.yml:8: {words}"), refused
    assert words in device.run("config", "check", status=2).err
    assert lab.connects() == []


def test_an_authority_that_is_not_the_pools(lab, machine, google):
    lab.set_google_trust(anchors=["strangers"])
    refused = machine().refusal(google, WORKER)
    assert refused.startswith(f"{google}: federation, workload identity pool ci/providers/x509: Google does not take the "
                              "certificate (invalid_grant): ")
    assert f"not among the trust anchors of {AUDIENCE}" in refused and "intermediate certificates are missing" in refused


def test_intermediate_certificates_that_are_missing(lab, machine, google):
    device = lab.device(intermediates=1)
    assert "intermediate certificates are missing" in machine(
        device, identity={"certificate": str(device.leaf_file)}).refusal(google, WORKER)
    # Unless the pool has them.
    lab.set_google_trust(intermediates=True)
    assert machine(device, identity={"certificate": str(device.leaf_file)}).get(google)[0] == "oauth2accesstoken"


def test_one_that_is_not_for_clients(lab, machine, google):
    device = machine(lab.device(client_auth=False))
    assert ": warning: the device's certificate is not one for TLS clients" in device.run("config", "check").err
    assert "refuses the certificate that was shown to it" in device.refusal(google, WORKER)


def test_a_provider_that_is_not_there(lab, machine, google):
    refused = machine(audience=AUDIENCE.replace("x509", "another")).refusal(google, WORKER)
    assert ": Google knows no such workload identity provider, or it is disabled (invalid_target)" in refused
    lab.set_google_provider("x509", disabled=True)
    assert "or it is disabled (invalid_target)" in machine().refusal(google, WORKER)


def test_an_identity_without_rights(lab, machine, google):
    """Google lets it in, and the registry does not: that is the registry's word."""
    device = machine(lab.device("dev-8"))
    lab.google.grants.pop(subject("dev-8"))
    shown = device.check(google, WORKER, more=["--json"], status=1).json()
    assert shown["images"][0]["status"] in ("denied", "not-found")


def test_dates_are_looked_at_before_anybody_is_asked(lab, machine, google):
    assert ": the device's certificate ended at 20" in machine(lab.device(days=-1, begins=-10)).refusal(google, WORKER)
    assert ": the device's certificate is not valid before 20" in machine(lab.device(begins=1)).refusal(google, WORKER)
    assert lab.connects() == []


def test_what_passes(lab, machine, google):
    device, sts = machine(), lab.hosts["google_sts_mtls"]
    lab.throttle(sts, count=50, retry_after=0)
    assert ": Google says that there are too many requests (" in device.check(google, WORKER, status=3).err
    lab.clear_faults()
    device.place.forget_tokens()
    lab.unavailable(sts, count=50, status=500)
    assert ": Google has a problem of its own: status 500" in device.get(google)
    lab.clear_faults()
    device.place.forget_tokens()
    lab.html(sts, count=1)
    assert ": the answer of Google's token service is not JSON" in device.get(google)
    device.place.forget_tokens()
    assert device.get(google)[0] == "oauth2accesstoken"


def test_a_copied_file(session, lab, google):
    device = Machine(session, lab, lab.device(), ["file:gar"])
    assert device.pulls(google, WORKER)["identity"].startswith("file /")
    for _ in range(2):
        assert device.get(google)[0] == "oauth2accesstoken"
        assert "is a copied credential, for bootstrapping only" in device.warnings


@pytest.mark.parametrize("change, words", [
    ({"token_uri": "https://evil.example/token"}, "`token_uri` leads to a host that is not Google's"),
    ({"type": "external_account", "audience": AUDIENCE, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
      "token_url": "https://sts.googleapis.com/v1/token",
      "credential_source": {"executable": {"command": "/bin/false"}}}, "it wants to run a program, which a secret may not")])
def test_a_copied_file_leads_nowhere_else(session, lab, google, change, words):
    key = lab.google.key("ci-pull")
    device = Machine(session, lab, lab.device(), [])
    path = device.memory / "key.json"
    path.write_text(json.dumps(change if "type" in change else {**key, **change}))
    path.chmod(0o600)
    other = Machine(session, lab, device.device, [lab.device_entry("file:gar") | {"credentials_file": str(path)}])
    assert words in other.refusal(google, WORKER, 2)
    path.unlink()
