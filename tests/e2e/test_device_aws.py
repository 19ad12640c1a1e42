"""Devices at AWS: by the IoT credentials provider and by IAM Roles Anywhere. Each holder of a key ends in a private pull, and
each refusal of the lab's AWS in the words that a person at the device sees."""

import pytest

from lab.aws_identity import ACCOUNT

from .device import HOLDERS, Machine, holder

BASE = "base:1.2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/"


@pytest.fixture
def machine(session, lab):
    return lambda of, *registries, **identity: Machine(session, lab, of, registries, **identity)


@pytest.fixture
def iot(lab, machine):
    """A device with one entry, whose `iot` is changed."""

    def make(of=None, **changes):
        entry = lab.device_entry("iot")
        entry["iot"].update(changes)
        return machine(of or lab.device(), entry)
    return make


@pytest.fixture
def anywhere(lab, machine):
    def make(of=None, identity=None, **changes):
        entry = lab.device_entry("roles_anywhere")
        entry["roles_anywhere"].update(changes)
        return machine(of or lab.device(), entry, **(identity or {}))
    return make


@pytest.fixture
def ecr(lab):
    return lab.hosts["ecr"]


@pytest.fixture
def ireland(lab):
    return lab.hosts["ecr_ireland"]


# AWS IoT.


@pytest.mark.parametrize("kind", HOLDERS)
def test_iot(lab, iot, ecr, kind):
    device = iot(holder(lab, kind))
    shown = device.pulls(ecr, BASE)
    assert shown["identity"] == "iot, thing dev-7, role alias ecr-pull"
    if device.in_token:
        device.assert_no_key_on_disk()
    # One handshake with the certificate, for keys; ECR never sees it.
    assert [r["status"] for r in lab.requests(lab.hosts["iot"])] == [200]


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
def test_iot_by_either_tls(lab, iot, ecr, newest):
    lab.set_iot_tls(newest)
    assert iot(lab.softhsm()).get(ecr)[0] == "AWS"
    refused = iot(lab.device(stranger=True)).refusal(ecr, BASE)
    assert refused.startswith(
        f"{ecr}: iot, thing dev-7, role alias ecr-pull: {lab.hosts['iot']} refuses the certificate that was shown to it: ")


def test_a_thing_may_have_another_name_than_the_certificate(lab, iot, ecr):
    device = lab.device("dev-9")
    lab.set_iot_things(device, ["pump:3"])
    assert iot(device, thing_name="pump:3").pulls(ecr, BASE)["identity"] == "iot, thing pump:3, role alias ecr-pull"


def refused_thing(lab, device):
    lab.set_iot_things(device, [])


def refused_policy(lab, device):
    lab.attach_iot_policies(device, [])


def other_alias(lab, device):
    lab.attach_iot_policies(device, [{"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "iot:AssumeRoleWithCertificate",
        "Resource": f"arn:aws:iot:us-east-2:{ACCOUNT}:rolealias/another"}]}])


IOT_REFUSALS = {
    "the thing is not attached": (
        refused_thing, "AWS IoT knows no thing dev-7 that has this certificate (AccessDeniedException): Invalid thing name passed "
        "(the thing dev-7 is not attached to the certificate: `aws iot attach-thing-principal --region us-east-2 --thing-name "
        "dev-7 --principal arn:aws:iot:us-east-2:ACCOUNT:cert/{id}`)"),
    "no policy": (
        refused_policy, "this certificate may not use the role alias ecr-pull (AccessDeniedException): Access Denied (it can be that "
        "no policy that is attached to it allows iot:AssumeRoleWithCertificate on arn:aws:iot:us-east-2:ACCOUNT:rolealias/ecr-pull"),
    "a policy for another alias": (other_alias, "this certificate may not use the role alias ecr-pull"),
    "inactive": (
        lambda lab, device: lab.set_iot_certificate(device, "INACTIVE"),
        "AWS IoT does not know this certificate at {endpoint} (AccessDeniedException): Certificate is invalid on this endpoint (it "
        "can be that the certificate is not registered in the account of this endpoint, or is not ACTIVE: `aws iot "
        "describe-certificate --region us-east-2 --certificate-id {id}`; or the endpoint is that of another account"),
    "revoked": (lambda lab, device: lab.revoke_device(device), "AWS IoT does not know this certificate at {endpoint}"),
    "of another account": (lambda lab, device: lab.forget_iot_certificate(device), "AWS IoT does not know this certificate at"),
    "no alias": (
        lambda lab, device: lab.set_iot_alias("ecr-pull", None),
        "AWS IoT has no role alias ecr-pull (ResourceNotFoundException): Role alias does not exist (there is no role alias "
        "ecr-pull: `aws iot list-role-aliases --region us-east-2`)"),
    "a refusal without words": (
        lambda lab, device: (refused_policy(lab, device), lab.set_iot_answers(json_errors=False)),
        "AWS IoT gives no keys for this certificate, and does not say why (AccessDeniedException) (it can be that the certificate is "
        "not registered"),
}


