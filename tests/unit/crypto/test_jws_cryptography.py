#!/usr/bin/python3
"""Judges our signatures by PyJWT, and our reading of keys and certificates by Python's cryptography.

    test_jws_cryptography.py DRIVER
"""

import base64
import datetime
import json
import subprocess
import sys
import unittest

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

DRIVER = sys.argv.pop()

# RFC 7515, appendix A.2: key, signing input and signature.
RFC_KEY = {
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
    "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "d": "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0"
    "BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYT"
    "CBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    "p": "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPG"
    "BY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "q": "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA"
    "-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
}
RFC_HEADER = '{"alg":"RS256"}'
RFC_PAYLOAD = '{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
RFC_TOKEN = (
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjb"
    "KBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZES"
    "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def rfc_key():
    n, d, p, q = (number(RFC_KEY[name]) for name in "ndpq")
    public = rsa.RSAPublicNumbers(0x10001, n)
    return rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    ).private_key()


def pem(key, form=serialization.PrivateFormat.PKCS8, secret=None):
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, how)


def run(*arguments, stdin):
    return subprocess.run([DRIVER, *arguments], input=stdin, capture_output=True, check=False)


def certificate(key, days=3):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dev-7")])
    start = datetime.datetime(2026, 1, 2, 3, 4, 5)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


class Signatures(unittest.TestCase):
    def test_the_signature_of_rfc_7515(self):
        done = run("RS256", RFC_HEADER, RFC_PAYLOAD, stdin=pem(rfc_key()))
        self.assertEqual(done.stdout.decode().strip(), RFC_TOKEN)

    def test_each_form_is_accepted(self):
        traditional = serialization.PrivateFormat.TraditionalOpenSSL
        rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
        claims = {"aud": "https://example.com/token", "sub": "me"}
        for form, key in (("RS256", rsa_key), ("PS256", rsa_key), *[("ES256", ec_key)] * 20):
            for text in (pem(key), pem(key, traditional)):
                header = json.dumps({"alg": form, "typ": "JWT"})
                done = run(form, header, json.dumps(claims), stdin=text)
                self.assertEqual(done.returncode, 0, done.stderr)
                token = done.stdout.decode().strip()
                self.assertEqual(jwt.decode(token, key.public_key(), [form], audience=claims["aud"]), claims)

    def test_a_form_of_another_type_is_refused(self):
        curves = [ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1())]
        for form, key in (("ES256", rfc_key()), ("RS256", curves[0]), ("RS256", curves[1]), ("ES256", curves[1])):
            done = run(form, "{}", "{}", stdin=pem(key))
            self.assertEqual((done.returncode, done.stdout), (1, b""))

    def test_what_is_no_such_key_is_refused(self):
        for text in (
            b"",
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            pem(rsa.generate_private_key(65537, 1024)),
            pem(ec.generate_private_key(ec.SECP521R1())),
            pem(ed25519.Ed25519PrivateKey.generate()),
            pem(rfc_key(), secret=b"passphrase"),
        ):
            done = run("RS256", "{}", "{}", stdin=text)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.startswith(b"config: "), done.stderr)


class Certificates(unittest.TestCase):
    def test_the_first_is_meant_and_its_key_matches(self):
        key, other = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
        mine, chain = certificate(key), certificate(other, days=9)
        encoded = [each.public_bytes(serialization.Encoding.PEM) for each in (mine, chain)]
        ders = [each.public_bytes(serialization.Encoding.DER).hex() for each in (mine, chain)]
        start = int(datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc).timestamp())
        done = run("certificate", stdin=pem(key) + encoded[0] + encoded[1]).stdout.decode().split("\n")
        self.assertEqual(done[0], f"{start} {start + 3 * 86400} 2 1")
        self.assertEqual(done[1:3], ders)
        done = run("certificate", stdin=pem(key) + encoded[1] + encoded[0]).stdout.decode().split("\n")
        self.assertEqual(done[0], f"{start} {start + 9 * 86400} 2 0")

    def test_none_is_refused(self):
        done = run("certificate", stdin=pem(rfc_key()))
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
