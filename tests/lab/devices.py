"""The machines of a fleet: certificates and keys as devices have them, and the authorities that sign those.

The root `lab.devices` and its intermediate are known to every service that takes certificates. `lab.strangers` is nobody's
anchor. What a service thinks of a chain is asked of verify_chain(), which is made of `cryptography` alone.
"""

import datetime
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .files import write_private

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

Extension = TypeVar("Extension", bound=x509.ExtensionType)

_CRL_DAYS = 30


def new_key(kind: str) -> Key:
    match kind:
        case "ec":
            return ec.generate_private_key(ec.SECP256R1())
        case "ec384":
            return ec.generate_private_key(ec.SECP384R1())
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
    raise ValueError(f"no such kind of key: {kind}; there are ec, ec384, rsa")


def key_pem(key: Key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def private_lines(key: Key) -> list[str]:
    """Lines of its PEM that give it away; there are others that say what the certificate says too."""
    lines = key_pem(key).decode().splitlines()[1:-1]
    return lines[:2] if isinstance(key, ec.EllipticCurvePrivateKey) else lines[8:17:4]


def fingerprint(certificate: x509.Certificate) -> str:
    """In hexadecimal, which is AWS IoT's id of a certificate."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


@dataclass
class Device:
    """One certificate and its key, as files of the device."""

    name: str
    kind: str
    certificate: x509.Certificate
    key: Key | None                   # the one of the certificate, whatever key_file holds; None: it is in a token
    issuer: "DeviceAuthority"
    chain: list[x509.Certificate]     # what is between it and the root, nearest first
    directory: Path
    certificate_file: Path            # it, and the chain after it
    leaf_file: Path                   # it alone
    key_file: Path                    # 0600; not there if the key is in a token
    chain_file: Path | None           # the chain alone, where there is one

    @property
    def serial(self) -> int:
        return self.certificate.serial_number

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    def described(self) -> dict[str, str]:
        """For shells."""
        files = {"certificate_file": self.certificate_file, "leaf_file": self.leaf_file, "key_file": self.key_file,
                 "chain_file": self.chain_file}
        return {"name": self.name, "fingerprint": self.fingerprint, **{n: str(f) for n, f in files.items() if f}}


@dataclass
class DeviceAuthority:
    """Signs certificates for machines that prove themselves by one; a root, or an intermediate below `parent`."""

    name: str = "Acme Workloads"
    parent: "DeviceAuthority | None" = None
    revoked: dict[int, datetime.datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        signer = self.parent or self
        now = datetime.datetime.now(datetime.timezone.utc)
        self.certificate = (
            signer._builder(self._subject, self._key.public_key(), now - datetime.timedelta(days=400), now + datetime.timedelta(days=800))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=True), critical=True)
            .sign(signer._key, hashes.SHA256())
        )

    def pem(self) -> bytes:
        return pem([self.certificate])

    @property
    def chain(self) -> list[x509.Certificate]:
        """What a device adds to its own certificate: the intermediates up to the root, without it."""
        return [] if self.parent is None else [self.certificate, *self.parent.chain]

    def leaf(self, subject: str, days: float = 30) -> tuple[bytes, bytes]:
        """A certificate and its key, both PEM. Negative `days`: it has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        return pem([self.issue(subject, key.public_key(), days=days, begins=-60)]), key_pem(key)

    def issue(
        self, subject: str, key: PublicKey, *, days: float = 365, begins: float = -1, client_auth: bool = True,
        digital_signature: bool = True,
    ) -> x509.Certificate:
        """A certificate that begins and ends so many days from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client_auth else ExtendedKeyUsageOID.SERVER_AUTH
        return (
            self._builder(name, key, now + datetime.timedelta(days=begins), now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=False, digital_signature=digital_signature), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def crl(self) -> bytes:
        """What it has revoked, as PEM."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(self._subject)
            .last_update(now - datetime.timedelta(days=1)).next_update(now + datetime.timedelta(days=_CRL_DAYS))
        )
        for serial, moment in self.revoked.items():
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def revoke(self, certificate: x509.Certificate) -> None:
        self.revoked[certificate.serial_number] = datetime.datetime.now(datetime.timezone.utc)

    def _builder(
        self, subject: x509.Name, key: PublicKey, begins: datetime.datetime, ends: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._subject).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