@pytest.mark.parametrize("case", IOT_REFUSALS)
def test_iot_refuses(lab, iot, ecr, case):
    change, words = IOT_REFUSALS[case]
    device = lab.device()
    change(lab, device)
    refused = iot(device).refusal(ecr, BASE)
    assert refused.startswith(f"{ecr}: iot, thing dev-7, role alias ecr-pull: "
                              + words.format(id=device.fingerprint, endpoint=lab.hosts["iot"])), refused
    # It ends there: no other service is asked.
    assert lab.requests(lab.hosts["ecr_api"]) == []


@pytest.mark.parametrize("alias, words", [
    ("ecr-long", "the role alias ecr-long asks for longer sessions than its role allows (InvalidRequestException)"),
    ("ecr-untrusted", "AWS IoT cannot assume the role of the alias ecr-untrusted (InvalidRequestException)"),
    ("ecr-nobody", "AWS IoT cannot assume the role of the alias ecr-nobody (InvalidRequestException)"),
])
def test_the_role_of_an_alias(iot, ecr, alias, words):
    assert iot(role_alias=alias).refusal(ecr, BASE).startswith(f"{ecr}: iot, thing dev-7, role alias {alias}: {words}: ")


def test_keys_without_rights(iot, ecr):
    """Who that is at AWS, which knows the session by the certificate's id."""
    refused = iot(role_alias="ecr-none").refusal(ecr, BASE)
    assert ": this identity may not get a registry password (AccessDeniedException): " in refused
    assert f"{SESSION}device-none/" in refused


def test_another_kind_of_endpoint_is_known_offline(lab, iot, ecr):
    refused = iot(endpoint=lab.hosts["iot_data"]).refusal(ecr, BASE, 2)
    assert refused.startswith(f"device.yml:8: iot: {lab.hosts['iot_data']} is AWS IoT's address for messages, not that of the "
                              "credentials provider (write what `aws iot describe-endpoint --endpoint-type iot:CredentialProvider`")
    assert lab.connects() == []


# Certificates, whoever looks at them.


@pytest.mark.parametrize("way", ["iot", "roles_anywhere"])
def test_dates_are_looked_at_before_anybody_is_asked(lab, machine, way):
    host = lab.hosts["ecr" if way == "iot" else "ecr_ireland"]
    ended = machine(lab.device(days=-1, begins=-10), way).refusal(host, BASE, None)
    assert ": the device's certificate ended at 20" in ended and "have a new one issued" in ended
    early = machine(lab.device(begins=1), way).refusal(host, BASE, None)
    assert ": the device's certificate is not valid before 20" in early and "is this machine's clock right?" in early
    assert lab.connects() == []


@pytest.mark.parametrize("way", ["iot", "roles_anywhere", "gateway"])
def test_a_key_of_another_certificate(lab, machine, way):
    host = lab.hosts[{"iot": "ecr", "roles_anywhere": "ecr_ireland", "gateway": "fleet"}[way]]
    device = lab.device(mismatched=True)
    refused = machine(device, way).refusal(host, BASE, 2)
    assert refused.startswith(f"device.yml:3: {device.key_file}: the private key is not that of the certificate ")
    assert lab.connects() == []


def test_one_that_ends_soon_is_warned_of(lab, iot, ecr):
    device = iot(lab.device(days=29))
    assert device.get(ecr)[0] == "AWS"
    assert ": warning: the device's certificate ends at 20" in device.warnings
    assert iot(lab.device(days=31)).get(ecr)[0] == "AWS"


def test_one_that_is_not_for_clients(lab, iot, ecr):
    device = iot(lab.device(client_auth=False))
    checked = device.run("config", "check")
    assert ": warning: the device's certificate is not one for TLS clients, and peers may refuse it" in checked.err
    assert "refuses the certificate that was shown to it" in device.refusal(ecr, BASE)


# What passes: status 3, and nothing is made worse.


