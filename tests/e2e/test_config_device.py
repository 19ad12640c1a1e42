"""`config check` for a device.yml: who the device is, what each entry says, and all that is wrong at once. Offline."""

import re
from pathlib import Path

import pytest

from .own_device import ECR, HOSTS, INSTALLED, WAYS, Device, certify, in_namespace, namespaces, new_key, paths_of_example, pem

ROOT = Path(__file__).resolve().parents[2]
COPIED = "- type: aws\n  url: 333333333333.dkr.ecr.us-east-2.amazonaws.com\n  credentials_file: %s\n"


@pytest.fixture
def device(place):
    return Device(place)


def errors(result):
    return [line for line in result.err.splitlines() if " warning: " not in line]


def test_what_a_device_is(device):
    result = device.run("config", "check")
    lines = result.out.splitlines()
    assert lines[0].startswith("device   dev-7, RSA of 2048 bits, until 20") and lines[1] == f"key      {device.key}"
    assert [line.split()[1] for line in lines[2:7]] == HOSTS
    assert lines[2].endswith("iot: role alias ecr-pull, thing dev-7")
    assert lines[6].endswith("gateway: https://gateway.example.com:8443")
    assert lines[7] == "the configuration is good, and so is what it names"
    assert result.err == ""


def test_json(device):
    told = device.run("config", "check", "--json").json()
    assert list(told) == ["config", "device", "registries", "errors"] and told["errors"] == []
    assert told["device"]["name"] == "dev-7" and told["device"]["good"] and not told["device"]["key_in_token"]
    assert told["device"]["ends"].endswith("Z") and told["device"]["key_type"] == "RSA of 2048 bits"
    assert [r["way"] for r in told["registries"]] == ["iot", "roles_anywhere", "entra", "federation", "gateway"]
    assert told["registries"][0] == {"registry": ECR, "type": "aws", "region": "us-east-2", "secret": None, "way": "iot",
                                     "line": 6}


def test_certificate_and_key_the_wrong_way_round(device):
    certificate, key = device.certificate.read_bytes(), device.key.read_bytes()
    device.certificate.write_bytes(key)
    device.key.write_bytes(certificate)
    device.key.chmod(0o644)
    way = "(are `certificate` and `key` the wrong way round?)"
    assert errors(device.run("config", "check", status=2)) == [
        f"pratique: {device.where(2)}: {device.certificate}: holds a private key, and no certificate {way}",
        f"pratique: {device.where(3)}: {device.key}: holds a certificate, and no private key {way}"]


def test_no_configuration_at_all(device):
    path = device.config.parent / "nowhere/device.yml"
    for command in (["config", "check"], ["device", "setup"]):
        told = device.place.run("--device-config", path, *command, status=2)
        assert told.err.startswith(f"pratique: {path}: there is no device configuration (write one")


def test_every_problem_is_told_at_once(device, secret):
    secret("keys of a file", "wJalrXUtnFEMIfake-secret-of-a-file")
    copied = device.put(device.given / "aws", b"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
                        b"aws_secret_access_key = wJalrXUtnFEMIfake-secret-of-a-file\n", 0o644)
    device.write(WAYS + COPIED % copied + (COPIED % "/nowhere/aws").replace("3333.", "4444."))
    device.certificate.unlink()
    device.ca.write_bytes(b"no certificate")
    device.key.chmod(0o644)
    told = errors(device.run("config", "check", status=2))
    assert told == [
        f"pratique: {device.where(2)}: {device.certificate}: the certificate: no such file",
        f"pratique: {device.where(3)}: {device.key}: the private key can be read or changed by others (mode 0644) "
        f"(chmod 600 {device.key}; if others may have read it, have a new key certified)",
        f"pratique: {device.where(4)}: {device.ca}: holds no certificate in PEM form (it begins with -----BEGIN CERTIFICATE-----)",
        f"pratique: {device.where(26)}: credentials_file {copied}: can be read by others (mode 0644) "
        f"(chmod 600 {copied}; if others may have read it, have new keys made)",
        f"pratique: {device.where(29)}: credentials_file /nowhere/aws: no such file",
    ]


def test_what_the_gateway_is_trusted_by_is_told_once(device):
    device.ca.unlink()
    assert errors(device.run("config", "check", status=2)) == [
        f"pratique: {device.where(4)}: {device.ca}: the gateway's trust: no such file"]


def test_a_certificate_without_a_name(device):
    key = new_key()
    device.put(device.key, pem(key), 0o600)
    device.put(device.certificate, certify(key, None))
    result = device.run("config", "check", status=2)
    assert result.out.startswith("device   (no common name), RSA of 2048 bits, ")
    assert len(errors(result)) == 1 and "which thing is it? the certificate has no common name" in result.err


