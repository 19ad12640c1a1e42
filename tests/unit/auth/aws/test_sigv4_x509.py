#!/usr/bin/python3
"""Judges signatures of certificates' keys, as IAM Roles Anywhere takes them: each is proved with Python's cryptography
over a string to sign that is made here from the user guide's words ("The signing process for IAM Roles Anywhere").

    test_sigv4_x509.py DRIVER
"""

import datetime
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import parse_qsl, quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

DRIVER = sys.argv.pop()
ARN = "arn:aws:rolesanywhere:eu-west-1:123456789012:"
KEYS = {
    "RSA": rsa.generate_private_key(65537, 2048), "ECDSA": ec.generate_private_key(ec.SECP256R1()),
    "ECDSA of P-384": ec.generate_private_key(ec.SECP384R1()),
}


def certificate(key, serial):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dev-7")])
    now = datetime.datetime.utcnow()
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9)).sign(key, hashes.SHA256())
    )


def case(rng):
    body = rng.choice(["{}", '{"durationSeconds":900}'])
    query = "&".join(f"{name}={quote(ARN + name, safe='')}" for name in rng.sample(["profileArn", "roleArn", "trustAnchorArn"], 3))
    when = datetime.datetime(2022, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 2**30))
    return {
        "request": {
            "method": "POST", "path": "/sessions", "query": query, "body": body,
            "headers": [["Host", "rolesanywhere.eu-west-1.amazonaws.com"], ["Content-Type", "application/json"],
                        ["X-Amz-X509", "MII" + "x" * rng.randint(1, 900)], ["X-Amz-X509-Chain", "MIIa,MIIb"]],
        },
        "credentials": {"access_key_id": "unused", "secret_access_key": "unused", "session_token": None},
        "region": "eu-west-1", "service": "rolesanywhere", "date": when.strftime("%Y%m%dT%H%M%SZ"),
        "flags": {"normalize_path": True, "double_uri_encode": True, "add_content_sha256_header": False, "sign_session_token": True},
    }


def string_to_sign(item, algorithm):
    request = item["request"]
    headers = sorted([(name.lower(), value) for name, value in request["headers"]] + [("x-amz-date", item["date"])])
    query = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in sorted(parse_qsl(request["query"])))
    canonical = "\n".join([
        "POST", "/sessions", query, *(f"{name}:{value}" for name, value in headers), "",
        ";".join(name for name, _ in headers), hashlib.sha256(request["body"].encode()).hexdigest(),
    ])
    scope = f"{item['date'][:8]}/eu-west-1/rolesanywhere/aws4_request"
    return "\n".join([algorithm, item["date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]), scope


def prove(key, signature, text):
    if isinstance(key, rsa.RSAPrivateKey):
        key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    else:
        key.public_key().verify(signature, text, ec.ECDSA(hashes.SHA256()))


class Signatures(unittest.TestCase):
    def sign(self, key, made, cases):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, "certificate.pem"), Path(folder, "key.pem")]
            paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
            paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
            lines = "".join(json.dumps(item) + "\n" for item in cases)
            done = subprocess.run([DRIVER, *paths], input=lines.encode(), capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_each_kind_of_key_signs_what_the_guide_says(self):
        rng = random.Random(1)
        for kind, key in KEYS.items():
            made = certificate(key, x509.random_serial_number())
            cases = [case(rng) for _ in range(50)]
            for item, ours in zip(cases, self.sign(key, made, cases), strict=True):
                algorithm = f"AWS4-X509-{kind.split()[0]}-SHA256"
                text, scope = string_to_sign(item, algorithm)
                self.assertEqual(ours["string_to_sign"], text)
                form = re.fullmatch(r"(\S+) Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]+)", ours["authorization"])
                self.assertEqual(form.group(1), algorithm)
                self.assertEqual(form.group(2), f"{made.serial_number}/{scope}")
                self.assertEqual(form.group(3), "content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain")
                prove(key, bytes.fromhex(form.group(4)), text.encode())
                with self.assertRaises(InvalidSignature):
                    prove(key, bytes.fromhex(form.group(4)), text.encode() + b"x")
                self.assertEqual(ours["headers"], [f"X-Amz-Date: {item['date']}"])

    def test_serial_numbers_of_any_size(self):
        key = KEYS["ECDSA"]
        for serial in (1, 2**63, 2**159 - 1):
            ours = self.sign(key, certificate(key, serial), [case(random.Random(2))])[0]
            self.assertIn(f" Credential={serial}/", ours["authorization"])


if __name__ == "__main__":
    unittest.main()
