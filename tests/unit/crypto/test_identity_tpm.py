#!/usr/bin/python3
"""An identity whose key lies in a TPM: swtpm stands for the chip, tpm2-pkcs11 is the module. Python's cryptography judges.

    test_identity_tpm.py DRIVER

Skipped (status 77) where a part of that is not installed.
"""

import datetime
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

PIN = "8642"
TEXT = b"what is to be signed"
NEEDED = ("swtpm", "tpm2-abrmd", "tpm2_ptool", "dbus-run-session", "pkcs11-tool")
MODULES = list(Path("/usr/lib").glob("*/pkcs11/libtpm2_pkcs11.so")) + list(Path("/usr/lib").glob("*/libtpm2_pkcs11.so.1"))


def free_pair():
    """Two free ports in a row, as swtpm's clients expect."""
    for port in range(23210, 29000, 2):
        try:
            with socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            continue
    raise SystemExit("no free ports")


def call(*argv, **more):
    done = subprocess.run(argv, capture_output=True, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(f"{argv}: {done.stderr.decode(errors='replace')}{done.stdout.decode(errors='replace')}")
    return done.stdout


def certificate(public):
    """Of an authority that does not matter here: the chip signs no certificate of its own."""
    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dev-tpm")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(public).serial_number(7).not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3)).sign(authority, hashes.SHA256())
    ).public_bytes(serialization.Encoding.PEM)


def judge(form, public, signature):
    if form == "RS256":
        public.verify(signature, TEXT, padding.PKCS1v15(), hashes.SHA256())
    elif form == "PS256":
        public.verify(signature, TEXT, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        assert len(signature) == 64
        halves = [int.from_bytes(signature[i:i + 32], "big") for i in (0, 32)]
        public.verify(utils.encode_dss_signature(*halves), TEXT, ec.ECDSA(hashes.SHA256()))


def within(driver, here, port):
    """Inside of a message bus of our own, which the resource manager needs."""
    broker = subprocess.Popen(
        ["tpm2-abrmd", "--session", "--allow-root", f"--tcti=swtpm:host=127.0.0.1,port={port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    env = {
        **os.environ, "TPM2TOOLS_TCTI": "tabrmd:bus_type=session", "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
        "TPM2_PKCS11_STORE": str(here / "store"), "PKCS11_MODULE_PATH": str(MODULES[0]), "TPM2_PKCS11_LOG_LEVEL": "0",
        "TSS2_LOG": "all+NONE",
        # The module leaks, and is gone when that is looked for; ours are looked for with SoftHSM.
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0",
    }
    try:
        for attempt in range(100):
            done = subprocess.run(["tpm2_ptool", "init", "--path", str(here / "store")], env=env, capture_output=True, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.1)
        call("tpm2_ptool", "addtoken", "--pid=1", "--label=dev", f"--userpin={PIN}", "--sopin=1234",
             "--path", str(here / "store"), env=env)
        (here / "pin").write_text(PIN)
        (here / "pin").chmod(0o600)
        for kind, algorithm, forms in (("ec", "ecc256", ["ES256"]), ("rsa", "rsa2048", ["RS256", "PS256"])):
            call("tpm2_ptool", "addkey", "--label=dev", f"--userpin={PIN}", f"--algorithm={algorithm}",
                 f"--key-label={kind}", "--path", str(here / "store"), env=env)
            der = call("pkcs11-tool", "--module", str(MODULES[0]), "--read-object", "--type", "pubkey", "--label", kind, env=env)
            public = serialization.load_der_public_key(der)
            assert isinstance(public, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey))
            (here / f"{kind}.pem").write_bytes(certificate(public))
            uri = f"pkcs11:token=dev;object={kind};type=private?pin-source=file:{here}/pin"
            for form in forms:
                out = call(driver, str(here / f"{kind}.pem"), uri, form, input=TEXT, env=env)
                judge(form, public, bytes.fromhex(out.decode()))
                print(f"{kind} {form}: good")
        return 0
    finally:
        broker.terminate()
        broker.wait()


def main():
    driver = sys.argv[1]
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing or not MODULES:
        print(f"not installed: {', '.join(missing) or 'libtpm2_pkcs11.so'}")
        return 77
    if len(sys.argv) == 4:
        return within(driver, Path(sys.argv[2]), int(sys.argv[3]))
    with tempfile.TemporaryDirectory(prefix="pratique-tpm.", dir="/tmp") as folder:
        here, port = Path(folder), free_pair()
        (here / "store").mkdir()
        (here / "state").mkdir()
        chip = subprocess.Popen([
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={here}/state", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1",
            "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1", "--flags", "not-need-init,startup-clear"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return subprocess.run(
                ["dbus-run-session", "--", sys.executable, __file__, driver, str(here), str(port)], check=False).returncode
        finally:
            chip.terminate()
            chip.wait()


if __name__ == "__main__":
    sys.exit(main())
