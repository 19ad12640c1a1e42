"""`device check`: every link of the chain broken in turn. Each ends at the right step with the right sentence, and nothing
that comes after it is tried."""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab.devices import pem

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
IOT = "c2example.credentials.iot.us-east-2.amazonaws.com"
ECR_API, STS = "api.ecr.us-east-2.amazonaws.com", "sts.us-east-2.amazonaws.com"
ENTRA, ACR = "login.microsoftonline.com", "acme.azurecr.io"
ANYWHERE, ECR_IRELAND = "rolesanywhere.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GOOGLE_STS, GOOGLE = "sts.mtls.googleapis.com", "us-docker.pkg.dev"
GATEWAY, FLEET = "gateway.example.com:8443", "fleet.example.com"
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
AGAIN = "mend that and run it again: what comes after was not tried"
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

DEVICE_STEPS = ("config", "clock", "identity", "certificate")
STEPS = (
    "certificate", "settings", "dns", "tcp", "tls", "client-certificate", "clock", "login", "role", "token", "registry", "image",
)


def at(moment: str) -> dict[str, str | None]:
    """The environment of a clock that is wrong. A sanitizer would be the first library."""
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": moment, "ASAN_OPTIONS": "verify_asan_link_order=0"}


def validate(document: dict[str, Any]) -> None:
    """The shape that the contract promises."""
    assert list(document) == ["device", "registries", "errors"]
    device = document["device"]
    assert list(device) == [
        "config", "certificate", "key", "name", "serial", "fingerprint", "issuer", "begins", "ends", "chain", "key_kind",
        "in_token", "steps"]
    for name in ("begins", "ends"):
        assert device[name] is None or RFC_3339.fullmatch(device[name])
    assert device["serial"] is None or device["serial"].isdecimal()
    check_steps(device["steps"], DEVICE_STEPS)
    for registry in document["registries"]:
        assert list(registry) == ["registry", "type", "way", "steps", "error"]
        assert registry["type"] in ("aws", "azure", "gar", "generic", "gateway")
        assert registry["way"] in ("iot", "roles_anywhere", "entra", "federation", "gateway", "credentials_file")
        check_steps(registry["steps"], STEPS)
        failed = [s for s in registry["steps"] if s["status"] == "failed"]
        if failed:
            assert failed[0]["detail"].endswith(registry["error"])
    for error in document["errors"]:
        assert list(error) == ["code", "where", "message", "hint"]