@pytest.mark.parametrize("way, service", [("iot", "iot"), ("roles_anywhere", "roles_anywhere_ireland")])
def test_what_passes(lab, machine, way, service):
    host, asked = lab.hosts["ecr" if way == "iot" else "ecr_ireland"], lab.hosts[service]
    words = "iot, thing dev-7, role alias ecr-pull" if way == "iot" else "roles_anywhere, certificate dev-7"
    device = machine(lab.device(), way)
    lab.throttle(asked, count=50, retry_after=0)
    shown = device.check(host, BASE, status=3)
    assert f"{host}: {words}: AWS says that there are too many requests (ThrottlingException) (try again later)" in shown.err
    # What is remembered of that is for the next helper, for a while.
    lab.clear_log()
    assert "too many requests" in device.get(host) and lab.requests(asked) == []
    lab.clear_faults()
    device.place.forget_tokens()
    lab.unavailable(asked, count=50, status=500)
    assert device.get(host).startswith(f"{host}: {words}: AWS has a problem of its own (")
    lab.clear_faults()
    device.place.forget_tokens()
    lab.stall(asked, seconds=30, count=50)
    assert device.get(host, env={"PRATIQUE_TIMEOUT": "1"}).startswith(f"{host}: {words}: {asked} did not answer for ")
    lab.clear_faults()
    device.place.forget_tokens()
    # Once in between is not worth a word.
    lab.throttle(asked, count=1)
    assert device.get(host)[0] == "AWS"


@pytest.mark.parametrize("way, service, words", [
    ("iot", "iot", "AWS IoT does not answer with a JSON object"),
    ("roles_anywhere", "roles_anywhere_ireland", "IAM Roles Anywhere does not answer with a JSON object"),
])
def test_a_page_of_somebody_else(lab, machine, way, service, words):
    host = lab.hosts["ecr" if way == "iot" else "ecr_ireland"]
    lab.html(lab.hosts[service], count=9)
    assert words in machine(lab.device(), way).refusal(host, BASE)


@pytest.mark.parametrize("way", ["iot", "roles_anywhere"])
@pytest.mark.parametrize("offset", [-7200, 86400])
def test_a_wrong_clock_is_named_and_got_over(lab, machine, way, offset):
    host = lab.hosts["ecr" if way == "iot" else "ecr_ireland"]
    lab.set_clock_offset(offset)
    device = machine(lab.device(), way)
    assert device.get(host)[0] == "AWS"
    assert f"{host}: warning: this machine's clock is " in device.warnings
    assert (" fast (" if offset < 0 else " slow (") in device.warnings
    assert "set this machine's clock" in device.warnings


# Roles Anywhere.


@pytest.mark.parametrize("kind", HOLDERS)
def test_roles_anywhere(lab, anywhere, ireland, kind):
    device = anywhere(holder(lab, kind))
    shown = device.pulls(ireland, BASE)
    assert shown["identity"].startswith(f"roles_anywhere, certificate dev-7, as {SESSION}device-anywhere/")
    if device.in_token:
        device.assert_no_key_on_disk()
    assert [r["status"] for r in lab.requests(lab.hosts["roles_anywhere_ireland"])] == [201]


def test_an_anchor_in_another_region_than_the_registry(lab, machine, ecr):
    """The session is asked for where the anchor is, the password where the registry is."""
    device = machine(lab.device(), lab.device_entry("roles_anywhere") | {"url": ecr})
    assert device.pulls(ecr, BASE)["login"] == "ok"
    assert len(lab.requests(lab.hosts["roles_anywhere_ireland"])) == 1
    assert lab.requests(lab.hosts["roles_anywhere"]) == []


ANYWHERE_REFUSALS = {
    "revoked": (
        {}, lambda lab, device: lab.revoke_device(device),
        "the certificate dev-7 has been revoked (AccessDeniedException)"),
    "another authority": (
        {"stranger": True}, None,
        "the trust anchor of IAM Roles Anywhere does not vouch for the certificate dev-7 (AccessDeniedException): Untrusted signing "
        "certificate (it can be that another authority signed the certificate than that of arn:aws:rolesanywhere:eu-west-1:"),
    "not for signing": (
        {"digital_signature": False}, None, "IAM Roles Anywhere does not take the certificate dev-7 (AccessDeniedException)"),
    "the anchor is disabled": (
        {}, lambda lab, device: lab.set_trust_anchor("eu-west-1", enabled=False),
        "IAM Roles Anywhere gives no session to this certificate (AccessDeniedException): Trust anchor or profile is not enabled"),
    "the profile is disabled": (
        {}, lambda lab, device: lab.set_profile("eu-west-1", enabled=False),
        "IAM Roles Anywhere gives no session to this certificate (AccessDeniedException)"),
    "the profile lists another role": (
        {}, lambda lab, device: lab.set_profile("eu-west-1", roles=["device-pull"]),
        "IAM Roles Anywhere gives no session to this certificate (AccessDeniedException)"),
}


