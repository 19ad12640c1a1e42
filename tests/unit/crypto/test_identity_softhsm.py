#!/usr/bin/python3
"""Signatures of keys in files and in a token of SoftHSM, judged by Python's cryptography; and what is refused.

    test_identity_softhsm.py DRIVER
"""

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DRIVER = sys.argv.pop()
PIN = "8642"
TEXT = b"what is to be signed"


def certificate(key, name="dev-7", usage=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.utcnow()
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(2**140 + 7).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=3))
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(key, hashes.SHA256())


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Identity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        here = cls.here = Path(cls.folder.name)
        (here / "tokens").mkdir()
        (here / "softhsm2.conf").write_text(f"directories.tokendir = {here}/tokens\nlog.level = ERROR\n")
        cls.env = {**os.environ, "SOFTHSM2_CONF": str(here / "softhsm2.conf"),
                   # Other modules that p11-kit knows have words of their own for what they do not find.
                   "PKCS11_MODULE_PATH": "/usr/lib/softhsm/libsofthsm2.so"}
        cls.keys = {"rsa": rsa.generate_private_key(65537, 2048), "ec": ec.generate_private_key(ec.SECP256R1()),
                    "ec384": ec.generate_private_key(ec.SECP384R1())}
        cls.call("softhsm2-util", "--init-token", "--free", "--label", "dev", "--pin", PIN, "--so-pin", "1234")
        for number, (name, key) in enumerate(cls.keys.items(), 1):
            cls.write(f"{name}.key", pem(key))
            cls.write(f"{name}.pem", certificate(key, f"dev-{name}").public_bytes(serialization.Encoding.PEM))
            (here / f"{name}.der").write_bytes(certificate(key, f"dev-{name}").public_bytes(serialization.Encoding.DER))
            cls.call("softhsm2-util", "--import", str(here / f"{name}.key"), "--token", "dev", "--label", name,
                     "--id", f"0{number}", "--pin", PIN)
            cls.call("pkcs11-tool", "--module", "/usr/lib/softhsm/libsofthsm2.so", "--login", "--pin", PIN,
                     "--token-label", "dev", "--write-object", str(here / f"{name}.der"), "--type", "cert",
                     "--label", name, "--id", f"0{number}")
        cls.write("pin", PIN.encode())
        cls.write("pin-line", PIN.encode() + b"\n")
        cls.write("pin-wrong", b"0000")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def call(cls, *argv):
        subprocess.run(argv, env=cls.env, check=True, capture_output=True)

    @classmethod
    def write(cls, name, content, mode=0o600):
        path = cls.here / name
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    def run_driver(self, certificate_place, key_place, what, stdin=TEXT):
        return subprocess.run(
            [DRIVER, certificate_place, key_place, what], input=stdin, env=self.env, capture_output=True, check=False,
            timeout=60)

    def places(self, name, token, pin="pin"):
        if not token:
            return str(self.here / f"{name}.pem"), str(self.here / f"{name}.key")
        uri = f"pkcs11:token=dev;object={name}"
        return f"{uri};type=cert", f"{uri};type=private?pin-source=file:{self.here}/{pin}"

    def check(self, name, form, signature):
        public = self.keys[name].public_key()
        if form == "RS256":
            public.verify(signature, TEXT, padding.PKCS1v15(), hashes.SHA256())
        elif form == "PS256":
            public.verify(signature, TEXT, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        else:
            if form == "ES256":
                self.assertEqual(len(signature), 64)
                half = [int.from_bytes(signature[i:i + 32], "big") for i in (0, 32)]
                signature = utils.encode_dss_signature(*half)
            public.verify(signature, TEXT, ec.ECDSA(hashes.SHA256()))

    def test_every_form_from_file_and_token(self):
        for name, form in (("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ec", "DER"), ("ec384", "DER")):
            for token in (False, True):
                for pin in ("pin", "pin-line") if token else ("",):
                    with self.subTest(name=name, form=form, token=token, pin=pin):
                        done = self.run_driver(*self.places(name, token, pin), form)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.check(name, form, bytes.fromhex(done.stdout.decode()))

    def test_a_certificate_in_a_file_for_a_key_in_a_token(self):
        done = self.run_driver(self.places("ec", False)[0], self.places("ec", True)[1], "ES256")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check("ec", "ES256", bytes.fromhex(done.stdout.decode()))

    def test_what_it_is(self):
        for token in (False, True):
            done = self.run_driver(*self.places("rsa", token), "describe")
            self.assertEqual(
                done.stdout.decode().split("\n")[:5],
                ["dev-rsa", str(2**140 + 7), "client", "RSA of 2048 bits", "token" if token else "file"], done.stderr)
        key = self.keys["ec"]
        server = self.write("server.pem", certificate(key, usage=ExtendedKeyUsageOID.SERVER_AUTH).public_bytes(
            serialization.Encoding.PEM))
        done = self.run_driver(server, self.places("ec", False)[1], "describe")
        self.assertEqual(done.stdout.decode().split("\n")[2:4], ["no client", "P-256"])

    def test_the_module_may_stand_in_the_uri(self):
        certificate_place, key_place = self.places("ec", True)
        key_place += "&module-path=/usr/lib/softhsm/libsofthsm2.so"
        done = self.run_driver(self.places("ec", False)[0], key_place, "ES256")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.run_driver(self.places("ec", False)[0], key_place.replace("softhsm/lib", "nowhere/lib"), "ES256")
        self.assertIn(b"the PKCS#11 module /usr/lib/nowhere/libsofthsm2.so cannot be read", done.stderr)

    def test_a_chain_that_was_cut_off_is_said_to_be(self):
        """Without what is missing a server would not know who signed the first one, and blame that."""
        own, key_place = (Path(place) for place in self.places("ec", False))
        other = Path(self.places("rsa", False)[0]).read_bytes()
        for more in (other[:-40], other[: len(other) // 2], other.replace(b"A", b"!", 1)):
            self.refused(self.write("cut.pem", own.read_bytes() + more), key_place,
                         "certificate 2 of the file cannot be read (copy it anew")
        whole = self.run_driver(self.write("whole.pem", own.read_bytes() + b"\nwords\n" + other + b"\n"), key_place, "ES256")
        self.assertEqual(whole.returncode, 0, whole.stderr)

    def test_a_module_that_others_may_write_is_not_loaded(self):
        """It would run as us, root as a rule."""
        certificate_place, key_place = self.places("ec", False)[0], self.places("ec", True)[1]
        folder = self.here / "modules"
        folder.mkdir()
        module = folder / "module.so"
        shutil.copy("/usr/lib/softhsm/libsofthsm2.so", module)
        key_place += f"&module-path={module}"
        module.chmod(0o755)
        # Under an emulator the copy is one for this machine, and the program for another (e_machine of ELF).
        if module.read_bytes()[18:20] == Path(DRIVER).read_bytes()[18:20]:
            self.assertEqual(self.run_driver(certificate_place, key_place, "ES256").returncode, 0)
        module.chmod(0o757)
        self.refused(certificate_place, key_place,
                     f"the PKCS#11 module {module} is not loaded: {module}: can be written by other users")
        module.chmod(0o755)
        folder.chmod(0o777)
        self.refused(certificate_place, key_place,
                     f"is not loaded: {folder}: the folder can be written by other users (mode 0777)")

    def refused(self, certificate_place, key_place, words):
        done = self.run_driver(certificate_place, key_place, "ES256")
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.startswith(b"config: "), done.stderr)
        self.assertIn(words.encode(), done.stderr)
        self.assertEqual(len(done.stderr.strip().split(b"\n")), 1, done.stderr)
        self.assertNotIn(PIN.encode(), done.stderr)

    def test_what_is_refused(self):
        file_certificate, file_key = self.places("ec", False)
        token_certificate, token_key = self.places("ec", True)
        self.refused(file_certificate, self.places("rsa", False)[1], "is not that of the certificate")
        self.refused(file_certificate, self.places("rsa", True)[1], "is not that of the certificate")
        self.refused(str(self.here / "none.pem"), file_key, "none.pem")
        self.refused(file_certificate, str(self.here / "none.key"), "none.key")
        self.refused(file_certificate, self.write("open.key", pem(self.keys["ec"]), 0o644), "by others (mode 0644)")
        self.refused(file_key, file_key, "holds a private key, and no certificate (are `certificate` and `key` the wrong way round?)")
        self.refused(file_certificate, file_certificate, "holds a certificate, and no private key")
        self.refused(file_certificate, token_key.replace("object=ec", "object=none"), "no private key is found")
        self.refused(file_certificate, token_key.replace("token=dev", "token=none"), "no private key is found")
        self.refused(token_certificate.replace("object=ec", "object=none"), token_key, "no certificate is found")
        # The engine says what is wrong; OpenSSL's provider only that there is no such key.
        self.refused(file_certificate, token_key.replace("/pin", "/pin-wrong"), "the PIN of ")
        self.refused(file_certificate, token_key.replace("/pin", "/none"), "the PIN's file")
        self.refused(file_certificate, token_key.split("?")[0], "no private key is found by this URI without a PIN")
        self.refused(file_certificate, token_key.split("?")[0] + f"?pin-value={PIN}", "a PIN stands in the URI")
        self.refused(file_certificate, "pkcs11:", "names no object")
        # Misspelt, it would be left to chance which object is meant.
        self.refused(file_certificate, token_key.replace("object=", "objekt="), "`objekt` is no attribute of a PKCS#11 URI")
        self.refused(file_certificate, token_key + "&module_path=/m", "`module_path` is no attribute of a PKCS#11 URI")
        self.refused(file_certificate, token_key + f"&{PIN}", "is not all of the form NAME=VALUE")
        pin = self.write("pin-open", PIN.encode(), 0o644)
        self.refused(file_certificate, token_key.split("?")[0] + f"?pin-source=file:{pin}", "by others")


if __name__ == "__main__":
    unittest.main()
