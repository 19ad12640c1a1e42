"""`policy --device`: what is printed is run by a shell with stand-ins for the clouds' command lines, which note what they were
told; and nothing that device.yml says reaches the shell. (tests/interop has AWS's own command line look at it.)"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from .device import Machine
from .own_device import ANCHOR, ANYWHERE, APPLICATION, ECR, POOL, WAYS, Device
from .test_policy import documents, of, option, run_script

WANTED = {"CERTIFICATE_ARN_1": "arn:aws:iot:us-east-2:123456789012:cert/00ff", "GOOGLE_PROJECT_4": "acme-devices"}
ALIAS = "arn:aws:iot:us-east-2:123456789012:rolealias/ecr-pull"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
NAMES = [f"{ECR}/base", f"{ECR}/app/web", f"{ANYWHERE}/base", "acme.azurecr.io/web/nginx", "us-docker.pkg.dev/acme/images/app",
         "hub.example.com/acme/app"]


@pytest.fixture
def device(place):
    return Device(place)


def policy(device, *arguments, **how):
    return device.run("policy", "--device", *arguments, **how)


def named(names=NAMES):
    return [word for name in names for word in ("--repository", name)]


def calls_of(device, *arguments, **names):
    ca = {f"DEVICE_CA_{n}": str(device.ca) for n in (2, 4)}
    result = policy(device, *arguments)
    return run_script(device.place, result.out, DEVICE_CERTIFICATE_3=str(device.certificate), **ca, **{**WANTED, **names}), result


def trust_of(calls, role):
    call, = [c for c in of(calls, "aws", "iam", "create-role") if option(c, "--role-name") == role]
    return json.loads(option(call, "--assume-role-policy-document"))["Statement"]


def test_iot(device):
    calls, result = calls_of(device, *named())
    assert result.err == ""
    assert trust_of(calls, "pratique-ecr-pull") == [{
        "Effect": "Allow", "Principal": {"Service": "credentials.iot.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}, "ArnLike": {"aws:SourceArn": ALIAS}}}]
    pull = json.loads(option(of(calls, "aws", "iam", "put-role-policy")[0], "--policy-document"))["Statement"]
    assert pull[1]["Action"] == PULL and pull[1]["Resource"] == [
        f"arn:aws:ecr:us-east-2:123456789012:repository/{r}" for r in ("base", "app/web")]
    iot = of(calls, "aws", "iot")
    assert [c[2] for c in iot] == ["create-role-alias", "create-policy", "create-thing", "attach-thing-principal", "attach-policy"]
    assert {option(c, "--region") for c in iot} == {"us-east-2"}
    assert option(iot[0], "--role-arn") == "arn:aws:iam::123456789012:role/pratique-ecr-pull"
    assert json.loads(option(iot[1], "--policy-document"))["Statement"] == [{
        "Effect": "Allow", "Action": "iot:AssumeRoleWithCertificate", "Resource": ALIAS,
        "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}}]
    assert option(iot[2], "--thing-name") == "dev-7"
    assert option(iot[3], "--principal") == option(iot[4], "--target") == WANTED["CERTIFICATE_ARN_1"]
    assert option(iot[4], "--policy-name") == option(iot[1], "--policy-name")


def test_roles_anywhere(device):
    calls, _ = calls_of(device, *named(), "--subject", "dev-7", "--subject", "dev-8",
                        CERTIFICATE_ARN_1_1="arn:1", CERTIFICATE_ARN_2_1="arn:2")
    statement, = trust_of(calls, "device-pull")
    assert statement["Principal"] == {"Service": "rolesanywhere.amazonaws.com"}
    assert sorted(statement["Action"]) == ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": ANCHOR},
                                      "StringEquals": {"aws:PrincipalTag/x509Subject/CN": ["dev-7", "dev-8"]}}
    put, = [c for c in of(calls, "aws", "iam", "put-role-policy") if option(c, "--role-name") == "device-pull"]
    assert json.loads(option(put, "--policy-document"))["Statement"][1]["Resource"] == [
        "arn:aws:ecr:eu-west-1:210987654321:repository/base"]
    # Two devices at AWS IoT too.
    assert [option(c, "--thing-name") for c in of(calls, "aws", "iot", "create-thing")] == ["dev-7", "dev-8"]
    assert [option(c, "--target") for c in of(calls, "aws", "iot", "attach-policy")] == ["arn:1", "arn:2"]
    out = policy(device, *named(), "--subject", "dev-*").out
    assert '"StringLike": {' in out and '"aws:PrincipalTag/x509Subject/CN": "dev-*"' in out


def test_azure(device):
    calls, _ = calls_of(device, *named())
    reset, = of(calls, "az", "ad", "app")
    assert reset[:5] == ["az", "ad", "app", "credential", "reset"] and "--append" in reset
    assert option(reset, "--id") == APPLICATION and option(reset, "--cert") == f"@{device.certificate}"
    assign, = of(calls, "az", "role")
    assert option(assign, "--assignee") == APPLICATION and option(assign, "--scope") == "/registries/acme"
    assert "StringEqualsIgnoreCase 'web/nginx'" in option(assign, "--condition")


def test_google(device):
    calls, _ = calls_of(device, *named())
    pool, provider = of(calls, "gcloud", "iam", "workload-identity-pools")
    assert pool[4] == "devices" and provider[4:6] == ["create-x509", "x509"]
    assert option(provider, "--attribute-mapping") == "google.subject=assertion.subject.dn.cn"
    store = (device.place.work / option(provider, "--trust-store-config-path")).read_text()
    assert store.startswith("trustStore:\n  trustAnchors:\n  - pemCertificate: |\n      -----BEGIN CERTIFICATE-----\n")
    bind, = of(calls, "gcloud", "artifacts")
    assert option(bind, "--member") == f"principal://iam.googleapis.com/{POOL}/subject/dev-7"
    assert (bind[4], option(bind, "--location"), option(bind, "--project")) == ("images", "us", "acme")


def test_google_as_a_service_account(device):
    device.write(WAYS.replace("/providers/x509}", "/providers/x509, service_account: pull@acme.iam.gserviceaccount.com}"))
    calls, _ = calls_of(device, *named())
    act, = of(calls, "gcloud", "iam", "service-accounts")
    assert option(act, "--role") == "roles/iam.workloadIdentityUser"
    assert option(act, "--member") == f"principal://iam.googleapis.com/{POOL}/subject/dev-7"
    bind, = of(calls, "gcloud", "artifacts")
    assert option(bind, "--member") == "serviceAccount:pull@acme.iam.gserviceaccount.com"


def test_the_gateway(device):
    out = " ".join(policy(device, *named()).out.replace("\n# ", " ").split())
    assert "GET https://gateway.example.com:8443/hub-creds/ answers 200" in out and "for hub.example.com" in out


def test_without_repositories_it_is_all_of_a_registry(device):
    calls, result = calls_of(device, REPOSITORY_4="images", REPOSITORY_PROJECT_4="acme", LOCATION_4="us")
    assert "no repositories are named, so the rights are for all of each registry" in result.err
    resources = [json.loads(option(c, "--policy-document"))["Statement"][1]["Resource"]
                 for c in of(calls, "aws", "iam", "put-role-policy")]
    assert resources == [["arn:aws:ecr:us-east-2:123456789012:repository/*"], ["arn:aws:ecr:eu-west-1:210987654321:repository/*"]]
    assign, = of(calls, "az", "role")
    assert "--condition" not in assign and option(assign, "--role") == "Container Registry Repository Reader"


def test_what_the_apps_of_a_tree_use(device):
    """Not what its images are built upon, which no device pulls, nor whether that can be known."""
    device.place.write({
        "tree/app/docker-compose.yml": f"services:\n  a: {{image: '{ECR}/base:1.2'}}\n  b:\n    image: busybox\n"
                                       f"    volumes: [{{type: image, source: '{ECR}/models:3', target: /models}}]\n"
                                       f"    build: {{context: ., cache_from: ['{ECR}/cache:1']}}\n",
        "tree/api/Dockerfile": f"ARG WHICH\nFROM {ECR}/tools/compiler:13 AS build\nFROM $WHICH\n"})
    calls, result = calls_of(device, "tree")
    resources, = [json.loads(option(c, "--policy-document"))["Statement"][1]["Resource"]
                  for c in of(calls, "aws", "iam", "put-role-policy")]
    assert resources == [f"arn:aws:ecr:us-east-2:123456789012:repository/{name}" for name in ("base", "models")]
    assert [c[1] for c in calls if c[0] != "aws"] == []
    assert "docker.io/library/busybox  anonymous" in result.out and "No entry of device.yml serves these" in result.out
    unused = "nothing that was named is there, and nothing is printed for it\n"
    assert f"pratique: {device.where(9)}: 210987654321.dkr.ecr.eu-west-1.amazonaws.com: {unused}" in result.err
    assert f": hub.example.com: {unused}" in result.err and result.err.count(unused) == 4


def test_another_account_and_role(device):
    calls, result = calls_of(device, *named(), "--account", "999999999999", "--role", "edge-pull")
    assert trust_of(calls, "edge-pull")[0]["Condition"]["ArnLike"]["aws:SourceArn"] == ALIAS.replace("123456789012", "999999999999")
    assert "# aws ecr set-repository-policy --region us-east-2 --registry-id 123456789012 --repository-name base" in result.out


def test_documents_as_files(device):
    inline, _ = calls_of(device, *named())
    folder = device.place.work / "out"
    calls, _ = calls_of(device, *named(), "--out", folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "aws-1-iot-policy.json", "aws-1-pull.json", "aws-1-trust.json", "aws-2-pull.json", "aws-2-trust.json"]
    names = ("--policy-document", "--assume-role-policy-document")
    files = [option(c, o).removeprefix("file://") for c in calls for o in names if o in c]
    assert [json.loads(Path(f).read_text()) for f in files] == [
        json.loads(option(c, o)) for c in inline for o in names if o in c]
    told = policy(device, *named(), "--out", folder, "--json").json()
    files = [s["file"] for p in told["policies"] for s in p["steps"] if s["document"]]
    assert files == [str(folder / n) for n in ("aws-1-trust.json", "aws-1-pull.json", "aws-1-iot-policy.json",
                                               "aws-2-trust.json", "aws-2-pull.json")]


def test_the_certificate_need_not_be_here(device):
    device.certificate.unlink()
    device.key.unlink()
    result = policy(device, *named())
    assert "${THING_NAME_1:?" in result.out and "${DEVICE_NAME_4:?" in result.out
    # What lacks a name must not be run as it is.
    assert '#           "aws:PrincipalTag/x509Subject/CN": "DEVICE_NAME"' in result.out
    assert "\naws iam create-role --role-name device-pull" not in result.out


@pytest.mark.parametrize("evil", ["x'; touch /tmp/pwned; '", "$(touch ${HOME}/pwned)", "`touch pwned`", "a\" ; touch pwned ; \"b"])
def test_names_are_no_commands(device, evil):
    """A shell reads what a certificate or a user says as a word, or not at all."""
    device = Device(device.place, name=evil)
    names = [n for n in NAMES if n.startswith((ANYWHERE, "acme", "us-docker"))]
    calls, _ = calls_of(device, *named(names))
    statement, = trust_of(calls, "device-pull")
    assert statement["Condition"]["StringEquals"]["aws:PrincipalTag/x509Subject/CN"] == evil
    assert option(of(calls, "gcloud", "artifacts")[0], "--member").endswith("/subject/" + evil)
    assert "cannot be the name of a thing" in policy(device, *named(), status=1).err
    assert not [p for folder in (device.place.work, device.place.home) for p in folder.rglob("pwned")]
    assert not os.path.exists("/tmp/pwned")


def test_the_script_is_one_for_every_shell(device):
    for arguments in ([], named(), [*named(), "--out", device.place.work / "o ' ut"]):
        script = policy(device, *arguments).out
        for shell in ("/bin/sh", "/bin/bash"):
            subprocess.run([shell, "-n", "-c", script], check=True)


def test_wrong_command_lines(device):
    for words, said in [
        (["--repository", "base"], "--repository does not say of which registry"),
        (["--repository", f"{ECR}/a'b"], "is not the name of a repository"),
        # Names of repositories have no capitals (distribution's reference grammar).
        (["--repository", f"{ECR}/Base"], "is not the name of a repository"),
        (["--repository", f"{ECR}/base/"], "is not the name of a repository"),
        (["--account", "12"], "--account wants the 12 digits"),
        (["--subject", ""], "--subject wants the common name"),
        (["--role", "a b"], "--role wants a role of IAM"),
    ]:
        assert said in policy(device, *words, status=2).err
    device.place.write({"factory-config.yml": "container_registries: []\n"})
    assert "--account is for devices (add --device)" in device.place.run("policy", "--account", "1" * 12, status=2).err


def test_one_registry_needs_no_host(device):
    device.write("registries:\n" + WAYS.split("registries:\n")[1].split("- type")[1].join(["- type", ""]))
    calls, _ = calls_of(device, "--repository", "base")
    assert documents(calls)[0]["Statement"][1]["Resource"] == ["arn:aws:ecr:us-east-2:123456789012:repository/base"]


def test_copied_credentials(device):
    device.write(f"registries:\n- type: aws\n  url: {ECR}\n  credentials_file: /etc/pratique/aws\n", identity=False)
    calls, _ = calls_of(device, "--repository", "base", IAM_USER_1="bench")
    put, = of(calls, "aws")
    assert put[:3] == ["aws", "iam", "put-user-policy"] and option(put, "--user-name") == "bench"


# Judged by the lab's AWS, which follows AWS's rules for trust, aliases, things and policies.


def told_documents(machine, *arguments):
    """What the commands for AWS were told: {"trust": [...], "pull": [...], "iot": [...]}."""
    calls = run_script(machine.place, machine.run("policy", "--device", *arguments).out, CERTIFICATE_ARN_1="arn:x")
    return {what: [json.loads(option(c, name)) for c in of(calls, *words)] for what, words, name in [
        ("trust", ("aws", "iam", "create-role"), "--assume-role-policy-document"),
        ("pull", ("aws", "iam", "put-role-policy"), "--policy-document"),
        ("iot", ("aws", "iot", "create-policy"), "--policy-document")]}


def test_iot_lets_the_device_pull_just_that(session, lab):
    machine = Machine(session, lab, lab.device(), ["iot"])
    ecr = lab.hosts["ecr"]
    told = told_documents(machine, "--repository", f"{ecr}/base")
    lab.set_iot_alias("ecr-pull", "device-pull")
    lab.attach_iot_policies(machine.device, told["iot"])
    lab.set_role_trust("device-pull", told["trust"][0])
    lab.attach_role_policies("device-pull", told["pull"])
    machine.pulls(ecr, "base:1.2")
    assert machine.check(ecr, "tools/compiler:3", more=["--json"], status=1).json()["images"][0]["status"] == "denied"
    machine.place.forget_tokens()
    # By another alias the role does not let it in, nor does the certificate's policy; nor for a thing that is not its own.
    lab.set_iot_things(machine.device, ["dev-8"])
    machine.check(ecr, "base:1.2", status=1)
    lab.set_iot_things(machine.device, ["dev-7"])
    machine.check(ecr, "base:1.2")
    other = Machine(session, lab, machine.device, [{**lab.device_entry("iot"), "iot": {
        **lab.device_entry("iot")["iot"], "role_alias": "ecr-other"}}])
    lab.set_iot_alias("ecr-other", "device-pull")
    other.check(ecr, "base:1.2", status=1)


def test_roles_anywhere_lets_just_that_device_in(session, lab):
    machine = Machine(session, lab, lab.device(), ["roles_anywhere"])
    ireland = lab.hosts["ecr_ireland"]
    for subject, status in (("dev-7", 0), ("dev-*", 0), ("dev-8", 1)):
        told = told_documents(machine, "--repository", f"{ireland}/base", "--subject", subject)
        lab.set_role_trust("device-anywhere", told["trust"][0])
        # In the lab's rights both registries are of one region.
        lab.attach_role_policies("device-anywhere", json.loads(json.dumps(told["pull"]).replace(":ecr:eu-west-1:", ":ecr:us-east-2:")))
        machine.place.forget_tokens()
        machine.check(ireland, "base:1.2", status=status)
    # Another CA's certificates of that name come by another anchor.
    trust = told_documents(machine, "--repository", f"{ireland}/base", "--subject", "dev-7")["trust"][0]
    trust["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"] += "0"
    lab.set_role_trust("device-anywhere", trust)
    machine.place.forget_tokens()
    machine.check(ireland, "base:1.2", status=1)