@pytest.mark.parametrize("case", ANYWHERE_REFUSALS)
def test_roles_anywhere_refuses(lab, anywhere, ireland, case):
    how, change, words = ANYWHERE_REFUSALS[case]
    device = lab.device(**how)
    if change:
        change(lab, device)
    refused = anywhere(device).refusal(ireland, BASE)
    assert refused.startswith(f"{ireland}: roles_anywhere, certificate dev-7: {words}"), refused
    assert lab.requests(lab.hosts["ecr_api_ireland"]) == []


def test_a_role_that_does_not_trust_the_service(anywhere, ireland):
    refused = anywhere(role_arn=ROLE + "device-untrusted").refusal(ireland, BASE)
    assert refused.startswith(
        f"{ireland}: roles_anywhere, certificate dev-7: IAM Roles Anywhere cannot assume the role {ROLE}device-untrusted "
        "(AccessDeniedException)")
    assert "sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity" in refused


def test_a_profile_with_longer_sessions_than_the_role_allows(lab, anywhere, ireland):
    lab.set_profile("eu-west-1", seconds=43200)
    refused = anywhere(role_arn=ROLE + "device-pull").refusal(ireland, BASE)
    assert f"the profile asks for longer sessions than the role {ROLE}device-pull allows (" in refused


def test_an_anchor_that_is_not_there(lab, anywhere, ireland):
    arn = lab.aws.anywhere["eu-west-1"].trust_anchor_arn()
    refused = anywhere(trust_anchor_arn=arn[:-4] + "0000").refusal(ireland, BASE)
    assert ": there is no such trust anchor or profile in eu-west-1 (ResourceNotFoundException)" in refused


def test_intermediate_certificates_that_are_missing(lab, anywhere, ireland):
    device = lab.device(intermediates=1)
    refused = anywhere(device, identity={"certificate": str(device.leaf_file)}).refusal(ireland, BASE)
    assert "does not vouch for the certificate dev-7" in refused and "intermediate certificates are missing" in refused
    assert anywhere(device).get(ireland)[0] == "AWS"


def test_two_regions_are_known_offline(lab, anywhere, ireland):
    profile = lab.aws.anywhere["us-east-2"].profile_arn()
    refused = anywhere(profile_arn=profile).refusal(ireland, BASE, 2)
    assert refused.startswith("device.yml:8:36: registry 1: the profile is not of the account and region of the trust anchor")
    assert lab.connects() == []


def test_the_quota_of_a_fleet(lab, anywhere, ireland):
    """Ten sessions a second: an eleventh is busy, not refused, and is asked for again."""
    lab.set_roles_anywhere("eu-west-1", quota=0)
    assert "AWS says that there are too many requests" in anywhere().refusal(ireland, BASE, 3)


# In mid-life.


def test_a_device_that_is_revoked_in_mid_life(lab, iot, ecr):
    """What was issued is good until its end; it is not asked for again while it is fresh."""
    device = lab.device()
    machine = iot(device)
    user, password = machine.get(ecr)
    lab.revoke_device(device)
    lab.clear_log()
    assert machine.get(ecr) == (user, password)
    assert lab.requests(lab.hosts["iot"]) == []
    # When it is to be renewed, the refusal says how long what was issued lives on.
    machine.age(3600)
    refused = machine.get(ecr)
    assert "AWS IoT does not know this certificate at " in refused
    assert "; what was issued before may be good until 20" in refused


# The copied file.


def test_a_copied_file_is_for_nobody_else(lab, machine, session, ecr):
    entry = lab.device_entry("file:aws")
    path = session.runtime / "copied"
    path.write_bytes(open(entry["credentials_file"], "rb").read())
    path.chmod(0o644)
    refused = machine(lab.device(), entry | {"credentials_file": str(path)}).refusal(ecr, BASE, 2)
    assert refused.startswith(f"device.yml:8: credentials_file {path}: can be read by others (mode 0644) (chmod 600 {path}; ")
    path.unlink()


def test_a_copied_pair(lab, machine):
    generic = lab.hosts["generic"]
    device = machine(lab.device(), "file:generic")
    for _ in range(2):
        assert device.get(generic) == (lab.credentials.generic.user, lab.credentials.generic.password)
        assert "is a copied credential, for bootstrapping only" in device.warnings


def test_a_copied_file_is_warned_of_at_each_use(lab, machine, ecr):
    device = machine(lab.device(), "file:aws")
    path = lab.device_entry("file:aws")["credentials_file"]
    for command in (lambda: device.check(ecr, BASE), lambda: device.check(ecr, BASE), lambda: device.run("config", "check")):
        assert command().err.count(f"{path} is a copied credential, for bootstrapping only") == 1
    for _ in range(2):
        assert device.get(ecr)[0] == "AWS"
        assert "`pratique policy --device`" in device.warnings and "`pratique device setup`" in device.warnings
