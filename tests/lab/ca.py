"""The lab's certificate authority and one leaf certificate a host."""

import datetime
import ipaddress
import ssl
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .files import write_private

_ONE_DAY = datetime.timedelta(days=1)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Authority:
    """Signs for names of one lab; writes ca.pem and the hashed directory certs/."""

    def __init__(self, directory: Path, name: str = "pratique test lab") -> None:
        directory.mkdir(exist_ok=True)
        self.certificate_file = directory / "ca.pem"
        self.hashed_directory = directory / "certs"
        self._leaf_directory = directory / "tls"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_file.write_bytes(_pem(self._certificate))
        self._write_hashed_directory()

    def leaf(self, host: str, *, expired: bool = False) -> tuple[Path, Path]:
        """Issue a certificate for `host`, a name or an address; returns the files of the certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name holds 64 characters at most; the S3 host is longer, so only the
        # alternative name counts.
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
        certificate = (
            self._builder(name, key, expired)
            .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        self._leaf_directory.mkdir(exist_ok=True)
        certificate_file = self._leaf_directory / f"{host}.pem"
        key_file = self._leaf_directory / f"{host}.key"
        certificate_file.write_bytes(_pem(certificate))
        write_private(key_file, _key_pem(key))
        return certificate_file, key_file

    def server_context(self, host: str, *, expired: bool = False) -> ssl.SSLContext:
        certificate_file, key_file = self.leaf(host, expired=expired)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_file, key_file)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, expired: bool = False
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            # A day of leeway, so that a client with a skewed clock still gets past TLS.
            .not_valid_before(now - (3 * _ONE_DAY if expired else _ONE_DAY))
            .not_valid_after(now + (-2 * _ONE_DAY if expired else 30 * _ONE_DAY))
        )

    def _write_hashed_directory(self) -> None:
        """What c_rehash does: a link <subject hash>.0, which OpenSSL's CApath looks up."""
        self.hashed_directory.mkdir(exist_ok=True)
        copy = self.hashed_directory / "pratique-test-lab.pem"
        copy.write_bytes(_pem(self._certificate))
        subject_hash = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", str(copy)],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
        link = self.hashed_directory / f"{subject_hash}.0"
        link.unlink(missing_ok=True)
        link.symlink_to(copy.name)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=certificates, crl_sign=certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )
