"""Keys that stay in a token: SoftHSM2 in place of the chip of a device."""

import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .devices import Device, PublicKey, key_pem
from .files import write_private

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
_ENV = {"PATH": "/usr/bin:/bin"}
_KEY_TYPES = {"ec": "EC:prime256v1", "ec384": "EC:secp384r1", "rsa": "rsa:2048"}


@dataclass
class Token:
    """A token with one key and its certificate, and what a device's configuration says of them."""

    directory: Path
    label: str
    object: str
    pin: str
    pin_file: Path                 # without a newline at its end
    # SOFTHSM2_CONF, for every program that is to see the token, and PKCS11_MODULE_PATH, so that the engine loads no other
    # modules of the machine's: that for TPMs says at length that there is none.
    env: dict[str, str]
    device: Device | None = None   # whose key it is

    @property
    def certificate_uri(self) -> str:
        return f"pkcs11:token={quote(self.label)};object={quote(self.object)};type=cert"

    @property
    def key_uri(self) -> str:
        """With the place of the PIN, never the PIN."""
        return f"pkcs11:token={quote(self.label)};object={quote(self.object)};type=private?pin-source=file:{self.pin_file}"

    @property
    def key_uri_without_pin(self) -> str:
        return self.key_uri.partition("?")[0]

    def described(self) -> dict[str, str]:
        """For shells."""
        return {"certificate_uri": self.certificate_uri, "key_uri": self.key_uri, "pin_file": str(self.pin_file), **self.env}

    def put(self, certificate: x509.Certificate) -> None:
        """In place of the certificate that is there, if any."""
        listed = self.tool("--list-objects", "--type", "cert", "--label", self.object)
        if "Certificate Object" in listed:
            self.tool("--delete-object", "--type", "cert", "--label", self.object)
        file = self.directory / "certificate.der"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        self.tool("--write-object", str(file), "--type", "cert", "--id", "01", "--label", self.object)

    def tool(self, *arguments: str) -> str:
        # The PIN by the environment: it is a secret like any other.
        done = subprocess.run(
            ["pkcs11-tool", "--module", MODULE, "--token-label", self.label, "--login", "--pin", "env:LAB_PIN", *arguments],
            env={**_ENV, **self.env, "LAB_PIN": self.pin}, capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"pkcs11-tool {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done.stdout


def new_token(directory: Path, label: str, name: str) -> Token:
    """An empty token in a directory of its own."""
    (directory / "tokens").mkdir(mode=0o700)
    config = directory / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    pin = secrets.token_hex(8)
    token = Token(directory, label, name, pin, directory / "pin", {
        "SOFTHSM2_CONF": str(config), "PKCS11_MODULE_PATH": MODULE,
    })
    write_private(token.pin_file, pin)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", secrets.token_hex(8)],
        env={**_ENV, **token.env}, check=True, capture_output=True, timeout=30)
    return token


def generate(token: Token, kind: str) -> PublicKey:
    """A key that is made in the token and never leaves it; gives its public half."""
    token.tool("--keypairgen", "--key-type", _KEY_TYPES[kind], "--id", "01", "--label", token.object, "--usage-sign")
    file = token.directory / "public.der"
    if kind == "ec384":
        # Debian 12's pkcs11-tool reads no public key of this curve ("cannot create EVP_PKEY").
        subprocess.run(
            ["openssl", "pkey", "-engine", "pkcs11", "-inform", "engine", "-pubout", "-outform", "DER", "-out", str(file), "-in",
             token.key_uri], env={**_ENV, **token.env}, check=True, capture_output=True, timeout=30)
    else:
        token.tool("--read-object", "--type", "pubkey", "--label", token.object, "--output-file", str(file))
    key = serialization.load_der_public_key(file.read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return key


def import_device(token: Token, device: Device) -> None:
    """The key and certificate that a device has as files. The files stay: remove them to have no key on the disk."""
    assert device.key
    file = token.directory / "key.p8"
    write_private(file, key_pem(device.key))
    subprocess.run(
        ["softhsm2-util", "--import", str(file), "--token", token.label, "--label", token.object, "--id", "01",
         "--pin", token.pin], env={**_ENV, **token.env}, check=True, capture_output=True, timeout=30)
    file.unlink()
    token.put(device.certificate)