@pytest.mark.parametrize(("days", "begins", "said"), [
    (-1, -3, "the device's certificate ended at"), (9, 3, "the device's certificate is not valid before"),
])
def test_a_certificate_that_is_not_good_today(device, days, begins, said):
    key = new_key()
    device.put(device.key, pem(key), 0o600)
    device.put(device.certificate, certify(key, days=days, begins=begins))
    told = errors(device.run("config", "check", status=2))
    assert len(told) == 1 and said in told[0] and told[0].startswith(f"pratique: {device.where(2)}: ")


def test_a_certificate_that_ends_soon(device):
    key = new_key()
    device.put(device.key, pem(key), 0o600)
    device.put(device.certificate, certify(key, days=10))
    result = device.run("config", "check")
    assert "(soon)" in result.out and result.err.count("the device's certificate ends at") == 1


def test_a_key_of_another_certificate(device):
    device.put(device.key, pem(new_key()), 0o600)
    told, = errors(device.run("config", "check", status=2))
    assert f"{device.where(3)}: {device.key}: the private key is not that of the certificate" in told


def test_a_copied_credential_is_warned_of(device, secret):
    secret("keys of a copied file", "wJalrXUtnFEMIother-secret-of-a-file")
    copied = device.put(device.given / "aws", b"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
                        b"aws_secret_access_key = wJalrXUtnFEMIother-secret-of-a-file\n", 0o600)
    device.write("registries:\n" + COPIED % copied, identity=False)
    result = device.run("config", "check")
    assert "credentials_file: " in result.out and "device " not in result.out
    assert "`pratique policy --device`" in result.err and "`pratique device setup`" in result.err


def test_what_the_manual_shows(place):
    """Every piece of a device.yml in docs/devices.md is one."""
    device = Device(place)
    pieces = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/devices.md").read_text(), re.MULTILINE | re.DOTALL)
    for piece in pieces:
        whole = {"-": "registries:\n" + piece, "r": piece, "i": piece + "registries: []\n"}[piece[0]]
        device.write(whole, identity=piece[0] == "-")
        device.run("policy", "--device", "--account", "1" * 12)
    assert len(pieces) == 7


def test_the_example(place):
    device = Device(place)
    text = (ROOT / "examples/device.yml").read_text()
    device.put(device.config, paths_of_example(text, device.given).encode())
    result = device.run("config", "check")
    assert [line.split()[1] for line in result.out.splitlines()[2:7]] == HOSTS
    # What stands there as a comment is good too.
    copied = device.put(device.given / "ghcr", b"robot:fake-token-of-the-example", 0o600)
    text = text.replace("# - type", "- type").replace("#   ", "  ").replace("/etc/pratique/ghcr-credentials", str(copied))
    device.put(device.config, paths_of_example(text, device.given).encode())
    assert len(device.run("config", "check").out.splitlines()) == 9
    assert text.splitlines()[0].replace("# ", "", 1)[:24] in place.run("device", "setup", "--help").out


@namespaces
def test_a_device_is_known_by_its_file(device):
    pratique = device.place.programs / "pratique"
    result = in_namespace(device, [INSTALLED], pratique, "config", "check")
    assert result.out.startswith("device   dev-7") and "using /etc/pratique/device.yml" in result.err
    device.place.write({"factory-config.yml": "container_registries: []\n"})
    result = in_namespace(device, [INSTALLED], pratique, "config", "check")
    assert "device " not in result.out


def test_a_file_that_others_may_change_is_not_taken(device):
    device.config.chmod(0o666)
    assert f"{device.config}: can be written by other users (mode 0666)" in device.run("config", "check", status=2).err


def test_a_folder_above_that_others_may_change(device):
    device.config.chmod(0o644)
    device.place.root.chmod(0o777)
    told = device.run("config", "check", status=2).err
    assert (f"pratique: {device.place.root}: the folder can be written by other users (mode 0777): others could put something else in the "
            f"place of {device.config} (chmod go-w {device.place.root})") in told
    # Who administers the cloud does nothing with it but read, in a work tree of many as a rule.
    device.run("policy", "--device", "--subject", "dev-7")
    device.place.root.chmod(0o755)
    device.run("config", "check")


def test_a_file_of_the_folder_of_all(device):
    """It may be root's, and yet others may have brought it there."""
    shared = device.place.root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    config = device.put(shared / "device.yml", device.config.read_bytes())
    told = device.place.run("--device-config", config, "config", "check", status=2).err
    assert f"{config}: lies in a folder that others may put files into" in told and "move it into a folder that nobody else may" in told
