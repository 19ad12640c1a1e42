"""A device of a test's own: an identity in files, and its device.yml. No lab knows it."""

import datetime
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
ANYWHERE = "210987654321.dkr.ecr.eu-west-1.amazonaws.com"
ANCHOR = "arn:aws:rolesanywhere:eu-west-1:210987654321:trust-anchor/66666666-7777-8888-9999-000000000000"
ROLE = "arn:aws:iam::210987654321:role/device-pull"
APPLICATION = "11111111-2222-3333-4444-555555555555"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/devices"
HOSTS = [ECR, ANYWHERE, "acme.azurecr.io", "us-docker.pkg.dev", "hub.example.com"]
WAYS = f"""\
registries:
- type: aws
  url: {ECR}
  iot: {{endpoint: c2example.credentials.iot.us-east-2.amazonaws.com, role_alias: ecr-pull}}
- type: aws
  url: {ANYWHERE}
  roles_anywhere:
    profile_arn: arn:aws:rolesanywhere:eu-west-1:210987654321:profile/11111111-2222-3333-4444-555555555555
    role_arn: {ROLE}
    trust_anchor_arn: {ANCHOR}
- type: azure
  url: acme.azurecr.io
  entra: {{tenant: contoso.onmicrosoft.com, client_id: {APPLICATION}}}
- type: gar
  url: us-docker.pkg.dev
  federation: {{audience: //iam.googleapis.com/{POOL}/providers/x509}}
- type: gateway
  url: hub.example.com
  gateway: https://gateway.example.com:8443
"""


def certify(key, name="dev-7", days=300, begins=-1):
    """A certificate that its own key has signed, as PEM; it begins and ends days from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(7).not_valid_before(now + datetime.timedelta(days=begins))
            .not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM)


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def new_key(kind="rsa"):
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


class Device:
    """`given` is its folder, `config` its device.yml."""

    def __init__(self, place, name="dev-7", ways=WAYS):
        self.place = place
        self.given = place.root / "given-secrets"
        self.given.mkdir(mode=0o755, exist_ok=True)
        self.certificate, self.key, self.ca = (self.given / n for n in ("client.pem", "pkey.pem", "root.crt"))
        key = new_key()
        self.put(self.key, pem(key), 0o600)
        self.put(self.certificate, certify(key, name))
        self.put(self.ca, certify(key, "root"))
        self.config = self.write(ways)

    @staticmethod
    def put(path, content, mode=0o644):
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def write(self, ways, identity=True):
        head = f"identity:\n  certificate: {self.certificate}\n  key: {self.key}\n  ca: {self.ca}\n" if identity else ""
        return self.put(self.given / "device.yml", (head + ways).encode())

    def run(self, *arguments, **how):
        return self.place.run("--device-config", self.config, *arguments, **how)

    def where(self, line):
        return f"{self.config}:{line}"


def paths_of_example(text: str, folder: Path) -> str:
    """The example with its files in a folder."""
    return text.replace("/var/sota/", f"{folder}/")


def _has_namespaces() -> bool:
    return os.geteuid() == 0 and subprocess.run(
        ["/usr/bin/unshare", "-m", "/bin/sh", "-c", "mount -t tmpfs none /mnt"], check=False, capture_output=True,
    ).returncode == 0


namespaces = pytest.mark.skipif(not _has_namespaces(), reason="mount namespaces take root")
# Steps of a shell, in which $CONFIG is the device.yml, and $AT a folder of the test's own.
INSTALLED = "mkdir -p /etc/pratique && cp $CONFIG /etc/pratique/device.yml"


def in_namespace(device, steps, *argv, status=0, env=None):
    """Runs a program with an /etc of its own, after steps of a shell; others on this machine see nothing of that."""
    script = ("mount -t tmpfs none /mnt && mkdir /mnt/etc && cp -a /etc/. /mnt/etc && mount --bind /mnt/etc /etc\n"
              + "\n".join(steps) + '\nexec "$@"\n')
    return device.place.program("/usr/bin/unshare", "-m", "/bin/sh", "-euc", script, "sh", *argv, status=status,
                                env={"CONFIG": str(device.config), "AT": str(device.place.root), **(env or {})})