def check_steps(steps: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    for step in steps:
        assert list(step) == ["step", "status", "endpoint", "detail", "hint"]
        assert step["step"] in names and step["status"] in ("ok", "failed", "skipped")
        assert step["detail"] and "\n" not in step["detail"]
    statuses = [s["status"] for s in steps]
    # The first broken link is the last that was tried.
    if "failed" in statuses:
        assert set(statuses[statuses.index("failed") + 1:]) <= {"skipped"}
        assert all(s["hint"] or s["step"] == "config" for s in steps if s["status"] == "failed")


@dataclass
class Looked:
    document: dict[str, Any]
    status: int

    def steps(self, index: int = 0) -> list[tuple[str, str, str | None]]:
        """Those of the device, then of a registry."""
        registries = self.document["registries"]
        steps = self.document["device"]["steps"] + (registries[index]["steps"] if registries else [])
        return [(s["step"], s["status"], s["endpoint"]) for s in steps]

    def failed(self, index: int = 0) -> dict[str, Any]:
        registries = self.document["registries"]
        steps = self.document["device"]["steps"] + (registries[index]["steps"] if registries else [])
        failed = [s for s in steps if s["status"] == "failed"]
        assert len(failed) == 1, self.document
        return failed[0]


@pytest.fixture
def look(place: Any, lab: Any) -> Callable[..., Looked]:
    def look(
        device: Any, ways: list[Any], *arguments: str, env: dict[str, str | None] | None = None,
        identity: dict[str, Any] | None = None,
    ) -> Looked:
        config = lab.device_config(place.work, device, ways, identity=identity)
        place.forget_tokens()
        lab.clear_log()
        result = place.run("--device-config", config, "device", "check", "--json", *arguments, status=None, env=env)
        document = result.json()
        validate(document)
        assert not list(Path(place.env["PRATIQUE_RUNTIME_DIR"]).iterdir()), "something was kept"
        return Looked(document, result.status)
    return look


def asked(lab: Any) -> list[str]:
    """The hosts that saw a request, in the order of their first one."""
    return list(dict.fromkeys(r["host"] for r in lab.requests()))


# All is well.


@pytest.mark.parametrize(("way", "login", "registry", "image", "login_steps"), [
    ("iot", IOT, ECR, "base:1.2", ["dns", "tcp", "tls", "client-certificate", "clock", "login"]),
    ("roles_anywhere", ANYWHERE, ECR_IRELAND, "base:1.2", ["dns", "tcp", "tls", "clock", "login"]),
    ("entra", ENTRA, ACR, "base/python:3.11", ["dns", "tcp", "tls", "clock", "login"]),
    ("federation", GOOGLE_STS, GOOGLE, "acme-prod/images/worker:2",
     ["dns", "tcp", "tls", "client-certificate", "clock", "login"]),
    ("gateway", GATEWAY, FLEET, "fleet/sensor:2", ["dns", "tcp", "tls", "client-certificate", "clock", "login"]),
])
def test_every_link_of_each_way(look, lab, way, login, registry, image, login_steps):
    device = lab.device(kind="rsa", intermediates=1)
    looked = look(device, [way], "--image", f"{registry}/{image}")
    assert looked.status == 0, looked.document
    assert [s for s in looked.steps() if s[1] == "failed"] == []
    good = [s for s in looked.steps() if s[1] == "ok"]
    assert [s[0] for s in good[:5]] == [*DEVICE_STEPS, "settings"]
    assert [s[0] for s in good if s[2] == login] == login_steps
    assert [s[0] for s in good if s[2] == registry][-2:] == ["registry", "image"]
    facts = looked.document["device"]
    assert facts["name"] == "dev-7" and facts["serial"] == str(device.serial) and facts["fingerprint"] == device.fingerprint
    assert (facts["issuer"], facts["key_kind"], facts["in_token"], facts["chain"]) == (
        "CN=Acme Workloads 1", "RSA of 2048 bits", False, 2)
    assert looked.document["registries"][0]["error"] is None


def test_who_the_role_is(look, lab):
    looked = look(lab.device(), ["iot"])
    role, = [s for s in looked.document["registries"][0]["steps"] if s["step"] == "role"]
    assert role["endpoint"] == STS
    anywhere, = [s for s in look(lab.device(), ["roles_anywhere"]).document["registries"][0]["steps"] if s["step"] == "role"]
    assert ":assumed-role/device-anywhere/" in anywhere["detail"]
    assert re.fullmatch(r"AWS knows these keys as arn:aws:sts::123456789012:assumed-role/device-pull/\w+", role["detail"])


def test_a_device_needs_no_way_to_sts(look, lab):
    lab.proxy_refuse(STS, status=502, count=10)
    looked = look(lab.device(), ["iot"])
    assert looked.status == 0
    assert ("role", "skipped", STS) in looked.steps()


def test_all_registries_and_some(look, lab):
    device = lab.device(kind="rsa")
    looked = look(device, ["iot", "entra", "gateway"])
    assert [r["registry"] for r in looked.document["registries"]] == [ECR, ACR, FLEET]
    looked = look(device, ["iot", "entra", "gateway"], FLEET, ACR)
    assert [r["registry"] for r in looked.document["registries"]] == [ACR, FLEET]
    assert not {IOT, ECR} & set(asked(lab))


def test_one_that_is_broken_keeps_no_other_from_being_walked(look, lab):
    device = lab.device()
    lab.set_iot_things(device, [])
    looked = look(device, ["iot", "gateway"])
    assert looked.status == 1
    assert looked.failed(0)["step"] == "login"
    assert looked.document["registries"][1]["error"] is None


def test_a_key_in_a_token(look, lab):
    token = lab.softhsm(kind="ec")
    looked = look(token, ["iot", "gateway"], env=token.env)
    assert looked.status == 0, looked.document
    facts = looked.document["device"]
    assert facts["in_token"] is True and facts["key_kind"] == "P-256"
    assert facts["key"] == token.key_uri_without_pin


def test_without_an_image_it_says_that_none_was_tried(look, lab):
    looked = look(lab.device(), ["iot"])
    step = looked.document["registries"][0]["steps"][-1]
    assert (step["step"], step["status"], step["detail"]) == ("image", "skipped", "none was named: --image REF tries one")


def test_copied_files_are_walked_with_a_warning(place, look, lab):
    looked = look(lab.device(), ["file:aws", "file:azure", "file:gar", "file:generic"])
    assert looked.status == 0
    for registry in looked.document["registries"]:
        assert registry["way"] == "credentials_file"
        assert "bootstrapping" in registry["steps"][0]["hint"]
    result = place.run("--device-config", place.work / "device.yml", "device", "check", lab.hosts["generic"])
    assert result.err.count("warning: ") == 1 and "bootstrapping" in result.err


# As a person reads it.


def test_what_a_person_reads(place, lab):
    device = lab.device()
    lab.set_iot_answers(json_errors=False)
    lab.attach_iot_policies(device, [])
    config = lab.device_config(place.work, device, ["iot"])
    result = place.run("--device-config", config, "device", "check", status=1)
    lines = result.out.splitlines()
    assert lines[0].startswith("ok          config              ")
    assert lines[4:7] == ["", f"{ECR}  aws, iot", f"ok          settings            iot: {IOT}, by the role alias ecr-pull"]
    assert lines[7] == f"at {IOT}"
    assert [line.split()[:2] for line in lines[8:14]] == [
        ["ok", "dns"], ["ok", "tcp"], ["ok", "tls"], ["ok", "client-certificate"], ["ok", "clock"], ["failed", "login"]]
    assert "TLSv1.3" in lines[10] and f"CN={IOT} issued by CN=pratique test lab" in lines[10]
    assert lines[14] == "            it can be that"
    parts = lines[15:]
    assert len(parts) == 4 and all(p.startswith("            - ") and "`" in p for p in parts)
    for command in ("aws iot describe-certificate", "aws iot list-attached-policies", "aws iot list-principal-things",
                    "aws iot describe-endpoint --endpoint-type iot:CredentialProvider"):
        assert any(command in part for part in parts)
    assert device.fingerprint in parts[0]
    assert "iot, thing dev-7, role alias ecr-pull: AWS IoT gives no keys" in lines[13]
    assert result.err == f"pratique: stopped at `login` of {ECR} ({AGAIN})\n"


def told_once(place, config, *words, status, closing, env=None):
    """Reasons and mends are in the report, each once; standard error adds one line. A program is told all, as ever."""
    document = place.run("--device-config", config, "device", "check", "--json", *words, status=status, env=env).json()
    place.forget_tokens()
    result = place.run("--device-config", config, "device", "check", *words, status=status, env=env)
    assert document["errors"]
    for error in document["errors"]:
        assert result.out.count(error["message"]) == 1 and error["message"] not in result.err
        if error["hint"] and not error["hint"].startswith("it can be that"):
            assert result.out.count(f"            {error['hint']}\n") == 1 and error["hint"] not in result.err
    assert result.err == f"pratique: stopped at {closing} ({AGAIN})\n"
    assert "every link is in order" not in result.out
    return result.out


def test_each_reason_is_told_once(place, lab):
    device = lab.device()
    lab.set_iot_things(device, [])
    config = lab.device_config(place.work, device, ["iot", "gateway"])
    told_once(place, config, status=1, closing=f"`login` of {ECR}; 1 of 2 registries is in order")
    told_once(place, config, ECR, status=1, closing=f"`login` of {ECR}")
    entry = lab.device_entry("gateway")
    entry["gateway"] = "https://127.0.0.1:1"
    config = lab.device_config(place.work, device, ["iot", "entra", entry])
    closing = f"`login` of {ECR}, `settings` of {ACR}, `tcp` of {FLEET}; none of 3 registries is in order"
    told_once(place, config, status=2, closing=closing, env={"NO_PROXY": "127.0.0.0/8", "no_proxy": "127.0.0.0/8"})


def test_where_no_registry_is_named_nothing_is_in_order(place, lab):
    for registries in ([], None):
        config = lab.device_config(place.work, lab.device(), [])
        if registries is None:
            config.write_text("{}\n")
        report = told_once(place, config, status=2, closing="`config`")
        assert "names no registry to check" in report


def test_what_is_wrong_with_the_device_is_told_once(place, lab):
    config = lab.device_config(place.work, lab.device(days=-1, begins=-30), ["iot", "gateway"])
    told_once(place, config, status=1, closing="`certificate` of this device; none of 2 registries is in order")
    config = lab.device_config(place.work, lab.device(days=-1, begins=-30), ["iot", "file:generic"])
    result = place.run("-q", "--device-config", config, "device", "check", status=1)
    assert result.err == f"pratique: stopped at `certificate` of this device; 1 of 2 registries is in order ({AGAIN})\n"


def test_each_problem_of_a_configuration_is_told_once(place):
    config = place.write({"device.yml": "identity: {}\nregistries:\n- type: aws\n  ur: x\n"}) / "device.yml"
    out = told_once(place, config, status=2, closing="`config`")
    assert len(re.findall("^failed      config  ", out, re.MULTILINE)) > 1
    told_once(place, place.work / "none.yml", status=2, closing="`config`")


def test_an_interrupted_walk_says_so_and_no_more(place, lab):
    config = lab.device_config(place.work, lab.device(), ["iot", "gateway"])
    lab.stall(IOT, seconds=30, count=5)
    with subprocess.Popen([place.programs / "pratique", "--device-config", config, "device", "check", "--timeout", "20"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place.work, env=place.env) as child:
        # Each link is told when it is done, into a pipe too.
        for line in child.stdout:
            if line.startswith("ok          dns  "):
                break
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=10)
    assert child.returncode == 130 and err == "pratique: interrupted\n"
    assert FLEET not in out and "in order" not in out


def test_a_report_that_cannot_be_written_is_told_on_standard_error(place, lab):
    config = lab.device_config(place.work, lab.device(days=-1, begins=-30), ["iot"])
    command = f"'{place.programs}/pratique' --device-config '{config}' device check >/dev/full"
    result = place.program("/bin/sh", "-c", command, status=1)
    said, unwritten = result.err.splitlines()
    assert "the device's certificate ended at" in said and "have a new one issued" in said
    assert unwritten.startswith("pratique: standard output: cannot write")


# The device itself.


@dataclass
class Broken:
    how: dict[str, Any]
    step: str
    said: str
    hint: str
    status: int


@pytest.mark.parametrize("broken", [
    Broken({"days": -1, "begins": -30}, "certificate", "the device's certificate ended at", "have a new one issued", 1),
    Broken({"begins": 3}, "certificate", "the device's certificate is not valid before", "clock", 1),
    Broken({"mismatched": True}, "identity", "the private key is not that of the certificate", "the first one in the file", 2),
    Broken({"client_auth": False}, "certificate", "not one for TLS clients", "clientAuth", 1),
    Broken({"digital_signature": False}, "certificate", "not one for TLS clients", "digitalSignature", 1),
], ids=["expired", "early", "mismatched", "no clientAuth", "no digitalSignature"])
def test_a_bad_certificate(look, lab, broken):
    looked = look(lab.device(**broken.how), ["iot"])
    failed = looked.failed()
    assert (failed["step"], looked.status) == (broken.step, broken.status)
    assert broken.said in failed["detail"] and broken.hint in failed["hint"]
    assert not {IOT, STS, ECR_API} & set(asked(lab))
    # The rest is there, and was not tried.
    rest = looked.document["registries"][0]["steps"]
    assert [s["step"] for s in rest][-3:] == ["token", "registry", "image"]
    assert all(s["detail"] == "not tried: a link before it is broken" for s in rest if s["status"] == "skipped")


def test_a_certificate_that_is_not_for_tls_will_do_where_it_only_signs(look, lab):
    looked = look(lab.device(kind="rsa", client_auth=False), ["entra"])
    assert looked.status == 0
    note, = [s for s in looked.document["device"]["steps"] if s["step"] == "certificate"]
    assert "not for TLS clients" in note["hint"]


def test_a_chain_out_of_order(look, lab):
    device = lab.device(intermediates=2)
    good = look(device, ["iot"])
    assert good.status == 0
    device.certificate_file.write_bytes(pem([device.certificate, *reversed(device.chain)]))
    failed = look(device, ["iot"]).failed()
    assert failed["step"] == "certificate"
    assert "certificate 2 of the file, CN=Acme Workloads 1, did not sign the one before it" in failed["detail"]
    assert "then the one of CN=Acme Workloads 2" in failed["hint"]


def test_a_chain_with_somebody_else_in_it(look, lab):
    device, other = lab.device(), lab.device("dev-8")
    device.certificate_file.write_bytes(pem([device.certificate, other.certificate]))
    failed = look(device, ["iot"]).failed()
    assert failed["step"] == "certificate" and "certificate 2 of the file, CN=dev-8, did not sign" in failed["detail"]


def test_a_key_that_others_may_read(look, lab):
    device = lab.device()
    device.key_file.chmod(0o644)
    looked = look(device, ["iot"])
    assert (looked.failed()["step"], looked.status) == ("identity", 2)
    assert "can be read or changed by others (mode 0644)" in looked.failed()["detail"]
    assert asked(lab) == []


def test_files_that_are_not_there(look, lab):
    device = lab.device()
    looked = look(device, ["iot"], identity={"certificate": "/nonexistent/client.pem"})
    assert (looked.failed()["step"], looked.status) == ("identity", 2)
    device.key_file.unlink()
    looked = look(device, ["iot"])
    assert (looked.failed()["step"], looked.status) == ("identity", 2)
    assert looked.document["device"]["certificate"] == str(device.certificate_file)


def test_a_token_without_its_pin(look, lab):
    token = lab.softhsm(kind="ec")
    looked = look(token, ["iot"], env=token.env, identity={"key": token.key_uri_without_pin})
    assert (looked.failed()["step"], looked.status) == ("identity", 2)
    assert "pin-source" in looked.failed()["hint"]
    assert "`pkcs11-tool --module " in looked.failed()["hint"]


def test_an_empty_pin_is_not_tried(look, lab):
    """A token counts what it refuses."""
    token = lab.softhsm(kind="ec")
    token.pin_file.write_text("\n")
    looked = look(token, ["iot"], env=token.env)
    assert (looked.failed()["step"], looked.status) == ("identity", 2)
    assert looked.failed()["detail"].endswith(f"the PIN's file {token.pin_file} is empty")


def test_a_configuration_that_is_not_one(place, lab):
    place.write({"device.yml": "identity: {}\nregistries:\n- type: aws\n  ur: x\n"})
    result = place.run("--device-config", place.work / "device.yml", "device", "check", "--json", status=2)
    document = result.json()
    validate(document)
    assert [(s["step"], s["status"]) for s in document["device"]["steps"]] == [("config", "failed")]
    assert len(document["errors"]) > 1
    result = place.run("--device-config", place.work / "none.yml", "device", "check", "--json", status=2)
    validate(result.json())
    assert result.json()["device"]["steps"][0]["status"] == "failed"


def test_a_configuration_that_others_may_write(place, lab):
    config = lab.device_config(place.work, lab.device(), ["iot"])
    config.chmod(0o666)
    document = place.run("--device-config", config, "device", "check", "--json", status=None).json()
    assert document["device"]["steps"][0]["status"] == "failed"
    assert asked(lab) == []


def test_what_was_typed(place, lab):
    config = lab.device_config(place.work, lab.device(), ["iot"])
    for words in (["nowhere.example.com"], ["--image", "nowhere.example.com/a:1"], ["--image", "A B"], ["--timeout", "0"],
                  ["--timeout", "soon"]):
        result = place.run("--device-config", config, "device", "check", *words, status=2)
        assert "failed " not in result.out
        assert "--timeout wants a number of seconds, 1 to 3600" in result.err or "--timeout" not in words
    result = place.run("--device-config", config, "device", "check", "https://acme.azurecr.io", status=2)
    assert "https://acme.azurecr.io: is not a registry's host: it has a scheme (write acme.azurecr.io)" in result.err
    assert asked(lab) == []


# The clock.


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize(("moment", "said"), [
    ("@1970-01-02 03:00:00", "1970-01-02T03:00:0"), ("@2025-06-01 00:00:00", "2025-06-01T00:00:0"), ("+400d", "days ahead"),
    ("-8m", "8 minutes behind"), ("+40d", "days ahead"),
])
def test_a_clock_that_is_wrong(look, lab, moment, said):
    looked = look(lab.device(), ["iot"], env=at(moment))
    failed = looked.failed()
    assert failed["step"] == "clock", looked.document
    assert said in failed["detail"] and len(RFC_3339.findall(failed["detail"])) == 2
    assert "NTP" in failed["hint"] and looked.status == 1
    # What asks for the time carries nothing.
    assert all(r["method"] == "HEAD" or r["path"] == "/" for r in lab.requests())
    assert not any(r["authorization"] for r in lab.requests())


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("moment", ["@1970-01-02 03:00:00", "+40d", "+400d"])
def test_a_clock_that_is_wrong_where_only_the_gateway_can_be_asked(look, lab, moment):
    lab.proxy_refuse(FLEET, status=502, count=20)
    looked = look(lab.device(), ["gateway"], env=at(moment))
    assert looked.failed()["step"] == "clock" and f"that of {GATEWAY} says" in looked.failed()["detail"]


def test_a_server_that_has_another_time(look, lab):
    lab.set_clock_offset(600)
    failed = look(lab.device(), ["iot"]).failed()
    assert (failed["step"], failed["endpoint"]) == ("clock", IOT)
    assert "it is 10 minutes behind" in failed["detail"]
    lab.set_clock_offset(-240)
    looked = look(lab.device(), ["iot"])
    clock = next(s for s in looked.document["registries"][0]["steps"] if s["step"] == "clock")
    assert clock["status"] == "ok" and "ahead of the server's" in clock["detail"]


# The way to a server.


def test_a_name_that_nobody_knows(look, lab):
    looked = look(lab.device(), ["iot"], env={"NO_PROXY": "*", "no_proxy": "*"})
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"], looked.status) == ("dns", IOT, 3)
    assert IOT in failed["detail"] and asked(lab) == []


def test_a_connection_that_is_refused(look, lab):
    entry = lab.device_entry("gateway")
    entry["gateway"] = "https://127.0.0.1:1"
    looked = look(lab.device(), [entry], env={"NO_PROXY": "127.0.0.0/8", "no_proxy": "127.0.0.0/8"})
    failed = looked.failed()
    assert (failed["step"], looked.status) == ("tcp", 3)
    assert failed["detail"] == "no connection to 127.0.0.1 port 1 (127.0.0.1: Connection refused)"
    assert ("dns", "ok", "127.0.0.1:1") in looked.steps()


def test_a_proxy_that_is_not_there(look, lab):
    looked = look(lab.device(), ["iot"], env={"HTTPS_PROXY": "http://a:b@127.0.0.1:1", "https_proxy": "http://a:b@127.0.0.1:1"})
    failed = looked.failed()
    assert (failed["step"], looked.status) == ("tcp", 3)
    assert "the proxy" in failed["detail"] and "a:b" not in str(looked.document) and "HTTPS_PROXY" in failed["hint"]


def test_a_proxy_that_refuses(look, lab):
    lab.proxy_refuse(IOT, status=403, count=5)
    failed = look(lab.device(), ["iot"]).failed()
    assert failed["step"] == "tcp" and f"the proxy refuses to connect to {IOT} (status 403)" in failed["detail"]


def test_a_server_whose_ca_is_not_trusted(look, lab):
    system = {"SSL_CERT_FILE": str(lab.gateway_ca), "AWS_CA_BUNDLE": None, "CURL_CA_BUNDLE": None, "SSL_CERT_DIR": None}
    failed = look(lab.device(), ["iot"], env=system).failed()
    assert failed["step"] == "tls"
    assert f"{IOT} is signed by a CA that is not trusted here: CN={IOT}, issued by CN=pratique test lab" in failed["detail"]
    assert "SSL_CERT_FILE" in failed["hint"] and asked(lab) == []
    failed = look(lab.device(), ["gateway"], identity={"ca": None}).failed()
    assert failed["step"] == "tls" and "issued by CN=Acme gateways" in failed["detail"] and "identity.ca" in failed["hint"]


def test_a_server_with_a_certificate_for_another_name(look, lab):
    lab.proxy_divert(IOT, to=lab.hosts["generic"], count=5)
    failed = look(lab.device(), ["iot"]).failed()
    assert failed["step"] == "tls" and "a certificate for another name" in failed["detail"]


def test_a_server_that_does_not_ask_for_a_certificate(look, lab):
    entry = lab.device_entry("iot")
    entry["iot"]["endpoint"] = lab.hosts["generic"]
    looked = look(lab.device(), [entry])
    failed = looked.failed()
    assert failed["step"] == "client-certificate" and "does not ask for a client certificate" in failed["detail"]
    assert "a proxy ends TLS" in failed["hint"]


def test_a_server_that_does_not_answer(look, lab):
    lab.stall(IOT, seconds=30, count=5)
    started = time.monotonic()
    looked = look(lab.device(), ["iot"], "--timeout", "1")
    assert time.monotonic() - started < 10
    assert looked.failed()["step"] == "client-certificate" and looked.status == 3
    assert "did not answer" in looked.failed()["detail"] and ("tls", "ok", IOT) in looked.steps()


# The certificate, as others see it.


@pytest.mark.parametrize("tls", ["1.2", None])
def test_a_certificate_of_another_authority(look, lab, tls):
    lab.set_iot_tls(tls)
    looked = look(lab.device(stranger=True), ["iot"])
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"], looked.status) == ("client-certificate", IOT, 1)
    assert "it does not know the authority that signed it" in failed["detail"]
    assert ("tls", "ok", IOT) in looked.steps()
    assert asked(lab) == []


def test_another_authority_at_each_of_the_others(look, lab):
    looked = look(lab.device(stranger=True, kind="rsa"), ["gateway", "roles_anywhere", "federation"])
    steps = [looked.failed(i)["step"] for i in range(3)]
    assert steps == ["client-certificate", "login", "login"]
    assert "The SSL certificate error" in looked.failed(0)["detail"]
    assert "does not vouch for the certificate" in looked.failed(1)["detail"]
    assert "trust anchors" in looked.failed(2)["hint"]


def test_a_certificate_that_was_revoked(look, lab):
    device = lab.device(kind="rsa")
    lab.revoke_device(device)
    looked = look(device, ["iot", "roles_anywhere", "gateway", "entra"])
    assert [looked.failed(i)["step"] for i in range(4)] == ["login", "login", "client-certificate", "login"]
    assert "describe-certificate" in looked.failed(0)["hint"]
    assert "has been revoked" in looked.failed(1)["detail"]
    assert "revoked" in looked.failed(2)["hint"]
    assert not {ECR, ECR_API, FLEET, ACR} & set(asked(lab))


# What the ways answer.


IOT_BROKEN: dict[str, tuple[Callable[[Any, Any], None], str, str]] = {
    "inactive": (lambda lab, d: lab.set_iot_certificate(d, "INACTIVE"), "does not know this certificate", "describe-certificate"),
    "never registered": (lambda lab, d: lab.forget_iot_certificate(d), "does not know this certificate", "describe-certificate"),
    "thing": (lambda lab, d: lab.set_iot_things(d, []), "knows no thing dev-7 that has this certificate", "principal"),
    "policy": (lambda lab, d: lab.attach_iot_policies(d, []), "may not use the role alias ecr-pull",
               "iot:AssumeRoleWithCertificate"),
    "alias": (lambda lab, d: lab.set_iot_alias("ecr-pull", None), "has no role alias ecr-pull", "list-role-aliases"),
    "trust": (lambda lab, d: lab.set_iot_alias("ecr-pull", "device-untrusted"), "cannot assume the role", "describe-role-alias"),
    "no role": (lambda lab, d: lab.set_iot_alias("ecr-pull", "device-nobody"), "cannot assume the role", "describe-role-alias"),
    "html": (lambda lab, d: lab.html(IOT, count=5, path="/role-aliases/"), "does not answer with a JSON object", "proxy"),
}


@pytest.mark.parametrize("name", IOT_BROKEN)
def test_what_aws_iot_refuses(look, lab, name):
    device = lab.device()
    breaks, said, hint = IOT_BROKEN[name]
    breaks(lab, device)
    looked = look(device, ["iot"])
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"], looked.status) == ("login", IOT, 1), looked.document
    assert said in failed["detail"] and hint in failed["hint"]
    assert asked(lab) == [IOT]


def test_the_wrong_kind_of_endpoint(look, lab):
    entry = lab.device_entry("iot")
    entry["iot"]["endpoint"] = lab.hosts["iot_data"]
    looked = look(lab.device(), [entry])
    assert (looked.failed()["step"], looked.status) == ("settings", 2)
    assert "describe-endpoint" in looked.failed()["hint"] and asked(lab) == []


def test_a_role_that_may_not_ask_ecr(look, lab):
    lab.set_iot_alias("ecr-pull", "device-none")
    looked = look(lab.device(), ["iot"])
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"]) == ("token", ECR_API)
    assert "assumed-role/device-none/" in failed["detail"] and "ecr:GetAuthorizationToken" in failed["hint"]
    assert ("login", "ok", IOT) in looked.steps() and ECR not in asked(lab)


def test_a_service_that_is_down(look, lab):
    lab.unavailable(IOT, count=20, path="/role-aliases/")
    looked = look(lab.device(), ["iot"])
    assert (looked.failed()["step"], looked.status) == ("login", 3)


def test_what_roles_anywhere_refuses(look, lab):
    device = lab.device()
    lab.set_profile("eu-west-1", roles=[])
    assert "device-anywhere" in look(device, ["roles_anywhere"]).failed()["detail"]
    lab.restore_devices()
    lab.set_role_trust("device-anywhere", {"Version": "2012-10-17", "Statement": []})
    failed = look(device, ["roles_anywhere"]).failed()
    assert failed["step"] == "login" and "rolesanywhere.amazonaws.com" in failed["hint"]
    assert asked(lab) == [ANYWHERE]


def test_what_entra_refuses(look, lab):
    looked = look(lab.device(), ["entra"])
    assert (looked.failed()["step"], looked.status) == ("settings", 2)
    assert "RSA" in looked.failed()["detail"] and asked(lab) == []
    entry = lab.device_entry("entra")
    entry["entra"]["client_id"] = "00000000-0000-4000-8000-000000000001"
    failed = look(lab.device(kind="rsa"), [entry]).failed()
    assert failed["step"] == "login" and "700016" in failed["detail"] and asked(lab) == [ENTRA]


def test_a_registry_of_another_tenant(look, lab):
    lab.set_azure_registry(tenant="00000000-0000-4000-8000-000000000002")
    looked = look(lab.device(kind="rsa"), ["entra"])
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"]) == ("token", ACR)
    assert ("login", "ok", ENTRA) in looked.steps() and ("registry", "skipped", None) in looked.steps()


def test_a_service_account_on_top(look, lab):
    entry = lab.device_entry("federation")
    entry["federation"]["service_account"] = "nobody@acme-prod.iam.gserviceaccount.com"
    looked = look(lab.device(), [entry])
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"]) == ("role", "iamcredentials.googleapis.com")
    assert ("login", "ok", GOOGLE_STS) in looked.steps()


def test_an_entry_for_every_registry_of_google(look, lab):
    entry = {name: value for name, value in lab.device_entry("federation").items() if name != "url"}
    looked = look(lab.device(), [entry])
    assert looked.status == 0 and looked.document["registries"][0]["registry"] is None
    assert ("registry", "skipped", None) in looked.steps() and GOOGLE not in asked(lab)
    for words in ([GOOGLE], ["--image", f"{GOOGLE}/acme-prod/images/worker:2"]):
        looked = look(lab.device(), [entry], *words)
        assert looked.status == 0 and looked.document["registries"][0]["registry"] == GOOGLE
        assert ("registry", "ok", GOOGLE) in looked.steps()


def test_what_google_wants_of_a_certificate(look, lab):
    looked = look(lab.device(days=400), ["federation"])
    assert (looked.failed()["step"], looked.status) == ("settings", 2)
    assert "390" in looked.failed()["detail"] + looked.failed()["hint"] and asked(lab) == []


@pytest.mark.parametrize("verify", ["on", "optional"])
def test_a_gateway_that_denies(look, lab, verify):
    device = lab.device()
    lab.set_gateway(verify=verify)
    lab.deny_device(device)
    looked = look(device, ["gateway"])
    failed = looked.failed()
    assert (failed["step"], failed["endpoint"]) == ("login", GATEWAY)
    assert "gives this device, dev-7, no credential (status 403)" in failed["detail"] and FLEET not in asked(lab)


def test_an_address_that_is_no_gateway(look, lab):
    entry = lab.device_entry("gateway")
    entry["gateway"] = f"https://{lab.hosts['gateway']}/elsewhere"
    failed = look(lab.device(), [entry]).failed()
    assert failed["step"] == "login" and "has no /hub-creds/ (status 404)" in failed["detail"]


# The registry.


def test_a_registry_that_does_not_take_the_credential(look, lab):
    lab.deny_action("ecr:BatchGetImage", "base")
    looked = look(lab.device(), ["iot"], "--image", f"{ECR}/base:1.2")
    failed = looked.failed()
    assert (failed["step"], looked.status) == ("image", 1)
    assert ("registry", "ok", ECR) in looked.steps()
    # What the manifest leads to counts as well.
    lab.allow_actions()
    lab.deny_action("ecr:GetDownloadUrlForLayer", "base")
    assert look(lab.device(), ["iot"], "--image", f"{ECR}/base:1.2").failed()["step"] == "image"


def test_images_that_are_not_there(look, lab):
    good, missing = f"{ECR}/base:1.2", f"{ECR}/base:9"
    looked = look(lab.device(), ["iot"], "--image", good, "--image", missing)
    failed = looked.failed()
    assert failed["step"] == "image" and "not found" in failed["detail"]
    assert looked.document["errors"][0]["where"] == missing and looked.document["errors"][0]["code"] == "not-found"
    done = [s["detail"] for s in looked.document["registries"][0]["steps"] if s["step"] == "image" and s["status"] == "ok"]
    assert len(done) == 1 and done[0].startswith(f"{good} can be pulled, sha256:")


def test_a_stale_cache_changes_nothing(place, look, lab):
    """What an earlier run was given does not hide what is broken now."""
    device = lab.device()
    config = lab.device_config(place.work, device, ["iot"])
    # Not by place.run(): the answer is the credential.
    subprocess.run([place.programs / "pratique", "--device-config", config, "credential", "get"], input=ECR.encode(),
                   check=True, capture_output=True, cwd=place.work, env=place.env)
    kept = sorted(p.name for p in Path(place.env["PRATIQUE_RUNTIME_DIR"]).iterdir())
    lab.revoke_device(device)
    result = place.run("--device-config", config, "device", "check", status=1)
    assert "failed      login" in result.out
    assert sorted(p.name for p in Path(place.env["PRATIQUE_RUNTIME_DIR"]).iterdir()) == kept