class DeviceFactory:
    """Makes devices, each with a folder of its own below the lab's secrets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self.devices: list[Device] = []
        self.secrets: list[str] = []

    def make(
        self, name: str, kind: str, authority: DeviceAuthority, *, mismatched: bool = False, public_key: PublicKey | None = None,
        **certificate: Any,
    ) -> Device:
        """With `public_key` the private one is elsewhere; `mismatched` writes another one than the certificate's. The rest
        is of DeviceAuthority.issue()."""
        key = None if public_key else new_key(kind)
        public = key.public_key() if key else public_key
        assert public
        issued = authority.issue(name, public, **certificate)
        folder = self.folder()
        chain = authority.chain
        files = {"client.pem": [issued, *chain], "leaf.pem": [issued], "chain.pem": chain}
        for file_name, certificates in files.items():
            if certificates:
                (folder / file_name).write_bytes(pem(certificates))
        written = new_key(kind) if mismatched else key
        if written:
            write_private(folder / "pkey.pem", key_pem(written))
        device = Device(
            name, kind, issued, key, authority, chain, folder, folder / "client.pem", folder / "leaf.pem", folder / "pkey.pem",
            folder / "chain.pem" if chain else None)
        self.devices.append(device)
        self.secrets += [line for made in (key, written) if made for line in private_lines(made)]
        return device

    def folder(self) -> Path:
        """A new one of its own, for what belongs to one device."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        folder = self._directory / f"{next(self._numbers)}"
        folder.mkdir(mode=0o700)
        return folder

    def find(self, device: Device | str) -> Device:
        """Itself, or the last one of that name."""
        if isinstance(device, Device):
            return device
        found = [d for d in self.devices if d.name == device]
        if not found:
            raise ValueError(f"no device {device}")
        return found[-1]


def _key_usage(certificates: bool, digital_signature: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=certificates, crl_sign=certificates, content_commitment=False,
        key_encipherment=not digital_signature, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )


# Judging.


@dataclass
class BadChain(Exception):
    """Why a chain is not taken: `untrusted`, `expired`, `early`, `revoked`, `usage` or `length`."""

    problem: str
    message: str


def verify_chain(
    leaf: x509.Certificate, others: list[x509.Certificate], anchors: list[x509.Certificate], now: datetime.datetime, *,
    revoked: Iterable[DeviceAuthority] = (), longest: int | None = None,
) -> list[x509.Certificate]:
    """The path from a leaf to an anchor, both in it, by way of `others`; raises BadChain."""
    path = [leaf]
    while not any(path[-1] == anchor for anchor in anchors):
        issuer = next((c for c in [*anchors, *others] if c not in path and _signed(path[-1], c)), None)
        if issuer is None or len(path) > 10:
            raise BadChain("untrusted", f"no way from {leaf.subject.rfc4514_string()} to an anchor")
        path.append(issuer)
    if leaf in anchors:
        raise BadChain("untrusted", "the leaf is an anchor itself")
    if longest is not None and len(path) > longest:
        raise BadChain("length", f"the chain has more than {longest} certificates")
    for certificate in path:
        if now < _utc(certificate.not_valid_before):
            raise BadChain("early", f"{certificate.subject.rfc4514_string()} is not valid yet")
        if now >= _utc(certificate.not_valid_after):
            raise BadChain("expired", f"{certificate.subject.rfc4514_string()} has expired")
    usage, extended = _extension(leaf, x509.KeyUsage), _extension(leaf, x509.ExtendedKeyUsage)
    if _constraints(leaf).ca or usage is None or not usage.digital_signature:
        raise BadChain("usage", "the leaf is not for digital signatures")
    if extended is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        raise BadChain("usage", "the leaf is not for client authentication")
    for below, certificate in enumerate(path[1:]):
        limit = _constraints(certificate).path_length
        if not _constraints(certificate).ca or (limit is not None and below > limit):
            raise BadChain("untrusted", f"{certificate.subject.rfc4514_string()} may not sign this")
    serials = {(a.certificate.subject, serial) for a in revoked for serial in a.revoked}
    if any((c.issuer, c.serial_number) in serials for c in path):
        raise BadChain("revoked", f"{leaf.subject.rfc4514_string()} is revoked")
    return path


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints:
    return _extension(certificate, x509.BasicConstraints) or x509.BasicConstraints(ca=False, path_length=None)


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        check_signature(issuer, certificate.signature, certificate.tbs_certificate_bytes)
    except InvalidSignature:
        return False
    return True


def check_signature(certificate: x509.Certificate, signature: bytes, data: bytes) -> None:
    """SHA-256, with what kind of key the certificate has; raises InvalidSignature."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    else:
        raise InvalidSignature


def _utc(moment: datetime.datetime) -> datetime.datetime:
    return moment.replace(tzinfo=datetime.timezone.utc)
