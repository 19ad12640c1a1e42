#!/usr/bin/python3
"""Judges our assertions for Entra ID by PyJWT, and our reading of certificates by what Python's cryptography made.

    test_entra_key_pyjwt.py DRIVER
"""

import base64
import datetime
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DRIVER = sys.argv.pop()
CLIENT = "11111111-2222-3333-4444-555555555555"
URL = "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"
NOW = 1795000000
KEY = rsa.generate_private_key(65537, 2048)


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate(key, begins=-1, ends=300):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pratique")])
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=begins)).not_valid_after(now + datetime.timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )


def text(made):
    return made.public_bytes(serialization.Encoding.PEM)


def run(stdin, client=CLIENT):
    return subprocess.run([DRIVER, client, URL, str(NOW)], input=stdin, capture_output=True, check=False)


class Assertions(unittest.TestCase):
    def test_it_says_who_to_whom_and_for_how_long(self):
        made = certificate(KEY)
        seen = set()
        for content in (pem(KEY) + text(made), text(made) + pem(KEY)):
            done = run(content)
            self.assertEqual(done.returncode, 0, done.stderr)
            token = done.stdout.decode().strip()
            claims = jwt.decode(token, KEY.public_key(), ["PS256"], audience=URL, options={"verify_exp": False, "verify_nbf": False, "verify_iat": False})
            self.assertEqual((claims["iss"], claims["sub"]), (CLIENT, CLIENT))
            self.assertEqual((claims["nbf"], claims["iat"], claims["exp"]), (NOW, NOW, NOW + 600))
            self.assertRegex(claims["jti"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
            seen.add(claims["jti"])
            thumbprint = base64.urlsafe_b64encode(made.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
            self.assertEqual(jwt.get_unverified_header(token), {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
        self.assertEqual(len(seen), 2)

    def test_a_client_that_is_no_text(self):
        self.assertIn(b"the client id is not text that JSON can hold", run(pem(KEY) + text(certificate(KEY)), client=b"\xff").stderr)

    def test_what_cannot_be_used(self):
        other, curve = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
        for content, words in (
            (pem(KEY) + text(certificate(other)), b"do not belong together"),
            (pem(curve) + text(certificate(curve)), b"takes no certificates with keys of this kind"),
            (pem(KEY) + text(certificate(KEY, -9, -1)), b"the certificate ended at 20"),
            (pem(KEY) + text(certificate(KEY, 1, 9)), b"the certificate begins only at 20"),
            (pem(KEY), b"no certificate"),
            (text(certificate(KEY)), b"no private key"),
            (b"", b"no private key"),
        ):
            done = run(content)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rb"^config: secret azcert: .*" + words)

    def with_device(self, key):
        made = certificate(key)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, "client.pem"), Path(folder, "pkey.pem")]
            for path, content in zip(paths, (text(made), pem(key)), strict=True):
                path.touch(0o600)
                path.write_bytes(content)
            return made, subprocess.run([DRIVER, CLIENT, URL, str(NOW), *paths], capture_output=True, check=False)

    def test_a_device_asserts_with_its_own_key(self):
        made, done = self.with_device(KEY)
        token = done.stdout.decode().strip()
        claims = jwt.decode(token, KEY.public_key(), ["PS256"], audience=URL, options={"verify_exp": False, "verify_nbf": False, "verify_iat": False})
        self.assertEqual((claims["iss"], claims["sub"]), (CLIENT, CLIENT))
        thumbprint = base64.urlsafe_b64encode(made.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
        self.assertEqual(jwt.get_unverified_header(token), {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})

    def test_a_device_with_another_kind_of_key(self):
        _, done = self.with_device(ec.generate_private_key(ec.SECP256R1()))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"config: device.yml:9: Entra ID takes assertions of RSA keys only", done.stderr)

    def test_one_that_ends_soon_is_a_warning(self):
        self.assertIn(b"warning: the certificate ends at 20", run(pem(KEY) + text(certificate(KEY, -1, 29))).stderr)
        self.assertEqual(run(pem(KEY) + text(certificate(KEY, -1, 31))).stderr, b"")


if __name__ == "__main__":
    unittest.main()
